"""From a model and rows to forecasts."""
