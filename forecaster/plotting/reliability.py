"""The figure of the reliability of forecast probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.errors import DataError
from forecaster.plotting.axes import BASELINE_STYLES, BLUE, GREY, finish_figure, title_panel
from forecaster.plotting.drawing import line_style, make_grid
from forecaster.words import setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Bins with fewer windows are drawn pale: their share is hardly known.
FEW = 10
#: Colour, dash and marker of each class: falling, staying, rising.
_STYLES = (BASELINE_STYLES[0], (GREY, "-", "D"), (BLUE, "-", "o"))


def plot_reliability(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw the observed frequency of each direction by its forecast probability, and the number of forecasts.

    On the diagonal a probability says what happens. A bin of fewer than 10 windows has a pale mark and no line.

    Args:
        table: one row a direction and bin: ``direction``, ``low``, ``high``, ``windows``, ``predicted``, ``observed``.
        title: title of the figure.

    Raises:
        DataError: the table has no rows.
    """
    if not len(table):
        raise DataError("the reliability table has no rows to draw", f"score more windows: more {setting('origins')}")
    figure, (shares, counts) = make_grid(2, columns=1)
    figure.set_figheight(5.6)
    shares.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), label="as predicted")
    names = list(dict.fromkeys(table["direction"]))
    for place, (name, style) in enumerate(zip(names, _STYLES, strict=False)):
        _draw_class(shares, counts, table[table["direction"] == name], name, style, (place - 1) / 45)
    shares.set_ylim(-0.03, 1.03)
    for ax in (shares, counts):
        ax.set_xlim(0, 1)
        ax.set_xticks(np.arange(0, 1.01, 0.1))
    counts.set_ylim(bottom=0)
    counts.set_xlabel("probability given", fontsize=8)
    title_panel(shares, "observed frequency")
    title_panel(counts, "forecasts in each tenth")
    few = int((table["windows"] < FEW).sum())
    finish_figure(figure, [shares], title, [f"{few} marks of fewer than {FEW} forecasts are pale"] if few else [])
    return figure


def _draw_class(
    shares: Axes, counts: Axes, rows: pd.DataFrame, name: str, style: tuple[str, object, str], moved: float
) -> None:
    """Draw one class: its line, and a bar for each bin, moved a little aside from those of the other classes."""
    colour, dash, marker = style
    sure = rows[rows["windows"] >= FEW]
    line = line_style(colour, marker, 1.6, dash) | {"markersize": 5.5}
    shares.plot(sure["predicted"], sure["observed"], label=name, **line)
    pale = rows[rows["windows"] < FEW]
    shares.plot(
        pale["predicted"], pale["observed"], marker, color=colour, alpha=0.35, markersize=5.5, markeredgewidth=0
    )
    middle = (rows["low"] + rows["high"]) / 2
    counts.bar(middle + moved, rows["windows"], width=0.02, color=colour)
