"""Tables in which a row is a series: its readings stand side by side, under dates or under mere positions."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.cell_values import cell_kind, join_ids, read_numbers
from forecaster.data.columns.date_formats import format_of
from forecaster.data.columns.roles import check_exists, is_row_number, named_columns
from forecaster.data.columns.time_values import count_distinct, looks_like, read_times
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import first_few, plural

_FEWEST = 3  # columns named by dates or positions


@dataclass(frozen=True)
class WideRows:
    """How the rows of a table are series.

    Attributes:
        columns: the columns of readings, in the order of time.
        ids: the columns that name the series; none where the rows have no names.
        time: name of the time column to be made: ``time`` for dates, ``step`` for positions.
        times: ``(columns,)`` ``datetime64[ns]`` or int64, the time of each column.
        notes: what was decided.
    """

    columns: tuple[str, ...]
    ids: tuple[str, ...]
    time: str
    times: np.ndarray
    notes: tuple[Note, ...] = ()


def find_rows(
    frame: pd.DataFrame, config: Config, like: Roles | None = None, timeless: bool = False
) -> WideRows | None:
    """Return how the rows of a table are series, or None if they are not.

    They are where ``config.wide`` says so, and where at least three columns of numbers are named by dates.

    Args:
        frame: the table.
        config: its settings of the group ``data``.
        like: the roles of a model of such a table.
        timeless: no column holds times, so columns named by numbers (``V1``, ``V2``, ...) are positions in time.

    Raises:
        NotFoundError: ``--wide rows`` was given, and there is no column of numbers.
        DataError: the dates in the header cannot be read.
    """
    wanted = like is not None or config.wide == "rows"
    if not wanted and (config.wide != "auto" or config.time or config.target):
        return None
    given = tuple(like.series_columns if like else named_columns(frame, config.series, "--series"))
    for name in given:
        check_exists(frame, name, ", the series id of the model" if like else "")
    static = like.static if like else named_columns(frame, config.static) if config.covariates else ()
    names = [str(name) for name in frame.columns if name not in (*given, *static)]
    columns, times = _columns(frame, names, config, like, wanted, timeless)
    if len(columns) < (1 if wanted else _FEWEST):
        if wanted:
            raise NotFoundError("no column of numbers holds readings, though each row is a series")
        return None
    found = None if given or like else _id(frame, [name for name in names if name not in columns])
    ids = (found,) if found else given
    dated = times.dtype.kind == "M"
    return WideRows(columns, ids, "time" if dated else "step", times, (_note(frame, columns, ids, dated),))


def _columns(
    frame: pd.DataFrame, names: list[str], config: Config, like: Roles | None, wanted: bool, timeless: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the columns of readings and the time of each; none if a row is no series."""
    dated = _dated(frame, names) if like is None or like.time != "step" else []
    if dated and (wanted or _may_be_dated(frame, names, dated)):
        return tuple(dated), _header_times(dated, like.dates if like else config.dates)
    columns = _positions(frame, names, wanted) if wanted or timeless else []
    return tuple(columns), np.arange(1, len(columns) + 1)


def _note(frame: pd.DataFrame, columns: tuple[str, ...], ids: tuple[str, ...], dated: bool) -> Note:
    what = f"{len(columns):,} {'dates' if dated else 'positions'} from '{columns[0]}' to '{columns[-1]}'"
    named = f", named by {first_few(list(ids))}" if ids else ""
    reason = f"{plural(len(frame), 'row')}, each a series, with {what}{named}; --wide no reads a row as one time"
    return Note("wide", "rows", reason)


def lengthen(frame: pd.DataFrame, roles: Roles, rows: WideRows) -> pd.DataFrame:
    """Return the long table of such rows: series, time, value and the static covariates.

    The empty cells after the last reading of a row are its end, not readings that are missing.

    Raises:
        DataError: a cell is no number, or a series has no id.
        NotFoundError: a static covariate is not there.
    """
    for name in roles.static:
        check_exists(frame, name, ", a static covariate of the model")
    values = _values(frame, rows.columns)
    empty = np.isnan(values)
    lengths = np.where(empty.all(axis=1), 1, values.shape[1] - np.argmin(empty[:, ::-1], axis=1))
    kept = np.arange(values.shape[1]) < lengths[:, None]
    order = np.repeat(np.arange(len(frame)), lengths)
    ids = join_ids(frame, rows.ids) if rows.ids else _numbered(len(frame))
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
    long.attrs = dict(frame.attrs)
    return long


def _numbered(count: int) -> pd.Categorical:
    return pd.Categorical.from_codes(np.arange(count), categories=[str(i + 1) for i in range(count)])


def _values(frame: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    part = frame[list(names)]
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in part.dtypes):
        values = part.to_numpy()
        values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
        if not np.isinf(values).any():
            return values
    return np.column_stack([_column(frame, name) for name in names])


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    return read_numbers(frame, name) if frame[name].notna().any() else np.full(len(frame), np.nan)


def _dated(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the columns that are named by dates of one format, or by years that follow each other."""
    forms = {name: format_of(name) for name in names}
    forms |= {name: "digits" for name in names if re.fullmatch(r"(19|20)\d{6}", name)}
    years = [name for name in names if re.fullmatch(r"(1[6-9]|20|21)\d\d", name)]
    if len(years) >= _FEWEST and (np.diff(np.array(years, dtype=int)) == 1).all():
        return [name for name in years if _is_reading(frame[name])]
    form, count = Counter(form for form in forms.values() if form).most_common(1)[0] if any(forms.values()) else ("", 0)
    dated = [name for name in names if forms[name] == form and _is_reading(frame[name])] if count >= _FEWEST else []
    return dated if len(dated) >= _FEWEST else []


def _may_be_dated(frame: pd.DataFrame, names: list[str], dated: list[str]) -> bool:
    """Return whether dates in the header are the times: surely unless they are years beside a column of times."""
    if not dated[0].isdigit() or len(dated[0]) == 8:
        return True
    return not any(looks_like(frame[name]) not in (None, "step", "months") for name in names if name not in dated)


def _header_times(names: list[str], dates: str) -> np.ndarray:
    if len(names[0]) == 4:
        return np.array(names, dtype="datetime64[Y]").astype("datetime64[ns]")
    header = pd.DataFrame({"the header": names}, index=pd.Index(range(1, len(names) + 1), name="column"))
    times = read_times(header, "the header", looks_like(header["the header"]) or "iso", dates)
    if len(np.unique(times.values)) < len(names):
        raise DataError("two columns are named by the same date", "give every column its own date")
    return times.values


def _positions(frame: pd.DataFrame, names: list[str], wanted: bool) -> list[str]:
    """Return the columns of readings named by positions, ``V2``, ``V3``, ...; all columns of numbers where wanted."""
    found = {name: re.fullmatch(r"(.*?)[ _.-]?(\d+)", name) for name in names}
    stems = Counter(match[1] for match in found.values() if match)
    stem, count = stems.most_common(1)[0] if stems else ("", 0)
    family = [name for name, match in found.items() if match and match[1] == stem and _is_reading(frame[name])]
    numbers = np.array([int(found[name][2]) for name in family if found[name]])  # type: ignore[index]
    if count >= _FEWEST and len(family) >= _FEWEST and (np.diff(numbers) == 1).all():
        return family
    return [name for name in names if _is_reading(frame[name]) and not is_row_number(frame[name])] if wanted else []


def _is_reading(column: pd.Series) -> bool:
    return cell_kind(column) in ("number", "empty")


def _id(frame: pd.DataFrame, names: list[str]) -> str | None:
    """Return the first column that has another value in every row, text before numbers."""
    unique = [name for name in names if count_distinct(frame[name]) == len(frame)]
    return min(unique, key=lambda name: cell_kind(frame[name]) != "text", default=None)
