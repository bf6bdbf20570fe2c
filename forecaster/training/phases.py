"""The two runs of a training, validation run and final run: what each does after an epoch and after divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from forecaster.engines.engine import CHUNK, Engine
from forecaster.engines.keras import KerasEngine
from forecaster.features.gain_test import STEADY_BEST, gain_t_statistic
from forecaster.features.windows import Windows
from forecaster.losses import relative_gain
from forecaster.training.checkpoint import SavedRun, Values
from forecaster.training.divergence import Advice, Cell, NonFiniteLossError, find_culprit, untrained_error

if TYPE_CHECKING:
    import keras

#: Minimum optimisation steps of an epoch: a small data set is passed several times in one.
LEAST_STEPS = 20
#: Epochs of a final run that continues from the best epoch, as a share of that epoch's number.
FINAL_SHARE = 0.25


@dataclass
class Progress:
    """The progress of a run after an epoch.

    Attributes:
        phase: ``"validation run"``, ``"final run"`` or ``"fine-tuning"``, of the pretrained network.
        epoch: epochs done.
        epochs: maximum number of epochs.
        loss: training loss of this epoch.
        skill: ``1 - validation loss / loss of the seasonal naive forecast``, None in the others.
        eta: seconds left if every epoch is run.
    """

    phase: str
    epoch: int
    epochs: int
    loss: float
    skill: float | None
    eta: float


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class StoppingRule:
    """When a validation run ends, and which epoch it keeps.

    Attributes:
        epochs: maximum number of epochs.
        patience: epochs without improvement until it stops.
        keep: ``"best"``, or ``"last"``: all epochs are run, and the last is kept whatever its validation loss.
        needed_gain: share by which the validation loss must fall, at least, for trained weights to be kept.
    """

    epochs: int
    patience: int
    keep: str = "best"
    needed_gain: float = 0.0


@dataclass
class Run:
    """The result of a validation run.

    Attributes:
        history: ``loss`` and ``val_loss`` of each epoch; ``val_loss`` starts with the untrained network.
        best_epoch: epoch whose weights are kept; 0 is the untrained network.
        epoch_steps: optimisation steps of an epoch.
        whole: an epoch is a pass over all windows.
        keep: ``"best"`` or ``"last"``, see :class:`StoppingRule`.
        interrupted: Ctrl-C ended it.
        lowered: what diverged and why, if training continued with a lower learning rate; else empty.
        gain: share by which training lowered the validation loss.
        needed_gain: see :class:`StoppingRule`.
        window_losses: validation loss of each window with the kept weights, ``(windows,)``.
    """

    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": [], "val_loss": []})
    best_epoch: int = 0
    epoch_steps: int = LEAST_STEPS
    whole: bool = True
    keep: str = "best"
    interrupted: bool = False
    lowered: str = ""
    gain: float = 0.0
    needed_gain: float = 0.0
    window_losses: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def starts_over(self) -> bool:
        """True if the final run starts from the untrained network rather than from the best epoch."""
        return self.whole or self.keep == "last" or not self.best_epoch

    @property
    def final_epochs(self) -> int:
        """The number of epochs of the final run."""
        return self.best_epoch if self.starts_over else math.ceil(FINAL_SHARE * self.best_epoch)


class Trainable(Protocol):
    """The part of :class:`forecaster.training.trainer.Trainer` that a phase uses.

    Attributes:
        network: compiled.
        engine: runs it.
        saved: the saved state of the run.
        advice: for the messages of a divergence.
    """

    network: keras.Model
    engine: KerasEngine
    saved: SavedRun
    advice: Advice

    @property
    def steps_run(self) -> int:
        """The number of steps in an epoch."""

    def state(self) -> list[np.ndarray]:
        """Return a copy of all variables that training changes."""

    def restore(self, state: list[np.ndarray]) -> None:
        """Set all variables that training changes."""

    def start_over(self) -> None:
        """Restore the initial state."""


class Phase(Protocol):
    """One of the two runs.

    Attributes:
        name: ``"validation run"`` or ``"final run"``.
    """

    name: str

    def watch(self, epoch: int, loss: float) -> bool:
        """Look at the averaged weights after an epoch, given its training loss; return True to stop."""

    def go_back(self) -> int:
        """Restore the weights to continue from after divergence; return their epoch."""

    def values_to_save(self) -> Values:
        """Return the values of a checkpoint besides the weights."""


class ValidationPhase:
    """The validation run: it keeps the best weights.

    Args:
        trainer: trains the network.
        run: its result, filled in as it goes.
        validation: windows that choose the epoch.
        rule: when it ends.
        reference: validation loss of the seasonal naive forecast, for the report.
        report: called after each epoch.
    """

    name = "validation run"

    def __init__(
        self,
        trainer: Trainable,
        run: Run,
        validation: Windows,
        rule: StoppingRule,
        reference: float,
        report: Report | None,
    ) -> None:
        self.trainer, self.run, self.validation = trainer, run, validation
        self.rule, self.reference, self.report = rule, reference, report
        self._clock = Clock(trainer, rule.epochs)
        saved = trainer.saved.values
        self.best = saved.get("best") or trainer.state()
        self.before, self.after = saved.get("windows", (np.zeros(0), np.zeros(0)))

    def begin(self) -> None:
        """Compute the validation loss of the untrained network, unless a checkpoint has it.

        Raises:
            DivergedError: it is NaN or infinite.
        """
        losses = self.run.history["val_loss"]
        if not losses:
            self.before = self.after = self._losses(self.validation)
            losses.append(float(self.before.mean()))
            if not math.isfinite(losses[0]):
                raise untrained_error(losses[0], self._find_culprit(), self.trainer.advice)

    def watch(self, epoch: int, loss: float) -> bool:
        """See :class:`Phase`."""
        run, found = self.run, self._losses(self.validation)
        losses = run.history["val_loss"]
        if not math.isfinite(found.mean()):
            loss, steps = float(found.mean()), self.trainer.steps_run
            raise NonFiniteLossError("validation loss", loss, epoch, steps, self._find_culprit())
        losses.append(float(found.mean()))
        run.history["loss"].append(loss)
        if run.keep == "last" or losses[-1] < losses[run.best_epoch]:
            run.best_epoch, self.best, self.after = epoch, self.trainer.state(), found
        if self.report:
            skill = None if math.isnan(self.reference) else 1 - losses[run.best_epoch] / self.reference
            self.report(Progress(self.name, epoch, self.rule.epochs, loss, skill, self._clock.seconds_left(epoch)))
        return epoch - run.best_epoch >= self.rule.patience

    def go_back(self) -> int:
        """See :class:`Phase`."""
        best = self.run.best_epoch
        del self.run.history["val_loss"][best + 1 :], self.run.history["loss"][best:]
        self.trainer.restore(self.best)
        return best

    def values_to_save(self) -> Values:
        """See :class:`Phase`."""
        windows = [self.before, self.after]
        return {"history": self.run.history, "best_epoch": self.run.best_epoch, "windows": windows, "best": self.best}

    def settle(self) -> None:
        """Restore the best weights, or the initial ones if the gain is not significant."""
        run, trainer, losses = self.run, self.trainer, self.run.history["val_loss"]
        run.gain = relative_gain(trainer.network.loss.name, losses[0], losses[run.best_epoch]) if losses else 0.0
        trainer.restore(self.best)
        doubted = run.keep == "best" and run.gain < run.needed_gain
        if run.best_epoch and doubted and gain_t_statistic(self.before, self.after, self.validation) < STEADY_BEST:
            run.best_epoch = 0
            trainer.start_over()
        run.window_losses = self.after if run.best_epoch else self.before

    def _losses(self, windows: Windows) -> np.ndarray:
        return window_losses(self.trainer.network, self.trainer.engine, windows)

    def _find_culprit(self) -> Cell | None:
        return find_culprit(self.validation, lambda some: not np.isfinite(self._losses(some)).all())


class FinalPhase:
    """The final run: it keeps the weights that it ends with.

    Args:
        trainer: trains the network, from its present weights.
        epochs: number of epochs.
        report: called after each epoch.
    """

    name = "final run"

    def __init__(self, trainer: Trainable, epochs: int, report: Report | None) -> None:
        self.trainer, self.epochs, self.report = trainer, epochs, report
        self._first, self._clock = trainer.state(), Clock(trainer, epochs)

    def watch(self, epoch: int, loss: float) -> bool:
        """See :class:`Phase`."""
        if self.report:
            self.report(Progress(self.name, epoch, self.epochs, loss, None, self._clock.seconds_left(epoch)))
        return False

    def go_back(self) -> int:
        """See :class:`Phase`."""
        self.trainer.restore(self._first)
        return 0

    def values_to_save(self) -> Values:
        """See :class:`Phase`."""
        return {}


class Clock:
    """Estimates the seconds left; epochs restored from a checkpoint took none."""

    def __init__(self, trainer: Trainable, epochs: int) -> None:
        self._began, self._first, self._epochs = time.monotonic(), trainer.saved.epoch, epochs

    def seconds_left(self, epoch: int) -> float:
        """Return the seconds left after an epoch if every epoch is run."""
        return (time.monotonic() - self._began) / max(1, epoch - self._first) * (self._epochs - epoch)


def window_losses(network: keras.Model, engine: Engine, windows: Windows) -> np.ndarray:
    """Return the loss of each window, ``(windows,)``: ``evaluate`` of Keras without its overhead per call."""
    found = []
    for first in range(0, len(windows), CHUNK):
        which = np.arange(first, min(first + CHUNK, len(windows)))
        losses = np.asarray(network.loss.call(windows.targets(which)[:, :, None], engine.run(windows.batch(which))))
        weights = windows.target_weights(which)
        found.append((losses if weights is None else losses * weights).mean(axis=1))
    return np.concatenate(found)
