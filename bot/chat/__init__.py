"""What every chat platform shares: stored updates and interactive messages."""
