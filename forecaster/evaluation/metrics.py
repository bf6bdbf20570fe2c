"""Measures of a forecast: each the mean of a loss over rows, listed in :data:`METRICS`, and ratios of such means.

No measure is ever infinite: one that is not defined (nothing observed, a scale of zero, no levels) is nan, and a nan
forecast of a row that counts makes it nan. In the formulas ``y`` is the actual, ``f`` the point forecast, ``l`` and
``u`` the ends of an interval.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.levels import check_levels

NAN = float("nan")
#: Share of an error below which an actual counts as 0, so that no percentage is beyond float64.
SMALLEST = 1e-300


@dataclass(frozen=True)
class Outcome:
    """Actuals and forecasts of the scored rows. Build it with :meth:`of`, which drops the others.

    Attributes:
        actual: ``(n,)``.
        forecast: ``(n,)``, the point forecasts.
        low: ``(n, levels)``, lower ends of the intervals.
        high: ``(n, levels)``, upper ends.
        levels: 80 means an 80 % interval.
        scale: ``(n,)``, the seasonal scale of the series of each row, in units of the target; see
            :func:`seasonal_scale`.
        root_scale: ``(n,)``, likewise, by squares; see :func:`seasonal_root_scale`.
    """

    actual: np.ndarray
    forecast: np.ndarray
    low: np.ndarray
    high: np.ndarray
    levels: tuple[int, ...]
    scale: np.ndarray
    root_scale: np.ndarray

    @classmethod
    def of(
        cls,
        actual: np.ndarray,
        forecast: np.ndarray,
        levels: tuple[int, ...] = (),
        scale: float | np.ndarray = NAN,
        observed: np.ndarray | None = None,
        root_scale: float | np.ndarray = NAN,
    ) -> Outcome:
        """Return the outcome on the rows whose actual was observed.

        Args:
            actual: ``(...)``, any shape, such as ``(windows, horizon)``.
            forecast: ``(..., 1 + 2 * levels)``: the point, then lo and hi of each level.
            levels: the levels of the intervals.
            scale: the seasonal scale of the series, or ``(...)`` of them; MASE and MSIS use it.
            observed: ``(...)`` bool, which actuals count; all finite ones by default.
            root_scale: likewise, by squares; RMSSE uses it.

        Raises:
            SettingError: a level is not between 1 and 99.
        """
        check_levels(levels)
        counts = np.isfinite(actual) if observed is None else np.isfinite(actual) & observed
        rows = forecast.reshape(*actual.shape, 1 + 2 * len(levels))[counts]
        scales = (np.broadcast_to(np.asarray(s, float), actual.shape)[counts] for s in (scale, root_scale))
        return cls(actual[counts], rows[:, 0], rows[:, 1::2], rows[:, 2::2], tuple(levels), *scales)


class Metric:
    """A measure: ``mean(loss) / mean(over)`` over the rows of a group, or its square root; called on all rows as one.

    Args:
        loss: the loss of each row of an outcome, ``(n,)``, or ``(n, levels)`` of a measure of each level.
        over: what the mean is divided by, ``(n,)``; nothing by default.
        root: take the square root.
        nothing: what zero divided by zero is.
    """

    def __init__(
        self,
        loss: Callable[[Outcome], np.ndarray],
        over: Callable[[Outcome], np.ndarray] | None = None,
        root: bool = False,
        nothing: float = NAN,
    ) -> None:
        functools.update_wrapper(self, loss)
        self._loss, self._over, self._root, self._nothing = loss, over, root, nothing

    def __call__(self, outcome: Outcome) -> Any:
        """Return the measure over all rows: a float, or ``(levels,)``."""
        found = self.of_groups(outcome, np.zeros(len(outcome.actual), np.int64), 1)[0]
        return found if found.ndim else float(found)

    def of_groups(self, outcome: Outcome, group: np.ndarray, count: int) -> np.ndarray:
        """Return the measure of each group, ``(count,)`` or ``(count, levels)``; nan of an empty one.

        Args:
            outcome: the rows.
            group: ``(n,)`` int, the group of each row, below ``count``.
            count: groups.
        """
        with np.errstate(over="ignore"):
            found = _group_mean(self._loss(outcome), group, count)
            if self._over is not None:
                over = _group_mean(self._over(outcome), group, count)
                nothing = np.where(found == 0, self._nothing, NAN)
                found = np.divide(found, over, out=nothing, where=~(over == 0))
        found = np.where(np.isinf(found), NAN, found)
        return np.sqrt(found) if self._root else found


#: Every measure of a single model; those with one number a level come last.
METRICS: dict[str, Metric] = {}


def _metric(**options: Any) -> Callable[[Callable[[Outcome], np.ndarray]], Metric]:
    """Return a decorator that makes a metric of the loss of each row, and lists it."""

    def listed(loss: Callable[[Outcome], np.ndarray]) -> Metric:
        METRICS[loss.__name__] = Metric(loss, **options)
        return METRICS[loss.__name__]

    return listed


@_metric()
def mae(o: Outcome) -> np.ndarray:
    """Mean absolute error, ``mean |y - f|``, in units of the target."""
    return np.abs(o.actual - o.forecast)


@_metric(root=True)
def rmse(o: Outcome) -> np.ndarray:
    """Root mean squared error, ``sqrt(mean (y - f)^2)``, in units of the target."""
    return (o.actual - o.forecast) ** 2


def _has_percentage(o: Outcome) -> np.ndarray:
    error = np.abs(o.actual - o.forecast)
    return (np.abs(o.actual) > SMALLEST * error) | (error == 0)


@_metric(over=lambda o: _has_percentage(o).astype(float))
def mape(o: Outcome) -> np.ndarray:
    """Mean absolute percentage error, ``100 * mean |y - f| / |y|``.

    A row of 0 that was forecast as 0 counts as 0; one that was not has no percentage and is left out, so that this is
    not a measure for a target with zeros. nan where every row is left out. Hyndman & Koehler (2006), International
    Journal of Forecasting 22(4), section 2.2.
    """
    counted = _has_percentage(o) & (o.actual != 0)
    return 100 * np.divide(np.abs(o.actual - o.forecast), np.abs(o.actual), out=0 * o.forecast, where=counted)


@_metric()
def smape(o: Outcome) -> np.ndarray:
    """Symmetric mean absolute percentage error, ``200 * mean |y - f| / (|y| + |f|)``, 0 to 200; 0 / 0 counts as 0.

    Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition, International Journal of Forecasting 36(1).
    """
    error, size = np.abs(o.actual - o.forecast), np.abs(o.actual) + np.abs(o.forecast)
    return 200 * np.divide(error, size, out=np.zeros_like(size), where=size != 0)


@_metric(over=lambda o: np.abs(o.actual), nothing=0.0)
def wape(o: Outcome) -> np.ndarray:
    """Weighted absolute percentage error, ``100 * sum |y - f| / sum |y|``; 0 / 0 is 0, anything else over 0 is nan.

    Also the ratio of MAE to mean (Kolassa & Schütz 2007, Foresight 6) and, of quantiles, the ND of Salinas et al.
    (2020), DeepAR, International Journal of Forecasting 36(3).
    """
    return 100 * np.abs(o.actual - o.forecast)


@_metric()
def mase(o: Outcome) -> np.ndarray:
    """Mean absolute scaled error, ``mean |y - f| / scale``; nan where the scale is zero or undefined.

    Hyndman & Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22(4);
    with the seasonal scale of the M4 competition.
    """
    return np.abs(o.actual - o.forecast) / _positive(o.scale)


@_metric(root=True)
def rmsse(o: Outcome) -> np.ndarray:
    """Root mean squared scaled error, ``sqrt(mean (y - f)^2 / root_scale^2)``; nan where there is no scale.

    Hyndman & Athanasopoulos, Forecasting: principles and practice, 3rd edition (FPP3), section 5.8, which scales by the
    season; the M5 competition (Makridakis et al. 2022) takes a season of one.
    """
    return ((o.actual - o.forecast) / _positive(o.root_scale)) ** 2


@_metric()
def bias(o: Outcome) -> np.ndarray:
    """Mean error, ``mean (f - y)``, in units of the target: above 0 the forecasts are too high."""
    return o.forecast - o.actual


@_metric()
def pinball(o: Outcome) -> np.ndarray:
    """Mean pinball loss of the ends of all intervals, ``mean max(q (y - e), (q - 1) (y - e))``, in units of the target.

    The ends ``e`` of the interval of a level are the quantiles ``q = (1 -+ level / 100) / 2``. Koenker & Bassett
    (1978), Regression quantiles, Econometrica 46(1). nan without levels.
    """
    if not o.levels:
        return np.full(len(o.actual), NAN)
    return _pinballs(o).mean(axis=1)


@_metric()
def crps(o: Outcome) -> np.ndarray:
    """Continuous ranked probability score, from the ends of the intervals and the point forecast as the median.

    The score is twice the pinball loss integrated over all quantiles, ``2 * integral from 0 to 1 of pinball(q) dq``
    (Gneiting & Raftery 2007, Strictly proper scoring rules, Journal of the American Statistical Association 102(477),
    section 4.2); here by the trapezoidal rule over the quantiles there are, the loss being 0 at 0 and at 1. It is an
    approximation, and too small: of a normal distribution by 12 % at levels 80 and 95, by 1 % at 20, 40, 60, 80 and 95.
    In units of the target; nan without levels.
    """
    if not o.levels:
        return np.full(len(o.actual), NAN)
    share = np.array(o.levels) / 100
    q = np.concatenate([(1 - share) / 2, (1 + share) / 2, [0.5]])
    loss = np.concatenate([_pinballs(o), np.abs(o.actual - o.forecast)[:, None] / 2], axis=1)
    order = np.argsort(q)
    ends = np.zeros((len(loss), 1))
    return 2 * np.trapezoid(np.concatenate([ends, loss[:, order], ends], axis=1), [0, *q[order], 1], axis=1)


@_metric()
def coverage(o: Outcome) -> np.ndarray:
    """Share of actuals inside the interval of each level, ends included: ``(levels,)``; 0.8 is right for level 80."""
    y = o.actual[:, None]
    return np.where(np.isnan(o.low) | np.isnan(o.high), NAN, (o.low <= y) & (y <= o.high))


@_metric()
def width(o: Outcome) -> np.ndarray:
    """Mean width of the interval of each level, ``mean (u - l)``: ``(levels,)``, in units of the target."""
    return o.high - o.low


@_metric()
def winkler(o: Outcome) -> np.ndarray:
    """Winkler or interval score of each level: ``(levels,)``, in units of the target; smaller is better.

    ``mean (u - l) + 2 / a (l - y)+ + 2 / a (y - u)+`` with ``a = 1 - level / 100``: the width, and a penalty for what
    lies outside. Winkler (1972), Journal of the American Statistical Association 67(337); Gneiting & Raftery (2007),
    equation 43.
    """
    return _interval_scores(o)


@_metric()
def msis(o: Outcome) -> np.ndarray:
    """Mean scaled interval score of each level, ``winkler / scale``: ``(levels,)``; nan where there is no scale.

    Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition, International Journal of Forecasting 36(1).
    """
    return _interval_scores(o) / _positive(o.scale)[:, None]


#: Measures of one number a level.
OF_LEVELS = ("coverage", "width", "winkler", "msis")


def score_forecasts(outcome: Outcome) -> dict[str, float]:
    """Return every measure of :data:`METRICS` by name, those of one number a level as ``coverage-80``."""
    everything = np.zeros(len(outcome.actual), np.int64)
    return {name: float(values[0]) for name, values in score_groups(outcome, everything, 1).items()}


def score_groups(outcome: Outcome, group: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return every measure of :data:`METRICS` of each group, ``(count,)``, by name, as :func:`score_forecasts` names
    them.

    Args:
        outcome: the rows.
        group: ``(n,)`` int, the group of each row, below ``count``.
        count: groups.
    """
    found: dict[str, np.ndarray] = {}
    for name, metric in METRICS.items():
        values = metric.of_groups(outcome, group, count)
        if name in OF_LEVELS:
            found |= {f"{name}-{level}": values[:, k] for k, level in enumerate(outcome.levels)}
        else:
            found[name] = values
    return found


def seasonal_scale(history: np.ndarray, season: int, observed: np.ndarray | None = None) -> float:
    """Return ``mean |y_t - y_(t - season)|`` over the pairs that were both observed, the denominator of MASE.

    nan where it is zero or undefined: a history no longer than the season, one that repeats itself exactly, or no pair
    observed.

    Args:
        history: ``(n,)``, the rows before the forecast.
        season: the seasonal period in steps.
        observed: ``(n,)`` bool; all by default.
    """
    return _above_zero(np.abs(_seasonal_changes(history, season, observed)))


def seasonal_root_scale(history: np.ndarray, season: int, observed: np.ndarray | None = None) -> float:
    """Return ``sqrt(mean (y_t - y_(t - season))^2)``, the denominator of RMSSE; see :func:`seasonal_scale`."""
    return float(np.sqrt(_above_zero(_seasonal_changes(history, season, observed) ** 2)))


def skill(error: float, reference: float) -> float:
    """Return ``1 - error / reference``: 0 is as good as the reference, 1 perfect, below 0 worse; nan if undefined."""
    return 1 - _ratio(error, reference)


def owa(smape: float, mase: float, naive2_smape: float, naive2_mase: float) -> float:
    """Return the overall weighted average, ``(sMAPE / sMAPE of Naive2 + MASE / MASE of Naive2) / 2``; nan if undefined.

    Below 1 a model is better than Naive2, see :func:`forecaster.evaluation.baselines.naive2`. Makridakis, Spiliotis &
    Assimakopoulos (2020), The M4 competition, International Journal of Forecasting 36(1), section 3.2: the ratios are
    of means over all series.
    """
    return (_ratio(smape, naive2_smape) + _ratio(mase, naive2_mase)) / 2


def _seasonal_changes(history: np.ndarray, season: int, observed: np.ndarray | None) -> np.ndarray:
    counts = np.isfinite(history) if observed is None else np.isfinite(history) & observed
    return np.asarray((history[season:] - history[:-season])[counts[season:] & counts[:-season]], float)


def _above_zero(values: np.ndarray) -> float:
    mean = float(values.mean()) if values.size else NAN
    return mean if mean > 0 else NAN


def _group_mean(loss: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of each group, ``(count,)`` or ``(count, columns)``; nan of an empty one."""
    rows = np.bincount(group, minlength=count).astype(float)
    columns = [np.bincount(group, column, count) for column in (loss.T if loss.ndim == 2 else [loss])]
    sums = np.stack(columns, axis=-1) if columns else np.zeros((count, 0))
    means = np.divide(sums, rows[:, None], out=np.full(sums.shape, NAN), where=rows[:, None] > 0)
    return means if loss.ndim == 2 else means[:, 0]


def _pinballs(o: Outcome) -> np.ndarray:
    """Return the pinball loss of each row of the lower ends, then of the upper ends, ``(n, 2 * levels)``."""
    share, y = np.array(o.levels) / 100, o.actual[:, None]
    return np.concatenate([_tilted(y - o.low, (1 - share) / 2), _tilted(y - o.high, (1 + share) / 2)], axis=1)


def _interval_scores(o: Outcome) -> np.ndarray:
    y, share = o.actual[:, None], 2 / (1 - np.array(o.levels) / 100)
    return np.asarray((o.high - o.low) + share * (np.maximum(o.low - y, 0) + np.maximum(y - o.high, 0)))


def _positive(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0, scale, NAN)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else NAN


def _tilted(error: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    return np.maximum(quantile * error, (quantile - 1) * error)
