"""The library: Forecaster, Evaluation, and the fit session."""
