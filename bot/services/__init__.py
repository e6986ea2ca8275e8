"""One function per command, and the transactions behind them."""
