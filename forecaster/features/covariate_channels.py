"""Channels of covariates: how each is fitted on the cells of training rows, and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np

from forecaster.data.schema import Column
from forecaster.features.series_sums import CHUNK, series_chunks
from forecaster.words import first_few

#: Cells of a column that its shape is judged by; of more, so many evenly spaced ones.
SAMPLE = 100_000
#: Skewness beyond which the logarithm of a column is tried, and orders of magnitude of a positive one.
SKEWED, SPAN = 3.0, 1e3
#: What the logarithm must leave of the skewness at most, to be taken.
LESS = 0.8
#: Deviations from the mean at which a cell is clipped, so that the network is spared what training never saw.
CLIP = 10.0
#: Share of the range of the training rows that a cell may lie beyond it by, before a person is warned.
LITTLE = 0.1
#: A column whose deviation is below this share of its level is constant to float32 and no channel.
CONSTANT = 1e-6
#: Categories at most that are channels of their own, and that are told apart for a series.
MOST_CHANNELS, MOST_STATIC = 20, 1000


@dataclass(frozen=True)
class Number:
    """A column of numbers as one channel: ``(f(x) - center) / scale``, clipped to 10 deviations.

    ``f(x)`` is ``x``, or where a ``unit`` was chosen the signed logarithm ``sign(x) log(1 + |x| / unit)``.

    Attributes:
        name: the column.
        place: its number among the columns of its array.
        unit: unit of the logarithm; 0 for none.
        center: mean of ``f`` over the training rows.
        scale: deviation of it.
        low: smallest value of the training rows.
        high: largest.
    """

    name: str
    place: int
    unit: float
    center: float
    scale: float
    low: float
    high: float

    kind: ClassVar[str] = "number"
    width = 1

    def write(self, cells: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
        """Write the channel.

        Args:
            cells: ``(rows,)`` float.
            starts: ``(rows,)`` int, the first row of the series of each row: an empty cell takes the last value before
                it in its series. What stays empty is 0, the mean.
            out: ``(rows, 1)`` float32, where it is written.
        """
        out[:, 0] = np.nan_to_num(np.clip(self._standard(fill_forward(cells, starts)), -CLIP, CLIP), nan=0.0)

    def outside(self, cells: np.ndarray) -> Outside | None:
        """Return what is known of the cells beyond the values of the training rows; None where there are none."""
        beyond = cells[(cells < self.low) | (cells > self.high)].astype(np.float64)
        if not len(beyond):
            return None
        excess = np.maximum(beyond - self.high, self.low - beyond)
        clipped = int((np.abs(self._standard(beyond)) > CLIP).sum())
        furthest = float(beyond[excess.argmax()])
        return Outside(len(beyond), clipped, furthest, bool(excess.max() > LITTLE * (self.high - self.low)))

    def _standard(self, cells: np.ndarray) -> np.ndarray:
        return (_curved(cells, self.unit) - self.center) / self.scale


@dataclass(frozen=True)
class Category:
    """A column of categories as channels of 0 and 1; all 0 for an empty cell, and one that training rarely saw.

    Attributes:
        name: the column.
        place: its number among the columns of its array.
        codes: codes of the categories that are told apart, the most frequent first.
        labels: their names, for whoever reads the manifest.
    """

    name: str
    place: int
    codes: tuple[int, ...]
    labels: tuple[str, ...] = ()

    kind: ClassVar[str] = "category"

    @property
    def width(self) -> int:
        """Number of channels."""
        return len(self.codes)

    def write(self, cells: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
        """Write the channels into ``out``, ``(rows, codes)`` float32; see :meth:`Number.write`. Nothing is filled."""
        for channel, code in enumerate(self.codes):
            out[:, channel] = cells == code

    def numbers(self, cells: np.ndarray) -> np.ndarray:
        """Return 1, 2, ... for the categories told apart, 0 for any other and an empty cell, ``(rows,)`` int32."""
        table = np.zeros(max(self.codes, default=0) + 2, np.int32)
        table[np.array(self.codes, np.int64)] = np.arange(1, len(self.codes) + 1)
        known = (cells >= 0) & (cells < len(table) - 1)
        return table[np.where(known, cells, len(table) - 1).astype(np.int64)]


@dataclass(frozen=True)
class Present:
    """A channel that is 1 where a column, or several alike, have a reading and 0 where the cell is empty."""

    name: str
    place: int

    kind: ClassVar[str] = "present"
    width = 1

    def write(self, cells: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
        """Write the channel into ``out``, ``(rows, 1)`` float32; see :meth:`Number.write`."""
        out[:, 0] = np.isfinite(cells)


#: Told apart in a manifest by their ``kind``, which stays what it is whatever the classes are called.
Channel = Number | Category | Present


@dataclass(frozen=True)
class Outside:
    """Cells of a column of numbers beyond its values in the training rows.

    Attributes:
        count: how many.
        clipped: how many of them the network reads as 10 deviations from the mean.
        furthest: the one that lies furthest.
        far: whether it lies beyond by more than a tenth of the range of the training rows.
    """

    count: int
    clipped: int
    furthest: float
    far: bool


def encode_cells(channels: Sequence[Channel], cells: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the channels of some cells, ``(rows, width)`` float32; see :meth:`Number.write`.

    Args:
        channels: fitted.
        cells: ``(rows, columns)`` float, series by series.
        offsets: ``(series + 1,)`` int of the series.
    """
    out = np.zeros((len(cells), sum(channel.width for channel in channels)), np.float32)
    for _, rows, segments in series_chunks(offsets) if channels else ():
        starts, first = segments.each(segments.offsets[:-1]), 0
        for channel in channels:
            channel.write(cells[rows, channel.place], starts, out[rows, first : first + channel.width])
            first += channel.width
    return out


def fill_forward(cells: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the cells with the last finite one of the same series for each that is not; nan before the first."""
    known = np.isfinite(cells)
    if known.all():
        return cells
    last = np.maximum.accumulate(np.where(known, np.arange(len(cells)), -1))
    return np.where(last >= starts, cells[np.maximum(last, 0)], np.nan)


def _curved(cells: np.ndarray, unit: float) -> np.ndarray:
    """Return the cells, or their signed logarithm in a unit, ``(rows,)`` float64."""
    cells = cells.astype(np.float64)
    return np.sign(cells) * np.log1p(np.abs(cells) / unit) if unit else cells


def fit_channels(columns: Sequence[Column], cells: np.ndarray, most: int = MOST_CHANNELS) -> tuple[Any, ...]:
    """Return a channel for each column that changes in the training cells, ``(rows, columns)``."""
    found: list[Channel | None] = []
    for place, column in enumerate(columns):
        if column.categories is None:
            found.append(_number(column, place, cells[:, place]))
        else:
            found.append(_category(column.name, place, column.categories, cells[:, place], most))
    return tuple(channel for channel in found if channel is not None)


def _number(column: Column, place: int, cells: np.ndarray) -> Number | None:
    known = cells[np.isfinite(cells)]
    if not len(known) or known.min() == known.max():
        return None
    sample = known[np.linspace(0, len(known) - 1, min(len(known), SAMPLE)).astype(np.int64)].astype(np.float64)
    unit = 0.0 if column.offset else _unit(sample)  # what varies little about a large value is near its logarithm
    center, scale = _moments(known, unit, float(np.median(_curved(sample, unit))))
    if scale <= CONSTANT * abs(center):
        return None
    return Number(column.name, place, unit, center, scale, float(known.min()), float(known.max()))


def _unit(sample: np.ndarray) -> float:
    """Return the unit of the logarithm of a column, the median size of what is not 0; 0 where none is taken."""
    if not sample.any():
        return 0.0
    unit = float(np.median(np.abs(sample[sample != 0])))
    low, high = np.quantile(sample, (0.01, 0.99))
    if low > 0 and high > SPAN * low:
        return unit
    plain = abs(_skewness(sample))
    return unit if plain > SKEWED and abs(_skewness(_curved(sample, unit))) <= LESS * plain else 0.0


def _skewness(values: np.ndarray) -> float:
    apart = values - values.mean()
    apart /= np.abs(apart).max() or 1.0
    variance = float((apart**2).mean())
    return float((apart**3).mean()) / variance**1.5 if variance > 0 else 0.0


def _moments(cells: np.ndarray, unit: float, near: float) -> tuple[float, float]:
    """Return mean and deviation of a column, from its cells' distances to a value ``near`` the mean."""
    first = second = 0.0
    for part in _pieces(cells):
        apart = _curved(part, unit) - near
        first, second = first + float(apart.sum()), second + float((apart**2).sum())
    mean = first / len(cells)
    return near + mean, max(second / len(cells) - mean**2, 0.0) ** 0.5


def _category(name: str, place: int, labels: Sequence[str], cells: np.ndarray, most: int) -> Category | None:
    counts = np.zeros(len(labels), np.int64)
    for part in _pieces(cells):
        counts += np.bincount(part[part >= 0].astype(np.int64), minlength=len(labels))
    if counts.max(initial=0) in (0, len(cells)):
        return None
    codes = [int(code) for code in np.argsort(-counts, kind="stable")[:most] if counts[code]]
    return Category(name, place, tuple(codes), tuple(labels[code] for code in codes))


def fit_presence(columns: Sequence[Column], cells: np.ndarray) -> tuple[Present, ...]:
    """Return a channel for each way in which columns are empty in some training rows and not in others."""
    alike: dict[bytes, list[int]] = {}
    for place in range(len(columns)):
        known = np.isfinite(cells[:, place])
        if known.any() and not known.all():
            alike.setdefault(blake2b(np.packbits(known).tobytes()).digest(), []).append(place)
    return tuple(Present(first_few([columns[i].name for i in places]), places[0]) for places in alike.values())


def _pieces(cells: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(cells), CHUNK):
        yield cells[first : first + CHUNK]
