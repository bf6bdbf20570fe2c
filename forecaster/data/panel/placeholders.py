"""Placeholders: values of a panel for missing readings."""

from __future__ import annotations

import numpy as np


def fill_from_past(values: np.ndarray, offsets: np.ndarray, season: int) -> np.ndarray:
    """Return a copy of the values with each NaN filled from the values before it in its series.

    Step ``j`` of a run of missing values after ``y[p - 1]`` becomes ``y[p - m + j % m]``, its place in the last season
    of ``m`` steps, plus the gain of the series over that season, ``y[p - 1] - y[p - 1 - m]``; never below the smallest
    value so far where none is negative. Without a season of history, it is the last value.

    Args:
        values: ``(rows,)`` of a float type; the first value of a series is not NaN.
        offsets: ``(series + 1,)`` int64, the bounds of the series.
        season: the seasonal period in steps.
    """
    values = values.copy()
    missing = np.isnan(values)
    edges = np.flatnonzero(missing[1:] != missing[:-1]) + 1
    starts, ends = edges[::2], np.append(edges[1::2], len(values))[: len(edges[::2])]
    first = offsets[np.searchsorted(offsets, starts, side="right") - 1]
    lowest = _lowest_before(values, starts, ends, first)
    for runs in _split_by_rank(first):
        fill = _fill_at_once if len(runs) > _FEW_RUNS else _fill_one_by_one
        fill(values, (starts[runs], ends[runs], first[runs], lowest[runs]), season)
    return values


#: Up to this many runs are filled one by one, which is faster.
_FEW_RUNS = 8

_Runs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _lowest_before(y: np.ndarray, starts: np.ndarray, ends: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the smallest reading of the series before each run, ``(runs,)``."""
    if not len(starts):
        return y[:0]
    same = np.append(False, first[1:] == first[:-1])
    bounds = np.stack([np.where(same, np.roll(ends, 1), first), starts], axis=1).ravel()
    lowest = np.minimum.reduceat(y, bounds)[::2]
    for runs in _split_by_rank(first)[1:]:
        lowest[runs] = np.minimum(lowest[runs], lowest[runs - 1])
    return lowest


def _split_by_rank(first: np.ndarray) -> list[np.ndarray]:
    """Return the numbers of the first runs of each series, of the second ones, and so on: each builds on the last."""
    heads = np.flatnonzero(np.append(True, first[1:] != first[:-1])[: len(first)])
    rank = np.arange(len(first)) - np.repeat(heads, np.diff(heads, append=len(first)))
    order = np.argsort(rank, kind="stable")
    return np.split(order, np.cumsum(np.bincount(rank))[:-1]) if len(first) else []


def _fill_at_once(y: np.ndarray, runs: _Runs, m: int) -> None:
    """Fill one run of each of many series in place."""
    p, end, first, lowest = runs
    flat = (p - first <= m) | (m == 1)
    lengths = end - p
    j = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    gained = np.where(flat, 0, y[p - 1] - y[np.maximum(p - 1 - m, 0)])
    source = np.repeat(np.where(flat, p - 1, p - m), lengths) + np.where(np.repeat(flat, lengths), 0, j % m)
    floor = np.where((lowest >= 0) & ~flat, lowest, -np.inf)
    y[np.repeat(p, lengths) + j] = np.maximum(y[source] + np.repeat(gained, lengths), np.repeat(floor, lengths))


def _fill_one_by_one(y: np.ndarray, runs: _Runs, m: int) -> None:
    """Fill a few runs in place."""
    for p, end, first, lowest in zip(*(part.tolist() for part in runs), strict=True):
        if m == 1 or p - first <= m:
            y[p:end] = y[p - 1]
            continue
        shape = y[p - m : p] if end - p > m else y[p - m : end - m]
        if end - p > m:
            shape = np.resize(shape, end - p)
        filled = shape + (y[p - 1] - y[p - 1 - m])
        y[p:end] = np.maximum(filled, lowest) if lowest >= 0 else filled


def interpolate(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a copy of the values with each NaN interpolated between the readings before and after it.

    Args:
        values: ``(rows,)`` of a float type; the first and the last value of a series are not NaN.
        places: ``(rows,)`` int64, ascending: the grid row of each value, all series laid end to end.
    """
    values, empty = values.copy(), np.isnan(values)
    values[empty] = np.interp(places[empty], places[~empty], values[~empty])
    return values


#: Steps of the longest gap that is bridged: a quarter of a season, but no more than this.
LONGEST_BRIDGE = 6


def bridge_short_gaps(values: np.ndarray, observed: np.ndarray, allowed: np.ndarray, season: int) -> np.ndarray:
    """Return the values with short gaps interpolated between the readings around them.

    Args:
        values: ``(rows,)`` float, with placeholders for missing readings.
        observed: ``(rows,)`` bool; the first and the last row of each series are observed.
        allowed: ``(rows,)`` bool; a gap with a row that is not allowed is left as it is.
        season: the seasonal period in steps; gaps longer than a quarter of it keep their placeholders.
    """
    longest = min(season // 4, LONGEST_BRIDGE) if season > 1 else LONGEST_BRIDGE
    edges = np.flatnonzero(observed[1:] != observed[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    refused = np.add.reduceat(~allowed, edges, dtype=np.int64)[::2] if len(edges) else starts
    short = (ends - starts <= max(1, longest)) & (refused == 0)
    starts, ends = starts[short], ends[short]
    lengths = ends - starts
    j = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows, share = np.repeat(starts, lengths) + j, (j + 1) / np.repeat(lengths + 1, lengths)
    before, after = np.repeat(values[starts - 1], lengths), np.repeat(values[ends], lengths)
    values = values.copy()
    values[rows] = before + share * (after - before)
    return values


def causal_values(values: np.ndarray, observed: np.ndarray, offsets: np.ndarray, season: int) -> np.ndarray:
    """Return the values with every placeholder after the first reading of its series made from the rows before it.

    A placeholder between two readings may come from the later one. One that is read at a cutoff after the last reading
    must not, nor may it come from such a placeholder. Rows before the first reading stay as they are and are not used.

    Args:
        values: ``(rows,)`` of a float type.
        observed: ``(rows,)`` bool.
        offsets: ``(series + 1,)`` int64; no series is empty.
        season: the seasonal period in steps.
    """
    rows = np.arange(len(observed))
    first = np.minimum.reduceat(np.where(observed, rows, len(rows)), offsets[:-1])
    missing = ~observed & (rows > np.repeat(first, np.diff(offsets)))
    heads = np.append(first[first < offsets[1:]], len(rows))
    return fill_from_past(np.where(missing, values.dtype.type(np.nan), values), heads, season)


def refill(values: np.ndarray, observed: np.ndarray, offsets: np.ndarray, season: int, rows: np.ndarray) -> np.ndarray:
    """Return the values with those of :func:`causal_values` at ``rows``, ``(rows,)`` bool; the others stay."""
    some = np.logical_or.reduceat(rows, offsets[:-1])
    if not some.any():
        return values
    lengths = np.diff(offsets)
    own, bounds = np.repeat(some, lengths), np.concatenate([[0], np.cumsum(lengths[some])])
    values = values.copy()
    values[rows] = causal_values(values[own], observed[own], bounds, season)[rows[own]]
    return values


def refill_ends(
    values: np.ndarray, observed: np.ndarray, offsets: np.ndarray, season: int, cut: np.ndarray
) -> np.ndarray:
    """Return the values with those of :func:`causal_values` after the last reading of each series that was cut off.

    Args:
        values: ``(rows,)`` float.
        observed: ``(rows,)`` bool.
        offsets: ``(series + 1,)`` int64; no series is empty.
        season: the seasonal period in steps.
        cut: ``(series,)`` bool, True for series that lost their newest rows. Placeholders at the end of the others were
            made from the past already, perhaps from rows that are no longer there.
    """
    cut = cut & ~observed[offsets[1:] - 1]
    if not cut.any():
        return values
    rows = np.arange(len(observed))
    last = np.maximum.reduceat(np.where(observed, rows, -1), offsets[:-1])
    lengths = np.diff(offsets)
    return refill(values, observed, offsets, season, (rows > np.repeat(last, lengths)) & np.repeat(cut, lengths))
