"""Read the rows of a long table as numbers: series, time, target and covariates, with the row of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from forecaster.data.columns.cell_values import (
    as_text,
    check_ids,
    read_categories,
    read_covariate,
    read_numbers,
    used_codes,
)
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.read_times import Times, read_times
from forecaster.data.readers.dataframe import line_of
from forecaster.data.schema import Column, Roles
from forecaster.data.time.zones import check_zone, to_utc
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import plural, setting


@dataclass(frozen=True)
class Readings:
    """The rows of a table that are used, series by series in the order of time.

    Attributes:
        codes: ``(rows,)`` integers, the number of each row's series.
        times: ``(rows,)`` ``datetime64[ns]``, or int64 steps; in UTC where there is a ``zone``. It may be a view of the
            table: do not write into it.
        values: ``(rows,)`` float64 (float32 where the table holds float32), NaN where the cell is empty.
        rows: ``(rows,)`` int32, the position in the table; None where row ``i`` is row ``i`` of it.
        ids: name of each series.
        frame: the table.
        roles: its columns.
        zone: time zone of the table; ``""`` for local times without one.
        columns: the covariates, the past ones first, then the future ones, then the static ones.
        covariates: ``(rows, columns)`` float32, less the offset of their column; NaN where a cell is empty. A category
            is its number, -1 if training never saw it.
    """

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    rows: np.ndarray | None
    ids: tuple[str, ...]
    frame: pd.DataFrame
    roles: Roles
    zone: str = ""
    columns: tuple[Column, ...] = ()
    covariates: np.ndarray = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        """Give readings without covariates an array of no columns."""
        if self.covariates is None:
            object.__setattr__(self, "covariates", np.zeros((len(self.values), 0), np.float32))

    def take(self, keep: np.ndarray) -> Readings:
        """Return the rows that ``keep`` selects, a mask or positions."""
        if self.rows is not None:
            rows = self.rows[keep]
        else:
            rows = (np.flatnonzero(keep) if keep.dtype == bool else keep).astype(np.int32)
        names = ("codes", "times", "values", "covariates")
        return replace(self, rows=rows, **{name: getattr(self, name)[keep] for name in names})

    @property
    def starts(self) -> np.ndarray:
        """First row of each series that has rows, ``(series,)`` int64."""
        return np.concatenate([[0], np.flatnonzero(self.codes[1:] != self.codes[:-1]) + 1])

    @property
    def offsets(self) -> np.ndarray:
        """Bounds of the series that have rows, ``(series + 1,)`` int64."""
        return np.append(self.starts, len(self.codes))

    def position(self, row: int) -> int:
        """Return the position of a row in the table."""
        return int(row if self.rows is None else self.rows[row])

    def of(self, row: int) -> str:
        """Return ``" of series 'EWR'"``, or nothing for a table of one series."""
        return f" of series '{self.ids[self.codes[row]]}'" if self.roles.series else ""

    def line(self, row: int) -> str:
        """Return the line of a row: ``"line 17"``."""
        return line_of(self.frame, self.position(row))

    def where(self, row: int) -> str:
        """Return the line of a row, and its series."""
        return self.line(row) + self.of(row)


def read_readings(
    table: TableProfile, roles: Roles, columns: tuple[Column, ...] | None = None, zone: str | None = None
) -> tuple[Readings, list[Note]]:
    """Return the readings in the order of the table, and notes on what was inferred.

    Args:
        table: a long table, as :func:`forecaster.data.columns.long_table.shape_table` returns it.
        roles: its columns.
        columns: the covariates of a model, with their categories and offsets; None to take those of ``roles``.
        zone: time zone of the readings, and of times that are written without one.

    Raises:
        DataError: a cell cannot be read, or a series id is empty.
        NotFoundError: a covariate of the model is not in the table.
        SettingError: the zone is unknown.
    """
    times = read_times(table, roles.time, roles.dates)
    codes, ids = read_series(table, roles.series)
    readings = Readings(codes, times.values, _read_target(table, roles.target), None, ids, table.frame, roles)
    columns, covariates, notes = _read_covariates(table, roles, columns, readings)
    readings = replace(readings, columns=columns, covariates=covariates)
    if times.note and times.dates == "auto":  # shape_table notes the order of dates
        notes = [times.note, *notes]
    empty = np.isnat(times.values) if times.values.dtype.kind == "M" else np.isnan(times.values)
    if empty.any():
        first = line_of(table.frame, int(empty.argmax()))
        reason = f"'{roles.time}' is empty, first on {first}"
        notes.append(Note("undated", plural(int(empty.sum()), "row") + " dropped", reason, warning=True))
        readings = readings.take(~empty)
    if times.values.dtype.kind != "M":
        return replace(readings, times=readings.times.astype(np.int64)), notes
    return _convert_to_zone(readings, times, zone, notes), notes


def _convert_to_zone(readings: Readings, times: Times, zone: str | None, notes: list[Note]) -> Readings:
    """Return readings in UTC if the times carry a time zone or one is given."""
    wanted = check_zone(zone) if zone else ""
    if times.zone:
        if wanted and wanted != times.zone:
            _replace_note(notes, Note("zone", wanted, f"as given; the times are written in {times.zone}"))
        return replace(readings, zone=wanted or times.zone)
    if not wanted:
        return readings
    found: list[Note] = []
    try:
        instants = to_utc(readings.times, wanted, readings.codes, found)
    except DataError:
        if (readings.times == readings.times.astype("datetime64[D]")).all():
            notes.append(Note("zone", "not used", "the times are whole days, and one of them begins at no midnight"))
            return readings
        raise
    notes.extend([Note("zone", wanted, "times without one are read as of this zone"), *found])
    return replace(readings, times=instants, zone=wanted)


def _replace_note(notes: list[Note], note: Note) -> None:
    notes[:] = [other for other in notes if not (other.name == "times" and other.value == "UTC")]
    notes.append(note)


def read_series(table: TableProfile, name: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the code of each row's series, ``(rows,)`` int32, and the ids, each of which has rows.

    Raises:
        DataError: a series id is empty.
    """
    if name is None:
        return np.zeros(len(table), np.int32), ("",)
    codes, found = table[name].distinct
    check_ids(table.frame, name, codes)
    names = [as_text(value) for value in found]
    ids = tuple(dict.fromkeys(names))
    if len(ids) == len(names) and used_codes(codes, len(names)).all():
        return codes.astype(np.int32, copy=False), ids
    places = {text: i for i, text in enumerate(ids)}
    codes = np.array([places[text] for text in names], np.int32)[codes]
    used = used_codes(codes, len(ids))
    return (np.cumsum(used) - 1).astype(np.int32)[codes], tuple(i for i, ok in zip(ids, used, strict=True) if ok)


def _read_target(table: TableProfile, name: str) -> np.ndarray:
    values = read_numbers(table, name)
    if np.isnan(values).all():
        hint = f"name another with {setting('target', 'COLUMN')}"
        raise DataError(f"column '{name}' has no reading, all {len(values):,} cells are empty", hint)
    return values


# The covariates


def _read_covariates(
    table: TableProfile, roles: Roles, columns: tuple[Column, ...] | None, readings: Readings
) -> tuple[tuple[Column, ...], np.ndarray, list[Note]]:
    known = columns is not None
    if columns is None:
        columns = tuple(Column(name, role) for role in ("past", "future", "static") for name in getattr(roles, role))
    covariates = np.empty((len(table), len(columns)), np.float32)
    read, unseen = [], []
    for place, column in enumerate(columns):
        _check_covariate_exists(table, column)
        if column.categories is not None or (not known and table[column.name].kind == "text"):
            covariates[:, place], categories = read_categories(table[column.name], column.categories)
            strange = covariates[:, place] == -1
            column = replace(column, categories=categories)
            unseen += [(column.name, strange)] if strange.any() else []
        else:
            offset = column.offset if known else None
            covariates[:, place], offset = read_covariate(table, column.name, offset)
            column = replace(column, offset=offset)
        read.append(column)
    return tuple(read), covariates, _note_unseen(readings, unseen)


def _check_covariate_exists(table: TableProfile, column: Column) -> None:
    if column.name not in table:
        raise NotFoundError(
            f"there is no column '{column.name}', a {column.role} covariate of the model",
            nearest(column.name, tuple(table.names)) or "every covariate of the model must be in the table",
        )


def _note_unseen(readings: Readings, unseen: list[tuple[str, np.ndarray]]) -> list[Note]:
    if not unseen:
        return []
    rows = np.any([strange for _, strange in unseen], axis=0)
    reasons = []
    for name, strange in unseen:
        row = int(strange.argmax())
        cell, count = readings.frame[name].iloc[row], plural(int(strange.sum()), "row")
        reasons.append(f"'{cell}' of column '{name}', {readings.where(row)}, was never seen in training; {count}")
    per_series = np.bincount(readings.codes[rows], minlength=len(readings.ids))
    counts = {readings.ids[i]: int(per_series[i]) for i in np.flatnonzero(per_series)}
    value = plural(int(rows.sum()), "row") + " with an unknown category"
    return [Note("categories", value, "; ".join(reasons), warning=True, counts=counts)]
