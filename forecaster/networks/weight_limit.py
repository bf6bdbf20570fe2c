"""Bound the memory that building a network takes by the weights that a model has stored for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from threading import Lock, get_ident
from typing import Any

import numpy as np

from forecaster.errors import ModelError

#: Held while Keras counts: for one network at a time.
_COUNTING = Lock()


@contextmanager
def limit_weights(weights: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Refuse to create more weights of networks than are stored, in numbers and in arrays, while the block runs.

    Weights that other threads create are not counted; a block in another thread waits for this one.

    Raises:
        ModelError: before the first weight too many is allocated.
    """
    import keras

    numbers, arrays, thread = sum(weight.size for weight in weights.values()), len(weights), get_ident()

    def counted(layer: keras.Layer, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal numbers, arrays
        if get_ident() == thread:
            numbers, arrays = numbers - prod(shape or ()), arrays - 1
            if min(numbers, arrays) < 0:
                raise ModelError("the settings ask for a larger network than is stored", "fit the model again")
        return add_weight(layer, shape, *args, **options)

    with _COUNTING:
        add_weight, keras.Layer.add_weight = keras.Layer.add_weight, counted
        try:
            yield
        finally:
            keras.Layer.add_weight = add_weight
