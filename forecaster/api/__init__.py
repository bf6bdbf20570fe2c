"""The library: Forecaster, Forecast, Evaluation, and the fit session."""
