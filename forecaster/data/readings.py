"""The rows of a table as numbers: series, time, target, and where each came from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.data.roles import Roles
from forecaster.data.sources import plural, where
from forecaster.data.times import looks_like, read_times
from forecaster.errors import DataError
from forecaster.notes import Note


@dataclass(frozen=True)
class Readings:
    """The rows of a table that take part, series by series in the order of time.

    Attributes:
        codes: ``(rows,)`` int32, the number of each row's series.
        times: ``(rows,)`` ``datetime64[ns]``, or int64 steps.
        values: ``(rows,)`` float64, NaN where the cell is empty.
        rows: ``(rows,)`` int64, the position in the table, for messages.
        ids: name of each series.
        frame: the table.
        roles: its columns.
    """

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    ids: tuple[str, ...]
    frame: pd.DataFrame
    roles: Roles

    def take(self, keep: np.ndarray) -> Readings:
        """Return the rows that ``keep``, a mask or positions, names."""
        return replace(self, **{name: getattr(self, name)[keep] for name in ("codes", "times", "values", "rows")})

    @property
    def starts(self) -> np.ndarray:
        """First row of each series that has rows, ``(series,)`` int64."""
        return np.concatenate([[0], np.flatnonzero(np.diff(self.codes)) + 1])

    @property
    def offsets(self) -> np.ndarray:
        """Bounds of the series that have rows, ``(series + 1,)`` int64."""
        return np.append(self.starts, len(self.codes))

    def of(self, row: int) -> str:
        """Return ``" of series 'EWR'"``, or nothing for a table of one series."""
        return f" of series '{self.ids[self.codes[row]]}'" if self.roles.series else ""

    def where(self, row: int) -> str:
        """Return the line of a row, and its series."""
        return where(self.frame, int(self.rows[row])) + self.of(row)


def read_readings(frame: pd.DataFrame, roles: Roles) -> tuple[Readings, bool, list[Note]]:
    """Return the readings in the order of the table, whether their times are UTC, and notes on the times."""
    times = read_times(frame, roles.time, looks_like(frame[roles.time]) or "iso")
    codes, ids = _read_series(frame, roles.series)
    readings = Readings(
        codes, times.values, _read_target(frame, roles.target), np.arange(len(frame)), ids, frame, roles
    )
    notes = [times.note] if times.note else []
    empty = np.isnat(times.values) if times.values.dtype.kind == "M" else np.isnan(times.values)
    if empty.any():
        first, count = where(frame, int(np.flatnonzero(empty)[0])), int(empty.sum())
        notes.append(
            Note(
                "undated", plural(count, "row") + " dropped", f"'{roles.time}' is empty, first on {first}", warning=True
            )
        )
        readings = readings.take(~empty)
    if times.values.dtype.kind != "M":
        readings = replace(readings, times=readings.times.astype(np.int64))
    return readings, times.utc, notes


def _read_series(frame: pd.DataFrame, name: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if name is None:
        return np.zeros(len(frame), np.int32), ("",)
    codes, found = pd.factorize(frame[name])
    if (codes < 0).any():
        place = where(frame, int(np.flatnonzero(codes < 0)[0]))
        more = f" and {(codes < 0).sum() - 1:,} more" if (codes < 0).sum() > 1 else ""
        raise DataError(
            f"column '{name}', {place}{more}: no series id", "fill it in ('NA' and the like are read as empty)"
        )
    names = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in found]
    merged, ids = pd.factorize(np.array(names, dtype=object))
    return merged.astype(np.int32)[codes], tuple(ids)


def _read_target(frame: pd.DataFrame, name: str) -> np.ndarray:
    column = frame[name]
    if column.dtype.kind in "cmM":
        raise DataError(f"column '{name}' holds {column.dtype}, expected numbers", "name another with --target COLUMN")
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    for bad, what, hint in (
        (np.isnan(values) & column.notna().to_numpy(), "is text", "leave the cell empty where there is no reading"),
        (np.isinf(values), "is infinite", "leave the cell empty where there is no reading"),
    ):
        if bad.any():
            first, more = int(np.flatnonzero(bad)[0]), int(bad.sum()) - 1
            others = f" (and {more:,} more such cells)" if more else ""
            raise DataError(
                f"column '{name}', {where(frame, first)}: '{column.iloc[first]}' {what}, expected a number{others}",
                hint,
            )
    if np.isnan(values).all():
        raise DataError(
            f"column '{name}' has no reading, all {len(values):,} cells are empty", "name another with --target COLUMN"
        )
    return values
