"""Freqs, calendars, seasons, time zones and holidays."""
