"""Scores and intervals from the errors of validation windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import Engine
from forecaster.engines.rolling import roll_forward
from forecaster.evaluation.metrics import seasonal_scale, skill
from forecaster.features.inputs import with_causal_placeholders
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.features.windows import Windows
from forecaster.intervals.conformal import Conformal
from forecaster.intervals.uncertainty import (
    NetworkRun,
    error_units,
    preferred_kinds,
    relative_uncertainty,
    typical_uncertainty,
    window_uncertainty,
)

if TYPE_CHECKING:
    from forecaster.features.split import Split

#: Levels that the intervals of a model are scored at.
SCORED_LEVELS = (80, 95)


def score_validation(
    config: Config, engine: Engine, split: Split, scaler: Scaler, plan: Plan
) -> tuple[dict[str, Any], Conformal]:
    """Return the scores on validation windows, and the intervals learned from their errors.

    Args:
        config: ``loss`` and ``intervals`` are read.
        engine: runs the network.
        split: the windows.
        scaler: of the series of the split.
        plan: what the network reads.

    Returns:
        ``windows``; ``mase`` and ``skill`` against naive and seasonal naive; ``intervals`` as :func:`interval_scores`.
    """
    windows, values = split.scored, split.panel.values
    series, rows = windows.series(), windows.starts[:, None] + np.arange(plan.horizon)
    observed, actual = split.panel.observed[rows], values[rows].astype(np.float64)
    inputs = windows.batch()
    outputs = roll_forward(engine, inputs, windows.horizon, plan.steps, plan.indicator)[:, : plan.horizon]
    scaled = outputs[:, :, 0]
    causal = with_causal_placeholders(split.panel)
    anchor = scaler.anchors(causal, windows.starts)
    forecasts = {
        "network": scaler.inverse(scaled, series, anchor),
        "seasonal-naive": seasonal_naive_of_windows(causal.values, windows, plan.season, plan.horizon),
        "naive": np.repeat(causal.values[windows.starts - 1][:, None], plan.horizon, axis=1),
    }
    units = np.full(len(split.panel), np.nan)
    for i in np.unique(series):
        part = slice(split.panel.offsets[i] + split.padding[i], split.panel.offsets[i + 1] - plan.validation)
        units[i] = seasonal_scale(values[part], plan.season, split.panel.observed[part])
    units = units[series][:, None]
    mase = {}
    for name, forecast in forecasts.items():
        apart = np.abs(forecast - actual) / units
        apart = apart[observed & np.isfinite(apart)]
        mase[name] = float(apart.mean()) if apart.size else math.nan
    skills = {name: skill(mase["network"], mase[name]) for name in ("seasonal-naive", "naive")}
    level, unit = scaler.level(scaled), error_units(scaler)[series][:, None]
    alive = is_not_constant(split.panel, split.padding, plan.validation)
    actuals = scaler.level(windows.targets()[:, : plan.horizon])
    if anchor is not None:  # targets add up from the value before them, which a later reading may have filled
        filled = scaler.anchors(split.panel, windows.starts)
        actuals = actuals + ((filled - anchor) / scaler.scale[series])[:, None]
    errors = ValidationErrors(
        residuals=(actuals - level) / unit,
        counted=observed & alive[series][:, None],
        series=series,
        ages=split.panel.offsets[series + 1] - windows.starts,
        rows=plan.validation,
    )

    def ends(widths: np.ndarray, which: np.ndarray) -> np.ndarray:
        bounds = level[which][:, :, None] + widths * unit[which][:, :, None] * [-1, 1]
        found = scaler.inverse_level(bounds, series[which], None if anchor is None else anchor[which])
        return (found - actual[which][:, :, None]) / units[which][:, :, None]

    scored = []
    for kind in preferred_kinds(config, outputs.shape[2]):
        found = window_uncertainty(kind, config, plan, scaler, NetworkRun(inputs, outputs, series))
        kind, typical = typical_uncertainty(kind, found[errors.counted])
        spreads = relative_uncertainty(kind, found, typical)
        ranked = errors.of_windows(found[:, 0, 0] > 0) if kind == "rare" else errors
        scored.append((interval_scores(ranked, spreads, ends), ranked, spreads, kind, typical))
    intervals, ranked, spreads, kind, typical = min(scored, key=lambda found: _total(found[0]))
    scores = {"windows": len(windows), "mase": mase, "skill": skills, "intervals": intervals}
    return scores, ranked.conformal(spreads, kind=kind, typical=typical)


@dataclass(frozen=True)
class ValidationErrors:
    """The errors of a network on validation windows.

    Attributes:
        residuals: actual minus forecast, ``(windows, steps)``, in units of each series.
        counted: mask of errors of observed readings of series that are not constant, ``(windows, steps)`` bool.
        series: number of each window's series, ``(windows,)``.
        ages: rows from the first target row of each window to the end of its series, ``(windows,)``.
        rows: validation rows of each series.
        moved: mask of windows whose errors make intervals, ``(windows,)`` bool; all by default.
    """

    residuals: np.ndarray
    counted: np.ndarray
    series: np.ndarray
    ages: np.ndarray
    rows: int
    moved: np.ndarray | None = None

    @property
    def ranked(self) -> np.ndarray:
        """Mask of errors that make intervals, ``(windows, steps)`` bool."""
        return self.counted if self.moved is None else self.counted & self.moved[:, None]

    def of_windows(self, moved: np.ndarray) -> ValidationErrors:
        """Return the same errors with intervals made from those of some windows, or unchanged if none of these counts.

        Args:
            moved: mask of the windows, ``(windows,)`` bool.
        """
        return replace(self, moved=moved) if self.counted[moved].any() else self

    def conformal(self, spreads: np.ndarray, which: np.ndarray | slice = slice(None), **kind: Any) -> Conformal:
        """Return the intervals made from all errors, or those of some windows; see :meth:`Conformal.fit`."""
        return Conformal.fit(self.residuals[which], self.ranked[which], self.count_spans(), spreads[which], **kind)

    def count_spans(self) -> float:
        """Return the number of independent values that the errors of each step are worth.

        ``n (1 - r) / (1 + r)`` of ``n`` windows whose neighbours' errors correlate by ``r``, the effective size of an
        autoregressive sample (Bayley & Hammersley 1946, JRSS Supplement 8(2)); no fewer than the separate spans of one
        horizon that the rows hold. The correlation is about zero, not about the mean, so that a steady bias counts
        too.
        """
        counted, windows = self.ranked, self.ranked.any(axis=1)
        errors = np.where(counted, self.residuals, 0.0)
        pairs = (self.series[1:] == self.series[:-1])[:, None] & counted[1:] & counted[:-1]
        power = float((errors**2).sum()) / max(1, counted.sum())
        shared = float((errors[1:] * errors[:-1] * pairs).sum()) / max(1, pairs.sum())
        r = min(max(shared / power, 0.0), 0.999) if power > 0 else 0.0
        alive = len(np.unique(self.series[windows]))
        return max(alive * self.rows / counted.shape[1], windows.sum() * (1 - r) / (1 + r))


def interval_scores(
    errors: ValidationErrors, spreads: np.ndarray, ends: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> dict[str, dict[str, float]]:
    """Return the scores, on the newer half of the validation rows, of intervals made from the older half.

    No scored window shares a target row with one that made the intervals. Widths allow for few separate spans of one
    horizon, as those made from all validation rows do.

    Args:
        errors: on validation windows.
        spreads: their relative uncertainty, ``(windows, steps, 2)``.
        ends: of widths ``(some, steps, 2)`` and of the windows that they belong to, ``(some,)`` int, the ends of
            intervals minus the actual, in seasonal scales.

    Returns:
        Of each level of :data:`SCORED_LEVELS`, ``"80"``: ``coverage``, a share; mean ``width``, and ``msis``, the mean
        scaled interval score of Winkler 1972 (JASA 67(337)) as in the M4 competition, width and score in seasonal
        scales; the number of ``windows``, and of separate ``stretches`` of one horizon that these rows hold.
        Empty if a half holds no window.
    """
    middle, steps = errors.rows // 2, errors.residuals.shape[1]
    older, newer = errors.ages >= middle + steps, errors.ages <= middle
    if not errors.ranked[older].any() or not errors.counted[newer].any():
        return {}
    conformal = errors.conformal(spreads, older)
    scored = newer & errors.counted.any(axis=1)
    stretches = len(np.unique(errors.series[scored])) * (middle // steps)
    found = {}
    for level in SCORED_LEVELS:
        low, high = np.moveaxis(ends(conformal.widths(level, spreads[newer]), np.flatnonzero(newer)), 2, 0)
        known = errors.counted[newer] & np.isfinite(low) & np.isfinite(high)
        if not known.any():
            return {}
        low, high = low[known], high[known]
        outside = np.maximum(low, 0) + np.maximum(-high, 0)
        found[str(level)] = {
            "coverage": float(((low <= 0) & (high >= 0)).mean()),
            "width": float((high - low).mean()),
            "msis": float((high - low + 2 / (1 - level / 100) * outside).mean()),
            "windows": int(scored.sum()),
            "stretches": stretches,
        }
    return found


def _total(scores: dict[str, dict[str, float]]) -> float:
    """Return the sum of the logarithms of the interval scores; 0 without any."""
    return sum(math.log(max(part["msis"], 1e-300)) for part in scores.values())


def seasonal_naive_of_windows(values: np.ndarray, windows: Windows, season: int, horizon: int) -> np.ndarray:
    """Return the seasonal naive forecast of each window, ``(windows, horizon)``; NaN before the series begins."""
    rows = windows.starts[:, None] - season + np.arange(horizon) % season
    begun = rows >= windows.offsets[windows.series()][:, None]
    return np.where(begun, values[np.maximum(rows, 0)], np.nan)


def is_not_constant(panel: Panel, oldest: np.ndarray | int = 0, newest: int = 0) -> np.ndarray:
    """Return a mask of series that are not constant, ``(series,)`` bool.

    Args:
        panel: the series.
        oldest: rows at the start of each to ignore, ``(series,)`` int or one number.
        newest: rows at the end of each to ignore; each series has more than both.
    """
    bounds = np.stack([panel.offsets[:-1] + oldest, panel.offsets[1:] - newest], axis=1).ravel()
    bounds = bounds if newest else bounds[:-1]  # the end of the last series is no row
    high, low = (function.reduceat(panel.values, bounds)[::2] for function in (np.maximum, np.minimum))
    return np.asarray(high > low)
