"""Check and shape DataFrames: times in a column, names as text, rows named by their line in the file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from forecaster.data.readers.origin import has_lines
from forecaster.errors import DataError, nearest
from forecaster.words import quote_names

#: Names of columns that hold one part of a time: none is a time or a target by itself, and the zero of month 01 has no
#: meaning.
PART_NAMES = ("year", "quarter", "month", "week", "day", "weekday", "dayofweek", "hour", "minute", "second")


def frame_of(data: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Return a table with its times in a column, whatever the caller's index was.

    A ``DatetimeIndex``, a ``PeriodIndex`` (its starts) and a ``MultiIndex`` become columns, an unnamed one ``time``; so
    does any other index of a table that has a name. A Series becomes its value column, next to ``step`` (0, 1, 2, ...)
    if its index holds no times.

    Args:
        data: a table, or one series of readings.

    Raises:
        DataError: it is not a table, is empty, or two columns have the same name.
    """
    if not isinstance(data, (pd.DataFrame, pd.Series)):
        raise DataError(
            f"a table is needed, not {type(data).__name__}", "give a pandas DataFrame or Series, or the path of a file"
        )
    frame = (
        data.to_frame(name="value" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    )
    if isinstance(frame.index, pd.PeriodIndex):
        frame = frame.set_axis(frame.index.to_timestamp(), axis=0)
    if isinstance(frame.index, pd.MultiIndex):
        frame = frame.reset_index()
    elif isinstance(frame.index, pd.DatetimeIndex):
        frame = _with_index(frame, str(frame.index.name or "time"))
    elif isinstance(data, pd.Series):
        frame = _with_index(frame.reset_index(drop=True), "step")
    elif frame.index.name is not None and not isinstance(frame.index, pd.RangeIndex):
        frame = _with_index(frame, str(frame.index.name))
    if not frame.index.is_unique:  # rows are then named by their place
        frame = frame.reset_index(drop=True)
    names = [str(name) for name in frame.columns]
    check_names(names, "the table")
    if not len(frame):
        raise DataError("the table has no rows")
    return frame if names == list(frame.columns) else frame.set_axis(names, axis=1)


def line_of(frame: pd.DataFrame | pd.Series, position: int) -> str:
    """Return ``"line 17"`` for a row of a text file, ``"row 15"`` (its index label) for any other table."""
    label = frame.index[position]
    return f"line {label + 2}" if has_lines(frame) else f"row {label}"


def similar_file_hint(path: Path) -> str:
    """Return the hint for an absent file: the file in its folder with the nearest name."""
    if not path.parent.is_dir():
        return f"there is no folder '{path.parent}' either"
    return nearest(path.name, tuple(sorted(p.name for p in path.parent.iterdir() if p.is_file())))


def check_names(names: list[str], place: str) -> None:
    """Refuse duplicate column names.

    Args:
        names: the names of a table's columns.
        place: where they are, for the message: ``line 1 of 'sales.csv'``.

    Raises:
        DataError: two columns have the same name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{place} names more than one column {quote_names(twice)}", "give every column its own name")


def _with_index(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if name in frame.columns:
        raise DataError(f"the index and a column are both named '{name}'", "rename one of them")
    return frame.rename_axis(index=name).reset_index()
