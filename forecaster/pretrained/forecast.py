"""Forecasts of the pretrained network from the end of each series, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import Engine
from forecaster.evaluation.baselines import naive
from forecaster.notes import Note
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.network import MIDDLE, QUANTILES
from forecaster.pretrained.stored import pretrained_engine
from forecaster.pretrained.windows import Cutoffs, run_windows
from forecaster.words import first_few, plural

#: What the column ``engine`` says of the rows of the pretrained network, and of series with fewer rows than it reads.
ENGINE, SHORT = "pretrained", "naive"
#: Series forecast at once: bounds memory, changes no number.
SERIES_AT_ONCE = 4_096
#: Earlier cutoffs of a series, a horizon apart, and of all series, at which the intervals are compared with what came.
CUTOFFS, ALL_CUTOFFS = 40, 1_000
#: The share of the rows of a series that are known at the earliest of them, and the rows at least.
KNOWN, LEAST_KNOWN = 1 / 3, 24
#: Steps after which the factor of the widths is found anew, and the factors that are believed.
EDGES, FACTORS = (12, 48, 192, 768), (0.05, 20.0)


@dataclass(frozen=True)
class PretrainedForecast:
    """A forecast with no fit.

    Attributes:
        values: ``(series, steps, 1 + 2 * levels)`` float64: forecast, then lower and upper bound of each level; these
            are NaN for a series of one row.
        engines: ``(series,)`` object, :data:`ENGINE`, or :data:`SHORT` for a series that has too few rows for it.
        raised: bool, as ``values``: those that were negative, of series without a negative reading, and are 0.
        notes: what the intervals rest on, and what was forecast otherwise.
    """

    values: np.ndarray
    engines: np.ndarray
    raised: np.ndarray
    notes: list[Note] = field(default_factory=list)


def forecast_pretrained(
    panel: Panel, seasons: tuple[int, ...], steps: int, levels: tuple[int, ...], engine: Engine | None = None
) -> PretrainedForecast:
    """Forecast from the end of each series of a panel; covariates are not read.

    The forecast is the median of the network. Its intervals are the network's quantiles times a factor for each level,
    from what they covered at earlier cutoffs of these series, see :func:`find_factors`.

    Args:
        panel: the series, each of one row or more; rows that are not ``observed`` count as missing.
        seasons: seasonal periods in steps, the main one first; ``(1,)`` for none.
        steps: the horizon.
        levels: intervals to give, in percent.
        engine: runs the network; the one that comes along by default.
    """
    engine = engine or pretrained_engine()
    values = np.empty((len(panel), steps, 1 + 2 * len(levels)))
    long = panel.lengths >= LEAST
    for series in np.flatnonzero(~long).tolist():
        values[series] = naive(panel.values[panel.rows(series)], steps, 1, levels)
    engines = np.where(long, np.array(ENGINE, object), SHORT)
    notes = [] if long.all() else [_short_note(panel, ~long)]
    if long.any():
        factors, found = find_factors(engine, panel, seasons[0], steps, levels)
        numbers = np.flatnonzero(long)
        for first in range(0, len(numbers), SERIES_AT_ONCE):
            some = numbers[first : first + SERIES_AT_ONCE]
            now = Cutoffs(panel.values, panel.observed, panel.offsets[1:][some], panel.lengths[some])
            quantiles = run_windows(engine, now, seasons[0], steps)
            values[some] = with_intervals(quantiles, levels, factors)
        notes += found
    raised = (values < 0) & (panel.ranges[:, 0] >= 0)[:, None, None]
    values[raised] = 0.0
    return PretrainedForecast(values, engines, raised, notes)


def with_intervals(quantiles: np.ndarray, levels: tuple[int, ...], factors: np.ndarray) -> np.ndarray:
    """Return medians and intervals, ``(windows, steps, 1 + 2 * levels)``; a wider level holds the narrower ones.

    Args:
        quantiles: ``(windows, steps, len(QUANTILES))``.
        levels: in percent.
        factors: of the widths, ``(levels, steps)``.
    """
    middle = quantiles[:, :, MIDDLE]
    values = np.empty((*middle.shape, 1 + 2 * len(levels)))
    values[:, :, 0] = inner_low = inner_high = middle
    for number in np.argsort(levels).tolist():
        low, high = bounds_of(quantiles, levels[number])
        inner_low = np.minimum(inner_low, middle + factors[number] * (low - middle))
        inner_high = np.maximum(inner_high, middle + factors[number] * (high - middle))
        values[:, :, 1 + 2 * number], values[:, :, 2 + 2 * number] = inner_low, inner_high
    return values


def bounds_of(quantiles: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper bound of a level, ``(windows, steps)`` each.

    Between the quantiles and beyond them it is a line in the quantile of the normal distribution.
    """
    scores = np.array([NormalDist().inv_cdf(quantile) for quantile in QUANTILES])
    below = NormalDist().inv_cdf(0.5 - level / 200)
    found = []
    for score in (below, -below):
        right = int(np.clip(np.searchsorted(scores, score), 1, len(scores) - 1))
        share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
        left_values, right_values = quantiles[:, :, right - 1], quantiles[:, :, right]
        found.append(left_values + share * (right_values - left_values))
    return found[0], found[1]


def find_factors(
    engine: Engine, panel: Panel, season: int, steps: int, levels: tuple[int, ...]
) -> tuple[np.ndarray, list[Note]]:
    """Return factors for the widths, ``(levels, steps)``, and a note on what the intervals rest on.

    The network forecasts from up to :data:`CUTOFFS` earlier cutoffs of each series, a horizon apart. How many times its
    own half-width each reading was away from the median is the score of a split-conformal interval (Romano et al. 2019,
    arXiv:1905.03222, in the form that scales instead of shifting); the factor is the quantile of these scores, found
    for near and far steps apart (:data:`EDGES`). Readings of one window depend on each other, so windows count, not
    readings: the logarithm of the factor is shrunk towards 0, the network's own quantiles, by
    ``windows / (windows + 1 / (1 - level))``, as a quantile near the edge needs more.
    """
    factors = np.ones((len(levels), steps))
    cutoffs = _earlier_cutoffs(panel, season, steps)
    if not len(cutoffs.ends) or not levels:
        note = Note("intervals", "the network's own", f"too few rows for earlier forecasts of {plural(steps, 'step')}")
        return factors, [note] if levels else []
    quantiles = run_windows(engine, cutoffs, season, steps, rough=True)
    ahead = cutoffs.ends[:, None] + np.arange(steps)
    actual, seen, middle = panel.values[ahead], panel.observed[ahead], quantiles[:, :, MIDDLE]
    away, covered = np.abs(actual - middle), []
    for number, level in enumerate(levels):
        low, high = bounds_of(quantiles, level)
        half = np.where(actual < middle, middle - low, high - middle)
        measured = half * FACTORS[1] > away
        scores = np.full(away.shape, FACTORS[1])
        np.divide(away, half, out=scores, where=measured)
        scores[away == 0] = 0.0
        covered.append(f"{level} % covered {np.mean(scores[seen] <= 1):.0%}" if seen.any() else "")
        factors[number] = _factors_by_step(scores, seen, level / 100)
    ends_of = [(f"{row.min():.2f}", f"{row.max():.2f}") for row in factors]
    times = ", ".join(least if least == most else f"{least} to {most}" for least, most in ends_of)
    what = f"{times} times the network's own"
    reason = (
        f"own: {', '.join(covered)} of {int(seen.sum()):,} readings from {plural(len(cutoffs.ends), 'earlier cutoff')}"
    )
    return factors, [Note("intervals", what, reason)]


def _factors_by_step(scores: np.ndarray, seen: np.ndarray, level: float) -> np.ndarray:
    """Return the factor of each step, ``(steps,)``, a line in the logarithm of the step between stretches of steps.

    The rank is that of a split-conformal interval, more than the level where windows are few. On training rows of the
    seven sets of ``benchmarks/accuracy.py``, each as a table of its own, intervals of 80 % and 95 % covered 79 % and
    96 % of what came after long histories and 81 % and 95 % after short ones; with the level as the rank, 76 % and
    93 %, and 77 % and 95 %.

    Args:
        scores: ``(windows, steps)``.
        seen: likewise, bool: whether there was a reading.
        level: from 0 to 1.
    """
    steps = scores.shape[1]
    edges = [0, *[edge for edge in EDGES if edge < steps], steps]
    places, logarithms = [], []
    for first, last in pairwise(edges):
        known = seen[:, first:last]
        windows = int(known.any(axis=1).sum())
        if windows:
            rank = min(level * (1 + 1 / windows), (1 + level) / 2)
            factor = np.clip(np.quantile(scores[:, first:last][known], rank), *FACTORS)
            places.append(np.log((first + 1 + last) / 2))
            logarithms.append(np.log(factor) * windows / (windows + 1 / (1 - level)))
    if not places:
        return np.ones(steps)
    return np.exp(np.interp(np.log(np.arange(1, steps + 1)), places, logarithms))


def _earlier_cutoffs(panel: Panel, season: int, steps: int) -> Cutoffs:
    """Return earlier cutoffs, a horizon apart."""
    least = np.maximum(np.ceil(KNOWN * panel.lengths).astype(int), max(LEAST_KNOWN, 2 * season + 2))
    counts = np.clip((panel.lengths - least) // steps, 0, CUTOFFS)
    series = np.repeat(np.arange(len(panel)), counts)
    back = np.concatenate([np.arange(1, count + 1) for count in counts.tolist()] or [np.zeros(0, int)]) * steps
    if len(series) > ALL_CUTOFFS:
        some = np.linspace(0, len(series) - 1, ALL_CUTOFFS).round().astype(int)
        series, back = series[some], back[some]
    ends, lengths = panel.offsets[1:][series] - back, panel.lengths[series] - back
    return Cutoffs(panel.values, panel.observed, ends, lengths)


def _short_note(panel: Panel, short: np.ndarray) -> Note:
    """Return a note on series that are too short for the network."""
    names = [f"{panel.ids[i] or 'the series'} ({panel.lengths[i]})" for i in np.flatnonzero(short)]
    count = f"{int(short.sum()):,} of {len(panel):,} series by repeating the last value"
    return Note("engine", count, f"it needs {LEAST} rows, fewer in {first_few(names)}", warning=True)
