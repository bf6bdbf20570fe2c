"""Series laid end to end on a regular grid, and how a table becomes one."""
