"""Transformer over patches of the window.

PatchTST of Nie et al. 2023 (arXiv:2211.14730, section 3.1): a patch of the target is one token, projected, with a
learned place, and all tokens together are read by one linear head. Here patches are the segments and do not overlap;
each series is forecast by itself, and calendar, covariates and static numbers are part of each patch.
Encoder layers are those of Vaswani et al. 2017 (arXiv:1706.03762, section 3.1), normalised before each part, which
trains without warm-up (Xiong et al. 2020, arXiv:2002.04745).

``units`` are the width of the tokens, first, and half the hidden units of each layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.families.blocks import apply_dropout, dense_layer, segments_shape, weight_penalty, window_segments
from forecaster.families.family import RECURRENT, Family
from forecaster.families.heads import count_dense_head, dense_head

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Heads of attention, of ``width / HEADS`` numbers each.
HEADS = 4
#: Numbers kept for each pair of segments of which one attends to the other, in numbers kept for a unit.
ATTENTION = 0.054


def transformer(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    import keras

    from forecaster.families.layers import Places

    patches = window_segments(read.sequence, read.context, config, shapes)
    x = Places(name="places")(dense_layer(config, config.units[0], "projection", activation=None)(patches))
    x = apply_dropout(x, config, "dropout_tokens")
    for number, units in enumerate(config.units, 1):
        x = _layer(config, x, 2 * units, number)
    return dense_head(config, shapes, read, keras.layers.Flatten(name="tokens")(_norm(config, x, "norm")))


def _layer(config: Config, x: Any, hidden: int, number: int) -> Any:
    """Return tokens, ``(batch, patches, width)``, after self-attention and two Dense layers, each added to them."""
    import keras

    width = int(x.shape[-1])
    normed = _norm(config, x, f"norm_attention_{number}")
    attention = keras.layers.MultiHeadAttention(
        HEADS,
        max(1, width // HEADS),
        dropout=config.dropout,
        use_bias=False,
        kernel_regularizer=weight_penalty(config),
        name=f"attention_{number}",
    )(normed, normed)
    x = keras.layers.Add(name=f"attended_{number}")(
        [x, apply_dropout(attention, config, f"dropout_attention_{number}")]
    )
    y = dense_layer(config, hidden, f"hidden_{number}")(_norm(config, x, f"norm_hidden_{number}"))
    y = dense_layer(config, width, f"back_{number}", activation=None)(apply_dropout(y, config, f"dropout_{number}"))
    return keras.layers.Add(name=f"layer_{number}")([x, apply_dropout(y, config, f"dropout_back_{number}")])


def _norm(config: Config, x: Any, name: str) -> Any:
    """Return normalised tokens: over the batch, as in PatchTST, for ``layer_norm="batch"``, else each by itself."""
    import keras

    kind = keras.layers.BatchNormalization if config.layer_norm == "batch" else keras.layers.LayerNormalization
    return kind(name=name)(x)


def transformer_weights(config: Config, shapes: Shapes) -> int:
    """Return the weights of :func:`transformer`."""
    (patches, numbers), width = segments_shape(config, shapes), config.units[0]
    attention = 4 * width * HEADS * max(1, width // HEADS)
    layers = sum(attention + 4 * width * units for units in config.units)
    return (numbers + patches) * width + layers + count_dense_head(config, shapes, patches * width)


def transformer_units(config: Config, segments: int, lookback: int) -> float:
    """Return the units of all segments, and the attention of each segment to each, counted in units."""
    return segments * (sum(config.units) + ATTENTION * HEADS * len(config.units) * segments)


FAMILIES = {
    "transformer": Family(
        "PatchTST: self-attention over patches of the window",
        transformer,
        transformer_weights,
        kept=(34, 20),
        kept_units=transformer_units,
        unread=(*RECURRENT, "head"),
    ),
}
