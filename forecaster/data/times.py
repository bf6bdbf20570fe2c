"""From a column to times: what a column of times looks like, and reading one."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.sources import plural, where
from forecaster.errors import DataError
from forecaster.notes import Note

_CLOCK = r"(?P<clock>[ T]\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d+)?)?)?"
_ZONE = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
_ISO = re.compile(rf"\d{{4}}-\d{{2}}(-\d{{2}}([ T]\d{{2}}(:?\d{{2}}(:?\d{{2}}([.,]\d+)?)?)? ?{_ZONE}?)?)?")
_ZONED = rf"[ T]\d.*{_ZONE}$"
_YEAR_FIRST = re.compile(r"\d{4}(?P<mark>[/.-])\d{1,2}(?P=mark)\d{1,2}" + _CLOCK)
_YEAR_LAST = re.compile(r"\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)\d{4}" + _CLOCK)

#: Names of whole-number columns that count steps, and of those that hold a year.
STEP_NAMES = ("t", "step", "steps", "index", "time", "ds", "period", "tick", "hour_index")
YEAR_NAMES = ("year", "yr", "years")
_SAMPLE = 1000  # cells looked at to tell what a column holds
_SHARE = 0.5  # of them that must fit; the rest are reported by line when all are read
_SHARE_OF_NUMBERS = 0.9  # the same for numbers written as yyyymmdd, where chance fits more often


@dataclass(frozen=True)
class Times:
    """A column read as times.

    Attributes:
        values: ``(rows,)`` ``datetime64[ns]`` with NaT where a cell is empty, or float64 steps with NaN.
        words: what such times look like, for a message.
        utc: True where they carried a time zone; they are then held in UTC.
        note: what was decided about them, if anything.
    """

    values: np.ndarray
    words: str
    utc: bool = False
    note: Note | None = None


def looks_like(column: pd.Series) -> str | None:
    """Return the key of :data:`TIME_READERS` that fits a column, judged by at most 1,000 of its cells; None if none."""
    if isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return "datetime"
    cells = sample(column)
    if not len(cells):
        return None
    if pd.api.types.is_bool_dtype(column.dtype):
        return None
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _whole_number_kind(str(column.name), cells.to_numpy(dtype=float))
    if sum(isinstance(cell, datetime.date) for cell in cells) >= _SHARE * len(cells):
        return "datetime"
    for kind, pattern in (("iso", _ISO), ("year first", _YEAR_FIRST), ("year last", _YEAR_LAST)):
        if sum(isinstance(cell, str) and bool(pattern.fullmatch(cell)) for cell in cells) >= _SHARE * len(cells):
            return kind
    return None


def read_times(frame: pd.DataFrame, name: str, kind: str) -> Times:
    """Return a column of a table as times.

    Args:
        frame: the table.
        name: its time column.
        kind: a key of :data:`TIME_READERS`, as :func:`looks_like` found it.

    Raises:
        DataError: a cell is not empty and cannot be read, or day and month cannot be told apart.
    """
    column = frame[name]
    times = TIME_READERS[kind](column)
    bad = np.flatnonzero(pd.isna(times.values))
    cells = column.iloc[bad]
    bad = bad[(cells.notna() & (cells.astype(str).str.strip() != "")).to_numpy(dtype=bool)]
    if len(bad):
        shown = column.iloc[bad[0]]
        between = " between 1678 and 2262" if times.values.dtype.kind == "M" else ""
        others = f", nor can {plural(len(bad) - 1, 'other')}" if len(bad) > 1 else ""
        raise DataError(
            f"column '{name}', {where(frame, bad[0])}: '{shown}' cannot be read as a time{others}; "
            f"expected {times.words}{between}",
            "correct or remove those rows",
        )
    return times


def sample(column: pd.Series) -> pd.Series:
    """Return at most 1,000 cells, spread over the column, that are not empty."""
    picks = np.linspace(0, len(column) - 1, min(len(column), _SAMPLE)).astype(int)
    cells = column.iloc[picks].dropna()
    return cells if len(cells) else column.dropna().iloc[:_SAMPLE]


def _whole_number_kind(name: str, numbers: np.ndarray) -> str | None:
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
        return None
    if (~np.isnat(_from_digits(numbers))).mean() >= _SHARE_OF_NUMBERS:
        return "digits"
    if name.lower() in YEAR_NAMES and ((numbers >= 1600) & (numbers <= 2200)).all():
        return "year"
    return "step"


def _from_digits(numbers: np.ndarray) -> np.ndarray:
    """Return ``yyyymmdd`` numbers as ``datetime64[ns]``, NaT where there is no such day from 1600 to 2200."""
    whole = np.clip(np.nan_to_num(numbers), 0, 10**9).astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    months = ((np.clip(year, 1600, 2200) - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    real = (year >= 1678) & (year <= 2200) & (month >= 1) & (month <= 12) & (days.astype("datetime64[M]") == months)
    return np.where(real & (day >= 1), days, np.datetime64("NaT", "D")).astype("datetime64[ns]")


def _nanoseconds(parsed: pd.Series) -> np.ndarray:
    """Return times, in UTC where they have a zone, as ``datetime64[ns]``; what nanoseconds cannot hold becomes NaT."""
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    values = parsed.to_numpy()
    low, high = np.datetime64("1678-01-01"), np.datetime64("2262-01-01")
    if values.dtype != "datetime64[ns]":
        values = np.where((values >= low) & (values < high), values, np.datetime64("NaT")).astype("datetime64[ns]")
    return values


_UTC = Note("times", "UTC", "they carry a time zone, and are held and forecast in UTC")


def _read_datetime(column: pd.Series) -> Times:
    if isinstance(column.dtype, pd.PeriodDtype):
        return Times(
            _nanoseconds(column.dt.to_timestamp()),
            "periods",
            note=Note("times", "start of each period", "as the column holds periods"),
        )
    if column.dtype == object:
        utc = any(getattr(cell, "tzinfo", None) is not None for cell in sample(column))
        column = pd.to_datetime(column, errors="coerce", utc=True)
    else:
        utc = column.dt.tz is not None
    return Times(_nanoseconds(column), "times", utc, _UTC if utc else None)


def _read_iso(column: pd.Series) -> Times:
    words = f"ISO times such as {sample(column).iloc[0]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # pandas 2 only warns of several offsets from UTC
            parsed = pd.to_datetime(column, format="ISO8601", errors="coerce")
    except (ValueError, FutureWarning):
        parsed = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    if parsed.dt.tz is None:
        return Times(_nanoseconds(parsed), words)
    _check_all_zoned(column[parsed.notna()])  # pandas 2 gives a time without a zone that of the rest
    return Times(_nanoseconds(parsed), words, True, _UTC)


def _check_all_zoned(column: pd.Series) -> None:
    doubtful = column[~column.astype(str).str.endswith("Z")]
    naive = doubtful[~doubtful.astype(str).str.contains(_ZONED, regex=True)]
    if len(naive):
        raise DataError(
            f"column '{column.name}' mixes times with and without a time zone: {where(naive, 0)} holds "
            f"'{naive.iloc[0]}', without one",
            "write all of them in UTC, such as 2024-01-31T00:30:00Z",
        )


def _clock_format(cell: str, found: re.Match[str]) -> str:
    if not found["clock"]:
        return ""
    return found["clock"][0] + "%H:%M" + (":%S" if found["second"] else "") + (".%f" if found["fraction"] else "")


def _read_year_first(column: pd.Series) -> Times:
    cell, found = _first_match(column, _YEAR_FIRST)
    layout = "%Y{0}%m{0}%d".format(found["mark"]) + _clock_format(cell, found)
    return Times(_strptime(column, layout), f"times such as {cell}, year first")


def _read_year_last(column: pd.Series) -> Times:
    """Decide between day/month/year and month/day/year on the whole column."""
    cell, found = _first_match(column, _YEAR_LAST)
    clock = _clock_format(cell, found)
    month_first = _strptime(column, "%m{0}%d{0}%Y".format(found["mark"]) + clock)
    day_first = _strptime(column, "%d{0}%m{0}%Y".format(found["mark"]) + clock)
    failed, why = [int(np.isnat(times).sum()) for times in (month_first, day_first)], "all values are dates only so"
    if failed[0] == failed[1]:
        ordered = [_is_monotone(times) for times in (month_first, day_first)]
        why = "the rows are in order of time only so"
        if found["mark"] == ".":
            ordered, why = [False, True], "as usual for dates with dots"
        if ordered[0] == ordered[1]:
            raise DataError(
                f"column '{column.name}': '{cell}' and every other value read both as month/day and as day/month",
                "write the dates as 2024-01-31",
            )
        failed = [int(not ok) for ok in ordered]
    order, times = ("month first", month_first) if failed[0] < failed[1] else ("day first", day_first)
    return Times(times, f"times such as {cell}, {order}", note=Note("times", order, f"such as {cell}; {why}"))


def _is_monotone(times: np.ndarray) -> bool:
    steps = np.diff(times[~np.isnat(times)].astype(np.int64))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _first_match(column: pd.Series, pattern: re.Pattern[str]) -> tuple[str, re.Match[str]]:
    for cell in sample(column):
        found = pattern.fullmatch(str(cell))
        if found:
            return str(cell), found
    raise DataError(f"column '{column.name}' holds no times")


def _strptime(column: pd.Series, layout: str) -> np.ndarray:
    return _nanoseconds(pd.to_datetime(column, format=layout, errors="coerce"))


def _numbers(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _read_digits(column: pd.Series) -> Times:
    return Times(_from_digits(_numbers(column)), "dates such as 20240131")


def _read_year(column: pd.Series) -> Times:
    years = _numbers(column)
    real = (years >= 1678) & (years <= 2200) & (years == np.floor(years))
    whole = (np.where(real, years, 1970).astype(np.int64) - 1970).astype("datetime64[Y]")
    return Times(np.where(real, whole, np.datetime64("NaT", "Y")).astype("datetime64[ns]"), "years such as 1990")


def _read_steps(column: pd.Series) -> Times:
    steps = _numbers(column)
    exact = (steps == np.floor(steps)) & (np.abs(steps) < 2**53)
    return Times(np.where(exact, steps, np.nan), "whole numbers that count steps")


#: How each kind of time column is read.
TIME_READERS: dict[str, Callable[[pd.Series], Times]] = {
    "datetime": _read_datetime,
    "iso": _read_iso,
    "year first": _read_year_first,
    "year last": _read_year_last,
    "digits": _read_digits,
    "year": _read_year,
    "step": _read_steps,
}
