"""Fine-tune the pretrained network on windows of one table; other windows of it choose when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.pretrained.inputs import LONGEST, make_frame
from forecaster.pretrained.network import build_pretrained
from forecaster.pretrained.stored import read_manifest, read_weights
from forecaster.pretrained.train import BOXES, Arrays, inputs_of, pinball_loss, targets_of
from forecaster.pretrained.windows import Cutoffs, blocks_of, rows_read

if TYPE_CHECKING:
    import keras

#: Windows of a batch, optimisation steps of an epoch, and the highest learning rate, a tenth of that of the training.
BATCH, EPOCH_STEPS, RATE = 64, 20, 3e-4
#: Windows measured at once.
CHUNK = 512


@dataclass
class Tuning:
    """A network that was fine-tuned.

    Attributes:
        network: with its best weights.
        epoch: after which these were reached, 0 for the pretrained ones.
        before, after: losses of the validation windows with the pretrained weights and with the best ones,
            ``(windows,)``.
        interrupted: Ctrl-C ended it.
    """

    network: keras.Model
    epoch: int
    before: np.ndarray
    after: np.ndarray
    interrupted: bool = False


def tune(
    training: Arrays,
    validation: Arrays,
    epochs: int,
    seed: int,
    report: Callable[[int, float], None],
) -> Tuning:
    """Return the pretrained network fine-tuned on windows, at the epoch with the least loss on others.

    The loss is that of its training, see :func:`forecaster.pretrained.train.pinball_loss`; the learning rate is a tenth
    of it and falls to 0. Ctrl-C ends it.

    Args:
        training: windows, see :func:`tuning_windows`.
        validation: likewise, those that choose the epoch.
        epochs: of :data:`EPOCH_STEPS` steps, at most.
        seed: of the batches.
        report: called with the number of each epoch and its loss.
    """
    import keras
    import tensorflow as tf

    network, random, steps = _pretrained_network(), np.random.default_rng(seed), epochs * EPOCH_STEPS
    schedule = keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - EPOCH_STEPS), 0.0, "rate", RATE, EPOCH_STEPS)
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1.0)
    optimizer.build(network.trainable_variables)

    @tf.function(autograph=False, reduce_retracing=True)
    def learn(inputs: Any, actual: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(pinball_loss(actual, network(inputs, training=True)))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    before = _losses(network, validation)
    found, best = Tuning(network, 0, before, before), network.get_weights()
    size = min(BATCH, len(training["target"]))
    try:
        for epoch in range(1, epochs + 1):
            losses = []
            for _ in range(EPOCH_STEPS):
                some = random.choice(len(training["target"]), size, replace=False)
                losses.append(float(learn(*inputs_of({name: array[some] for name, array in training.items()}))))
            after = _losses(network, validation)
            if after.mean() < found.after.mean():
                found.epoch, found.after, best = epoch, after, network.get_weights()
            report(epoch, float(np.mean(losses)))
    except KeyboardInterrupt:
        found.interrupted = True
    network.set_weights(best)
    return found


def tuning_windows(cutoffs: Cutoffs, season: int, steps: int) -> Arrays:
    """Return windows as the network learns from them: its inputs, ``target`` and ``weight``, in order of the cutoffs.

    Args:
        cutoffs: with ``steps`` rows after each.
        season: the seasonal period in rows.
        steps: the horizon; of a longer one the first :data:`~.inputs.LONGEST` steps count.
    """
    steps = min(steps, LONGEST)
    box = next(size for size in BOXES if size >= steps)
    order, parts = [], []
    for which, rows in blocks_of(rows_read(cutoffs.lengths, season, rough=True), steps):
        window, seen = cutoffs.windows(which, rows)
        frame = make_frame(window, seen, season, steps)
        ahead = cutoffs.ends[which, None] + np.arange(steps)
        target, weight = targets_of(frame, cutoffs.values[ahead], box)
        weight[:, :steps] *= cutoffs.observed[ahead]
        inputs = frame.inputs | {"future": frame.inputs["future"][:, :box]}
        parts.append(
            {name: array.astype(np.float32) for name, array in (inputs | {"target": target, "weight": weight}).items()}
        )
        order.append(which)
    back = np.argsort(np.concatenate(order))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _pretrained_network() -> keras.Model:
    """Return the network that comes along, for any number of decoded steps."""
    manifest, weights = read_manifest(), read_weights()
    network = build_pretrained(manifest.units, manifest.width, steps=None)
    for variable in network.weights:
        variable.assign(weights[variable.path])
    return network


def _losses(network: keras.Model, windows: Arrays) -> np.ndarray:
    """Return the loss of each window."""
    found = []
    for first in range(0, len(windows["target"]), CHUNK):
        inputs, actual = inputs_of({name: array[first : first + CHUNK] for name, array in windows.items()})
        found.append(np.asarray(pinball_loss(actual, network(inputs, training=False))))
    return np.concatenate(found)
