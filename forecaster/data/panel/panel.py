"""Panel: one or many series, sorted, regular and checked, in one array, with their covariates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from forecaster.data.blocks import series_blocks
from forecaster.data.panel.placeholders import refill_ends
from forecaster.data.schema import Column, Roles
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import format_time


@dataclass(frozen=True)
class Panel:
    """Series laid end to end.

    Attributes:
        values: the target, ``(rows,)`` float64 (float32 if the table held float32). Finite everywhere: a missing
            reading has a placeholder made from the past.
        observed: ``(rows,)`` bool; False for a missing reading, which carries no loss and is not scored.
        times: ``(rows,)`` ``datetime64[ns]``, or int64 if the time column counts steps.
        offsets: ``(series + 1,)`` int64; series ``i`` is rows ``offsets[i]:offsets[i + 1]``.
        ids: name of each series; ``("",)`` for a table without a series column.
        freq: step between rows, a pandas offset alias, ``"step"`` for counted steps, or ``"row-B"`` for
            rows as steps whose dates continue with business days.
        roles: the role of each column of the table.
        zone: time zone of the table: ``""`` for local times without one. Times are in UTC for a freq shorter than a
            day, otherwise local.
        columns: the covariates, the past ones first, then the future ones, then the static ones.
        covariates: ``(rows, past + future)`` float32, in the order of ``columns``, less their ``offset``; NaN for an
            empty cell. A category is its code, -1 for one absent from training.
        static: ``(series, static)`` float32, likewise.
        masked: True if the network is given a flag for missing readings.
        bridged: True if a placeholder may come from the reading after it, so that none may be read at a cutoff.
        beyond: ``(series, steps, future)`` float32, future covariates of the steps after the end of each series; None
            if unknown.
    """

    values: np.ndarray
    observed: np.ndarray
    times: np.ndarray
    offsets: np.ndarray
    ids: tuple[str, ...]
    freq: str
    roles: Roles
    zone: str = ""
    columns: tuple[Column, ...] = ()
    covariates: np.ndarray = field(default=None)  # type: ignore[arg-type]
    static: np.ndarray = field(default=None)  # type: ignore[arg-type]
    beyond: np.ndarray | None = None
    masked: bool = False
    bridged: bool = False

    def __post_init__(self) -> None:
        """Give a panel without covariates arrays of no columns."""
        if self.covariates is None:
            object.__setattr__(self, "covariates", np.zeros((len(self.values), 0), np.float32))
        if self.static is None:
            object.__setattr__(self, "static", np.zeros((len(self.ids), 0), np.float32))

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, ``(series,)`` int64."""
        return np.diff(self.offsets)

    @property
    def last(self) -> np.ndarray:
        """The cutoff of each series, ``(series,)`` of the type of ``times``."""
        return self.times[self.offsets[1:] - 1]

    @property
    def ranges(self) -> np.ndarray:
        """The smallest and the largest value of each series, ``(series, 2)`` float64."""
        starts = self.offsets[:-1]
        extremes = (function.reduceat(self.values, starts) for function in (np.minimum, np.maximum))
        return np.stack(list(extremes), axis=1).astype(np.float64)

    def of_role(self, role: str) -> tuple[Column, ...]:
        """Return the covariates of a role of :data:`forecaster.data.schema.COVARIATE_ROLES`."""
        return tuple(column for column in self.columns if column.role == role)

    def rows(self, series: int) -> slice:
        """Return the rows of series number ``series``."""
        return slice(int(self.offsets[series]), int(self.offsets[series + 1]))

    def of_series(self, row: int) -> str:
        """Return the series of a row for a message: ``" of series a"``, empty if it has no name."""
        series = self.ids[int(np.searchsorted(self.offsets, row, side="right")) - 1]
        return f" of series {series}" if series else ""

    def place(self, row: int) -> str:
        """Return the time and the series of a row for a message."""
        return format_time(self.times[row]) + self.of_series(row)

    def slices(self) -> list[slice]:
        """Return the rows of every series."""
        bounds = self.offsets.tolist()
        return [slice(a, b) for a, b in pairwise(bounds)]

    def take(self, keep: np.ndarray) -> Panel:
        """Return the panel of the rows where ``keep``, ``(rows,)`` bool, is True; series left empty are dropped.

        ``beyond`` is dropped too: it belongs to the old ends. If a series loses its newest rows, placeholders after its
        last remaining reading are made from the past again.
        """
        counts = np.zeros(len(self), np.int64)
        for a, b in series_blocks(self.offsets):  # sums of bool copy it to int64
            own = slice(self.offsets[a], self.offsets[b])
            counts[a:b] = np.add.reduceat(keep[own], self.offsets[a:b] - own.start, dtype=np.int64)
        alive = counts > 0
        offsets = np.concatenate([[0], np.cumsum(counts[alive])]).astype(np.int64)
        values, observed = self.values[keep], self.observed[keep]
        if self.bridged:
            cut = ~keep[self.offsets[1:] - 1][alive]
            values = refill_ends(values, observed, offsets, default_season(self.freq), cut)
        return replace(
            self,
            values=values,
            observed=observed,
            times=self.times[keep],
            offsets=offsets,
            ids=self.ids if alive.all() else tuple(name for name, ok in zip(self.ids, alive, strict=True) if ok),
            covariates=self.covariates[keep],
            static=self.static[alive],
            beyond=None,
        )

    def take_series(self, keep: np.ndarray) -> Panel:
        """Return the panel of the series where ``keep``, ``(series,)`` bool, is True, with their ``beyond``."""
        if keep.all():
            return self
        taken = self.take(np.repeat(keep, self.lengths))
        return replace(taken, beyond=None if self.beyond is None else self.beyond[keep])

    def ages(self) -> np.ndarray:
        """Return the number of rows that follow each row in its series, ``(rows,)`` int64: 0 for the newest."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.values))

    def drop_newest(self, rows: int) -> Panel:
        """Return the panel without the newest ``rows`` rows of each series."""
        return self if rows == 0 else self.take(~self._is_newest(rows))

    def keep_newest(self, rows: int) -> Panel:
        """Return the panel of the newest ``rows`` rows of each series, 1 or more, with their ``beyond``."""
        if (self.lengths <= rows).all():
            return self
        return replace(self.take(self._is_newest(rows)), beyond=self.beyond)

    def _is_newest(self, rows: int) -> np.ndarray:
        """Return a mask of the newest ``rows`` rows of each series, ``(rows,)`` bool."""
        newest = np.minimum(self.lengths, rows)
        return np.repeat(np.tile([False, True], len(self)), np.stack([self.lengths - newest, newest], axis=1).ravel())
