"""Levels of intervals corrected by their coverage on rows that are newer than the training."""

from __future__ import annotations

import numpy as np

from forecaster.artifact.model import Model
from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import Engine
from forecaster.evaluation.backtest import Origins, backtest
from forecaster.intervals.adaptive import Adaptive
from forecaster.notes import Note
from forecaster.prediction.forecast import forecast_panel

#: Newest whole horizons that coverage is measured on.
MOST_HORIZONS = 50


def adapt_levels(
    model: Model, engine: Engine, panel: Panel, levels: tuple[int, ...]
) -> tuple[tuple[float, ...] | None, list[Note]]:
    """Return the levels to ask of the intervals after their coverage on rows that are newer than the training.

    Args:
        model: what was trained.
        engine: runs its network.
        panel: the rows to forecast from, those of the training joined to newer ones.
        levels: the coverage wanted, in percent.

    Returns:
        The working levels, see :class:`Adaptive`, and a note that counts the horizons; None and no note where a series
        that the model was trained on has no whole horizon of newer rows, or ``levels`` is empty.
    """
    horizon, ends = model.plan.horizon, dict(zip(model.history.ids, model.history.last, strict=True))
    learned = set(model.ids)
    trained = np.array([name in ends and name in learned for name in panel.ids], bool)
    if not levels or not trained.any():
        return None, []
    known = panel.take_series(trained)
    newer = [int((known.times[known.rows(i)] > ends[name]).sum()) for i, name in enumerate(known.ids)]
    origins = min(min(newer) // horizon, MOST_HORIZONS)
    if origins < 1:
        return None, []
    known = known.keep_newest(model.read_rows + origins * horizon)
    adaptive = Adaptive(
        lambda rows, steps, working: forecast_panel(model, engine, rows, steps, levels, working), levels
    )
    rolling = Origins(origins, least=model.plan.least)
    backtest(known, {"network": adaptive}, horizon, rolling, season=model.plan.season, levels=levels)
    adaptive.settle(known)
    if not adaptive.settled:
        return None, []
    asked = ", ".join(
        f"{level} % asked as {working:.1f} %" for level, working in zip(levels, adaptive.working, strict=True)
    )
    counted = f"{adaptive.settled} whole horizons of rows newer than the training"
    return adaptive.working, [Note("adapted", asked, f"after the hits on {counted}")]
