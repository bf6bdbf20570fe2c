"""Keras layers that several networks are made of. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Places(keras.layers.Layer):
    """Add a learned vector for its place to each token (Vaswani et al. 2017, arXiv:1706.03762, 3.5)."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the vectors, ``(tokens, width)``."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="uniform", name="vectors")

    def call(self, tokens: Any) -> Any:
        """Return tokens, ``(batch, tokens, width)``, with their vectors added."""
        return self.vectors[None] + tokens


class OutputSegments(keras.layers.Layer):
    """Lay out a decoder input for each output segment: a learned vector for its place, and its future features.

    The positional embedding of Lin et al. 2023 (SegRNN, arXiv:2308.11200, section 3.3).

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
        """Return ``(batch, count, size + segment * features)``.

        Args:
            state: the encoder's last state, ``(batch, units)``, of which only the batch size is used.
            future: ``(batch, steps, features)``, or None.
        """
        rows = ops.zeros_like(state[:, None, :1]) + self.embedding[None]
        if future is None:
            return rows
        absent = self.count * self.segment - future.shape[1]
        padded = ops.pad(future, ((0, 0), (0, absent), (0, 0)))
        return ops.concatenate([rows, ops.reshape(padded, (-1, self.count, self.segment * future.shape[2]))], axis=-1)
