"""The figure of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from forecaster.plotting.axes import BACKTEST_SERIES, finish_figure, shorten_name, title_panel
from forecaster.plotting.drawing import (
    draw_errors,
    draw_origins,
    make_grid,
)
from forecaster.plotting.tables import chosen_models, read_backtest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        title_panel(ax, shorten_name(name, 90))
        ax.set_ylabel(shorten_name(target, 30), fontsize=9, parse_math=False)
    constant = draw_errors(axes[-1], table, drawn)
    notes = [f"{len(shown)} of {len(series)} series shown"] if len(shown) < len(series) else []
    notes += [f"{some} of {every} origins shown" for some, every in counts[:1] if some < every]
    notes += ["errors are of all of them"] if notes else []
    notes += [f"{constant} constant series left out of the errors"] if constant else []
    finish_figure(figure, axes, title, notes)
    return figure
