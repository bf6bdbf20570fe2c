"""MLP: Dense layers over the whole window."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import dense_layer, regularize
from forecaster.families.family import RECURRENT, Family
from forecaster.families.heads import count_dense_head, dense_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes


def mlp(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    x = keras.layers.Flatten(name="flat_window")(read.sequence)
    for number, units in enumerate(config.units, 1):
        x = regularize(dense_layer(config, units, f"hidden_{number}")(x), config, number)
    return dense_head(config, shapes, read, x)


def mlp_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`mlp`."""
    layers = pairwise((shapes.lookback * shapes.channels, *config.units))
    return sum(below * units for below, units in layers) + count_dense_head(config, shapes, config.units[-1])


FAMILIES = {
    "mlp": Family(
        "MLP: dense layers over the whole window",
        mlp,
        mlp_weights,
        kept=(0, 0),
        unread=(*RECURRENT, "head", "segment"),
    ),
}
