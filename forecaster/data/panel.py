"""Panel: one or many series, sorted, regular and checked, in one array."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecaster.data.roles import Roles


@dataclass(frozen=True)
class Panel:
    """Series laid end to end.

    Attributes:
        values: the target, ``(rows,)`` float64. Finite everywhere: missing readings are filled from the past.
        observed: ``(rows,)`` bool; False where a reading was filled and so carries no loss and is not scored.
        times: ``(rows,)`` ``datetime64[ns]``, or int64 where the time column counts steps.
        offsets: ``(series + 1,)`` int64; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.
        ids: name of each series; ``("",)`` for a table without a series column.
        freq: step between rows, a pandas offset alias, or ``"step"`` for counted steps.
        roles: which column of the table held what.
        utc: True where the times carried a time zone; they are held in UTC.
    """

    values: np.ndarray
    observed: np.ndarray
    times: np.ndarray
    offsets: np.ndarray
    ids: tuple[str, ...]
    freq: str
    roles: Roles
    utc: bool = False

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, ``(series,)`` int64."""
        return np.diff(self.offsets)

    def rows(self, series: int) -> slice:
        """Return the slice of rows that series number ``series`` takes."""
        return slice(int(self.offsets[series]), int(self.offsets[series + 1]))

    def take(self, keep: np.ndarray) -> Panel:
        """Return the panel of the rows where ``keep``, ``(rows,)`` bool, is True; series left empty are dropped."""
        counts = np.add.reduceat(keep, self.offsets[:-1]) if len(self) else np.zeros(0, int)
        alive = counts > 0
        return replace(
            self,
            values=self.values[keep],
            observed=self.observed[keep],
            times=self.times[keep],
            offsets=np.concatenate([[0], np.cumsum(counts[alive])]).astype(np.int64),
            ids=tuple(name for name, ok in zip(self.ids, alive, strict=True) if ok),
        )

    def ages(self) -> np.ndarray:
        """Return how many rows of the same series follow each row, ``(rows,)`` int64: 0 for the newest."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.values))

    def drop_newest(self, rows: int) -> Panel:
        """Return the panel without the newest ``rows`` rows of each series."""
        return self.take(self.ages() >= rows)

    def keep_newest(self, rows: int) -> Panel:
        """Return the panel of the newest ``rows`` rows of each series."""
        return self.take(self.ages() < rows)
