"""Measures of a forecast: each a small pure function of an :class:`Outcome`, listed in :data:`METRICS`.

No measure is ever infinite: one that is not defined (nothing observed, a scale of zero, no levels) is nan, and a nan
forecast of a row that counts makes it nan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecaster.evaluation.intervals import check_levels


@dataclass(frozen=True)
class Outcome:
    """What came and what was forecast, on the rows that count. Build it with :meth:`of`, which drops the others.

    Attributes:
        actual: ``(n,)``.
        forecast: ``(n,)``, the point forecasts.
        low: ``(n, levels)``, lower ends of the intervals.
        high: ``(n, levels)``, upper ends.
        levels: 80 means an 80 % interval.
        scale: the seasonal scale of the series, in units of the target (see :func:`seasonal_scale`).
    """

    actual: np.ndarray
    forecast: np.ndarray
    low: np.ndarray
    high: np.ndarray
    levels: tuple[int, ...] = ()
    scale: float = float("nan")

    @classmethod
    def of(
        cls,
        actual: np.ndarray,
        forecast: np.ndarray,
        levels: tuple[int, ...] = (),
        scale: float = float("nan"),
        observed: np.ndarray | None = None,
    ) -> Outcome:
        """Return the outcome on the rows whose actual was observed.

        Args:
            actual: ``(...)``, any shape, such as ``(windows, horizon)``.
            forecast: ``(..., 1 + 2 * levels)``: the point, then lo and hi of each level.
            levels: the levels of the intervals.
            scale: the seasonal scale of the series; only MASE uses it.
            observed: ``(...)`` bool, which actuals count; all finite ones by default.

        Raises:
            SettingError: a level is not between 1 and 99.
        """
        check_levels(levels)
        counts = np.isfinite(actual) if observed is None else np.isfinite(actual) & observed
        rows = forecast.reshape(*actual.shape, 1 + 2 * len(levels))[counts]
        return cls(actual[counts], rows[:, 0], rows[:, 1::2], rows[:, 2::2], tuple(levels), float(scale))


def mae(outcome: Outcome) -> float:
    """Mean absolute error, ``mean |y - f|``, in units of the target."""
    return _mean(np.abs(outcome.actual - outcome.forecast))


def rmse(outcome: Outcome) -> float:
    """Root mean squared error, ``sqrt(mean (y - f)^2)``, in units of the target."""
    return float(np.sqrt(_mean((outcome.actual - outcome.forecast) ** 2)))


def mase(outcome: Outcome) -> float:
    """Mean absolute scaled error, ``mean |y - f| / scale``; nan where the scale is zero or undefined.

    Hyndman & Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22(4);
    with the seasonal scale of the M4 competition.
    """
    return _ratio(mae(outcome), outcome.scale)


def smape(outcome: Outcome) -> float:
    """Symmetric mean absolute percentage error, ``200 * mean |y - f| / (|y| + |f|)``, 0 to 200; 0 / 0 counts as 0.

    Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition, International Journal of Forecasting 36(1).
    """
    error = np.abs(outcome.actual - outcome.forecast)
    size = np.abs(outcome.actual) + np.abs(outcome.forecast)
    return 200 * _mean(np.divide(error, size, out=np.zeros_like(size), where=size != 0))


def pinball(outcome: Outcome) -> float:
    """Mean pinball loss of the ends of all intervals, ``mean max(q (y - f), (q - 1) (y - f))``, in units of the target.

    The ends of the interval of a level are the quantiles ``q = (1 -+ level / 100) / 2``. Koenker & Bassett (1978),
    Regression quantiles, Econometrica 46(1). nan without levels.
    """
    share = np.array(outcome.levels) / 100
    y = outcome.actual[:, None]
    return _mean(np.stack([_tilted(y - outcome.low, (1 - share) / 2), _tilted(y - outcome.high, (1 + share) / 2)]))


def coverage(outcome: Outcome) -> np.ndarray:
    """Share of actuals inside the interval of each level, ends included: ``(levels,)``; 0.8 is right for level 80."""
    y = outcome.actual[:, None]
    inside = ((outcome.low <= y) & (y <= outcome.high)).astype(float)
    inside[np.isnan(outcome.low) | np.isnan(outcome.high)] = np.nan
    return np.array([_mean(column) for column in inside.T])


#: Every measure of ``evaluate``; ``coverage`` gives one number a level, the others one number.
METRICS: dict[str, Callable[[Outcome], float | np.ndarray]] = {
    "mae": mae,
    "rmse": rmse,
    "mase": mase,
    "smape": smape,
    "pinball": pinball,
    "coverage": coverage,
}


def score(outcome: Outcome) -> dict[str, float]:
    """Return every measure of :data:`METRICS` by name, those of one number a level as ``coverage-80``."""
    row: dict[str, float] = {}
    for name, metric in METRICS.items():
        value = metric(outcome)
        if isinstance(value, np.ndarray):
            row |= {f"{name}-{level}": float(x) for level, x in zip(outcome.levels, value, strict=True)}
        else:
            row[name] = value
    return row


def seasonal_scale(history: np.ndarray, season: int, observed: np.ndarray | None = None) -> float:
    """Return ``mean |y_t - y_(t - season)|`` over the pairs that were both observed, the denominator of MASE.

    nan where it is zero or undefined: a history no longer than the season, one that repeats itself exactly, or no pair
    observed.

    Args:
        history: ``(n,)``, the rows before the forecast.
        season: the seasonal period in steps.
        observed: ``(n,)`` bool; all by default.
    """
    counts = np.isfinite(history) if observed is None else np.isfinite(history) & observed
    both = counts[season:] & counts[:-season]
    scale = _mean(np.abs(history[season:] - history[:-season])[both])
    return scale if scale > 0 else float("nan")


def skill(error: float, reference: float) -> float:
    """Return ``1 - error / reference``: 0 is as good as the reference, 1 perfect, below 0 worse; nan if undefined."""
    return 1 - _ratio(error, reference)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else float("nan")


def _tilted(error: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    return np.maximum(quantile * error, (quantile - 1) * error)
