"""Running a trained network: one interface, two engines, and rolling forward beyond the steps it was trained for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    pass

#: Windows in one call of an engine: bounds memory, changes numbers by what float32 rounds at most.
CHUNK = 1024

#: What a network reads, by the names of its inputs: see :meth:`forecaster.features.windows.Windows.batch`.
Inputs = dict[str, np.ndarray]


class Engine(Protocol):
    """Something that forecasts windows."""

    def run(self, inputs: Inputs) -> np.ndarray:
        """Return the forecast of each window, scaled.

        Args:
            inputs: ``past`` ``(windows, lookback, channels)`` float32, the scaled target first; ``future``
                ``(windows, steps, features)`` float32; ``static`` ``(windows, numbers)`` float32; ``categories``
                ``(windows, groups)`` int32. What the network does not read is left aside.

        Returns:
            np.ndarray: ``(windows, steps, outputs)`` float32, the point forecast first, see
            :mod:`forecaster.networks.outputs`.
        """
        ...


def select_inputs(inputs: Inputs, dtypes: dict[str, str]) -> Inputs:
    """Return the inputs that a network reads, in the types that it reads."""
    return {name: np.ascontiguousarray(inputs[name], dtype) for name, dtype in dtypes.items()}
