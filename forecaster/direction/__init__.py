"""Forecasts of direction: whether the target rises, stays or falls, with probabilities, and whether they beat luck."""
