"""One network trained on the rows before validation, and scored on the validation rows."""

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
from forecaster.training.checkpoint import replayed_elapsed_time
from forecaster.training.divergence import Cell, describe_cell, remedies_of
from forecaster.training.phases import Report, Run
from forecaster.training.trainer import Trainer, seed_everything, steps_per_epoch

Found = TypeVar("Found")

#: Windows that the loss after each epoch is measured on; more are thinned.
LOSS_WINDOWS = 500
#: Windows in a batch: at least, as a rule, and at most where an epoch would take more than ``MOST_STEPS`` steps.
LEAST_BATCH, BATCH, MOST_BATCH = 8, 128, 1_024
MOST_STEPS = 2_000


class TrainingData:
    """A panel made ready for networks that are compared or combined: scaled, encoded and cut into windows.

    Args:
        panel: the series.
        config: ``scaling`` is read.
        plan: what the networks read; its lookback is the longest of theirs.
        fitted: scaling and encoding of a model that is trained further; fitted on the rows before validation by
            default.
    """

    def __init__(self, panel: Panel, config: Config, plan: Plan, fitted: tuple[Scaler, Encoder] | None = None) -> None:
        self.panel, self.plan = panel, plan
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

    def shapes(self, config: Config, member: Member) -> Shapes:
        """Return what one network must fit."""
        return replace(shapes_of(config, self.plan, self.encoder, self.split.panel), lookback=member.lookback)


class MemberFit:
    """One network, trained on the rows before validation and scored on the validation rows.

    Args:
        ready: the panel.
        config: the settings of the model.
        member: which network of the model it is.
        report: called after each epoch.
        weights: what to start from, in the order of ``get_weights``; new ones by default.

    Attributes:
        run: the validation run.
        further: it started from given weights.
        scores, conformal: see :func:`forecaster.intervals.calibration.score_validation`.
        seconds: what it took.

    Raises:
        KeyboardInterrupt: Ctrl-C before the end of the first epoch; or twice while it is scored, which once leaves for
            the end of the scoring.
    """

    def __init__(
        self,
        ready: TrainingData,
        config: Config,
        member: Member,
        report: Report | None,
        weights: list[np.ndarray] | None = None,
    ) -> None:
        began = replayed_elapsed_time()
        seed_everything(member.seed)
        self.ready, self.member, self.config = ready, member, member.applied(config)
        self.further = weights is not None
        plan, split = ready.plan, ready.split.reading(member.lookback)
        self.trainer = _trainer(self.config, ready, member, split, weights)
        self._calibrating = calibration_engine(self.trainer.engine, self.trainer.network, self.config)
        self.run = self.trainer.validation_run(
            split.training,
            split.validation.thinned(LOSS_WINDOWS),
            config.epochs,
            config.patience,
            keep=config.keep,
            needed_gain=0.0 if self.further else needed_gain(config, plan, ready.panel),
            reference=_reference(config, plan, split.validation),
            report=report,
        )
        if self.run.interrupted and not self.run.history["loss"]:
            raise KeyboardInterrupt
        self.scores, self.conformal = retry_once_after_interrupt(self._scored, [self.run])
        self.seconds = replayed_elapsed_time() - began

    def _scored(self) -> tuple[dict[str, Any], Conformal]:
        split = self.ready.split.reading(self.member.lookback)
        return score_validation(self.config, self._calibrating, split, self.ready.scaler, self.ready.plan)

    @property
    def loss(self) -> float:
        """The validation loss of the weights that were kept."""
        return self.run.history["val_loss"][self.run.best_epoch]

    def steadier_than(self, other: MemberFit) -> bool:
        """Return whether its validation loss lies below that of another steadily, or stretches are too few to tell."""
        windows = self.ready.split.reading(self.member.lookback).validation.thinned(LOSS_WINDOWS)
        t = gain_t_statistic(other.run.window_losses, self.run.window_losses, windows)
        return t == 0 or t > STEADY

    def untrained_mase(self) -> float:
        """Return the validation MASE of the weights that the network began with."""
        with self.trainer.untrained():
            return float(self._scored()[0]["mase"]["network"])

    def start_over(self) -> None:
        """Give the network the weights that it began with, for good."""
        self.run.best_epoch, self.run.gain = 0, 0.0
        self.trainer.start_over()
        self.scores, self.conformal = self._scored()

    def final_run(self, report: Report | None) -> bool:
        """Train on all rows; see :meth:`forecaster.training.trainer.Trainer.final_run`."""
        windows = self.ready.split.everything.reading(self.member.lookback)
        start = None
        if self.run.starts_over and not self.further:
            try:
                start = find_start(self.config, self.ready.shapes(self.config, self.member), windows)
            except KeyboardInterrupt:
                return False
        return self.trainer.final_run(windows, self.run, start, report)


def members_of(config: Config, plan: Plan) -> tuple[Member, ...]:
    """Return the networks of a model; the one of the settings themselves where the plan names none."""
    return plan.members or (Member(config.network, config.seed, plan.lookback, plan.segment),)


def shapes_of(config: Config, plan: Plan, encoder: Encoder, panel: Panel) -> Shapes:
    """Return what a network must fit that reads the whole lookback of a plan."""
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


def _trainer(
    config: Config, ready: TrainingData, member: Member, split: Split, weights: list[np.ndarray] | None
) -> Trainer:
    batch_size = batch_size_of(config, len(split.training))
    steps = config.epoch_steps or steps_per_epoch(len(split.training), batch_size, ready.plan.steps)
    shapes = ready.shapes(config, member)
    start = find_start(config, shapes, split.training) if weights is None else None
    network = build_network(config, shapes, start, config.epochs * steps)
    if weights is not None:
        network.set_weights(weights)

    def described(cell: Cell) -> str:
        return describe_cell(ready.split.panel, ready.encoder, cell)

    remedies = remedies_of(config, further=weights is not None)
    return Trainer(network, batch_size, steps, config.seed, config.averaging, described, remedies)


def batch_size_of(config: Config, windows: int) -> int:
    """Return the windows in a batch: the given number, or twice as many as the rule while an epoch has too many.

    Args:
        config: ``batch_size`` is read.
        windows: windows to learn from.
    """
    size = config.batch_size or BATCH
    while config.batch_size is None and size < MOST_BATCH and windows > MOST_STEPS * size:
        size *= 2
    return min(size, max(LEAST_BATCH, windows))


def _reference(config: Config, plan: Plan, validation: Windows) -> float:
    """Return the validation loss of the seasonal naive forecast, on the windows that it can forecast.

    NaN where the loss is not of a point forecast alone.
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


def retry_once_after_interrupt(work: Callable[[], Found], runs: list[Run]) -> Found:
    """Return what is found out of trained networks, over again where Ctrl-C falls in it, which then ends their runs.

    Raises:
        KeyboardInterrupt: a second Ctrl-C.
    """
    try:
        return work()
    except KeyboardInterrupt:
        for run in runs:
            run.interrupted = True
        return work()


def name_member_in_report(report: Report | None, member: Member, count: int) -> Report | None:
    """Return a report that names the member, where there are several."""
    if report is None or count == 1:
        return report
    return lambda progress: report(replace(progress, phase=f"{member.name}, {progress.phase}"))
