"""From a column to times: what a column of times looks like, and reading one."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.columns.date_formats import FORMATS, ORDERED, find_zoned, format_of, parse_times, to_nanoseconds
from forecaster.data.panel.touched_rows import BLOCK
from forecaster.data.readers.csv_numbers import MISSING
from forecaster.data.readers.dataframe import line_of
from forecaster.data.readers.origin import LINES, copy_origin
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural

#: Names of whole-number columns that count steps, and of those that hold a year.
STEP_NAMES = ("t", "step", "steps", "index", "time", "ds", "period", "tick", "hour_index")
YEAR_NAMES = ("year", "yr", "years")
#: Seconds from 1970 of the years 1990 to 2100: numbers in between may be a time.
_EPOCH = (631_152_000, 4_102_444_800)
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_SAMPLE = 1000  # cells looked at to tell what a column holds
_SHARE = 0.5  # of them that must fit; the rest are reported by line when all are read
_SHARE_OF_NUMBERS = 0.9  # the same for numbers written as yyyymmdd, where chance fits more often


@dataclass(frozen=True)
class Times:
    """A column read as times.

    Attributes:
        values: ``(rows,)`` ``datetime64[ns]`` with NaT where a cell is empty, or float64 steps with NaN.
        words: what such times look like, for a message.
        zone: the time zone they carried, ``UTC`` for offsets; they are then held in UTC. ``""`` for none.
        note: what was decided about them, if anything.
        dates: ``day-first`` or ``month-first`` where that had to be decided, else ``auto``.
    """

    values: np.ndarray
    words: str
    zone: str = ""
    note: Note | None = None
    dates: str = "auto"


def looks_like(column: pd.Series) -> str | None:
    """Return the kind of times of a column, judged by at most 1,000 of its cells; None if it holds none.

    Kinds are ``datetime`` (by type), a key of :data:`forecaster.data.columns.date_formats.FORMATS` (text), and those of
    numbers: ``digits`` (20240131), ``months`` (202401), ``epoch``, ``year`` (by name too) and ``step`` (any whole
    numbers).
    """
    if isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return "datetime" if len(sample_cells(column)) else None
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype.kind in "Miuf":
        return looks_like(sample_cells(column).astype(column.cat.categories.dtype))
    cells = sample_cells(column)
    if not len(cells) or pd.api.types.is_bool_dtype(column.dtype):
        return None
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _number_kind(str(column.name), numbers_of(cells))
    if sum(isinstance(cell, datetime.date) for cell in cells) >= _SHARE * len(cells):
        return "datetime"
    return _text_kind(cells)


def read_times(frame: pd.DataFrame, name: str, kind: str, dates: str = "auto") -> Times:
    """Return a column of a table as times.

    Args:
        frame: the table.
        name: its time column.
        kind: as :func:`looks_like` found it.
        dates: ``day-first`` or ``month-first`` to read 1/4/1999 so, ``auto`` to decide it on the whole column.

    Raises:
        DataError: a cell is not empty and cannot be read, the column mixes formats, or day and month cannot be told
            apart.
    """
    column = frame[name].copy(deep=False)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype.kind in "Miuf":
        column = column.astype(column.cat.categories.dtype)
    copy_origin(column, frame, LINES)  # for line_of
    times = _TIME_READERS[kind](column) if kind in _TIME_READERS else _read_text(column, kind, dates)
    bad = np.flatnonzero(pd.isna(times.values))
    cells = column.iloc[bad]
    bad = bad[(cells.notna() & ~cells.astype(str).str.strip().isin(MISSING)).to_numpy(dtype=bool)]
    if len(bad):
        raise _unreadable(column, bad, kind, times)
    return times


def sample_cells(column: pd.Series) -> pd.Series:
    """Return at most 1,000 cells, spread over the column, that are not empty."""
    picks = np.linspace(0, len(column) - 1, min(len(column), _SAMPLE)).astype(int)
    cells = column.iloc[picks].dropna()
    return cells if len(cells) else column.dropna().iloc[:_SAMPLE]


def numbers_of(column: pd.Series, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Return a column as numbers, ``(rows,)``, NaN where a cell is none; it may be a view of the column."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if column.cat.categories.dtype.kind in "iuf" else object)
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # a whole number of more than 308 digits
        numbers = pd.to_numeric(column.map(_as_float), errors="coerce")
    if numbers.dtype.kind == "c":
        numbers = numbers.where(numbers.to_numpy().imag == 0).to_numpy().real
        return np.where(np.isnan(numbers), np.nan, numbers).astype(dtype)
    return numbers.to_numpy(dtype=dtype, na_value=np.nan)


def _as_float(cell: object) -> object:
    """Return a whole number as a float, an infinite one where it is too large; any other cell as it is."""
    if not isinstance(cell, int):
        return cell
    try:
        return float(cell)
    except OverflowError:
        return np.inf if cell > 0 else -np.inf


def distinct_values(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each cell's value, ``(rows,)`` with -1 where it is empty, and the values."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), np.asarray(column.cat.categories)
    try:
        codes, values = pd.factorize(column)
    except TypeError:  # lists and the like
        codes, values = pd.factorize(column.astype(str).where(column.notna()))
    return codes, np.asarray(values)


def count_distinct(column: pd.Series) -> int:
    """Return how many values a column holds, its empty cells aside."""
    codes = distinct_values(column)[0]
    return len(pd.unique(codes[codes >= 0]))


def values_of_codes(values: np.ndarray, codes: np.ndarray, empty: object = None) -> np.ndarray:
    """Return the value of each code, ``(rows,)``; ``empty`` (NaT, NaN) for the code -1."""
    if empty is None:
        empty = np.datetime64("NaT", "ns") if values.dtype.kind == "M" else np.nan
    table, rows = np.append(values, np.array(empty, values.dtype)), np.empty(len(codes), values.dtype)
    for block in row_blocks(len(codes)):  # numpy makes all codes 64 bits wide before it looks values up
        rows[block] = table[codes[block]]
    return rows


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield the rows of a table a million at a time, so that what is made of each block takes little memory."""
    yield from (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def _unreadable(column: pd.Series, bad: np.ndarray, kind: str, times: Times) -> DataError:
    cells = column.iloc[bad].astype(str)
    other = format_of(cells.iloc[0].strip())
    firsts = (i for i in range(len(column)) if format_of(str(column.iloc[i]).strip()) == kind)
    if other not in (None, kind) and (first := next(firsts, None)) is not None:
        return DataError(
            f"column '{column.name}' mixes formats of dates: {line_of(column, first)} holds '{column.iloc[first]}', "
            f"{line_of(column, bad[0])} holds '{cells.iloc[0]}'",
            "write all of them in one format, such as 2024-01-31",
        )
    between = " between 1678 and 2262" if times.values.dtype.kind == "M" else ""
    others = f", nor can {plural(len(bad) - 1, 'other')}" if len(bad) > 1 else ""
    return DataError(
        f"column '{column.name}', {line_of(column, bad[0])}: '{column.iloc[bad[0]]}' cannot be read as a time{others}; "
        f"expected {times.words}{between}",
        "correct or remove those rows",
    )


# Text


def _text_kind(cells: pd.Series) -> str | None:
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    digits = [text for text in texts if text.isdigit() and len(text) >= 8]
    if len(digits) >= _SHARE_OF_NUMBERS * len(cells):
        kind = _number_kind("", np.array(digits, dtype=float))
        return kind if kind in ("digits", "epoch") else None
    kinds = Counter(format_of(text) for text in texts)
    del kinds[None]
    return kinds.most_common(1)[0][0] if kinds and sum(kinds.values()) >= _SHARE * len(cells) else None


def _read_text(column: pd.Series, kind: str, dates: str) -> Times:
    codes, values = distinct_values(column)
    cells = np.array([str(value).strip() for value in values], dtype=object)
    if kind in ORDERED:
        return _read_ordered(column, codes, cells, kind, dates)
    if kind == "iso":
        return _read_iso(column, codes, cells)
    short = next((cell for cell in cells if format_of(cell) == kind and _is_short(cell, kind)), None)
    note = _short_note(short) if short else _PERIOD_NOTES.get(kind)
    parsed = parse_times(cells, kind)
    example = next(iter(cells[~np.isnat(parsed)]), "2024-01-31")
    return Times(values_of_codes(parsed, codes), f"times such as {example}", note=note)


def _first_row(codes: np.ndarray, chosen: np.ndarray) -> int:
    """Return the first row whose value is among those chosen, ``(values,)`` bool."""
    return int(np.append(chosen, False)[codes].argmax())


_STARTS = "are the first day of each"
_PERIOD_NOTES = {
    "week": Note("times", "ISO weeks", f"such as 2024-W05; they {_STARTS}, a Monday where no day is written"),
    "quarter": Note("times", "quarters", f"such as 2024-Q1; they {_STARTS}"),
    "quarter first": Note("times", "quarters", f"such as Q1 2024; they {_STARTS}"),
}


def _is_short(cell: str, kind: str) -> bool:
    found = FORMATS[kind].fullmatch(" ".join(cell.replace(",", " ").split()))
    return bool(found and found.groupdict().get("short"))


def _short_note(cell: str, order: str = "") -> Note:
    reason = f"such as {cell}{order}: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068"
    return Note("times", "years of two digits", reason, warning=True)


def _read_iso(column: pd.Series, codes: np.ndarray, cells: np.ndarray) -> Times:
    parsed = parse_times(cells, "iso")
    real = ~np.isnat(parsed)
    words = f"ISO times such as {cells[real.argmax()] if real.any() else '2024-01-31'}"
    with_zone = find_zoned(cells)
    if not with_zone[real].any():
        return Times(values_of_codes(parsed, codes), words)
    naive = real & ~with_zone
    if naive.any():
        row = _first_row(codes, naive)
        raise DataError(
            f"column '{column.name}' mixes times with and without a time zone: {line_of(column, row)} holds "
            f"'{column.iloc[row]}', without one",
            "write all of them in UTC, such as 2024-01-31T00:30:00Z",
        )
    return Times(values_of_codes(parsed, codes), words, "UTC", _UTC)


def _read_ordered(column: pd.Series, codes: np.ndarray, cells: np.ndarray, kind: str, dates: str) -> Times:
    """Decide between day/month/year and month/day/year on the whole column."""
    both = {order: parse_times(cells, kind, order) for order in ("month-first", "day-first")}
    fits = {order: ~np.isnat(times) for order, times in both.items()}
    example = next(cell for cell in cells if format_of(cell) == kind)
    order, why = (dates, "as given") if dates != "auto" else _order(column, codes, cells, both, fits)
    other = "day-first" if order == "month-first" else "month-first"
    broken = fits[other] & ~fits[order]
    if broken.any():
        row = _first_row(codes, broken)
        raise DataError(
            f"column '{column.name}', {line_of(column, row)}: '{column.iloc[row]}' is no {order} date",
            f"--dates {other}, or write the dates as 2024-01-31",
        )
    note = Note("dates", order, f"such as {example}; {why}; --dates {other} reads them the other way")
    if kind == "short year":
        note = Note("dates", order, f"{_short_note(example).reason}; {why}", warning=True)
    return Times(values_of_codes(both[order], codes), f"times such as {example}, {order}", note=note, dates=order)


def _order(
    column: pd.Series, codes: np.ndarray, cells: np.ndarray, both: dict[str, np.ndarray], fits: dict[str, np.ndarray]
) -> tuple[str, str]:
    """Return ``month-first`` or ``day-first``, and why."""
    month_only = fits["month-first"] & ~fits["day-first"]
    day_only = fits["day-first"] & ~fits["month-first"]
    if month_only.any() and day_only.any():
        rows = [_first_row(codes, only) for only in (day_only, month_only)]
        shown = [f"{line_of(column, row)} '{column.iloc[row]}'" for row in rows]
        raise DataError(
            f"column '{column.name}': the dates are neither all month-first, which {shown[0]} cannot be, "
            f"nor all day-first, which {shown[1]} cannot be",
            "write all of them in one format, such as 2024-01-31",
        )
    if month_only.any() or day_only.any():
        only = month_only if month_only.any() else day_only
        proof = str(column.iloc[_first_row(codes, only)])
        return ("month-first" if month_only.any() else "day-first"), f"{proof} can be read only so"
    ordered = {order: _is_monotone(values_of_codes(times, codes)) for order, times in both.items()}
    if ordered["month-first"] != ordered["day-first"]:
        return max(ordered, key=lambda order: ordered[order]), "the rows are in order of time only so"
    cell = next((cell for cell in cells if format_of(cell) in ORDERED), "")
    if "." in cell.split(" ")[0]:
        return "day-first", "as usual for dates with dots"
    raise DataError(
        f"column '{column.name}': '{cell}' and every other value read both as month/day and as day/month",
        "say which: --dates day-first or --dates month-first",
    )


def _is_monotone(times: np.ndarray) -> bool:
    steps = np.diff(times[~np.isnat(times)].astype(np.int64))
    return bool((steps >= 0).all() or (steps <= 0).all())


# Types and numbers


_UTC = Note("times", "UTC", "they carry a time zone, and are held and forecast in UTC")


def _read_datetime(column: pd.Series) -> Times:
    if isinstance(column.dtype, pd.PeriodDtype):
        return Times(
            to_nanoseconds(column.dt.to_timestamp()),
            "periods",
            note=Note("times", "start of each period", "as the column holds periods"),
        )
    if column.dtype == object:
        texts = [cell.isoformat() if isinstance(cell, datetime.date) and not pd.isna(cell) else cell for cell in column]
        return _read_text(_like(column, texts), "iso", "auto")
    name = "" if column.dt.tz is None else zone_name(column.dt.tz)
    note = _UTC if name == "UTC" else Note("times", name, "the time zone of the column") if name else None
    return Times(to_nanoseconds(column), "times", name, note)


def _like(column: pd.Series, cells: list[object]) -> pd.Series:
    made = pd.Series(cells, column.index, dtype=object, name=column.name)
    made.attrs = dict(column.attrs)
    return made


def zone_name(zone: datetime.tzinfo) -> str:
    """Return the IANA name of a time zone, ``UTC`` for one that is a mere offset."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    return name if "/" in str(name) else "UTC"


def _number_kind(name: str, numbers: np.ndarray) -> str | None:
    if not np.isfinite(numbers).all():
        return None
    whole = bool((numbers == np.floor(numbers)).all())
    if whole and (~np.isnat(_from_digits(numbers))).mean() >= _SHARE_OF_NUMBERS:
        return "digits"
    if whole and (~np.isnat(_from_months(numbers))).mean() >= _SHARE_OF_NUMBERS:
        return "months"
    if _epoch_unit(numbers):
        return "epoch"
    if whole and name.lower() in YEAR_NAMES and ((numbers >= 1600) & (numbers <= 2200)).all():
        return "year"
    return "step" if whole else None


def _from_digits(numbers: np.ndarray) -> np.ndarray:
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


def _from_months(numbers: np.ndarray) -> np.ndarray:
    """Return numbers written as ``yyyymm`` as ``datetime64[ns]``, the first of each month; NaT outside 1800 to 2200."""
    whole = np.clip(np.nan_to_num(numbers), 0, 10**6).astype(np.int64)
    year, month = whole // 100, whole % 100
    real = (numbers == whole) & (year >= 1800) & (year <= 2200) & (month >= 1) & (month <= 12)
    months = (np.where(real, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    return np.where(real, months, np.datetime64("NaT", "M")).astype("datetime64[ns]")


def _epoch_unit(numbers: np.ndarray) -> str | None:
    """Return in which unit nearly all numbers are times of 1990 to 2100; None if in none."""
    low, high = _EPOCH
    for unit, scale in _UNITS.items():
        if len(numbers) and ((numbers >= low * scale) & (numbers < high * scale)).mean() >= _SHARE_OF_NUMBERS:
            return unit
    return None


def _read_digits(column: pd.Series) -> Times:
    return Times(_from_digits(numbers_of(column)), "dates such as 20240131")


def _read_months(column: pd.Series) -> Times:
    note = Note("times", "months", f"such as {sample_cells(column).iloc[0]}; they {_STARTS}")
    return Times(_from_months(numbers_of(column)), "months such as 202401", note=note)


def _read_epoch(column: pd.Series) -> Times:
    numbers = numbers_of(column)
    unit = _epoch_unit(numbers_of(sample_cells(column))) or "seconds"
    scale, (low, high) = _UNITS[unit], _EPOCH
    real = (numbers >= low * scale) & (numbers < high * scale)
    if column.dtype.kind in "iu":
        exact = np.where(real, column.to_numpy(dtype=np.int64), 0) * (10**9 // scale)
    else:
        whole = np.floor(np.where(real, numbers, 0) / scale)
        part = np.where(real, numbers, 0) - whole * scale
        exact = whole.astype(np.int64) * 10**9 + np.round(part * (10**6 / scale)).astype(np.int64) * 1000
    times = np.where(real, exact.view("datetime64[ns]"), np.datetime64("NaT"))
    note = Note(
        "times", f"{unit} since 1970", f"such as {sample_cells(column).iloc[0]}; they are held and forecast in UTC"
    )
    return Times(times, f"{unit} since 1970, of the years 1990 to 2100", "UTC", note)


def _read_year(column: pd.Series) -> Times:
    years = numbers_of(column)
    real = (years >= 1678) & (years <= 2200) & (years == np.floor(years))
    whole = (np.where(real, years, 1970).astype(np.int64) - 1970).astype("datetime64[Y]")
    return Times(np.where(real, whole, np.datetime64("NaT", "Y")).astype("datetime64[ns]"), "years such as 1990")


def _read_steps(column: pd.Series) -> Times:
    steps = numbers_of(column)
    exact = (steps == np.floor(steps)) & (np.abs(steps) < 2**53)
    return Times(np.where(exact, steps, np.nan), "whole numbers that count steps")


#: How each kind of time column that is not text is read.
_TIME_READERS: dict[str, Callable[[pd.Series], Times]] = {
    "datetime": _read_datetime,
    "digits": _read_digits,
    "months": _read_months,
    "epoch": _read_epoch,
    "year": _read_year,
    "step": _read_steps,
}
