"""Panels that take less memory: times as places on a shared axis, series selected without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from forecaster.data.panel.panel import Panel
from forecaster.data.time.calendar import distinct_times

#: TensorFlow reads an array in place if its address is a multiple of this many bytes.
ALIGNMENT = 64


def empty_aligned(shape: tuple[int, ...], dtype: np.dtype | type = np.float32) -> np.ndarray:
    """Return an uninitialised array that TensorFlow can read in place, without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


class PackedPanel(Panel):
    """A panel whose series share their times: 1, 2 or 4 bytes a row instead of 8.

    It behaves like a :class:`Panel`; ``times`` are computed each time they are read. :func:`dataclasses.replace`
    turns it into a plain panel.

    Attributes:
        axis: the distinct times in order, ``(T,)``.
        places: ``(rows,)`` uint8, uint16 or int32, the place of the time of each row on the axis.
    """

    axis: np.ndarray
    places: np.ndarray

    def __post_init__(self) -> None:
        """Become a plain panel: packed ones are made without the constructor."""
        super().__post_init__()
        object.__setattr__(self, "__class__", Panel)

    def __getattr__(self, name: str) -> Any:
        """Compute the times, which are not stored."""
        if name == "times":
            return self.axis[self.places]
        raise AttributeError(name)

    @property
    def last(self) -> np.ndarray:
        """See :attr:`Panel.last`."""
        return self.axis[self.places[self.offsets[1:] - 1]]

    def take(self, keep: np.ndarray) -> Panel:
        """See :meth:`Panel.take`."""
        return _to_packed(_to_plain(self, self.places).take(keep), self.axis)


def pack_panel(panel: Panel) -> PackedPanel:
    """Return a panel with its times as places on an axis, and no array for ``observed`` if every row is."""
    if isinstance(panel, PackedPanel):
        return panel
    axis, places = distinct_times(panel.times, panel.freq)
    small = np.min_scalar_type(max(len(axis) - 1, 0))
    held = empty_aligned(places.shape, small if small.itemsize < 4 else np.dtype(np.int32))
    held[:] = places
    plain = _to_plain(panel, held)
    if panel.observed.all():
        plain = replace(plain, observed=np.broadcast_to(np.True_, panel.observed.shape))
    return _to_packed(plain, axis)


def unpack_panel(panel: Panel) -> Panel:
    """Return a panel that stores its times, for work that reads them often."""
    return replace(panel) if isinstance(panel, PackedPanel) else panel


def time_index(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct times of a panel in order, ``(T,)``, and the place of each row's time, ``(rows,)``."""
    return (panel.axis, panel.places) if isinstance(panel, PackedPanel) else distinct_times(panel.times, panel.freq)


def select_rows(panel: Panel, rows: np.ndarray, offsets: np.ndarray, observed: np.ndarray) -> Panel:
    """Return the panel of the given rows, in the given order, with new bounds of the series.

    Args:
        panel: a panel, whose ids, static covariates and ``beyond`` are kept.
        rows: ``(n,)`` int, the rows to take; one may be taken several times.
        offsets: ``(series + 1,)`` int64, bounds of the series among the new rows.
        observed: ``(n,)`` bool, as of :class:`Panel`.
    """
    times = panel.places if isinstance(panel, PackedPanel) else panel.times
    found = replace(
        _to_plain(panel, times[rows]),
        values=panel.values[rows],
        observed=observed,
        offsets=offsets,
        covariates=panel.covariates[rows],
    )
    return _to_packed(found, panel.axis) if isinstance(panel, PackedPanel) else found


def select_series(panel: Panel, first: int, last: int) -> Panel:
    """Return the series ``first`` to ``last - 1`` of a panel, as views of its arrays."""
    a, b = int(panel.offsets[first]), int(panel.offsets[min(last, len(panel))])
    times = (panel.places if isinstance(panel, PackedPanel) else panel.times)[a:b]
    found = replace(
        _to_plain(panel, times),
        values=panel.values[a:b],
        observed=panel.observed[a:b],
        offsets=panel.offsets[first : last + 1] - a,
        ids=panel.ids[first:last],
        covariates=panel.covariates[a:b],
        static=panel.static[first:last],
        beyond=None if panel.beyond is None else panel.beyond[first:last],
    )
    return _to_packed(found, panel.axis) if isinstance(panel, PackedPanel) else found


def concatenate_panels(panels: Sequence[Panel]) -> Panel:
    """Return the series of one or more panels of the same columns, one panel after the other."""
    if len(panels) == 1:
        return panels[0]
    sizes = np.concatenate([panel.lengths for panel in panels])
    names = ("values", "observed", "times", "covariates", "static")
    arrays: dict[str, Any] = {name: np.concatenate([getattr(panel, name) for panel in panels]) for name in names}
    return replace(
        panels[0],
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        ids=tuple(name for panel in panels for name in panel.ids),
        beyond=None,
        **arrays,
    )


def _to_plain(panel: Panel, times: np.ndarray) -> Panel:
    """Return a plain panel with the given times, or with places of times instead."""
    others = {field.name: getattr(panel, field.name) for field in fields(Panel) if field.name != "times"}
    return Panel(times=times, **others)


def _to_packed(plain: Panel, axis: np.ndarray) -> PackedPanel:
    """Return a packed panel made from a plain one that holds places instead of times."""
    found = object.__new__(PackedPanel)
    arrays = {name: value for name, value in plain.__dict__.items() if name != "times"}
    found.__dict__.update(arrays, axis=axis, places=plain.times)
    return found
