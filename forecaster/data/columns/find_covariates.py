"""Find the covariates among the remaining columns, with the role of each and the reason why others are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.blocks import row_blocks
from forecaster.data.columns.cell_values import read_categories, read_covariate
from forecaster.data.columns.profile import ColumnProfile, TableProfile
from forecaster.data.columns.raw_cells import numbers_of
from forecaster.data.columns.roles import is_row_number, named_columns
from forecaster.data.columns.time_parts import is_part
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note
from forecaster.words import first_few, setting

#: Categories that a column may have, if it varies within a series, and if it does not.
MOST_CATEGORIES = 100
MOST_STATIC_CATEGORIES = 10_000


#: The setting that names the covariates of each role.
SETTINGS = {"past": "past", "future": "future_columns", "static": "static"}
#: Names of the notes on covariates, and on the columns that cannot be any.
COVARIATE_NOTES = (*SETTINGS, "not used", "unreadable")


@dataclass(frozen=True)
class Covariates:
    """The covariates of each role, and notes on them and on the columns that are left out."""

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def named_covariates(frame: pd.DataFrame, config: Config) -> dict[str, str]:
    """Return the role of each column that the settings ``past``, ``future_columns`` and ``static`` name.

    Raises:
        NotFoundError: there is no such column.
        SettingError: two settings name one column.
    """
    roles: dict[str, str] = {}
    if not config.covariates:
        return roles
    for role, field in SETTINGS.items():
        for name in named_columns(frame, getattr(config, field), field):
            if name in roles:
                raise SettingError(f"column '{name}' is named both as a {roles[name]} and as a {role} covariate")
            roles[name] = role
    return roles


def find_covariates(
    table: TableProfile,
    taken: tuple[str, ...],
    codes: np.ndarray,
    config: Config,
    future_names: tuple[str, ...] = (),
    target: str | None = None,
) -> Covariates:
    """Return the role of every column that has no other one: static, future or past, or the reason it is left out.

    Args:
        table: a table in which one row is one reading of one series.
        taken: columns that have another role.
        codes: ``(rows,)`` integers, the series of each row.
        config: its settings that name covariates.
        future_names: columns of the table of known future values.
        target: the column that is forecast; None if there are several.

    Raises:
        NotFoundError, SettingError: as in :func:`named_covariates`.
        DataError: a column that a setting names cannot be used.
    """
    if not config.covariates:
        return Covariates()
    named = named_covariates(table.frame, config)
    series, found = int(codes.max(initial=0)) + 1, dict[str, str]()
    useless: dict[str, list[str]] = {}
    broken: list[str] = []
    for name in table.names:
        if name in named:
            _check_usable(table, name, taken)
            found[name] = named[name]
        elif name not in taken:
            role, why = _find_role(table, name, codes, series, target)
            role = "future" if role == "past" and name in future_names else role
            role, why = _restrict_role(role, why, config)
            if role:
                found[name] = role
            elif why.startswith("column "):
                broken.append(why)
            else:
                useless.setdefault(why, []).append(name)
    return _with_notes(found, named, useless, broken, config)


def _restrict_role(role: str, why: str, config: Config) -> tuple[str, str]:
    """Return the role that a column may have where settings name all columns of a role, and why it has none."""
    role = "past" if role == "future" and config.future_columns is not None else role
    if (role == "past" and config.past is not None) or (role == "static" and config.static is not None):
        return "", f"not named by {setting(role)}"
    return role, why


def _find_role(table: TableProfile, name: str, codes: np.ndarray, series: int, target: str | None) -> tuple[str, str]:
    """Return the role of a column, ``static`` or ``past``, and ``""``; or ``""`` and why it has none."""
    column = table[name]
    if why := _find_useless(column):
        return "", why
    if column.kind == "text":
        values, categories = read_categories(column)
        full, many = ~np.isnan(values), len(categories)
        if many == full.sum() and many > 1:
            return "", "text that never repeats"
    else:
        try:
            values, offset = read_covariate(table, name)
        except DataError as error:
            return "", error.message
        full, many = ~np.isnan(values), 0
        if target and _equals_target(values, offset, table[target]):
            return "", f"the same as '{target}' in every row"
    constant = is_constant(values, full, codes)
    if constant and _is_one_value(values, full):
        return "", "the same in every row"
    static = constant and series > 1
    most = MOST_STATIC_CATEGORIES if static else MOST_CATEGORIES
    if many > most:
        return "", f"text of more than {most:,} categories"
    return ("static" if static else "past"), ""


def _find_useless(column: ColumnProfile) -> str:
    """Return why a column cannot be a covariate; ``""`` if it can."""
    reasons = {"empty": "empty", "time": "times", "other": f"{column.dtype}"}
    if column.kind in reasons:
        return reasons[column.kind]
    if is_part(column):
        return "part of the time"
    return "row numbers" if is_row_number(column) else ""


def is_constant(values: np.ndarray, full: np.ndarray, codes: np.ndarray) -> bool:
    """Return True if no series has two different values, empty cells aside.

    Args:
        values: ``(rows,)`` numbers.
        full: ``(rows,)`` bool, False where a cell is empty.
        codes: ``(rows,)`` integers, the series of each row.
    """
    first = np.full(int(codes.max(initial=-1)) + 1, np.nan, values.dtype)
    for block in row_blocks(len(values)):
        ids, cells = codes[block][full[block]], values[block][full[block]]
        new = np.isnan(first[ids])
        first[ids[new][::-1]] = cells[new][::-1]
        if (first[ids] != cells).any():
            return False
    return True


def _is_one_value(values: np.ndarray, full: np.ndarray) -> bool:
    return bool((values[full] == values[full][:1]).all())


def _equals_target(values: np.ndarray, offset: float, target: ColumnProfile) -> bool:
    """Return True if a column equals the target in every row; errors in the target are reported elsewhere."""
    for rows in (slice(0, 1000), slice(None)):
        with np.errstate(over="ignore"):
            other = (numbers_of(target.cells.iloc[rows]) - offset).astype(np.float32)
        if not np.array_equal(values[rows], other, equal_nan=True):
            return False
    return True


def _check_usable(table: TableProfile, name: str, taken: tuple[str, ...]) -> None:
    if name in taken:
        raise DataError(f"column '{name}' cannot have two roles, one of them a covariate's", "name different columns")
    kind = table[name].kind
    if kind in ("time", "other"):
        raise DataError(f"column '{name}' holds {kind}s, a covariate needs numbers or categories", "leave it out")
    if kind == "empty":
        raise DataError(f"column '{name}' is empty, a covariate needs numbers or categories", "leave it out")
    if kind == "number":
        read_covariate(table, name)
        return
    count = len(read_categories(table[name])[1])
    if count > MOST_STATIC_CATEGORIES:
        raise DataError(f"column '{name}' has {count:,} categories, at most {MOST_STATIC_CATEGORIES:,} can be learned")


def _explain_role(role: str) -> str:
    """Return why inferred covariates have a role, and the setting that changes it."""
    if role == "past":
        out, beyond = setting("past", "none"), setting("future_columns")
        return f"known until the cutoff; {out} leaves them out, {beyond} names those known beyond it"
    if role == "future":
        return f"known beyond the cutoff, as the future file holds them; {setting('past')} names those that are not"
    return f"the same in all rows of a series; {setting('static', 'none')} leaves them out"


def _with_notes(
    found: dict[str, str], named: dict[str, str], useless: dict[str, list[str]], broken: list[str], config: Config
) -> Covariates:
    notes = []
    for role, field in SETTINGS.items():
        names = [name for name, its in found.items() if its == role]
        if names:
            given = all(name in named for name in names)
            notes.append(
                Note(role, first_few(names), f"as given with {setting(field)}" if given else _explain_role(role))
            )
    if useless:
        names = [name for group in useless.values() for name in group]
        why = "; ".join(f"{first_few(group)}: {reason}" for reason, group in useless.items())
        reason = f"{why}; {setting('past')} names a column that is to be used all the same"
        notes.append(Note("not used", first_few(names), reason))
    if broken:
        notes.append(Note("unreadable", f"{len(broken)} column{'s'[: len(broken) != 1]} left out", broken[0], True))
    roles = {role: tuple(name for name, its in found.items() if its == role) for role in SETTINGS}
    return Covariates(**roles, notes=tuple(notes))
