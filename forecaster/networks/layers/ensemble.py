"""The last layer of an ensemble. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


class WeightedMean(keras.layers.Layer):
    """The weighted mean of the forecasts of the members.

    Parameters of a distribution are averaged as they are; quantiles too, which averages distributions without widening
    them (Vincentization: Ratcliff 1979, Psychological Bulletin 86(3)).

    Args:
        shares: the weights, ``(members,)``, none negative, sum 1; they are not trained.
        spread: add an output, the weighted standard deviation of the members' point forecasts.
    """

    def __init__(self, shares: np.ndarray, spread: bool, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.initial, self.spread = shares, spread

    def build(self, shape: Any) -> None:
        """Create the shares, ``(members,)``."""
        start = keras.initializers.Constant(self.initial)
        self.shares = self.add_weight(shape=(len(self.initial),), initializer=start, trainable=False, name="shares")

    def call(self, forecasts: list[Any]) -> Any:
        """Return ``(batch, steps, outputs)``, or one output more, from as many outputs of each member."""
        each = ops.stack(forecasts, axis=-1)  # (batch, steps, outputs, members)
        mean = each @ self.shares[:, None]
        if not self.spread:
            return mean[..., 0]
        apart = each[:, :, 0] - mean[:, :, 0]
        variance = (apart * apart) @ self.shares[:, None]
        return ops.concatenate([mean[..., 0], ops.sqrt(variance)], axis=-1)
