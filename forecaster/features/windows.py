"""Windows over concatenated series: tensors by index, never ``rows x lookback`` copies.

One array holds the readings. A window is a ``(series, cutoff)`` pair: its inputs are the ``lookback`` rows up
to the cutoff, its targets the ``horizon`` rows after it. A batch gathers only its own windows, so memory is
O(rows + batch).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.errors import DataError, NotFoundError, SettingError, nearest
from forecaster.words import plural

#: Takes the row of the first target step of windows, ``(windows,)`` int, and steps; returns forecasts of them made
#: outside the network, ``(windows, steps)`` float32, scaled.
OutsideForecast = Callable[[np.ndarray, int], np.ndarray]


class Windows:
    """All windows of some series, gathered by index.

    Windows are stored as spans of rows, so that many of them cost no memory; calendar, static covariates and categories
    are stored once per time or series, and looked up for a batch.

    Args:
        values: ``(rows, 1 + known + past)`` float, the series one after the other: the target, the covariates known
            after the cutoff, and the channels known up to it. Float32 in C order is not copied.
        lookback: input steps of a window.
        horizon: target steps of a window.
        offsets: ``(series + 1,)`` int; series ``i`` is rows ``offsets[i]:offsets[i + 1]``. One series by default.
        weights: ``(rows,)`` bool or float, 1 where the target was observed and 0 where it carries no loss. All 1 by
            default.
        newest: ``(first, last)``: only windows whose target rows all have an age of ``first > age >= last``, the number
            of newer rows in their series; None for no upper limit. Splits by time are made with it.
        known: number of channels after the target that are known after the cutoff.
        calendar: ``(times, features)`` float, features of every time.
        places: ``(rows,)`` int, the row of ``calendar`` of each reading; by default the same row.
        static: ``(series, numbers)`` float.
        categories: ``(series, groups)`` int, 0 for an unknown category.
        usable: ``(rows,)`` bool, True at rows where the targets of a window may begin, all by default; see
            :func:`allowed_window_starts`.
        indicator: True if the last channel is 1 where the target was observed and 0 where it is a placeholder.
        causal: ``(rows,)`` float, the target with every placeholder made from the rows before it. A window reads it
            instead of ``values`` after its last reading, so that nothing after the cutoff leaks in. By default the
            placeholders of ``values`` are causal.
        latest: ``(rows,)`` int, the newest observed row up to each; required with ``causal``.

    Attributes:
        values: ``(rows, channels)`` float32.
        first, before: row at which each span of windows begins, and the number of windows before it.
        outside: makes the forecasts that come from outside the network; None for none.

    Raises:
        SettingError: lookback or horizon below 1.

    Example:
        Two series of 5 and 4 rows, the target and one covariate known after the cutoff:

        >>> import numpy as np
        >>> values = np.arange(18.0).reshape(9, 2)
        >>> windows = Windows(values, lookback=2, horizon=1, offsets=[0, 5, 9], known=1)
        >>> windows.index.tolist()
        [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2]]
        >>> windows.inputs([0]).tolist(), windows.targets([0]).tolist()
        ([[[0.0, 1.0], [2.0, 3.0]]], [[4.0]])
        >>> {name: array.shape for name, array in windows.batch(slice(0, 4)).items()}
        {'past': (4, 2, 2), 'future': (4, 1, 1)}
        >>> validation = Windows(values, 2, 1, offsets=[0, 5, 9], newest=(1, 0))
        >>> validation.index.tolist()  # the last row of each series is its target
        [[0, 3], [1, 2]]
    """

    def __init__(
        self,
        values: np.ndarray,
        lookback: int,
        horizon: int,
        offsets: np.ndarray | Sequence[int] | None = None,
        weights: np.ndarray | None = None,
        newest: tuple[int | None, int] = (None, 0),
        *,
        known: int = 0,
        calendar: np.ndarray | None = None,
        places: np.ndarray | None = None,
        static: np.ndarray | None = None,
        categories: np.ndarray | None = None,
        usable: np.ndarray | None = None,
        indicator: bool = False,
        causal: np.ndarray | None = None,
        latest: np.ndarray | None = None,
    ) -> None:
        if lookback < 1 or horizon < 1:
            raise SettingError(f"lookback and horizon must be 1 or more, got {lookback} and {horizon}")
        self.values = np.ascontiguousarray(values if values.ndim == 2 else values[:, None], dtype=np.float32)
        self.offsets = np.asarray([0, len(values)] if offsets is None else offsets, dtype=np.int64)
        self.weights = None if weights is None or bool(np.all(weights)) else np.asarray(weights)
        self.lookback, self.horizon, self.indicator, self.known_channels = lookback, horizon, indicator, known
        self.calendar = _as_table(calendar, np.float32)
        self.places = None if self.calendar is None or places is None else np.asarray(places)
        self.causal = None if causal is None else np.ascontiguousarray(causal, dtype=np.float32)
        self.latest = None if causal is None or latest is None else np.ascontiguousarray(latest)
        self.static, self.categories = _as_table(static, np.float32), _as_table(categories, np.int32)
        self.first, self.before = self._spans(*newest, usable)
        self.outside: OutsideForecast | None = None

    def _spans(self, first: int | None, last: int, usable: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the spans of rows at which targets may begin, in order of series and time.

        Returns:
            The first row of each span, ``(spans,)`` int64, and the windows before each, ``(spans + 1,)`` int64.
        """
        a, b = self.offsets[:-1], self.offsets[1:]
        begin = a + self.lookback if first is None else np.maximum(a + self.lookback, b - first)
        stop = b - last - self.horizon + 1
        nonempty = begin < stop
        begin, stop = begin[nonempty], stop[nonempty]
        if usable is not None:
            allowed = _mask_ranges(len(self.values), begin, stop)
            allowed &= usable
            edges = np.flatnonzero(np.diff(allowed, prepend=False, append=False))
            begin, stop = edges[::2], edges[1::2]
        return begin, np.concatenate([[0], np.cumsum(stop - begin)])

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self.before[-1])

    @property
    def starts(self) -> np.ndarray:
        """The row of each window's first target step, ``(windows,)`` int64, in order of series and time."""
        return self._starts(slice(None))

    def _starts(self, which: np.ndarray | slice) -> np.ndarray:
        numbers = np.arange(len(self))[which] if isinstance(which, slice) else np.asarray(which)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        if not len(numbers):
            return np.zeros(0, np.int64)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        span = np.searchsorted(self.before, numbers, side="right") - 1
        return self.first[span] + numbers - self.before[span]

    @property
    def index(self) -> np.ndarray:
        """The ``(series, cutoff)`` pairs, ``(windows, 2)`` int64; cutoffs count rows within the series."""
        starts = self.starts
        series = self._series(starts)
        return np.stack([series, starts - 1 - self.offsets[series]], axis=1)

    def series(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the number of the series of the windows ``which``, ``(batch,)`` int64."""
        return self._series(self._starts(which))

    def batch(self, which: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the inputs of a network for the windows ``which``, by name.

        Returns:
            ``past`` as :meth:`inputs`; ``future`` as :meth:`known`; ``static`` ``(batch, numbers)`` float32;
            ``categories`` ``(batch, groups)`` int32; ``outside`` ``(batch, horizon, 1)`` float32, forecasts made
            outside the network. Inputs without columns are left out.
        """
        starts = self._starts(which)
        found = {"past": self._inputs(starts)}
        future = self._known(starts)
        if future.shape[2]:
            found["future"] = future
        series = self._series(starts)
        if self.static is not None:
            found["static"] = self.static[series]
        if self.categories is not None:
            found["categories"] = self.categories[series]
        if self.outside is not None:
            found["outside"] = self.outside(starts, self.horizon)[:, :, None]
        return found

    def inputs(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the rows up to the cutoff, ``(batch, lookback, 1 + calendar + known + past)`` float32."""
        return self._inputs(self._starts(which))

    def known(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the inputs known after the cutoff, ``(batch, horizon, calendar + known)`` float32."""
        return self._known(self._starts(which))

    def targets(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the target after the cutoff, ``(batch, horizon)`` float32."""
        return self.values[self._target_rows(which), 0]

    def target_weights(self, which: np.ndarray | slice = slice(None)) -> np.ndarray | None:
        """Return 1 for observed and 0 for filled target steps, ``(batch, horizon)`` float32; None if all are 1."""
        return None if self.weights is None else self.weights[self._target_rows(which)].astype(np.float32)

    def thinned(self, most: int) -> Windows:
        """Return at most ``most`` of the windows, evenly spaced, over the same array."""
        return self if len(self) <= most else self.only(np.linspace(0, len(self) - 1, most).astype(np.int64))

    def only(self, which: np.ndarray) -> Windows:
        """Return the windows with these numbers, ``(n,)`` int, in that order, over the same array."""
        fewer = copy(self)
        fewer.first, fewer.before = self._starts(which), np.arange(len(which) + 1)
        return fewer

    def reading(self, lookback: int) -> Windows:
        """Return the same windows over the same array, with only their newest ``lookback`` input steps.

        Raises:
            SettingError: the windows have fewer input steps.
        """
        if lookback > self.lookback:
            raise SettingError(f"windows of {self.lookback} input steps do not hold {lookback}")
        shorter = copy(self)
        shorter.lookback = lookback
        return shorter

    def with_outside(self, outside: OutsideForecast) -> Windows:
        """Return the same windows over the same array, whose inputs hold forecasts made outside the network."""
        found = copy(self)
        found.outside = outside
        return found

    def _series(self, starts: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.offsets, starts, side="right") - 1

    def _target_rows(self, which: np.ndarray | slice) -> np.ndarray:
        return self._starts(which)[:, None] + np.arange(self.horizon)

    def _inputs(self, starts: np.ndarray) -> np.ndarray:
        rows = self._gather(starts - self.lookback, self.lookback)
        if self.causal is not None and self.latest is not None and len(starts):
            places = starts[:, None] + np.arange(-self.lookback, 0)
            late = places > self.latest[starts - 1][:, None]
            rows[:, :, 0] = np.where(late, self.causal[places], rows[:, :, 0])
        if self.calendar is None:
            return rows
        calendar = self._calendar(starts - self.lookback, self.lookback)
        return np.concatenate([rows[:, :, :1], calendar, rows[:, :, 1:]], axis=2)

    def _known(self, starts: np.ndarray) -> np.ndarray:
        known = self._gather(starts, self.horizon)[:, :, 1 : 1 + self.known_channels]
        return known if self.calendar is None else np.concatenate([self._calendar(starts, self.horizon), known], axis=2)

    def _calendar(self, first: np.ndarray, length: int) -> np.ndarray:
        assert self.calendar is not None
        rows = first[:, None] + np.arange(length)
        return self.calendar[rows if self.places is None else self.places[rows]]

    def _gather(self, first: np.ndarray, length: int) -> np.ndarray:
        channels = self.values.shape[1]
        if not len(first):
            return np.zeros((0, length, channels), np.float32)
        blocks = sliding_window_view(self.values.reshape(-1), length * channels)
        return blocks[first * channels].reshape(len(first), length, channels)


def allowed_window_starts(
    observed: np.ndarray,
    offsets: np.ndarray,
    lookback: int,
    max_missing_run: int,
    least: int = 1,
    padding: np.ndarray | None = None,
) -> np.ndarray:
    """Return a mask of the rows at which the targets of a window may begin: its lookback holds no long gap.

    Args:
        observed: ``(rows,)`` bool, where the target was observed.
        offsets: ``(series + 1,)`` int, as for :class:`Windows`.
        lookback: input steps of a window.
        max_missing_run: consecutive unobserved rows that the lookback may hold, of a longer run those inside it.
        least: rows of the series, padding aside, that must lie before the targets.
        padding: ``(series,)`` int, unobserved rows put before the start of each series; a lookback may hold them.

    Returns:
        np.ndarray: ``(rows,)`` bool.
    """
    a, b = np.asarray(offsets[:-1], np.int64), np.asarray(offsets[1:], np.int64)
    unpadded = np.minimum(a + (0 if padding is None else np.asarray(padding, np.int64)), b)
    refused = _mask_ranges(len(observed), a, np.minimum(unpadded + least, b))
    begin, stop = _long_gaps(observed, unpadded, b, max_missing_run)
    if len(begin) and lookback > max_missing_run:
        series = np.searchsorted(offsets, begin, side="right") - 1
        first = np.maximum(begin + max_missing_run + 1, a[series])
        refused |= _mask_ranges(len(observed), first, np.minimum(stop + lookback - max_missing_run, b[series]))
    return np.logical_not(refused, out=refused)


def _long_gaps(
    observed: np.ndarray, start: np.ndarray, stop: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs of more than ``longest`` unobserved rows, ``begin:stop`` each, cut where a series begins."""
    absent = np.logical_not(observed)
    absent &= _mask_ranges(len(observed), start, stop)
    changes = np.diff(absent, prepend=False, append=False)
    inside = start[(start > 0) & (start < len(observed))]
    inside = inside[
        absent[inside] & absent[inside - 1]
    ]  # the end of a series and the start of the next are both unobserved
    begin = np.sort(np.concatenate([np.flatnonzero(changes)[::2], inside]))
    end = np.sort(np.concatenate([np.flatnonzero(changes)[1::2], inside]))
    long = end - begin > longest
    return begin[long], end[long]


def _mask_ranges(rows: int, begin: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Return a mask of the rows in the ranges ``begin:stop``, ``(rows,)`` bool; both ascend, ranges may overlap."""
    nonempty = begin < stop
    begin, stop = begin[nonempty], stop[nonempty]
    apart = np.flatnonzero(begin[1:] > stop[:-1]) + 1
    change = np.zeros(rows + 1, np.int8)
    change[begin[np.concatenate([[0], apart])] if len(begin) else begin] = 1
    change[stop[np.concatenate([apart - 1, [-1]])] if len(begin) else stop] = -1
    return np.cumsum(change, dtype=np.int8, out=change)[:-1].view(bool)


def _as_table(table: np.ndarray | None, dtype: type) -> np.ndarray | None:
    """Return a table in C order; None if it has no columns."""
    return None if table is None or not table.shape[1] else np.ascontiguousarray(table, dtype=dtype)


def make_windows(
    data: pd.Series | pd.DataFrame,
    lookback: int,
    horizon: int = 1,
    *,
    target: str | None = None,
    series: str | None = None,
) -> Windows:
    """Turn a pandas Series or DataFrame into ``(timesteps, features)`` windows.

    The rows must be in order of time within each series. Every numeric column becomes a channel, the
    target first.

    Args:
        data: one column, or a table of numeric columns.
        lookback: input steps of a window.
        horizon: target steps of a window.
        target: column to forecast; by default the first numeric one.
        series: column that identifies the series of a long table; no window crosses from one series to another.

    Returns:
        Windows: ``len(w)`` windows; ``w.inputs(i)`` is ``(batch, lookback, channels)``, ``w.targets(i)`` is
        ``(batch, horizon)``, ``w.known(i)`` is ``(batch, horizon, channels - 1)`` and ``w.index`` is ``(windows, 2)``,
        for any array or slice ``i`` of window numbers.

    Raises:
        NotFoundError: there is no column ``target`` or ``series``.
        DataError: there is no numeric column, or a value is missing or infinite.

    Example:
        >>> import pandas as pd
        >>> windows = make_windows(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]), lookback=3, horizon=1)
        >>> windows.inputs().shape, windows.targets().tolist()
        ((2, 3, 1), [[4.0], [5.0]])
        >>> table = pd.DataFrame({"shop": ["A"] * 4 + ["B"] * 3, "sales": range(7), "price": 2.5})
        >>> windows = make_windows(table, lookback=2, target="sales", series="shop")
        >>> windows.inputs().shape, windows.index.tolist()  # windows never cross from one shop to another
        ((3, 2, 2), [[0, 1], [0, 2], [1, 1]])
    """
    frame = data.to_frame("target" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    for name in (target, series):
        if name is not None and name not in frame.columns:
            columns = [str(c) for c in frame.columns]
            raise NotFoundError(f"no column '{name}' among {', '.join(columns)}", nearest(name, columns))
    offsets = None
    if series is not None:
        codes = pd.factorize(frame[series])[0]
        if (codes < 0).any():
            raise DataError(
                f"{plural((codes < 0).sum(), 'row')} without a series id in column '{series}'",
                "drop or name them first",
            )
        frame = frame.iloc[np.argsort(codes, kind="stable")].drop(columns=series)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    numbers = frame.select_dtypes("number")
    if not numbers.shape[1]:
        raise DataError("no numeric column to make windows of", "convert the readings with pandas.to_numeric")
    names = list(numbers.columns)
    first = names[0] if target is None else target
    if first not in names:
        raise DataError(f"the target '{first}' is not numeric", "convert it with pandas.to_numeric")
    values = numbers[[first, *(n for n in names if n != first)]].to_numpy(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"{len(bad)} missing or infinite values, the first in row {numbers.index[row]} of column '{names[column]}'",
            "fill or drop them first",
        )
    return Windows(values, lookback, horizon, offsets, known=len(names) - 1)
