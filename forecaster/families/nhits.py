"""N-HiTS: N-BEATS whose blocks read the window and forecast it at several rates.

Challu et al. 2023 (arXiv:2201.12886, section 3): the first block reads a window of pooled values and gives few numbers,
between which its forecast is interpolated; the last one reads and gives every step. Covariates are read as in N-BEATS.
``units`` are the Dense layers of a block.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from forecaster.families.family import RECURRENT, Family
from forecaster.families.nbeats import Block, block_weights, forecast_blocks

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Slow, middle and fast, of the choices that the paper searches over (its appendix on training).
BLOCKS = (Block(pool=8, every=24), Block(pool=4, every=12), Block())


def nhits(config: Config, shapes: Shapes, read: Read) -> Any:
    """Return the forecast, ``(batch, steps, outputs)``."""
    return forecast_blocks(BLOCKS, config, shapes, read)


FAMILIES = {
    "nhits": Family(
        "N-HiTS: N-BEATS at several rates",
        nhits,
        partial(block_weights, BLOCKS),
        kept=(0, 0),
        unread=(*RECURRENT, "head", "segment"),
    ),
}
