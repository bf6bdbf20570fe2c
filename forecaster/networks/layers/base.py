"""Layers of the frame that Keras does not have. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from forecaster.networks.initial.covariate_effect import Hinges, hinge_values, random_hinges
from forecaster.networks.initial.mixing import blocks_of, mix_logits, mix_shares
from forecaster.networks.initial.simple_forecasts import simple_forecast_names, simple_forecasts

#: Added to the variance of a window, in squared deviations of the series, so that a constant window divides by 0.01.
EPSILON = 1e-4


class WindowNorm(keras.layers.Layer):
    """Subtract the level of each window, and divide by its deviation.

    ``last`` is the subtraction of Lin et al. 2023 (SegRNN, arXiv:2308.11200); ``mean-std`` is reversible instance
    normalisation without its affine weights (Kim et al. 2022, RevIN). ``mean``, for counts, subtracts no level and
    divides by one more than the mean (Salinas et al. 2020, DeepAR, arXiv:1704.04110, section 3.3).

    Args:
        kind: ``last``, ``mean-std`` or ``mean``.
    """

    def __init__(self, kind: str, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.kind = kind

    def call(self, window: Any, observed: Any = None) -> tuple[Any, Any, Any]:
        """Return the normalised window ``(batch, lookback, 1)``, and its level and deviation, ``(batch, 1, 1)``.

        Args:
            window: the target, ``(batch, lookback, 1)``.
            observed: 1 where it was observed, 0 for placeholders, which no mean counts; or None.
        """
        if self.kind == "last":
            level = window[:, -1:]
            return window - level, level, ops.ones_like(level)
        level = _mean(window, observed)
        if self.kind == "mean":
            deviation = 1.0 + ops.maximum(level, 0.0)
            return window / deviation, ops.zeros_like(level), deviation
        centred = window - level
        deviation = ops.sqrt(_mean(centred * centred, observed) + EPSILON)
        return centred / deviation, level, deviation


def _mean(window: Any, observed: Any) -> Any:
    """Return the mean of each window, ``(batch, 1, 1)``, over observed readings; 0 if there are none."""
    if observed is None:
        return ops.mean(window, axis=1, keepdims=True)
    count = ops.maximum(ops.sum(observed, axis=1, keepdims=True), 1.0)
    return ops.sum(window * observed, axis=1, keepdims=True) / count


class WeightedCandidates(keras.layers.Layer):
    """Base of layers that forecast a weighted mean of the simple forecasts of a window.

    Args:
        steps: steps to forecast.
        seasons: the seasonal periods in steps, the main one first.
        initial: the weights to start from, ``(blocks, candidates)``, none negative; equal weights by default.
    """

    def __init__(self, steps: int, seasons: tuple[int, ...], initial: np.ndarray | None, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.steps, self.seasons, self.initial = steps, seasons, initial

    def add_logits(self, lookback: int) -> None:
        """Create the logits, ``(blocks, candidates)``."""
        names = simple_forecast_names(lookback, self.seasons)
        start = np.zeros((int(blocks_of(self.steps)[-1]) + 1, len(names)), np.float32)
        if self.initial is not None:
            start[:] = mix_logits(self.initial)
        initializer = keras.initializers.Constant(start)
        self.logits = self.add_weight(shape=start.shape, initializer=initializer, name="logits")

    def weigh(self, window: Any, moved: Any = 0.0) -> Any:
        """Return the forecast, ``(batch, steps, 1)``.

        Args:
            window: ``(batch, lookback, 1)``.
            moved: added to the logits, ``(batch, steps, candidates)``; nothing by default.
        """
        found = ops.stack(list(simple_forecasts(window[:, :, 0], self.steps, self.seasons, ops).values()), axis=-1)
        logits = ops.take(self.logits, blocks_of(self.steps), axis=0) + moved
        return ops.sum(mix_shares(ops.softmax(logits, axis=-1)) * found, axis=-1, keepdims=True)


class Mix(WeightedCandidates):
    """Forecast by a learned convex combination of the simple forecasts of a window."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the logits, ``(blocks, candidates)``."""
        self.add_logits(int(shape[1] or 0))

    def call(self, window: Any) -> Any:
        """Return the forecast, ``(batch, steps, 1)``, of a window ``(batch, lookback, 1)``."""
        return self.weigh(window)


class Effect(keras.layers.Layer):
    """Effect of the covariates known at a step on the target at that step: the same function at every step.

    It reads the calendar too, because an effect may depend on the hour. Subtracted from the window and added to the
    forecast, it makes a regression whose errors the network forecasts (Hyndman & Athanasopoulos 2021,
    Forecasting: Principles and Practice, 3rd ed., chapter 10).

    Args:
        calendar: number of calendar features, which come first.
        known: number of covariates, which follow.
        initial: the function to start from; no effect by default.
    """

    def __init__(self, calendar: int, known: int, initial: Hinges | None = None, **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.known = known
        self.initial = random_hinges(calendar, known) if initial is None else initial

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the directions, places and shares of the hinges."""
        for name, start in self.initial.arrays().items():
            value = keras.initializers.Constant(start)
            setattr(self, name, self.add_weight(shape=start.shape, initializer=value, name=name))

    def call(self, features: Any) -> Any:
        """Return the effect, ``(batch, steps, 1)``, of features ``(batch, steps, calendar + known)``."""
        return hinge_values(features, self.directions, self.places, self.known, ops) @ self.shares


class Embeddings(keras.layers.Layer):
    """A learned vector for each category of each group; that of the unknown category, code 0, stays zero.

    Lengths follow the rule of fastai, ``1.6 n^0.56`` for ``n`` categories (Howard & Gugger 2020, fastai: A Layered API
    for Deep Learning, arXiv:2002.04688, ``emb_sz_rule``), at most 50.

    Args:
        categories: number of categories of each group.
    """

    def __init__(self, categories: tuple[int, ...], **options: Any) -> None:
        """Keep the settings."""
        super().__init__(**options)
        self.categories = categories

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create a table ``(categories, length)`` for each group."""
        sizes = [(max(1, n), embedding_size(n)) for n in self.categories]
        self.tables = [self.add_weight(shape=s, initializer="uniform", name=f"table_{i}") for i, s in enumerate(sizes)]

    def call(self, codes: Any) -> Any:
        """Return ``(batch, lengths of all groups)`` for codes ``(batch, groups)`` int32."""
        found = []
        for group, table in enumerate(self.tables):
            code = codes[:, group]
            known = ops.cast(code > 0, table.dtype)[:, None]
            found.append(known * ops.take(table, ops.maximum(code - 1, 0), axis=0))
        return ops.concatenate(found, axis=-1)


def embedding_size(categories: int) -> int:
    """Return the length of the vectors of a group of categories."""
    return max(1, min(50, round(1.6 * categories**0.56)))
