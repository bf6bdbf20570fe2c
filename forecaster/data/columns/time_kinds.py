"""Infer the kind of times that a column holds from a sample of its cells."""

from __future__ import annotations

import datetime
from collections import Counter

import numpy as np
import pandas as pd

from forecaster.data.columns.date_formats import format_of
from forecaster.data.columns.raw_cells import numbers_of, sample_cells

#: Names of whole-number columns that count steps, and of those that hold a year.
STEP_NAMES = ("t", "step", "steps", "index", "time", "ds", "period", "tick", "hour_index")
YEAR_NAMES = ("year", "yr", "years")
#: Seconds from 1970 of the years 1990 to 2100: numbers in between may be a time.
EPOCH = (631_152_000, 4_102_444_800)
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_SHARE = 0.5  # of the sample that must fit; other cells are reported by line when the column is read
_SHARE_OF_NUMBERS = 0.9  # the same for numbers written as yyyymmdd, where chance fits more often


def find_time_kind(column: pd.Series, sample: pd.Series | None = None) -> str | None:
    """Return the kind of times of a column, judged by a sample of its cells; None if it holds no times.

    Kinds are ``datetime`` (by type), a key of :data:`forecaster.data.columns.date_formats.FORMATS` (text), and those of
    numbers: ``digits`` (20240131), ``months`` (202401), ``epoch``, ``year`` (by name too) and ``step`` (any whole
    numbers).

    Args:
        column: the column.
        sample: some of its cells; None to take those of :func:`sample_cells`.
    """
    cells = sample_cells(column) if sample is None else sample
    if isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return "datetime" if len(cells) else None
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype.kind in "Miuf":
        return find_time_kind(cells.astype(column.cat.categories.dtype))
    if not len(cells) or pd.api.types.is_bool_dtype(column.dtype):
        return None
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _find_number_kind(str(column.name), numbers_of(cells))
    if sum(isinstance(cell, datetime.date) for cell in cells) >= _SHARE * len(cells):
        return "datetime"
    return _find_text_kind(cells)


def _find_text_kind(cells: pd.Series) -> str | None:
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    digits = [text for text in texts if text.isdigit() and len(text) >= 8]
    if len(digits) >= _SHARE_OF_NUMBERS * len(cells):
        kind = _find_number_kind("", np.array(digits, dtype=float))
        return kind if kind in ("digits", "epoch") else None
    kinds = Counter[str | None]()
    for text, count in Counter(texts).items():  # a category repeats
        kinds[format_of(text)] += count
    del kinds[None]
    return kinds.most_common(1)[0][0] if kinds and sum(kinds.values()) >= _SHARE * len(cells) else None


def _find_number_kind(name: str, numbers: np.ndarray) -> str | None:
    if not np.isfinite(numbers).all():
        return None
    whole = bool((numbers == np.floor(numbers)).all())
    if whole and (~np.isnat(from_digits(numbers))).mean() >= _SHARE_OF_NUMBERS:
        return "digits"
    if whole and (~np.isnat(from_months(numbers))).mean() >= _SHARE_OF_NUMBERS:
        return "months"
    if epoch_unit(numbers):
        return "epoch"
    if whole and name.lower() in YEAR_NAMES and ((numbers >= 1600) & (numbers <= 2200)).all():
        return "year"
    return "step" if whole else None


def from_digits(numbers: np.ndarray) -> np.ndarray:
    """Return numbers written as ``yyyymmdd``, ``yyyymmddHH``, ``...HHMM`` or ``...HHMMSS`` as ``datetime64[ns]``.

    NaT where there is no such time from 1678 to 2200.
    """
    whole = np.clip(np.nan_to_num(numbers), 0, 10**15).astype(np.int64)
    scale = np.select([whole < 10**8, whole < 10**10, whole < 10**12], [1, 100, 10**4], 10**6)
    day_digits, clock = whole // scale, whole % scale * (10**6 // scale)
    year, month, day = day_digits // 10_000, day_digits // 100 % 100, day_digits % 100
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    months = ((np.clip(year, 1600, 2200) - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    real = (year >= 1678) & (year <= 2200) & (month >= 1) & (month <= 12) & (days.astype("datetime64[M]") == months)
    real &= (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    times = days.astype("datetime64[s]") + (hour * 3600 + minute * 60 + second)
    return np.where(real, times, np.datetime64("NaT", "s")).astype("datetime64[ns]")


def from_months(numbers: np.ndarray) -> np.ndarray:
    """Return numbers written as ``yyyymm`` as ``datetime64[ns]``, the first of each month; NaT outside 1800 to 2200."""
    whole = np.clip(np.nan_to_num(numbers), 0, 10**6).astype(np.int64)
    year, month = whole // 100, whole % 100
    real = (numbers == whole) & (year >= 1800) & (year <= 2200) & (month >= 1) & (month <= 12)
    months = (np.where(real, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    return np.where(real, months, np.datetime64("NaT", "M")).astype("datetime64[ns]")


def epoch_unit(numbers: np.ndarray) -> str | None:
    """Return the unit in which nearly all numbers are times from 1990 to 2100; None if there is none."""
    low, high = EPOCH
    for unit, scale in UNITS.items():
        if len(numbers) and ((numbers >= low * scale) & (numbers < high * scale)).mean() >= _SHARE_OF_NUMBERS:
            return unit
    return None
