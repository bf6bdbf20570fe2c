"""Primitives on the raw cells of a column: a sample, the numbers, the distinct values, blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from forecaster.data.panel.touched_rows import BLOCK

_SAMPLE = 1000  # cells that tell the kind of a column


def sample_cells(column: pd.Series) -> pd.Series:
    """Return at most 1,000 cells that are not empty, spread evenly over the column."""
    picks = np.linspace(0, len(column) - 1, min(len(column), _SAMPLE)).astype(int)
    cells = column.iloc[picks].dropna()
    return cells if len(cells) else column.dropna().iloc[:_SAMPLE]


def numbers_of(column: pd.Series, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Return a column as numbers, ``(rows,)``, NaN where a cell is no number; it may be a view of the column."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if column.cat.categories.dtype.kind in "iuf" else object)
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # a whole number of more than 308 digits
        numbers = pd.to_numeric(column.map(_as_float), errors="coerce")
    if numbers.dtype.kind == "c":
        numbers = numbers.where(numbers.to_numpy().imag == 0).to_numpy().real
        return np.where(np.isnan(numbers), np.nan, numbers).astype(dtype)
    return numbers.to_numpy(dtype=dtype, na_value=np.nan)


def _as_float(cell: object) -> object:
    """Return a whole number as a float, an infinite one where it is too large; any other cell as it is."""
    if not isinstance(cell, int):
        return cell
    try:
        return float(cell)
    except OverflowError:
        return np.inf if cell > 0 else -np.inf


def distinct_values(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the code of each cell, ``(rows,)`` with -1 for an empty one, and the value of each code."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), np.asarray(column.cat.categories)
    try:
        codes, values = pd.factorize(column)
    except TypeError:  # lists and the like
        codes, values = pd.factorize(column.astype(str).where(column.notna()))
    return codes, np.asarray(values)


def count_distinct(codes: np.ndarray) -> int:
    """Return the number of different codes, ``(rows,)``, without -1, the code of empty cells."""
    return len(pd.unique(codes[codes >= 0]))


def values_of_codes(values: np.ndarray, codes: np.ndarray, empty: object = None) -> np.ndarray:
    """Return the value of each code, ``(rows,)``; ``empty`` (NaT or NaN by default) for the code -1."""
    if empty is None:
        empty = np.datetime64("NaT", "ns") if values.dtype.kind == "M" else np.nan
    table, rows = np.append(values, np.array(empty, values.dtype)), np.empty(len(codes), values.dtype)
    for block in row_blocks(len(codes)):  # numpy makes all codes 64 bits wide before it looks values up
        rows[block] = table[codes[block]]
    return rows


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield slices of a million rows, so that temporary arrays of each block take little memory."""
    yield from (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))
