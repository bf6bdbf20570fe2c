"""Which column is the time, or which columns it is split over."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from forecaster.data.columns.roles import (
    HEAD,
    SERIES_NAMES,
    TARGET_NAMES,
    counts_rows,
    example_cell,
    find_series,
    free_name,
    is_number,
    joint_codes,
    pattern_rank,
)
from forecaster.data.columns.time_parts import find_clock, find_parts, is_part, part_of
from forecaster.data.columns.time_values import STEP_NAMES, count_distinct, looks_like, numbers_of, sample_cells
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import quote_names

#: Which of several readable columns is taken, the earlier pattern first.
TIME_NAMES = ("time", "timestamp", "datetime", "date*", "*time*", "*date*", "ds", "month", "week", "day", "year")
EPOCH_NAMES = (*TIME_NAMES, "*epoch*", "unix*", "ts", "*_at", "*_ts", "*_ms")

#: Columns of a forecast table: the time column keeps its own name beside them.
RESERVED = ("series", "forecast", "actual")


def find_time(frame: pd.DataFrame, taken: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...], Note]:
    """Return the time column, the columns it is split over (none if it is whole), and why.

    Args:
        frame: a table with text column names.
        taken: columns that have another role.

    Raises:
        NotFoundError: no column can be the time.
        DataError: several columns can, and none is named so; or the first line is no header.
    """
    names = [str(name) for name in frame.columns if name not in taken]
    kinds = {name: looks_like(frame[name]) for name in names}
    whole = [n for n, kind in kinds.items() if kind not in (*_LATER, None)]
    parts = find_parts(frame, taken)
    years = [n for n, kind in kinds.items() if kind == "year"] if not parts else []
    for choice in (
        whole,
        [n for n, kind in kinds.items() if kind in ("digits", "short year")],
        [n for n, kind in kinds.items() if kind == "epoch" and _is_epoch(frame[n])],
    ):
        if choice:
            return _chosen(frame, choice, taken)
    if parts:
        return free_name(frame, "time", "datetime"), parts, Note("time", ", ".join(parts), _SPLIT)
    if months := [n for n, kind in kinds.items() if kind == "months" and _may_be_months(frame[n])]:
        return _chosen(frame, months, taken)
    if years and len([n for n in names if is_part(frame[n])]) == 1:
        return _chosen(frame, years, taken)
    if steps := [n for n, kind in kinds.items() if kind == "step" and n.lower() in STEP_NAMES]:
        return _chosen(frame, steps, taken)
    counting = [n for n in names if part_of(n) and kinds[n] == "step" and _counts_steps(frame, n, taken)]
    if counting:
        reason = "it counts 1, 2, 3, ... within each series, so rows are steps without dates; --time names another"
        return counting[0], (), Note("time", counting[0], reason)
    raise _no_time(frame, names)


#: Kinds of times that a column is taken for where no other holds whole times; numbers may be readings or ids.
_LATER = ("step", "year", "digits", "months", "epoch", "short year")


def _may_be_months(column: pd.Series) -> bool:
    """Return whether numbers such as 202401 are months: not the readings, no id, and not the same in every row."""
    name = str(column.name)
    free = pattern_rank(name, TARGET_NAMES) == len(TARGET_NAMES) and pattern_rank(name, SERIES_NAMES) == len(
        SERIES_NAMES
    )
    return free and count_distinct(column.iloc[:HEAD]) > 1


_SPLIT = "whole times are made of these columns; --time names another"


def check_time(frame: pd.DataFrame, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...], Note]:
    """Return what :func:`find_time` does for columns that a person named."""
    name = columns[0]
    if len(columns) > 1:
        return free_name(frame, "time", "datetime"), columns, Note("time", ", ".join(columns), "as given")
    if looks_like(frame[name]) is None:
        raise DataError(f"column '{name}' does not hold times: it holds {example_cell(frame[name])}", _READABLE)
    return name, (), Note("time", name, "as given")


def check_reserved(time: str) -> None:
    """Raise DataError if the time column is called as another column of every forecast is."""
    if time in RESERVED or re.fullmatch(r"(lo|hi)-\d+", time):
        raise DataError(
            f"the time column is called '{time}', as a column of every forecast is", "rename it, to 'time' for example"
        )


def _chosen(frame: pd.DataFrame, choice: list[str], taken: tuple[str, ...]) -> tuple[str, tuple[str, ...], Note]:
    varying = [n for n in choice if count_distinct(frame[n].iloc[:HEAD]) > 1] or choice
    best = min(varying, key=lambda n: pattern_rank(n, TIME_NAMES))
    rivals = [n for n in varying if n != best and pattern_rank(n, TIME_NAMES) == pattern_rank(best, TIME_NAMES)]
    if rivals and pattern_rank(best, TIME_NAMES) == len(TIME_NAMES):
        unique = [n for n in varying if count_distinct(head := frame[n].iloc[:HEAD]) == len(head)]
        if len(unique) != 1:
            raise DataError(
                f"columns {quote_names([best, *rivals])} all hold times, and none is named as the time is",
                f"say which: --time {_quoted(best)} or --time {_quoted(rivals[0])}",
            )
        best = unique[0]
    _check_header(best)
    clock = find_clock(frame, best, taken)
    if clock:
        columns = (best, *clock)
        return free_name(frame, "time", "datetime"), columns, Note("time", ", ".join(columns), _SPLIT)
    others = [n for n in choice if n != best]
    also = f"; {quote_names(others)} could be it too" if others else ""
    reason = f"it holds times such as {sample_cells(frame[best]).iloc[0]}{also}; --time names another"
    return best, (), Note("time", best, reason, warning=bool(rivals))


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else f"'{name}'"


def _check_header(name: str) -> None:
    if looks_like(pd.Series([name], name="header")) is not None:
        raise DataError(
            f"line 1 holds no column names but a reading, of {name}", "put a line such as time,value above it"
        )


def _is_epoch(column: pd.Series) -> bool:
    """Return whether numbers that could be seconds since 1970 are: by their name, or as they rise step by step."""
    if pattern_rank(str(column.name), EPOCH_NAMES) < len(EPOCH_NAMES):
        return True
    if pattern_rank(str(column.name), TARGET_NAMES) < len(TARGET_NAMES) or not is_number(column) or len(column) < 3:
        return False
    steps = np.diff(numbers_of(column.iloc[:HEAD].dropna()))
    rising = steps[steps > 0]
    return len(rising) > 1 and bool(len(rising) > 0.9 * len(steps) and (rising == np.median(rising)).mean() > 0.5)


def _counts_steps(frame: pd.DataFrame, name: str, taken: tuple[str, ...]) -> bool:
    """Return whether a column rises by ones within each series, of one column of ids or of the whole table."""
    head = frame.iloc[:HEAD]
    if head[name].isna().any():
        return False
    ids = find_series(head, name, taken)[0] if count_distinct(head[name]) < len(head) else ()
    codes = joint_codes(head, ids)
    steps = numbers_of(head[name])
    order = np.lexsort((steps, codes))
    same = np.diff(codes[order]) == 0
    return len(head) > 2 and bool(same.any() and (np.diff(steps[order])[same] == 1).all())


def _no_time(frame: pd.DataFrame, names: list[str]) -> NotFoundError:
    parts = [n for n in names if n.lower() != "weekday" and part_of(n)]
    tried = _examples(frame, list(frame.columns))
    if len(parts) > 1:
        return NotFoundError(
            f"no column holds whole times, they seem to be split over {quote_names(parts)}",
            f"name all of them, the year first: --time year,{','.join(parts)}",
        )
    counter = next((n for n in names if counts_rows(frame[n])), None)
    hint = f"--time {_quoted(counter)} counts rows as steps; " if counter else ""
    return NotFoundError(f"no column holds times: tried {tried}", f"{hint}name it with --time COLUMN; {_READABLE}")


_READABLE = "times are written as 2024-01-31, 2024-01-31 18:00, 1/31/2024 or 20240131, or count steps: 0, 1, 2"


def _examples(frame: pd.DataFrame, names: list[str], most: int = 8) -> str:
    """Return columns with the first cell of each."""
    shown = ", ".join(f"'{name}' ({example_cell(frame[name])})" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
