"""The backtest: stages and loop over history, by the very code of a live run."""
