"""The few layers that Keras does not have. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from forecaster.networks.candidates import candidates, mix_logits

#: Added to the variance of a window, in squared deviations of the series, so that a constant window divides by 0.01.
EPSILON = 1e-4


class WindowNorm(keras.layers.Layer):
    """Take the level (and deviation) of each window off it.

    ``last`` is the subtraction of Lin et al. 2023 (SegRNN, arXiv:2308.11200); ``mean-std`` is reversible instance
    normalisation without its affine weights (Kim et al. 2022, RevIN).

    Args:
        kind: ``last`` or ``mean-std``.
    """

    def __init__(self, kind: str, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.kind = kind

    def call(self, window: Any) -> tuple[Any, Any, Any]:
        """Return the normalised window ``(batch, lookback, 1)``, and its level and deviation, ``(batch, 1, 1)``."""
        if self.kind == "last":
            level = window[:, -1:]
            return window - level, level, ops.ones_like(level)
        level = ops.mean(window, axis=1, keepdims=True)
        centred = window - level
        deviation = ops.sqrt(ops.mean(centred * centred, axis=1, keepdims=True) + EPSILON)
        return centred / deviation, level, deviation


class Mix(keras.layers.Layer):
    """Forecast by a learned convex combination of the simple forecasts of a window.

    Args:
        steps: how many steps to forecast.
        season: the seasonal period in steps.
        initial: the weights to start from, ``(candidates,)``, none negative; equal weights by default.
    """

    def __init__(self, steps: int, season: int, initial: np.ndarray | None = None, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.steps, self.season, self.initial = steps, season, initial

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the logits, ``(candidates,)``."""
        count = len(candidates(np.zeros((1, shape[1])), 1, self.season))
        start = np.zeros(count) if self.initial is None else mix_logits(self.initial)
        self.logits = self.add_weight(shape=(count,), initializer=keras.initializers.Constant(start), name="logits")

    def call(self, window: Any) -> Any:
        """Return the forecast, ``(batch, steps, 1)``, of a window ``(batch, lookback, 1)``."""
        found = candidates(window[:, :, 0], self.steps, self.season, ops)
        return ops.stack(list(found.values()), axis=-1) @ ops.softmax(self.logits)[:, None]


class OutputSegments(keras.layers.Layer):
    """Lay out one decoder input for each output segment: where it lies, and its calendar.

    The positional embedding of Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.3), beside calendar features.

    Args:
        count: number of output segments.
        segment: steps in one.
        size: length of the positional embedding.
    """

    def __init__(self, count: int, segment: int, size: int, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.count, self.segment, self.size = count, segment, size

    def build(self, state_shape: Any, future_shape: Any = None) -> None:
        """Create the embedding, ``(count, size)``."""
        self.embedding = self.add_weight(shape=(self.count, self.size), initializer="uniform", name="embedding")

    def call(self, state: Any, future: Any = None) -> Any:
        """Return ``(batch * count, 1, size + segment * features)``.

        Args:
            state: the encoder's last state, ``(batch, units)``, of which only the batch size is read.
            future: ``(batch, steps, features)``, or None.
        """
        rows = ops.zeros_like(state[:, None, :1]) + self.embedding[None]
        if future is not None:
            absent = self.count * self.segment - future.shape[1]
            padded = ops.pad(future, ((0, 0), (0, absent), (0, 0)))
            rows = ops.concatenate(
                [rows, ops.reshape(padded, (-1, self.count, self.segment * future.shape[2]))], axis=-1
            )
        return ops.reshape(rows, (-1, 1, rows.shape[-1]))
