"""Average the point forecast of a network with one that was made outside it."""

from __future__ import annotations

import numpy as np

from forecaster.engines.engine import Engine, Inputs


class CombinedEngine:
    """Runs a network and moves its point forecast towards the one of the input ``outside``.

    Its other outputs are distances from the point or shapes, see :mod:`forecaster.networks.outputs`, and stay.

    Args:
        engine: runs the network.
        share: weight of the forecast made outside, from 0 to 1.
    """

    def __init__(self, engine: Engine, share: float) -> None:
        self.engine, self.share = engine, share

    def run(self, inputs: Inputs) -> np.ndarray:
        """See :class:`Engine`."""
        found = np.array(self.engine.run(inputs))
        found[:, :, :1] += np.float32(self.share) * (inputs["outside"] - found[:, :, :1])
        return found
