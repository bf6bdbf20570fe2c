"""The figure of training and validation loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecaster.errors import DataError, SettingError
from forecaster.plotting.axes import BLUE, GREY, finish_figure, format_value_axis, label_axes
from forecaster.plotting.drawing import (
    draw_line,
    line_style,
    make_grid,
    mark_best,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {"loss": "training loss", "val_loss": "validation loss"}


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
    format_value_axis(ax, logarithmic=bool(losses.size and losses.min() > 0 and losses.max() >= 20 * losses.min()))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label_axes(figure, [ax], "loss", "epoch")
    finish_figure(figure, [ax], title, [])
    return figure
