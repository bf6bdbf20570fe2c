"""The tables that figures are drawn from, read and checked; no matplotlib here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.errors import DataError, SettingError, nearest

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class SeriesTable:
    """One series: tables of ``time`` and ``forecast`` with levels, or ``time`` and ``actual``, sorted by time."""

    name: str
    forecast: pd.DataFrame
    history: pd.DataFrame
    actuals: pd.DataFrame
    levels: list[str] = field(default_factory=list)


def read_panels(
    forecast: pd.DataFrame, history: pd.DataFrame | None, actuals: pd.DataFrame | None
) -> tuple[list[SeriesTable], str, bool]:
    """Return one panel a series, the name of the time column, and whether its times are in UTC."""
    levels = levels_of(forecast)
    values = ["forecast", *(f"{side}-{level}" for level in levels for side in ("lo", "hi"))]
    time = _time_column(forecast)
    future = _read(forecast, time, values, "forecast table")
    empty = future[["series", "time"]].head(0).assign(actual=0.0)
    past, known = (
        empty if table is None else _read(table, time, ["actual"], what, like=future["time"])
        for table, what in ((history, "history"), (actuals, "actuals"))
    )
    panels = []
    for name, steps in future.groupby("series", sort=False):
        before, after = past[past["series"] == name], known[known["series"] == name]
        begun = before["time"] >= steps["time"].iloc[0]
        after = after if len(after) else before[begun]
        after = after[after["time"].between(steps["time"].iloc[0], steps["time"].iloc[-1])]
        panels.append(SeriesTable(str(name), steps, before[~begun], after, levels))
    return panels, time, _zoned(_parsed(forecast[time], "forecast table"))


def levels_of(table: pd.DataFrame) -> list[str]:
    """Return the levels of the intervals in a table, widest first, as its column names write them."""
    found = [match[1] for match in (re.fullmatch(r"lo-(\d+(?:\.\d+)?)", str(name)) for name in table.columns) if match]
    return sorted((level for level in found if f"hi-{level}" in table.columns), key=float, reverse=True)


def _time_column(forecast: pd.DataFrame) -> str:
    known = re.compile(r"series|forecast|engine|(lo|hi)-[\d.]+")
    names = [str(name) for name in forecast.columns if not known.fullmatch(str(name))]
    if not names:
        raise DataError(
            "the forecast table has no time column", "expected columns: series, the time, forecast, lo-80, hi-80"
        )
    return names[0]


def _read(table: pd.DataFrame, time: str, values: list[str], what: str, like: pd.Series | None = None) -> pd.DataFrame:
    """Return ``series`` as text, ``time``, and ``values`` as floats (NaN for infinity), each series sorted by time."""
    for name in ("series", time, *values):
        if name not in table.columns:
            raise DataError(f"the {what} has no column '{name}'; it has {', '.join(map(str, table.columns))}")
    if like is None and table.empty:
        raise DataError(f"the {what} has no rows to draw")
    columns = {"series": _names(table["series"]), "time": _times(table[time], what)}
    if like is not None and len(table) and is_dated(columns["time"]) != is_dated(like):
        raise DataError(
            f"column '{time}' of the {what} and of the forecast table must both hold dates, or both numbers"
        )
    for name in values:
        columns[name] = _numbers(table[name], what)
    tidy = pd.DataFrame(columns)
    order = pd.Series(pd.factorize(tidy["series"])[0])
    return tidy.iloc[np.lexsort((tidy["time"].to_numpy(), order.to_numpy()))]


def _numbers(column: pd.Series, what: str) -> pd.Series:
    try:
        numbers = column.to_numpy(float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"column '{column.name}' of the {what} is not numbers: {error}") from None
    return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan))


def _names(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str).reset_index(drop=True)


def _times(column: pd.Series, what: str) -> pd.Series:
    """Return dates without a zone (UTC where there was one), or numbers as they are."""
    times = _parsed(column.reset_index(drop=True), what)
    if times.isna().any():
        row = int(np.argmax(times.isna())) + 1
        raise DataError(f"column '{column.name}' of the {what} has an empty time in row {row}")
    return times.dt.tz_convert("UTC").dt.tz_localize(None) if _zoned(times) else times


def _parsed(column: pd.Series, what: str) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column
    try:
        zoned = column.astype(str).str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$", regex=True).any()
        return pd.to_datetime(column, format="ISO8601", utc=bool(zoned))  # offsets may differ across summer time
    except (ValueError, TypeError):
        wrong = f"column '{column.name}' of the {what} holds neither dates nor numbers"
        raise DataError(wrong, "write times as 2027-01-31 or 2027-01-31T12:00") from None


def _zoned(times: pd.Series) -> bool:
    return isinstance(times.dtype, pd.DatetimeTZDtype)


def is_dated(times: pd.Series) -> bool:
    """Return True if times are dates, not counted steps."""
    return bool(pd.api.types.is_datetime64_any_dtype(times))


def read_backtest(table: pd.DataFrame) -> pd.DataFrame:
    """Return a backtest's table, checked: see :func:`forecaster.plotting.plot_backtest`."""
    values = ["actual", "forecast", *(f"{side}-{level}" for level in levels_of(table) for side in ("lo", "hi"))]
    tidy = _read(table, "time", values, "backtest table").sort_index()
    for name in ("model", "cutoff", "step"):
        if name not in table.columns:
            raise DataError(f"the backtest table has no column '{name}'; it has {', '.join(map(str, table.columns))}")
    if "observed" in table.columns:
        tidy["actual"] = tidy["actual"].where(table["observed"].to_numpy(bool))
    cutoff, step = _times(table["cutoff"], "backtest table"), table["step"].to_numpy(int)
    return tidy.assign(model=_names(table["model"]), cutoff=cutoff, step=step)


def chosen_models(models: Sequence[str] | None, known: tuple[str, ...]) -> list[str]:
    """Return the models to draw, all by default; an unknown name is an error."""
    for name in models or ():
        if name not in known:
            raise SettingError(f"unknown model '{name}', expected one of {', '.join(known)}", nearest(name, known))
    return list(dict.fromkeys(models or known))
