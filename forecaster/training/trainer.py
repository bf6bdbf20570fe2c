"""The training loop: early stopping with the best weights, and the final run on all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.engines.keras import KerasEngine
from forecaster.errors import DivergedError
from forecaster.features.windows import Windows
from forecaster.networks.initial.start import Start, set_start
from forecaster.networks.optimizers import LOWERED, first_rate, lower_rate
from forecaster.system.signals import defer_signals
from forecaster.training.batches import make_batches
from forecaster.training.checkpoint import SavedRun
from forecaster.training.divergence import Advice, NonFiniteLossError, explain_divergence
from forecaster.training.phases import LEAST_STEPS, FinalPhase, Phase, Report, Run, StoppingRule, ValidationPhase

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Windows of an epoch in each span of one horizon, and steps of an epoch below which it takes all windows.
OVERLAPPING, ENOUGH_STEPS = 10, 50
#: Longest recurrent layer, in steps, that is unrolled.
UNROLLED = 12


@dataclass(frozen=True)
class Position:
    """The point from which training continues.

    Attributes:
        epoch: epochs done.
        average: the averaged weights after them; None for the present weights.
    """

    epoch: int = 0
    average: list[np.ndarray] | None = None


#: Where an untrained network begins.
BEGINNING = Position()


def seed_everything(seed: int) -> None:
    """Seed all random numbers, so that a run repeats itself byte for byte on the same machine."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def steps_per_epoch(windows: int, batch_size: int, horizon: int = 1) -> int:
    """Return the optimisation steps of one epoch: fewer than a pass if windows share nearly all of their targets.

    Args:
        windows: number of training windows.
        batch_size: windows in a batch.
        horizon: target steps of a window, and number of windows that begin in each span of one horizon.
    """
    whole = math.ceil(windows / batch_size)
    some = math.ceil(windows * OVERLAPPING / (horizon * batch_size))
    return max(LEAST_STEPS, min(whole, max(ENOUGH_STEPS, some)))


class Trainer:
    """Trains one network, and can start over from its initial weights without compiling again.

    The weights that are validated and kept are averaged over the epochs, ``averaging * average + (1 - averaging) *
    weights`` after each, from the untrained weights on (Polyak & Juditsky 1992, Acceleration of stochastic
    approximation by averaging, SIAM J. Control Optim. 30(4), in its exponential form).

    If the loss becomes NaN or infinite, training goes back to the best weights so far and continues with a tenth of
    the learning rate, once: in the validation run or the final run, whichever diverges first.

    Args:
        network: compiled, from :func:`forecaster.networks.factory.build_network`.
        batch_size: windows in a batch.
        steps: optimisation steps of an epoch.
        seed: seed of the shuffling.
        averaging: share of the old average kept; 0 for no averaging.
        advice: for the messages of a divergence; by default cells are named by their numbers.

    Attributes:
        saved: the saved state of the run that was begun last.
    """

    def __init__(
        self,
        network: keras.Model,
        batch_size: int,
        steps: int,
        seed: int,
        averaging: float = 0.0,
        advice: Advice | None = None,
    ) -> None:
        self.network, self.batch_size, self.steps = network, batch_size, steps
        self.seed, self.averaging, self.advice, self.saved = seed, averaging, advice or Advice(), SavedRun()
        network.optimizer.build(network.trainable_variables)
        network.steps_per_execution = min(steps, LEAST_STEPS)
        _unroll(network)
        self.engine = KerasEngine(network)
        self._start = self.state()
        self._began = 0, self._start

    def validation_run(
        self,
        training: Windows,
        validation: Windows,
        rule: StoppingRule,
        *,
        reference: float = math.nan,
        report: Report | None = None,
        saved: SavedRun | None = None,
    ) -> Run:
        """Train until the validation loss has not fallen for some epochs; keep the best weights.

        The untrained network counts as epoch 0, and is kept if the best epoch lowered its loss by less than the needed
        gain, and not steadily either; see :func:`forecaster.features.gain_test.gain_t_statistic`. Ctrl-C ends the run
        and keeps the best weights so far.

        Args:
            training: windows to train on.
            validation: windows that choose the epoch.
            rule: when to stop.
            reference: validation loss of the seasonal naive forecast, for the progress report.
            report: called after each epoch.
            saved: the saved state of the run, from :meth:`forecaster.training.checkpoint.Checkpoints.begin_run`.

        Raises:
            DivergedError: the loss became NaN or infinite, with a lower learning rate too, or before training.
        """
        run = Run(
            epoch_steps=self.steps,
            whole=self.steps * self.batch_size >= len(training),
            keep=rule.keep,
            needed_gain=rule.needed_gain,
        )
        if self._restore_saved(run, saved):
            return run
        phase = ValidationPhase(self, run, validation, rule, reference, report)
        try:
            phase.begin()
            self._train(training, rule.epochs, run, phase)
        except KeyboardInterrupt:
            run.interrupted = True
        phase.settle()
        if not run.interrupted:
            self.saved.save_end({"state": self.state(), **vars(run)})
        return run

    @contextmanager
    def with_initial_weights(self) -> Iterator[None]:
        """Give the network its initial weights while the block runs."""
        state = self.state()
        self.start_over()
        try:
            yield
        finally:
            self.restore(state)

    def start_over(self) -> None:
        """Restore the initial state of network and optimiser."""
        self.restore(self._start)

    def final_run(
        self,
        windows: Windows,
        run: Run,
        start: Start | None = None,
        *,
        report: Report | None = None,
        saved: SavedRun | None = None,
    ) -> bool:
        """Train on all windows.

        If an epoch is a pass over all of them, or the last epoch was kept, whose learning rate has fallen, training
        starts over, for the number of epochs that the validation run kept; otherwise it continues from the best epoch,
        for a share of that number. If the untrained network was best, it is kept.

        Args:
            windows: all windows.
            run: the validation run.
            start: initial values of a run that starts over; by default those of the validation run.
            report: called after each epoch.
            saved: the saved state of the run, from :meth:`forecaster.training.checkpoint.Checkpoints.begin_run`.

        Returns:
            bool: False if Ctrl-C ended it; the network then has the weights that it had before.

        Raises:
            DivergedError: the loss became NaN or infinite, with a lower learning rate too.
        """
        if self._restore_saved(run, saved):
            return True
        before, epochs = self.state(), run.final_epochs
        if run.starts_over:
            self.start_over()
        if run.starts_over and start is not None:
            set_start(self.network, start)
        try:
            self._train(windows, epochs, run, FinalPhase(self, epochs, report))
        except KeyboardInterrupt:
            self.restore(before)
            return False
        self.saved.save_end({"state": self.state(), "lowered": run.lowered})
        return True

    def _restore_saved(self, run: Run, saved: SavedRun | None) -> bool:
        """Restore the saved state of a run; return True if the run was saved to its end.

        Raises:
            DivergedError: it ended so.
        """
        self.saved = saved or SavedRun()
        values = self.saved.values
        if "diverged" in values:
            raise DivergedError(*values["diverged"])
        if values.get("lowered") and not run.lowered:
            lower_rate(self.network)
        vars(run).update({name: values[name] for name in vars(run) if name in values})
        if self.saved.over:
            self.restore(values["state"])
        return self.saved.over

    def _train(self, windows: Windows, epochs: int, run: Run, phase: Phase) -> None:
        """Train from the saved epoch on; after a divergence go back and continue with a lower learning rate, once.

        Raises:
            DivergedError: it diverges, and the learning rate has been lowered.
        """
        position = Position(self.saved.epoch, self.saved.values.get("average"))
        if position.epoch:
            self.restore(self.saved.values["state"])

        def save(epoch: int, average: list[np.ndarray]) -> None:
            own = {"average": average, "lowered": run.lowered}
            self.saved.save_epoch(epoch, epochs, lambda: {**phase.values_to_save(), "state": self.state(), **own})

        while True:
            try:
                return self._fit(windows, epochs, run.epoch_steps, phase.watch, position, save)
            except NonFiniteLossError as found:
                why, hint = explain_divergence(found, self.network, self._replay_epoch, windows, self.advice)
            if run.lowered:
                rate = first_rate(self.network)
                rates = f"with learning rates of {rate / LOWERED:g} and {rate:g}"
                error = DivergedError(f"training diverged twice, {rates}: {why}", hint)
                self.saved.save_end({"diverged": [error.message, error.hint]})
                raise error
            run.lowered = f"the {phase.name} diverged: {why}"
            position = Position(phase.go_back())
            lower_rate(self.network)

    def _replay_epoch(self, windows: Windows) -> tf.data.Dataset:
        """Restore the state before the last epoch, and return its batches and those after it, of the given windows."""
        epoch, state = self._began
        self.restore(state)
        return make_batches(windows, self.batch_size, self.seed, epoch * self.steps_run)

    @property
    def steps_run(self) -> int:
        """The number of steps in an epoch, rounded up to whole executions."""
        return -(-self.steps // self.network.steps_per_execution) * self.network.steps_per_execution

    def _fit(
        self,
        windows: Windows,
        epochs: int,
        steps: int,
        watch: Callable[[int, float], bool],
        position: Position = BEGINNING,
        save: Callable[[int, list[np.ndarray]], None] = lambda *_: None,
    ) -> None:
        """Train from a position to the last epoch, or to the one at which ``watch`` stops.

        Args:
            windows: windows to train on.
            epochs: number of the last epoch.
            steps: steps of an epoch.
            watch: called with number and training loss of each epoch, while the network has the averaged weights;
                returns True to stop.
            position: where to begin.
            save: called with the number of each epoch but the last, and with the averaged weights.
        """
        import keras
        import tensorflow as tf

        trainer, network, share = self, self.network, self.averaging

        class Average(keras.callbacks.Callback):
            """Averages the weights; the network has the average while ``watch`` is called, and at the end."""

            def on_train_begin(self, logs: Any = None) -> None:
                self.average = position.average or network.get_weights()

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                trainer._began = epoch, trainer.state()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                end_if_interrupted()
                if not math.isfinite(logs["loss"]):
                    raise NonFiniteLossError("training loss", logs["loss"], trainer._began[0] + 1, steps=batch + 1)

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                weights = network.get_weights()
                self.average = [share * a + (1 - share) * w for a, w in zip(self.average, weights, strict=True)]
                network.set_weights(self.average)
                network.stop_training = watch(epoch + 1, float(logs["loss"]))
                if not network.stop_training and epoch + 1 < epochs:
                    network.set_weights(weights)
                    save(epoch + 1, self.average)

        if epochs:
            batches = make_batches(windows, self.batch_size, self.seed, position.epoch * self.steps_run)
            options = {"steps_per_epoch": steps, "callbacks": [Average()], "shuffle": False, "verbose": 0}
            try:
                with defer_signals() as end_if_interrupted:
                    network.fit(batches, initial_epoch=position.epoch, epochs=epochs, **options)
            except tf.errors.InvalidArgumentError:  # Keras's, of NaN in the gradient of a weight that is looked up
                if all(np.isfinite(value).all() for value in self.state()):
                    raise
                raise NonFiniteLossError("training loss", math.nan, self._began[0] + 1, self.steps_run) from None

    def _variables(self) -> list[keras.Variable]:
        """Return the variables that training changes: not the learning rate, which stays low once lowered."""
        optimizer = self.network.optimizer
        return [*self.network.variables, *(v for v in optimizer.variables if v is not optimizer._learning_rate)]

    def state(self) -> list[np.ndarray]:
        """Return a copy of all variables that training changes, of the network and of the optimiser."""
        return [variable.numpy() for variable in self._variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        """Set the variables of network and optimiser to a state from :meth:`state`."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)


def _unroll(network: keras.Model) -> None:
    """Unroll recurrent layers of few steps: on a CPU a loop costs more than its steps."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return  # cuDNN has its own loop
    for layer in network.layers:
        both_ways = [part for name in ("forward_layer", "backward_layer") if (part := getattr(layer, name, None))]
        for part in both_ways or [layer]:
            if hasattr(part, "unroll"):
                sequence, *_ = layer.input if isinstance(layer.input, list) else [layer.input]  # a state may follow
                part.unroll = sequence.shape[1] <= UNROLLED
