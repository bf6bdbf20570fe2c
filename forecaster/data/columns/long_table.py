"""Turn a table of any shape into a long one, with one row for each reading, and find the role of every column."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.cell_values import join_ids
from forecaster.data.columns.date_formats import ORDERED
from forecaster.data.columns.find_covariates import find_covariates, named_covariates
from forecaster.data.columns.find_time import check_reserved, check_time, find_time
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.read_times import read_times
from forecaster.data.columns.readings import read_series
from forecaster.data.columns.roles import (
    check_exists,
    find_series,
    find_target,
    free_name,
    is_target_name,
    named_columns,
    target_names,
)
from forecaster.data.columns.time_parts import join_parts
from forecaster.data.columns.wide_rows import WideRows, find_rows, lengthen
from forecaster.data.readers.origin import LINES, NOTES, copy_origin, set_melted
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import first_few, plural, setting


def shape_table(
    frame: pd.DataFrame, config: Config, like: Roles | None = None, future_names: tuple[str, ...] = ()
) -> tuple[TableProfile, Roles, list[Note]]:
    """Return a long table, the role of each of its columns, and notes on what was inferred.

    Every row of the long table keeps the index label of the row it comes from. The table of the caller is unchanged.

    Args:
        frame: a table with text column names, as :func:`forecaster.data.readers.dataframe.frame_of` returns it.
        config: its settings of the groups ``table`` and ``data``.
        like: the roles of a model: the table is shaped in the same way, and nothing is inferred.
        future_names: columns of the file of known future values, which makes a covariate a future one.

    Raises:
        NotFoundError: a column that is named, or that the model needs, is not there; or no column can be the time or
            the target.
        DataError: a column that is named cannot have its role, or columns contradict each other.
        SettingError: two settings name one column.
    """
    table = TableProfile(copy_origin(frame.copy(deep=False), frame, LINES, NOTES))  # pandas copies it with every table
    return _infer_shape(table, config, future_names) if like is None else (_shape_like(table, like), like, [])


def _infer_shape(
    table: TableProfile, config: Config, future_names: tuple[str, ...]
) -> tuple[TableProfile, Roles, list[Note]]:
    rows = find_rows(table, config)
    if rows is None:
        try:
            return _shape_long(table, config, future_names)
        except NotFoundError:
            rows = None if config.time or config.target else find_rows(table, config, timeless=True)
            if rows is None:
                raise
    return _shape_rows(table, config, rows)


# One row a reading, or one row a time


def _shape_long(
    table: TableProfile, config: Config, future_names: tuple[str, ...]
) -> tuple[TableProfile, Roles, list[Note]]:
    named_time, targets, series = (
        named_columns(table.frame, getattr(config, field), field) for field in ("time", "target", "series")
    )
    named = named_covariates(table.frame, config)
    _check_roles_differ(named_time, targets, series)
    time, parts, note = check_time(table, named_time) if named_time else find_time(table, (*targets, *series, *named))
    check_reserved(time)
    table, dates, notes = _with_time(table, time, parts, config.dates)
    taken = (time, *parts, *targets, *(name for name, role in named.items() if role != "static"))
    ids, series_notes = _choose_series(table, config, series, taken, future_names)
    taken = (*taken, *ids, *named)
    taken = (*taken, *future_names) if target_names(table, (*taken, *future_names)) else taken
    if targets:
        wide, target_notes = config.wide == "columns", _note_given_targets(targets)
    else:
        targets, wide, target_notes = _find_targets(table, taken, config, bool(ids))
    table, roles = _with_ids(table, Roles(time, targets[0], time_columns=parts, dates=dates), ids)
    if wide or len(targets) > 1:
        roles = replace(roles, targets=targets, wide="columns" if wide else "no")
    table, roles, covariate_notes = _lengthen_targets(table, roles, config, future_names)
    return table, roles, [note, *notes, *series_notes, *target_notes, *covariate_notes]


def _choose_series(
    table: TableProfile, config: Config, named: tuple[str, ...], taken: tuple[str, ...], future_names: tuple[str, ...]
) -> tuple[tuple[str, ...], list[Note]]:
    """Return the columns that tell series apart, named or inferred, never the only one of readings; and notes."""
    if config.series is not None:
        return named, [Note("series", ", ".join(named), "as given")] if named else []
    readings = target_names(table, (*taken, *future_names))
    return find_series(table, taken[0], (*taken, *(readings if len(readings) == 1 else ())))


def _check_roles_differ(*groups: tuple[str, ...]) -> None:
    names = [name for group in groups for name in group]
    if len(set(names)) < len(names):
        raise DataError(f"column '{max(names, key=names.count)}' cannot have two roles", "name different columns")


def _with_time(
    table: TableProfile, time: str, parts: tuple[str, ...], dates: str
) -> tuple[TableProfile, str, list[Note]]:
    """Return the table with whole times, the order of day and month, and a note where that had to be inferred."""
    first, order, notes = parts[0] if parts else time, "auto", list[Note]()
    if table[first].time_kind in ORDERED:
        read = read_times(table, first, dates)
        order, notes = read.dates, [read.note] if read.note else []
    return (table.with_column(time, join_parts(table, parts, order)) if parts else table), order, notes


def _note_given_targets(targets: tuple[str, ...]) -> list[Note]:
    if len(targets) == 1:
        return [Note("target", targets[0], "as given")]
    return [Note("target", ", ".join(targets), "as given; they are learned as series of a panel, by one network")]


def _find_targets(
    table: TableProfile, taken: tuple[str, ...], config: Config, has_ids: bool
) -> tuple[tuple[str, ...], bool, list[Note]]:
    """Return the target and False, or the columns that are a series each and True; and notes."""
    names = target_names(table, taken)
    if config.wide == "columns":
        if not names:
            hint = f"name them with {setting('target', 'a,b')}"
            raise NotFoundError("no column of readings to forecast as a series", hint)
        note = Note("wide", f"{plural(len(names), 'column')}", f"each is a series, as given: {first_few(names)}")
        return tuple(names), True, [note]
    if config.wide == "auto" and not has_ids and _is_family(names):
        one = f"{setting('wide', 'no')} {setting('target', names[-1])} forecasts one"
        reason = f"{first_few(names)} are named alike, so each is a series; {one}"
        return tuple(names), True, [Note("wide", plural(len(names), "column"), reason)]
    target, note = find_target(table, taken)
    if config.wide == "auto" and not has_ids and _is_family([n for n in names if n != target]):
        every = f"{setting('wide', 'columns')} learns every column as a series"
        note = replace(note, reason=f"{note.reason}; {every}")
    return (target,), False, [note]


def _is_family(names: list[str]) -> bool:
    """Return True if at least three columns are named by numbers, or by one word and a number each."""
    found = [re.fullmatch(r"(.*?)[ _.-]?\d+", name) for name in names]
    stems = {match[1] for match in found if match}
    return len(names) >= 3 and all(found) and len(stems) == 1 and not any(map(is_target_name, names))


def _lengthen_targets(
    table: TableProfile, roles: Roles, config: Config, future_names: tuple[str, ...]
) -> tuple[TableProfile, Roles, list[Note]]:
    """Return the table with its targets, if there are several, one below the other; its covariates; and notes."""
    targets, named = roles.targets or (roles.target,), named_covariates(table.frame, config)
    ids = roles.series_columns or ((roles.series,) if roles.series else ())
    taken = [roles.time, *roles.time_columns, *targets, *(name for name in ids if name not in named)]
    taken += [roles.series] if roles.series_columns and roles.series else []
    codes = read_series(table, roles.series)[0] if config.covariates else np.zeros(0, np.int32)
    one = None if roles.targets else roles.target
    found = find_covariates(table, tuple(taken), codes, config, future_names, one)
    roles = replace(roles, past=found.past, future=found.future, static=found.static)
    if roles.targets:
        kept = table.frame[[roles.time, *roles.covariates]]
        series, target = free_name(kept, "series"), free_name(kept, "value")
        roles = replace(roles, series=series, target=target, series_columns=ids)
        table = melt(table, roles)
    return table, roles, list(found.notes)


def _with_ids(table: TableProfile, roles: Roles, ids: tuple[str, ...]) -> tuple[TableProfile, Roles]:
    """Return the table with one column of series ids."""
    if len(ids) < 2:
        return table, replace(roles, series=ids[0] if ids else None)
    name = free_name(table.frame, "series")
    return table.with_column(name, join_ids(table, ids)), replace(roles, series=name, series_columns=ids)


def melt(table: TableProfile, roles: Roles) -> TableProfile:
    """Return a table of the columns in ``roles`` with its targets as series, one below the other.

    Args:
        table: a table that holds the targets, the time, and the columns of series ids and covariates.
        roles: the roles of the columns.

    Raises:
        NotFoundError: one of them is not there.
        DataError: a series id is empty.
    """
    frame, rows, count = table.frame, len(table), len(roles.targets)
    order = np.tile(np.arange(rows), count)
    kept = dict.fromkeys([roles.time, *(name for name in roles.covariates)])
    long = frame[list(kept)].take(order) if count > 1 else frame[list(kept)].copy(deep=False)
    if roles.series_columns:
        ids = join_ids(table, roles.series_columns)
        names = [f"{name}/{target}" for target in roles.targets for name in ids.categories]
        codes = np.concatenate([ids.codes.astype(np.int32) + i * len(ids.categories) for i in range(count)])
    else:
        names, codes = list(roles.targets), np.repeat(np.arange(count, dtype=np.int32), rows)
    long[str(roles.series)] = pd.Categorical.from_codes(codes, categories=names)
    long[roles.target] = pd.concat([frame[name] for name in roles.targets]).to_numpy()
    copy_origin(long, frame)
    set_melted(long, roles.target, roles.targets)
    return TableProfile(long)


# One row a series


def _shape_rows(table: TableProfile, config: Config, rows: WideRows) -> tuple[TableProfile, Roles, list[Note]]:
    found = find_covariates(table, (*rows.columns, *rows.ids), np.arange(len(table)), config)
    roles = Roles(rows.time, "value", "series", series_columns=rows.ids, wide="rows", static=found.static)
    return lengthen(table, roles, rows), roles, [*rows.notes, *found.notes]


# In the shape of a model's table


def _id_columns(roles: Roles) -> tuple[str, ...]:
    """Return the columns that name the series of a table before it is made long."""
    return roles.series_columns or ((roles.series,) if roles.series and not roles.targets else ())


def _shape_like(table: TableProfile, roles: Roles) -> TableProfile:
    """Return a table in the shape of the table that a model was trained on.

    Raises:
        NotFoundError: a column is not there.
    """
    if roles.wide == "rows":
        rows = find_rows(table, Config(), like=roles)
        assert rows is not None
        return lengthen(table, roles, rows)
    for names, what in (
        (roles.time_columns or (roles.time,), "the time of the model"),
        (roles.targets or (roles.target,), "a target of the model"),
        (_id_columns(roles), "the series id of the model"),
        *((getattr(roles, role), f"a {role} covariate of the model") for role in ("past", "future", "static")),
    ):
        for name in names:
            if name not in table and not (names is roles.time_columns and roles.time in table):
                check_exists(table.frame, str(name), f", {what}")
    if roles.time_columns and all(name in table for name in roles.time_columns):
        table = table.with_column(roles.time, join_parts(table, roles.time_columns, roles.dates))
    if roles.targets:
        return melt(table, roles)
    if roles.series_columns:
        return table.with_column(str(roles.series), join_ids(table, roles.series_columns))
    return table
