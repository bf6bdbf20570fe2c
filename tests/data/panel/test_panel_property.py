"""Random tables read into panels, against a slow obvious reading: dictionaries and loops over rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data import blocks
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.panel import Panel

SUB_DAY = ("250ms", "s", "15min", "h", "4h")
WHOLE_DAYS = ("D", "2D", "B", "W-SAT", "W-WED", "3W-MON", "MS", "2MS", "ME", "QS-FEB", "QE-DEC", "YS-JAN", "YE-DEC")
OTHERS = ("step", "row")
RULES = ("first", "last", "mean", "sum")
KINDS = ("int", "float32", "float64", "text")
CITIES, WORDS = ("Bonn", "Kiel", "Ulm"), ("rain", "snow", "sun")


class Table(NamedTuple):
    """A table, and its cells as plain values, row by row."""

    frame: pd.DataFrame
    rows: list[dict[str, object]]
    settings: dict[str, object]
    freq: str
    zone: str

    def __repr__(self) -> str:
        return f"{self.settings} {self.freq} {self.zone}\n{self.frame.to_string(max_rows=30)}"


def grid_of(freq: str, zone: str, rows: int, start: int) -> list[pd.Timestamp] | list[int]:
    """Return successive times of a freq, from a start that lies near a change of clocks."""
    if freq == "step":
        return list(range(start, start + rows))
    first = pd.Timestamp("2023-03-20") + pd.Timedelta(days=start)
    if freq in SUB_DAY:
        first = pd.Timestamp("2023-03-25 18:00") + start * pd.tseries.frequencies.to_offset(freq)
        times = pd.date_range(first, periods=rows, freq=freq, tz="UTC" if zone else None)
        return list(times.tz_convert(zone) if zone else times)
    if freq == "row":
        steps = np.random.default_rng(start).integers(1, 9, rows)
        return list(
            pd.DatetimeIndex([first + pd.Timedelta(days=int(d)) for d in np.cumsum(steps)]).tz_localize(zone or None)
        )
    return list(pd.date_range(first, periods=rows, freq=freq, tz=zone or None))


@st.composite
def tables(draw: Callable) -> Table:
    """Draw a table whose cells, gaps, duplicates, order and types are random."""
    zone = draw(st.sampled_from(["", "UTC", "Europe/Berlin"]))
    freq, kind = draw(st.sampled_from(SUB_DAY + WHOLE_DAYS + OTHERS)), draw(st.sampled_from(KINDS))
    zone = "" if freq == "step" else zone
    series = draw(st.integers(1, 5))
    gaps, empty, twice = draw(st.booleans()), draw(st.booleans()) and kind != "int", draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: list[dict[str, object]] = []
    for i in range(series):
        times = grid_of(freq, zone, int(rng.integers(8, 30)), int(rng.integers(0, 40)))
        lost = set(rng.choice(len(times), 2, replace=False).tolist()) if gaps else set()
        own = [cells(rng, f"s{i * 7 % 5}", time, i) for k, time in enumerate(times) if k not in lost]
        for k in rng.choice(len(own), 2, replace=False).tolist() if empty else ():
            own[k]["y"] = None
        rows += own
    if twice:
        rows += [cells(rng, str(rows[k]["id"]), rows[k]["when"], 0) for k in rng.integers(0, len(rows), 3).tolist()]
        for row in rows[-3:]:
            row["city"], row["size"] = next((r["city"], r["size"]) for r in rows if r["id"] == row["id"])
    if draw(st.booleans()):
        rows = [rows[k] for k in rng.permutation(len(rows)).tolist()]
    given = {"freq": freq} if draw(st.booleans()) or freq in OTHERS else {}
    rule = draw(st.sampled_from(RULES))
    as_text = draw(st.booleans())
    return Table(written(rows, kind, zone, as_text, draw), rows, {**given, "duplicates": rule}, freq, zone)


def cells(rng: np.random.Generator, name: str, time: object, series: int) -> dict[str, object]:
    """Return one row."""
    return {
        "id": name,
        "when": time,
        "y": int(rng.integers(-50, 999)),
        "wind": None if rng.random() < 0.1 else int(rng.integers(0, 30)),
        "sky": None if rng.random() < 0.1 else WORDS[int(rng.integers(0, 3))],
        "price": int(rng.integers(0, 9)),
        "city": CITIES[series % 3],
        "size": series * 2.5,
    }


def written(rows: list[dict[str, object]], kind: str, zone: str, as_text: bool, draw: Callable) -> pd.DataFrame:
    """Return the rows as a table."""
    frame = pd.DataFrame(rows)
    if not isinstance(rows[0]["when"], int):
        times = pd.DatetimeIndex([row["when"] for row in rows])
        layout = "%Y-%m-%d %H:%M:%S.%f"
        if as_text and zone:
            frame["when"] = (
                [text + "Z" for text in times.tz_convert("UTC").strftime(layout)] if zone == "UTC" else times
            )
        else:
            frame["when"] = times.strftime(layout) if as_text else times
    frame["id"] = frame["id"].astype(draw(st.sampled_from(["object", "category"])))
    readings = [
        None if cell is None else cell / 4 for cell in frame["y"].astype(object).where(frame["y"].notna(), None)
    ]
    if kind == "text":
        frame["y"] = pd.Series([None if cell is None else str(cell) for cell in readings], dtype=object)
    elif kind == "int":
        frame["y"] = frame["y"].astype(np.int64)
    else:
        frame["y"] = pd.Series(readings, dtype=kind)
    return frame


def slow_reading(table: Table, kind_is_int: bool) -> dict[str, list[dict[str, object]]]:
    """Return for each series its steps from the first reading to the last: time, reading, covariates; None for none."""
    series: dict[str, dict[object, list[dict[str, object]]]] = {}
    for row in table.rows:
        series.setdefault(str(row["id"]), {}).setdefault(row["when"], []).append(row)
    read = {}
    for name, times in series.items():
        merged = {
            time: slow_merge(times[time], str(table.settings["duplicates"]), kind_is_int) for time in sorted(times)
        }
        full = [time for time, row in merged.items() if row["y"] is not None]
        if not full:
            continue
        steps = [time for time in merged if full[0] <= time <= full[-1]]
        if table.freq == "step":
            steps = list(range(full[0], full[-1] + 1))
        elif table.freq not in ("row", "B"):
            steps = list(pd.date_range(full[0], full[-1], freq=table.freq))
        nothing = dict.fromkeys(("y", "wind", "sky", "price"))
        read[name] = [{**merged.get(time, nothing), "when": time} for time in steps]
    return read


def slow_merge(rows: list[dict[str, object]], rule: str, kind_is_int: bool) -> dict[str, object]:
    """Return one row for those of one time."""

    def known(column: str) -> list:
        return [row[column] for row in rows if row[column] is not None]

    readings = known("y")
    combined = {"first": lambda: readings[0], "last": lambda: readings[-1], "sum": lambda: sum(readings)}
    combined["mean"] = lambda: sum(readings) / len(readings)
    merged: dict[str, object] = {"y": combined[rule]() / (1 if kind_is_int else 4) if readings else None}
    ordered = [row for row in rows if row["y"] is not None] or rows
    own = ordered[0 if rule == "first" else -1]
    for column in ("wind", "sky", "price"):
        if rule in ("first", "last"):
            merged[column] = own[column] if own[column] is not None else (known(column) or [None])[-1]
        elif column == "sky":
            merged[column] = (known(column) or [None])[0]
        else:
            merged[column] = sum(known(column)) / len(known(column)) if known(column) else None
    return merged


def same(number: float, expected: object) -> bool:
    """Return whether a cell of a panel holds a number, or is empty where there is none."""
    return math.isnan(number) if expected is None else math.isclose(number, float(expected), rel_tol=1e-6)  # type: ignore[arg-type]


def check(panel: Panel, read: dict[str, list[dict[str, object]]], table: Table) -> None:
    assert list(panel.ids) == list(read)
    places = {column.name: k for k, column in enumerate(panel.columns)}
    assert [(c.name, c.role) for c in panel.columns] == [
        *(("wind", "past"), ("sky", "past"), ("price", "future"), ("city", "static"), ("size", "static"))
    ]
    names = {c.name: c.categories for c in panel.columns}
    cities = {str(row["id"]): (row["city"], row["size"]) for row in table.rows}
    for i, (name, steps) in enumerate(read.items()):
        rows = panel.rows(i)
        assert panel.times[rows].tolist() == [stored(step["when"], table.freq) for step in steps]
        assert panel.observed[rows].tolist() == [step["y"] is not None for step in steps]
        for step, value, covariates in zip(steps, panel.values[rows], panel.covariates[rows], strict=True):
            assert math.isfinite(value)
            assert step["y"] is None or same(value, step["y"])
            assert same(covariates[places["wind"]], step["wind"])
            assert same(covariates[places["price"]], step["price"])
            sky = covariates[places["sky"]]
            assert step["sky"] is None if math.isnan(sky) else names["sky"][int(sky)] == step["sky"]
        city, size = panel.static[i]
        assert (names["city"][int(city)], size) == cities[name]


def stored(time: object, freq: str) -> object:
    """Return a time as a panel holds it: UTC below a day, local from a day on."""
    if isinstance(time, int):
        return time
    stamp = pd.Timestamp(time)
    if stamp.tz is not None:
        stamp = (stamp.tz_convert("UTC") if freq in SUB_DAY else stamp).tz_localize(None)
    return stamp.as_unit("ns").to_datetime64().astype(np.int64).item()


@settings(max_examples=150, derandomize=True, deadline=None)
@given(tables(), st.sampled_from([16, blocks.BLOCK]))
def test_what_is_read_is_what_a_slow_reading_reads(table: Table, block: int) -> None:
    config = Config.of(
        time="when",
        target="y",
        series="id",
        past="wind,sky",
        future_columns="price",
        static="city,size",
        **table.settings,
    )
    with mock.patch.object(blocks, "BLOCK", block):
        panel, notes = build_panel(table.frame, config)
    assert panel.freq.split("-")[0] == "row" if table.freq == "row" else panel.freq == table.freq
    assert panel.zone == table.zone
    check(panel, slow_reading(table, table.frame["y"].dtype.kind == "i"), table)
    assert (panel.values.dtype == np.float32) == (table.frame["y"].dtype == np.float32)
    assert all(note.counts for note in notes if note.name in ("gaps", "missing", "duplicates", "trimmed", "order"))
