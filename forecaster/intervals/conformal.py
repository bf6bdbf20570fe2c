"""Split-conformal intervals from the errors of validation windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from forecaster.errors import DataError, ModelError
from forecaster.words import setting

#: Measures of how uncertain a window is: none, its newest rows, its network's loss, how far members are apart, or its
#: newest rows where many windows do not move at all. Models store the position in this tuple: add at the end only.
KINDS = ("none", "volatility", "loss", "members", "rare")
#: Ratios that are kept; up to this many residuals the quantiles are exact.
MAX_POINTS = 1001
#: Weight of the smooth profile of the steps against the observed one, in separate spans of one horizon.
SMOOTH = 10.0
#: Separate spans of one horizon at which each tail is half its own, half that of the absolute errors.
ASYMMETRY = 50.0


@dataclass(frozen=True)
class Conformal:
    """Widths of intervals, learned from the errors of windows the network was not trained on.

    Split conformal prediction with locally weighted scores (Lei et al. 2018, JASA 113(523), sections 2.2 and 5.2): the
    score of an error is the error over ``u p[h]``, its *ratio*, where ``u > 0`` is the uncertainty of its window (see
    :mod:`forecaster.intervals.uncertainty`) and the *profile* ``p[h]`` that of step ``h``. The ratios of all
    windows and steps are ranked together: of ``n`` the ``ceil((n + 1) level / 100)``-th smallest absolute ratio covers
    a new, exchangeable one with a probability of at least ``level / 100``, and times ``u p[h]`` it is the half-width.
    With ``u = (median - 10 % quantile, 90 % quantile - median)`` of a network that learns quantiles, this is
    conformalized quantile regression (Romano et al. 2019, arXiv:1905.03222) in the scaled form of Kivaranovic et al.
    2020, arXiv:1905.10634.

    Forecast errors are only roughly exchangeable: overlapping windows and neighbouring steps make them dependent and a
    drifting series makes them grow. So, where the validation rows hold ``k`` separate spans of one horizon:

    - The profile is ``(k own^2 + 10 smooth^2) / (k + 10)``, squared: ``own^2`` the mean squared error of each step,
      ``smooth^2 = a + b h``, ``a, b >= 0``, fitted to it: constant at one end, a random walk at the other.
    - Lower and upper end have ratios of their own, the two signed quantiles, with weight ``k / (k + 50)``; the rest is
      the absolute ratio. A tail is measured on half of the errors, and the bias of few spans does not last.
    - Every width is multiplied by Student's t quantile over the normal one, as in the prediction interval of a normal
      variable whose deviation was estimated from ``d k`` values. The size of the errors is known no better: the steps
      of a span rise and fall together, and where errors add up like a random walk, so that steps ``i < j`` correlate by
      ``sqrt(i / j)``, one span says as much of a variance as ``d = H^2 / sum_ij min(i, j) / max(i, j)`` values: 1 for
      one step, near 2 for many.

    Attributes:
        profile: ``(steps,)`` float32, in units of each series' scale.
        absolute: ``(points,)`` float32, the absolute ratios, ascending. More than 1,001 are kept as 1,001 of them,
            evenly spaced in rank from smallest to largest; a quantile between two of them takes the larger.
        signed: ``(points,)`` float32, the ratios, likewise; a quantile takes the outer one.
        count: residuals that were ranked.
        stretches: separate spans of one horizon that they are worth.
        kind: how the uncertainty of a window is measured, one of :data:`KINDS`.
        typical: the typical uncertainty, which others are compared with.
        inflations: ``(99,)`` float32, what widths of level 1, 2, ... are multiplied by because there are few separate
            stretches; near 1 for many.
    """

    profile: np.ndarray
    absolute: np.ndarray
    signed: np.ndarray
    count: int
    stretches: float = math.inf
    kind: str = "none"
    typical: float = 0.0
    inflations: np.ndarray = field(default_factory=lambda: np.ones(99, np.float32))

    @classmethod
    def fit(
        cls,
        residuals: np.ndarray,
        observed: np.ndarray,
        stretches: float = math.inf,
        spreads: np.ndarray | None = None,
        **kind: Any,
    ) -> Conformal:
        """Return the intervals of a model from its errors.

        Args:
            residuals: ``(windows, steps)``, actual minus forecast, in units of each series' scale.
            observed: ``(windows, steps)`` bool; False where the actual was filled and carries no error.
            stretches: separate spans of one horizon that the windows are worth.
            spreads: ``u`` of each error, below and above the forecast, ``(windows, steps, 2)``; ones by default.
            kind: ``kind`` and ``typical``.

        Raises:
            DataError: no residual was observed, or an observed one is not finite.
        """
        if not observed.any():
            raise DataError(
                "no observed reading in the validation windows to learn intervals from",
                f"keep more rows for it with {setting('validation')}",
            )
        bad = int((~np.isfinite(residuals[observed])).sum())
        if bad:
            raise DataError(f"{bad} errors of the validation windows are not finite")
        errors = np.where(observed, residuals, 0.0).astype(np.float64)
        if spreads is not None:
            errors /= np.where(errors < 0, spreads[:, :, 0], spreads[:, :, 1])
        profile = _profile(errors, observed, stretches)
        ratios = (errors / np.where(profile > 0, profile, 1.0))[observed]
        return cls(
            profile.astype(np.float32),
            _summary(np.abs(ratios)),
            _summary(ratios),
            int(ratios.size),
            float(stretches),
            **kind,
            inflations=_inflations(stretches, len(profile)),
        )

    def widths(self, level: float, spreads: np.ndarray | int) -> np.ndarray:
        """Return the reach of the interval below and above the forecast, in units of each series' scale.

        Beyond the steps it was fitted on, ``steps = H``, a forecast is rolled forward and the errors of the rolls are
        taken to add up independently: ``profile(k H + j)^2 = k profile(H)^2 + profile(j)^2``.

        Args:
            level: 80 means an 80 % interval; above 0 and below 100, never narrower for a higher one.
            spreads: ``u`` of each forecast, ``(windows, horizon, 2)``; or the horizon if all are 1.

        Returns:
            np.ndarray: of the shape of ``spreads``, ``(1, horizon, 2)`` for a horizon.
        """
        spreads = np.ones((1, spreads, 2)) if isinstance(spreads, int) else spreads
        profile = self.profile.astype(np.float64)
        rolls, step = np.divmod(np.arange(spreads.shape[1]), len(profile))
        reach = np.sqrt(rolls * profile[-1] ** 2 + profile[step] ** 2)
        return spreads * reach[:, None] * self._ratios(level) * self.inflation(level)

    def widened(self, level: int) -> bool:
        """Return True if there are too few residuals for this level, so that its width is extrapolated."""
        return self.count < residuals_needed(level)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays to store."""
        numbers = np.array([self.count, self.stretches, KINDS.index(self.kind), self.typical], np.float64)
        arrays = {name: getattr(self, name) for name in ("profile", "absolute", "signed", "inflations")}
        return {**arrays, "numbers": numbers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Conformal:
        """Return the intervals that :meth:`to_arrays` wrote.

        Raises:
            ModelError: an array is absent or does not fit the others.
        """
        names = ("profile", "absolute", "signed", "inflations", "numbers")
        if missing := set(names) - set(arrays):
            raise ModelError(f"the intervals of the model lack {', '.join(sorted(missing))}", "fit the model again")
        profile, absolute, signed, inflations = (np.asarray(arrays[name], np.float32) for name in names[:4])
        numbers = np.asarray(arrays["numbers"], np.float64)
        count, stretches, kind, typical = numbers.tolist() if numbers.shape == (4,) else [0.0] * 4
        wrong = {
            "numbers": not (
                0 < count < np.inf and stretches > 0 and kind in range(len(KINDS)) and 0 <= typical < np.inf
            ),
            "profile": profile.ndim != 1 or not (np.isfinite(profile).all() and (profile >= 0).all()),
            "inflations": inflations.shape != (99,) or not (np.isfinite(inflations) & (inflations >= 1)).all(),
            "absolute": not _ordered(absolute, count) or not (absolute >= 0).all(),
            "signed": not _ordered(signed, count),
            "another array": len(set(arrays)) > len(names),
        }
        if any(wrong.values()):
            what = ", ".join(name for name, bad in wrong.items() if bad)
            raise ModelError(f"the intervals of the model are damaged: {what}", "fit the model again")
        return cls(profile, absolute, signed, int(count), stretches, KINDS[int(kind)], typical, inflations)

    def _ratios(self, level: float) -> np.ndarray:
        """Return the ratios of both ends, ``(2,)``."""
        n, share = self.count, level / 100
        ranks, rank, tail = _kept_ranks(n), _rank(n, share), _rank(n, 0.5 + share / 2)
        absolute = float(self.absolute[np.searchsorted(ranks, min(rank, n))])
        if rank > n:
            absolute *= _normal(0.5 + share / 2) / _normal(0.5 + 0.5 * n / (n + 1))
        high = self.signed[np.searchsorted(ranks, min(tail, n))]
        low = self.signed[np.searchsorted(ranks, max(n + 1 - tail, 1), side="right") - 1]
        ends = np.maximum([-low, high], absolute if tail > n else 0.0)
        weight = 1 / (1 + ASYMMETRY / self.stretches)
        return np.asarray(weight * ends + (1 - weight) * absolute, np.float64)

    def inflation(self, level: float) -> float:
        """Return the factor of the widths of a level that allows for few separate spans of one horizon."""
        return float(np.interp(level, np.arange(1, 100), self.inflations))


def _inflations(stretches: float, steps: int) -> np.ndarray:
    """Return the ratio of Student's t quantile to the normal one for levels 1 to 99, ``(99,)`` float32."""
    if math.isinf(stretches):
        return np.ones(99, np.float32)
    from scipy.special import ndtri, stdtrit

    step, upper = np.arange(1, steps + 1), 0.5 + np.arange(1, 100) / 200
    shared = np.minimum.outer(step, step) / np.maximum.outer(step, step)
    freedom = max(1.0, stretches / float(shared.mean()))
    return np.asarray(stdtrit(freedom, upper) / ndtri(upper), np.float32)


def residuals_needed(level: int) -> int:
    """Return the number of residuals a level needs for its quantile to be one of them."""
    return math.ceil(level / (100 - level))


def _rank(n: int, share: float) -> int:
    """Return the rank that covers a share; 1e-9 keeps float rounding from raising a whole number by one."""
    return max(1, math.ceil((n + 1) * share - 1e-9))


def _kept_ranks(n: int) -> np.ndarray:
    if n <= MAX_POINTS:
        return np.arange(1, n + 1)
    return 1 - (-np.arange(MAX_POINTS) * (n - 1)) // (MAX_POINTS - 1)


def _ordered(ratios: np.ndarray, count: float) -> bool:
    """Return True if these can be the summary of ``count`` ratios."""
    kept = (int(min(count, MAX_POINTS)),)
    return ratios.shape == kept and bool(np.isfinite(ratios).all() and (np.diff(ratios) >= 0).all())


def _summary(ratios: np.ndarray) -> np.ndarray:
    return np.sort(ratios)[_kept_ranks(len(ratios)) - 1].astype(np.float32)


def _normal(quantile: float) -> float:
    return NormalDist().inv_cdf(quantile)


def _profile(errors: np.ndarray, observed: np.ndarray, stretches: float) -> np.ndarray:
    """Return the profile of :class:`Conformal`, ``(steps,)``; errors are 0 where not observed."""
    count = observed.sum(axis=0)
    own = (errors**2).sum(axis=0) / np.maximum(count, 1)
    weight = np.where(count > 0, 1 / (1 + SMOOTH / stretches), 0.0)
    return np.sqrt(weight * own + (1 - weight) * _smooth(own, count))


def _smooth(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return ``a + b step``, ``(steps,)``, fitted to ``y`` by weighted least squares with ``a, b >= 0``."""
    x = np.arange(1, len(y) + 1, dtype=float)
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = np.average((x - mean_x) ** 2, weights=weight)
    b = max(np.average((x - mean_x) * y, weights=weight) / spread, 0.0) if spread > 0 else 0.0
    a = mean_y - b * mean_x
    return a + b * x if a >= 0 else np.average(x * y, weights=weight) / np.average(x * x, weights=weight) * x
