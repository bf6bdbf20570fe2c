"""Read a column of times: dates as text, numbers, or values of a time type."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.columns.date_formats import FORMATS, ORDERED, find_zoned, format_of, parse_times, to_nanoseconds
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.raw_cells import distinct_values, numbers_of, sample_cells, values_of_codes
from forecaster.data.columns.time_kinds import EPOCH, UNITS, epoch_unit, from_digits, from_months
from forecaster.data.readers.csv_numbers import MISSING
from forecaster.data.readers.dataframe import line_of
from forecaster.data.readers.origin import LINES, copy_origin
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import plural, setting


@dataclass(frozen=True)
class Times:
    """A column read as times.

    Attributes:
        values: ``(rows,)`` ``datetime64[ns]`` with NaT where a cell is empty, or float64 steps with NaN.
        words: the expected form of such times, for messages.
        zone: the time zone written in the cells, ``UTC`` for offsets, in which case ``values`` are in UTC; ``""`` for
            none.
        note: what was inferred about them, if anything.
        dates: ``day-first`` or ``month-first`` where that had to be inferred, else ``auto``.
    """

    values: np.ndarray
    words: str
    zone: str = ""
    note: Note | None = None
    dates: str = "auto"


def read_times(table: TableProfile, name: str, dates: str = "auto") -> Times:
    """Return a column of a table as times, of the kind in its profile, ISO text if it has none.

    Args:
        table: the table.
        name: its time column.
        dates: the order of day and month in 1/4/1999, ``day-first`` or ``month-first``; ``auto`` to infer it from the
            whole column.

    Raises:
        DataError: a cell is not empty and cannot be read, the column mixes formats, or the order of day and month is
            ambiguous.
    """
    kind, column = table[name].time_kind or "iso", table[name].cells.copy(deep=False)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype.kind in "Miuf":
        column = column.astype(column.cat.categories.dtype)
    copy_origin(column, table.frame, LINES)  # for line_of()
    times = _TIME_READERS[kind](column) if kind in _TIME_READERS else _read_text(column, kind, dates)
    bad = np.flatnonzero(pd.isna(times.values))
    cells = column.iloc[bad]
    bad = bad[(cells.notna() & ~cells.astype(str).str.strip().isin(MISSING)).to_numpy(dtype=bool)]
    if len(bad):
        raise _unreadable_error(column, bad, kind, times)
    return times


def _unreadable_error(column: pd.Series, bad: np.ndarray, kind: str, times: Times) -> DataError:
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


def _read_text(column: pd.Series, kind: str, dates: str) -> Times:
    codes, values = distinct_values(column)
    cells = np.array([str(value).strip() for value in values], dtype=object)
    if kind in ORDERED:
        return _read_ordered(column, codes, cells, kind, dates)
    if kind == "iso":
        return _read_iso(column, codes, cells)
    short = next((cell for cell in cells if format_of(cell) == kind and _is_short(cell, kind)), None)
    note = _note_short_year(short) if short else _PERIOD_NOTES.get(kind)
    parsed = parse_times(cells, kind)
    example = next(iter(cells[~np.isnat(parsed)]), "2024-01-31")
    return Times(values_of_codes(parsed, codes), f"times such as {example}", note=note)


def _find_first_row(codes: np.ndarray, chosen: np.ndarray) -> int:
    """Return the first row whose code is chosen by ``chosen``, ``(values,)`` bool."""
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


def _note_short_year(cell: str, order: str = "") -> Note:
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
        row = _find_first_row(codes, naive)
        raise DataError(
            f"column '{column.name}' mixes times with and without a time zone: {line_of(column, row)} holds "
            f"'{column.iloc[row]}', without one",
            "write all of them in UTC, such as 2024-01-31T00:30:00Z",
        )
    return Times(values_of_codes(parsed, codes), words, "UTC", _UTC)


def _read_ordered(column: pd.Series, codes: np.ndarray, cells: np.ndarray, kind: str, dates: str) -> Times:
    """Read dates of which the order of day and month is inferred from the whole column where it is not given."""
    both = {order: parse_times(cells, kind, order) for order in ("month-first", "day-first")}
    fits = {order: ~np.isnat(times) for order, times in both.items()}
    example = next(cell for cell in cells if format_of(cell) == kind)
    order, why = (dates, "as given") if dates != "auto" else _infer_order(column, codes, cells, both, fits)
    other = "day-first" if order == "month-first" else "month-first"
    broken = fits[other] & ~fits[order]
    if broken.any():
        row = _find_first_row(codes, broken)
        raise DataError(
            f"column '{column.name}', {line_of(column, row)}: '{column.iloc[row]}' is no {order} date",
            f"{setting('dates', other)}, or write the dates as 2024-01-31",
        )
    note = Note("dates", order, f"such as {example}; {why}; {setting('dates', other)} reads them the other way")
    if kind == "short year":
        note = Note("dates", order, f"{_note_short_year(example).reason}; {why}", warning=True)
    return Times(values_of_codes(both[order], codes), f"times such as {example}, {order}", note=note, dates=order)


def _infer_order(
    column: pd.Series, codes: np.ndarray, cells: np.ndarray, both: dict[str, np.ndarray], fits: dict[str, np.ndarray]
) -> tuple[str, str]:
    """Return ``month-first`` or ``day-first``, and the reason."""
    month_only = fits["month-first"] & ~fits["day-first"]
    day_only = fits["day-first"] & ~fits["month-first"]
    if month_only.any() and day_only.any():
        rows = [_find_first_row(codes, only) for only in (day_only, month_only)]
        shown = [f"{line_of(column, row)} '{column.iloc[row]}'" for row in rows]
        raise DataError(
            f"column '{column.name}': the dates are neither all month-first, which {shown[0]} cannot be, "
            f"nor all day-first, which {shown[1]} cannot be",
            "write all of them in one format, such as 2024-01-31",
        )
    if month_only.any() or day_only.any():
        only = month_only if month_only.any() else day_only
        proof = str(column.iloc[_find_first_row(codes, only)])
        return ("month-first" if month_only.any() else "day-first"), f"{proof} can be read only so"
    ordered = {order: _is_monotone(values_of_codes(times, codes)) for order, times in both.items()}
    if ordered["month-first"] != ordered["day-first"]:
        return max(ordered, key=lambda order: ordered[order]), "the rows are in order of time only so"
    cell = next((cell for cell in cells if format_of(cell) in ORDERED), "")
    if "." in cell.split(" ")[0]:
        return "day-first", "as usual for dates with dots"
    raise DataError(
        f"column '{column.name}': '{cell}' and every other value read both as month/day and as day/month",
        f"say which: {setting('dates', 'day-first')} or {setting('dates', 'month-first')}",
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
        return _read_text(_replace_cells(column, texts), "iso", "auto")
    name = "" if column.dt.tz is None else zone_name(column.dt.tz)
    note = _UTC if name == "UTC" else Note("times", name, "the time zone of the column") if name else None
    return Times(to_nanoseconds(column), "times", name, note)


def _replace_cells(column: pd.Series, cells: list[object]) -> pd.Series:
    made = pd.Series(cells, column.index, dtype=object, name=column.name)
    copy_origin(made, column)
    return made


def zone_name(zone: datetime.tzinfo) -> str:
    """Return the IANA name of a time zone, ``UTC`` for a fixed offset."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    return name if "/" in str(name) else "UTC"


def _read_digits(column: pd.Series) -> Times:
    return Times(from_digits(numbers_of(column)), "dates such as 20240131")


def _read_months(column: pd.Series) -> Times:
    note = Note("times", "months", f"such as {sample_cells(column).iloc[0]}; they {_STARTS}")
    return Times(from_months(numbers_of(column)), "months such as 202401", note=note)


def _read_epoch(column: pd.Series) -> Times:
    numbers = numbers_of(column)
    unit = epoch_unit(numbers_of(sample_cells(column))) or "seconds"
    scale, (low, high) = UNITS[unit], EPOCH
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
