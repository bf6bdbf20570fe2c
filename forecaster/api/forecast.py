"""A forecast as a table with its notes, made without a change to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.api.ready_model import ReadyModel
from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import future_times
from forecaster.direction.prediction import (
    cutoff_notes,
    direction_table,
    forecast_directions,
    refuse_beyond,
    refuse_levels,
)
from forecaster.levels import parse_levels
from forecaster.notes import Note
from forecaster.plotting import plot_forecast
from forecaster.prediction.adapted_levels import adapt_levels
from forecaster.prediction.caveats import engine_notes, interval_notes
from forecaster.prediction.forecast import below_zero, engines_of, forecast_unclipped, refuse_unreasonable_forecast
from forecaster.prediction.given_rows import Data
from forecaster.prediction.steps_ahead import with_future
from forecaster.prediction.table import forecast_table, readings_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Forecast:
    """A forecast, and what its reader must know of it.

    Attributes:
        table: one row a series and step, see :meth:`forecaster.Forecaster.predict`.
        notes: what was done to the data, and what the forecast rests on.
    """

    table: pd.DataFrame
    notes: list[Note]


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
    notes += raise_to_zero(values, below_zero(model, panel, values), ahead, "no reading of the training was negative")
    return Forecast(ahead_table(panel, ahead, values, levels, engines_of(model, panel), ranges), notes)


def ahead_table(
    panel: Panel,
    ahead: np.ndarray,
    values: np.ndarray,
    levels: tuple[int, ...],
    engines: np.ndarray,
    ranges: np.ndarray,
) -> pd.DataFrame:
    """Return the forecast table of the steps asked of each series, see :meth:`forecaster.Forecaster.predict`.

    Args:
        panel: the series.
        ahead: steps asked of each, ``(series,)`` int.
        values: ``(series, steps, 1 + 2 * levels)`` of the most steps of all; rounded in place.
        levels: intervals, in percent.
        engines: ``(series,)`` text, the network or baseline of each series.
        ranges: smallest and largest reading of each series, ``(series, 2)``.
    """
    steps = values.shape[1]
    table = forecast_table(panel, future_times(panel.last, panel.freq, steps), values, levels, engines, ranges)
    asked = np.arange(steps) < ahead[:, None]
    return table if asked.all() else table[asked.ravel()].reset_index(drop=True)


def raise_to_zero(values: np.ndarray, below: np.ndarray, ahead: np.ndarray, reason: str) -> list[Note]:
    """Raise forecasts below zero to it, in place; return a note that counts those of the steps asked.

    Args:
        values: ``(series, steps, 1 + 2 * levels)``.
        below: bool, likewise: those to raise.
        ahead: steps asked of each series, ``(series,)`` int.
        reason: why they cannot be negative.
    """
    values[below] = 0.0
    asked = np.arange(values.shape[1]) < ahead[:, None]
    raised = int(below[asked].sum())
    return [Note("bounds", f"{raised:,} of {values[asked].size:,} numbers raised to 0", reason)] if raised else []


def draw_forecast(table: pd.DataFrame, panel: Panel, season: int, options: dict[str, Any]) -> Figure:
    """Draw a forecast after its history: three horizons of it, two seasons, or 48 rows, whichever is most.

    Args:
        table: as :func:`ahead_table` returns it.
        panel: the readings.
        season: the seasonal period in steps.
        options: of :func:`forecaster.plotting.plot_forecast`; they win.
    """
    longest = int(table.groupby("series", dropna=False).size().max())
    rows = max(3 * longest, 2 * season, 48)
    return plot_forecast(
        table, readings_table(panel), **{"target": panel.roles.target, "history_rows": rows, **options}
    )


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
