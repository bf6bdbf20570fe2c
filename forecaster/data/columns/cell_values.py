"""Read the cells of a column as numbers, as categories or as series ids."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd

from forecaster.data.columns.profile import ColumnProfile, TableProfile, has_time_type
from forecaster.data.columns.raw_cells import numbers_of, row_blocks, values_of_codes
from forecaster.data.readers.csv_numbers import MISSING, wrapped_number
from forecaster.data.readers.dataframe import line_of
from forecaster.errors import DataError
from forecaster.words import setting

#: Standard deviations between 0 and the median from which on an offset is taken: float32 then keeps 4 digits of each.
FAR = 1e3
#: Share of the median below which the standard deviation is rounding error, by the bytes of a number.
ROUNDING = {8: 1e-12, 4: 1e-6}
#: Cells that the median is taken of, evenly spaced in a longer column.
SAMPLE = 100_000


def read_numbers(table: TableProfile, name: str) -> np.ndarray:
    """Return a column as numbers, ``(rows,)`` float64, or float32 where it holds float32; NaN where it is empty.

    Raises:
        DataError: a cell is text or infinite, or the column holds times.
    """
    column = table[name]
    if column.dtype.kind == "c" or has_time_type(column.cells):
        hint = f"name another with {setting('target', 'COLUMN')}"
        raise DataError(f"column '{name}' holds {column.dtype}, expected numbers", hint)
    dtype = np.float32 if column.dtype == np.float32 else np.float64
    values = np.array(numbers_of(column.cells, dtype))  # a copy: the table of the caller is not written to
    if np.isfinite(values).all():
        return values
    if column.dtype.kind != "f":
        _refuse(table.frame, name, np.isnan(values) & _find_filled(column), "is text")
    _refuse(table.frame, name, np.isinf(values), "is infinite")
    return values


def read_covariate(table: TableProfile, name: str, offset: float | None = None) -> tuple[np.ndarray, float]:
    """Return the numbers of a column less an offset, ``(rows,)`` float32, and the offset.

    Args:
        table: the table.
        name: the column.
        offset: see :class:`forecaster.data.schema.Column`; None to choose it from these cells.

    Raises:
        DataError: a cell is text, infinite or too large; or the column holds times.
    """
    values = read_numbers(table, name)
    _refuse(table.frame, name, np.abs(values) > np.finfo(np.float32).max, "is too large")
    offset = table[name].recall("offset", lambda: choose_offset(values)) if offset is None else offset
    if offset:
        values = values.astype(np.float64, copy=False) - offset
    return values.astype(np.float32, copy=False), offset


def choose_offset(values: np.ndarray) -> float:
    """Return a round number near the median of a column that varies little about it; 0 if none is needed."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    sampled = known[np.linspace(0, len(known) - 1, min(len(known), SAMPLE)).astype(np.int64)]
    middle = float(np.median(sampled.astype(np.float64)))
    total = sum(float(((known[block] - np.float64(middle)) ** 2).sum()) for block in row_blocks(len(known)))
    spread = math.sqrt(total / len(known))
    if not ROUNDING[known.dtype.itemsize] * abs(middle) < spread < abs(middle) / FAR:
        return 0.0
    return round(middle, -math.ceil(math.log10(spread)) - 1)


def as_written(cell: float, offset: float = 0.0) -> float:
    """Return a float32 cell plus its offset as the shortest decimal."""
    return float(Decimal(str(np.float32(cell))) + Decimal(str(offset)))


def _refuse(frame: pd.DataFrame, name: str, bad: np.ndarray, what: str) -> None:
    if bad.any():
        first, more = int(bad.argmax()), int(bad.sum()) - 1
        others = f" (and {more:,} more such cell{'s' * (more > 1)})" if more else ""
        melted, columns = frame.attrs.get("melted", ("", ()))
        shown = columns[first * len(columns) // len(frame)] if name == melted else name
        raise DataError(
            f"column '{shown}', {line_of(frame, first)}: '{frame[name].iloc[first]}' {what}, expected a number{others}",
            wrapped_number(frame[name].iloc[first]) or "leave the cell empty where there is no reading",
        )


def _find_filled(column: ColumnProfile) -> np.ndarray:
    """Return a mask of the cells that are not empty, blank or a word for "no value", ``(rows,)`` bool."""
    if column.dtype.kind in "biuf":
        return np.array(column.cells.notna(), bool)
    codes, values = column.distinct
    return np.array([not (isinstance(v, str) and v.strip() in MISSING) for v in values] + [False])[codes]


def read_categories(
    column: ColumnProfile, categories: tuple[str, ...] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a column of text as the numbers of its categories.

    Args:
        column: the column.
        categories: those of training, in the order of their numbers; None for those of the column, sorted.

    Returns:
        ``(rows,)`` float32, NaN where a cell is empty and -1 where its category is unknown; and the categories.
    """
    codes, values = column.distinct
    texts = [as_text(value) for value in values]
    if categories is None:
        used = used_codes(codes, len(texts))
        categories = tuple(sorted({text for text, there in zip(texts, used, strict=True) if there and text}))
    places = {text: i for i, text in enumerate(categories)}
    numbers = np.array([places.get(text, -1) if text else np.nan for text in texts], np.float32)
    return values_of_codes(numbers, codes), categories


def used_codes(codes: np.ndarray, count: int) -> np.ndarray:
    """Return a mask of the codes below ``count`` that occur, ``(count,)`` bool."""
    used = np.zeros(count + 1, bool)  # the code -1 is the last
    for block in row_blocks(len(codes)):
        used[codes[block]] = True
    return used[:-1]


def as_text(value: object) -> str:
    """Return an id or a category as text: 3 for 3.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def join_ids(table: TableProfile, names: tuple[str, ...]) -> pd.Categorical:
    """Return series ids joined from several columns as ``A/B``, in the order of appearance.

    Raises:
        DataError: an id is empty, or two series would have the same id.
    """
    parts = [table[name].distinct for name in names]
    for name, (codes, _) in zip(names, parts, strict=True):
        check_ids(table.frame, name, codes)
    total = parts[0][0].astype(np.int64)
    for codes, values in parts[1:]:
        total = pd.factorize(total * len(values) + codes)[0].astype(np.int64)
    joint, found = pd.factorize(total)
    rows = np.zeros(len(found), np.int64)
    rows[joint[::-1]] = np.arange(len(joint))[::-1]
    labels = ["/".join(as_text(values[codes[row]]) for codes, values in parts) for row in rows]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        if len(names) == 1:
            merged, labels_found = pd.factorize(np.array(labels, dtype=object))
            return pd.Categorical.from_codes(merged[joint], categories=list(labels_found))
        raise DataError(f"two series would both have the id '{twice}'", "write their ids without '/'")
    return pd.Categorical.from_codes(joint, categories=labels)


def check_ids(frame: pd.DataFrame, name: str, codes: np.ndarray) -> None:
    """Raise DataError if a row has no series id: a code of -1 in ``codes``, ``(rows,)``."""
    missing = codes < 0
    if missing.any():
        count = int(missing.sum())
        more = f" and {count - 1:,} more" if count > 1 else ""
        raise DataError(
            f"column '{name}', {line_of(frame, int(missing.argmax()))}{more}: no series id",
            "fill it in ('NA' and the like are read as empty)",
        )
