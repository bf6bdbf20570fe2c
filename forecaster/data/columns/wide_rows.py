"""Read tables in which a row is a series, with its readings side by side under dates or positions."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.cell_values import join_ids, read_numbers
from forecaster.data.columns.date_formats import format_of
from forecaster.data.columns.profile import ColumnProfile, TableProfile
from forecaster.data.columns.read_times import read_times
from forecaster.data.columns.roles import check_exists, is_row_number, named_columns
from forecaster.data.readers.origin import copy_origin
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import first_few, plural, setting

_FEWEST = 3  # columns of readings that are recognised by their names


@dataclass(frozen=True)
class WideRows:
    """The layout of a table in which a row is a series.

    Attributes:
        columns: the columns of readings, in the order of time.
        ids: the columns that name the series; none if the rows have no names.
        time: name of the time column to be made: ``time`` for dates, ``step`` for positions.
        times: ``(columns,)`` ``datetime64[ns]`` or int64, the time of each column.
        notes: what was inferred.
    """

    columns: tuple[str, ...]
    ids: tuple[str, ...]
    time: str
    times: np.ndarray
    notes: tuple[Note, ...] = ()


def find_rows(
    table: TableProfile, config: Config, like: Roles | None = None, timeless: bool = False
) -> WideRows | None:
    """Return the layout of a table in which a row is a series, or None if it is no such table.

    It is if ``config.wide`` is ``rows``, or if at least three columns of numbers are named by dates.

    Args:
        table: the table.
        config: its settings of the groups ``table`` and ``data``.
        like: the roles of a model of such a table.
        timeless: no column holds times, so columns named by numbers (``V1``, ``V2``, ...) are positions in time.

    Raises:
        NotFoundError: ``wide="rows"`` was given, and there is no column of numbers.
        DataError: the dates in the header cannot be read.
    """
    wanted = like is not None or config.wide == "rows"
    if not wanted and (config.wide != "auto" or config.time or config.target):
        return None
    given = tuple(like.series_columns if like else named_columns(table.frame, config.series, "series"))
    for name in given:
        check_exists(table.frame, name, ", the series id of the model" if like else "")
    static = like.static if like else named_columns(table.frame, config.static) if config.covariates else ()
    names = table.others((*given, *static))
    columns, times = _find_readings(table, names, config, like, timeless)
    if len(columns) < (1 if wanted else _FEWEST):
        if wanted:
            raise NotFoundError("no column of numbers holds readings, though each row is a series")
        return None
    found = None if given or like else _find_id(table, [name for name in names if name not in columns])
    ids = (found,) if found else given
    dated = times.dtype.kind == "M"
    return WideRows(columns, ids, "time" if dated else "step", times, (_note_rows(table, columns, ids, dated),))


def _find_readings(
    table: TableProfile, names: list[str], config: Config, like: Roles | None, timeless: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the columns of readings and the time of each; none if a row is no series."""
    wanted = like is not None or config.wide == "rows"
    dated = _find_dated(table, names) if like is None or like.time != "step" else []
    if dated and (wanted or _are_times(table, names, dated)):
        return tuple(dated), _read_header(dated, like.dates if like else config.dates)
    columns = _find_positions(table, names, wanted) if wanted or timeless else []
    return tuple(columns), np.arange(1, len(columns) + 1)


def _note_rows(table: TableProfile, columns: tuple[str, ...], ids: tuple[str, ...], dated: bool) -> Note:
    what = f"{len(columns):,} {'dates' if dated else 'positions'} from '{columns[0]}' to '{columns[-1]}'"
    named = f", named by {first_few(list(ids))}" if ids else ""
    reason = f"{plural(len(table), 'row')}, each a series, with {what}{named}"
    return Note("wide", "rows", f"{reason}; {setting('wide', 'no')} reads a row as one time")


def lengthen(table: TableProfile, roles: Roles, rows: WideRows) -> TableProfile:
    """Return the long table of such rows: series, time, value and the static covariates.

    The empty cells after the last reading of a row are its end, not missing readings.

    Raises:
        DataError: a cell is no number, or a series has no id.
        NotFoundError: a static covariate is not there.
    """
    frame = table.frame
    for name in roles.static:
        check_exists(frame, name, ", a static covariate of the model")
    values = _read_values(table, rows.columns)
    empty = np.isnan(values)
    lengths = np.where(empty.all(axis=1), 1, values.shape[1] - np.argmin(empty[:, ::-1], axis=1))
    kept = np.arange(values.shape[1]) < lengths[:, None]
    order = np.repeat(np.arange(len(frame)), lengths)
    ids = join_ids(table, rows.ids) if rows.ids else _number_rows(len(frame))
    long = pd.DataFrame(
        {
            str(roles.series): pd.Categorical.from_codes(np.repeat(ids.codes, lengths), categories=ids.categories),
            roles.time: np.broadcast_to(rows.times, values.shape)[kept],
            roles.target: values[kept],
        },
        index=frame.index.take(order),
    )
    for name in roles.static:
        long[name] = frame[name].take(order)
    copy_origin(long, frame)
    return TableProfile(long)


def _number_rows(count: int) -> pd.Categorical:
    return pd.Categorical.from_codes(np.arange(count), categories=[str(i + 1) for i in range(count)])


def _read_values(table: TableProfile, names: tuple[str, ...]) -> np.ndarray:
    """Return the readings, ``(rows, columns)`` float64, or float32 if the table holds float32."""
    part = table.frame[list(names)]
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in part.dtypes):
        values = part.to_numpy()
        values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
        if not np.isinf(values).any():
            return values
    return np.column_stack([_read_column(table, name) for name in names])


def _read_column(table: TableProfile, name: str) -> np.ndarray:
    return np.full(len(table), np.nan) if table[name].kind == "empty" else read_numbers(table, name)


def _find_dated(table: TableProfile, names: list[str]) -> list[str]:
    """Return the columns that are named by dates of one format, or by consecutive years."""
    forms = {name: format_of(name) for name in names}
    forms |= {name: "digits" for name in names if re.fullmatch(r"(19|20)\d{6}", name)}
    years = [name for name in names if re.fullmatch(r"(1[6-9]|20|21)\d\d", name)]
    if len(years) >= _FEWEST and (np.diff(np.array(years, dtype=int)) == 1).all():
        return [name for name in years if _is_reading(table[name])]
    form, count = Counter(form for form in forms.values() if form).most_common(1)[0] if any(forms.values()) else ("", 0)
    dated = [name for name in names if forms[name] == form and _is_reading(table[name])] if count >= _FEWEST else []
    return dated if len(dated) >= _FEWEST else []


def _are_times(table: TableProfile, names: list[str], dated: list[str]) -> bool:
    """Return True if dates in the header are times: all but years in a table that has a column of times."""
    if not dated[0].isdigit() or len(dated[0]) == 8:
        return True
    return not any(table[name].time_kind not in (None, "step", "months") for name in names if name not in dated)


def _read_header(names: list[str], dates: str) -> np.ndarray:
    if len(names[0]) == 4:
        return np.array(names, dtype="datetime64[Y]").astype("datetime64[ns]")
    header = pd.DataFrame({"the header": names}, index=pd.Index(range(1, len(names) + 1), name="column"))
    times = read_times(TableProfile(header), "the header", dates)
    if len(np.unique(times.values)) < len(names):
        raise DataError("two columns are named by the same date", "give every column its own date")
    return times.values


def _find_positions(table: TableProfile, names: list[str], wanted: bool) -> list[str]:
    """Return the columns of readings named by positions, ``V2``, ``V3``, ...; else all columns of numbers if wanted."""
    found = {name: re.fullmatch(r"(.*?)[ _.-]?(\d+)", name) for name in names}
    stems = Counter(match[1] for match in found.values() if match)
    stem, count = stems.most_common(1)[0] if stems else ("", 0)
    family = [name for name, match in found.items() if match and match[1] == stem and _is_reading(table[name])]
    numbers = np.array([int(found[name][2]) for name in family if found[name]])  # type: ignore[index]
    if count >= _FEWEST and len(family) >= _FEWEST and (np.diff(numbers) == 1).all():
        return family
    return [name for name in names if _is_reading(table[name]) and not is_row_number(table[name])] if wanted else []


def _is_reading(column: ColumnProfile) -> bool:
    return column.kind in ("number", "empty")


def _find_id(table: TableProfile, names: list[str]) -> str | None:
    """Return the first column that has another value in every row, text before numbers; None if there is none."""
    unique = [name for name in names if table[name].distinct_count == len(table)]
    return min(unique, key=lambda name: table[name].kind != "text", default=None)
