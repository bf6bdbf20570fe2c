"""Newer rows of known series, with their older rows put before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from forecaster.data.calendar import future_times
from forecaster.data.panel import Panel

#: Business days that may be holidays between the last known row and the first new one.
HOLIDAYS = 5


def prepend_history(panel: Panel, history: Panel) -> Panel | None:
    """Return ``panel`` with the older rows of its series put before it, None where ``history`` has none that fit.

    Older rows fit where the next step after them is the first row of the series in ``panel``.

    Args:
        panel: newer rows, or a whole table again.
        history: what is known of some of the series, of the same freq.
    """
    places = {name: i for i, name in enumerate(history.ids)}
    parts = [(_older(panel, i, history, places.get(name)), panel.rows(i)) for i, name in enumerate(panel.ids)]
    if not any(old.stop > old.start for old, _ in parts):
        return None

    def merged(name: str) -> np.ndarray:
        old, new = getattr(history, name), getattr(panel, name)
        return np.concatenate([piece for before, own in parts for piece in (old[before], new[own])])

    lengths = [old.stop - old.start + own.stop - own.start for old, own in parts]
    return replace(
        panel,
        values=merged("values"),
        observed=merged("observed"),
        times=merged("times"),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def _older(panel: Panel, series: int, history: Panel, place: int | None) -> slice:
    """Return the rows of ``history`` that come right before a series of ``panel``; an empty slice where none do."""
    if place is None:
        return slice(0, 0)
    known, first = history.rows(place), panel.times[panel.rows(series).start]
    stop = known.start + int(np.searchsorted(history.times[known], first))
    if stop == known.start or not _adjacent(history.times[stop - 1], first, panel.freq):
        return slice(0, 0)
    return slice(known.start, stop)


def _adjacent(last: Any, first: Any, freq: str) -> bool:
    """Return True where ``first`` is the step after ``last``, on business days with a few holidays between."""
    steps = future_times(np.array([last]), freq, HOLIDAYS + 1 if freq == "B" else 1)[0]
    return bool((steps == first).any())
