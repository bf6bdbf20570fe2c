"""Transform the target (logarithm, power or changes), undo it, and choose the transformation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.features.series_sums import SeriesSums, series_chunks
from forecaster.notes import Note
from forecaster.words import setting

#: Values of ``transform`` once it is decided.
TRANSFORMS = ("none", "log", "box-cox", "difference", "return")
#: Those that need a target above zero, and those that learn changes between neighbouring rows.
POSITIVE, CHANGES = ("log", "box-cox", "return"), ("difference", "return")

#: Powers of Box-Cox that are tried. None is negative: its ``z`` has an upper bound, and an interval that reaches it is
#: unbounded. Chosen for some of the short M3 monthly series, they put upper ends at 1e19 times the largest reading.
POWERS = np.arange(41) / 20
#: Logarithm of the largest target that an inverse returns: larger ones become 1e304, near the end of float64.
LARGEST = 700.0

#: Fewest rows of a block, and fewest blocks, that a transformation is chosen from.
BLOCK, LEAST_BLOCKS = 12, 4
#: The logarithm is taken if it leaves at most this share of the coefficient of variation.
STEADIER = 0.9


def forward(
    values: np.ndarray, transform: str, power: np.ndarray | float = 0, unit: np.ndarray | float = 1
) -> np.ndarray:
    """Return the transformed level ``z`` of a target ``y``.

    ====================  ====================================================
    none, difference      ``z = y``
    log, return           ``z = log y``
    box-cox               ``z = ((y / u)^p - 1) / p``, ``z = log(y / u)`` for ``p = 0``
    ====================  ====================================================

    The last is the transformation of Box & Cox (1964), An analysis of transformations, JRSS B 26(2), of the target
    in a unit ``u`` of its own size, so that no digits are lost for a power far from 0.

    Args:
        values: ``y``, positive if the transformation needs it.
        transform: one of :data:`TRANSFORMS`.
        power: ``p`` of Box-Cox, of the shape of ``values`` or one that broadcasts to it.
        unit: ``u`` of Box-Cox, likewise.

    Returns:
        np.ndarray: float64.
    """
    values = np.asarray(values, np.float64)
    if transform not in POSITIVE:
        return values
    if transform != "box-cox":
        return np.log(values)
    logs = np.log(values / unit)
    return np.where(power == 0, logs, np.expm1(power * logs) / np.where(power == 0, 1, power))


def backward(
    levels: np.ndarray, transform: str, power: np.ndarray | float = 0, unit: np.ndarray | float = 1
) -> np.ndarray:
    """Undo :func:`forward`; never decreasing in ``levels``, and finite where they are.

    Box-Cox has no inverse where ``1 + p z <= 0``. A forecast there is clipped to the edge, where ``1 + p z`` is
    1.1e-16: a target next to 0 for a positive power. Targets above 1e304 become 1e304.

    Args:
        levels: ``z``, float.
        transform: one of :data:`TRANSFORMS`.
        power: ``p`` of Box-Cox, of the shape of ``levels`` or one that broadcasts to it.
        unit: ``u`` of Box-Cox, likewise.

    Returns:
        np.ndarray: ``y``, float64.
    """
    levels = np.asarray(levels, np.float64)
    if transform not in POSITIVE:
        return levels
    if transform != "box-cox":
        return np.exp(np.minimum(levels, LARGEST))
    inside = np.maximum(power * levels, np.finfo(np.float64).epsneg - 1)
    logs = np.where(power == 0, levels, np.log1p(inside) / np.where(power == 0, 1, power))
    return np.exp(np.minimum(logs + np.log(unit), LARGEST))


def choose_transform(panel: Panel, season: int, lowest: float, wanted: str) -> tuple[str, Note]:
    """Return the transformation: the one set, or with ``auto`` the logarithm where it stabilises the variance.

    Args:
        panel: training rows.
        season: seasonal period in steps.
        lowest: smallest value of all rows to be scaled; a logarithm needs it above zero.
        wanted: one of :data:`TRANSFORMS`, or ``auto``.
    """
    if wanted != "auto":
        return wanted, Note("transform", wanted, "given")
    name = setting("transform")
    if min(lowest, float(panel.values.min(initial=np.inf))) <= 0:
        return "none", Note("transform", "none", f"the target has values of zero or below; {name}")
    if _log_stabilises(panel, season):
        return "log", Note("transform", "log", f"its changes grow with its level, forecasts are medians; {name}")
    return "none", Note("transform", "none", f"its changes do not grow with its level; {name}")


def best_powers(panel: Panel, season: int, otherwise: float | None = None) -> np.ndarray:
    """Return the power of Box-Cox that fits each series, ``(series,)`` float64, one of :data:`POWERS`.

    Guerrero (1993), Time-series analysis supported by power transformations, Journal of Forecasting 12(1): the power
    ``p`` for which ``spread / level^(1 - p)`` of blocks of the series has the smallest coefficient of variation, so
    that the spread no longer depends on the level. The spread of a block is its mean absolute seasonal difference.

    Args:
        panel: training rows, positive.
        season: seasonal period in steps.
        otherwise: power of a series that has fewer than four blocks of a season (12 rows at least), or no change; by
            default the median of the others, and 1 where there are none.
    """
    powers = np.full(len(panel), np.nan)
    for series, rows, segments in series_chunks(panel.offsets):
        blocks = _cut_blocks(panel.values[rows], panel.observed[rows], segments, season)
        if len(blocks.series):
            powers[series] = _find_powers(blocks, POWERS)
    known = powers[np.isfinite(powers)]
    if otherwise is None:
        otherwise = float(np.median(known)) if len(known) else 1.0
    return np.where(np.isfinite(powers), powers, otherwise)


class _Blocks(NamedTuple):
    """Blocks of equal length of the newest rows of each series, ``(blocks,)`` each; ``of`` groups them by series."""

    spread: np.ndarray
    level: np.ndarray
    series: np.ndarray
    of: SeriesSums


def _cut_blocks(values: np.ndarray, observed: np.ndarray, segments: SeriesSums, season: int) -> _Blocks:
    """Return the blocks of the series with enough of them, without those that have no observed change."""
    length = max(season, BLOCK)
    count = np.maximum(segments.lengths - season, 0) // length
    count[count < LEAST_BLOCKS] = 0
    cut = SeriesSums(np.concatenate([[0], np.cumsum(count)]))
    starts = cut.each(segments.offsets[1:]) - (cut.each(count) - cut.places()) * length
    rows = starts[:, None] + np.arange(length)
    pairs = observed[rows] & observed[rows - season]
    changes = np.abs(values[rows].astype(np.float64) - values[rows - season])
    spread = (changes * pairs).sum(axis=1) / np.maximum(pairs.sum(axis=1), 1)
    level = (values[rows] * observed[rows]).sum(axis=1, dtype=np.float64) / np.maximum(observed[rows].sum(axis=1), 1)
    known = pairs.any(axis=1)
    left = cut.reduce(np.add, known)
    series = np.repeat(np.arange(len(count)), left)
    return _Blocks(spread[known], level[known], series, SeriesSums(np.concatenate([[0], np.cumsum(left)])))


def _variation(values: np.ndarray, of: SeriesSums) -> np.ndarray:
    """Return the coefficient of variation of the values of each series, ``(series,)``; nan where all are 0."""
    every = np.ones(len(values), bool)
    mean = of.mean(values, every)
    variance = of.mean((values - of.each(mean)) ** 2, every)
    return np.divide(np.sqrt(variance), mean, out=np.full(len(mean), np.nan), where=mean > 0)


def _find_powers(blocks: _Blocks, powers: np.ndarray) -> np.ndarray:
    """Return the best of the powers for each series, ``(series,)``; nan where it is undefined."""
    logs = np.log(blocks.level)
    logs -= blocks.of.each(blocks.of.mean(logs, np.ones(len(logs), bool)))
    found = np.full((len(powers), len(blocks.of.lengths)), np.nan)
    for i, power in enumerate(powers):
        found[i] = _variation(blocks.spread * np.exp((power - 1) * logs), blocks.of)
    known = np.isfinite(found).all(axis=0) & (blocks.of.lengths >= LEAST_BLOCKS)
    return np.where(known, powers[np.argmin(np.where(known, found, 0), axis=0)], np.nan)


def _log_stabilises(panel: Panel, season: int) -> bool:
    """Return True if changes grow with the level in most of the series with enough blocks: power 0 rather than 1.

    As in :func:`best_powers`, between two powers, and only if it leaves at most :data:`STEADIER` of the variation.
    """
    votes = voters = 0
    for _, rows, segments in series_chunks(panel.offsets):
        blocks = _cut_blocks(panel.values[rows], panel.observed[rows], segments, season)
        able = blocks.of.lengths >= LEAST_BLOCKS
        relative, plain = (_variation(x, blocks.of) for x in (blocks.spread / blocks.level, blocks.spread))
        votes += int((np.nan_to_num(relative) < STEADIER * np.nan_to_num(plain))[able].sum())
        voters += int(able.sum())
    return votes > 0.5 * voters
