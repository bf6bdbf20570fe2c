"""Forecasts and readings as tables in long format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecaster.data.panel.panel import Panel
from forecaster.data.time.zones import localize
from forecaster.levels import level_columns

#: Significant digits of a forecast: those of float32.
DIGITS = 7
#: Series whose forecasts are rounded at once: bounds memory, changes no number.
ROUNDED_AT_ONCE = 1_024


def forecast_table(
    panel: Panel,
    times: np.ndarray,
    values: np.ndarray,
    levels: tuple[int, ...],
    engines: np.ndarray,
    ranges: np.ndarray,
) -> pd.DataFrame:
    """Return forecasts as a table, rounded to the significant digits of float32 within the range of each series.

    Args:
        panel: the series that were forecast.
        times: ``(series, horizon)`` of datetime64 or int64.
        values: ``(series, horizon, 1 + 2 * levels)``: forecast, then lower and upper bound of each level. They are
            rounded in place, and the table holds them without a copy.
        levels: 80 means an 80 % interval.
        engines: ``(series,)`` text, the network or baseline of each series.
        ranges: smallest and largest reading of each series, ``(series, 2)``.

    Returns:
        Columns ``series``, the time column under its own name, ``forecast``, ``lo-80``, ``hi-80``, ..., ``engine``.
    """
    count, steps, columns = values.shape
    for first in range(0, count, ROUNDED_AT_ONCE):
        part = slice(first, first + ROUNDED_AT_ONCE)
        values[part] = _round_to_digits(values[part], ranges[part])
    names = ["forecast", *level_columns(levels)]
    table = pd.DataFrame(values.reshape(count * steps, columns), columns=names, copy=False)
    for place, (name, column) in enumerate(key_columns(panel, np.full(count, steps), times.reshape(-1)).items()):
        table.insert(place, name, column)
    table["engine"] = np.repeat(engines, steps)
    return table


def _round_to_digits(values: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Round each value to its significant digits, counted from the range of its series where that is smaller."""
    spans = (ranges[:, 1] - ranges[:, 0])[:, None, None]
    size = np.minimum(np.abs(values), np.where(spans > 0, spans, np.inf))
    places = DIGITS - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
    power = 10.0 ** np.clip(places, 0, 300)
    return np.asarray(np.round(values * power) / power)


def readings_table(panel: Panel) -> pd.DataFrame:
    """Return the rows of a panel: ``series``, the time column and ``actual``, NaN where there was no reading."""
    table = pd.DataFrame(key_columns(panel, panel.lengths, panel.times))
    table["actual"] = np.where(panel.observed, panel.values, np.nan)
    return table


def key_columns(panel: Panel, lengths: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    """Return the series and time columns of a long table, with ``lengths`` rows of each series.

    Args:
        panel: the series.
        lengths: ``(series,)`` int.
        times: ``(rows,)`` of datetime64 or int64, as a panel holds them.
    """
    series = np.repeat(np.array(panel.ids, object), lengths)
    return {"series": series, panel.roles.time: localize(times, panel.zone, panel.freq)}
