"""Pictures in, videos out: what is on our disk."""
