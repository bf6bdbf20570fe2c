"""Reports on a table before a fit: its series, the settings that would be inferred, and its problems."""
