"""The two runs of a training while they go on: what they watch, where they go back to, what a checkpoint keeps."""

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
from forecaster.training.checkpoint import Saved, Values
from forecaster.training.divergence import Cell, Divergence, Remedies, find_culprit, untrained_error

if TYPE_CHECKING:
    import keras

#: Optimisation steps of an epoch at least; a small data set is passed several times in one epoch.
LEAST_STEPS = 20
#: Epochs of the final run, as a share of those that the validation run found best.
FINAL_SHARE = 0.25


@dataclass
class Progress:
    """Where a run stands after an epoch.

    Attributes:
        phase: ``"validation run"`` or ``"final run"``.
        epoch: epochs done.
        epochs: epochs at most.
        loss: training loss of this epoch.
        skill: ``1 - validation loss / loss of the seasonal naive forecast``, None in the final run.
        eta: seconds left, were every epoch run.
    """

    phase: str
    epoch: int
    epochs: int
    loss: float
    skill: float | None
    eta: float


Report = Callable[[Progress], None]


@dataclass
class Run:
    """What a validation run found.

    Attributes:
        history: ``loss`` and ``val_loss`` of each epoch; ``val_loss`` starts with the untrained network.
        best_epoch: epoch whose weights are kept; 0 is the untrained network.
        epoch_steps: optimisation steps of an epoch.
        whole: an epoch is a pass over all windows.
        keep: which epoch was to be kept, ``"best"`` or ``"last"``.
        interrupted: True where Ctrl-C ended it.
        lowered: what diverged and why, where training went on with a lower learning rate; else empty.
        gain: share by which training lowered the validation loss.
        needed_gain: share by which it had to be lowered for the trained weights to be believed.
        window_losses: validation loss of each window with the weights that are kept, ``(windows,)``.
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
        """Whether the final run begins as this one did, and not where it was best."""
        return self.whole or self.keep == "last" or not self.best_epoch

    @property
    def final_epochs(self) -> int:
        """Epochs of the final run."""
        return self.best_epoch if self.starts_over else math.ceil(FINAL_SHARE * self.best_epoch)


class Trainable(Protocol):
    """What a phase needs of what trains, see :class:`forecaster.training.trainer.Trainer`.

    Attributes:
        network: compiled.
        engine: forecasts with it.
        saved: what a checkpoint has of the run.
        described: says for a person what a cell of the windows is.
        remedies: settings that may be advised.
    """

    network: keras.Model
    engine: KerasEngine
    saved: Saved
    described: Callable[[Cell], str]
    remedies: Remedies

    @property
    def executed(self) -> int:
        """Steps of an epoch."""

    def state(self) -> list[np.ndarray]:
        """Return all that training changes."""

    def restore(self, state: list[np.ndarray]) -> None:
        """Give the network a state."""

    def start_over(self) -> None:
        """Give the network the state that it began with."""


class Phase(Protocol):
    """One of the two runs.

    Attributes:
        name: ``"validation run"`` or ``"final run"``.
    """

    name: str

    def watch(self, epoch: int, loss: float) -> bool:
        """See the averaged weights after an epoch of this training loss; return whether to stop."""

    def back(self) -> int:
        """Give the network the weights to go on from after training diverged; return the epoch that they are of."""

    def so_far(self) -> Values:
        """Return what the next sitting needs to have beside the weights."""


class ValidationPhase:
    """The validation run: it keeps the best weights.

    Args:
        trainer: what trains.
        run: what is found.
        validation: windows to choose the epoch by.
        epochs: epochs at most.
        patience: epochs without improvement.
        reference: validation loss of the seasonal naive forecast, for the report.
        report: called after each epoch.
    """

    name = "validation run"

    def __init__(
        self,
        trainer: Trainable,
        run: Run,
        validation: Windows,
        epochs: int,
        patience: int,
        reference: float,
        report: Report | None,
    ) -> None:
        self.trainer, self.run, self.validation = trainer, run, validation
        self.epochs, self.patience, self.reference, self.report = epochs, patience, reference, report
        self._clock = Clock(trainer, epochs)
        saved = trainer.saved.values
        self.best = saved.get("best") or trainer.state()
        self.before, self.after = saved.get("windows", (np.zeros(0), np.zeros(0)))

    def begin(self) -> None:
        """Find the validation loss of the untrained network, where a checkpoint has none.

        Raises:
            DivergedError: it is NaN or infinite.
        """
        losses = self.run.history["val_loss"]
        if not losses:
            self.before = self.after = self._losses(self.validation)
            losses.append(float(self.before.mean()))
            if not math.isfinite(losses[0]):
                raise untrained_error(losses[0], self._blamed(), self.trainer.described, self.trainer.remedies)

    def watch(self, epoch: int, loss: float) -> bool:
        """See :class:`Phase`."""
        run, found = self.run, self._losses(self.validation)
        losses = run.history["val_loss"]
        if not math.isfinite(found.mean()):
            raise Divergence("validation loss", float(found.mean()), epoch, self.trainer.executed, self._blamed())
        losses.append(float(found.mean()))
        run.history["loss"].append(loss)
        if run.keep == "last" or losses[-1] < losses[run.best_epoch]:
            run.best_epoch, self.best, self.after = epoch, self.trainer.state(), found
        if self.report:
            skill = None if math.isnan(self.reference) else 1 - losses[run.best_epoch] / self.reference
            self.report(Progress(self.name, epoch, self.epochs, loss, skill, self._clock.left(epoch)))
        return epoch - run.best_epoch >= self.patience

    def back(self) -> int:
        """See :class:`Phase`."""
        best = self.run.best_epoch
        del self.run.history["val_loss"][best + 1 :], self.run.history["loss"][best:]
        self.trainer.restore(self.best)
        return best

    def so_far(self) -> Values:
        """See :class:`Phase`."""
        windows = [self.before, self.after]
        return {"history": self.run.history, "best_epoch": self.run.best_epoch, "windows": windows, "best": self.best}

    def settle(self) -> None:
        """Give the network the best weights; those that it began with, where these are not to be believed."""
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

    def _blamed(self) -> Cell | None:
        return find_culprit(self.validation, lambda some: not np.isfinite(self._losses(some)).all())


class FinalPhase:
    """The final run: it keeps the weights that it ends with.

    Args:
        trainer: what trains, with the weights to begin with.
        epochs: epochs to train.
        report: called after each epoch.
    """

    name = "final run"

    def __init__(self, trainer: Trainable, epochs: int, report: Report | None) -> None:
        self.trainer, self.epochs, self.report = trainer, epochs, report
        self._first, self._clock = trainer.state(), Clock(trainer, epochs)

    def watch(self, epoch: int, loss: float) -> bool:
        """See :class:`Phase`."""
        if self.report:
            self.report(Progress(self.name, epoch, self.epochs, loss, None, self._clock.left(epoch)))
        return False

    def back(self) -> int:
        """See :class:`Phase`."""
        self.trainer.restore(self._first)
        return 0

    def so_far(self) -> Values:
        """See :class:`Phase`."""
        return {}


class Clock:
    """Says how many seconds are left; epochs that a checkpoint had took none."""

    def __init__(self, trainer: Trainable, epochs: int) -> None:
        self._began, self._first, self._epochs = time.monotonic(), trainer.saved.epoch, epochs

    def left(self, epoch: int) -> float:
        """Return the seconds that are left after an epoch, were every one run."""
        return (time.monotonic() - self._began) / max(1, epoch - self._first) * (self._epochs - epoch)


def window_losses(network: keras.Model, engine: Engine, windows: Windows) -> np.ndarray:
    """Return the loss of each window, ``(windows,)``: Keras's ``evaluate`` without its cost for each call."""
    found = []
    for first in range(0, len(windows), CHUNK):
        which = np.arange(first, min(first + CHUNK, len(windows)))
        losses = np.asarray(network.loss.call(windows.targets(which)[:, :, None], engine.run(windows.batch(which))))
        weights = windows.target_weights(which)
        found.append((losses if weights is None else losses * weights).mean(axis=1))
    return np.concatenate(found)
