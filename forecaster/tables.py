"""Forecasts and readings as tables in long format."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecaster.data.panel import Panel
from forecaster.evaluation.intervals import level_columns

#: Significant digits of a forecast: those that float32 arithmetic carries.
DIGITS = 7


def forecast_table(panel: Panel, times: np.ndarray, values: np.ndarray, levels: tuple[int, ...]) -> pd.DataFrame:
    """Return forecasts as a table, rounded to the digits that float32 carries within the range of each series.

    Args:
        panel: the series that were forecast.
        times: ``(series, horizon)`` of datetime64 or int64.
        values: ``(series, horizon, 1 + 2 * levels)``: forecast, then lower and upper bound of each level.
        levels: 80 means an 80 % interval.

    Returns:
        Columns ``series``, the time column under its own name, ``forecast``, ``lo-80``, ``hi-80``, ...
    """
    count, steps, columns = values.shape
    table = _table(panel, np.repeat(np.array(panel.ids, object), steps), times.reshape(-1))
    numbers = _rounded(values, panel).reshape(count * steps, columns)
    return table.join(pd.DataFrame(numbers, columns=["forecast", *level_columns(levels)]))


def _rounded(values: np.ndarray, panel: Panel) -> np.ndarray:
    """Keep the significant digits of each value, counted from its series' range where that is smaller."""
    spans = np.array([np.ptp(panel.values[panel.rows(i)]) for i in range(len(panel))])[:, None, None]
    size = np.minimum(np.abs(values), np.where(spans > 0, spans, np.inf))
    places = DIGITS - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
    power = 10.0 ** np.clip(places, 0, 300)
    return np.asarray(np.round(values * power) / power)


def readings_table(panel: Panel) -> pd.DataFrame:
    """Return the rows of a panel: ``series``, the time column and ``actual``, NaN where a reading was filled."""
    table = _table(panel, np.repeat(np.array(panel.ids, object), panel.lengths), panel.times)
    table["actual"] = np.where(panel.observed, panel.values, np.nan)
    return table


def _table(panel: Panel, series: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"series": series, panel.roles.time: times})
    if panel.utc:
        table[panel.roles.time] = table[panel.roles.time].dt.tz_localize("UTC")
    return table
