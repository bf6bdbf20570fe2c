"""Time zones: convert local times to UTC and back, across clock changes.

A zone is a name of the IANA database (``Europe/Berlin``), ``UTC``, or a fixed offset (``+02:00``); ``""`` is none.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo

import numpy as np
import pandas as pd

from forecaster.data.time.freq import Freq, format_time
from forecaster.errors import DataError, SettingError, nearest
from forecaster.notes import Note
from forecaster.words import plural, setting

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?")


def check_zone(zone: str) -> str:
    """Return the name of a zone as it is stored: ``Z`` and ``utc`` become ``UTC``, ``+0200`` ``+02:00``.

    Raises:
        SettingError: there is no such zone.
    """
    name = zone.strip()
    if name.upper() in ("", "Z", "UTC", "GMT"):
        return "UTC" if name else ""
    if found := _OFFSET.fullmatch(name.upper()):
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours <= 14 and minutes < 60:
            return f"{found[1]}{hours:02d}:{minutes:02d}" if hours or minutes else "UTC"
    else:
        try:
            return zoneinfo.ZoneInfo(name).key
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise SettingError(
        f"unknown time zone '{zone}', expected a name such as Europe/Berlin, UTC, or an offset such as +02:00",
        _suggest_zone(name),
    )


def _suggest_zone(name: str) -> str:
    """Return a hint with a zone, or the zone of a city, spelled like a name."""
    zones = sorted(zoneinfo.available_timezones())
    if close := [zone for zone in zones if zone.lower() == name.lower()]:
        return f"did you mean '{close[0]}'?"
    cities = {zone.rpartition("/")[2].lower(): zone for zone in zones}
    city = cities.get(name.rpartition("/")[2].lower().replace(" ", "_"))
    return f"did you mean '{city}'?" if city else nearest(name, zones)


def _tzinfo(zone: str) -> datetime.tzinfo:
    name = check_zone(zone)
    if name == "UTC":
        return datetime.UTC
    if name[0] not in "+-":
        return zoneinfo.ZoneInfo(name)
    ahead = datetime.timedelta(hours=int(name[1:3]), minutes=int(name[4:6]))
    return datetime.timezone(ahead if name[0] == "+" else -ahead)


def to_utc(
    local: np.ndarray, zone: str, codes: np.ndarray | None = None, notes: list[Note] | None = None
) -> np.ndarray:
    """Return local times in UTC.

    The hour that clocks show twice in autumn is decided by the order of the rows of a series: times up to a step back
    are the first pass, summer time, those after it the second, winter time. If the rows are not in order, the first
    row of each time is summer time, the next winter time. A time that occurs once, with no step back, is summer time.

    Args:
        local: ``(rows,)`` ``datetime64[ns]`` in the order of the table; NaT stays NaT.
        zone: name of the time zone; ``""`` and ``UTC`` return the times unchanged.
        codes: ``(rows,)`` integers, the series of each row; one series by default.
        notes: a note is appended if there was a repeated hour.

    Returns:
        ``(rows,)`` ``datetime64[ns]``.

    Raises:
        DataError: a time does not exist, because clocks went forward over it.
        SettingError: the zone is unknown.
    """
    if local.dtype.kind != "M" or check_zone(zone) in ("", "UTC"):
        return local
    first, rows, length = _first_pass(local, _tzinfo(zone))
    absent = np.isnat(first) & ~np.isnat(local)
    if absent.any():
        raise _nonexistent_error(local, absent, zone)
    if len(rows):
        second = _second_pass(local, codes, rows)
        first[rows[second]] += length[second]
        if notes is not None:
            notes.append(_repeated_note(local, rows, int(second.sum())))
    return first


def _first_pass(local: np.ndarray, tz: datetime.tzinfo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return local times in UTC, the rows whose time exists twice, and the delay of the second pass.

    The zone is asked once a day, and row by row only around clock changes. A time that does not exist is NaT.
    """
    days, place = _split_days(local)
    before, after = (_utc_offsets(days.astype("datetime64[ns]") + np.timedelta64(side, "D"), tz) for side in (-1, 2))
    found = local - before[place]
    rows = np.flatnonzero((before != after)[place])
    one, other = (local[rows] - ahead[place[rows]] for ahead in (before, after))
    one_is, other_is = (_utc_offsets(utc, tz) == local[rows] - utc for utc in (one, other))
    both = one_is & other_is
    found[rows] = np.where(one_is, one, np.where(other_is, other, np.datetime64("NaT")))
    found[rows[both]] = np.minimum(one, other)[both]
    return found, rows[both], np.abs(other - one)[both]


def _split_days(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the days from the first time to the last, and the place of each time among them, arbitrary for NaT."""
    number, empty = times.astype("datetime64[D]").astype(np.int64), np.isnat(times)
    if empty.any():
        number[empty] = 0 if empty.all() else number[~empty][0]
    first, last = (int(number.min()), int(number.max())) if len(number) else (0, 0)
    number -= first
    return np.arange(first, last + 1).astype("datetime64[D]"), number


def _utc_offsets(utc: np.ndarray, tz: datetime.tzinfo) -> np.ndarray:
    """Return the offsets of a zone from UTC, ``timedelta64[ns]``."""
    zoned = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(tz).tz_localize(None)
    return zoned.to_numpy().astype("datetime64[ns]") - utc


def _nonexistent_error(local: np.ndarray, absent: np.ndarray, zone: str) -> DataError:
    row, count = int(absent.argmax()), int(absent.sum())
    more = f" ({plural(count - 1, 'more such row')})" if count > 1 else ""
    winter = int(_utc_offsets(local[row : row + 1] - np.timedelta64(1, "D"), _tzinfo(zone))[0] / np.timedelta64(1, "m"))
    offset = f"{'+' if winter >= 0 else '-'}{abs(winter) // 60:02d}:{abs(winter) % 60:02d}"
    return DataError(
        f"there is no {format_time(local[row])} in {zone}: clocks went forward over it{more}",
        f"the times may be in UTC, {setting('zone', 'UTC')}, or in winter time throughout, {setting('zone', offset)}",
    )


def _repeated_note(local: np.ndarray, repeated: np.ndarray, second: int) -> Note:
    summer = len(repeated) - second
    reason = (
        f"clocks show that hour twice, first {format_time(local[repeated[0]])}: {summer:,} read as summer time, "
        f"{second:,} after them as winter time, by the order of the rows"
    )
    value = f"{plural(len(repeated), 'row')} in a repeated hour"
    return Note("clock change", value, reason, warning=summer != second)


def _second_pass(local: np.ndarray, codes: np.ndarray | None, repeated: np.ndarray) -> np.ndarray:
    """Return a mask of rows in a repeated hour that belong to its second pass, ``(repeated,)`` bool."""
    series = np.zeros(len(local), np.int64) if codes is None else np.asarray(codes, np.int64)
    rows = np.where(_is_descending(local, series)[repeated], -repeated, repeated)  # oldest first
    days = local[repeated].astype("datetime64[D]").astype(np.int64)  # in most zones no repeated hour crosses midnight
    order = np.lexsort((rows, days, series[repeated]))
    groups, times = np.stack([series[repeated], days])[:, order], local[repeated][order].astype(np.int64)
    heads = np.ones(len(order), bool)
    heads[1:] = (np.diff(groups, axis=1) != 0).any(axis=0)
    back = np.zeros(len(order), np.int64)
    back[1:] = np.diff(times) <= 0
    back[heads] = 0
    group = np.cumsum(heads) - 1
    passed = np.cumsum(back)
    passed -= passed[heads][group]
    unordered = np.bincount(group, back) > 1
    second = np.where(unordered[group], _repeats_earlier(group, times), passed > 0)
    found = np.zeros(len(order), bool)
    found[order] = second
    return found


def _is_descending(local: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return a mask of rows of series whose newest row comes first, ``(rows,)`` bool."""
    first, last = (np.zeros(int(series.max()) + 1, local.dtype) for _ in range(2))
    first[series[::-1]], last[series] = local[::-1], local
    return (first > last)[series]


def _repeats_earlier(group: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return a mask of rows that repeat the time of an earlier row of their group, ``(rows,)`` bool."""
    order = np.lexsort((np.arange(len(times)), times, group))
    again = np.zeros(len(times), bool)
    again[1:] = (np.diff(times[order]) == 0) & (np.diff(group[order]) == 0)
    found = np.zeros(len(times), bool)
    found[order] = again
    return found


def local_times(times: np.ndarray, zone: str, freq: str = "") -> np.ndarray:
    """Return UTC times as local times of a zone.

    Args:
        times: ``datetime64[ns]`` of any shape; whole numbers are returned unchanged.
        zone: name of the time zone; ``""`` and ``UTC`` return the times unchanged.
        freq: the freq of the panel; times of whole days are local times already.

    Returns:
        An array of the same shape.
    """
    if times.dtype.kind != "M" or check_zone(zone) in ("", "UTC") or (freq and Freq.of(freq).whole_days):
        return times
    utc, tz = times.ravel(), _tzinfo(zone)
    days, place = _split_days(utc)
    starts, ends = (_utc_offsets(days.astype("datetime64[ns]") + np.timedelta64(side, "D"), tz) for side in (0, 1))
    found = utc + starts[place]
    rows = np.flatnonzero((starts != ends)[place])
    found[rows] = utc[rows] + _utc_offsets(utc[rows], tz)
    return found.reshape(times.shape)


def localize(times: np.ndarray, zone: str, freq: str = "") -> pd.Series:
    """Return times for a table: zone-aware, or plain if they have no zone or are whole days.

    Args:
        times: ``(rows,)`` UTC ``datetime64[ns]``, local times for a freq of whole days, or whole numbers.
        zone: name of the time zone; ``""`` for none.
        freq: the freq of the panel.
    """
    if times.dtype.kind != "M" or not check_zone(zone) or (freq and Freq.of(freq).whole_days):
        return pd.Series(times)
    return pd.Series(pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(_tzinfo(zone)))
