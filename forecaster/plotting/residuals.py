"""The figure of what is left in the errors of a model: over time, their autocorrelation, their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecaster.errors import DataError
from forecaster.evaluation.residuals import LEAST, Residuals, autocorrelation, lags_of, ljung_box
from forecaster.plotting.axes import (
    BASELINE_STYLES,
    BLUE,
    GREY,
    INK,
    finish_figure,
    format_time_axis,
    format_value_axis,
    shorten_name,
    title_panel,
)
from forecaster.plotting.drawing import make_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Series drawn at most, a column each, and the width of the figure by their number, in inches.
MOST_SERIES, WIDTHS = 3, (8.0, 11.0, 14.0)
#: Height of the three rows of axes, in inches.
HEIGHTS = (1.9, 1.6, 1.9)
#: Lags drawn at least and at most.
LEAST_LAGS, MOST_LAGS = 20, 200
#: Bars of the distribution at most.
MOST_BARS = 40
SEASON = BASELINE_STYLES[0][0]


def plot_residuals(found: Sequence[Residuals], season: int, *, title: str = "") -> Figure:
    """Draw the errors of a model, a column a series: each over time, their autocorrelation, their distribution.

    Args:
        found: what :func:`forecaster.evaluation.residuals.residuals` returned; the first three are drawn.
        season: the seasonal period in steps; 1 for none.
        title: title of the figure.

    Raises:
        DataError: there is no series.
    """
    shown = found[:MOST_SERIES]
    if not shown:
        raise DataError("there are no errors to draw")
    figure, axes = make_grid(len(HEIGHTS) * len(shown), columns=len(shown))
    figure.set_size_inches(WIDTHS[len(shown) - 1], sum(HEIGHTS) + 0.9)
    grid = axes[0].get_gridspec()
    if grid is not None:
        grid.set_height_ratios(HEIGHTS)
    for column, one in enumerate(shown):
        own = axes[column :: len(shown)]
        _draw_errors(own[0], one, 100 // len(shown))
        _draw_autocorrelation(own[1], one, season)
        _draw_distribution(own[2], one.values[np.isfinite(one.values)])
    notes = [f"{len(shown)} of {len(found):,} series shown"] if len(shown) < len(found) else []
    steps = max(one.steps for one in shown)
    notes += [f"errors up to {steps:,} steps ahead: even the best are correlated"] if steps > 1 else []
    finish_figure(figure, axes, title, notes)
    return figure


def _draw_errors(ax: Axes, one: Residuals, length: int) -> None:
    times = one.times.dt.tz_convert("UTC").dt.tz_localize(None) if hasattr(one.times.dtype, "tz") else one.times
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.vlines(times, 0, one.values, color=INK, linewidth=0.5 if len(times) > 500 else 0.9)
    if len(times) <= 100:
        ax.plot(times, one.values, "o", color=INK, markersize=2.5)
    known = one.values[np.isfinite(one.values)]
    if len(known):
        ax.axhline(known.mean(), color=BLUE, linewidth=1.4, label="mean error")
    format_value_axis(ax)
    format_time_axis(ax, times, 6)
    title_panel(
        ax, shorten_name(f"{one.series}: actual less forecast" if one.series else "actual less forecast", length)
    )


def _draw_autocorrelation(ax: Axes, one: Residuals, season: int) -> None:
    from matplotlib.ticker import MaxNLocator

    count = int(np.isfinite(one.values).sum())
    lags = min(max(LEAST_LAGS, 2 * season), MOST_LAGS, count - 1)
    found = autocorrelation(one.values, lags) if count >= LEAST else np.zeros(0)
    if not np.isfinite(found).any():
        title_panel(ax, "too few errors for an autocorrelation" if count < LEAST else "all errors are equal")
        ax.set_axis_off()
        return
    bound = 1.96 / math.sqrt(count)
    ax.axhspan(-bound, bound, color=BLUE, alpha=0.15, linewidth=0, label="not significant (95 %)")
    ax.axhline(0, color=GREY, linewidth=0.6)
    if 1 < season <= lags:
        label = f"season, {season:,} steps"
        ax.axvline(season, color=SEASON, linewidth=0.9, linestyle=(0, (4, 3)), label=label, zorder=1)
    ax.vlines(np.arange(1, lags + 1), 0, found, color=INK, linewidth=max(0.6, min(2.0, 120 / lags)))
    ax.set_xlim(0, lags + 1)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_xlabel("lag in errors", fontsize=8)
    tested = lags_of(one.values, season)
    _, p_value = ljung_box(one.values, tested)
    title_panel(ax, f"autocorrelation; Ljung-Box of {tested} lags: p {p_value:.2g}")


def _draw_distribution(ax: Axes, values: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    title_panel(ax, "distribution")
    ax.xaxis.set_major_locator(MaxNLocator(6))
    if len(values) < LEAST or not values.std() > 0:
        ax.plot(values, np.zeros(len(values)), "|", color=INK, markersize=12)
        ax.set_yticks([])
        return
    bars = min(MOST_BARS, max(6, math.ceil(2 * len(values) ** (1 / 3))))  # Rice's rule
    ax.hist(values, bins=bars, density=True, color="#bbbbbb", edgecolor="white", linewidth=0.8)
    middle, deviation = values.mean(), values.std()
    x = np.linspace(min(values.min(), middle - 3 * deviation), max(values.max(), middle + 3 * deviation), 200)
    density = np.exp(-((x - middle) ** 2) / (2 * deviation**2)) / (deviation * math.sqrt(2 * math.pi))
    ax.plot(x, density, color=SEASON, linewidth=1.4, linestyle=(0, (1, 1)), label="normal of the same spread")
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.set_yticks([])
    ax.set_xlabel("error", fontsize=8)
