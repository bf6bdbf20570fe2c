"""The card of a network: everything that the rest of the package knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecaster.config import Config
    from forecaster.families.shapes import Read, Shapes

#: Builds the Keras layers of a network from its settings, its shapes and what it reads. Returns the correction of the
#: base of the normalised window, ``(batch, steps, shapes.outputs)``; zeros before training where there is a base.
Core = Callable[["Config", "Shapes", "Read"], Any]

#: Settings that only recurrent layers read.
RECURRENT = ("bidirectional", "activation", "recurrent_dropout")


def count_units(config: Config, segments: int, lookback: int) -> float:
    """Return the units of all layers over all segments, in both directions where the window is read both ways."""
    return (2 if config.bidirectional else 1) * segments * sum(config.units)


@dataclass(frozen=True)
class Family:
    """One kind of network. A file of this folder has a dict ``FAMILIES`` of them, by the names users write.

    Attributes:
        says: what it is, in one line of at most 65 characters, for the help of ``network``.
        core: builds its layers.
        weights: counts its weights from its settings and shapes; within 15 % of what Keras counts.
        kept: numbers that it keeps of a window for each unit that ``kept_units`` counts: while it is trained, and while
            it only forecasts; measured by ``benchmarks/memory.py``.
        kept_units: counts those units from its settings, the segments of a window and the lookback.
        fixed: settings that make it what it is, whatever the user sets them to.
        unread: settings of the ``network`` group that it does not read, those of ``fixed`` among them.
        supports_gate: ``base="gate"`` lets it weigh the simple forecasts by the window; otherwise that is
            ``base="mix"``.
    """

    says: str
    core: Core
    weights: Callable[[Config, Shapes], int]
    kept: tuple[float, float]
    kept_units: Callable[[Config, int, int], float] = count_units
    fixed: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    supports_gate: bool = True

    @property
    def has_dropout(self) -> bool:
        """True if it drops activations, so that passes with dropout differ."""
        return "dropout" not in self.unread

    def applied(self, config: Config) -> Config:
        """Return the settings with those that the family fixes."""
        return config.replace(**self.fixed) if self.fixed else config
