"""Recognise local times with daylight saving by the hour absent in spring and repeated in autumn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.data.time.freq import DAY, format_time

#: Zone: (months of both changes, their Sundays in the month, the hour absent in spring, the hour repeated in autumn).
RULES: dict[str, tuple[tuple[int, int], tuple[int, int], int, int]] = {
    "Europe/Berlin": ((3, 10), (-1, -1), 2, 2),
    "America/New_York": ((3, 11), (2, 1), 2, 1),
    "Europe/London": ((3, 10), (-1, -1), 1, 1),
    "Europe/Helsinki": ((3, 10), (-1, -1), 3, 3),
}


@dataclass(frozen=True)
class Daylight:
    """A zone whose clock changes the times follow.

    Attributes:
        zone: its name; other zones may have the same rule.
        evidence: the evidence in words.
        places: times of the table that show it.
        explains: True if every repeated time is in an hour that clocks show twice.
    """

    zone: str
    evidence: str
    places: tuple[np.datetime64, ...]
    explains: bool


def find_daylight(times: np.ndarray, repeated: np.ndarray) -> Daylight | None:
    """Return the zone whose clock changes the times follow, None for none.

    Args:
        times: ``(rows,)`` sorted within each series, ``datetime64[ns]`` without a zone.
        repeated: ``(rows,)`` bool, True for rows that repeat the time before them.
    """
    if times.dtype.kind != "M" or not len(times) or not (times.astype(np.int64) % DAY).any():
        return None
    every = np.unique(times)
    hours = np.unique(every.astype("datetime64[h]"))
    doubled = np.unique(times[repeated].astype("datetime64[h]"))
    best: tuple[int, Daylight] | None = None
    for zone, rule in RULES.items():
        spring, autumn = _clock_changes(rule, hours[0], hours[-1])
        expected = [hour for hour in spring if _contains(hours, hour - 1) and _contains(hours, hour + 1)]
        absent = [hour for hour in expected if not _contains(hours, hour)]
        twice = [hour for hour in autumn if _contains(doubled, hour)]
        if not absent or len(absent) < len(expected) or not (twice or len(absent) > 1):
            continue
        words = f"the hour from {_format_hour(absent[0])} is absent in {len(absent)} of {len(expected)} springs"
        words += f", and {format_time(twice[0].astype('datetime64[ns]'))} occurs twice" if twice else ""
        score = len(absent) + len(twice)
        shown_at = [hour.astype("datetime64[ns]") for hour in twice] or [
            (hour + 1).astype("datetime64[ns]") for hour in absent
        ]
        if best is None or score > best[0]:
            places = tuple(time for time in shown_at if _contains(every, time))
            best = (score, Daylight(zone, words, places, len(twice) == len(doubled) > 0))
    return best[1] if best else None


def _clock_changes(
    rule: tuple[tuple[int, int], tuple[int, int], int, int], first: np.datetime64, last: np.datetime64
) -> tuple[list[np.datetime64], list[np.datetime64]]:
    """Return the hours absent and the hours repeated from the year of ``first`` to that of ``last``."""
    (spring_month, autumn_month), sundays, absent, doubled = rule
    years = range(first.astype("datetime64[Y]").astype(int) + 1970, last.astype("datetime64[Y]").astype(int) + 1971)
    springs = [_sunday(year, spring_month, sundays[0]) + np.timedelta64(absent, "h") for year in years]
    autumns = [_sunday(year, autumn_month, sundays[1]) + np.timedelta64(doubled, "h") for year in years]
    return springs, autumns


def _sunday(year: int, month: int, which: int) -> np.datetime64:
    """Return the first (1), second (2) or last (-1) Sunday of a month, in hours."""
    start = np.datetime64(f"{year:04d}-{month:02d}", "M")
    if which > 0:
        day = np.busday_offset(start.astype("datetime64[D]"), which - 1, roll="forward", weekmask="Sun")
    else:
        day = np.busday_offset((start + 1).astype("datetime64[D]") - 1, 0, roll="backward", weekmask="Sun")
    return day.astype("datetime64[h]")


def _contains(times: np.ndarray, time: np.datetime64) -> bool:
    place = int(np.searchsorted(times, time))
    return place < len(times) and bool(times[place] == time)


def _format_hour(hour: np.datetime64) -> str:
    return f"{int(hour.astype(np.int64)) % 24:02d}:00"
