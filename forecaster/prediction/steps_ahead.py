"""The steps to forecast of each series of a panel, and its future covariates there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from forecaster.artifact.model import Model
from forecaster.data.panel.future_table import read_future, template_hint
from forecaster.data.panel.panel import Panel
from forecaster.data.time.horizon import horizon_steps
from forecaster.errors import SettingError
from forecaster.features.plan import choose_horizon
from forecaster.notes import Note
from forecaster.prediction.given_rows import Data, frame_given
from forecaster.words import first_few, plural, setting


def steps_ahead(panel: Panel, horizon: str) -> np.ndarray:
    """Return the steps to forecast of each series, ``(series,)`` int: to a date, more for one that ends earlier.

    Raises:
        SettingError: an invalid horizon, or a date before the end of every series.
    """
    ends, place = np.unique(panel.last, return_inverse=True)
    horizon_steps(horizon, ends[0], panel.freq)  # an error where not even the first to end can be forecast
    return np.array([_steps_or_none(horizon, end, panel.freq) for end in ends])[place]


def choose_steps_ahead(panel: Panel, horizon: str | None) -> tuple[np.ndarray, Note]:
    """Return the steps to forecast of each series, ``(series,)`` int, and a note on the most of them.

    Args:
        panel: the series.
        horizon: steps, a span or a date; None for the steps that are usual for the freq.

    Raises:
        SettingError: an invalid horizon, or a date before the end of every series.
    """
    steps, why = choose_horizon(panel, horizon)
    ahead = np.full(len(panel), steps) if horizon is None else steps_ahead(panel, horizon)
    most, rows = int(ahead.max()), int(panel.lengths.max())
    if most > rows:
        why = f"{why}; more than the {plural(rows, 'row')} that it is forecast from"
    return ahead, Note("horizon", plural(most, "step"), why, warning=most > rows)


def _steps_or_none(horizon: str, last: Any, freq: str) -> int:
    """Return the steps of a horizon, 0 where the series ends after it."""
    try:
        return horizon_steps(horizon, last, freq)
    except SettingError:
        return 0


def with_future(model: Model, panel: Panel, future: Data | None, ahead: np.ndarray) -> tuple[Panel, list[Note]]:
    """Return the panel with the future covariates of the next ``ahead`` steps of each series, and notes on them.

    Raises:
        SettingError: covariates that the model needs are not given, or some are given and it uses none.
        DataError: ``future`` has holes.
    """
    columns, needed = panel.of_role("future"), list(model.encoder.needed)
    if future is not None and not columns:
        raise SettingError("the model uses no future covariates", f"leave {setting('future')} out")
    if not needed:
        return panel, []
    notes: list[Note] = []
    if future is not None:
        beyond, notes = read_future(frame_given(future), panel, ahead, needed)
        panel = replace(panel, beyond=beyond)
    elif not _covers_steps(panel.beyond, ahead, [column.name in needed for column in columns]):
        raise SettingError(
            f"the forecast needs the future values of {first_few(needed)}: {setting('future', 'FILE')}",
            template_hint(int(ahead.max())),
        )
    return panel, notes + model.encoder.outside_notes(panel.keep_newest(model.plan.lookback), ahead)


def _covers_steps(beyond: np.ndarray | None, ahead: np.ndarray, needed: list[bool]) -> bool:
    """Return True if needed columns of ``(series, steps, columns)`` are known of the next ``ahead`` steps of each."""
    if beyond is None or beyond.shape[1] < ahead.max():
        return False
    return not np.isnan(beyond[np.arange(beyond.shape[1]) < ahead[:, None]][:, needed]).any()
