"""Per-series scaling of the target, fitted on training rows only, undone on forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.data.freq import shown
from forecaster.data.panel import Panel
from forecaster.errors import DataError
from forecaster.notes import Note

#: A series whose deviation is below this share of its level is constant to float64 and is scaled by 1.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Scaler:
    """Logarithm where asked for, then ``(value - center) / scale`` for each series.

    Attributes:
        log: True where the logarithm of the target is learned.
        center: mean of each series, ``(series,)`` float64, in logarithms where ``log``.
        scale: standard deviation of each series, ``(series,)`` float64.
        spread: mean absolute seasonal difference of each scaled series, ``(series,)`` float64: the unit in which
            forecast errors of different series are compared.
    """

    log: bool
    center: np.ndarray
    scale: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, panel: Panel, log: bool, season: int) -> Scaler:
        """Fit center, scale and spread on the observed rows of each series of ``panel``.

        Raises:
            DataError: ``log`` and a value is zero or negative.
        """
        values = _transformed(panel, log)
        stats = [_stats(values[rows], panel.observed[rows], season) for rows in map(panel.rows, range(len(panel)))]
        center, scale, spread = np.array(stats, np.float64).reshape(-1, 3).T
        return cls(log, center, scale, spread)

    def transform(self, panel: Panel) -> np.ndarray:
        """Return the scaled target of every row, ``(rows,)`` float32; series by series in this scaler's order."""
        center, scale = (np.repeat(part, panel.lengths) for part in (self.center, self.scale))
        return ((_transformed(panel, self.log) - center) / scale).astype(np.float32)

    def inverse(self, scaled: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Undo the scaling of forecasts.

        Args:
            scaled: ``(windows, ...)`` float.
            series: number of each window's series, ``(windows,)`` int.

        Returns:
            np.ndarray: of the shape of ``scaled``, float64, in the target's unit.
        """
        shape = (-1,) + (1,) * (scaled.ndim - 1)
        values = scaled.astype(np.float64) * self.scale[series].reshape(shape) + self.center[series].reshape(shape)
        return np.exp(values) if self.log else values

    def take(self, series: np.ndarray) -> Scaler:
        """Return the scaler of the series with these numbers, ``(n,)`` int."""
        return Scaler(self.log, self.center[series], self.scale[series], self.spread[series])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"log": self.log, **{k: getattr(self, k).tolist() for k in ("center", "scale", "spread")}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scaler:
        """Return the scaler that :meth:`to_dict` wrote."""
        return cls(bool(values["log"]), *(np.array(values[k], np.float64) for k in ("center", "scale", "spread")))


#: Rows of a block at least, and blocks at least, that the choice of the logarithm looks at.
BLOCK, LEAST_BLOCKS = 12, 4
#: What is left at most of the coefficient of variation for the logarithm to be taken.
STEADIER = 0.9


def choose_log(panel: Panel, season: int, lowest: float = np.inf) -> tuple[bool, Note]:
    """Decide whether the logarithm steadies the target: whether its changes grow with its level.

    Guerrero (1993), Time-series analysis supported by power transformations, Journal of Forecasting 12(1), chooses the
    power under which the spread within blocks of a series no longer depends on the level of the block, by the smaller
    coefficient of variation. Here the choice is between power 1 and power 0, and the spread is the mean absolute
    seasonal difference of a block. The series vote.

    Args:
        panel: training rows.
        season: seasonal period in steps.
        lowest: smallest value of the rows that will be scaled too; none may be zero or below.
    """
    if min(lowest, panel.values.min(initial=np.inf)) <= 0:
        return False, Note("transform", "none", "the target has values of zero or below; --transform")
    votes = [_steadier_in_log(panel.values[panel.rows(i)], season) for i in range(len(panel))]
    share = float(np.mean([float(vote) for vote in votes if vote is not None] or [0.0]))
    if share > 0.5:
        return True, Note("transform", "log", "its changes grow with its level, forecasts are medians; --transform")
    return False, Note("transform", "none", "its changes do not grow with its level; --transform")


def _steadier_in_log(values: np.ndarray, season: int) -> bool | None:
    changes, block = np.abs(values[season:] - values[:-season]), max(season, BLOCK)
    count = len(changes) // block
    if count < LEAST_BLOCKS:
        return None
    spread, level = (x[len(x) - count * block :].reshape(count, block).mean(axis=1) for x in (changes, values))
    return bool(_variation(spread / level) < STEADIER * _variation(spread))


def _variation(values: np.ndarray) -> float:
    """Return the coefficient of variation."""
    return float(values.std() / values.mean()) if values.any() else 0.0


def _transformed(panel: Panel, log: bool) -> np.ndarray:
    if not log:
        return panel.values
    if panel.values.min() <= 0:
        row = int(np.argmax(panel.values <= 0))
        raise DataError(
            f"it learned logarithms, but '{panel.roles.target}' is {panel.values[row]:g} at {shown(panel.times[row])}",
            "fit again with --transform none",
        )
    return np.log(panel.values)


def _stats(values: np.ndarray, observed: np.ndarray, season: int) -> tuple[float, float, float]:
    """Return center, scale and spread of one series."""
    kept = values[observed] if observed.any() else values
    center, scale = float(kept.mean()), float(kept.std())
    if scale <= CONSTANT * abs(center):
        scale = 1.0
    step = season if len(values) > season else 1
    differences = np.abs(values[step:] - values[:-step])[observed[step:] & observed[:-step]] / scale
    spread = float(differences.mean()) if len(differences) else 0.0
    if spread == 0 and np.ptp(kept) > 0:
        spread = 1.0  # it repeats itself exactly, but does change
    return center, scale, spread
