"""Find the time column, or the columns that the time is split over."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from forecaster.data.columns.profile import ColumnProfile, TableProfile
from forecaster.data.columns.raw_cells import numbers_of
from forecaster.data.columns.roles import (
    HEAD,
    SERIES_NAMES,
    TARGET_NAMES,
    counts_rows,
    find_series,
    free_name,
    joint_codes,
    pattern_rank,
)
from forecaster.data.columns.time_kinds import STEP_NAMES, find_time_kind
from forecaster.data.columns.time_parts import find_clock, find_parts, is_part, part_of
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import quote_names, setting

#: Name patterns of time columns, and of those of seconds since 1970, the preferred ones first.
TIME_NAMES = ("time", "timestamp", "datetime", "date*", "*time*", "*date*", "ds", "month", "week", "day", "year")
EPOCH_NAMES = (*TIME_NAMES, "*epoch*", "unix*", "ts", "*_at", "*_ts", "*_ms")

#: Columns of a forecast table, next to the time column, which keeps its own name.
RESERVED = ("series", "forecast", "actual")


def find_time(table: TableProfile, taken: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...], Note]:
    """Return the time column, the columns it is split over (none if it is whole), and the reason.

    Args:
        table: a table with text column names.
        taken: columns that have another role.

    Raises:
        NotFoundError: no column can be the time.
        DataError: several columns can, and none has a usual name; or the first line is no header.
    """
    names = table.others(taken)
    kinds = {name: table[name].time_kind for name in names}
    whole = [n for n, kind in kinds.items() if kind not in (*_LATER, None)]
    parts = find_parts(table, taken)
    years = [n for n, kind in kinds.items() if kind == "year"] if not parts else []
    for choice in (
        whole,
        [n for n, kind in kinds.items() if kind in ("digits", "short year")],
        [n for n, kind in kinds.items() if kind == "epoch" and _is_epoch(table[n])],
    ):
        if choice:
            return _choose_time(table, choice, taken)
    if parts:
        return free_name(table.frame, "time", "datetime"), parts, _note_split(parts)
    if months := [n for n, kind in kinds.items() if kind == "months" and _may_be_months(table.head(HEAD)[n])]:
        return _choose_time(table, months, taken)
    if years and len([n for n in names if is_part(table[n])]) == 1:
        return _choose_time(table, years, taken)
    if steps := [n for n, kind in kinds.items() if kind == "step" and n.lower() in STEP_NAMES]:
        return _choose_time(table, steps, taken)
    counting = [n for n in names if part_of(n) and kinds[n] == "step" and _counts_steps(table, n, taken)]
    if counting:
        reason = "it counts 1, 2, 3, ... within each series, so rows are steps without dates"
        return counting[0], (), Note("time", counting[0], f"{reason}; {setting('time')} names another")
    raise _no_time_error(table, names)


#: Kinds of times that count only where no other column holds whole times, as the numbers may be readings or ids.
_LATER = ("step", "year", "digits", "months", "epoch", "short year")


def _may_be_months(column: ColumnProfile) -> bool:
    """Return True if numbers such as 202401 may be months: not the target, no id, and not the same in every row."""
    patterns = (TARGET_NAMES, SERIES_NAMES)
    return all(pattern_rank(column.name, names) == len(names) for names in patterns) and column.distinct_count > 1


def _note_split(columns: tuple[str, ...]) -> Note:
    return Note("time", ", ".join(columns), f"times are joined from these columns; {setting('time')} names another")


def check_time(table: TableProfile, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...], Note]:
    """Return the same as :func:`find_time`, for time columns that are named in the settings.

    Raises:
        DataError: the only column does not hold times.
    """
    name = columns[0]
    if len(columns) > 1:
        return free_name(table.frame, "time", "datetime"), columns, Note("time", ", ".join(columns), "as given")
    if table[name].time_kind is None:
        raise DataError(f"column '{name}' does not hold times: it holds {table[name].example}", _READABLE)
    return name, (), Note("time", name, "as given")


def check_reserved(time: str) -> None:
    """Raise DataError if the time column has the name of another column of every forecast."""
    if time in RESERVED or re.fullmatch(r"(lo|hi)-\d+", time):
        raise DataError(
            f"the time column is called '{time}', the name of another column of every forecast",
            "rename it, to 'time' for example",
        )


def _choose_time(table: TableProfile, choice: list[str], taken: tuple[str, ...]) -> tuple[str, tuple[str, ...], Note]:
    head = table.head(HEAD)
    varying = [n for n in choice if head[n].distinct_count > 1] or choice
    best = min(varying, key=lambda n: pattern_rank(n, TIME_NAMES))
    rivals = [n for n in varying if n != best and pattern_rank(n, TIME_NAMES) == pattern_rank(best, TIME_NAMES)]
    if rivals and pattern_rank(best, TIME_NAMES) == len(TIME_NAMES):
        unique = [n for n in varying if head[n].distinct_count == len(head)]
        if len(unique) != 1:
            raise DataError(
                f"columns {quote_names([best, *rivals])} all hold times, and none has a usual name",
                f"say which: {setting('time', best)} or {setting('time', rivals[0])}",
            )
        best = unique[0]
    _check_header(best)
    clock = find_clock(table, best, taken)
    if clock:
        return free_name(table.frame, "time", "datetime"), (best, *clock), _note_split((best, *clock))
    others = [n for n in choice if n != best]
    also = f"; {quote_names(others)} could be it too" if others else ""
    reason = f"it holds times such as {table[best].sample.iloc[0]}{also}; {setting('time')} names another"
    return best, (), Note("time", best, reason, warning=bool(rivals))


def _check_header(name: str) -> None:
    if find_time_kind(pd.Series([name], name="header")) is not None:
        raise DataError(
            f"line 1 holds no column names but a reading, of {name}", "put a line such as time,value above it"
        )


def _is_epoch(column: ColumnProfile) -> bool:
    """Return True if numbers that may be seconds since 1970 are: by the column's name, or as they rise in steps."""
    if pattern_rank(column.name, EPOCH_NAMES) < len(EPOCH_NAMES):
        return True
    if pattern_rank(column.name, TARGET_NAMES) < len(TARGET_NAMES) or not column.is_number or len(column) < 3:
        return False
    steps = np.diff(numbers_of(column.cells.iloc[:HEAD].dropna()))
    rising = steps[steps > 0]
    return len(rising) > 1 and bool(len(rising) > 0.9 * len(steps) and (rising == np.median(rising)).mean() > 0.5)


def _counts_steps(table: TableProfile, name: str, taken: tuple[str, ...]) -> bool:
    """Return True if a column rises by ones within each series, or in the whole table if it has one series."""
    head = table.head(HEAD)
    if head[name].cells.isna().any():
        return False
    ids = find_series(head, name, taken)[0] if head[name].distinct_count < len(head) else ()
    codes = joint_codes(head, ids)
    steps = head[name].numbers
    order = np.lexsort((steps, codes))
    same = np.diff(codes[order]) == 0
    return len(head) > 2 and bool(same.any() and (np.diff(steps[order])[same] == 1).all())


def _no_time_error(table: TableProfile, names: list[str]) -> NotFoundError:
    parts = [n for n in names if n.lower() != "weekday" and part_of(n)]
    tried = _show_examples(table)
    if len(parts) > 1:
        return NotFoundError(
            f"no column holds whole times, they seem to be split over {quote_names(parts)}",
            f"name all of them, the year first: {setting('time', ','.join(('year', *parts)))}",
        )
    counter = next((n for n in names if counts_rows(table[n])), None)
    hint = f"{setting('time', counter)} counts rows as steps; " if counter else ""
    hint += f"name it with {setting('time', 'COLUMN')}; {_READABLE}"
    return NotFoundError(f"no column holds times: tried {tried}", hint)


_READABLE = "times are written as 2024-01-31, 2024-01-31 18:00, 1/31/2024 or 20240131, or count steps: 0, 1, 2"


def _show_examples(table: TableProfile, most: int = 8) -> str:
    """Return the names of the columns, each with a cell."""
    shown = ", ".join(f"'{name}' ({table[name].example})" for name in table.names[:most])
    return f"{shown} and {len(table.names) - most:,} more" if len(table.names) > most else shown
