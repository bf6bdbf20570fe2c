"""Rows after the last reading of a series: future covariates with an empty target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.data.columns.readings import Readings
from forecaster.data.panel.grid import make_grid
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.touched_rows import count_per_series
from forecaster.data.time.freq import Freq
from forecaster.data.time.zones import local_times
from forecaster.notes import Note
from forecaster.words import plural


def split_future_rows(readings: Readings) -> tuple[Readings, Readings | None]:
    """Split off the rows after the last reading of each series that hold a future covariate.

    Args:
        readings: sorted, without duplicates.

    Returns:
        The other rows; and those split off, each series headed by its last reading, with the future covariates alone,
        or None if there are no such rows.
    """
    places = [i for i, column in enumerate(readings.columns) if column.role == "future"]
    empty = np.isnan(readings.values)
    if not places or not empty.any():
        return readings, None
    last = np.full(len(readings.ids), len(empty))
    seen = np.flatnonzero(~empty)
    last[readings.codes[seen]] = seen
    rows = np.flatnonzero(empty)
    rows = rows[rows > last[readings.codes[rows]]]
    rows = rows[~np.isnan(readings.covariates[rows][:, places]).all(axis=1)]
    if not len(rows):
        return readings, None
    keep = np.ones(len(empty), bool)
    keep[rows] = False
    rows = np.sort(np.append(rows, last[last < len(empty)]))
    covariates = readings.covariates[rows][:, places]
    bare = replace(readings, columns=(), covariates=np.zeros((len(empty), 0), np.float32))
    columns = tuple(readings.columns[i] for i in places)
    return readings.take(keep), replace(bare.take(rows), columns=columns, covariates=covariates)


def add_future_rows(panel: Panel, rows: Readings, freq: Freq) -> tuple[Panel, list[Note]]:
    """Return the panel with the future covariates of the rows after the ends of its series.

    Args:
        panel: the panel of the readings.
        rows: from :func:`split_future_rows`.
        freq: the freq of the panel.

    Raises:
        DataError: a time does not lie on the freq.
    """
    step = _count_steps_after(rows, freq, panel.zone)
    series = np.repeat(np.arange(len(panel)), np.diff(rows.offsets))
    most = max(1, len(panel.values) // (len(panel) * len(rows.columns)))  # a far date must not take all memory
    near = (step > 0) & (step <= most)
    beyond = np.full((len(panel), int(step[near].max(initial=1)), len(rows.columns)), np.nan, np.float32)
    beyond[series[near], step[near] - 1] = rows.covariates[near]
    found = count_per_series(panel.ids, np.bincount(series[near], minlength=len(panel)))
    reason = f"rows at the end without a target hold future covariates{found.most}"
    note = Note("known ahead", plural(int(near.sum()), "row") + found.across, reason, counts=found.counts)
    return replace(panel, beyond=beyond), [note]


def _count_steps_after(rows: Readings, freq: Freq, zone: str) -> np.ndarray:
    """Return the steps from the last reading of its series to each row, ``(rows,)`` int64."""
    first = np.repeat(rows.starts, np.diff(rows.offsets))
    if freq.unit == "row" or (freq.unit == "step" and rows.times.dtype.kind == "M"):
        return np.arange(len(first)) - first
    if freq.whole_days:
        rows = replace(rows, times=local_times(rows.times, zone))
    if freq.unit == "B":
        days = rows.times.astype("datetime64[D]")
        return np.busday_count(days[first], days)
    grid = make_grid(rows, freq)
    return grid.places - np.repeat(grid.bounds[:-1], np.diff(rows.offsets))
