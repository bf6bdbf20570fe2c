"""Forecasts of a pretrained network at the cutoffs of another network's windows, in the units of that network."""

from __future__ import annotations

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import Engine
from forecaster.features.inputs import with_causal_placeholders
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.network import MIDDLE
from forecaster.pretrained.windows import Cutoffs, run_windows

#: Share of the last reading that a forecast is raised to where a transformation needs positive values.
FLOOR = 1e-3


def cutoffs_before(panel: Panel, padding: np.ndarray, starts: np.ndarray) -> Cutoffs:
    """Return the cutoffs before some rows of a panel, ``(cutoffs,)`` int, whose series begin with padding."""
    series = np.searchsorted(panel.offsets, starts, side="right") - 1
    return Cutoffs(panel.values, panel.observed, starts, starts - panel.offsets[series] - padding[series])


class Outside:
    """Forecasts at cutoffs in a panel; each is made once.

    Args:
        engine: runs the pretrained network.
        panel: the series.
        padding: rows at the start of each series that are no readings, ``(series,)`` int.
        scaler: of these series.
        plan: ``season`` and ``steps`` are read.
    """

    def __init__(self, engine: Engine, panel: Panel, padding: np.ndarray, scaler: Scaler, plan: Plan) -> None:
        self.engine, self.panel, self.padding = engine, with_causal_placeholders(panel), padding
        self.scaler, self.plan = scaler, plan
        self._made: dict[tuple[int, int], np.ndarray] = {}

    def __call__(self, starts: np.ndarray, steps: int) -> np.ndarray:
        """Return the forecasts of windows, ``(windows, steps)`` float32.

        Args:
            starts: row of the first target step of each, ``(windows,)`` int.
            steps: the horizon.
        """
        absent = np.array([start for start in starts.tolist() if (start, steps) not in self._made], np.int64)
        for start, forecast in zip(absent.tolist(), self._make(absent, steps), strict=True):
            self._made[start, steps] = forecast
        found = [self._made[start, steps] for start in starts.tolist()]
        return np.stack(found) if found else np.zeros((0, steps), np.float32)

    def _make(self, starts: np.ndarray, steps: int) -> np.ndarray:
        series = np.searchsorted(self.panel.offsets, starts, side="right") - 1
        forecasts = middle_forecasts(self.engine, cutoffs_before(self.panel, self.padding, starts), self.plan, steps)
        floor = FLOOR * self.panel.values[starts - 1]
        return self.scaler.scaled(forecasts, series, self.scaler.anchors(self.panel, starts), floor)


def outside_ahead(engine: Engine, panel: Panel, scaler: Scaler, plan: Plan, steps: int) -> np.ndarray:
    """Return the forecasts from the end of each series, ``(series, steps)`` float32 in units of a scaler.

    Args:
        engine: runs the pretrained network.
        panel: the series.
        scaler: of these series.
        plan: ``season`` and ``steps`` are read.
        steps: the horizon.
    """
    ends = panel.offsets[1:]
    forecasts = middle_forecasts(engine, Cutoffs(panel.values, panel.observed, ends, panel.lengths), plan, steps)
    return scaler.scaled(forecasts, np.arange(len(panel)), scaler.anchors(panel), FLOOR * panel.values[ends - 1])


def middle_forecasts(engine: Engine, cutoffs: Cutoffs, plan: Plan, steps: int) -> np.ndarray:
    """Return the medians at cutoffs, ``(cutoffs, steps)`` float64; the last value where rows are too few.

    A forecast depends a little on the horizon that is asked for. So that a shorter one is the beginning of a longer
    one, the steps of one run of the trained network are forecast as such, and those after them twice as far each time.
    """
    found = np.repeat(cutoffs.values[cutoffs.ends - 1].astype(float)[:, None], steps, axis=1)
    long = cutoffs.lengths >= LEAST
    some = cutoffs.only(long)
    first, reach = 0, plan.steps
    while long.any() and first < steps:
        found[long, first:reach] = run_windows(engine, some, plan.season, reach)[:, first:steps, MIDDLE]
        first, reach = reach, 2 * reach
    return found
