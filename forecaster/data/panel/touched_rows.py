"""How many rows of each series a repair touched, as numbers and as words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.words import most_touched

#: Rows worked on at once, so that what is computed for every row takes little memory.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Touched:
    """What a repair touched.

    Attributes:
        counts: rows by series id, the touched series only.
        across: ``" in 3 of 7 series"``; ``""`` for a table of one series.
        most: ``"; most in EWR 12, JFK 5"``; ``""`` where one series was touched.
    """

    counts: dict[str, int]
    across: str
    most: str


def count_per_series(ids: Sequence[str], counts: np.ndarray) -> Touched:
    """Return which series a repair touched.

    Args:
        ids: name of each series.
        counts: ``(series,)``, the rows of each.
    """
    found = {ids[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}
    across = f" in {len(found):,} of {len(ids):,} series" if len(ids) > 1 else ""
    return Touched(found, across, f"; most in {most_touched(found)}" if len(found) > 1 else "")


def series_blocks(offsets: np.ndarray, rows: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield ranges of series that hold about ``rows`` rows each (:data:`BLOCK`), a longer series by itself.

    Args:
        offsets: ``(series + 1,)`` int64, the bounds of the series.
        rows: rows of a range at most, where it is more than one series.
    """
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + (rows or BLOCK), side="right")) - 1
        yield first, max(last, first + 1)
        first = max(last, first + 1)
