"""Channels of covariates: fit each on the cells of the training rows, and write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np

from forecaster.data.schema import Column
from forecaster.features.series_sums import CHUNK, series_chunks
from forecaster.words import first_few

#: Most cells of a column that its distribution is estimated from, evenly spaced.
SAMPLE = 100_000
#: Skewness above which the logarithm of a column is tried, and ratio of its ends above which a positive one has it.
SKEWED, SPAN = 3.0, 1e3
#: The logarithm is taken if it leaves at most this share of the skewness.
LESS = 0.8
#: Standard deviations from the mean at which a cell is clipped: the network was not trained on such values.
CLIP = 10.0
#: Share of the range of the training rows by which a cell may lie outside it without a warning.
LITTLE = 0.1
#: A column whose deviation is below this share of its level is constant in float32 and has no channel.
CONSTANT = 1e-6
#: Most categories of a column with channels of their own, and of a static column.
MOST_CHANNELS, MOST_STATIC = 20, 1000


@dataclass(frozen=True)
class Number:
    """A column of numbers as one channel: ``(f(x) - center) / scale``, clipped to 10 standard deviations.

    ``f(x)`` is ``x``, or with a ``unit`` the signed logarithm ``sign(x) log(1 + |x| / unit)``.

    Attributes:
        name: the column.
        place: its index among the columns of its array.
        unit: unit of the logarithm; 0 for none.
        center: mean of ``f`` over the training rows.
        scale: standard deviation of ``f`` over them.
        low: smallest value in them.
        high: largest value in them.
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
            out: ``(rows, 1)`` float32, to write to.
        """
        out[:, 0] = np.nan_to_num(np.clip(self._standardise(fill_forward(cells, starts)), -CLIP, CLIP), nan=0.0)

    def outside(self, cells: np.ndarray) -> Outside | None:
        """Return a summary of the cells outside the range of the training rows; None if there are none."""
        beyond = cells[(cells < self.low) | (cells > self.high)].astype(np.float64)
        if not len(beyond):
            return None
        excess = np.maximum(beyond - self.high, self.low - beyond)
        clipped = int((np.abs(self._standardise(beyond)) > CLIP).sum())
        furthest = float(beyond[excess.argmax()])
        return Outside(len(beyond), clipped, furthest, bool(excess.max() > LITTLE * (self.high - self.low)))

    def _standardise(self, cells: np.ndarray) -> np.ndarray:
        return (_compress(cells, self.unit) - self.center) / self.scale


@dataclass(frozen=True)
class Category:
    """A column of categories as one-hot channels; all 0 for an empty cell and for a category rare in training.

    Attributes:
        name: the column.
        place: its index among the columns of its array.
        codes: codes of the categories with a channel, the most frequent first.
        labels: their names, for readers of the manifest.
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
        """Return 1, 2, ... for ``codes``, 0 for any other category and an empty cell, ``(rows,)`` int32."""
        table = np.zeros(max(self.codes, default=0) + 2, np.int32)
        table[np.array(self.codes, np.int64)] = np.arange(1, len(self.codes) + 1)
        known = (cells >= 0) & (cells < len(table) - 1)
        return table[np.where(known, cells, len(table) - 1).astype(np.int64)]


@dataclass(frozen=True)
class Present:
    """A channel that is 1 where a column has a value and 0 where its cell is empty; columns empty together share it."""

    name: str
    place: int

    kind: ClassVar[str] = "present"
    width = 1

    def write(self, cells: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
        """Write the channel into ``out``, ``(rows, 1)`` float32; see :meth:`Number.write`."""
        out[:, 0] = np.isfinite(cells)


#: A manifest tells them apart by ``kind``, which does not change when a class is renamed.
Channel = Number | Category | Present


@dataclass(frozen=True)
class Outside:
    """Cells of a column of numbers outside its range in the training rows.

    Attributes:
        count: number of such cells.
        clipped: number of them that are clipped to 10 standard deviations from the mean.
        furthest: the one furthest outside.
        far: True if that lies outside by more than a tenth of the range.
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
    """Replace each cell that is not finite by the last finite one of its series; nan before the first."""
    known = np.isfinite(cells)
    if known.all():
        return cells
    last = np.maximum.accumulate(np.where(known, np.arange(len(cells)), -1))
    return np.where(last >= starts, cells[np.maximum(last, 0)], np.nan)


def _compress(cells: np.ndarray, unit: float) -> np.ndarray:
    """Return the cells, or their signed logarithm in a unit, ``(rows,)`` float64."""
    cells = cells.astype(np.float64)
    return np.sign(cells) * np.log1p(np.abs(cells) / unit) if unit else cells


def fit_channels(columns: Sequence[Column], cells: np.ndarray, most: int = MOST_CHANNELS) -> tuple[Any, ...]:
    """Return a channel for each column that is not constant in the training cells, ``(rows, columns)``."""
    found: list[Channel | None] = []
    for place, column in enumerate(columns):
        if column.categories is None:
            found.append(_fit_number(column, place, cells[:, place]))
        else:
            found.append(_fit_category(column.name, place, column.categories, cells[:, place], most))
    return tuple(channel for channel in found if channel is not None)


def _fit_number(column: Column, place: int, cells: np.ndarray) -> Number | None:
    known = cells[np.isfinite(cells)]
    if not len(known) or known.min() == known.max():
        return None
    sample = known[np.linspace(0, len(known) - 1, min(len(known), SAMPLE)).astype(np.int64)].astype(np.float64)
    unit = (
        0.0 if column.offset else _find_unit(sample)
    )  # values that vary little about a large one are almost linear in their logarithm
    center, scale = _moments(known, unit, float(np.median(_compress(sample, unit))))
    if scale <= CONSTANT * abs(center):
        return None
    return Number(column.name, place, unit, center, scale, float(known.min()), float(known.max()))


def _find_unit(sample: np.ndarray) -> float:
    """Return the unit of the logarithm of a column, the median size of its nonzero cells; 0 for no logarithm."""
    if not sample.any():
        return 0.0
    unit = float(np.median(np.abs(sample[sample != 0])))
    low, high = np.quantile(sample, (0.01, 0.99))
    if low > 0 and high > SPAN * low:
        return unit
    plain = abs(_skewness(sample))
    return unit if plain > SKEWED and abs(_skewness(_compress(sample, unit))) <= LESS * plain else 0.0


def _skewness(values: np.ndarray) -> float:
    distance = values - values.mean()
    distance /= np.abs(distance).max() or 1.0
    variance = float((distance**2).mean())
    return float((distance**3).mean()) / variance**1.5 if variance > 0 else 0.0


def _moments(cells: np.ndarray, unit: float, near: float) -> tuple[float, float]:
    """Return mean and standard deviation of a column, computed from distances to a value ``near`` the mean."""
    first = second = 0.0
    for part in _chunks(cells):
        distance = _compress(part, unit) - near
        first, second = first + float(distance.sum()), second + float((distance**2).sum())
    mean = first / len(cells)
    return near + mean, max(second / len(cells) - mean**2, 0.0) ** 0.5


def _fit_category(name: str, place: int, labels: Sequence[str], cells: np.ndarray, most: int) -> Category | None:
    counts = np.zeros(len(labels), np.int64)
    for part in _chunks(cells):
        counts += np.bincount(part[part >= 0].astype(np.int64), minlength=len(labels))
    if counts.max(initial=0) in (0, len(cells)):
        return None
    codes = [int(code) for code in np.argsort(-counts, kind="stable")[:most] if counts[code]]
    return Category(name, place, tuple(codes), tuple(labels[code] for code in codes))


def fit_presence(columns: Sequence[Column], cells: np.ndarray) -> tuple[Present, ...]:
    """Return a channel for each distinct pattern of empty cells among the columns that have some."""
    alike: dict[bytes, list[int]] = {}
    for place in range(len(columns)):
        known = np.isfinite(cells[:, place])
        if known.any() and not known.all():
            alike.setdefault(blake2b(np.packbits(known).tobytes()).digest(), []).append(place)
    return tuple(Present(first_few([columns[i].name for i in places]), places[0]) for places in alike.values())


def _chunks(cells: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(cells), CHUNK):
        yield cells[first : first + CHUNK]
