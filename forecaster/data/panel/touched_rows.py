"""The rows of each series that a repair touched, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.words import most_touched


@dataclass(frozen=True)
class TouchedRows:
    """The rows that a repair touched.

    Attributes:
        counts: rows by series id, of touched series only.
        across: ``" in 3 of 7 series"``; ``""`` for a table of one series.
        most: ``"; most in EWR 12, JFK 5"``; ``""`` if at most one series was touched.
    """

    counts: dict[str, int]
    across: str
    most: str


def count_per_series(ids: Sequence[str], counts: np.ndarray) -> TouchedRows:
    """Return the rows that a repair touched, by series.

    Args:
        ids: name of each series.
        counts: ``(series,)``, the rows touched in each.
    """
    found = {ids[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}
    across = f" in {len(found):,} of {len(ids):,} series" if len(ids) > 1 else ""
    return TouchedRows(found, across, f"; most in {most_touched(found)}" if len(found) > 1 else "")
