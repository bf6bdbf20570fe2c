"""Which of the other columns are covariates, known how far, and which are of no use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.blocks import row_blocks
from forecaster.data.columns.cell_values import cell_kind, read_categories, read_covariate
from forecaster.data.columns.roles import is_row_number, named_columns
from forecaster.data.columns.time_parts import is_part
from forecaster.data.columns.time_values import numbers_of
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note
from forecaster.words import first_few

#: Categories that a column may have: of a reading, and of a series as a whole.
MOST_CATEGORIES = 100
MOST_STATIC_CATEGORIES = 10_000


@dataclass(frozen=True)
class Covariates:
    """The columns of each role, and notes on them and on those that are left out."""

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def named_covariates(frame: pd.DataFrame, config: Config) -> dict[str, str]:
    """Return the role of each column that ``--past``, ``--future-columns`` and ``--static`` name.

    Raises:
        NotFoundError: there is no such column.
        SettingError: two flags name one column.
    """
    roles: dict[str, str] = {}
    if not config.covariates:
        return roles
    for role, text, flag in (
        ("past", config.past, "--past"),
        ("future", config.future_columns, "--future-columns"),
        ("static", config.static, "--static"),
    ):
        for name in named_columns(frame, text, flag):
            if name in roles:
                raise SettingError(f"column '{name}' is named both as a {roles[name]} and as a {role} covariate")
            roles[name] = role
    return roles


def find_covariates(
    frame: pd.DataFrame,
    taken: tuple[str, ...],
    codes: np.ndarray,
    config: Config,
    future_names: tuple[str, ...] = (),
    target: str | None = None,
) -> Covariates:
    """Return the role of every column that has no other: static, future or past, or what speaks against it.

    Args:
        frame: a table in which one row is one reading of one series.
        taken: columns that have another role.
        codes: ``(rows,)`` integers, the series of each row.
        config: its flags that name covariates.
        future_names: columns of the file of known future values.
        target: the column that is forecast, where it is one.

    Raises:
        NotFoundError, SettingError: as in :func:`named_covariates`.
        DataError: a column that a flag names cannot be used.
    """
    if not config.covariates:
        return Covariates()
    named = named_covariates(frame, config)
    series, found = int(codes.max(initial=0)) + 1, dict[str, str]()
    useless: dict[str, list[str]] = {}
    broken: list[str] = []
    for name in map(str, frame.columns):
        if name in named:
            _check_usable(frame, name, taken)
            found[name] = named[name]
        elif name not in taken:
            role, why = _role(frame, name, codes, series, future_names, target)
            role, why = _by_flags(role, why, config)
            if role:
                found[name] = role
            elif why.startswith("column "):
                broken.append(why)
            else:
                useless.setdefault(why, []).append(name)
    return _with_notes(found, named, useless, broken, config)


def _by_flags(role: str, why: str, config: Config) -> tuple[str, str]:
    """Return the role that is left to a column where flags name all columns of a role."""
    role = "past" if role == "future" and config.future_columns is not None else role
    if (role == "past" and config.past is not None) or (role == "static" and config.static is not None):
        return "", f"not named by --{role}"
    return role, why


def _role(
    frame: pd.DataFrame, name: str, codes: np.ndarray, series: int, future_names: tuple[str, ...], target: str | None
) -> tuple[str, str]:
    """Return the role of a column and ``""``, or ``""`` and why it has none."""
    column = frame[name]
    kind = cell_kind(column)
    if why := _useless(column, kind):
        return "", why
    if kind == "text":
        values, categories = read_categories(column)
        full, many = ~np.isnan(values), len(categories)
        if many == full.sum() and many > 1:
            return "", "text that never repeats"
    else:
        try:
            values, offset = read_covariate(frame, name)
        except DataError as error:
            return "", error.message
        full, many = ~np.isnan(values), 0
        if target and _is_same(values, offset, frame[target]):
            return "", f"the same as '{target}' in every row"
    constant = is_constant(values, full, codes)
    if constant and _is_one_value(values, full):
        return "", "the same in every row"
    static = constant and series > 1
    most = MOST_STATIC_CATEGORIES if static else MOST_CATEGORIES
    if many > most:
        return "", f"text of more than {most:,} categories"
    return ("static" if static else "future" if name in future_names else "past"), ""


def _useless(column: pd.Series, kind: str) -> str:
    reasons = {"empty": "empty", "time": "times", "other": f"{column.dtype}"}
    if kind in reasons:
        return reasons[kind]
    if is_part(column):
        return "part of the time"
    return "row numbers" if is_row_number(column) else ""


def is_constant(values: np.ndarray, full: np.ndarray, codes: np.ndarray) -> bool:
    """Return whether all values of a series are one, its empty cells aside.

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


def _is_same(values: np.ndarray, offset: float, target: pd.Series) -> bool:
    """Return whether a column equals the target in every row; what is wrong with the target is reported elsewhere."""
    for rows in (slice(0, 1000), slice(None)):
        with np.errstate(over="ignore"):
            other = (numbers_of(target.iloc[rows]) - offset).astype(np.float32)
        if not np.array_equal(values[rows], other, equal_nan=True):
            return False
    return True


def _check_usable(frame: pd.DataFrame, name: str, taken: tuple[str, ...]) -> None:
    if name in taken:
        raise DataError(f"column '{name}' cannot have two roles, one of them a covariate's", "name different columns")
    kind = cell_kind(frame[name])
    if kind in ("time", "other"):
        raise DataError(f"column '{name}' holds {kind}s, a covariate needs numbers or categories", "leave it out")
    if kind == "empty":
        raise DataError(f"column '{name}' is empty, a covariate needs numbers or categories", "leave it out")
    if kind == "number":
        read_covariate(frame, name)
        return
    count = len(read_categories(frame[name])[1])
    if count > MOST_STATIC_CATEGORIES:
        raise DataError(f"column '{name}' has {count:,} categories, at most {MOST_STATIC_CATEGORIES:,} can be learned")


_WHY = {
    "past": "known until the cutoff; --past none leaves them out, --future-columns names those known beyond it",
    "future": "known beyond the cutoff, as the future file holds them; --past names those that are not",
    "static": "the same in all rows of a series; --static none leaves them out",
}
_FLAGS = {"past": "--past", "future": "--future-columns", "static": "--static"}


def _with_notes(
    found: dict[str, str], named: dict[str, str], useless: dict[str, list[str]], broken: list[str], config: Config
) -> Covariates:
    notes = []
    for role, why in _WHY.items():
        names = [name for name, its in found.items() if its == role]
        if names:
            given = all(name in named for name in names)
            notes.append(Note(role, first_few(names), f"as given with {_FLAGS[role]}" if given else why))
    if useless:
        names = [name for group in useless.values() for name in group]
        why = "; ".join(f"{first_few(group)}: {reason}" for reason, group in useless.items())
        notes.append(
            Note("not used", first_few(names), f"{why}; --past names a column that is to be used all the same")
        )
    if broken:
        notes.append(Note("unreadable", f"{len(broken)} column{'s'[: len(broken) != 1]} left out", broken[0], True))
    roles = {role: tuple(name for name, its in found.items() if its == role) for role in _WHY}
    return Covariates(**roles, notes=tuple(notes))
