"""The fit loop: early stopping with best weights, the final run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.engines.keras import KerasEngine
from forecaster.errors import DivergedError
from forecaster.features.windows import Windows
from forecaster.networks.initial.start import Start, set_start
from forecaster.networks.optimizers import LOWERED, first_rate, lower_rate
from forecaster.system.signals import defer_signals
from forecaster.training.batches import make_batches
from forecaster.training.checkpoint import Saved, saved_state_of_next_run
from forecaster.training.divergence import Cell, Divergence, Remedies, cause_of
from forecaster.training.phases import LEAST_STEPS, FinalPhase, Phase, Report, Run, ValidationPhase

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Windows that an epoch takes of each stretch of one horizon, and steps below which it takes all that there are.
OVERLAPPING, ENOUGH_STEPS = 10, 50
#: Steps of a recurrent layer at most that are traced one by one.
UNROLLED = 12


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
        remedies: what to try where training diverges, from :func:`forecaster.training.divergence.remedies_of`.

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
        remedies: Remedies = MappingProxyType({}),
    ) -> None:
        self.network, self.batch_size, self.steps = network, batch_size, steps
        self.seed, self.averaging, self.described, self.remedies = seed, averaging, described, remedies
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
        ``needed_gain``, and not steadily either; see :func:`forecaster.features.gain_test.gain_t_statistic`.
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
        run = Run(
            epoch_steps=self.steps,
            whole=self.steps * self.batch_size >= len(training),
            keep=keep,
            needed_gain=needed_gain,
        )
        if self._kept(run):
            return run
        phase = ValidationPhase(self, run, validation, epochs, patience, reference, report)
        try:
            phase.begin()
            self._train(training, epochs, run, phase)
        except KeyboardInterrupt:
            run.interrupted = True
        phase.settle()
        if not run.interrupted:
            self.saved.end({"state": self.state(), **vars(run)})
        return run

    @contextmanager
    def untrained(self) -> Iterator[None]:
        """Let the network have the weights that it began with while the block runs."""
        state = self.state()
        self.start_over()
        try:
            yield
        finally:
            self.restore(state)

    def start_over(self) -> None:
        """Give the network, and the optimiser, the state that they began with."""
        self.restore(self._start)

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
        self.saved.end({"state": self.state(), "lowered": run.lowered})
        return True

    def _kept(self, run: Run) -> bool:
        """Begin a run with what a checkpoint has of it, and return whether that is all of it.

        Raises:
            DivergedError: that is how it ended.
        """
        self.saved = saved_state_of_next_run()
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
        """Train as :meth:`_fit`; where that diverges, back to an epoch and on with a lower learning rate, once.

        A run that a checkpoint has up to an epoch goes on after it.

        Raises:
            DivergedError: it diverges, and the learning rate has been lowered.
        """
        first, average = self.saved.epoch, self.saved.values.get("average")
        if first:
            self.restore(self.saved.values["state"])

        def keep(epoch: int, average: list[np.ndarray]) -> None:
            own = {"average": average, "lowered": run.lowered}
            self.saved.keep(epoch, epochs, lambda: {**phase.so_far(), "state": self.state(), **own})

        while True:
            try:
                return self._fit(windows, epochs, run.epoch_steps, phase.watch, first, average, keep)
            except Divergence as found:
                why, hint = cause_of(found, self.network, self._again, windows, self.described, self.remedies)
            if run.lowered:
                rate = first_rate(self.network)
                rates = f"with learning rates of {rate / LOWERED:g} and {rate:g}"
                error = DivergedError(f"training diverged twice, {rates}: {why}", hint)
                self.saved.end({"diverged": [error.message, error.hint]})
                raise error
            run.lowered = f"the {phase.name} diverged: {why}"
            first, average = phase.back(), None
            lower_rate(self.network)

    def _again(self, windows: Windows) -> tf.data.Dataset:
        """Go back to where the last epoch began, and return its batches, and those after it, of some windows."""
        epoch, state = self._began
        self.restore(state)
        return make_batches(windows, self.batch_size, self.seed, epoch * self.executed)

    @property
    def executed(self) -> int:
        """Steps of an epoch: whole executions."""
        return -(-self.steps // self.network.steps_per_execution) * self.network.steps_per_execution

    def _fit(
        self,
        windows: Windows,
        epochs: int,
        steps: int,
        watch: Callable[[int, float], bool],
        first: int = 0,
        average: list[np.ndarray] | None = None,
        keep: Callable[[int, list[np.ndarray]], None] = lambda *_: None,
    ) -> None:
        """Train from epoch ``first`` on, with the ``average`` of the weights that was reached by then.

        ``watch(epoch, loss)`` sees the averaged weights after each epoch and says whether to stop; where not,
        ``keep(epoch, average)`` is called.
        """
        import keras
        import tensorflow as tf

        trainer, network, share = self, self.network, self.averaging

        class Average(keras.callbacks.Callback):
            """Averages the weights; the network has them while ``watch`` looks, and at the end."""

            def on_train_begin(self, logs: Any = None) -> None:
                self.average = average or network.get_weights()

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                trainer._began = epoch, trainer.state()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                end_if_interrupted()
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
            batches = make_batches(windows, self.batch_size, self.seed, first * self.executed)
            options = {"steps_per_epoch": steps, "callbacks": [Average()], "shuffle": False, "verbose": 0}
            try:
                with defer_signals() as end_if_interrupted:
                    network.fit(batches, initial_epoch=first, epochs=epochs, **options)
            except tf.errors.InvalidArgumentError:  # Keras's, of NaN in the gradient of a weight that is looked up
                if all(np.isfinite(value).all() for value in self.state()):
                    raise
                raise Divergence("training loss", math.nan, self._began[0] + 1, self.executed) from None

    def _variables(self) -> list[keras.Variable]:
        """Return what training changes: not the learning rate, which once lowered is low for good."""
        optimizer = self.network.optimizer
        return [*self.network.variables, *(v for v in optimizer.variables if v is not optimizer._learning_rate)]

    def state(self) -> list[np.ndarray]:
        """Return all that training changes, of the network and of the optimiser."""
        return [variable.numpy() for variable in self._variables()]

    def restore(self, state: list[np.ndarray]) -> None:
        """Give the network and the optimiser a state."""
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
