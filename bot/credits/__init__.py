"""The credit ledger, daily limits, and the task life cycle that settles and releases holds."""
