"""Metrics, baselines, backtests, and tests of their differences."""
