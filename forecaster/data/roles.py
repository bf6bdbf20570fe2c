"""Which column is the time, the target, the series id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import pandas as pd

from forecaster.data.sources import PART_NAMES, listed
from forecaster.data.times import STEP_NAMES, looks_like, sample
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note

#: Which of several readable columns is taken, the earlier pattern first; then the first (time) or last (target) column.
TIME_NAMES = ("time", "timestamp", "datetime", "date*", "*time*", "*date*", "ds", "month", "week", "day", "year")
TARGET_NAMES = (
    *("target", "y", "value", "values", "close", "ot"),
    *("sales", "demand", "load", "consumption", "count", "quantity", "price", "temp*"),
)
SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id", "*_id", "ticker", "symbol", "store", "item")

#: Share of the rows whose time another row has too, from which on a table is taken to hold several series.
_SHARED_TIMES = 0.2


@dataclass(frozen=True)
class Roles:
    """Names of the columns that hold the time, the target and the series id (None: one series)."""

    time: str
    target: str
    series: str | None = None


#: Columns of a forecast table: the time column keeps its own name beside them.
RESERVED = ("series", "forecast", "actual")


def infer_roles(
    frame: pd.DataFrame, time: str | None = None, target: str | None = None, series: str | None = None
) -> tuple[Roles, list[Note]]:
    """Return the role of each column, and why.

    Args:
        frame: a table with text column names, as :func:`forecaster.data.sources.frame_of` returns it.
        time: the time column; None to find it by its content.
        target: the column to forecast; None for the only numeric one, else a usual name, else the last.
        series: the column that tells series apart; None to look for one, ``""`` for a table of one series.

    Raises:
        NotFoundError: a named column does not exist, or no column can be the time or the target.
        DataError: the named time column does not hold times, or one column has two roles.
    """
    for name in (time, target, series):
        _check_exists(frame, name)
    given = [name for name in (time, target, series) if name]
    if len(set(given)) < len(given):
        raise DataError(f"column '{max(given, key=given.count)}' cannot have two roles", "name different columns")
    time, time_note = _named_time(frame, time) if time else _found_time(frame, taken=(target, series))
    series, series_notes = _found_series(frame, time, target) if series is None else _named_series(series)
    target, target_note = (
        (target, _as_given("target", target)) if target else _found_target(frame, taken=(time, series))
    )
    if time in RESERVED or re.fullmatch(r"(lo|hi)-\d+", time):
        raise DataError(
            f"the time column is called '{time}', as a column of every forecast is", "rename it, to 'time' for example"
        )
    return Roles(time, target, series), [time_note, *series_notes, target_note]


def telling_column(frame: pd.DataFrame, time: str, taken: tuple[str | None, ...] = ()) -> str | None:
    """Return a column that, together with the time, makes every row unique, and so may be the series id; None if none.

    Args:
        frame: the table.
        time: its time column.
        taken: columns that have another role.
    """
    names = [n for n in frame.columns if n not in (time, *taken) and _may_be_id(frame[n])]
    for name in sorted(names, key=lambda n: (_rank(n, SERIES_NAMES), _is_number(frame[n]))):
        if not frame.duplicated([name, time]).any():
            return str(name)
    return None


def _check_exists(frame: pd.DataFrame, name: str | None) -> None:
    if name and name not in frame.columns:
        raise NotFoundError(
            f"there is no column '{name}', the table has {listed(frame.columns)}", nearest(name, tuple(frame.columns))
        )


def _rank(name: str, patterns: tuple[str, ...]) -> int:
    return next((i for i, pattern in enumerate(patterns) if fnmatch(name.lower(), pattern)), len(patterns))


def _named_time(frame: pd.DataFrame, name: str) -> tuple[str, Note]:
    if looks_like(frame[name]) is None:
        raise DataError(f"column '{name}' does not hold times: it holds {_example(frame[name])}", _READABLE)
    return name, _as_given("time", name)


def _found_time(frame: pd.DataFrame, taken: tuple[str | None, ...]) -> tuple[str, Note]:
    kinds = {name: looks_like(frame[name]) for name in frame.columns if name not in taken}
    parts = [name for name in kinds if name.lower() in PART_NAMES]
    for choice in (
        [n for n, kind in kinds.items() if kind not in (None, "step", "year", "digits")],
        [n for n, kind in kinds.items() if kind == "digits"],
        [n for n, kind in kinds.items() if kind == "year" and len(parts) == 1],
        [n for n, kind in kinds.items() if kind == "step" and n.lower() in STEP_NAMES],
    ):
        if choice:
            best = min(choice, key=lambda n: _rank(n, TIME_NAMES))
            _check_header(best)
            return best, Note("time", best, _time_reason(frame, best, [n for n in choice if n != best]))
    raise _no_time(frame, parts)


def _check_header(name: str) -> None:
    if looks_like(pd.Series([name], name="header")) is not None:
        raise DataError(
            f"line 1 holds no column names but a reading, of {name}", "put a line such as time,value above it"
        )


def _time_reason(frame: pd.DataFrame, name: str, others: list[str]) -> str:
    also = f"; {listed(others)} could be it too" if others else ""
    return f"it holds times such as {frame[name].dropna().iloc[0]}{also}; --time names another"


def _no_time(frame: pd.DataFrame, parts: list[str]) -> NotFoundError:
    tried = _examples(frame, list(frame.columns))
    if len(parts) > 1:
        return NotFoundError(
            f"no column holds whole times, they seem to be split over {listed(parts)}",
            "join them into one column first, written as 2024-01-31 18:00",
        )
    return NotFoundError(f"no column holds times: tried {tried}", f"name it with --time COLUMN; {_READABLE}")


_READABLE = "times are written as 2024-01-31, 2024-01-31 18:00, 1/31/2024 or 20240131, or count steps: 0, 1, 2"


def _example(column: pd.Series) -> str:
    cells = column.dropna()
    return f"'{cells.iloc[0]}'" if len(cells) else "nothing"


def _examples(frame: pd.DataFrame, names: list[str], most: int = 8) -> str:
    """Return columns with the first cell of each."""
    shown = ", ".join(f"'{name}' ({_example(frame[name])})" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _may_be_id(column: pd.Series) -> bool:
    """Return whether the values repeat, and are text or whole numbers."""
    if column.isna().any() or column.dtype.kind in "fcmM" or len(column) < 2:
        return False
    return 2 * column.nunique() <= len(column)


def _as_given(role: str, name: str) -> Note:
    return Note(role, name, "as given")


def _named_series(name: str) -> tuple[str | None, list[Note]]:
    return (name, [_as_given("series", name)]) if name else (None, [])


def _found_series(frame: pd.DataFrame, time: str, target: str | None) -> tuple[str | None, list[Note]]:
    text = [n for n in frame.columns if n not in (time, target) and not _is_number(frame[n])]
    if not text or frame[time].duplicated(keep=False).mean() < _SHARED_TIMES:
        return None, []
    name = telling_column(frame[[time, *text]], time)
    if name is None:
        return None, []
    count = frame[name].nunique()
    return name, [
        Note("series", name, f"its {count:,} values tell rows of the same time apart; --series names another")
    ]


def _found_target(frame: pd.DataFrame, taken: tuple[str | None, ...]) -> tuple[str, Note]:
    names = [str(n) for n in frame.columns if n not in taken and _may_be_target(frame[n])]
    if not names:
        others = ", ".join(f"'{n}' ({_example(frame[n])})" for n in frame.columns if n not in taken)
        raise NotFoundError(
            f"no column of readings to forecast: tried {others or 'none'}", "name it with --target COLUMN"
        )
    if len(names) == 1:
        return names[0], Note("target", names[0], "the only column of readings")
    usual = [n for n in names if _rank(n, TARGET_NAMES) < len(TARGET_NAMES)]
    best = min(usual, key=lambda n: _rank(n, TARGET_NAMES)) if usual else names[-1]
    why = "a usual name for it" if usual else "the last column of numbers, which may not be the one you want"
    others = listed([n for n in names if n != best])
    return best, Note("target", best, f"{why}; --target forecasts another: {others}", warning=not usual)


def _may_be_target(column: pd.Series) -> bool:
    """Return whether a column holds readings: mostly numbers, and not a row number, an id or a part of the time."""
    name = str(column.name)
    if name.lower() in PART_NAMES or _rank(name, SERIES_NAMES) < len(SERIES_NAMES) or column.dtype.kind in "bmM":
        return False
    if _is_number(column):
        return bool(column.notna().any()) and not (
            _counts_rows(column) and _rank(name, TARGET_NAMES) == len(TARGET_NAMES)
        )
    cells = sample(column)
    return len(cells) > 0 and bool(pd.to_numeric(cells, errors="coerce").notna().mean() >= 0.5)


def _counts_rows(column: pd.Series) -> bool:
    if not _is_number(column) or column.isna().any() or len(column) < 3:
        return False
    numbers = column.to_numpy(dtype=float)
    return bool((np.diff(numbers) == 1).all() and numbers[0] in (0, 1))
