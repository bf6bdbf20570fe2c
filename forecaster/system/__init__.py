"""The process and the machine: files, signals, native logs, limits, secrets. Knows nothing of forecasting."""
