"""From a table of any shape to a long one: one row for each reading, and the role of every column."""

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
from forecaster.data.columns.time_values import looks_like, read_times
from forecaster.data.columns.wide_rows import WideRows, find_rows, lengthen
from forecaster.data.readers.origin import LINES, NOTES, copy_origin, set_melted
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note
from forecaster.words import first_few, plural


def shape_table(
    frame: pd.DataFrame, config: Config, like: Roles | None = None, future_names: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, Roles, list[Note]]:
    """Return a long table, the role of each of its columns, and notes on what was found and decided.

    Every row of the long table keeps the index label of the row it comes from. The table of the caller is unchanged.

    Args:
        frame: a table with text column names, as :func:`forecaster.data.readers.dataframe.frame_of` returns it.
        config: its settings of the group ``data``.
        like: the roles of a model: the table is shaped in the same way, and nothing is inferred.
        future_names: columns of the file of known future values, which makes a covariate a future one.

    Raises:
        NotFoundError: a column that is named, or that the model needs, is not there; or no column can be the time or
            the target.
        DataError: a column that is named cannot have its role, or columns contradict each other.
        SettingError: two flags name one column.
    """
    lean = copy_origin(frame.copy(deep=False), frame, LINES, NOTES)  # pandas copies it with every table and column
    if like is not None:
        return _shaped_like(lean, like), like, []
    return _shaped(lean, config, future_names)


def _shaped(
    frame: pd.DataFrame, config: Config, future_names: tuple[str, ...]
) -> tuple[pd.DataFrame, Roles, list[Note]]:
    rows = find_rows(frame, config)
    if rows is None:
        try:
            return _shape_long(frame, config, future_names)
        except NotFoundError:
            rows = None if config.time or config.target else find_rows(frame, config, timeless=True)
            if rows is None:
                raise
    return _shape_rows(frame, config, rows)


# One row a reading, or one row a time


def _shape_long(
    frame: pd.DataFrame, config: Config, future_names: tuple[str, ...]
) -> tuple[pd.DataFrame, Roles, list[Note]]:
    targets, series = (named_columns(frame, text, flag) for text, flag in _named(config))
    flags, named_time = named_covariates(frame, config), named_columns(frame, config.time, "--time")
    _check_roles_differ(named_time, targets, series)
    time, parts, note = check_time(frame, named_time) if named_time else find_time(frame, (*targets, *series, *flags))
    check_reserved(time)
    frame, dates, notes = _with_time(frame, time, parts, config.dates)
    taken = (time, *parts, *targets, *(name for name, role in flags.items() if role != "static"))
    ids, series_notes = _series(frame, config, series, taken, future_names)
    taken = (*taken, *ids, *flags)
    taken = (*taken, *future_names) if target_names(frame, (*taken, *future_names)) else taken
    if targets:
        wide, target_notes = config.wide == "columns", _given_targets(targets)
    else:
        targets, wide, target_notes = _find_targets(frame, taken, config, bool(ids))
    frame, roles = _with_ids(frame, Roles(time, targets[0], time_columns=parts, dates=dates), ids)
    notes = [note, *notes, *series_notes, *target_notes]
    return _as_long(frame, roles, targets, wide, notes, config, future_names)


def _named(config: Config) -> tuple[tuple[str | None, str], ...]:
    return (config.target, "--target"), (config.series, "--series")


def _series(
    frame: pd.DataFrame, config: Config, named: tuple[str, ...], taken: tuple[str, ...], future_names: tuple[str, ...]
) -> tuple[tuple[str, ...], list[Note]]:
    """Return the columns that tell series apart: the named ones, or those found, never the only one of readings."""
    if config.series is not None:
        return named, [Note("series", ", ".join(named), "as given")] if named else []
    readings = target_names(frame, (*taken, *future_names))
    return find_series(frame, taken[0], (*taken, *(readings if len(readings) == 1 else ())))


def _check_roles_differ(*groups: tuple[str, ...]) -> None:
    names = [name for group in groups for name in group]
    if len(set(names)) < len(names):
        raise DataError(f"column '{max(names, key=names.count)}' cannot have two roles", "name different columns")


def _with_time(
    frame: pd.DataFrame, time: str, parts: tuple[str, ...], dates: str
) -> tuple[pd.DataFrame, str, list[Note]]:
    """Return the table with whole times, the order of day and month, and why, where it had to be decided."""
    kind, notes = looks_like(frame[parts[0] if parts else time]), list[Note]()
    order = "auto"
    if kind in ORDERED:
        read = read_times(frame, parts[0] if parts else time, kind, dates)
        order, notes = read.dates, [read.note] if read.note else []
    return (_with_column(frame, time, join_parts(frame, parts, order)) if parts else frame), order, notes


def _with_column(frame: pd.DataFrame, name: str, values: np.ndarray | pd.Categorical) -> pd.DataFrame:
    changed = frame.copy(deep=False)
    changed[name] = values
    return changed


def _given_targets(targets: tuple[str, ...]) -> list[Note]:
    if len(targets) == 1:
        return [Note("target", targets[0], "as given")]
    return [Note("target", ", ".join(targets), "as given; they are learned as series of a panel, by one network")]


def _find_targets(
    frame: pd.DataFrame, taken: tuple[str, ...], config: Config, has_ids: bool
) -> tuple[tuple[str, ...], bool, list[Note]]:
    """Return the target, or the columns that are series of their own, and whether they are."""
    names = target_names(frame, taken)
    if config.wide == "columns":
        if not names:
            raise NotFoundError("no column of readings to forecast as a series", "name them with --target a,b")
        note = Note("wide", f"{plural(len(names), 'column')}", f"each is a series, as given: {first_few(names)}")
        return tuple(names), True, [note]
    if config.wide == "auto" and not has_ids and _is_family(names):
        reason = (
            f"{first_few(names)} are named alike, so each is a series; --wide no --target {names[-1]} forecasts one"
        )
        return tuple(names), True, [Note("wide", plural(len(names), "column"), reason)]
    target, note = find_target(frame, taken)
    if config.wide == "auto" and not has_ids and _is_family([n for n in names if n != target]):
        note = replace(note, reason=f"{note.reason}; --wide columns learns every column as a series")
    return (target,), False, [note]


def _is_family(names: list[str]) -> bool:
    """Return whether at least three columns are named by numbers, or by one word and a number each."""
    found = [re.fullmatch(r"(.*?)[ _.-]?\d+", name) for name in names]
    stems = {match[1] for match in found if match}
    return len(names) >= 3 and all(found) and len(stems) == 1 and not any(map(is_target_name, names))


def _as_long(
    frame: pd.DataFrame,
    roles: Roles,
    targets: tuple[str, ...],
    wide: bool,
    notes: list[Note],
    config: Config,
    future_names: tuple[str, ...],
) -> tuple[pd.DataFrame, Roles, list[Note]]:
    """Return the table with its covariates found, and its targets laid one below the other where there are several."""
    many, ids, named = wide or len(targets) > 1, _id_columns(roles), named_covariates(frame, config)
    taken = [roles.time, *roles.time_columns, *targets, *(name for name in ids if name not in named)]
    taken += [roles.series] if roles.series_columns and roles.series else []
    codes = read_series(frame, roles.series)[0] if config.covariates else np.zeros(0, np.int32)
    found = find_covariates(frame, tuple(taken), codes, config, future_names, None if many else targets[0])
    roles = replace(roles, past=found.past, future=found.future, static=found.static)
    if many:
        frame, roles = _melted(frame, replace(roles, targets=targets, wide="columns" if wide else "no"))
    return frame, roles, [*notes, *found.notes]


def _with_ids(frame: pd.DataFrame, roles: Roles, ids: tuple[str, ...]) -> tuple[pd.DataFrame, Roles]:
    """Return the table with one column of series ids."""
    if len(ids) < 2:
        return frame, replace(roles, series=ids[0] if ids else None)
    name = free_name(frame, "series")
    return _with_column(frame, name, join_ids(frame, ids)), replace(roles, series=name, series_columns=ids)


def _melted(frame: pd.DataFrame, roles: Roles) -> tuple[pd.DataFrame, Roles]:
    """Return a table of which the targets are laid one below the other, each with the other columns beside it."""
    kept, ids = [roles.time, *roles.covariates], roles.series_columns or ((roles.series,) if roles.series else ())
    series, target = free_name(frame[kept], "series"), free_name(frame[kept], "value")
    roles = replace(roles, series=series, target=target, series_columns=ids)
    return melt(frame, roles), roles


def melt(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return a table with the columns of ``roles``, in which each of its targets is a series, below the one before it.

    Args:
        frame: a table that holds the targets, the time, and the columns of series ids and covariates.
        roles: what the columns are.

    Raises:
        NotFoundError: one of them is not there.
        DataError: a series id is empty.
    """
    rows, count = len(frame), len(roles.targets)
    order = np.tile(np.arange(rows), count)
    kept = dict.fromkeys([roles.time, *(name for name in roles.covariates)])
    long = frame[list(kept)].take(order) if count > 1 else frame[list(kept)].copy(deep=False)
    if roles.series_columns:
        ids = join_ids(frame, roles.series_columns)
        names = [f"{name}/{target}" for target in roles.targets for name in ids.categories]
        codes = np.concatenate([ids.codes.astype(np.int32) + i * len(ids.categories) for i in range(count)])
    else:
        names, codes = list(roles.targets), np.repeat(np.arange(count, dtype=np.int32), rows)
    long[str(roles.series)] = pd.Categorical.from_codes(codes, categories=names)
    long[roles.target] = pd.concat([frame[name] for name in roles.targets]).to_numpy()
    copy_origin(long, frame)
    set_melted(long, roles.target, roles.targets)
    return long


# One row a series


def _shape_rows(frame: pd.DataFrame, config: Config, rows: WideRows) -> tuple[pd.DataFrame, Roles, list[Note]]:
    found = find_covariates(frame, (*rows.columns, *rows.ids), np.arange(len(frame)), config)
    roles = Roles(rows.time, "value", "series", series_columns=rows.ids, wide="rows", static=found.static)
    return lengthen(frame, roles, rows), roles, [*rows.notes, *found.notes]


# As a model had it


def _id_columns(roles: Roles) -> tuple[str, ...]:
    """Return the columns of a table that name its series, before it is made long."""
    return roles.series_columns or ((roles.series,) if roles.series and not roles.targets else ())


def _shaped_like(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return a table in the shape that a model's table had.

    Raises:
        NotFoundError: a column is not there.
    """
    if roles.wide == "rows":
        rows = find_rows(frame, Config(), like=roles)
        assert rows is not None
        return lengthen(frame, roles, rows)
    for names, what in (
        (roles.time_columns or (roles.time,), "the time of the model"),
        (roles.targets or (roles.target,), "a target of the model"),
        (_id_columns(roles), "the series id of the model"),
        *((getattr(roles, role), f"a {role} covariate of the model") for role in ("past", "future", "static")),
    ):
        for name in names:
            if name not in frame.columns and not (names is roles.time_columns and roles.time in frame.columns):
                check_exists(frame, str(name), f", {what}")
    if roles.time_columns and all(name in frame.columns for name in roles.time_columns):
        frame = _with_column(frame, roles.time, join_parts(frame, roles.time_columns, roles.dates))
    if roles.targets:
        return melt(frame, roles)
    if roles.series_columns:
        return _with_column(frame, str(roles.series), join_ids(frame, roles.series_columns))
    return frame
