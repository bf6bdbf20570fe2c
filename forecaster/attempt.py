"""One network trained on the rows before validation, and scored on the validation rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.data.packed import clock
from forecaster.data.panel import Panel
from forecaster.data.tables.arrays import release
from forecaster.encoding import Encoder
from forecaster.errors import DataError
from forecaster.evaluation.intervals import Conformal
from forecaster.evaluation.metrics import seasonal_scale, skill
from forecaster.features import calendar_table, from_the_past, padded_panel, windows_of
from forecaster.inference import Engine, roll_forward
from forecaster.networks.factory import build_network
from forecaster.networks.shapes import Shapes
from forecaster.networks.start import find_start
from forecaster.planning import Plan
from forecaster.scaling import Scaler
from forecaster.training import Report, Trainer, seed_everything, steps_per_epoch
from forecaster.windowing import Windows

#: Windows that validation looks at; more are thinned.
VALIDATION_WINDOWS = 5_000
#: Windows in a batch: at least, as a rule, and at most where an epoch would take more than ``MOST_STEPS`` steps.
LEAST_BATCH, BATCH, MOST_BATCH = 8, 128, 1_024
MOST_STEPS = 2_000
#: Gain over the untrained network that is asked for, for one separate stretch of validation rows; see _needed_gain.
NEEDED_GAIN = 0.2


class Attempt:
    """One network trained on the rows before validation, scored on the validation rows."""

    def __init__(self, panel: Panel, config: Config, plan: Plan, report: Report | None) -> None:
        seed_everything(config.seed)
        training = panel.drop_newest(plan.validation)
        self.panel, self.plan = panel, plan
        self.scaler = Scaler.fit(training, plan.transform, plan.season, config.scaling)
        self.encoder = Encoder.fit(training)
        del training  # a copy of most of the panel
        self.split = Split(panel, self.scaler, self.encoder, plan)
        release()
        self.trainer = _trainer(config, plan, self.split, self.encoder)
        self.run = self.trainer.validation_run(
            self.split.training,
            self.split.validation,
            config.epochs,
            config.patience,
            needed_gain=_needed_gain(config, plan, panel),
            reference=_reference(config, plan, self.split.validation),
            report=report,
        )
        if self.run.interrupted and not self.run.history["loss"]:
            raise KeyboardInterrupt
        self.scores, self.conformal = _score(self.trainer.engine, self.split, self.scaler, plan)

    @property
    def loss(self) -> float:
        """The validation loss of the weights that were kept."""
        return self.run.history["val_loss"][self.run.best_epoch]


class Split:
    """Windows by time: to learn from, to choose the epoch by, to score at the whole horizon, and all of them."""

    def __init__(self, panel: Panel, scaler: Scaler, encoder: Encoder, plan: Plan) -> None:
        short = panel.lengths < plan.lookback + plan.horizon + plan.validation
        lengths = panel.lengths + plan.lookback - plan.least
        self.panel, self.padding = padded_panel(panel, lengths, plan.season, short)
        windows = windows_of(self.panel, self.padding, scaler, encoder, plan)
        self.training = windows(plan.steps, (None, plan.validation))
        self.validation = windows(plan.steps, (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.scored = windows(plan.whole_runs(plan.horizon), (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.everything = windows(plan.steps, (None, 0))
        for part, what in ((self.training, "to learn from"), (self.scored, "for validation")):
            if not len(part):
                raise DataError(
                    f"too many readings are missing: no stretch of {plan.lookback + plan.horizon} rows {what} has gaps "
                    f"of at most {plan.bearable} rows",
                    "--gaps fill fills them; or use a shorter --lookback and --horizon",
                )


def resolved(config: Config, plan: Plan) -> Config:
    """Return the settings that a network is built from."""
    return config.replace(segment=plan.segment)


def shapes_of(plan: Plan, encoder: Encoder, panel: Panel) -> Shapes:
    """Return what a network of a plan must fit."""
    return Shapes(
        lookback=plan.lookback,
        steps=plan.steps,
        calendar=calendar_table(clock(panel)[0][:1], panel, plan).shape[1],
        known=encoder.known_width,
        past=encoder.past_width + plan.indicator,
        static=encoder.static_width,
        categories=tuple(size - 1 for size in encoder.sizes),
        seasons=plan.seasons,
        indicator=plan.indicator,
    )


def _trainer(config: Config, plan: Plan, split: Split, encoder: Encoder) -> Trainer:
    batch_size = _batch_size(config, len(split.training))
    decay = config.epochs * steps_per_epoch(len(split.training), batch_size)
    shapes = shapes_of(plan, encoder, split.panel)
    start = find_start(config, shapes, split.training)
    return Trainer(
        build_network(resolved(config, plan), shapes, start, decay), batch_size, config.seed, config.averaging
    )


def _batch_size(config: Config, windows: int) -> int:
    """Return the windows in a batch: the given number, or twice as many as the rule while an epoch has too many."""
    size = config.batch_size or BATCH
    while config.batch_size is None and size < MOST_BATCH and windows > MOST_STEPS * size:
        size *= 2
    return min(size, max(LEAST_BATCH, windows))


def _needed_gain(config: Config, plan: Plan, panel: Panel) -> float:
    """Return the share by which training must lower the validation loss of the simple forecast it starts from.

    Validation rows hold ``rows / horizon`` separate stretches, and a mean over so many fluctuates by one over their
    root; a gain far inside that is more likely to be luck than skill.
    """
    if config.base == "none":
        return 0.0
    return NEEDED_GAIN * min(1.0, (plan.horizon / (plan.validation * len(panel))) ** 0.5)


def _seasonal_naive(values: np.ndarray, windows: Windows, season: int, horizon: int) -> np.ndarray:
    """Return the value one season before each target step, ``(windows, horizon)``; NaN before the series begins."""
    rows = windows.starts[:, None] - season + np.arange(horizon) % season
    begun = rows >= windows.offsets[windows.series()][:, None]
    return np.where(begun, values[np.maximum(rows, 0)], np.nan)


def _reference(config: Config, plan: Plan, validation: Windows) -> float:
    """Return the validation loss of the seasonal naive forecast, on the windows that it can forecast."""
    from forecaster.networks.losses import LOSSES

    values = validation.values[:, 0] if validation.causal is None else validation.causal
    forecast = _seasonal_naive(values, validation, plan.season, plan.steps).astype(np.float32)
    target, weights = validation.targets(), validation.target_weights()
    known = np.isfinite(forecast) * (1.0 if weights is None else weights)
    forecast = np.nan_to_num(forecast)
    return float(LOSSES[config.loss]()(target[:, :, None], forecast[:, :, None], sample_weight=known))


def _score(engine: Engine, split: Split, scaler: Scaler, plan: Plan) -> tuple[dict[str, Any], Conformal]:
    """Return the scores on validation windows, beside naive and seasonal naive, and the interval scores."""
    windows, values = split.scored, split.panel.values
    series, rows = windows.series(), windows.starts[:, None] + np.arange(plan.horizon)
    observed, actual = split.panel.observed[rows], values[rows].astype(np.float64)
    scaled = roll_forward(engine, windows.batch(), windows.horizon, plan.steps, plan.indicator)[:, : plan.horizon]
    causal = from_the_past(split.panel)
    anchor = scaler.anchors(causal, windows.starts)
    forecasts = {
        "network": scaler.inverse(scaled, series, anchor),
        "seasonal-naive": _seasonal_naive(causal.values, windows, plan.season, plan.horizon),
        "naive": np.repeat(causal.values[windows.starts - 1][:, None], plan.horizon, axis=1),
    }
    alive = moving(split.panel, split.padding, plan.validation)
    spread = np.where(scaler.spread > 0, scaler.spread, 1.0)
    residuals = scaler.level(windows.targets()[:, : plan.horizon]) - scaler.level(scaled)
    residuals = residuals / spread[series][:, None]
    counted = observed & alive[series][:, None]
    conformal = Conformal.fit(residuals, counted, _stretches(residuals, counted, windows, plan))
    units = np.full(len(split.panel), np.nan)
    for i in np.unique(series):
        part = slice(split.panel.offsets[i] + split.padding[i], split.panel.offsets[i + 1] - plan.validation)
        units[i] = seasonal_scale(values[part], plan.season, split.panel.observed[part])
    mase = {}
    for name, forecast in forecasts.items():
        errors = np.abs(forecast - actual) / units[series][:, None]
        errors = errors[observed & np.isfinite(errors)]
        mase[name] = float(errors.mean()) if errors.size else math.nan
    skills = {name: skill(mase["network"], mase[name]) for name in ("seasonal-naive", "naive")}
    return {"windows": len(windows), "mase": mase, "skill": skills}, conformal


def _stretches(residuals: np.ndarray, counted: np.ndarray, windows: Windows, plan: Plan) -> float:
    """Return how many independent values the errors of each step are worth.

    ``n (1 - r) / (1 + r)`` of ``n`` windows whose neighbours' errors correlate by ``r``, the effective size of an
    autoregressive sample (Bayley & Hammersley 1946, JRSS Supplement 8(2)); no fewer than the separate stretches of one
    horizon that the rows hold. The correlation is about zero, not about the mean, so that a steady bias counts too.
    """
    series = windows.series()
    errors = np.where(counted, residuals, 0.0)
    pairs = (series[1:] == series[:-1])[:, None] & counted[1:] & counted[:-1]
    power = float((errors**2 * counted).sum()) / max(1, counted.sum())
    shared = float((errors[1:] * errors[:-1] * pairs).sum()) / max(1, pairs.sum())
    r = min(max(shared / power, 0.0), 0.999) if power > 0 else 0.0
    alive = len(np.unique(series[counted.any(axis=1)]))
    return max(alive * plan.validation / plan.horizon, counted.any(axis=1).sum() * (1 - r) / (1 + r))


def moving(panel: Panel, oldest: np.ndarray | int = 0, newest: int = 0) -> np.ndarray:
    """Return which series are not constant, ``(series,)`` bool.

    Args:
        panel: the series.
        oldest: rows at the start of each that do not count, ``(series,)`` int or one number.
        newest: likewise at the end; each series has more than both.
    """
    bounds = np.stack([panel.offsets[:-1] + oldest, panel.offsets[1:] - newest], axis=1).ravel()
    bounds = bounds if newest else bounds[:-1]  # the end of the last series is no row
    high, low = (function.reduceat(panel.values, bounds)[::2] for function in (np.maximum, np.minimum))
    return np.asarray(high > low)
