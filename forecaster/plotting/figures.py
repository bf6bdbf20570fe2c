"""One function a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.errors import DataError, SettingError
from forecaster.plotting.axes import BACKTEST_SERIES, BLUE, GREY, finish, label_axes, shortened, title_panel, value_axis
from forecaster.plotting.drawing import (
    draw_errors,
    draw_line,
    draw_origins,
    draw_panel,
    left_out_notes,
    line_style,
    make_grid,
    mark_best,
)
from forecaster.plotting.tables import chosen_models, is_dated, read_backtest, read_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {"loss": "training loss", "val_loss": "validation loss"}


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
    finish(figure, axes, title, left_out_notes(panels, shown, rows))
    return figure


def plot_learning_curve(history: Mapping[str, Sequence[float]], best_epoch: int | None, *, title: str = "") -> Figure:
    """Draw training and validation loss by epoch; the axis is logarithmic where the largest is 20 times the smallest.

    Args:
        history: ``loss`` and, where there was validation, ``val_loss``, one number an epoch; other keys are not drawn.
        best_epoch: the epoch whose weights were kept, counted from 1; None where none was chosen.
        title: title of the figure.

    Raises:
        DataError: there is no loss to draw.
        SettingError: ``best_epoch`` is not one of the epochs.
    """
    from matplotlib.ticker import MaxNLocator

    curves = {key: np.asarray(history[key], float) for key in ("loss", "val_loss") if len(history.get(key, ()))}
    if not curves:
        raise DataError("the training history has no losses to draw, expected 'loss' or 'val_loss'")
    epochs = max(map(len, curves.values()))
    if best_epoch is not None and not 1 <= best_epoch <= epochs:
        raise SettingError(f"best_epoch must be between 1 and {epochs}, got {best_epoch}")
    figure, (ax,) = make_grid(1)
    for (key, label), style in zip(
        _CURVES.items(), (line_style(GREY, "s", 1.2, (0, (4, 1.5))), line_style(BLUE, "o", 1.8)), strict=True
    ):
        if key in curves:
            draw_line(ax, np.arange(1, len(curves[key]) + 1), curves[key], label=label, **style)
    if best_epoch is not None:
        mark_best(ax, best_epoch, next(reversed(curves.values())))
    losses = np.concatenate(list(curves.values()))
    losses = losses[np.isfinite(losses)]
    value_axis(ax, logarithmic=bool(losses.size and losses.min() > 0 and losses.max() >= 20 * losses.min()))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label_axes(figure, [ax], "loss", "epoch")
    finish(figure, [ax], title, [])
    return figure


def plot_backtest(
    table: pd.DataFrame, *, title: str = "", target: str = "", models: Sequence[str] | None = None
) -> Figure:
    """Draw the forecasts of a backtest over the actual values, and below them the error at each step ahead.

    The error is the mean over origins of the absolute error; with several series, each is first divided by the standard
    deviation of its own actual values, so that no scale outweighs another. Of many origins the newest that do not
    overlap are drawn; the error is that of all origins and all series.

    Args:
        table: one row a model, series, origin and step: ``model``, ``series``, ``cutoff``, ``step``, ``time``,
            ``actual``, ``forecast`` and, if there are any, ``lo-80``, ``hi-80``... Rows whose ``observed`` is False
            count as not known.
        title: title of the figure.
        target: label of the value axes.
        models: the models to draw, in the legend's order; the first is emphasised and the only one with its intervals.
            By default all, in the table's order.

    Raises:
        DataError: the table lacks a column or is empty.
        SettingError: a name in ``models`` is not in the table.
    """
    table = read_backtest(table)
    drawn = chosen_models(models, tuple(table["model"].unique()))
    table = table[table["model"].isin(drawn)]
    series = list(table["series"].unique())
    shown = series[:BACKTEST_SERIES]
    figure, axes = make_grid(len(shown) + 1, columns=1)
    counts = []
    for ax, name in zip(axes, shown, strict=False):
        counts.append(draw_origins(ax, table[table["series"] == name], drawn))
        title_panel(ax, shortened(name, 90))
        ax.set_ylabel(shortened(target, 30), fontsize=9, parse_math=False)
    constant = draw_errors(axes[-1], table, drawn)
    notes = [f"{len(shown)} of {len(series)} series shown"] if len(shown) < len(series) else []
    notes += [f"{some} of {every} origins shown" for some, every in counts[:1] if some < every]
    notes += ["errors are of all of them"] if notes else []
    notes += [f"{constant} constant series left out of the errors"] if constant else []
    finish(figure, axes, title, notes)
    return figure
