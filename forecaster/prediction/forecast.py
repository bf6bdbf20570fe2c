"""Forecasts with intervals from the end of each series: by the network, or by a baseline where rows are too few."""

from __future__ import annotations

import numpy as np

from forecaster.artifact.model import Model
from forecaster.data.panel.packed import select_series
from forecaster.data.panel.panel import Panel
from forecaster.engines.engine import CHUNK, Engine, Inputs
from forecaster.engines.rolling import roll_forward
from forecaster.errors import ForecasterError
from forecaster.evaluation.baselines import BASELINES
from forecaster.features.inputs import inputs_ahead
from forecaster.features.scaling import Scaler
from forecaster.intervals.uncertainty import NetworkRun, relative_uncertainty, window_uncertainty
from forecaster.pretrained.forecast import ENGINE as PRETRAINED
from forecaster.pretrained.forecast import SHORT, forecast_pretrained
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.outside import outside_ahead
from forecaster.pretrained.stored import engine_of_bytes

#: Largest reading of a series below which squares underflow in float64.
SMALLEST = 1e-100
#: Times the largest reading of its series that no forecast reaches which can be meant.
MOST_TIMES = 1e4
#: Series forecast at once: bounds memory, changes numbers by what float32 rounds at most.
SERIES_AT_ONCE = 8 * CHUNK

#: What forecasts a series with fewer rows than the trained network needs: a baseline of a season or more, or of less;
#: with a pretrained network that one, and a baseline for a series with fewer rows than it needs.
FALLBACKS, PRETRAINED_FALLBACKS = ("seasonal-naive", "naive"), (PRETRAINED, SHORT)


def forecast_panel(
    model: Model,
    engine: Engine,
    panel: Panel,
    steps: int,
    levels: tuple[int, ...],
    working: tuple[float, ...] | None = None,
) -> np.ndarray:
    """Forecast from the end of each series of a panel, not below 0 where no reading was negative.

    Arguments and return value are those of :func:`forecast_unclipped`.
    """
    values = forecast_unclipped(model, engine, panel, steps, levels, working)
    values[below_zero(model, panel, values)] = 0.0
    return values


def forecast_unclipped(
    model: Model,
    engine: Engine,
    panel: Panel,
    steps: int,
    levels: tuple[int, ...],
    working: tuple[float, ...] | None = None,
) -> np.ndarray:
    """Forecast from the end of each series of a panel, negative numbers included.

    Args:
        model: what was trained.
        engine: runs its network.
        panel: the series, with ``beyond`` where the model has future covariates.
        steps: the horizon.
        levels: intervals to give, in percent.
        working: levels asked of the network instead, so that its intervals have the coverage of ``levels``; see
            :mod:`forecaster.intervals.adaptive`.

    Returns:
        np.ndarray: ``(series, steps, 1 + 2 * levels)`` float64: forecast, then lower and upper bound of each level. A
        series that did not change in training nor in its window is forecast as its value.
    """
    values = np.empty((len(panel), steps, 1 + 2 * len(levels)))
    network, engines = has_enough_rows(model, panel), engines_of(model, panel)
    for first in range(0, len(panel), SERIES_AT_ONCE):
        part, able = slice(first, first + SERIES_AT_ONCE), network[first : first + SERIES_AT_ONCE]
        if able.any():
            chunk = select_series(panel, first, first + len(able)).take_series(able)
            values[part][able] = _network_forecast(model, engine, chunk, steps, working or levels)
    if model.pretrained and not network.all():
        pretrained = engine_of_bytes(model.pretrained.onnx)
        short = panel.take_series(~network)
        values[~network] = forecast_pretrained(short, model.plan.seasons, steps, levels, pretrained).values
        return values
    for i in np.flatnonzero(~network).tolist():
        values[i] = BASELINES[engines[i]](panel.values[panel.rows(i)], steps, model.plan.season, levels)
    return values


def has_enough_rows(model: Model, panel: Panel) -> np.ndarray:
    """Return a mask of series with enough rows for the network, ``(series,)`` bool."""
    return panel.lengths >= model.plan.least


def engines_of(model: Model, panel: Panel) -> np.ndarray:
    """Return the name of the network or baseline that forecasts each series, ``(series,)`` object."""
    season = model.plan.season
    if model.pretrained:
        names = np.array([f"{model.network} + {PRETRAINED}", *PRETRAINED_FALLBACKS], object)
        shorter = np.where(panel.lengths >= LEAST, 1, 2)
    else:
        names = np.array([model.network, *FALLBACKS], object)
        shorter = np.where((panel.lengths >= season) & (season > 1), 1, 2)
    return names[np.where(has_enough_rows(model, panel), 0, shorter)]


def refuse_unreasonable_forecast(panel: Panel, values: np.ndarray, steps: int, ranges: np.ndarray) -> None:
    """Refuse forecasts that are 10,000 times the largest reading of their series.

    Args:
        panel: the series.
        values: forecasts of them, ``(series, steps, ...)``.
        steps: the horizon.
        ranges: smallest and largest reading of each series, ``(series, 2)``.

    Raises:
        ForecasterError: naming the first such series.
    """
    largest = np.abs(values[:, :, 0]).max(axis=1)
    size = np.abs(ranges).max(axis=1)
    bad = ~(largest <= MOST_TIMES * np.maximum(size, SMALLEST))
    if bad.any():
        raise ForecasterError(
            f"rolled forward {steps} steps, the forecast of {panel.ids[int(bad.argmax())] or 'the series'} "
            f"reaches {largest[bad][0]:.2g}",
            "ask for a shorter horizon, or fit again with this one",
        )


def _network_forecast(model: Model, engine: Engine, panel: Panel, steps: int, working: tuple[float, ...]) -> np.ndarray:
    plan, scaler = model.plan, model.scaler.matched(model.ids, panel, model.plan.season)
    inputs, series = inputs_ahead(panel, scaler, model.encoder, plan, steps), np.arange(len(panel))
    if model.pretrained:
        pretrained = engine_of_bytes(model.pretrained.onnx)
        inputs["outside"] = outside_ahead(pretrained, panel, scaler, plan, plan.whole_runs(steps))[:, :, None]
    outputs = roll_forward(engine, inputs, steps, plan.steps, plan.indicator).astype(np.float64)
    level = scaler.level(outputs[:, :, 0])
    spreads = _spreads(model, scaler, inputs, outputs, series)
    columns = [level]
    for percent in working:
        below, above = np.moveaxis(model.conformal.widths(percent, spreads) * scaler.spread[:, None, None], 2, 0)
        columns += [level - below, level + above]
    anchor = scaler.anchors(panel, panel.offsets[1:])
    values = scaler.inverse_level(np.stack(columns, axis=2), series, anchor)
    still = (scaler.spread == 0) & (np.ptp(inputs["past"][:, :, 0], axis=1) == 0)
    values[still] = panel.values[panel.offsets[1:] - 1][still, None, None]  # which have no scale
    return values


def _spreads(model: Model, scaler: Scaler, inputs: Inputs, outputs: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the uncertainty of each forecast relative to the typical one, ``(series, steps, 2)``."""
    kind, typical = model.conformal.kind, model.conformal.typical
    if kind == "none":
        return np.ones((*outputs.shape[:2], 2))
    found = window_uncertainty(kind, model.config, model.plan, scaler, NetworkRun(inputs, outputs, series))
    return relative_uncertainty(kind, found, typical)


def never_negative(model: Model, panel: Panel) -> bool:
    """Return True if no reading of the training or of the panel is negative, so that no forecast may be."""
    return bool(model.record["smallest"] >= 0 and panel.values.min(initial=0.0) >= 0)


def below_zero(model: Model, panel: Panel, values: np.ndarray) -> np.ndarray:
    """Return a mask of negative forecasts where no reading was negative, bool of the shape of ``values``."""
    return (values < 0) & never_negative(model, panel)
