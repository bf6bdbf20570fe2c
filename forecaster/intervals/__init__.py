"""Widths of intervals: learned from validation errors, scaled by uncertainty, adapted to newer rows."""
