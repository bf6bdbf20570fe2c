"""Compute sums, means and extremes of each series of a panel without a loop over the series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forecaster.data.blocks import series_blocks

#: Rows processed at once, so that temporary arrays stay small compared with the panel.
CHUNK = 1 << 19


class SeriesSums:
    """Sums and the like of concatenated series.

    Args:
        offsets: ``(series + 1,)`` int, beginning with 0; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.
    """

    def __init__(self, offsets: np.ndarray) -> None:
        """Count the rows of each series."""
        self.offsets, self.lengths = offsets, np.diff(offsets)
        self._filled = self.lengths > 0

    def each(self, parts: np.ndarray) -> np.ndarray:
        """Repeat a value of each series, ``(series,)``, for each of its rows, ``(rows,)``."""
        return np.repeat(parts, self.lengths)

    def places(self) -> np.ndarray:
        """Return the place of each row in its series, ``(rows,)`` int64: 0 for the first."""
        return np.arange(self.offsets[-1]) - self.each(self.offsets[:-1])

    def reduce(self, function: np.ufunc, values: np.ndarray, empty: float = 0) -> np.ndarray:
        """Reduce each series by ``np.add`` or ``np.maximum``, ``(series,)``; one without rows is ``empty``."""
        found = np.full(len(self.lengths), empty, np.int64 if values.dtype.kind in "bi" else np.float64)
        if self._filled.any():
            found[self._filled] = function.reduceat(values, self.offsets[:-1][self._filled], dtype=found.dtype)
        return found

    def mean(self, values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return the mean of the ``kept`` values of each series, ``(series,)`` float64; 0 if none is kept."""
        total = self.reduce(np.add, np.where(kept, values, 0.0))
        return total / np.maximum(self.reduce(np.add, kept), 1)

    def first(self, values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return the first ``kept`` value of each series, ``(series,)``; an arbitrary value if none is kept."""
        if not len(values):
            return np.zeros(len(self.lengths))
        rows = np.where(kept, np.arange(len(values)), len(values) - 1)
        return values[self.reduce(np.minimum, rows)]


def series_chunks(offsets: np.ndarray) -> Iterator[tuple[slice, slice, SeriesSums]]:
    """Split a panel between series into parts of about :data:`CHUNK` rows; a longer series is a part by itself.

    Yields:
        The series and the rows of a part, and its :class:`SeriesSums`.
    """
    for first, last in series_blocks(offsets, CHUNK):
        rows = slice(int(offsets[first]), int(offsets[last]))
        yield slice(first, last), rows, SeriesSums(offsets[first : last + 1] - offsets[first])
