"""The forecast of a trained model, made without a change to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.api.forecast import Forecast, ahead_table, raised_note
from forecaster.api.ready_model import ReadyModel
from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.direction.prediction import (
    cutoff_notes,
    direction_table,
    forecast_directions,
    refuse_beyond,
    refuse_levels,
)
from forecaster.levels import parse_levels
from forecaster.notes import Note
from forecaster.prediction.adapted_levels import adapt_levels
from forecaster.prediction.caveats import engine_notes, interval_notes
from forecaster.prediction.forecast import below_zero, engines_of, forecast_unclipped, refuse_unreasonable_forecast
from forecaster.prediction.given_rows import Data
from forecaster.prediction.steps_ahead import with_future


def make_forecast(
    ready: ReadyModel,
    config: Config,
    horizon: int | str | None,
    data: Data | None,
    levels: int | Sequence[int],
    future: Data | None,
) -> Forecast:
    """Forecast from the end of each series; see :meth:`forecaster.Forecaster.predict`.

    Args:
        ready: what was trained.
        config: its settings; those of the groups ``table`` and ``data`` say how rows are read.
        horizon: steps, a span or a date; the trained horizon by default.
        data: newer rows, or other series; the history of the model by default.
        levels: intervals to give, in percent.
        future: the future covariates of every series and step ahead.

    Raises:
        SettingError: a horizon or level that cannot be, or future covariates that are not given.
        NotFoundError: a needed column is absent.
        DataError: the data cannot be read as those of the training were, or ``future`` has holes.
        ForecasterError: a forecast that is rolled forward leaves all reason.
    """
    levels = parse_levels(levels)
    if ready.model.config.task == "direction":
        refuse_levels(levels)
        return _forecast_directions(ready, *_rows_ahead(ready, config, horizon, data, future))
    panel, ahead, notes = _rows_ahead(ready, config, horizon, data, future)
    model, steps = ready.model, int(ahead.max())
    working, found = (None, []) if data is None else adapt_levels(model, ready.engine, panel, levels)
    notes += found
    values = forecast_unclipped(model, ready.engine, panel, steps, levels, working)
    ranges = panel.ranges if data is not None or model.ranges is None else model.ranges
    refuse_unreasonable_forecast(panel, values, steps, ranges)
    notes += [*engine_notes(model, panel), *interval_notes(model, steps, levels)]
    below = below_zero(model, panel, values)
    values[below] = 0.0
    notes += raised_note(below, ahead, "no reading of the training was negative")
    return Forecast(ahead_table(panel, ahead, values, levels, engines_of(model, panel), ranges), notes)


def _rows_ahead(
    ready: ReadyModel, config: Config, horizon: int | str | None, data: Data | None, future: Data | None
) -> tuple[Panel, np.ndarray, list[Note]]:
    """Return the panel with its future covariates, the steps to forecast of each series, and what was done to it."""
    panel, notes = ready.panel(data, config)
    ahead = ready.steps_ahead(panel, horizon)
    if ready.model.config.task == "direction":
        refuse_beyond(ready.model, int(ahead.max()))
    panel, found = with_future(ready.model, panel, future, ahead)
    return panel, ahead, notes + found


def _forecast_directions(ready: ReadyModel, panel: Panel, ahead: np.ndarray, notes: list[Note]) -> Forecast:
    """Return the forecast of a model of directions."""
    shares = forecast_directions(ready.model, ready.engine, panel, int(ahead.max()))
    return Forecast(direction_table(ready.model, panel, shares, ahead), notes + cutoff_notes(ready.model, panel))
