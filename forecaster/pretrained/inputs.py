"""What the network reads of windows of one length: the window itself, the simple forecasts and how they did of late.

Every input is free of the level and scale of the window: forecasts are distances from the blend of the simple forecasts
by their past errors, in units of the error that this blend had of late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.pretrained.simple import NAMES, PAST, WINDOW, Simple, simple_forecasts

#: Rows that a window has at least.
LEAST = 8
#: Steps that the network decodes at most.
LONGEST = 48
#: Rows of a patch and patches read, of the whole window and of its newest rows.
PATCHES = {"past": (32, 16), "near": (8, 16)}
#: Numbers of a row of a patch, and of a patch.
OF_ROW, OF_PATCH = 4, 3
#: Shapes of the inputs without the windows.
SHAPES = {
    **{name: (count, size * OF_ROW + OF_PATCH) for name, (size, count) in PATCHES.items()},
    "static": (30 + 5 * len(NAMES),),
    "future": (LONGEST, 15 + len(NAMES)),
    "prior": (len(NAMES),),
}
#: Power of the past errors that weigh the simple forecasts in the blend.
POWER = 3.0
#: Smallest past error, in standard deviations of the window.
LEAST_ERROR = 0.003
#: Errors of the blend that a simple forecast is away from it at most, and the largest input.
FURTHEST, LARGEST = 30.0, 12.0
#: Largest row before a window, in deviations of the window.
LARGEST_PAST = 1e9
#: Seasons ago whose readings the network sees at each step ahead.
SEASONS_AGO = (1, 2, 3, 4)


@dataclass(frozen=True)
class Frame:
    """Windows as the network reads them, and how to undo it.

    Attributes:
        inputs: float32, by the names of :data:`SHAPES`: ``past`` and ``near``, the whole window and its newest rows in
            patches; ``static``, facts of the window and past errors; ``future``, each step ahead, zeros after the
            horizon; ``prior``, the logarithm of the blend's weights before its power.
        gaps: ``(windows, horizon, names)``: simple forecasts less the blend, in its past errors, within
            :data:`FURTHEST`.
        blend: ``(windows, horizon)``, in units of the series.
        error: ``(windows,)``: what the blend missed by of late, in units of the series.
    """

    inputs: dict[str, np.ndarray]
    gaps: np.ndarray
    blend: np.ndarray
    error: np.ndarray


def make_frame(values: np.ndarray, observed: np.ndarray, season: int, steps: int) -> Frame:
    """Return what the network reads of windows of one length.

    Args:
        values: ``(windows, rows)``, finite; only the last :data:`PAST` are read.
        observed: likewise, bool: False for a placeholder, which is not compared with.
        season: the seasonal period in rows, 1 for none. One that the window is too short for is not used.
        steps: the horizon.
    """
    values, observed = np.asarray(values[:, -PAST:], float), observed[:, -PAST:]
    window, seen = values[:, -WINDOW:], observed[:, -WINDOW:]
    season = season if window.shape[1] >= season + 2 else 1
    largest = np.abs(window).max(axis=1) + 1e-300
    size = largest * ((window / largest[:, None]).std(axis=1) + 1e-9)
    with np.errstate(over="ignore"):
        scaled = np.clip(values / size[:, None], -LARGEST_PAST, LARGEST_PAST)
    unit, decoded = scaled[:, -WINDOW:], min(steps, LONGEST)
    simple = simple_forecasts(scaled, observed, season, steps, decoded)
    there = simple.there[0]
    record = _compare(simple, unit, seen)
    weights = np.where(there, record.error**-POWER, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    forecasts = _within_reach(simple.forecasts, unit)
    blend = (forecasts * weights[:, None]).sum(axis=2)
    error = (weights * record.error).sum(axis=1)
    gaps = np.where(there, (forecasts - blend[:, :, None]) / error[:, None, None], 0.0).clip(-FURTHEST, FURTHEST)
    spread = _spread(simple, weights, unit, seen, error)
    inputs = {
        **_patches(unit, seen, season, error),
        "static": np.concatenate(
            [
                _facts(unit, seen, season, decoded, error),
                spread,
                *record.told(there, error),
                np.tile(there, (len(unit), 1)),
                record.known,
            ],
            axis=1,
        ),
        "future": _steps(unit, season, gaps[:, :decoded], blend[:, :decoded], error),
        "prior": np.where(there, -np.log(record.error / error[:, None]), -LARGEST),
    }
    inputs = {name: array.astype(np.float32, copy=False) for name, array in inputs.items()}
    for array in inputs.values():
        np.clip(array, -LARGEST, LARGEST, out=array)
    return Frame(inputs, gaps, blend * size[:, None], error * size)


def _within_reach(forecasts: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the simple forecasts, those beyond the decoded steps no farther out than a line could lead.

    A season that grew by a tenth is a hundred times as large after fifty more. From the extremes of the window they are
    away by its range at most, more by the step over its rows, or as far as they were at the last decoded step.
    """
    steps = forecasts.shape[1]
    if steps <= LONGEST:
        return forecasts
    low, high = unit.min(axis=1)[:, None, None], unit.max(axis=1)[:, None, None]
    reach = (high - low) * (1 + np.arange(LONGEST + 1, steps + 1) / unit.shape[1])[:, None]
    edge = forecasts[:, LONGEST - 1 : LONGEST]
    far = np.clip(forecasts[:, LONGEST:], np.minimum(low - reach, edge), np.maximum(high + reach, edge))
    return np.concatenate([forecasts[:, :LONGEST], far], axis=1)


@dataclass(frozen=True)
class _Record:
    """How the simple forecasts did at earlier cutoffs, ``(windows, names)`` each, in deviations of the window.

    Attributes:
        error: mean absolute error; where there is none yet, a fifth more than the median of the others.
        newest: likewise, the newest cutoffs counting most.
        bias: mean error.
        known: whether there was an earlier cutoff to compare at.
    """

    error: np.ndarray
    newest: np.ndarray
    bias: np.ndarray
    known: np.ndarray

    def told(self, there: np.ndarray, error: np.ndarray) -> list[np.ndarray]:
        """Return errors and biases in terms of the blend's error."""
        ratios = [np.where(there, np.log(found / error[:, None]), 0.0) for found in (self.error, self.newest)]
        return [*ratios, np.clip(np.where(there, self.bias / error[:, None], 0.0), -3.0, 3.0)]


def _compare(simple: Simple, unit: np.ndarray, seen: np.ndarray) -> _Record:
    """Return how the simple forecasts did at earlier cutoffs, each weighted by the readings compared with."""
    sums = {name: np.zeros((len(unit), len(NAMES))) for name in ("error", "newest", "bias", "count", "recent")}
    for number, cutoff in enumerate(simple.cutoffs.tolist()):
        compared = min(simple.backtests.shape[2], unit.shape[1] - cutoff)
        rows = slice(cutoff, cutoff + compared)
        missed = simple.backtests[number, :, :compared] - unit[:, rows, None]
        if not seen[:, rows].all():
            missed *= seen[:, rows, None]
        weight, fade = seen[:, rows].sum(axis=1)[:, None] * simple.there[1 + number], 0.5**number
        bias = missed.sum(axis=1) * simple.there[1 + number]
        absolute = np.abs(missed, out=missed).sum(axis=1) * simple.there[1 + number]
        sums["error"] += absolute
        sums["newest"] += fade * absolute
        sums["bias"] += bias
        sums["count"] += weight
        sums["recent"] += fade * weight
    known = sums["count"] > 0
    count, recent = np.maximum(sums["count"], 1e-9), np.maximum(sums["recent"], 1e-9)
    error, newest, bias = sums["error"] / count, sums["newest"] / recent, sums["bias"] / count
    middle = np.ma.median(np.ma.masked_array(error, ~known), axis=1).filled(1.0)[:, None]
    error, newest = (np.where(known, found, 1.2 * middle) + LEAST_ERROR for found in (error, newest))
    return _Record(error, newest, bias, known)


def _spread(simple: Simple, weights: np.ndarray, unit: np.ndarray, seen: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return logarithms of the blend's errors at near steps, at their worst, and at far steps, ``(windows, 3)``."""
    compared = simple.backtests.shape[2]
    near, far = [], []
    for number, cutoff in enumerate(simple.cutoffs.tolist()):
        length = min(compared, unit.shape[1] - cutoff)
        rows = slice(cutoff, cutoff + length)
        of_there = np.where(simple.there[1 + number], weights, 0.0)
        of_there /= of_there.sum(axis=1, keepdims=True) + 1e-9
        missed = np.abs((simple.backtests[number, :, :length] * of_there[:, None]).sum(axis=2) - unit[:, rows])
        missed *= seen[:, rows] / error[:, None]
        near.append(missed[:, : max(1, compared // 4)].mean(axis=1))
        if length > compared // 2:
            far.append(missed[:, compared // 2 :].mean(axis=1))
    found = [np.mean(near, axis=0), np.max(near, axis=0), np.mean(far or near, axis=0)]
    return np.log(0.05 + np.stack(found, axis=1))


def _patches(unit: np.ndarray, seen: np.ndarray, season: int, error: np.ndarray) -> dict[str, np.ndarray]:
    """Return the window in near and far patches, newest last: level, seasonal change, change, presence of each row."""
    rows = unit.shape[1]
    level = unit - unit[:, -min(rows, max(season, 8)) :].mean(axis=1, keepdims=True)
    seasonal, change = np.zeros_like(unit), np.zeros_like(unit)
    seasonal[:, season:] = (unit[:, season:] - unit[:, :-season]) / error[:, None]
    change[:, 1:] = np.diff(unit, axis=1) / error[:, None]
    channels = (*(np.arcsinh(values) for values in (level, seasonal, change)), seen)
    found = {}
    for name, (size, count) in PATCHES.items():
        length = min(rows, size * count)
        whole = np.zeros((len(unit), size * count, OF_ROW), np.float32)
        for place, values in enumerate(channels):
            whole[:, size * count - length :, place] = values[:, rows - length :]
        found[name] = np.zeros((len(unit), *SHAPES[name]), np.float32)
        found[name][:, :, :-OF_PATCH] = whole.reshape(len(unit), count, size * OF_ROW)
        ends = (np.arange(count) + 1) * size - size * count
        angle = 2 * np.pi * ends / season
        facts = (ends > -length, np.sin(angle) * (season > 1), np.cos(angle) * (season > 1))
        found[name][:, :, -OF_PATCH:] = np.stack(facts, axis=1)
    return found


def _facts(unit: np.ndarray, seen: np.ndarray, season: int, steps: int, error: np.ndarray) -> np.ndarray:
    """Return numbers of each window as a whole, ``(windows, 27)``."""
    rows, flat = unit.shape[1], np.ones(len(unit))
    change, centred = np.diff(unit, axis=1), unit - unit.mean(axis=1, keepdims=True)
    least, low, middle, high, most = _quantiles(unit, (0.0, 0.1, 0.5, 0.9, 1.0))
    last = unit[:, -1]

    def correlation(values: np.ndarray, lag: int) -> np.ndarray:
        if values.shape[1] <= lag + 1:
            return 0.0 * flat
        product = (values[:, lag:] * values[:, :-lag]).mean(axis=1)
        return np.asarray(product / ((values * values).mean(axis=1) + 1e-9))

    found = [
        (np.log(rows) - 5) * flat,
        (np.log(season) - 2) * flat,
        (np.log(steps) - 2) * flat,
        (np.log(rows / season) - 2) * flat,
        (season == 1) * flat,
        (steps > season) * flat,
        np.log(error),
        correlation(change, 1),
        correlation(change, season),
        correlation(centred, 1),
        correlation(centred, season),
        correlation(np.abs(change), 1),
        np.log1p((change**4).mean(axis=1) / ((change * change).mean(axis=1) ** 2 + 1e-9)),
        (unit == 0).mean(axis=1),
        (unit[:, -season:] == 0).mean(axis=1),
        (change == 0).mean(axis=1),
        (least >= 0) * flat,
        np.tanh(least),
        np.arcsinh(middle),
        last - middle,
        (most - high) / (high - low + 0.1),
        (low - least) / (high - low + 0.1),
        np.arcsinh((last - least) / error),
        np.arcsinh((most - last) / error),
        np.log(0.05 + np.abs(change[:, -10:]).mean(axis=1) / (np.abs(change).mean(axis=1) + 1e-9)),
        seen.mean(axis=1),
        seen[:, -max(season, 4) :].mean(axis=1),
    ]
    return np.stack(found, axis=1)


def _quantiles(values: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Return quantiles of each window, ``(shares, windows)``: those of NumPy, which sorts faster than it selects."""
    ordered, place = np.sort(values, axis=1).T, np.array(shares) * (values.shape[1] - 1)
    below = place.astype(int)
    above, share = np.minimum(below + 1, values.shape[1] - 1), (place - below)[:, None]
    return ordered[below] + share * (ordered[above] - ordered[below])


def _steps(unit: np.ndarray, season: int, gaps: np.ndarray, blend: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return numbers of each step ahead: the simple forecasts, past seasons, distance from the extremes, place.

    They are zeros from the horizon to :data:`LONGEST`.
    """
    count, rows = unit.shape
    steps = blend.shape[1]
    place = np.arange(steps)
    angle = 2 * np.pi * place / season
    waves = [f(angle * i) * (season > i) for i in (1, 2, 3) for f in (np.sin, np.cos)]
    when = np.stack([np.log1p(place) - 2, place / 24, np.full(steps, steps / 48), *waves], axis=1)
    if season > 1:
        ago = [unit[:, rows - season * i + place % season] if rows >= season * i else blend for i in SEASONS_AGO]
    else:
        ago = [np.repeat(unit[:, rows - min(i, rows), None], steps, axis=1) for i in SEASONS_AGO]
    scale = error[:, None]
    found = [np.arcsinh((past - blend) / scale) for past in ago]
    found.append(np.arcsinh((blend - unit.min(axis=1, keepdims=True)) / scale))
    found.append(np.arcsinh((unit.max(axis=1, keepdims=True) - blend) / scale))
    told, names = np.zeros((count, *SHAPES["future"]), np.float32), len(NAMES)
    told[:, :steps, :names] = np.arcsinh(gaps)
    for number, values in enumerate(found):
        told[:, :steps, names + number] = values
    told[:, :steps, names + len(found) :] = when
    return told
