"""Freqs, calendars, time zones, holidays and horizons."""
