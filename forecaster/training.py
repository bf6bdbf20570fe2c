"""The fit loop: batches gathered by index, early stopping with best weights, the final run, the device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.data.packed import ALIGNMENT
from forecaster.errors import DivergedError
from forecaster.inference import CHUNK, Engine, KerasEngine
from forecaster.networks.start import Start, set_start
from forecaster.windowing import Windows

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Optimisation steps of an epoch at least; a small data set is passed several times in one epoch.
LEAST_STEPS = 20


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
        interrupted: True where Ctrl-C ended it.
        gain: share by which training lowered the validation loss.
        needed_gain: share by which it had to be lowered for the trained weights to be believed.
    """

    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": [], "val_loss": []})
    best_epoch: int = 0
    epoch_steps: int = LEAST_STEPS
    interrupted: bool = False
    gain: float = 0.0
    needed_gain: float = 0.0


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


def steps_per_epoch(windows: int, batch_size: int) -> int:
    """Return the optimisation steps of one epoch over so many windows."""
    return max(LEAST_STEPS, math.ceil(windows / batch_size))


class Trainer:
    """Trains one network, and can start over from the weights it began with without compiling again.

    What is validated, kept and shipped is the average of the weights over the epochs, ``averaging * average + (1 -
    averaging) * weights`` after each, from the untrained weights on (Polyak & Juditsky 1992, Acceleration of stochastic
    approximation by averaging, SIAM J. Control Optim. 30(4), in its exponential form).

    Args:
        network: compiled, from :func:`forecaster.networks.factory.build_network`.
        batch_size: windows in a batch.
        seed: seed of the shuffling.
        averaging: share of the old average kept; 0 for none.
    """

    def __init__(self, network: keras.Model, batch_size: int, seed: int, averaging: float = 0.0) -> None:
        self.network, self.batch_size, self.seed, self.averaging = network, batch_size, seed, averaging
        network.optimizer.build(network.trainable_variables)
        network.steps_per_execution = LEAST_STEPS
        self.engine = KerasEngine(network)
        self._start = self._state()

    def validation_run(
        self,
        training: Windows,
        validation: Windows,
        epochs: int,
        patience: int,
        *,
        needed_gain: float = 0.0,
        reference: float = math.nan,
        report: Report | None = None,
    ) -> Run:
        """Train until the validation loss has not fallen for ``patience`` epochs; keep the best weights.

        The untrained network counts as epoch 0, and is kept where no epoch lowered its loss by ``needed_gain``.
        Ctrl-C ends the run and keeps the best weights so far.

        Args:
            training: windows to learn from.
            validation: windows to choose the epoch by.
            epochs: epochs at most.
            patience: epochs without improvement.
            needed_gain: share of the untrained network's validation loss.
            reference: validation loss of the seasonal naive forecast, for the progress report.
            report: called after each epoch.

        Raises:
            DivergedError: the loss became NaN or infinite.
        """
        run = Run(epoch_steps=steps_per_epoch(len(training), self.batch_size), needed_gain=needed_gain)
        best = self.network.get_weights()
        loss_of, losses, began = (
            _loss_of(self.network, self.engine, validation),
            run.history["val_loss"],
            time.monotonic(),
        )

        def watch(epoch: int, loss: float) -> bool:
            nonlocal best
            losses.append(loss_of())
            run.history["loss"].append(loss)
            _refuse_nan({"validation loss": losses[-1]}, epoch)
            if losses[-1] < losses[run.best_epoch]:
                run.best_epoch, best = epoch, self.network.get_weights()
            if report:
                skill = 1 - losses[run.best_epoch] / reference
                report(Progress("validation run", epoch, epochs, loss, skill, _eta(began, epoch, epochs)))
            return epoch - run.best_epoch >= patience

        try:
            losses.append(loss_of())
            self._fit(training, epochs, run.epoch_steps, watch)
        except KeyboardInterrupt:
            run.interrupted = True
        run.gain = 1 - losses[run.best_epoch] / losses[0] if losses and losses[0] else 0.0
        if run.best_epoch and run.gain < needed_gain:
            run.best_epoch = 0
            self._restore(self._start)
        else:
            self.network.set_weights(best)
        return run

    def final_run(self, windows: Windows, run: Run, start: Start | None = None, report: Report | None = None) -> bool:
        """Start over and train as many steps as the validation run found best, on all windows.

        Args:
            windows: all windows.
            run: the validation run.
            start: what to start from instead.
            report: called after each epoch.

        Returns:
            bool: False where Ctrl-C ended it; the network then has the weights it had before.

        Raises:
            DivergedError: the loss became NaN or infinite.
        """
        before, began = self._state(), time.monotonic()
        self._restore(self._start)
        if start is not None:
            set_start(self.network, start)

        def watch(epoch: int, loss: float) -> bool:
            if report:
                eta = _eta(began, epoch, run.best_epoch)
                report(Progress("final run", epoch, run.best_epoch, loss, None, eta))
            return False

        try:
            self._fit(windows, run.best_epoch, run.epoch_steps, watch)
        except KeyboardInterrupt:
            self._restore(before)
            return False
        return True

    def _fit(self, windows: Windows, epochs: int, steps: int, watch: Callable[[int, float], bool]) -> None:
        """Train; ``watch(epoch, loss)`` sees the averaged weights after each epoch and says whether to stop."""
        import keras

        network, share = self.network, self.averaging

        class Average(keras.callbacks.Callback):
            """Averages the weights; the network has them while ``watch`` looks, and at the end."""

            def on_train_begin(self, logs: Any = None) -> None:
                self.average = network.get_weights()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                _refuse_nan({"training loss": logs["loss"]}, epoch + 1)
                weights = network.get_weights()
                self.average = [share * a + (1 - share) * w for a, w in zip(self.average, weights, strict=True)]
                network.set_weights(self.average)
                network.stop_training = watch(epoch + 1, float(logs["loss"]))
                if not network.stop_training and epoch + 1 < epochs:
                    network.set_weights(weights)

        if epochs:
            batches = make_batches(windows, self.batch_size, self.seed)
            options = {"steps_per_epoch": steps, "callbacks": [Average()], "shuffle": False, "verbose": 0}
            network.fit(batches, epochs=epochs, **options)

    def _state(self) -> list[np.ndarray]:
        return [v.numpy() for v in (*self.network.variables, *self.network.optimizer.variables)]

    def _restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip((*self.network.variables, *self.network.optimizer.variables), state, strict=True):
            variable.assign(value)


def make_batches(windows: Windows, batch_size: int, seed: int | None = None) -> tf.data.Dataset:
    """Return batches of windows, gathered by index inside TensorFlow's input pipeline, beside the training step.

    The readings are held once, without a copy where they lie as TensorFlow asks; a batch is ``(inputs, targets,
    weights)`` with inputs as of :meth:`Windows.batch`, targets ``(batch, horizon, 1)``, and weights only where
    readings were filled.

    Args:
        windows: what to gather.
        batch_size: windows in a batch.
        seed: where given, batches come without end, each pass over the windows in another pseudo-random order that
            costs no memory; else the windows come once, in order.
    """
    import tensorflow as tf

    count, gathered = len(windows), _gatherer(windows)

    def shuffled(batch: tf.Tensor) -> tf.Tensor:
        place = batch * batch_size + tf.range(batch_size, dtype=tf.int64)
        lap = tf.cast(place // count, tf.int32)
        keys = tf.stack([tf.fill([batch_size], seed), lap, tf.zeros_like(lap)], axis=1)
        return tf.raw_ops.RandomIndexShuffle(index=place % count, seed=keys, max_index=tf.constant(count - 1, tf.int64))

    def in_order(batch: tf.Tensor) -> tf.Tensor:
        return tf.range(batch * batch_size, tf.minimum((batch + 1) * batch_size, count))

    def numbered(batch: tf.Tensor) -> tuple[Any, ...]:
        return gathered(in_order(batch) if seed is None else shuffled(batch))

    numbers = tf.data.Dataset.range(math.ceil(count / batch_size)) if seed is None else tf.data.Dataset.counter()
    return numbers.map(numbered, num_parallel_calls=2, deterministic=True).prefetch(4)


def _gatherer(windows: Windows) -> Callable[[tf.Tensor], tuple[Any, ...]]:
    """Return a function of window numbers, ``(batch,)`` int64, that gathers them as :func:`make_batches` says."""
    import tensorflow as tf

    tables = {name: _tensor(getattr(windows, name)) for name in _TABLES if getattr(windows, name) is not None}
    known, lookback, horizon = windows.known_channels, windows.lookback, windows.horizon

    def with_calendar(rows: tf.Tensor, channels: tf.Tensor, at: int) -> tf.Tensor:
        """Put the calendar of rows among their channels, after the first ``at``."""
        if "calendar" not in tables:
            return channels
        places = tf.cast(tf.gather(tables["places"], rows), tf.int32) if "places" in tables else rows
        return tf.concat([channels[:, :, :at], tf.gather(tables["calendar"], places), channels[:, :, at:]], axis=2)

    def gathered(numbers: tf.Tensor) -> tuple[Any, ...]:
        span = tf.searchsorted(tables["before"], numbers, side="right", out_type=tf.int64) - 1
        starts = tf.gather(tables["first"], span) + numbers - tf.gather(tables["before"], span)
        past, ahead = (starts[:, None] + tf.range(*r, dtype=tf.int64) for r in ((-lookback, 0), (0, horizon)))
        after = tf.gather(tables["values"], ahead)
        rows = tf.gather(tables["values"], past)
        if "causal" in tables:
            late = past > tf.cast(tf.gather(tables["latest"], starts - 1), tf.int64)[:, None]
            target = tf.where(late, tf.gather(tables["causal"], past), rows[:, :, 0])
            rows = tf.concat([target[:, :, None], rows[:, :, 1:]], axis=2)
        inputs = {"past": with_calendar(past, rows, 1)}
        if "calendar" in tables or known:
            inputs["future"] = with_calendar(ahead, after[:, :, 1 : 1 + known], 0)
        if "static" in tables or "categories" in tables:
            series = tf.searchsorted(tables["offsets"], starts, side="right", out_type=tf.int64) - 1
            inputs |= {name: tf.gather(tables[name], series) for name in ("static", "categories") if name in tables}
        if "weights" not in tables:
            return inputs, after[:, :, :1]
        return inputs, after[:, :, :1], tf.cast(tf.gather(tables["weights"], ahead), tf.float32)

    return gathered


#: Arrays of :class:`Windows` that batches are gathered from.
_TABLES = (
    *("values", "causal", "latest", "calendar", "places", "static", "categories"),
    *("weights", "offsets", "first", "before"),
)


def _tensor(array: np.ndarray) -> tf.Tensor:
    """Return an array as a tensor in the memory of the machine, which it shares where it can."""
    import tensorflow as tf

    with tf.device("/CPU:0"):
        lies_well = array.flags.c_contiguous and array.flags.writeable and not array.ctypes.data % ALIGNMENT
        if array.dtype in (np.float32, np.int32, np.uint8, np.uint16) and array.size and lies_well:
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tf.convert_to_tensor(array)


def _loss_of(network: keras.Model, engine: Engine, windows: Windows) -> Callable[[], float]:
    """Return a function that measures the loss over windows: Keras's ``evaluate`` without its cost for each call."""
    parts = [np.arange(i, min(i + CHUNK, len(windows))) for i in range(0, len(windows), CHUNK)]

    def loss() -> float:
        total = 0.0
        for which in parts:
            found = engine.run(windows.batch(which))[:, :, None]
            weights = windows.target_weights(which)
            total += len(which) * float(network.loss(windows.targets(which)[:, :, None], found, sample_weight=weights))
        return total / len(windows)

    return loss


def _eta(began: float, epoch: int, epochs: int) -> float:
    return (time.monotonic() - began) / epoch * (epochs - epoch)


def _refuse_nan(losses: dict[str, float], epoch: int) -> None:
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergedError(
                f"training diverged: the {name} became {loss} in epoch {epoch}",
                "try a smaller --learning-rate, --clipnorm 1, or --activation tanh",
            )
