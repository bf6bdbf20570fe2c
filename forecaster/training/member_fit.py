"""One network trained on the rows before validation, and scored on the validation rows; the data that it shares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from forecaster.config import Config
from forecaster.data.panel.packed import time_index
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.arrow import return_memory
from forecaster.engines.keras import calibration_engine
from forecaster.families.shapes import Shapes
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.gain_test import STEADY, gain_t_statistic, needed_gain
from forecaster.features.inputs import calendar_table
from forecaster.features.members import Member
from forecaster.features.plan import Plan, refuse_far
from forecaster.features.scaling import Scaler
from forecaster.features.split import Split
from forecaster.features.windows import Windows
from forecaster.intervals.calibration import score_validation, seasonal_naive_of_windows
from forecaster.intervals.conformal import Conformal
from forecaster.networks.factory import build_network
from forecaster.networks.initial.start import find_start
from forecaster.networks.outputs import outputs_of
from forecaster.training.divergence import Advice, Cell, describe_cell, remedies_of
from forecaster.training.fit_progress import FitProgress
from forecaster.training.phases import Run, StoppingRule
from forecaster.training.trainer import Trainer, seed_everything, steps_per_epoch

Result = TypeVar("Result")

#: Windows that the loss is measured on after each epoch; more are thinned.
LOSS_WINDOWS = 500
#: Windows in a batch: at least, as a rule, and at most if an epoch would take more than ``MOST_STEPS`` steps.
LEAST_BATCH, BATCH, MOST_BATCH = 8, 128, 1_024
MOST_STEPS = 2_000


class TrainingData:
    """Data of networks that are compared or combined: settings, plan, and the panel scaled, encoded and cut.

    Args:
        panel: the training series.
        config: the settings of the model.
        plan: what the networks read; its lookback is the longest of theirs.
        fitted: scaler and encoder of a model that is trained further; by default fitted on the rows before validation.

    Attributes:
        panel, config, plan: as given.
        scaler, encoder: fitted.
        split: the windows.
    """

    def __init__(self, panel: Panel, config: Config, plan: Plan, fitted: tuple[Scaler, Encoder] | None = None) -> None:
        self.panel, self.config, self.plan = panel, config, plan
        if fitted is None:
            training = panel.drop_newest(plan.validation)
            fitted = (
                Scaler.fit(training, plan.transform, plan.season, "none" if config.counts else config.scaling),
                Encoder.fit(training),
            )
            del training  # a copy of most of the panel
        else:
            refuse_far(panel, plan.transform)
        self.scaler, self.encoder = fitted
        self.split = Split(panel, self.scaler, self.encoder, plan, config.task == "direction")
        return_memory()

    @property
    def members(self) -> tuple[Member, ...]:
        """The networks of the plan."""
        return members_of(self.config, self.plan)

    def shapes(self, member: Member) -> Shapes:
        """Return the shapes of the inputs and outputs of one network."""
        config = member.applied(self.config)
        return replace(shapes_of(config, self.plan, self.encoder, self.split.panel), lookback=member.lookback)


class MemberFit:
    """One network, trained on the rows before validation and scored on the validation rows.

    Args:
        data: what the networks of the model share.
        member: which of them it is.
        progress: of the fit.
        weights: initial weights, in the order of ``get_weights``; new ones by default.

    Attributes:
        data, member: as given.
        config: the settings of this network.
        trainer: of the network.
        run: the validation run.
        warm_started: it started from given weights.
        scores, conformal: see :func:`forecaster.intervals.calibration.score_validation`.
        seconds: the time it took.

    Raises:
        DivergedError: the loss became NaN or infinite.
        KeyboardInterrupt: Ctrl-C before the end of the first epoch, or a second one while it is scored; the first then
            ends the run once it is scored.
    """

    def __init__(
        self,
        data: TrainingData,
        member: Member,
        progress: FitProgress,
        weights: list[np.ndarray] | None = None,
    ) -> None:
        checkpoints = progress.checkpoints
        began = checkpoints.replayed_seconds()
        seed_everything(member.seed)
        self.data, self.member, self.config = data, member, member.applied(data.config)
        self.warm_started = weights is not None
        split = data.split.reading(member.lookback)
        self.trainer = _build_trainer(self.config, data, member, weights)
        self._calibrating = calibration_engine(self.trainer.engine, self.trainer.network, self.config)
        self.run = self.trainer.validation_run(
            split.training,
            split.validation.thinned(LOSS_WINDOWS),
            _stopping_rule(data, self.warm_started),
            reference=_reference_loss(data.config, data.plan, split.validation),
            report=progress.report,
            saved=checkpoints.begin_run(),
        )
        if self.run.interrupted and not self.run.history["loss"]:
            raise KeyboardInterrupt
        self.scores, self.conformal = retry_once_after_interrupt(self._score, [self.run])
        self.seconds = checkpoints.replayed_seconds() - began

    def _score(self) -> tuple[dict[str, Any], Conformal]:
        split = self.data.split.reading(self.member.lookback)
        return score_validation(self.config, self._calibrating, split, self.data.scaler, self.data.plan)

    @property
    def loss(self) -> float:
        """The validation loss of the kept weights."""
        return self.run.history["val_loss"][self.run.best_epoch]

    def steadier_than(self, other: MemberFit) -> bool:
        """Return True if its validation loss is below that of another steadily, or spans are too few to tell."""
        windows = self.data.split.reading(self.member.lookback).validation.thinned(LOSS_WINDOWS)
        t = gain_t_statistic(other.run.window_losses, self.run.window_losses, windows)
        return t == 0 or t > STEADY

    def untrained_mase(self) -> float:
        """Return the validation MASE of the initial weights."""
        with self.trainer.with_initial_weights():
            return float(self._score()[0]["mase"]["network"])

    def start_over(self) -> None:
        """Restore the initial weights, for good."""
        self.run.best_epoch, self.run.gain = 0, 0.0
        self.trainer.start_over()
        self.scores, self.conformal = self._score()

    def final_run(self, progress: FitProgress) -> bool:
        """Train on all rows; see :meth:`forecaster.training.trainer.Trainer.final_run`."""
        windows = self.data.split.everything.reading(self.member.lookback)
        start = None
        if self.run.starts_over and not self.warm_started:
            try:
                start = find_start(self.config, self.data.shapes(self.member), windows)
            except KeyboardInterrupt:
                return False
        saved = progress.checkpoints.begin_run()
        return self.trainer.final_run(windows, self.run, start, report=progress.report, saved=saved)


def members_of(config: Config, plan: Plan) -> tuple[Member, ...]:
    """Return the networks of a model: those of the plan, or else the one of the settings."""
    return plan.members or (Member(config.network, config.seed, plan.lookback, plan.segment),)


def shapes_of(config: Config, plan: Plan, encoder: Encoder, panel: Panel) -> Shapes:
    """Return the shapes of the inputs and outputs of a network that reads the whole lookback of a plan."""
    return Shapes(
        lookback=plan.lookback,
        steps=plan.steps,
        calendar=calendar_table(time_index(panel)[0][:1], panel, plan).shape[1],
        known=encoder.known_width,
        past=encoder.past_width + plan.indicator,
        static=encoder.static_width,
        categories=tuple(size - 1 for size in encoder.sizes),
        seasons=plan.seasons,
        indicator=plan.indicator,
        outputs=outputs_of(config),
    )


def _build_trainer(config: Config, data: TrainingData, member: Member, weights: list[np.ndarray] | None) -> Trainer:
    training = data.split.training.reading(member.lookback)
    batch_size = batch_size_of(config, len(training))
    steps = config.epoch_steps or steps_per_epoch(len(training), batch_size, data.plan.steps)
    shapes = data.shapes(member)
    start = find_start(config, shapes, training) if weights is None else None
    network = build_network(config, shapes, start, config.epochs * steps)
    if weights is not None:
        network.set_weights(weights)

    def describe(cell: Cell) -> str:
        return describe_cell(data.split.panel, data.encoder, cell)

    advice = Advice(describe, remedies_of(config, further=weights is not None))
    return Trainer(network, batch_size, steps, config.seed, config.averaging, advice)


def _stopping_rule(data: TrainingData, further: bool) -> StoppingRule:
    config = data.config
    gain = 0.0 if further else needed_gain(config, data.plan, data.panel)
    return StoppingRule(config.epochs, config.patience, config.keep, gain)


def batch_size_of(config: Config, windows: int) -> int:
    """Return the windows in a batch: the given number, or the usual one, doubled while an epoch has too many steps.

    Args:
        config: ``batch_size`` is read.
        windows: number of training windows.
    """
    size = config.batch_size or BATCH
    while config.batch_size is None and size < MOST_BATCH and windows > MOST_STEPS * size:
        size *= 2
    return min(size, max(LEAST_BATCH, windows))


def _reference_loss(config: Config, plan: Plan, validation: Windows) -> float:
    """Return the validation loss of the seasonal naive forecast, on the windows that it can forecast.

    NaN if the loss is not that of a point forecast.
    """
    from forecaster.losses import LOSSES

    if outputs_of(config) > 1:
        return math.nan
    values = validation.values[:, 0] if validation.causal is None else validation.causal
    forecast = seasonal_naive_of_windows(values, validation, plan.season, plan.steps).astype(np.float32)
    target, weights = validation.targets(), validation.target_weights()
    known = np.isfinite(forecast) * (1.0 if weights is None else weights)
    forecast = np.nan_to_num(forecast)
    return float(LOSSES[config.loss].build()(target[:, :, None], forecast[:, :, None], sample_weight=known))


def retry_once_after_interrupt(work: Callable[[], Result], runs: list[Run]) -> Result:
    """Return the result of work; if Ctrl-C interrupts it, mark the runs as interrupted and work once more.

    Raises:
        KeyboardInterrupt: a second Ctrl-C.
    """
    try:
        return work()
    except KeyboardInterrupt:
        for run in runs:
            run.interrupted = True
        return work()
