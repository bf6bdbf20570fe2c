"""Profiles of the columns of a table: each question about a column is answered once, and the answer passed on.

A profile keeps small answers (the kind of a column, its number of distinct values) for as long as it lives, and large
ones (a sample of text, the codes of distinct values) while :data:`KEPT` bytes suffice for all columns of a table: the
small ones save nearly all the time. Numbers are read anew each time, as they are often a view of the cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from forecaster.data.columns.raw_cells import count_distinct, distinct_values, numbers_of, sample_cells
from forecaster.data.columns.time_kinds import find_time_kind

#: Bytes of large answers that the profiles of one table keep; what does not fit is computed again when asked for.
KEPT = 8 * 2**20

T = TypeVar("T")


class Room:
    """The bytes left for the large answers of a table's profiles."""

    def __init__(self, size: int | None = None) -> None:
        """Start with ``size`` bytes, :data:`KEPT` by default."""
        self.left = KEPT if size is None else size

    def take(self, size: int) -> bool:
        """Return True if ``size`` bytes are left, which are then used up."""
        if size > self.left:
            return False
        self.left -= size
        return True


class ColumnProfile:
    """What a column holds, found out when first asked for.

    The cells must not change while the profile is in use; :meth:`TableProfile.with_column` gives a column that is
    replaced a new profile.

    Attributes:
        cells: the column.
    """

    def __init__(self, cells: pd.Series, room: Room | None = None) -> None:
        """Profile a column, whose large answers are kept while there is room."""
        self.cells = cells
        self._room = room or Room()
        self._answers: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)

    def recall(self, key: Hashable, compute: Callable[[], T], large: bool = False) -> T:
        """Return the answer kept under a key, or compute it and keep it.

        Args:
            key: names the question, the same for all columns.
            compute: answers it.
            large: keep the answer only if there is room; its arrays become read-only, as callers share them.
        """
        if key in self._answers:
            return self._answers[key]
        answer = compute()
        if not large or self._room.take(_freeze(answer)):
            self._answers[key] = answer
        return answer

    @property
    def name(self) -> str:
        """The name of the column."""
        return str(self.cells.name)

    @property
    def dtype(self) -> Any:
        """The type of the cells."""
        return self.cells.dtype

    @property
    def is_number(self) -> bool:
        """Whether the column is of a type of numbers, bool not being one."""
        return pd.api.types.is_numeric_dtype(self.dtype) and not pd.api.types.is_bool_dtype(self.dtype)

    @property
    def sample(self) -> pd.Series:
        """At most 1,000 cells that are not empty; see :func:`~forecaster.data.columns.raw_cells.sample_cells`."""
        if self.is_number:  # soon taken again
            return sample_cells(self.cells)
        return self.recall("sample", lambda: sample_cells(self.cells), large=True)

    @property
    def example(self) -> str:
        """A cell in quotes, for messages."""
        return f"'{self.sample.iloc[0]}'" if len(self.sample) else "nothing"

    @property
    def numbers(self) -> np.ndarray:
        """The cells as ``(rows,)`` float64, NaN where one is no number; not kept, as it is often a view of them."""
        return numbers_of(self.cells)

    @property
    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """The code of each cell, ``(rows,)`` with -1 for an empty one, and the value of each code; both read-only."""
        if isinstance(self.dtype, pd.CategoricalDtype):
            return distinct_values(self.cells)  # views
        return self.recall("distinct", lambda: distinct_values(self.cells), large=True)

    @property
    def codes(self) -> np.ndarray:
        """The codes of :attr:`distinct`, ``(rows,)`` int64, as a copy where they are of another type."""
        return self.distinct[0].astype(np.int64, copy=False)

    @property
    def distinct_count(self) -> int:
        """The number of values, empty cells aside."""
        return self.recall("distinct_count", lambda: count_distinct(self.distinct[0]))

    @property
    def is_mostly_numbers(self) -> bool:
        """Whether at least half of the sample are numbers, whatever their type."""
        return self.recall("is_mostly_numbers", self._has_numbers)

    def _has_numbers(self) -> bool:
        return len(self.sample) > 0 and bool((~np.isnan(numbers_of(self.sample))).mean() >= 0.5)

    @property
    def time_kind(self) -> str | None:
        """The kind of times, None if there are none; see :func:`~forecaster.data.columns.time_kinds.find_time_kind`."""
        return self.recall("time_kind", lambda: find_time_kind(self.cells, self.sample))

    @property
    def kind(self) -> str:
        """What the column holds: ``number``, ``text``, ``time``, ``empty`` or ``other``."""
        return self.recall("kind", self._find_kind)

    def _find_kind(self) -> str:
        if has_time_type(self.cells):
            return "time"
        if self.dtype.kind == "c":
            return "other"
        if not self.cells.notna().any():
            return "empty"
        if pd.api.types.is_numeric_dtype(self.dtype):
            return "number"
        if any(re.fullmatch(r"0\d+", str(cell).strip()) for cell in self.sample):
            return "text"
        if self.time_kind not in (None, "step", "year"):
            return "time"
        return "number" if self.is_mostly_numbers else "text"


def _freeze(answer: object) -> int:
    """Make the arrays of an answer read-only and return their bytes."""
    if isinstance(answer, pd.Series):
        return int(answer.nbytes + answer.index.nbytes)
    arrays = [part for part in answer if isinstance(part, np.ndarray)] if isinstance(answer, tuple) else []
    for array in arrays:
        array.flags.writeable = False
    return sum(array.nbytes for array in arrays)


def has_time_type(column: pd.Series) -> bool:
    """Return True if the cells of a column are times, periods or durations by type."""
    return column.dtype.kind in "mM" or isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype)


def answer_once(question: Callable[[ColumnProfile], T]) -> Callable[[ColumnProfile], T]:
    """Keep the answer to a question about a column, a small one, in its profile."""

    @wraps(question)
    def recalled(column: ColumnProfile) -> T:
        return column.recall(question, lambda: question(column))

    return recalled


class TableProfile:
    """A table with a profile of each column, made when first asked for.

    Attributes:
        frame: the table, not to be written to.
    """

    def __init__(self, frame: pd.DataFrame, room: Room | None = None) -> None:
        """Profile a table, whose large answers are kept while there is room."""
        self.frame = frame
        self._room = room or Room()
        self._profiles: dict[str, ColumnProfile] = {}
        self._heads: dict[int, TableProfile] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    def __contains__(self, name: object) -> bool:
        """Return True if there is such a column."""
        return name in self.frame.columns

    def __getitem__(self, name: str) -> ColumnProfile:
        """Return the profile of a column."""
        if name not in self._profiles:
            self._profiles[name] = ColumnProfile(self.frame[name], self._room)
        return self._profiles[name]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [str(name) for name in self.frame.columns]

    def others(self, taken: Iterable[str | None]) -> list[str]:
        """Return the names of the columns that are not among ``taken``."""
        taken = set(taken)
        return [name for name in self.names if name not in taken]

    def head(self, rows: int) -> TableProfile:
        """Return the profile of the first rows of the table, of the table itself if it has no more."""
        if len(self) <= rows:
            return self
        if rows not in self._heads:
            self._heads[rows] = TableProfile(self.frame.iloc[:rows], self._room)
        return self._heads[rows]

    def with_column(self, name: str, values: np.ndarray | pd.Categorical) -> TableProfile:
        """Return the table with a column added or replaced, which gets a new profile; the others keep theirs."""
        frame = self.frame.copy(deep=False)
        frame[name] = values
        changed = TableProfile(frame, self._room)
        changed._profiles = {other: profile for other, profile in self._profiles.items() if other != name}
        return changed
