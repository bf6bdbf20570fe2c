"""Axes, titles and legends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.plotting.tables import is_dated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, BLUE = "#000000", "#666666", "#0072B2"
#: Colour, dash and marker of the models after the first in a backtest.
BASELINE_STYLES: tuple[tuple[str, Any, str], ...] = (
    ("#D55E00", (0, (4, 1.5)), "s"),
    ("#009E73", (0, (1, 1)), "^"),
    ("#E69F00", (0, (6, 1.5, 1, 1.5)), "D"),
    ("#CC79A7", (0, (2, 1)), "v"),
    ("#56B4E9", (0, (6, 1, 1, 1, 1, 1)), "X"),
)
WIDTH = 8.0  # inches
LONG = 200  # a forecast of more steps is drawn with thinner lines
MARKED_STEPS = 40  # a line of more points than this is drawn without markers
LOG_RANGE = 1000.0  # positive values whose 99th percentile is this many times the 1st get a logarithmic axis
BACKTEST_SERIES, BACKTEST_ORIGINS, BACKTEST_POINTS = 3, 6, 36  # most panels; most origins, or steps, in each
#: Matplotlib's own concise dates leave the month out of "21", and so name the wrong one at the end of the axis.
_DATES: dict[str, list[str]] = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
}


def spans_powers(values: np.ndarray) -> bool:
    """Return True if values are all positive and spread over powers of ten."""
    values = values[np.isfinite(values)]
    if not values.size or values.min() <= 0:
        return False
    low, high = np.quantile(values, [0.01, 0.99])
    return bool(high >= LOG_RANGE * low)


def format_value_axis(ax: Axes, logarithmic: bool = False) -> None:
    """Format the value axis: thousands with commas; logarithmic with ``log``."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

    if logarithmic:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        if high < 1e4 * low:
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
        return
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-4, 6))
    ax.yaxis.set_major_formatter(formatter)
    ax.yaxis.get_offset_text().set_fontsize(8)


def format_time_axis(ax: Axes, times: pd.Series, ticks: int) -> None:
    """Make the time axis: concise dates, or whole numbers for counted steps."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    if times.nunique() == 1:
        ax.set_xticks(times.to_numpy()[:1], [str(times.iloc[0]).removesuffix(" 00:00:00")])
    elif is_dated(times):
        # With more ticks at least, no unit fits some spans, such as two and a half days, and matplotlib warns.
        locator = AutoDateLocator(minticks=(ticks - 1) // 2, maxticks=ticks)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, **_DATES))
        ax.xaxis.get_offset_text().set_fontsize(8)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(ticks, integer=pd.api.types.is_integer_dtype(times)))


def label_axes(figure: Figure, axes: Sequence[Axes], value: str, time: str) -> None:
    """Write the names of the axes once: at the axes of a single panel, else at the side of the figure."""
    if len(axes) == 1:
        axes[0].set_ylabel(shorten_name(value, 60), fontsize=9, parse_math=False)
        axes[0].set_xlabel(shorten_name(time, 60), fontsize=8, parse_math=False)
        return
    figure.supylabel(shorten_name(value, 60), fontsize=9, parse_math=False)
    for ax in axes if time else ():
        ax.set_xlabel(shorten_name(time, 30), fontsize=8, parse_math=False)


def title_panel(ax: Axes, text: str) -> None:
    """Write a panel's title at its left end."""
    ax.set_title(text, loc="left", fontsize=9, parse_math=False)


def finish_figure(figure: Figure, axes: Sequence[Axes], title: str, notes: list[str]) -> None:
    """Write title and legend above the panels, once for all of them, and the notes below."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    columns = _legend_columns([shorten_name(name, 30) for name in handles])
    # Matplotlib fills a legend column by column; this order reads row by row.
    order = [name for column in range(columns) for name in list(handles)[column::columns]]
    legend = figure.legend(
        [handles[name] for name in order],
        [shorten_name(name, 30) for name in order],
        title=shorten_name(title, 90) or None,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        alignment="left",
        fontsize=8.5,
        columnspacing=1.6,
        handlelength=2.4,
        title_fontproperties={"weight": "bold", "size": 11},
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)
    if notes:
        figure.supxlabel("; ".join(notes), x=0.01, ha="left", fontsize=7.5, color=GREY)


def _legend_columns(names: list[str]) -> int:
    """Return the number of columns that fit the figure, at 0.068 inch a character and 0.6 inch a sample."""
    widths = [0.068 * len(name) + 0.6 for name in names]
    return max(len(names), 1) if sum(widths) <= WIDTH else max(int(WIDTH / max(widths)), 1)


def shorten_name(name: str, length: int) -> str:
    """Return the name in one line, its middle left out where it is too long: ends tell series apart.

    What has no place in an SVG becomes a question mark: control characters, half a character.
    """
    name = _UNDRAWN.sub("\N{REPLACEMENT CHARACTER}", " ".join(str(name).split()))
    return name if len(name) <= length else f"{name[: length // 2 - 1]} … {name[-(length - length // 2 - 2) :]}"


_UNDRAWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
