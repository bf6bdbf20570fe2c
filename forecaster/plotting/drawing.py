"""Lines, bands and marks of one panel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.plotting.axes import (
    BACKTEST_ORIGINS,
    BACKTEST_POINTS,
    BASELINE_STYLES,
    BLUE,
    GREY,
    INK,
    LONG,
    MARKED_STEPS,
    WIDTH,
    format_time_axis,
    format_value_axis,
    shorten_name,
    spans_powers,
    title_panel,
)
from forecaster.plotting.tables import SeriesTable, levels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def make_grid(panels: int, columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes a panel, laid out in one to three columns."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or (1 if panels <= 3 else 2 if panels <= 8 else 3)
    rows = math.ceil(panels / columns)
    height = 3.4 if panels == 1 else 2.6 * rows if panels == 2 else (2.1 if columns == 1 else 1.65) * rows
    figure = Figure(figsize=(WIDTH, height + 0.7), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(panels)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(labelsize=8, color=GREY)
        ax.grid(True, axis="y", color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, axes


def left_out_notes(panels: list[SeriesTable], shown: list[SeriesTable], rows: int) -> list[str]:
    """Return notes for the foot of the figure on what it leaves out."""
    notes = [f"{len(shown)} of {len(panels)} series shown"] if len(shown) < len(panels) else []
    notes += ["each panel has its own scale"] if len(shown) > 1 else []
    longest = max(len(panel.history) for panel in shown)
    if longest > rows:
        notes.append(f"history: last {rows:,} rows of " + ("each series" if len(panels) > 1 else f"{longest:,}"))
    return notes


def draw_panel(ax: Axes, panel: SeriesTable, rows: int, panels: int) -> None:
    """Draw one series: history, forecast with intervals, actuals, cutoff."""
    past, steps, known = panel.history.tail(rows), panel.forecast, panel.actuals
    long = len(steps) > LONG
    path, first = _joined_path(past, steps, panel.levels)
    draw_line(ax, past["time"], past["actual"], label="history", **line_style(INK, None, 1.0))
    line = line_style(BLUE, "o", 1.3 if long else 1.9, first=first)
    draw_line(ax, path["time"], path["forecast"], label="forecast", **line)
    _draw_bands(ax, path, panel.levels, first)
    line = line_style(INK, "open", 0.7) if long else line_style(INK, "open", 0.9, (0, (1.5, 1)))
    draw_line(ax, known["time"], known["actual"], label="actual", **line, zorder=3)
    if len(past):
        _mark(ax, past["time"].iloc[-1], label="cutoff")
    values = pd.concat([past["actual"], known["actual"], *(steps[name] for name in steps.columns[2:])])
    logarithmic = spans_powers(values.to_numpy(float))
    format_value_axis(ax, logarithmic)
    format_time_axis(ax, pd.concat([past["time"], steps["time"]]), 8 if panels <= 3 else 5 if panels <= 8 else 4)
    name = shorten_name(panel.name, 100 if panels <= 3 else 45 if panels <= 8 else 30)
    title_panel(ax, f"{name} (log scale)".strip() if logarithmic else name)


def _joined_path(past: pd.DataFrame, steps: pd.DataFrame, levels: list[str]) -> tuple[pd.DataFrame, int]:
    """Return the forecast with the last reading, where bands have no width, put before it; and how many were put."""
    start = past.dropna().tail(1).rename(columns={"actual": "forecast"})
    if start.empty:
        return steps, 0
    ends = {f"{side}-{level}": start["forecast"] for level in levels for side in ("lo", "hi")}
    return pd.concat([start.assign(**ends), steps]), 1


def _draw_bands(ax: Axes, path: pd.DataFrame, levels: list[str], first: int = 0, label: bool = True) -> None:
    """Fill the intervals after ``first`` joined points, the widest lightest; one step alone gets a bar as well."""
    times, single = path["time"].to_numpy(), len(path) - first == 1
    for order, level in reversed(list(enumerate(levels))):
        low, high = path[f"lo-{level}"].to_numpy(), path[f"hi-{level}"].to_numpy()
        if not np.isfinite(low[first:]).any():
            continue
        depth = 0.2 + 0.32 * order / max(len(levels) - 1, 1)
        colour = tuple(1 - depth * (1 - part) for part in (0.0, 0.447, 0.698))
        name = f"{level} % interval" if label else None
        style: dict[str, Any] = {"color": colour, "zorder": 1.5 + order / 100}
        ax.fill_between(times, low, high, linewidth=0, label=name, **style)
        if single:
            ax.vlines(times[-1:], low[-1:], high[-1:], linewidth=6, **style)


def line_style(colour: str, marker: str | None, width: float, dash: Any = "-", first: int = 0) -> dict[str, Any]:
    """Return the keywords of a line; marker ``"open"`` is an empty circle, and ``first`` points carry no marker."""
    face = "white" if marker == "open" else colour
    shape = {
        "marker": "o" if marker == "open" else marker,
        "markersize": 3.6,
        "markerfacecolor": face,
        "markeredgewidth": 0.9,
    }
    return {"color": colour, "linewidth": width, "linestyle": dash, "markevery": slice(first, None), **shape}


def draw_line(ax: Axes, x: Any, y: Any, **style: Any) -> None:
    """Draw a line unless it is empty: markers where they do not overlap, or where a point has no neighbour."""
    x, y = np.asarray(x), np.asarray(y, float)
    finite = np.isfinite(y)
    if finite.sum() > MARKED_STEPS:
        style["marker"] = None
    alone = finite & ~np.append(finite[1:], False) & ~np.append(False, finite[:-1])
    if alone.any() and style["marker"] is None:
        style |= {"marker": ".", "markevery": np.flatnonzero(alone).tolist()}
    if finite.any():
        ax.plot(x, y, **style)


def draw_origins(ax: Axes, table: pd.DataFrame, models: list[str]) -> tuple[int, int]:
    """Draw the actual values and forecasts of one series; return how many origins are drawn, and of how many."""
    ends = table.groupby("cutoff")["time"].max()
    steps = table["step"].nunique()
    shown: list[Any] = []
    for cutoff, end in ends.iloc[::-1].items():
        if len(shown) < max(BACKTEST_ORIGINS, BACKTEST_POINTS // steps) and (not shown or end <= shown[-1]):
            shown.append(cutoff)
    table = table[table["cutoff"].isin(shown)]
    marked = len(shown) * steps <= MARKED_STEPS
    pieces = [rows.drop_duplicates("time")[["time", "actual"]] for _, rows in table.groupby("cutoff")]
    draw_line(
        ax,
        *_joined(pieces, sorted(shown)),
        label="actual",
        **line_style(INK, "open" if marked else None, 1.1),
        zorder=2.6,
    )
    for number, (cutoff, rows) in enumerate(table.groupby("cutoff")):
        _draw_origin(ax, rows, models, label=number == 0, marked=marked)
        if len(shown) <= BACKTEST_ORIGINS:
            _mark(ax, cutoff, label=None if number else "cutoff")
    format_value_axis(ax, spans_powers(table[["actual", "forecast"]].to_numpy(float).ravel()))
    format_time_axis(ax, table["time"], 8)
    return len(shown), len(ends)


def _joined(pieces: list[pd.DataFrame], cutoffs: list[Any]) -> tuple[pd.Series, pd.Series]:
    """Return the times and values of consecutive windows, with a NaN between two that do not touch."""
    parts = pieces[:1]
    for before, piece, cutoff in zip(pieces, pieces[1:], cutoffs[1:], strict=False):
        gap = before.tail(1).assign(actual=np.nan) if cutoff > before["time"].max() else before.head(0)
        parts = [*parts, gap, piece]
    whole = pd.concat(parts)
    return whole["time"], whole["actual"]


def _draw_origin(ax: Axes, rows: pd.DataFrame, models: list[str], label: bool, marked: bool) -> None:
    for order, model in enumerate(models):
        steps = rows[rows["model"] == model]
        style = _model_style(order) if marked else {**_model_style(order), "marker": None}
        draw_line(ax, steps["time"], steps["forecast"], label=model if label else None, **style, zorder=4 - order / 10)
        if order == 0:
            _draw_bands(ax, steps, levels_of(steps), label=label)


def _model_style(order: int) -> dict[str, Any]:
    """Return the line of model number ``order``: the first thick and solid, the others thin, dashed, each its own."""
    if order == 0:
        return line_style(BLUE, "o", 2.0)
    colour, dash, marker = BASELINE_STYLES[(order - 1) % len(BASELINE_STYLES)]
    return line_style(colour, marker, 1.2, dash)


def draw_errors(ax: Axes, table: pd.DataFrame, models: list[str]) -> int:
    """Draw the mean absolute error of each model by step ahead; return how many constant series were left out.

    Each is drawn over those before it, with smaller markers, so that alike ones are all seen.
    """
    from matplotlib.ticker import MaxNLocator

    errors = table.assign(error=(table["forecast"] - table["actual"]).abs())
    spread = table.drop_duplicates(["series", "time"]).groupby("series")["actual"].std(ddof=0)
    several = len(spread) > 1
    if several:
        errors["error"] /= errors["series"].map(spread.where(spread > 0))
    means = errors.groupby(["model", "step"])["error"].mean()
    for order, model in enumerate(models):
        style = {**_model_style(order), "markersize": 7.0 * 0.8**order, "zorder": 3 + order / 100}
        draw_line(ax, means[model].index, means[model], label=model, **style)
    ax.set_ylim(bottom=0)
    ax.set_xlim(table["step"].min() - 0.5, table["step"].max() + 0.5)
    format_value_axis(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("steps ahead", fontsize=8)
    title_panel(ax, "mean absolute error" + (", in standard deviations of each series" if several else ""))
    return int((spread == 0).sum()) if several else 0


def _mark(ax: Axes, x: Any, label: str | None = None) -> None:
    ax.axvline(x, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), label=label, zorder=1)


def mark_best(ax: Axes, epoch: int, curve: np.ndarray) -> None:
    """Mark the epoch whose weights were kept."""
    _mark(ax, epoch)
    if epoch <= len(curve) and np.isfinite(curve[epoch - 1]):
        label = f"best epoch: {epoch} ({curve[epoch - 1]:.4g})"
        ax.plot(
            [epoch], [curve[epoch - 1]], "D", color=INK, markersize=6, markerfacecolor="white", label=label, zorder=4
        )
