"""Read the table of an evaluation back from a file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.data.readers.sources import read_table
from forecaster.errors import DataError

#: Columns that a backtest has at least.
COLUMNS = ("model", "series", "cutoff", "step", "time", "actual", "observed", "forecast")
_NUMBERS = re.compile(r"actual|forecast|scale|root-scale|(lo|hi)-\d+")
_FLAGS = ("observed", "seen")
_AGAIN = "save the table of forecaster evaluate again"


def read_run(path: str | Path) -> pd.DataFrame:
    """Read a backtest from a file, with the types of its columns.

    Args:
        path: a table of CSV, JSON or Parquet.

    Returns:
        As :func:`forecaster.evaluation.backtest.backtest` returns it, with whatever was added to it; times with a zone
        are in UTC.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is not a backtest, a cell of it cannot be read, or a step is no whole number.
    """
    table = read_table(path)
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise DataError(f"'{path}' is not a backtest: it has no column '{absent[0]}'", _AGAIN)
    columns: dict[str, pd.Series] = {}
    for name in map(str, table.columns):
        column = table[name].reset_index(drop=True)
        if _NUMBERS.fullmatch(name) or name == "step":
            columns[name] = _numbers(column, path)
        elif name in _FLAGS:
            columns[name] = _flags(column, path)
        elif name in ("cutoff", "time"):
            columns[name] = _times(column, path)
        else:
            columns[name] = column.astype(object).where(column.notna(), "").astype(str)
    steps = columns["step"]
    wrong = ~(np.isfinite(steps) & (steps % 1 == 0) & (steps.abs() < 2**53))
    if wrong.any():
        row = int(wrong.argmax())
        fault = "is empty" if steps.isna()[row] else f"is no whole number but {steps[row]:g}"
        raise DataError(f"column 'step' of '{path}' {fault} in row {row + 1}", _AGAIN)
    return pd.DataFrame({**columns, "step": steps.astype(np.int64)})


def _numbers(column: pd.Series, path: str | Path) -> pd.Series:
    try:
        return pd.to_numeric(column.astype(object).where(column.notna(), np.nan)).astype(float)
    except (ValueError, TypeError) as error:
        raise DataError(f"column '{column.name}' of '{path}' is not numbers: {error}", _AGAIN) from None


def _flags(column: pd.Series, path: str | Path) -> pd.Series:
    known = {"true": True, "false": False, "1": True, "0": False}
    found = column.astype(str).str.lower().map(known)
    if found.isna().any():
        row = int(found.isna().argmax())
        raise DataError(f"column '{column.name}' of '{path}' is not True or False in row {row + 1}", _AGAIN)
    return found.astype(bool)


def _times(column: pd.Series, path: str | Path) -> pd.Series:
    if column.isna().any():
        raise DataError(f"column '{column.name}' of '{path}' is empty in row {int(column.isna().argmax()) + 1}", _AGAIN)
    if pd.api.types.is_datetime64_any_dtype(column):
        return plain_times(column)
    if pd.api.types.is_integer_dtype(column):
        return column.astype(np.int64)
    text = column.astype(str)
    zoned = text.str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$", regex=True).any()
    try:
        return plain_times(pd.to_datetime(text, format="ISO8601", utc=bool(zoned)))
    except (ValueError, TypeError):
        raise DataError(f"column '{column.name}' of '{path}' holds neither times nor counted steps", _AGAIN) from None


def plain_times(times: pd.Series) -> pd.Series:
    """Return times as nanoseconds without a zone, those with one in UTC; counted steps as they are."""
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return times.astype("datetime64[ns]") if times.dtype.kind == "M" else times
