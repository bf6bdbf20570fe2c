"""A mix of simple forecasts whose weights depend on the window. Importing this module imports Keras.

A mixture of experts (Jacobs, Jordan, Nowlan & Hinton 1991, Adaptive mixtures of local experts, Neural Computation 3(1))
whose experts are the simple forecasts of :mod:`forecaster.networks.initial.simple_forecasts` and whose gate is the
network's core. It reads the error of each of them on the newest steps of the window itself.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecaster.networks.initial.simple_forecasts import simple_forecasts
from forecaster.networks.layers.base import WeightedCandidates

#: Added to a mean absolute error, in deviations of its window, before its logarithm is taken.
EPSILON = 1e-2


class TrackRecord(keras.layers.Layer):
    """Errors of the simple forecasts on the newest steps of a window, and sizes of its changes.

    Args:
        steps: steps to forecast; the errors are of as many newest steps, at most a third of the window and all but two
            seasons.
        seasons: the seasonal periods in steps, the main one first.
    """

    def __init__(self, steps: int, seasons: tuple[int, ...], **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.steps, self.seasons = steps, seasons

    def call(self, window: Any, observed: Any = None) -> Any:
        """Return half the logarithms of mean absolute errors and changes, ``(batch, numbers)``, in deviations.

        Args:
            window: ``(batch, lookback, 1)``.
            observed: 1 where it was observed, 0 for placeholders, which no error and no change counts,
                ``(batch, lookback, 1)``; or None.
        """
        values, season = window[:, :, 0], self.seasons[0]
        counts = None if observed is None else observed[:, :, 0]
        lookback = int(values.shape[1])
        steps = max(1, min(self.steps, lookback // 3, lookback - 2 * season))
        past, actuals = values[:, : lookback - steps], values[:, lookback - steps :]
        known = None if counts is None else counts[:, lookback - steps :]
        sizes = [
            _mean_size(simple - actuals, known) for simple in simple_forecasts(past, steps, self.seasons, ops).values()
        ]
        for lag in sorted({1, season} & set(range(lookback))):
            both = None if counts is None else counts[:, lag:] * counts[:, :-lag]
            sizes.append(_mean_size(values[:, lag:] - values[:, :-lag], both))
        deviation = ops.std(values, axis=1, keepdims=True)
        return 0.5 * ops.log(ops.stack(sizes, axis=1) / (deviation + EPSILON) + EPSILON)


def _mean_size(values: Any, counts: Any) -> Any:
    """Return the mean absolute value of each row, ``(batch,)``, weighted by ``counts``; 0 if they are all 0."""
    if counts is None:
        return ops.mean(ops.abs(values), axis=1)
    return ops.sum(ops.abs(values) * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1.0)


class Gate(WeightedCandidates):
    """Forecast by a convex combination of the simple forecasts of a window, with weights moved by the core."""

    def build(self, window_shape: tuple[int | None, ...], moved_shape: tuple[int | None, ...]) -> None:
        """Create the logits, ``(blocks, candidates)``."""
        self.add_logits(int(window_shape[1] or 0))

    def call(self, window: Any, moved: Any) -> Any:
        """Return the forecast, ``(batch, steps, 1)``.

        Args:
            window: ``(batch, lookback, 1)``.
            moved: added to the logits by the core, ``(batch, steps, candidates)``.
        """
        return self.weigh(window, moved)
