"""Forecasts of direction: the probability of each class from the end of each series, and their table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.artifact.model import Model
from forecaster.data.panel.packed import select_series
from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import future_times
from forecaster.engines.engine import Engine
from forecaster.engines.rolling import roll_forward
from forecaster.errors import ModelError, SettingError
from forecaster.features.direction_rule import CLASSES, Rule
from forecaster.features.inputs import inputs_ahead
from forecaster.notes import Note
from forecaster.prediction.forecast import SERIES_AT_ONCE, has_enough_rows
from forecaster.prediction.table import key_columns
from forecaster.words import first_few, plural, setting

#: Baseline of a series that is too short for the network: the frequency of each class in training.
FALLBACK = "majority"
#: The columns of the probabilities, in the order of the classes.
COLUMNS = tuple(f"p-{name}" for name in CLASSES)
#: Decimal places of a probability.
DIGITS = 4
#: Levels that stand for none given: no intervals, and the default.
_DEFAULT_LEVELS = ((), (80, 95))


def forecast_directions(model: Model, engine: Engine, panel: Panel, steps: int) -> np.ndarray:
    """Return the probability of each class from the end of each series of a panel.

    Args:
        model: what was trained.
        engine: runs its network.
        panel: the series, with ``beyond`` where the model has future covariates.
        steps: the horizon, at most the trained one.

    Returns:
        np.ndarray: ``(series, steps, 3)`` float64; the frequencies of training of a series too short for the network.

    Raises:
        ModelError: the network gives no probabilities.
    """
    rule, able = Rule.of_weights(model.weights), has_enough_rows(model, panel)
    values = np.repeat(rule.frequencies[None, :steps], len(panel), axis=0)
    for first in range(0, len(panel), SERIES_AT_ONCE):
        here = able[first : first + SERIES_AT_ONCE]
        if here.any():
            part = select_series(panel, first, first + len(here)).take_series(here)
            scaler = model.scaler.matched(model.ids, part, model.plan.season)
            inputs = inputs_ahead(part, scaler, model.encoder, model.plan, steps)
            shares = roll_forward(engine, inputs, steps, model.plan.steps)[:, :, 1:].astype(np.float64)
            sums = shares.sum(axis=2, keepdims=True)
            if not ((shares >= 0) & (sums > 0) & np.isfinite(sums)).all():
                raise ModelError("the network gives no probabilities", "fit the model again")
            values[first : first + SERIES_AT_ONCE][here] = shares / sums
    return values


def direction_table(model: Model, panel: Panel, probabilities: np.ndarray, ahead: np.ndarray) -> pd.DataFrame:
    """Return forecasts of direction as a table.

    Args:
        model: what made them.
        panel: the series that were forecast.
        probabilities: ``(series, steps, 3)``, of :func:`forecast_directions`.
        ahead: steps to forecast of each series, ``(series,)`` int.

    Returns:
        One row a series and step: ``series``, the time column under its own name, ``direction`` (the most probable
        one, from the cutoff to that time), ``p-falls``, ``p-stays``, ``p-rises`` and ``engine``: the network that made
        the row, or ``majority`` where a series is too short for it.
    """
    count, steps, _ = probabilities.shape
    needed = (np.arange(steps) < ahead[:, None]).ravel()
    times = future_times(panel.last, panel.freq, steps)
    table = pd.DataFrame(key_columns(panel, np.full(count, steps), times.reshape(-1)))
    table["direction"] = np.array(CLASSES, object)[probabilities.argmax(axis=2).ravel()]
    for code, name in enumerate(COLUMNS):
        table[name] = np.round(probabilities[:, :, code].ravel(), DIGITS)
    table["engine"] = np.repeat(np.where(has_enough_rows(model, panel), model.config.network, FALLBACK), steps)
    return table if needed.all() else table[needed].reset_index(drop=True)


def refuse_levels(levels: int | Sequence[int]) -> None:
    """Refuse levels of intervals other than the default ones.

    Raises:
        SettingError: a direction has probabilities instead of intervals.
    """
    if tuple(np.atleast_1d(np.asarray(levels)).tolist()) not in _DEFAULT_LEVELS:
        raise SettingError(
            "a forecast of direction has no intervals: p-falls, p-stays and p-rises are its probabilities",
            f"leave {setting('levels')} out, or fit with {setting('task', 'value')}",
        )


def refuse_beyond(model: Model, steps: int) -> None:
    """Refuse a horizon longer than the trained one.

    Raises:
        SettingError: a direction cannot be rolled forward.
    """
    if steps > model.plan.horizon:
        most = plural(model.plan.horizon, "step")
        raise SettingError(
            f"the model forecasts the direction of {most} at most, {steps} were asked for",
            f"fit again with {setting('horizon', steps)}: a direction gives no value to roll forward from",
        )


def cutoff_notes(model: Model, panel: Panel) -> list[Note]:
    """Return notes on series that are too short for the network, and on those without a reading at their cutoff."""
    notes, short = [], ~has_enough_rows(model, panel)
    absent = ~panel.observed[panel.offsets[1:] - 1]
    if short.any():
        named = first_few([panel.ids[i] or "the series" for i in np.flatnonzero(short).tolist()])
        reason = f"the network needs {model.plan.least} rows, fewer in {named}: class frequencies of training instead"
        notes.append(Note("engine", f"{int(short.sum()):,} of {len(panel):,} series by {FALLBACK}", reason, True))
    if absent.any():
        named = first_few([panel.ids[i] or "the series" for i in np.flatnonzero(absent).tolist()])
        reason = f"the direction is relative to the placeholder in the newest row of {named}"
        notes.append(Note("cutoff", f"no reading in {int(absent.sum()):,} of {len(panel):,} series", reason, True))
    return notes
