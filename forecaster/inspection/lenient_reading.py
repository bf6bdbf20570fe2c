"""Reading a table as fit does, and on after each refusal, so that every problem is found and not only the first."""

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
from forecaster.errors import ForecasterError, SettingError
from forecaster.notes import Note

#: Refusals looked for at most; each takes a reading of the table.
MOST_REFUSALS = 8


@dataclass(frozen=True)
class Refusal:
    """An error that stops ``fit``, and the name of the step that lets the reading go on; ``""`` where none does."""

    kind: str
    error: ForecasterError


@dataclass
class Seen:
    """What could be read of a table.

    Attributes:
        frame: the table, with the cells emptied that could not be read.
        config: the settings, with those changed that let the reading go on.
        readings: its rows, sorted, repeated times and empty cells among them, without those of the time to come; None
            where the roles cannot be told.
        panel: the regular panel; None where none can be made.
        notes: what was inferred or repaired.
        refusals: what stops ``fit``, in the order found.
        moved: rows that were not in the order of time.
    """

    frame: pd.DataFrame
    config: Config
    readings: Readings | None = None
    panel: Panel | None = None
    notes: list[Note] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    moved: int = 0


def read_leniently(frame: pd.DataFrame, config: Config) -> Seen:
    """Return what can be read of a table, however many errors it holds.

    Args:
        frame: the table, as :func:`forecaster.data.readers.sources.read_table` returns it.
        config: its settings of the group ``data``.

    Raises:
        SettingError: a setting has a wrong value.
    """
    seen = Seen(frame, config)
    for _ in range(MOST_REFUSALS):
        try:
            seen.panel, seen.notes = build_panel(seen.frame, seen.config)
            break
        except SettingError:
            raise  # a wrong flag is no problem of the table
        except ForecasterError as error:
            kind, seen.frame, seen.config = _way_on(seen.frame, seen.config, error)
            seen.refusals.append(Refusal(kind, error))
            if not kind:
                break
    _add_readings(seen)
    return seen


def _way_on(frame: pd.DataFrame, config: Config, error: ForecasterError) -> tuple[str, pd.DataFrame, Config]:
    """Return the first change of :data:`WAYS` after which another error comes, or no error."""
    for kind, way in WAYS:
        for changed_frame, changed_config in way(frame, config):
            try:
                build_panel(changed_frame, changed_config)
            except ForecasterError as next_error:
                if _skeleton(next_error) == _skeleton(error) or kind in _LAST:
                    continue
            return kind, changed_frame, changed_config
    return "", frame, config


def _skeleton(error: ForecasterError) -> str:
    """Return what an error says without its counts and names: the same error may come with others."""
    return re.sub(r"'[^']*'|[\d.,:-]+", "", error.message)


def _add_readings(seen: Seen) -> None:
    """Read the rows themselves, which the panel no longer tells apart."""
    try:
        like = seen.panel.roles if seen.panel else None  # found already
        long, roles, notes = shape_table(seen.frame, seen.config, like)
        readings, _ = read_readings(long, roles, zone=seen.config.zone)
        seen.readings, _ = split_future_rows(sort_rows(readings)[0])
    except ForecasterError:
        return
    seen.notes = seen.notes or notes
    order = np.argsort(readings.codes, kind="stable")
    back = np.diff(readings.times[order].astype(np.int64)) < 0
    seen.moved = int((back & (np.diff(readings.codes[order]) == 0)).sum())


Way = Iterator[tuple[pd.DataFrame, Config]]


def _with(**settings: str) -> Callable[[pd.DataFrame, Config], Way]:
    def way(frame: pd.DataFrame, config: Config) -> Way:
        if any(getattr(config, name) != value for name, value in settings.items()):
            yield frame, config.replace(**settings)

    return way


def _either_date(frame: pd.DataFrame, config: Config) -> Way:
    if config.dates == "auto":
        yield frame, config.replace(dates="month-first")
        yield frame, config.replace(dates="day-first")


def _numbers_only(frame: pd.DataFrame, config: Config) -> Way:
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
        yield _assigned(frame, mended), config


def _may_be_text(column: pd.Series) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)


def _readable_times(frame: pd.DataFrame, config: Config) -> Way:
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
                parsed = _digits(cells) if kind == "digits" else parse_times(cells, str(kind), order)
                bad = np.append(np.isnat(parsed), False)[codes]
                if bad.any() and not bad.all():
                    yield _assigned(frame, {name: frame[name].astype(object).mask(bad)}), config


def _digits(cells: np.ndarray) -> np.ndarray:
    return pd.to_datetime(pd.Series(cells), format="%Y%m%d", errors="coerce").to_numpy().astype("datetime64[ns]")


def _whole_ids(frame: pd.DataFrame, config: Config) -> Way:
    """Leave out the rows without a series id."""
    names = (config.series or "").split(",") if config.series else frame.columns
    for name in names:
        if name not in frame.columns or (not config.series and frame[name].dtype.kind == "f"):
            continue
        empty = frame[name].isna().to_numpy()
        if empty.any() and not empty.all():
            yield _kept(frame, ~empty), config


def _assigned(frame: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    changed = frame.assign(**columns)
    changed.attrs = dict(frame.attrs)
    return changed


def _kept(frame: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
    changed = frame[keep]
    changed.attrs = dict(frame.attrs)
    return changed


#: What lets the reading go on after an error, tried in this order, named by the problem it passes over.
WAYS: tuple[tuple[str, Callable[[pd.DataFrame, Config], Way]], ...] = (
    ("duplicates", _with(duplicates="first")),
    ("missing", _with(missing="mask")),
    ("gaps", _with(gaps="mask")),
    ("dates", _either_date),
    ("text", _numbers_only),
    ("times", _readable_times),
    ("ids", _whole_ids),
    ("series", _with(series="")),
    ("freq", _with(freq="row")),
    ("freq", _with(freq="row", duplicates="first", gaps="mask")),
    ("zone", _with(zone="UTC")),
    ("wide", _with(wide="no")),
)
#: Those that must let the table be read altogether, as they change what most errors say.
_LAST = ("series", "zone", "wide")
