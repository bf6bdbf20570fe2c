"""Find and join times that are split over several columns: year, month, day, hour; or a date and an hour."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pandas as pd

from forecaster.data.columns.date_formats import month_number
from forecaster.data.columns.profile import ColumnProfile, TableProfile, answer_once
from forecaster.data.columns.raw_cells import numbers_of
from forecaster.data.columns.read_times import read_times
from forecaster.data.readers.dataframe import line_of
from forecaster.errors import DataError
from forecaster.words import quote_names, setting

#: The names of a column that holds one part of a time, and the range of its numbers.
PARTS: dict[str, tuple[tuple[str, ...], tuple[int, int]]] = {
    "year": (("year", "yr", "years"), (1678, 2261)),
    "quarter": (("quarter", "qtr"), (1, 4)),
    "month": (("month", "mnth", "mon", "months"), (1, 12)),
    "week": (("week", "isoweek", "iso_week", "weeknum", "week_number"), (1, 53)),
    "day": (("day", "mday", "dom", "day_of_month"), (1, 31)),
    "weekday": (("weekday", "dayofweek", "day_of_week", "dow"), (0, 7)),
    "hour": (("hour", "hr", "hours", "hour_of_day"), (0, 24)),
    "minute": (("minute", "minutes"), (0, 59)),
    "second": (("second", "seconds"), (0, 59)),
}
_ORDER = ("year", "month", "day", "hour", "minute", "second")
_NEXT = {"year": ("month", "quarter", "week"), "month": ("day",), "day": ("hour",), "hour": ("minute",)}
_HEAD = 100_000  # rows that tell if a date has a time of day in other columns
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AP])M)?", re.IGNORECASE)


def part_of(name: str) -> str | None:
    """Return the key of :data:`PARTS` that a column is named after; None if none."""
    return next((part for part, (names, _) in PARTS.items() if name.strip().lower() in names), None)


@answer_once
def is_part(column: ColumnProfile) -> bool:
    """Return True if a column is named after a part of a time and holds numbers or names of that part."""
    part = part_of(column.name)
    if part is None:
        return False
    cells = column.sample
    if not len(cells) or column.dtype.kind in "mM":
        return False
    numbers = numbers_of(cells)
    if np.isnan(numbers).all():
        return part in ("month", "weekday") and all(isinstance(cell, str) for cell in cells)
    low, high = PARTS[part][1]
    return bool(((numbers == np.floor(numbers)) & (numbers >= low) & (numbers <= high)).mean() > 0.5)


def find_parts(table: TableProfile, taken: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the columns that hold a time from the year downwards; none if there is no year, or no part after it."""
    found = {part_of(name): name for name in reversed(table.others(taken)) if is_part(table[name])}
    chain, part = ["year"], "year"
    while following := next((nxt for nxt in _NEXT.get(part, ()) if nxt in found), None):
        chain.append(following)
        part = following
    return tuple(str(found[part]) for part in chain) if "year" in found and len(chain) > 1 else ()


def find_clock(table: TableProfile, date: str, taken: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the columns that hold the time of day of a column of whole days; none if there are none."""
    head = table.head(_HEAD)
    kind = head[date].time_kind
    if kind in (None, "step", "year", "months", "epoch") or head[date].distinct_count == len(head):
        return ()
    try:
        times = read_times(head, date, "month-first").values
    except DataError:
        return ()
    times = times[~np.isnat(times)]
    if (times != times.astype("datetime64[D]")).any():
        return ()
    others = table.others((date, *taken))
    clock = [name for name in others if _is_clock(table[name])]
    if clock:
        return (clock[0],)
    hours = [name for name in others if part_of(name) == "hour" and is_part(table[name])]
    minutes = [name for name in others if part_of(name) == "minute" and is_part(table[name])]
    if not hours:
        return ()
    days, within = head[date].codes, head[hours[0]].codes
    several = len(pd.unique(days * 100 + within)) > len(pd.unique(days))
    return (hours[0], *minutes[:1]) if several else ()


def join_parts(table: TableProfile, columns: tuple[str, ...], dates: str = "auto") -> np.ndarray:
    """Return whole times, ``(rows,)`` ``datetime64[ns]``, joined from the columns they are split over.

    A row with an empty part has no time. The hour 24 is the first of the next day.

    Args:
        table: the table.
        columns: columns named after parts from the year downwards, or a column of dates and those of the time of day.
        dates: as in :func:`forecaster.data.columns.read_times.read_times`.

    Raises:
        DataError: a part is no number, or there is no such day or time.
    """
    parts = [_find_part(table[name], i) for i, name in enumerate(columns)]
    if parts[0] == "date":
        total = read_times(table, columns[0], dates).values.copy()
    else:
        total = _join_days(table, dict(zip(parts, columns, strict=True)))
    for part, name in zip(parts, columns, strict=True):
        if part in ("hour", "minute", "second"):
            numbers = _read_part(table, name, *PARTS[part][1])
            total += np.nan_to_num(numbers).astype(np.int64).astype("timedelta64[s]") * _SECONDS[part]
            total[np.isnan(numbers)] = np.datetime64("NaT")
        elif part == "clock":
            total += _read_clock(table, name)
    return total


_SECONDS = {"hour": 3600, "minute": 60, "second": 1}


def _find_part(column: ColumnProfile, place: int) -> str:
    """Return the part of a time that a column holds, by its name, else by its content, else by its place."""
    if place == 0 and column.time_kind not in (None, "step", "year"):
        return "date"
    return part_of(column.name) or ("clock" if _is_clock(column) else _ORDER[min(place, len(_ORDER) - 1)])


def _is_clock(column: ColumnProfile) -> bool:
    if column.dtype.kind in "iufcbM":
        return False
    if column.dtype.kind == "m":
        return True
    return len(column.sample) > 0 and all(
        isinstance(cell, datetime.time) or (isinstance(cell, str) and bool(_CLOCK.fullmatch(cell.strip())))
        for cell in column.sample
    )


def _read_clock(table: TableProfile, name: str) -> np.ndarray:
    """Return times of day, ``(rows,)`` ``timedelta64[ns]``."""
    if table[name].dtype.kind == "m":
        return table[name].cells.to_numpy().astype("timedelta64[ns]")
    codes, values = table[name].distinct
    seconds = []
    for code, value in enumerate(values):
        found = _CLOCK.fullmatch(str(value).strip())
        hour = int(found[1]) if found else 99
        if found and found[4]:
            hour = hour % 12 + 12 * (found[4].upper() == "P") if 1 <= hour <= 12 else 99
        if not found or hour > 24 or int(found[2]) > 59 or int(found[3] or 0) > 59:
            row = int((codes == code).argmax())
            raise DataError(
                f"column '{name}', {line_of(table.frame, row)}: '{value}' is no time of day, expected such as 18:30",
                "correct or remove those rows",
            )
        seconds.append(hour * 3600 + int(found[2]) * 60 + int(found[3] or 0))
    spread = np.append(np.array(seconds, "timedelta64[s]"), np.timedelta64("NaT", "s"))[codes]
    return spread.astype("timedelta64[ns]")


def _read_part(table: TableProfile, name: str, low: int, high: int) -> np.ndarray:
    """Return whole numbers from ``low`` to ``high``, ``(rows,)`` float64, NaN where a cell is empty."""
    column = table[name].cells
    if part_of(name) == "month" and column.dtype.kind not in "iuf":
        codes, values = table[name].distinct
        numbers = np.array([float(month_number(str(v)) or _to_number(v)) for v in values] + [np.nan])[codes]
    else:
        numbers = numbers_of(column)
    empty = np.isnan(numbers) & column.isna().to_numpy()
    bad = ~empty & ~((numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers)))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"column '{name}', {line_of(table.frame, row)}: '{column.iloc[row]}', "
            f"expected a whole number from {low} to {high}",
            "correct or remove those rows",
        )
    return numbers


def _to_number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _join_days(table: TableProfile, columns: dict[str, str]) -> np.ndarray:
    """Return the day of each row, ``(rows,)`` ``datetime64[ns]``, from the column of each part."""
    if "year" not in columns:
        raise DataError(
            f"the time columns {quote_names(columns.values())} begin with no year and no date",
            setting("time", "year,month,day,hour"),
        )
    numbers = {part: _read_part(table, name, *PARTS[part][1]) for part, name in columns.items() if part in _DAY_PARTS}
    empty = np.zeros(len(table), bool)
    for values in numbers.values():
        empty |= np.isnan(values)
    whole = {part: np.where(empty, 1, values).astype(np.int64) for part, values in numbers.items()}
    years = np.where(empty, 1970, whole["year"]) - 1970
    if "week" in whole and "month" not in whole:
        days, real = _days_of_weeks(years, whole["week"], whole.get("day", np.ones(len(table), np.int64)))
    else:
        month = whole["month"] if "month" in whole else 3 * whole["quarter"] - 2 if "quarter" in whole else 1
        months = (years * 12 + month - 1).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (whole.get("day", np.ones(1, np.int64)) - 1)
        real = days.astype("datetime64[M]") == months
    if not (real | empty).all():
        row = int((~(real | empty)).argmax())
        names = list(columns.values())
        held = ", ".join(str(table.frame[name].iloc[row]) for name in names)
        raise DataError(
            f"columns {quote_names(names)}, {line_of(table.frame, row)}: there is no day {held}",
            "correct or remove those rows",
        )
    return np.where(empty, np.datetime64("NaT", "D"), days).astype("datetime64[ns]")


_DAY_PARTS = ("year", "quarter", "month", "week", "day")


def _days_of_weeks(years: np.ndarray, weeks: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the days of ISO weeks, and a mask of those that exist: week 1 is the one of January 4th."""
    fourth = years.astype("datetime64[Y]").astype("datetime64[D]") + 3
    monday = fourth - (fourth.astype(np.int64) + 3) % 7 + 7 * (weeks - 1)
    thursday = (monday + 3).astype("datetime64[Y]").astype(np.int64)
    return monday + (days - 1), (thursday == years) & (days <= 7)
