"""Read a table as fit does, but continue after each refusal, so that every problem is found and not only the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.date_formats import FORMATS, parse_times
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.panel.build import build_panel, sort_rows
from forecaster.data.panel.future_rows import split_future_rows
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.origin import copy_origin
from forecaster.errors import ForecasterError, SettingError
from forecaster.notes import Note

#: Most refusals looked for; each takes another reading of the table.
MOST_REFUSALS = 8


@dataclass(frozen=True)
class Refusal:
    """An error that stops ``fit``, and the kind of the workaround after which reading continues; ``""`` for none."""

    kind: str
    error: ForecasterError


@dataclass
class ParsedTable:
    """A table as far as it could be read.

    Attributes:
        frame: the table; unreadable cells are emptied.
        config: the settings, changed by the workarounds.
        readings: its sorted rows, with repeated times and empty cells, without future rows; None if the roles cannot be
            inferred.
        panel: the regular panel; None if none can be made.
        notes: notes on what was inferred or repaired.
        refusals: the errors that stop ``fit``, in the order found.
        moved: the number of rows that were not in the order of time.
    """

    frame: pd.DataFrame
    config: Config
    readings: Readings | None = None
    panel: Panel | None = None
    notes: list[Note] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    moved: int = 0


def read_leniently(frame: pd.DataFrame, config: Config) -> ParsedTable:
    """Read as much of a table as possible, however many errors it holds.

    Args:
        frame: the table, as :func:`forecaster.data.readers.sources.read_table` returns it.
        config: its settings of the groups ``table`` and ``data``.

    Raises:
        SettingError: a setting has a wrong value.
    """
    table = ParsedTable(frame, config)
    for _ in range(MOST_REFUSALS):
        try:
            table.panel, table.notes = build_panel(table.frame, table.config)
            break
        except SettingError:
            raise  # a wrong setting is no problem of the table
        except ForecasterError as error:
            kind, table.frame, table.config = _work_around(table.frame, table.config, error)
            table.refusals.append(Refusal(kind, error))
            if not kind:
                break
    _add_readings(table)
    return table


def _work_around(frame: pd.DataFrame, config: Config, error: ForecasterError) -> tuple[str, pd.DataFrame, Config]:
    """Return the first change of :data:`WORKAROUNDS` after which there is another error, or none."""
    for kind, workaround in WORKAROUNDS:
        for changed_frame, changed_config in workaround(frame, config):
            try:
                build_panel(changed_frame, changed_config)
            except ForecasterError as next_error:
                if _strip_details(next_error) == _strip_details(error) or kind in _LAST_RESORTS:
                    continue
            return kind, changed_frame, changed_config
    return "", frame, config


def _strip_details(error: ForecasterError) -> str:
    """Return the message of an error without counts and names, with which the same error may differ."""
    return re.sub(r"'[^']*'|[\d.,:-]+", "", error.message)


def _add_readings(table: ParsedTable) -> None:
    """Read the rows themselves, which the panel has merged and filled."""
    try:
        like = table.panel.roles if table.panel else None  # inferred already
        long, roles, notes = shape_table(table.frame, table.config, like)
        readings, _ = read_readings(long, roles, zone=table.config.zone)
        table.readings, _ = split_future_rows(sort_rows(readings)[0])
    except ForecasterError:
        return
    table.notes = table.notes or notes
    order = np.argsort(readings.codes, kind="stable")
    back = np.diff(readings.times[order].astype(np.int64)) < 0
    table.moved = int((back & (np.diff(readings.codes[order]) == 0)).sum())


Attempts = Iterator[tuple[pd.DataFrame, Config]]


def _change_settings(**settings: str) -> Callable[[pd.DataFrame, Config], Attempts]:
    def attempt(frame: pd.DataFrame, config: Config) -> Attempts:
        if any(getattr(config, name) != value for name, value in settings.items()):
            yield frame, config.replace(**settings)

    return attempt


def _try_date_orders(frame: pd.DataFrame, config: Config) -> Attempts:
    if config.dates == "auto":
        yield frame, config.replace(dates="month-first")
        yield frame, config.replace(dates="day-first")


def _empty_text_cells(frame: pd.DataFrame, config: Config) -> Attempts:
    """Empty the cells of text in columns that are mostly numbers, and infinite ones."""
    mended, table = {}, TableProfile(frame)
    for name in table.names:
        column = table[name].cells
        if column.dtype.kind == "f":
            infinite = np.isinf(column.to_numpy(float))
            if infinite.any():
                mended[name] = column.mask(infinite)
        elif _may_be_text(column) and table[name].is_mostly_numbers:
            numbers = table[name].numbers
            mended[name] = pd.Series(np.where(np.isinf(numbers), np.nan, numbers), column.index)
    if mended:
        yield _assign_columns(frame, mended), config


def _may_be_text(column: pd.Series) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)


def _empty_unreadable_times(frame: pd.DataFrame, config: Config) -> Attempts:
    """Empty the cells of a column of times that cannot be read."""
    names = [name.strip() for name in (config.time or "").split(",")] if config.time else list(frame.columns)
    table = TableProfile(frame)
    for name in names:
        kind = table[name].time_kind if name in table else None
        if kind in FORMATS or kind == "digits":
            codes, values = table[name].distinct
            cells = np.array([str(value).strip() for value in values], object)
            orders = ("month-first", "day-first") if config.dates == "auto" else (config.dates,)
            for order in orders:
                parsed = _parse_digits(cells) if kind == "digits" else parse_times(cells, str(kind), order)
                bad = np.append(np.isnat(parsed), False)[codes]
                if bad.any() and not bad.all():
                    yield _assign_columns(frame, {name: frame[name].astype(object).mask(bad)}), config


def _parse_digits(cells: np.ndarray) -> np.ndarray:
    return pd.to_datetime(pd.Series(cells), format="%Y%m%d", errors="coerce").to_numpy().astype("datetime64[ns]")


def _drop_rows_without_id(frame: pd.DataFrame, config: Config) -> Attempts:
    """Drop the rows without a series id."""
    names = (config.series or "").split(",") if config.series else frame.columns
    for name in names:
        if name not in frame.columns or (not config.series and frame[name].dtype.kind == "f"):
            continue
        empty = frame[name].isna().to_numpy()
        if empty.any() and not empty.all():
            yield _keep_rows(frame, ~empty), config


def _assign_columns(frame: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    changed = frame.assign(**columns)
    copy_origin(changed, frame)
    return changed


def _keep_rows(frame: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
    changed = frame[keep]
    copy_origin(changed, frame)
    return changed


#: Changes after which reading may continue, tried in this order, with the kind of the problem that each one bypasses.
WORKAROUNDS: tuple[tuple[str, Callable[[pd.DataFrame, Config], Attempts]], ...] = (
    ("duplicates", _change_settings(duplicates="first")),
    ("missing", _change_settings(missing="mask")),
    ("gaps", _change_settings(gaps="mask")),
    ("dates", _try_date_orders),
    ("text", _empty_text_cells),
    ("times", _empty_unreadable_times),
    ("ids", _drop_rows_without_id),
    ("series", _change_settings(series="")),
    ("freq", _change_settings(freq="row")),
    ("freq", _change_settings(freq="row", duplicates="first", gaps="mask")),
    ("zone", _change_settings(zone="UTC")),
    ("wide", _change_settings(wide="no")),
)
#: Workarounds that must make the whole table readable, as they change the text of most errors.
_LAST_RESORTS = ("series", "zone", "wide")
