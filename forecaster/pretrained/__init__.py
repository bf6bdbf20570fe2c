"""A network that comes along, trained on generated series alone, and forecasts with no fit."""
