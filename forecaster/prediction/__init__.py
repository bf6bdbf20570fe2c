"""Forecasts of a trained model from given rows."""
