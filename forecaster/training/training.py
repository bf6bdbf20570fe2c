"""The fit loop: early stopping with best weights, the final run, the device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import DivergedError
from forecaster.gains import STEADY_BEST, steadiness
from forecaster.inference import CHUNK, Engine, KerasEngine
from forecaster.networks.losses import gain
from forecaster.networks.optimizers import LOWERED, first_rate, lower_rate
from forecaster.networks.start import Start, set_start
from forecaster.training.batches import make_batches
from forecaster.training.checkpoint import Saved, Values, next_run
from forecaster.training.divergence import Cell, Divergence, cause_of, to_blame, untrained_error
from forecaster.windowing import Windows

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Optimisation steps of an epoch at least; a small data set is passed several times in one epoch.
LEAST_STEPS = 20
#: Windows that an epoch takes of each stretch of one horizon, and steps below which it takes all that there are.
OVERLAPPING, ENOUGH_STEPS = 10, 50
#: Steps of a recurrent layer at most that are traced one by one.
UNROLLED = 12
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
#: Of an epoch and its loss, whether to stop.
Watch = Callable[[int, float], bool]


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


def device_name() -> str:
    """Return what TensorFlow trains on, for a person: ``"GPU (NVIDIA H200)"`` or ``"CPU"``."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return f"GPU ({', '.join(names)})"


def seed_everything(seed: int) -> None:
    """Make a run repeat itself byte for byte on the same machine."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def steps_per_epoch(windows: int, batch_size: int, horizon: int = 1) -> int:
    """Return the optimisation steps of one epoch: of windows that share nearly all of their targets only some.

    Args:
        windows: windows to learn from.
        batch_size: windows in a batch.
        horizon: target steps of a window: so many windows begin in each stretch of one horizon.
    """
    whole = math.ceil(windows / batch_size)
    some = math.ceil(windows * OVERLAPPING / (horizon * batch_size))
    return max(LEAST_STEPS, min(whole, max(ENOUGH_STEPS, some)))


class Trainer:
    """Trains one network, and can start over from the weights it began with without compiling again.

    What is validated, kept and shipped is the average of the weights over the epochs, ``averaging * average + (1 -
    averaging) * weights`` after each, from the untrained weights on (Polyak & Juditsky 1992, Acceleration of stochastic
    approximation by averaging, SIAM J. Control Optim. 30(4), in its exponential form).

    Where the loss becomes NaN or infinite, training goes back to the best weights so far, and on from there with a
    tenth of the learning rate, once: of the validation run and the final run, the first that diverges.

    Args:
        network: compiled, from :func:`forecaster.networks.factory.build_network`.
        batch_size: windows in a batch.
        steps: optimisation steps of an epoch.
        seed: seed of the shuffling.
        averaging: share of the old average kept; 0 for none.
        described: says for a person what a cell of the windows is.

    Attributes:
        saved: what a checkpoint has of the run that was begun last.
    """

    saved = Saved()

    def __init__(
        self,
        network: keras.Model,
        batch_size: int,
        steps: int,
        seed: int,
        averaging: float = 0.0,
        described: Callable[[Cell], str] = str,
    ) -> None:
        self.network, self.batch_size, self.steps, self.described = network, batch_size, steps, described
        self.seed, self.averaging = seed, averaging
        network.optimizer.build(network.trainable_variables)
        network.steps_per_execution = min(steps, LEAST_STEPS)
        _unroll(network)
        self.engine = KerasEngine(network)
        self._start = self._state()
        self._began = 0, self._start

    def validation_run(
        self,
        training: Windows,
        validation: Windows,
        epochs: int,
        patience: int,
        *,
        keep: str = "best",
        needed_gain: float = 0.0,
        reference: float = math.nan,
        report: Report | None = None,
    ) -> Run:
        """Train until the validation loss has not fallen for ``patience`` epochs; keep the best weights.

        The untrained network counts as epoch 0, and is kept where the best epoch lowered its loss by less than
        ``needed_gain``, and not steadily either; see :func:`forecaster.gains.steadiness`.
        Ctrl-C ends the run and keeps the best weights so far. With ``keep="last"`` all epochs are run, and the last
        counts as the best, whatever the validation loss says.

        Args:
            training: windows to learn from.
            validation: windows to choose the epoch by.
            epochs: epochs at most.
            patience: epochs without improvement.
            keep: ``"best"`` or ``"last"``.
            needed_gain: share of the untrained network's validation loss.
            reference: validation loss of the seasonal naive forecast, for the progress report.
            report: called after each epoch.

        Raises:
            DivergedError: the loss became NaN or infinite, with a lower learning rate too, or before training.
        """
        network, engine, whole = self.network, self.engine, self.steps * self.batch_size >= len(training)
        run = Run(epoch_steps=self.steps, whole=whole, keep=keep, needed_gain=needed_gain)
        if self._kept(run):
            return run
        best = self.saved.values.get("best") or self._state()
        losses, began = run.history["val_loss"], time.monotonic()
        before, after = self.saved.values.get("windows", (np.zeros(0), np.zeros(0)))

        def blamed() -> Cell | None:
            return to_blame(validation, lambda some: not np.isfinite(window_losses(network, engine, some)).all())

        def watch(epoch: int, loss: float) -> bool:
            nonlocal best, after
            found = window_losses(network, engine, validation)
            if not math.isfinite(found.mean()):
                raise Divergence("validation loss", float(found.mean()), epoch, self._executed, blamed())
            losses.append(float(found.mean()))
            run.history["loss"].append(loss)
            if keep == "last" or losses[-1] < losses[run.best_epoch]:
                run.best_epoch, best, after = epoch, self._state(), found
            if report:
                skill = None if math.isnan(reference) else 1 - losses[run.best_epoch] / reference
                report(Progress("validation run", epoch, epochs, loss, skill, self._eta(began, epoch, epochs)))
            return epoch - run.best_epoch >= patience

        def back() -> int:
            del losses[run.best_epoch + 1 :], run.history["loss"][run.best_epoch :]
            self._restore(best)
            return run.best_epoch

        def so_far() -> Values:
            return {"history": run.history, "best_epoch": run.best_epoch, "windows": [before, after], "best": best}

        try:
            if not losses:
                before = after = window_losses(network, engine, validation)
                losses.append(float(before.mean()))
                if not math.isfinite(losses[0]):
                    raise untrained_error(losses[0], blamed(), self.described)
            self._train(training, epochs, run, "validation run", watch, back, so_far)
        except KeyboardInterrupt:
            run.interrupted = True
        run.gain = gain(self.network.loss.name, losses[0], losses[run.best_epoch]) if losses else 0.0
        self._restore(best)
        doubted = keep == "best" and run.gain < needed_gain
        if run.best_epoch and doubted and steadiness(before, after, validation) < STEADY_BEST:
            run.best_epoch = 0
            self.start_over()
        run.window_losses = after if run.best_epoch else before
        if not run.interrupted:
            self.saved.end({"state": self._state(), **vars(run)})
        return run

    @contextmanager
    def untrained(self) -> Iterator[None]:
        """Let the network have the weights that it began with while the block runs."""
        state = self._state()
        self.start_over()
        try:
            yield
        finally:
            self._restore(state)

    def start_over(self) -> None:
        """Give the network, and the optimiser, the state that they began with."""
        self._restore(self._start)

    def final_run(self, windows: Windows, run: Run, start: Start | None = None, report: Report | None = None) -> bool:
        """Train with all windows.

        Where an epoch is a pass over all of them, or the last epoch was to be kept, whose learning rate has fallen,
        training starts over, for as many epochs as the validation run kept; where it is less, training goes on from the
        best epoch, for a share of those. Where the untrained network was found best, it is kept.

        Args:
            windows: all windows.
            run: the validation run.
            start: what a run that starts over starts from instead.
            report: called after each epoch.

        Returns:
            bool: False where Ctrl-C ended it; the network then has the weights it had before.

        Raises:
            DivergedError: the loss became NaN or infinite, with a lower learning rate too.
        """
        if self._kept(run):
            return True
        before, began, epochs = self._state(), time.monotonic(), run.final_epochs
        if run.starts_over:
            self.start_over()
        if run.starts_over and start is not None:
            set_start(self.network, start)
        first = self._state()

        def back() -> int:
            self._restore(first)
            return 0

        def watch(epoch: int, loss: float) -> bool:
            if report:
                report(Progress("final run", epoch, epochs, loss, None, self._eta(began, epoch, epochs)))
            return False

        try:
            self._train(windows, epochs, run, "final run", watch, back)
        except KeyboardInterrupt:
            self._restore(before)
            return False
        self.saved.end({"state": self._state(), "lowered": run.lowered})
        return True

    def _kept(self, run: Run) -> bool:
        """Begin a run with what a checkpoint has of it, and return whether that is all of it.

        Raises:
            DivergedError: that is how it ended.
        """
        self.saved = next_run()
        values = self.saved.values
        if "diverged" in values:
            raise DivergedError(*values["diverged"])
        if values.get("lowered") and not run.lowered:
            lower_rate(self.network)
        vars(run).update({name: values[name] for name in vars(run) if name in values})
        if self.saved.over:
            self._restore(values["state"])
        return self.saved.over

    def _train(
        self,
        windows: Windows,
        epochs: int,
        run: Run,
        phase: str,
        watch: Watch,
        back: Callable[[], int],
        so_far: Callable[[], Values] = dict,
    ) -> None:
        """Train as :meth:`_fit`; where that diverges, ``back()`` to an epoch and on with a lower learning rate, once.

        A run that a checkpoint has up to an epoch goes on after it; ``so_far()`` is what the next one needs to have.

        Raises:
            DivergedError: it diverges, and the learning rate has been lowered.
        """
        first, average = self.saved.epoch, self.saved.values.get("average")
        if first:
            self._restore(self.saved.values["state"])

        def keep(epoch: int, average: list[np.ndarray]) -> None:
            own = {"average": average, "lowered": run.lowered}
            self.saved.keep(epoch, epochs, lambda: {**so_far(), "state": self._state(), **own})

        while True:
            try:
                return self._fit(windows, epochs, run.epoch_steps, watch, first, average, keep)
            except Divergence as found:
                why, hint = cause_of(found, self.network, self._again, windows, self.described)
            if run.lowered:
                rate = first_rate(self.network)
                rates = f"with learning rates of {rate / LOWERED:g} and {rate:g}"
                error = DivergedError(f"training diverged twice, {rates}: {why}", hint)
                self.saved.end({"diverged": [error.message, error.hint]})
                raise error
            run.lowered = f"the {phase} diverged: {why}"
            first, average = back(), None
            lower_rate(self.network)

    def _again(self, windows: Windows) -> tf.data.Dataset:
        """Go back to where the last epoch began, and return its batches, and those after it, of some windows."""
        epoch, state = self._began
        self._restore(state)
        return make_batches(windows, self.batch_size, self.seed, epoch * self._executed)

    @property
    def _executed(self) -> int:
        """Steps of an epoch: whole executions."""
        return -(-self.steps // self.network.steps_per_execution) * self.network.steps_per_execution

    def _fit(
        self,
        windows: Windows,
        epochs: int,
        steps: int,
        watch: Watch,
        first: int = 0,
        average: list[np.ndarray] | None = None,
        keep: Callable[[int, list[np.ndarray]], None] = lambda *_: None,
    ) -> None:
        """Train from epoch ``first`` on, with the ``average`` of the weights that was reached by then.

        ``watch(epoch, loss)`` sees the averaged weights after each epoch and says whether to stop; where not,
        ``keep(epoch, average)`` is called.
        """
        import keras

        trainer, network, share = self, self.network, self.averaging

        class Average(keras.callbacks.Callback):
            """Averages the weights; the network has them while ``watch`` looks, and at the end."""

            def on_train_begin(self, logs: Any = None) -> None:
                self.average = average or network.get_weights()

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                trainer._began = epoch, trainer._state()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                if not math.isfinite(logs["loss"]):
                    raise Divergence("training loss", logs["loss"], epoch=trainer._began[0] + 1, steps=batch + 1)

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                weights = network.get_weights()
                self.average = [share * a + (1 - share) * w for a, w in zip(self.average, weights, strict=True)]
                network.set_weights(self.average)
                network.stop_training = watch(epoch + 1, float(logs["loss"]))
                if not network.stop_training and epoch + 1 < epochs:
                    network.set_weights(weights)
                    keep(epoch + 1, self.average)

        if epochs:
            batches = make_batches(windows, self.batch_size, self.seed, first * self._executed)
            options = {"steps_per_epoch": steps, "callbacks": [Average()], "shuffle": False, "verbose": 0}
            network.fit(batches, initial_epoch=first, epochs=epochs, **options)

    def _eta(self, began: float, epoch: int, epochs: int) -> float:
        """Return the seconds that are left, were every epoch run; those that a checkpoint had took no time."""
        return (time.monotonic() - began) / max(1, epoch - self.saved.epoch) * (epochs - epoch)

    def _variables(self) -> list[keras.Variable]:
        """Return what training changes: not the learning rate, which once lowered is low for good."""
        optimizer = self.network.optimizer
        return [*self.network.variables, *(v for v in optimizer.variables if v is not optimizer._learning_rate)]

    def _state(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._variables()]

    def _restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)


def _unroll(network: keras.Model) -> None:
    """Let recurrent layers of few steps be traced step by step: on a CPU a loop costs more than what it loops over."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return  # cuDNN has its own loop
    for layer in network.layers:
        both_ways = [part for name in ("forward_layer", "backward_layer") if (part := getattr(layer, name, None))]
        for part in both_ways or [layer]:
            if hasattr(part, "unroll"):
                sequence, *_ = layer.input if isinstance(layer.input, list) else [layer.input]  # a state may follow
                part.unroll = sequence.shape[1] <= UNROLLED


def window_losses(network: keras.Model, engine: Engine, windows: Windows) -> np.ndarray:
    """Return the loss of each window, ``(windows,)``: Keras's ``evaluate`` without its cost for each call."""
    found = []
    for first in range(0, len(windows), CHUNK):
        which = np.arange(first, min(first + CHUNK, len(windows)))
        losses = np.asarray(network.loss.call(windows.targets(which)[:, :, None], engine.run(windows.batch(which))))
        weights = windows.target_weights(which)
        found.append((losses if weights is None else losses * weights).mean(axis=1))
    return np.concatenate(found)
