"""Cut long arrays into blocks of rows, so that temporary arrays stay small and fit the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Rows of a block.
BLOCK = 1 << 20


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield slices of ``rows`` rows, :data:`BLOCK` at a time; the last may reach beyond the end."""
    yield from (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def series_blocks(offsets: np.ndarray, rows: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield ranges of series, ``(first, last + 1)``, that hold about ``rows`` rows each; a longer series is one range.

    Args:
        offsets: ``(series + 1,)`` int64, the bounds of the series.
        rows: most rows of a range of several series; :data:`BLOCK` by default.
    """
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + (rows or BLOCK), side="right")) - 1
        yield first, max(last, first + 1)
        first = max(last, first + 1)
