"""A forecast as a table with its notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import future_times
from forecaster.notes import Note
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


def raised_note(raised: np.ndarray, ahead: np.ndarray, reason: str) -> list[Note]:
    """Return a note that counts the numbers raised to zero at the steps asked; none if there are none.

    Args:
        raised: bool, ``(series, steps, 1 + 2 * levels)``.
        ahead: steps asked of each series, ``(series,)`` int.
        reason: why they cannot be negative.
    """
    asked = np.arange(raised.shape[1]) < ahead[:, None]
    count = int((raised.sum(axis=2) * asked).sum())
    of = int(asked.sum()) * raised.shape[2]
    return [Note("bounds", f"{count:,} of {of:,} numbers raised to 0", reason)] if count else []


def draw_forecast(table: pd.DataFrame, panel: Panel, season: int, options: dict[str, Any]) -> Figure:
    """Draw a forecast after its history: three horizons of it, two seasons, or 48 rows, whichever is most.

    Args:
        table: as :func:`ahead_table` returns it.
        panel: the readings.
        season: the seasonal period in steps.
        options: of :func:`forecaster.plotting.plot_forecast`; they win.
    """
    from forecaster.plotting import plot_forecast

    longest = int(table.groupby("series", dropna=False).size().max())
    rows = max(3 * longest, 2 * season, 48)
    return plot_forecast(
        table, readings_table(panel), **{"target": panel.roles.target, "history_rows": rows, **options}
    )
