"""Split-conformal intervals from the errors of validation windows, and the names and quantiles of levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from forecaster.errors import DataError, ModelError, SettingError

#: Scores kept of each step; up to so many residuals the quantiles are exact.
MAX_POINTS = 1001


@dataclass(frozen=True)
class Conformal:
    """Half-widths of intervals, learned from the absolute errors of windows the network was not trained on.

    Split conformal prediction (Vovk, Gammerman & Shafer 2005; Lei et al. 2018, JASA 113(523), section 2.2), one step of
    the horizon at a time: of ``n`` sorted absolute residuals the ``ceil((n + 1) level / 100)``-th covers a new,
    exchangeable one with a probability of at least ``level / 100``. Forecast errors are only roughly exchangeable:
    overlapping windows and neighbouring steps make them dependent and a drifting series makes them grow, so the
    coverage promised is approximate, and the fewer separate stretches of time the windows span, the rougher.
    ``evaluate`` measures it.

    A level needs ``n >= level / (100 - level)`` residuals (4 for 80, 19 for 95, 99 for 99). A step that has fewer is:

    - *pooled*: the residuals of all steps, each divided by its step's spread, are ranked together and multiplied by the
      step's spread again. The spread is ``sqrt(a + b step)``, ``a, b >= 0``, fitted to the mean squared residuals:
      constant at one end, a random walk at the other. The result is never below the largest residual of the step
      itself.
    - *widened*, where all steps together have fewer: the largest pooled residual stands for coverage ``n / (n + 1)``
      and is stretched to the level in the ratio of normal quantiles.

    Errors of windows that overlap rise and fall together. Where the validation rows hold only ``k`` separate stretches
    of one horizon, the size of the errors is known no better than from ``k`` values, so every width is multiplied by
    the ratio of Student's t quantile with ``k`` degrees of freedom to the normal one, as in the prediction interval of
    a normal variable whose deviation was estimated: 2.2 for level 95 and two stretches, 1.06 for twenty.

    Attributes:
        scores: ``(points, steps)`` float32, absolute residuals in units of each series' scale, ascending, padded with
            nan. A step of more than 1,001 residuals is kept as 1,001 of them, evenly spaced in rank from smallest to
            largest; a quantile between two of them takes the larger.
        counts: ``(steps,)`` int64, residuals of each step.
    """

    scores: np.ndarray
    counts: np.ndarray
    inflation: np.ndarray = field(default_factory=lambda: np.ones(99, np.float32))

    @classmethod
    def fit(cls, residuals: np.ndarray, observed: np.ndarray, stretches: float = math.inf) -> Conformal:
        """Return the intervals of a model from its errors.

        Args:
            residuals: ``(windows, steps)``, actual minus forecast, in units of each series' scale.
            observed: ``(windows, steps)`` bool; False where the actual was filled and carries no error.
            stretches: separate stretches of one horizon that the windows cover.

        Raises:
            DataError: no residual was observed, or an observed one is not finite.
        """
        if not observed.any():
            raise DataError(
                "no observed reading in the validation windows to learn intervals from",
                "keep more rows for validation with --validation",
            )
        if not np.isfinite(residuals[observed]).all():
            raise DataError(
                f"{int((~np.isfinite(residuals[observed])).sum())} errors of the validation windows are not finite"
            )
        columns = [_summary(np.abs(r[o])) for r, o in zip(residuals.T, observed.T, strict=True)]
        scores = np.full((max(map(len, columns)), len(columns)), np.nan, np.float32)
        for step, column in enumerate(columns):
            scores[: len(column), step] = column
        return cls(scores, observed.sum(axis=0).astype(np.int64), _inflation(stretches))

    def width(self, level: int, horizon: int) -> np.ndarray:
        """Return the half-width of each step, ``(horizon,)``, in scale units; never less for a higher level.

        Beyond the steps it was fitted on, ``steps = H``, a forecast is rolled forward and the errors of the rolls are
        taken to add up independently: ``width(k H + j) = sqrt(k width(H)^2 + width(j)^2)``.

        Args:
            level: 80 means an 80 % interval.
            horizon: steps wanted.

        Raises:
            SettingError: the level is not between 1 and 99.
        """
        check_levels((level,))
        columns = zip(self.scores.T.astype(float), self.counts.tolist(), strict=True)
        first = np.array([_quantile(column, n, level) for column, n in columns])
        if self.pooled(level):
            first = np.where(
                self.counts >= residuals_needed(level), first, np.maximum(first, self._pooled_width(level))
            )
        first = first * float(self.inflation[int(level) - 1])
        rolls, step = np.divmod(np.arange(horizon), len(first))
        return np.sqrt(rolls * first[-1] ** 2 + first[step] ** 2)

    def pooled(self, level: int) -> bool:
        """Return whether a step has too few residuals for this level and takes its width from all steps together."""
        return int(self.counts.min()) < residuals_needed(level)

    def widened(self, level: int) -> bool:
        """Return whether all steps together have too few residuals for this level: its width is extrapolated."""
        return int(self.counts.sum()) < residuals_needed(level)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays to store."""
        return {"scores": self.scores, "counts": self.counts, "inflation": self.inflation}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Conformal:
        """Return what :meth:`to_arrays` wrote.

        Raises:
            ModelError: an array is absent or does not fit the others.
        """
        missing = {"scores", "counts", "inflation"} - set(arrays)
        if missing:
            raise ModelError(f"the intervals of the model lack {', '.join(sorted(missing))}", "fit the model again")
        scores, counts = np.asarray(arrays["scores"], np.float32), np.asarray(arrays["counts"], np.int64)
        inflation = np.asarray(arrays["inflation"], np.float32)
        kept = np.minimum(counts, MAX_POINTS)
        if (
            scores.ndim != 2
            or counts.shape != scores.shape[1:]
            or inflation.shape != (99,)
            or not np.array_equal(np.isfinite(scores).sum(axis=0), kept)
        ):
            raise ModelError(
                f"the intervals of the model are damaged: scores {scores.shape} and counts {counts.shape} do not agree",
                "fit the model again",
            )
        return cls(scores, counts, inflation)

    def _pooled_width(self, level: int) -> np.ndarray:
        spread = _smooth_spread(self.scores)
        pool = np.sort((self.scores / spread).astype(float), axis=None)
        pool = pool[np.isfinite(pool)]
        n = len(pool)
        ratio = NormalDist().inv_cdf(0.5 + level / 200) / NormalDist().inv_cdf(0.5 + 0.5 * n / (n + 1))
        top = pool[-1] * ratio if self.widened(level) else pool[_rank(n, level) - 1]
        return top * spread


def residuals_needed(level: int) -> int:
    """Return how many residuals a level needs for its quantile to be one of them."""
    return math.ceil(level / (100 - level))


def check_levels(levels: Iterable[int]) -> None:
    """Refuse levels that are not whole numbers between 1 and 99.

    Raises:
        SettingError: names the level.
    """
    for level in levels:
        if level != int(level) or not 1 <= level <= 99:
            raise SettingError(
                f"level must be a whole number between 1 and 99, got {level}", "80 means an 80 % interval"
            )


def level_columns(levels: Iterable[int]) -> list[str]:
    """Return the names of the interval columns of a forecast table: ``["lo-80", "hi-80", "lo-95", ...]``."""
    return [f"{end}-{level}" for level in levels for end in ("lo", "hi")]


def _inflation(stretches: float) -> np.ndarray:
    """Return the ratio of Student's t quantile to the normal one for levels 1 to 99, ``(99,)`` float32."""
    if math.isinf(stretches):
        return np.ones(99, np.float32)
    from scipy.special import ndtri, stdtrit

    upper = 0.5 + np.arange(1, 100) / 200
    return np.asarray(stdtrit(max(1.0, stretches), upper) / ndtri(upper), np.float32)


def _rank(n: int, level: int) -> int:
    return -(-(n + 1) * level // 100)


def _kept_ranks(n: int) -> np.ndarray:
    if n <= MAX_POINTS:
        return np.arange(1, n + 1)
    return 1 - (-np.arange(MAX_POINTS) * (n - 1)) // (MAX_POINTS - 1)


def _summary(scores: np.ndarray) -> np.ndarray:
    return np.sort(scores)[_kept_ranks(len(scores)) - 1].astype(np.float32)


def _quantile(column: np.ndarray, n: int, level: int) -> float:
    """Return the score of a level's rank, the largest where there are too few, 0 where there is none."""
    return float(column[np.searchsorted(_kept_ranks(n), min(_rank(n, level), n))]) if n else 0.0


def _smooth_spread(scores: np.ndarray) -> np.ndarray:
    """Return ``sqrt(a + b step)``, ``(steps,)``: least squares fit, ``a, b >= 0``, to the mean squared scores."""
    known = np.isfinite(scores)
    weight = known.sum(axis=0).astype(float)
    y = np.where(known, scores, 0).astype(float) ** 2
    y = y.sum(axis=0) / np.maximum(weight, 1)
    x = np.arange(1, len(y) + 1, dtype=float)
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread_x = np.average((x - mean_x) ** 2, weights=weight)
    b = max(np.average((x - mean_x) * y, weights=weight) / spread_x, 0.0) if spread_x > 0 else 0.0
    a = mean_y - b * mean_x
    if a < 0:
        a, b = 0.0, np.average(x * y, weights=weight) / np.average(x * x, weights=weight)
    variance = a + b * x
    return np.sqrt(variance) if mean_y > 0 else np.ones_like(x)
