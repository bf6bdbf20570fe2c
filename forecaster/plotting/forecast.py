"""One function a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from forecaster.errors import SettingError
from forecaster.plotting.axes import finish_figure, label_axes
from forecaster.plotting.drawing import (
    draw_panel,
    left_out_notes,
    make_grid,
)
from forecaster.plotting.tables import is_dated, read_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_forecast(
    forecast: pd.DataFrame,
    history: pd.DataFrame | None = None,
    actuals: pd.DataFrame | None = None,
    *,
    title: str = "",
    target: str = "",
    max_series: int = 12,
    history_rows: int | None = None,
) -> Figure:
    """Draw the forecast of each series with its intervals, after the end of its history.

    What is left out is written at the foot of the figure. Values that are all positive and span three powers of ten or
    more get a logarithmic axis, and the panel says so. Times with a zone are drawn in UTC.

    Args:
        forecast: long table: ``series``, the time column (dates or counted steps), ``forecast``, ``lo-80``, ``hi-80``
            and any other levels.
        history: past readings: ``series``, the same time column, ``actual``. Rows from the first forecast step of
            their series on are drawn as actuals.
        actuals: readings known for the forecast steps, same columns as ``history``.
        title: title of the figure.
        target: label of the value axis.
        max_series: panels at most, in the table's order.
        history_rows: rows of history before each forecast; by default three horizons, and 48 rows or more.

    Raises:
        DataError: a table lacks a column, is empty, or its times cannot be read.
        SettingError: ``max_series`` or ``history_rows`` is below 1.
    """
    for name, number in (("max_series", max_series), ("history_rows", history_rows)):
        if number is not None and number < 1:
            raise SettingError(f"{name} must be 1 or more, got {number}")
    panels, time, utc = read_panels(forecast, history, actuals)
    shown = panels[:max_series]
    rows = history_rows or max(3 * max(len(panel.forecast) for panel in shown), 48)
    figure, axes = make_grid(len(shown))
    for ax, panel in zip(axes, shown, strict=True):
        draw_panel(ax, panel, rows, len(shown))
    label_axes(figure, axes, target, f"{time} (UTC)" if utc else "" if is_dated(shown[0].forecast["time"]) else time)
    finish_figure(figure, axes, title, left_out_notes(panels, shown, rows))
    return figure
