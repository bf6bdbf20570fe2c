"""Facts about a table that only its reader knows, kept in ``frame.attrs``.

They are plain values, as pandas copies them with every table and column, and writes them into Parquet as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pandas as pd

from forecaster.notes import TABLE_NOTES, Note, attach_notes

#: The keys: names of all columns, also of those not read; notes on inferences, as ``Note.to_dict``; True if the label
#: of a row is its line number less two (the header is line 1); and the targets that one column holds below each other.
COLUMNS, NOTES, LINES, MELTED = "columns", TABLE_NOTES, "lines", "melted"

Rows = TypeVar("Rows", pd.DataFrame, pd.Series)


def set_origin(
    frame: pd.DataFrame, columns: Iterable[str], notes: Iterable[Note] = (), lines: bool = False
) -> pd.DataFrame:
    """Record on a table its columns, the notes on it, and whether row labels are lines; return it."""
    frame.attrs = {COLUMNS: list(columns)}
    attach_notes(frame, notes)
    if lines:
        frame.attrs[LINES] = True
    return frame


def add_note(frame: pd.DataFrame, note: Note) -> None:
    """Add a note to those of a table that has an origin."""
    frame.attrs[NOTES].append(note.to_dict())


def all_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of all columns of a table, also of those that were not read."""
    return frame.attrs.get(COLUMNS) or list(frame.columns)


def has_lines(frame: pd.DataFrame | pd.Series) -> bool:
    """Return True if row labels are line numbers of a text file less two."""
    return bool(frame.attrs.get(LINES))


def set_melted(frame: pd.DataFrame, target: str, columns: tuple[str, ...]) -> None:
    """Record that a target holds the rows of several columns, one column below the other."""
    frame.attrs[MELTED] = (target, columns)


def melted_from(frame: pd.DataFrame, name: str, row: int) -> str:
    """Return the name of the column that a cell came from: ``name`` itself unless that is a melted target."""
    target, columns = frame.attrs.get(MELTED, ("", ()))
    return columns[row * len(columns) // len(frame)] if name == target else name


def copy_origin(made: Rows, source: pd.DataFrame | pd.Series, *keys: str) -> Rows:
    """Record on a table or column the origin of another, or those keys of it alone; return it."""
    made.attrs = {key: value for key, value in source.attrs.items() if not keys or key in keys}
    return made
