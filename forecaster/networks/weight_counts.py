"""The number of weights of a network, estimated from its settings without Keras.

Biases, normalisation, static numbers and what :mod:`forecaster.networks.assembly` adds are left out, or nearly so: they
are small compared with the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from forecaster.families import NETWORKS
from forecaster.networks.assembly import count_gates

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Shapes

#: Numbers that a network with ``base="gate"`` reads of a window, in addition to one for each simple forecast.
CHANGES = 2


def count_weights(config: Config, shapes: Shapes) -> int:
    """Return the number of weights of a network, within 15 %.

    Args:
        config: its settings.
        shapes: its shapes.
    """
    family = NETWORKS[config.network]
    gates = count_gates(config, shapes) if family.supports_gate else 0
    static = shapes.static + (CHANGES + gates if gates else 0)
    return family.weights(family.applied(config), replace(shapes, outputs=shapes.outputs + gates, static=static))
