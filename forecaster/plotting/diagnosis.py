"""The figure of the data doctor: readings with what is odd about them, their parts, their autocorrelation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.data.panel.outliers import find_outliers
from forecaster.data.panel.packed import select_series
from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import default_season, future_times
from forecaster.data.time.zones import local_times
from forecaster.errors import SettingError, nearest
from forecaster.plotting.axes import (
    BASELINE_STYLES,
    BLUE,
    GREY,
    INK,
    finish_figure,
    format_time_axis,
    format_value_axis,
    shorten_name,
    spans_powers,
    title_panel,
)
from forecaster.plotting.drawing import draw_line, line_style, make_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ODD, FORECAST, ABSENT = (BASELINE_STYLES[i][0] for i in range(3))
#: Series drawn at most, and newest rows of each.
MOST_SERIES, MOST_ROWS = 3, 50_000
#: Rows up to which the decomposition is robust against outliers, which takes fifteen times as long.
ROBUST_ROWS = 5_000
#: Seasons drawn of the seasonal part, the newest.
SEASONS = 7
#: Height of the four rows of axes, in inches: readings, season, rest, autocorrelation.
HEIGHTS = (2.3, 1.2, 1.2, 1.5)
#: Height of the row of seasons without a season.
NO_SEASON = 0.15
#: Width of the figure by the series drawn, in inches.
WIDTHS = (8.0, 11.0, 14.0)
#: Lags of the autocorrelation: seasons, and steps at least and at most.
LAG_SEASONS, LEAST_LAGS, MOST_LAGS = 3, 40, 1_000


@dataclass(frozen=True)
class Parts:
    """A series taken apart, ``(rows,)`` each: ``values = trend + seasonal + rest``, NaN where there is no reading."""

    values: np.ndarray
    trend: np.ndarray
    seasonal: np.ndarray
    rest: np.ndarray


def plot_diagnosis(
    panel: Panel,
    season: int,
    series: Sequence[str] | None = None,
    *,
    title: str = "",
    forecast: Callable[[Panel], np.ndarray] | None = None,
) -> Figure:
    """Draw readings, decomposition and autocorrelation of some series, a column each.

    Absent and empty steps are shaded and outliers ringed. The decomposition is STL (Cleveland et al. 1990), a moving
    average where there is no season. The autocorrelation is that of the changes from step to step, on which the season
    is judged; a trend alone makes the readings themselves correlate at every lag.

    Args:
        panel: regular, as :func:`forecaster.data.panel.build.build_panel` returns it.
        season: the seasonal period in steps; 1 for none.
        series: ids to draw, three at most; by default the first.
        title: title of the figure; by default the name of the target.
        forecast: returns the forecast of a panel with the bounds of its 80 % interval, ``(series, steps, 3)``, which is
            drawn after the readings; none by default.

    Raises:
        SettingError: there is no such series.
    """
    places = _chosen(panel, series)
    figure, axes = make_grid(len(HEIGHTS) * len(places), columns=len(places))
    heights = HEIGHTS if season > 1 else (HEIGHTS[0], NO_SEASON, *HEIGHTS[2:])
    figure.set_size_inches(WIDTHS[len(places) - 1], sum(heights) + 0.9)
    grid = axes[0].get_gridspec()
    if grid is not None:
        grid.set_height_ratios(heights)
    outliers = find_outliers(panel)
    for column, place in enumerate(places):
        one = select_series(panel, place, place + 1)
        ahead = None if forecast is None else _timed(one, forecast(one)[0])
        _draw_series(axes[column :: len(places)], panel, place, season, outliers, ahead)
    finish_figure(figure, axes, title or panel.roles.target, _notes(panel, places, outliers))
    return figure


def _chosen(panel: Panel, series: Sequence[str] | None) -> list[int]:
    numbers = {name: i for i, name in enumerate(panel.ids)}
    for name in series or ():
        if name not in numbers:
            raise SettingError(f"there is no series '{name}'", nearest(name, panel.ids[:10_000]))
    return [numbers[name] for name in series or panel.ids[:MOST_SERIES]][:MOST_SERIES]


def _notes(panel: Panel, places: list[int], outliers: np.ndarray) -> list[str]:
    notes = [f"{len(places)} of {len(panel):,} series shown"] if len(places) < len(panel) else []
    longest = int(panel.lengths[places].max())
    notes += [f"newest {MOST_ROWS:,} of {longest:,} rows"] if longest > MOST_ROWS else []
    odd = any(((outliers >= panel.offsets[i]) & (outliers < panel.offsets[i + 1])).any() for i in places)
    return notes + (["outliers are left out of trend, season and autocorrelation"] if odd else [])


def _timed(panel: Panel, forecast: np.ndarray) -> pd.DataFrame:
    """Return the forecast of the only series of a panel as a table of times, ``forecast``, ``low`` and ``high``."""
    times = future_times(panel.last, panel.freq, len(forecast))[0]
    local = local_times(times, panel.zone, panel.freq)
    return pd.DataFrame({"time": local, "forecast": forecast[:, 0], "low": forecast[:, 1], "high": forecast[:, 2]})


def _draw_series(
    axes: Sequence[Axes], panel: Panel, place: int, season: int, outliers: np.ndarray, ahead: pd.DataFrame | None
) -> None:
    rows = panel.rows(place)
    rows = slice(max(rows.start, rows.stop - MOST_ROWS), rows.stop)
    times = pd.Series(local_times(panel.times[rows], panel.zone, panel.freq))
    odd = outliers[(outliers >= rows.start) & (outliers < rows.stop)] - rows.start
    parts = decompose_series(np.where(panel.observed[rows], panel.values[rows], np.nan).astype(np.float64), season, odd)
    name = shorten_name(panel.ids[place], 100 // len(axes) * 2) or "readings"
    _draw_readings(axes[0], times, parts, odd, name, ahead)
    _draw_season(axes[1], times, parts, season)
    _draw_rest(axes[2], times, parts, odd)
    _draw_autocorrelation(axes[3], _without(parts.values, odd), season, default_season(panel.freq))


def decompose_series(values: np.ndarray, season: int, outliers: np.ndarray) -> Parts:
    """Return trend, season and rest of a series.

    Steps without a reading, and outliers, take no part in trend and season: there, a line is drawn between neighbours.

    Args:
        values: ``(rows,)``, NaN where there is no reading.
        season: the seasonal period in steps; there is no seasonal part where it is 1 or the rows are too few.
        outliers: ``(outliers,)`` places in ``values``.
    """
    places, judged = np.arange(len(values)), _without(values, outliers)
    known = ~np.isnan(judged)
    full = np.interp(places, places[known], judged[known]) if known.any() else np.zeros(len(values))
    if season < 2 or len(values) <= 2 * season:
        width = max(3, len(values) // 20)
        trend = pd.Series(full).rolling(width, center=True, min_periods=1).mean().to_numpy()
        return Parts(values, trend, np.zeros(len(values)), values - trend)
    from statsmodels.tsa.seasonal import STL

    found = STL(full, period=season, robust=len(values) <= ROBUST_ROWS).fit()
    return Parts(values, found.trend, found.seasonal, values - found.trend - found.seasonal)


def _without(values: np.ndarray, outliers: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[outliers] = np.nan
    return values


def autocorrelation_of_changes(values: np.ndarray, season: int) -> tuple[np.ndarray, float]:
    """Return the autocorrelation of the changes at lags from 0 on, and the bound of significance at 95 %.

    Args:
        values: ``(rows,)``, NaN where there is no reading; changes from and to such a step do not count.
        season: decides how many lags there are.
    """
    changes = np.diff(values)
    known = int((~np.isnan(changes)).sum())
    lags = min(max(LAG_SEASONS * season, LEAST_LAGS), MOST_LAGS, len(changes) // 2)
    if known < 4 or np.nanstd(changes) == 0:
        return np.zeros(0), np.nan
    from statsmodels.tsa.stattools import acf

    return acf(changes, nlags=lags, fft=True, missing="conservative"), 1.96 / np.sqrt(known)


def _draw_readings(
    ax: Axes, times: pd.Series, parts: Parts, odd: np.ndarray, name: str, ahead: pd.DataFrame | None
) -> None:
    missing = np.isnan(parts.values)
    if missing.any():
        shaded = missing | np.append(missing[1:], False) | np.append(False, missing[:-1])
        ax.fill_between(
            *(times, 0, 1),
            where=shaded,
            transform=ax.get_xaxis_transform(),
            color=ABSENT,
            alpha=0.35,
            linewidth=0.5,
            label="no reading",
            zorder=0.5,
        )
    dense = len(times) > 1_000
    draw_line(ax, times, parts.values, label="reading", **line_style(INK, None, 0.6 if dense else 1.0))
    draw_line(ax, times, parts.trend, label="trend", **line_style(BLUE, None, 1.6), zorder=2.5)
    if len(odd):
        ring: dict[str, Any] = {
            "markersize": 7,
            "markerfacecolor": "none",
            "markeredgecolor": ODD,
            "markeredgewidth": 1.3,
        }
        ax.plot(times.iloc[odd], parts.values[odd], "o", label="outlier", zorder=3, **ring)
    if ahead is not None:
        interval: dict[str, Any] = {"color": FORECAST, "alpha": 0.25, "linewidth": 0, "label": "80 % interval"}
        ax.fill_between(ahead["time"], ahead["low"], ahead["high"], **interval)
        draw_line(ax, ahead["time"], ahead["forecast"], label="forecast with no fit", **line_style(FORECAST, None, 1.4))
        times = pd.concat([times, ahead["time"]])
    logarithmic = spans_powers(parts.values)
    format_value_axis(ax, logarithmic)
    format_time_axis(ax, times, 7)
    title_panel(ax, f"{name} (log scale)" if logarithmic else name)


def _draw_season(ax: Axes, times: pd.Series, parts: Parts, season: int) -> None:
    if not parts.seasonal.any():
        title_panel(ax, "no season")
        ax.set_axis_off()
        return
    newest = min(SEASONS * season, len(times))
    draw_line(ax, times.iloc[-newest:], parts.seasonal[-newest:], **line_style(BLUE, None, 1.2))
    format_value_axis(ax)
    format_time_axis(ax, times.iloc[-newest:], 6)
    part = "" if newest == len(times) else f", newest {SEASONS}"
    title_panel(ax, f"season of {season:,} steps{part}")


def _draw_rest(ax: Axes, times: pd.Series, parts: Parts, odd: np.ndarray) -> None:
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.vlines(times, 0, parts.rest, color=INK, linewidth=0.5 if len(times) > 500 else 0.9)
    if len(odd):
        ax.vlines(times.iloc[odd], 0, parts.rest[odd], color=ODD, linewidth=1.4, zorder=3)
    format_value_axis(ax)
    format_time_axis(ax, times, 6)
    title_panel(ax, "rest")


def _draw_autocorrelation(ax: Axes, values: np.ndarray, season: int, usual: int) -> None:
    """Draw the lags with the season marked, or the season usual for the freq where none was found."""
    from matplotlib.ticker import MaxNLocator

    what, season = ("season", season) if season > 1 else ("usual season", usual)
    found, bound = autocorrelation_of_changes(values, season)
    title_panel(ax, "autocorrelation of the changes")
    if not len(found):
        ax.set_axis_off()
        return
    lags = np.arange(1, len(found))
    ax.axhspan(-bound, bound, color=BLUE, alpha=0.15, linewidth=0, label="not significant (95 %)")
    ax.axhline(0, color=GREY, linewidth=0.6)
    for turn in range(1, len(lags) // season + 1) if season > 1 else ():
        label = f"{what}, {season:,} steps" if turn == 1 else None
        ax.axvline(turn * season, color=ODD, linewidth=0.9, linestyle=(0, (4, 3)), label=label, zorder=1)
    ax.vlines(lags, 0, found[1:], color=INK, linewidth=max(0.6, min(2.0, 120 / len(lags))))
    ax.set_xlim(0, len(found))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_xlabel("lag in steps", fontsize=8)
