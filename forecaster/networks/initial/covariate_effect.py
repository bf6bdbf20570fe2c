"""The effect of known covariates on the target: a sum of hinges, fitted by ridge regression before training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

#: Hinges along covariates, hinges along covariates and calendar, and the range that they lie in: deviations.
HINGES, MIXED, RANGE = 64, 128, 2.5
#: Penalties tried, in squared errors of the hinges; chosen on the rows left out.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: Blocks of windows, of which every fourth is left out to choose the penalty.
BLOCKS = 16


@dataclass(frozen=True)
class Hinges:
    """A function of the calendar and the known covariates of one step.

    Random hinges whose sum is fitted: Rahimi & Recht 2008, Weighted sums of random kitchen sinks, NeurIPS 21.

    Attributes:
        directions: ``(calendar + known, hinges)`` float32, unit vectors.
        places: ``(hinges,)`` float32.
        shares: ``(hinges + known, 1)`` float32, coefficients of the hinges and of the covariates themselves.
    """

    directions: np.ndarray
    places: np.ndarray
    shares: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return dict(vars(self))


def random_hinges(calendar: int, known: int) -> Hinges:
    """Return hinges in fixed pseudo-random directions and places, with shares of 0.

    The first run along the known covariates only, the others, where there is a calendar, along both.
    """
    random = np.random.default_rng(0)
    count = HINGES + (MIXED if calendar else 0)
    directions = random.normal(size=(calendar + known, count))
    directions[:calendar, :HINGES] = 0
    directions /= np.linalg.norm(directions, axis=0)
    places = random.uniform(-RANGE, RANGE, count)
    shares = np.zeros((count + known, 1), np.float32)
    return Hinges(directions.astype(np.float32), places.astype(np.float32), shares)


def hinge_values(features: Any, directions: Any, places: Any, known: int, ops: Any = np) -> Any:
    """Return ``(..., hinges + known)``: each hinge is 0 up to its place and then rises along its direction."""
    rising = ops.maximum(features @ directions + places, 0.0)
    return ops.concatenate([rising, features[..., features.shape[-1] - known :]], axis=-1)


def fit_hinges(function: Hinges, moved: np.ndarray, errors: np.ndarray) -> Hinges:
    """Return the hinges with shares fitted to the errors of the simple forecast by ridge regression.

    Args:
        function: the hinges.
        moved: hinges minus their simple forecast, ``(windows, steps, hinges + known)``.
        errors: target minus its simple forecast, ``(windows, steps)``; NaN where it does not count.

    Returns:
        Hinges: the penalty, or no effect at all, is chosen on windows left out of the regression.
    """
    windows = len(errors)
    left_out = np.arange(windows) * BLOCKS // max(1, windows) % 4 == 3
    parts = [_normal_equations(moved[which], errors[which]) for which in (~left_out, left_out)]
    (gram, cross), (gram_out, cross_out) = parts
    best, least = np.zeros(len(cross)), 0.0
    for penalty in PENALTIES:
        shares = _ridge(gram, cross, penalty)
        loss = shares @ gram_out @ shares - 2 * shares @ cross_out
        if loss < least:
            best, least = _ridge(gram + gram_out, cross + cross_out, penalty), loss
    return replace(function, shares=best[:, None].astype(np.float32))


def _normal_equations(moved: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counted = np.isfinite(errors)
    x, y = moved[counted].astype(np.float64), errors[counted].astype(np.float64)
    return x.T @ x, x.T @ y


def _ridge(gram: np.ndarray, cross: np.ndarray, penalty: float) -> np.ndarray:
    power = np.diag(gram) + 1e-6 * (np.trace(gram) / len(gram) + 1e-12)
    return np.linalg.solve(gram + penalty * np.diag(power), cross)
