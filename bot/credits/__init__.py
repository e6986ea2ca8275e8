"""Credits: prices, daily limits and the ledger."""
