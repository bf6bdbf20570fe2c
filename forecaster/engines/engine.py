"""The interface of engines, which run a trained network."""

from __future__ import annotations

from typing import Protocol

import numpy as np

#: Windows in one call of an engine: bounds memory, and changes numbers by float32 rounding at most.
CHUNK = 1024

#: Arrays by the names of the network's inputs: see :meth:`forecaster.features.windows.Windows.batch`.
Inputs = dict[str, np.ndarray]


class Engine(Protocol):
    """Something that forecasts windows."""

    def run(self, inputs: Inputs) -> np.ndarray:
        """Return the forecast of each window, scaled.

        Args:
            inputs: ``past`` ``(windows, lookback, channels)`` float32, the scaled target first; ``future``
                ``(windows, steps, features)`` float32; ``static`` ``(windows, numbers)`` float32; ``categories``
                ``(windows, groups)`` int32; ``outside`` ``(windows, steps, 1)`` float32, a forecast made outside the
                network. Arrays that are no input of the network are ignored.

        Returns:
            np.ndarray: ``(windows, steps, outputs)`` float32, the point forecast first, see
            :mod:`forecaster.networks.outputs`.
        """
        ...


def select_inputs(inputs: Inputs, dtypes: dict[str, str]) -> Inputs:
    """Return the arrays of the given names, each contiguous and of its type."""
    return {name: np.ascontiguousarray(inputs[name], dtype) for name, dtype in dtypes.items()}
