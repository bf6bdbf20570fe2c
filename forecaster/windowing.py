"""Windows over series laid end to end: tensors by index, never ``rows x lookback`` copies.

One array holds the readings. A window is a ``(series, cutoff)`` pair: ``lookback`` rows up to the cutoff go in,
``horizon`` rows after it are to be forecast. A batch gathers only its own windows, so memory is O(rows + batch).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.errors import DataError, NotFoundError, SettingError, nearest


class Windows:
    """All windows of some series, gathered by index.

    Args:
        values: ``(rows, channels)`` float, the series one after the other; channel 0 is the target.
        offsets: ``(series + 1,)`` int; series ``i`` is rows ``offsets[i]:offsets[i + 1]``. One series by default.
        lookback: input steps of a window.
        horizon: target steps of a window.
        weights: ``(rows,)`` float, 1 where the target was observed and 0 where it carries no loss. All 1 by default.
        newest: where given, ``(first, last)``: only windows whose target steps all lie among the rows that are
            followed by ``first > age >= last`` newer rows of their series. Splits by time are made of this.

    Raises:
        SettingError: lookback or horizon below 1.
    """

    def __init__(
        self,
        values: np.ndarray,
        lookback: int,
        horizon: int,
        offsets: np.ndarray | Sequence[int] | None = None,
        weights: np.ndarray | None = None,
        newest: tuple[int | None, int] = (None, 0),
    ) -> None:
        if lookback < 1 or horizon < 1:
            raise SettingError(f"lookback and horizon must be 1 or more, got {lookback} and {horizon}")
        self.values = np.ascontiguousarray(values if values.ndim == 2 else values[:, None], dtype=np.float32)
        self.offsets = np.asarray([0, len(values)] if offsets is None else offsets, dtype=np.int64)
        self.weights = None if weights is None or bool(np.all(weights)) else np.asarray(weights, dtype=np.float32)
        self.lookback, self.horizon = lookback, horizon
        self.starts = self._starts(*newest)

    def _starts(self, first: int | None, last: int) -> np.ndarray:
        """Return the row of each window's first target step, ``(windows,)`` int64, in order of series and time."""
        spans = [
            np.arange(max(a + self.lookback, b - first if first is not None else a), b - last - self.horizon + 1)
            for a, b in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True)
        ]
        return np.concatenate(spans).astype(np.int64) if spans else np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.starts)

    @property
    def index(self) -> np.ndarray:
        """The ``(series, cutoff)`` pairs, ``(windows, 2)`` int64; cutoffs count rows within the series."""
        series = self.series()
        return np.stack([series, self.starts - 1 - self.offsets[series]], axis=1)

    def series(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the number of the series of the windows ``which``, ``(batch,)`` int64."""
        return np.searchsorted(self.offsets, self.starts[which], side="right") - 1

    def inputs(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the readings up to the cutoff, ``(batch, lookback, channels)`` float32."""
        return self._gather(self.starts[which] - self.lookback, self.lookback)

    def known(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return channels 1 and up after the cutoff, ``(batch, horizon, channels - 1)`` float32."""
        return self._gather(self.starts[which], self.horizon)[:, :, 1:]

    def targets(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the target after the cutoff, ``(batch, horizon)`` float32."""
        return self.values[self._target_rows(which), 0]

    def target_weights(self, which: np.ndarray | slice = slice(None)) -> np.ndarray | None:
        """Return 1 for observed and 0 for filled target steps, ``(batch, horizon)`` float32; None where all are 1."""
        return None if self.weights is None else self.weights[self._target_rows(which)]

    def thinned(self, most: int) -> Windows:
        """Return at most ``most`` of the windows, evenly spaced, over the same array."""
        if len(self) <= most:
            return self
        fewer = object.__new__(Windows)
        fewer.__dict__.update(self.__dict__)
        fewer.starts = self.starts[np.linspace(0, len(self) - 1, most).astype(np.int64)]
        return fewer

    def _target_rows(self, which: np.ndarray | slice) -> np.ndarray:
        return self.starts[which][:, None] + np.arange(self.horizon)

    def _gather(self, first: np.ndarray, length: int) -> np.ndarray:
        channels = self.values.shape[1]
        if not len(first):
            return np.zeros((0, length, channels), np.float32)
        blocks = sliding_window_view(self.values.reshape(-1), length * channels)
        return blocks[first * channels].reshape(len(first), length, channels)


def make_windows(
    data: pd.Series | pd.DataFrame,
    lookback: int,
    horizon: int = 1,
    *,
    target: str | None = None,
    series: str | None = None,
) -> Windows:
    """Turn a pandas Series or DataFrame into ``(timesteps, features)`` windows.

    The rows must already be in order of time (within each series). Every numeric column becomes a channel, the
    target first.

    Args:
        data: one column, or a table of numeric columns.
        lookback: input steps of a window.
        horizon: target steps of a window.
        target: column to forecast; the first numeric one by default.
        series: column whose values tell the series of a long table apart; windows never cross from one to another.

    Returns:
        Windows: ``len(w)`` windows; ``w.inputs(i)`` is ``(batch, lookback, channels)``, ``w.targets(i)`` is
        ``(batch, horizon)``, ``w.known(i)`` is ``(batch, horizon, channels - 1)`` and ``w.index`` is ``(windows, 2)``,
        for any array or slice ``i`` of window numbers.

    Raises:
        NotFoundError: ``target`` or ``series`` is no column.
        DataError: no numeric column, or a value is missing or infinite.

    Example:
        >>> import pandas as pd
        >>> windows = make_windows(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]), lookback=3, horizon=1)
        >>> windows.inputs().shape, windows.targets().tolist()
        ((2, 3, 1), [[4.0], [5.0]])
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
                f"{(codes < 0).sum()} rows have no series id in column '{series}'", "drop or name them first"
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
    return Windows(values, lookback, horizon, offsets)
