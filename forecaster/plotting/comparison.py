"""The figure of several models on the same windows: their errors at each step, and who is better than whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.evaluation.significance import BETTER, WORSE
from forecaster.plotting.axes import BASELINE_STYLES, BLUE, GREY, INK, finish_figure, shorten_name, title_panel
from forecaster.plotting.drawing import draw_errors, make_grid
from forecaster.plotting.tables import read_backtest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Pairs drawn at most, and the height of each, in inches.
MOST_PAIRS, ROW = 24, 0.24
#: Colour, marker and words of a verdict.
_VERDICTS = {BETTER: (BLUE, "o", "better"), WORSE: (BASELINE_STYLES[0][0], "s", "worse")}
_OPEN = (GREY, "D", "no difference shown")


def plot_comparison(table: pd.DataFrame, tests: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw the error of each model by step ahead, and below it the skill of one over another with its interval.

    Args:
        table: one row a model, series, origin and step, as of :func:`forecaster.plotting.plot_backtest`.
        tests: what :func:`forecaster.evaluation.significance.significance` returned.
        title: title of the figure.

    Raises:
        DataError: the table lacks a column or is empty.
    """
    table = read_backtest(table)
    shown = tests[np.isfinite(tests["skill"])].head(MOST_PAIRS)
    figure, axes = make_grid(1 + bool(len(shown)), columns=1)
    heights = (2.2, 0.55 + ROW * len(shown))[: len(axes)]
    figure.set_size_inches(figure.get_figwidth(), sum(heights) + 1.1)
    grid = axes[0].get_gridspec()
    if grid is not None:
        grid.set_height_ratios(heights)
    models = list(dict.fromkeys(table["model"]))
    drawn = models[: 1 + len(BASELINE_STYLES)]
    constant = draw_errors(axes[0], table, drawn)
    if len(shown):
        _draw_skills(axes[1], shown)
    notes = [f"{constant} constant series left out of the errors"] if constant else []
    notes += [f"errors of {len(drawn)} of {len(models)} models shown"] if len(drawn) < len(models) else []
    notes += [f"{len(shown)} of {len(tests)} pairs shown"] if len(shown) < len(tests) else []
    finish_figure(figure, axes, title, notes)
    return figure


def _draw_skills(ax: Axes, tests: pd.DataFrame) -> None:
    """Draw a point and an interval a pair, the first on top."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    places, labelled = np.arange(len(tests))[::-1], set()
    for place, test in zip(places.tolist(), tests.to_dict(orient="records"), strict=True):
        colour, marker, words = _VERDICTS.get(test["verdict"], _OPEN)
        label = None if words in labelled else words
        labelled.add(words)
        if np.isfinite(test["skill-lo"]):
            ax.hlines(place, test["skill-lo"], test["skill-hi"], color=colour, linewidth=1.8)
        face = "white" if marker == "D" else colour
        ax.plot([test["skill"]], [place], marker, color=colour, markerfacecolor=face, markersize=5, label=label)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_ylim(-0.7, len(tests) - 0.3)
    ax.set_yticks(places, _names(tests))
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x", color="#dddddd", linewidth=0.6)
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    title_panel(ax, "skill of the first over the second, 95 % interval")


def _names(tests: pd.DataFrame) -> Sequence[str]:
    pairs = zip(tests["model"], tests["against"], strict=True)
    return [f"{shorten_name(model, 22)} over {shorten_name(against, 22)}" for model, against in pairs]
