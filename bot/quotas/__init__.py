"""Credits: prices, limits and the ledger."""
