"""Series laid end to end on a regular grid, how a table becomes one, and the seasons in it."""
