"""Which column is the time, the target, the series id."""

from __future__ import annotations

from fnmatch import fnmatch
from itertools import combinations

import numpy as np
import pandas as pd

from forecaster.data.columns.time_parts import part_of
from forecaster.data.columns.time_values import count_distinct, distinct_values, numbers_of, sample_cells
from forecaster.data.readers.csv_numbers import wrapped_number
from forecaster.data.readers.origin import all_columns
from forecaster.data.schema import _NEEDED
from forecaster.errors import DataError, NotFoundError, nearest
from forecaster.notes import Note
from forecaster.words import quote_names

#: Which of several readable columns is taken, the earlier pattern first; then the first (time) or last (target) column.
TARGET_NAMES = (
    *("target", "y", "value", "values", "close", "ot"),
    *("sales", "demand", "load", "consumption", "count", "quantity", "price", "pm2*", "pm10*", "aqi", "temp*"),
)
SERIES_NAMES = (
    *("series", "unique_id", "series_id", "item_id", "id", "*_id", "ticker", "symbol", "store", "item", "shop"),
    *("sku", "product", "station", "sensor", "device", "meter", "site", "dept", "department", "region", "country"),
)
ROW_NUMBER_NAMES = ("no", "nr", "#", "index", "idx", "row", "rownum", "row_*", "unnamed*", "instant", "rowid")

#: Share of the rows whose time another row has too, from which on a table is taken to hold several series.
_SHARED_TIMES = 0.2
#: Rows that are looked at where a whole table is not needed to tell a role.
HEAD = 1_000_000
_MOST_ID_COLUMNS = 3
_MOST_ID_CANDIDATES = 8
#: Rows that may repeat a time although the series are told apart: this share of a table, or a few of a small one.
_REPEATED, _FEW_REPEATED, _FEW_SHARE = 0.01, 3, 0.05
#: Share of its rows from which on a series that repeats its times is taken to be two.
_TWICE = 0.3


def named_columns(frame: pd.DataFrame, text: str | None, what: str = "") -> tuple[str, ...]:
    """Return the columns that ``a,b`` names; a name that contains a comma is matched as a whole first.

    Args:
        frame: the table.
        text: names separated by commas; None, ``""`` and ``none`` (where no column is called so) for none.
        what: the flag that names them, for messages.

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
            raise DataError(f"column '{name}' is named twice{f' by {what}' if what else ''}", "name each column once")
    return tuple(names)


def check_exists(frame: pd.DataFrame, name: str, why: str = "") -> None:
    """Raise NotFoundError if there is no such column; ``why`` says what it is needed for."""
    if name not in frame.columns:
        names = all_columns(frame)
        raise NotFoundError(
            f"there is no column '{name}'{why}, the table has {quote_names(names)}", nearest(name, names)
        )


def telling_column(frame: pd.DataFrame, time: str, taken: tuple[str | None, ...] = ()) -> str | None:
    """Return a column that tells rows of the same time apart, and so may be the series id; None if none.

    Together with the time it makes every row unique, or all but few of those that repeat a time.

    Args:
        frame: the table.
        time: its time column.
        taken: columns that have another role.
    """
    times = distinct_values(frame[time])[0].astype(np.int64)
    names = [n for n in frame.columns if n not in (time, *taken) and _may_be_id(frame[n])]
    names.sort(key=lambda n: (pattern_rank(n, SERIES_NAMES), is_number(frame[n])))
    codes = {name: distinct_values(frame[name])[0].astype(np.int64) for name in names}
    exact = next((name for name in names if _is_unique(codes[name], times)), None)
    alike = int(_again(np.zeros_like(times), times).sum())
    for name in names if exact is None else ():
        again = _again(codes[name], times)
        if _is_id_like(frame, name) and again.sum() <= _SHARED_TIMES * alike and _is_few(again, codes[name]):
            return str(name)
    return exact if exact is None else str(exact)


def free_name(frame: pd.DataFrame, *names: str) -> str:
    """Return the first of these names that no column has; the last, made longer, if all are taken."""
    free = next((name for name in names if name not in frame.columns), names[-1])
    while free in frame.columns:
        free += "_"
    return free


def example_cell(column: pd.Series) -> str:
    """Return a cell of a column in quotes, for messages."""
    cells = sample_cells(column)
    return f"'{cells.iloc[0]}'" if len(cells) else "nothing"


def pattern_rank(name: str, patterns: tuple[str, ...]) -> int:
    """Return the place of the first pattern that a name fits, small letters or not; their number if none."""
    return next((i for i, pattern in enumerate(patterns) if fnmatch(name.lower(), pattern)), len(patterns))


# The series


def is_number(column: pd.Series) -> bool:
    """Return whether a column is one of numbers, by its type."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def joint_codes(frame: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """Return the number of each row's combination of values, ``(rows,)`` int64; -1 where one is empty."""
    total, empty = np.zeros(len(frame), np.int64), np.zeros(len(frame), bool)
    for name in names:
        codes, values = distinct_values(frame[name])
        empty |= codes < 0
        total = total * (len(values) + 1) + codes
        if len(names) > 1:
            total = pd.factorize(total)[0].astype(np.int64)
    return np.where(empty, -1, total) if empty.any() else total


def find_series(frame: pd.DataFrame, time: str, taken: tuple[str, ...]) -> tuple[tuple[str, ...], list[Note]]:
    """Return the smallest set of columns that tells rows of the same time apart, at most three; none if none does.

    Columns of text and those named as ids are are enough where they tell all but few rows apart: a row that is there
    twice, or an hour that the clock shows twice, makes no other column part of the id.

    Args:
        frame: the table.
        time: its time column, whole.
        taken: columns that have another role.
    """
    head = frame.iloc[:HEAD]
    times = distinct_values(head[time])[0].astype(np.int64)
    if pd.Series(times).duplicated(keep=False).mean() < _SHARED_TIMES:
        return (), []
    names = _id_candidates(head, (time, *taken))
    codes = {name: distinct_values(head[name])[0].astype(np.int64) for name in names}
    ids_like = {name for name in names if _is_id_like(head, name)}
    for size in range(1, _MOST_ID_COLUMNS + 1):
        for test, likely in ((_is_unique, True), (_is_nearly_unique, True), (_is_unique, False)):
            for chosen in combinations(names, size):
                if ids_like.issuperset(chosen) is not likely:
                    continue
                ids = _combined([codes[name] for name in chosen])
                if test(ids, times) and _is_full(head, chosen, ids, times):
                    return chosen, [_series_note(frame, chosen, int(_again(ids, times).sum()))]
    return (), []


def _id_candidates(head: pd.DataFrame, taken: tuple[str, ...]) -> list[str]:
    names = [name for name in map(str, head.columns) if name not in taken and not part_of(name)]
    names = [name for name in names if not (is_number(head[name]) and is_target_name(name)) and _may_be_id(head[name])]
    names = [name for name in names if count_distinct(head[name]) > 1]
    return sorted(names, key=lambda n: (is_number(head[n]), pattern_rank(n, SERIES_NAMES)))[:_MOST_ID_CANDIDATES]


def _combined(codes: list[np.ndarray]) -> np.ndarray:
    total = codes[0]
    for more in codes[1:]:
        total = total * (int(more.max()) + 1) + more
    return total


def _again(ids: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return which rows have the id and the time of an earlier one, ``(rows,)`` bool."""
    return pd.Series(ids * (int(times.max()) + 2) + times).duplicated().to_numpy()


def _is_unique(ids: np.ndarray, times: np.ndarray) -> bool:
    return not any(_again(ids[:n], times[:n]).any() for n in (20_000, len(ids)))


def _is_nearly_unique(ids: np.ndarray, times: np.ndarray) -> bool:
    """Return whether few rows repeat the time of another of their series, as a row that is there twice does."""
    if _again(ids[:20_000], times[:20_000]).mean() > _SHARED_TIMES:
        return False
    return _is_few(_again(ids, times), ids)


def _is_few(again: np.ndarray, ids: np.ndarray) -> bool:
    """Return whether few rows repeat a time, and no series does so as two of the same name would."""
    few = max(_REPEATED * len(ids), min(_FEW_REPEATED, _FEW_SHARE * len(ids)))
    if again.sum() > few:
        return False
    numbers, found = np.unique(ids, return_inverse=True)
    rows, repeated = (np.bincount(found[chosen], minlength=len(numbers)) for chosen in (slice(None), again))
    return not ((repeated > 1) & (repeated > _TWICE * rows)).any()


def _is_id_like(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column is one of text, or named as ids are."""
    return not is_number(frame[name]) or pattern_rank(name, SERIES_NAMES) < len(SERIES_NAMES)


def _is_full(head: pd.DataFrame, chosen: tuple[str, ...], ids: np.ndarray, times: np.ndarray) -> bool:
    """Return whether ids are more than chance: text, named as ids are, or there at half of all times each."""
    if all(_is_id_like(head, name) for name in chosen):
        return True
    return 2 * len(ids) >= len(pd.unique(ids)) * len(pd.unique(times))


def _series_note(frame: pd.DataFrame, names: tuple[str, ...], repeated: int) -> Note:
    codes = joint_codes(frame.iloc[:HEAD], names)
    count = f"{len(pd.unique(codes)):,}{' or more' if len(frame) > HEAD else ''}"
    left = f", all but {repeated:,} of them" if repeated else ""
    reason = f"its {count} values tell rows of the same time apart{left}; --series names another"
    if len(names) > 1:
        reason = f"their {count} combinations tell rows of the same time apart{left}; --series names others"
    return Note("series", ", ".join(names), reason)


def _may_be_id(column: pd.Series) -> bool:
    """Return whether the values repeat, and are text or whole numbers."""
    if column.dtype.kind in "fcmMb" or len(column) < 2 or column.isna().any():
        return False
    return 2 * count_distinct(column) <= len(column)


# The target


def find_target(frame: pd.DataFrame, taken: tuple[str, ...]) -> tuple[str, Note]:
    """Return the column to forecast, and why: the only one of numbers, a usual name, or the last.

    Raises:
        NotFoundError: no column holds readings.
    """
    names = target_names(frame, taken)
    if not names:
        others = ", ".join(f"'{n}' ({example_cell(frame[n])})" for n in frame.columns if n not in taken)
        cells = (sample_cells(frame[n]) for n in frame.columns if n not in taken)
        wrapped = (wrapped_number(column.iloc[0]) for column in cells if len(column))
        hint = next(filter(None, wrapped), "name it with --target COLUMN")
        raise NotFoundError(f"no column of readings to forecast: tried {others or 'none'}", hint)
    if len(names) == 1:
        return names[0], Note("target", names[0], "the only column of readings")
    usual = [n for n in names if is_target_name(n)]
    best = min(usual, key=lambda n: pattern_rank(n, TARGET_NAMES)) if usual else names[-1]
    why = "a usual name for it" if usual else "the last column of numbers, which may not be the one you want"
    others = quote_names([n for n in names if n != best])
    return best, Note("target", best, f"{why}; --target forecasts another: {others}", warning=not usual)


def target_names(frame: pd.DataFrame, taken: tuple[str, ...]) -> list[str]:
    """Return the columns that may be forecast."""
    return [str(n) for n in frame.columns if n not in taken and _may_be_target(frame[n])]


def is_target_name(name: str) -> bool:
    """Return whether a column is named as targets usually are."""
    return pattern_rank(name, TARGET_NAMES) < len(TARGET_NAMES)


def is_row_number(column: pd.Series) -> bool:
    """Return whether a column does nothing but number the rows of the table."""
    named = pattern_rank(str(column.name), ROW_NUMBER_NAMES) < len(ROW_NUMBER_NAMES)
    return counts_rows(column, anywhere=named) and not is_target_name(str(column.name))


def _may_be_target(column: pd.Series) -> bool:
    """Return whether a column holds readings: mostly numbers, and not a row number, an id or a part of the time."""
    name = str(column.name)
    if part_of(name) or pattern_rank(name, SERIES_NAMES) < len(SERIES_NAMES) or column.dtype.kind in "bcmM":
        return False
    if is_number(column):
        return bool(column.notna().any()) and not is_row_number(column)
    cells = sample_cells(column)
    return len(cells) > 0 and bool((~np.isnan(numbers_of(cells))).mean() >= 0.5)


def counts_rows(column: pd.Series, anywhere: bool = False) -> bool:
    """Return whether a column counts the rows of a table, from 0 or 1, or from ``anywhere``."""
    if not is_number(column) or len(column) < 3:
        return False
    for rows in (slice(0, 1000), slice(None)):
        numbers = numbers_of(column.iloc[rows])
        if not (np.isfinite(numbers).all() and (np.diff(numbers) == 1).all() and (anywhere or numbers[0] in (0, 1))):
            return False
    return True
