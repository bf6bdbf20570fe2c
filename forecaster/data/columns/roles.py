"""Find the target and the series id among the columns of a table, by names and cells."""

from __future__ import annotations

from fnmatch import fnmatch
from itertools import combinations

import numpy as np
import pandas as pd

from forecaster.data.columns.profile import ColumnProfile, TableProfile, answer_once
from forecaster.data.columns.raw_cells import numbers_of
from forecaster.data.columns.time_parts import part_of
from forecaster.data.readers.csv_numbers import wrapped_number
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import quote_names, setting

#: Name patterns of targets and series ids, the preferred ones first.
TARGET_NAMES = (
    *("target", "y", "value", "values", "close", "ot"),
    *("sales", "demand", "load", "consumption", "count", "quantity", "price", "pm2*", "pm10*", "aqi", "temp*"),
)
SERIES_NAMES = (
    *("series", "unique_id", "series_id", "item_id", "id", "*_id", "ticker", "symbol", "store", "item", "shop"),
    *("sku", "product", "station", "sensor", "device", "meter", "site", "dept", "department", "region", "country"),
)
ROW_NUMBER_NAMES = ("no", "nr", "#", "index", "idx", "row", "rownum", "row_*", "unnamed*", "instant", "rowid")

#: Share of rows that have the time of another row from which on a table may hold several series.
_SHARED_TIMES = 0.2
#: Rows of a longer table that its roles are inferred from.
HEAD = 1_000_000
_MOST_ID_COLUMNS = 3
_MOST_ID_CANDIDATES = 8
#: Rows that may repeat a time of their series: this share of a table, or a few rows of a small one.
_REPEATED, _FEW_REPEATED, _FEW_SHARE = 0.01, 3, 0.05
#: Share of repeated times from which on a series is taken for two of the same id.
_TWICE = 0.3
#: Settings that every table needs, for which ``none`` is a name like any other.
_NEEDED = ("time", "target")


def named_columns(frame: pd.DataFrame, text: str | None, what: str = "") -> tuple[str, ...]:
    """Return the columns named in ``a,b``; a name that contains a comma is matched as a whole first.

    Args:
        frame: the table.
        text: names separated by commas; None, ``""`` and ``none`` (where no column is called so) for none.
        what: the setting that names them, for messages.

    Raises:
        NotFoundError: there is no such column.
        DataError: a column is named twice.
    """
    columns = list(frame.columns)
    none = what not in _NEEDED and (text or "").strip().lower() == "none" and text not in columns
    if not text or none:
        return ()
    pieces, names = text.split(","), []
    while pieces:
        fits = [k for k in range(len(pieces), 0, -1) if ",".join(pieces[:k]).strip() in columns]
        names.append(",".join(pieces[: fits[0] if fits else 1]).strip())
        pieces = pieces[fits[0] if fits else 1 :]
    for name in names:
        check_exists(frame, name)
        if names.count(name) > 1:
            raise DataError(
                f"column '{name}' is named twice{f' by {setting(what)}' if what else ''}", "name each column once"
            )
    return tuple(names)


def check_exists(frame: pd.DataFrame, name: str, why: str = "") -> None:
    """Raise NotFoundError if there is no such column; the message adds ``why`` it is needed."""
    if name not in frame.columns:
        names = frame.attrs.get("columns") or list(frame.columns)  # also those that were not read
        raise NotFoundError(
            f"there is no column '{name}'{why}, the table has {quote_names(names)}", nearest(name, names)
        )


def telling_column(frame: pd.DataFrame, time: str, taken: tuple[str | None, ...] = ()) -> str | None:
    """Return a column that may be the series id, as it tells rows of the same time apart; None if there is none.

    Together with the time it makes every row unique, or all but a few of those that repeat a time.

    Args:
        frame: the table.
        time: its time column.
        taken: columns that have another role.
    """
    table = TableProfile(frame)
    times = table[time].codes
    names = [name for name in table.others((time, *taken)) if _may_be_id(table[name])]
    names.sort(key=lambda n: (pattern_rank(n, SERIES_NAMES), table[n].is_number))
    codes = {name: table[name].codes for name in names}
    exact = next((name for name in names if _is_unique(codes[name], times)), None)
    alike = int(_find_repeated(np.zeros_like(times), times).sum())
    for name in names if exact is None else ():
        again = _find_repeated(codes[name], times)
        if _is_id_like(table[name]) and again.sum() <= _SHARED_TIMES * alike and _are_few(again, codes[name]):
            return name
    return exact


def free_name(frame: pd.DataFrame, *names: str) -> str:
    """Return the first of these names that no column has; if all are taken, the last one with underscores added."""
    free = next((name for name in names if name not in frame.columns), names[-1])
    while free in frame.columns:
        free += "_"
    return free


def pattern_rank(name: str, patterns: tuple[str, ...]) -> int:
    """Return the index of the first pattern that a name matches in any case; the number of patterns if none does."""
    return next((i for i, pattern in enumerate(patterns) if fnmatch(name.lower(), pattern)), len(patterns))


# The series


def joint_codes(table: TableProfile, names: tuple[str, ...]) -> np.ndarray:
    """Return the code of each row's combination of values, ``(rows,)`` int64; -1 where one is empty."""
    total, empty = np.zeros(len(table), np.int64), np.zeros(len(table), bool)
    for name in names:
        codes, values = table[name].distinct
        empty |= codes < 0
        total = total * (len(values) + 1) + codes
        if len(names) > 1:
            total = pd.factorize(total)[0].astype(np.int64)
    return np.where(empty, -1, total) if empty.any() else total


def find_series(table: TableProfile, time: str, taken: tuple[str, ...]) -> tuple[tuple[str, ...], list[Note]]:
    """Return the smallest set of columns that tells rows of the same time apart, at most three; none if none does.

    Columns of text, and columns named like ids, may leave a few rows of the same time: a row that is there twice, or an
    hour that the clock shows twice, makes no other column part of the id.

    Args:
        table: the table.
        time: its time column, whole.
        taken: columns that have another role.
    """
    head = table.head(HEAD)
    times = head[time].codes
    if pd.Series(times).duplicated(keep=False).mean() < _SHARED_TIMES:
        return (), []
    names = _find_id_candidates(head, (time, *taken))
    codes = {name: head[name].codes for name in names}
    ids_like = {name for name in names if _is_id_like(head[name])}
    for size in range(1, _MOST_ID_COLUMNS + 1):
        for test, likely in ((_is_unique, True), (_is_nearly_unique, True), (_is_unique, False)):
            for chosen in combinations(names, size):
                if ids_like.issuperset(chosen) is not likely:
                    continue
                ids = _combine_codes([codes[name] for name in chosen])
                if test(ids, times) and _is_full(head, chosen, ids, times):
                    return chosen, [_note_series(table, chosen, int(_find_repeated(ids, times).sum()))]
    return (), []


def _find_id_candidates(head: TableProfile, taken: tuple[str, ...]) -> list[str]:
    names = [name for name in head.others(taken) if not part_of(name)]
    names = [name for name in names if not (head[name].is_number and is_target_name(name)) and _may_be_id(head[name])]
    names = [name for name in names if head[name].distinct_count > 1]
    return sorted(names, key=lambda n: (head[n].is_number, pattern_rank(n, SERIES_NAMES)))[:_MOST_ID_CANDIDATES]


def _combine_codes(codes: list[np.ndarray]) -> np.ndarray:
    total = codes[0]
    for more in codes[1:]:
        total = total * (int(more.max()) + 1) + more
    return total


def _find_repeated(ids: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return a mask of the rows that have the id and the time of an earlier row, ``(rows,)`` bool."""
    return pd.Series(ids * (int(times.max()) + 2) + times).duplicated().to_numpy()


def _is_unique(ids: np.ndarray, times: np.ndarray) -> bool:
    return not any(_find_repeated(ids[:n], times[:n]).any() for n in (20_000, len(ids)))


def _is_nearly_unique(ids: np.ndarray, times: np.ndarray) -> bool:
    """Return True if few rows repeat a time of their series, as a row that is there twice does."""
    if _find_repeated(ids[:20_000], times[:20_000]).mean() > _SHARED_TIMES:
        return False
    return _are_few(_find_repeated(ids, times), ids)


def _are_few(again: np.ndarray, ids: np.ndarray) -> bool:
    """Return True if few rows repeat a time, and no series repeats as many as two series of the same id would."""
    few = max(_REPEATED * len(ids), min(_FEW_REPEATED, _FEW_SHARE * len(ids)))
    if again.sum() > few:
        return False
    numbers, found = np.unique(ids, return_inverse=True)
    rows, repeated = (np.bincount(found[chosen], minlength=len(numbers)) for chosen in (slice(None), again))
    return not ((repeated > 1) & (repeated > _TWICE * rows)).any()


def _is_id_like(column: ColumnProfile) -> bool:
    """Return True if a column holds text, or is named like an id."""
    return not column.is_number or pattern_rank(column.name, SERIES_NAMES) < len(SERIES_NAMES)


def _is_full(head: TableProfile, chosen: tuple[str, ...], ids: np.ndarray, times: np.ndarray) -> bool:
    """Return True if ids are text, named like ids, or not by chance: each has half of all times on average."""
    if all(_is_id_like(head[name]) for name in chosen):
        return True
    return 2 * len(ids) >= len(pd.unique(ids)) * len(pd.unique(times))


def _note_series(table: TableProfile, names: tuple[str, ...], repeated: int) -> Note:
    codes = joint_codes(table.head(HEAD), names)
    count = f"{len(pd.unique(codes)):,}{' or more' if len(table) > HEAD else ''}"
    left = f", all but {repeated:,} of them" if repeated else ""
    reason = f"its {count} values tell rows of the same time apart{left}; {setting('series')} names another"
    if len(names) > 1:
        reason = f"their {count} combinations tell rows of the same time apart{left}; {setting('series')} names others"
    return Note("series", ", ".join(names), reason)


@answer_once
def _may_be_id(column: ColumnProfile) -> bool:
    """Return True if the values repeat, and are text or whole numbers."""
    if column.dtype.kind in "fcmMb" or len(column) < 2 or column.cells.isna().any():
        return False
    return 2 * column.distinct_count <= len(column)


# The target


def find_target(table: TableProfile, taken: tuple[str, ...]) -> tuple[str, Note]:
    """Return the column to forecast, the only one of numbers, one of a usual name or the last, and the reason.

    Raises:
        NotFoundError: no column holds readings.
    """
    names = target_names(table, taken)
    if not names:
        others = ", ".join(f"'{name}' ({table[name].example})" for name in table.others(taken))
        cells = (table[name].sample for name in table.others(taken))
        wrapped = (wrapped_number(sample.iloc[0]) for sample in cells if len(sample))
        hint = next(filter(None, wrapped), f"name it with {setting('target', 'COLUMN')}")
        raise NotFoundError(f"no column of readings to forecast: tried {others or 'none'}", hint)
    if len(names) == 1:
        return names[0], Note("target", names[0], "the only column of readings")
    usual = [n for n in names if is_target_name(n)]
    best = min(usual, key=lambda n: pattern_rank(n, TARGET_NAMES)) if usual else names[-1]
    why = "a usual name for it" if usual else "the last column of numbers, which may not be the one you want"
    others = quote_names([n for n in names if n != best])
    return best, Note("target", best, f"{why}; {setting('target')} forecasts another: {others}", warning=not usual)


def target_names(table: TableProfile, taken: tuple[str, ...]) -> list[str]:
    """Return the columns that may be forecast."""
    return [name for name in table.others(taken) if _may_be_target(table[name])]


def is_target_name(name: str) -> bool:
    """Return True if a column has a usual name of targets."""
    return pattern_rank(name, TARGET_NAMES) < len(TARGET_NAMES)


@answer_once
def is_row_number(column: ColumnProfile) -> bool:
    """Return True if a column only numbers the rows of the table."""
    named = pattern_rank(column.name, ROW_NUMBER_NAMES) < len(ROW_NUMBER_NAMES)
    return counts_rows(column, anywhere=named) and not is_target_name(column.name)


@answer_once
def _may_be_target(column: ColumnProfile) -> bool:
    """Return True if a column holds readings: mostly numbers, and not a row number, an id or a part of the time."""
    name = column.name
    if part_of(name) or pattern_rank(name, SERIES_NAMES) < len(SERIES_NAMES) or column.dtype.kind in "bcmM":
        return False
    if column.is_number:
        return bool(column.cells.notna().any()) and not is_row_number(column)
    return column.is_mostly_numbers


def counts_rows(column: ColumnProfile, anywhere: bool = False) -> bool:
    """Return True if a column counts the rows of a table from 0 or 1, or from any number if ``anywhere``."""
    if not column.is_number or len(column) < 3:
        return False
    for rows in (slice(0, 1000), slice(None)):
        numbers = numbers_of(column.cells.iloc[rows])
        if not (np.isfinite(numbers).all() and (np.diff(numbers) == 1).all() and (anywhere or numbers[0] in (0, 1))):
            return False
    return True
