"""Probabilities of falling, staying and rising from the logits of a network. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from forecaster.features.direction_rule import Rule

#: Smallest probability in the loss; smaller ones count as this.
SMALLEST = 1e-7


class Directions(keras.layers.Layer):
    """Probabilities of the three classes, starting from their frequencies in training.

    ``softmax((log frequencies + logits) / temperature)``: where the logits are 0, as in an untrained network, and the
    temperature is 1, the probabilities are the frequencies. None of its weights is trained. The temperature is that of
    Guo et al. 2017 (On calibration of modern neural networks, arXiv:1706.04599, section 4.2).

    Args:
        rule: thresholds of the classes, and their frequencies in training.
    """

    def __init__(self, rule: Rule, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.rule = rule

    def build(self, logits_shape: Any, last_shape: Any = None) -> None:
        """Create the weights, which are not trained."""
        logs = np.log(self.rule.frequencies)
        for name, value in (
            ("thresholds", self.rule.thresholds),
            ("log_frequencies", logs),
            ("temperature", np.ones(())),
        ):
            initial = keras.initializers.Constant(value.astype("float32"))
            setattr(self, name, self.add_weight(shape=value.shape, initializer=initial, name=name, trainable=False))

    def call(self, logits: Any, last: Any) -> Any:
        """Return ``(batch, steps, 4)``: the target at the cutoff, then the probabilities.

        Args:
            logits: ``(batch, steps, 3)``.
            last: the scaled target at the cutoff, ``(batch, 1, 1)``.
        """
        probabilities = ops.softmax((self.log_frequencies[None] + logits) / self.temperature, axis=-1)
        return ops.concatenate([last + ops.zeros_like(logits[:, :, :1]), probabilities], axis=-1)


class DirectionLoss(keras.losses.Loss):
    """Categorical cross-entropy of the classes that the targets fall into.

    Args:
        directions: the layer that holds the thresholds of the classes.
    """

    def __init__(self, directions: Directions) -> None:
        super().__init__(name="direction")
        self.directions = directions

    def call(self, targets: Any, outputs: Any) -> Any:
        """Return ``-log p(actual class)``, ``(batch, steps)``.

        Args:
            targets: the scaled target, ``(batch, steps, 1)``.
            outputs: of :class:`Directions`, ``(batch, steps, 4)``.
        """
        change, thresholds = targets[:, :, 0] - outputs[:, :, 0], self.directions.thresholds[None]
        rises, falls = (ops.cast(side > thresholds, "float32") for side in (change, -change))
        classes = ops.stack([falls, 1.0 - falls - rises, rises], axis=-1)
        return -ops.log(ops.maximum(ops.sum(classes * outputs[:, :, 1:], axis=-1), SMALLEST))
