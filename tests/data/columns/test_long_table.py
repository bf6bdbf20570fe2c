from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.readings import read_readings
from forecaster.data.readers.dataframe import line_of
from forecaster.data.readers.sources import read_table
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


def shaped(
    frame: pd.DataFrame, like: Roles | None = None, **config: object
) -> tuple[pd.DataFrame, Roles, dict[str, str]]:
    table, roles, notes = shape_table(frame, Config.of(**config), like)
    again, same, _ = shape_table(frame, Config.of(**config), like=roles)
    long = table.frame
    assert same == roles
    pd.testing.assert_frame_equal(long[again.names], again.frame)
    return long, roles, {note.name: str(note) for note in notes}


def series_of(long: pd.DataFrame, roles: Roles) -> dict[str, list[tuple[object, float]]]:
    """Return the (time, value) pairs of each series, row by row."""
    found: dict[str, list[tuple[object, float]]] = {}
    for row in range(len(long)):
        name = str(long[roles.series].iloc[row]) if roles.series else ""
        found.setdefault(name, []).append((long[roles.time].tolist()[row], float(long[roles.target].iloc[row])))
    return found


# A row a series


def test_rows_of_positions_become_series_that_end_where_they_end(tmp_path: Path) -> None:
    path = tmp_path / "m4.csv"
    path.write_text('"V1","V2","V3","V4","V5"\n"H1",1,2,3,4\n"H2",5,,7,\n"H3",8,,,\n"H4",,,,\n')
    frame = read_table(path)
    long, roles, notes = shaped(frame)
    assert roles == Roles("step", "value", "series", series_columns=("V1",), wide="rows")
    nan = float("nan")
    expected = {
        "H1": [(1, 1), (2, 2), (3, 3), (4, 4)],
        "H2": [(1, 5), (2, nan), (3, 7)],
        "H3": [(1, 8)],
        "H4": [(1, nan)],
    }
    found = series_of(long, roles)
    assert str(found) == str({name: [(t, float(v)) for t, v in cells] for name, cells in expected.items()})
    assert [line_of(long, row) for row in (0, 3, 4, 7)] == ["line 2", "line 2", "line 3", "line 4"]
    assert "4 rows, each a series, with 4 positions from 'V2' to 'V5', named by V1; wide=" in notes["wide"]


def test_m4_comes_whole_and_its_test_part_in_the_same_way(shared_data: Path) -> None:
    frame = read_table(shared_data / "m4_hourly" / "train.csv")
    table, roles, _ = shape_table(frame, Config())
    long = table.frame
    assert long["series"].nunique() == 414
    lengths = long.groupby("series", observed=True).size()
    assert (lengths.min(), lengths.max()) == (700, 960)
    assert len(long) == int(frame.iloc[:, 1:].notna().sum().sum())
    ahead, _, _ = shape_table(read_table(shared_data / "m4_hourly" / "test.csv"), Config(), like=roles)
    assert len(ahead) == 414 * 48


def test_dates_in_the_header_are_times() -> None:
    frame = pd.DataFrame(
        {"shop": ["a", "b"], "area": [1.5, 2.5], "2020-01": [1, 2], "2020-02": [3, 4.5], "2020-03": [5, np.nan]}
    )
    long, roles, notes = shaped(frame)
    assert roles == Roles("time", "value", "series", series_columns=("shop",), wide="rows", static=("area",))
    months = [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-02-01"), pd.Timestamp("2020-03-01")]
    assert series_of(long, roles) == {
        "a": [(months[0], 1), (months[1], 3), (months[2], 5)],
        "b": [(months[0], 2), (months[1], 4.5)],
    }
    assert long["area"].tolist() == [1.5] * 3 + [2.5] * 2
    assert "3 dates from '2020-01' to '2020-03'" in notes["wide"]
    years = pd.DataFrame({"Country": ["x", "y"], "1999": [1.0, 2], "2000": [3.0, 4], "2001": [5.0, 6]})
    assert shaped(years)[0]["time"].dt.year.tolist() == [1999, 2000, 2001] * 2
    months_first = years.set_axis(["id", "1/13/24", "1/14/24", "1/15/24"], axis=1)
    assert shaped(months_first)[0]["time"].dt.day.tolist() == [13, 14, 15] * 2


def test_rows_without_names_are_numbered_and_rows_can_be_asked_for() -> None:
    frame = pd.DataFrame(np.arange(12.0).reshape(3, 4) ** 2, columns=list("abcd"))
    with pytest.raises(NotFoundError, match="no column holds times"):
        shape_table(frame, Config())
    long, roles, _ = shaped(frame, wide="rows")
    assert list(series_of(long, roles)) == ["1", "2", "3"]
    assert long["value"].tolist() == (np.arange(12.0) ** 2).tolist()
    named, roles, _ = shaped(frame.assign(k=["x", "y", "z"], g=["p", "p", "q"]), wide="rows", series="g,k")
    assert list(series_of(named, roles)) == ["p/x", "p/y", "q/z"]
    with pytest.raises(NotFoundError, match="no column of numbers holds readings"):
        shape_table(pd.DataFrame({"k": ["x", "y"]}), Config.of(wide="rows"))


def test_a_cell_of_text_in_a_wide_row_is_named_by_line_and_column() -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "V1": [1, 2, 3], "V2": ["4", "x", "5"], "V3": [6, 7, 8]})
    with pytest.raises(DataError, match="column 'V2', row 1: 'x' is text, expected a number"):
        shape_table(frame, Config())


def test_wide_rows_of_a_model_need_their_id() -> None:
    roles = Roles("step", "value", "series", series_columns=("V1",), wide="rows")
    with pytest.raises(NotFoundError, match="there is no column 'V1', the series id of the model"):
        shape_table(pd.DataFrame({"id": ["a"], "V2": [1.0]}), Config(), like=roles)


# A column a series


def test_columns_named_alike_are_series() -> None:
    frame = pd.DataFrame({"date": DAYS, "store_1": np.arange(10) / 3, "store_2": np.arange(10) / 7, "store_3": 1.5})
    long, roles, notes = shaped(frame)
    targets = ("store_1", "store_2", "store_3")
    assert roles == Roles("date", "value", "series", targets=targets, wide="columns")
    assert series_of(long, roles) == {name: list(zip(DAYS, frame[name], strict=True)) for name in targets}
    assert list(long.index) == list(range(10)) * 3
    assert 'wide="no" target="store_3"' in notes["wide"]
    assert shaped(frame, wide="no")[1].target == "store_3"
    assert shaped(frame, target="store_2")[1].target == "store_2"
    assert shaped(frame.drop(columns="store_3"))[1].wide == "no"
    assert shaped(frame.assign(sales=1.5))[1].target == "sales"
    assert shaped(frame.assign(b=np.arange(10) / 9))[1].target == "b"


def test_every_column_can_be_asked_to_be_a_series(shared_data: Path) -> None:
    frame = read_table(shared_data / "exchange_rate.csv")
    long, roles, _ = shaped(frame, wide="columns")
    assert roles.targets == ("0", "1", "2", "3", "4", "5", "6", "OT")
    np.testing.assert_array_equal(long["value"].to_numpy().reshape(8, -1).T, frame.iloc[:, 1:])
    assert long["series"].cat.categories.tolist() == list(roles.targets)


def test_several_targets_are_series_beside_shared_covariates() -> None:
    frame = pd.DataFrame(
        {
            "date": DAYS * 2,
            "shop": ["n"] * 10 + ["s"] * 10,
            "size": [1.5] * 10 + [2.5] * 10,
            "wind": np.arange(20) % 3,
            "a": np.arange(20) / 3,
            "b": np.arange(20) / 7,
        }
    )
    long, roles, notes = shaped(frame, target="a,b")
    expected = Roles(
        *("date", "value", "series"), targets=("a", "b"), series_columns=("shop",), past=("wind",), static=("size",)
    )
    assert roles == expected
    found = series_of(long, roles)
    assert list(found) == ["n/a", "s/a", "n/b", "s/b"]
    assert found["s/b"] == list(zip(DAYS, frame["b"][10:], strict=True))
    assert long["wind"].tolist() == frame["wind"].tolist() * 2
    assert "series of a panel" in notes["target"]
    with pytest.raises(NotFoundError, match="there is no column 'b', a target of the model"):
        shape_table(frame.drop(columns="b"), Config(), like=roles)
    single, roles, _ = shaped(frame.iloc[:10].drop(columns=["shop", "size"]), target="b,a")
    assert list(series_of(single, roles)) == ["b", "a"]


def test_ids_that_would_be_called_alike_are_refused() -> None:
    frame = pd.DataFrame({"date": DAYS * 2, "p": ["a/b"] * 10 + ["a"] * 10, "q": ["c"] * 10 + ["b/c"] * 10, "y": 1.5})
    with pytest.raises(DataError, match="two series would both have the id 'a/b/c'"):
        shape_table(frame, Config.of(series="p,q"))
    with pytest.raises(DataError, match="column 'q', row 3: no series id"):
        shape_table(frame.assign(q=[*"ccc", None, *"cccccc", *"dddddddddd"]), Config.of(series="p,q"))


# One reading, however it is written down


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.data())
def test_long_and_wide_tables_of_the_same_readings_are_the_same(data: st.DataObject) -> None:
    series, length = data.draw(st.integers(2, 5)), data.draw(st.integers(4, 12))
    cells = st.one_of(st.integers(-50, 50).map(lambda i: i + 0.5), st.just(float("nan")))
    values = np.array(data.draw(st.lists(cells, min_size=series * length, max_size=series * length))).reshape(
        series, length
    )
    values[:, -1] = np.arange(series) + 0.5
    days = pd.date_range("2024-01-01", periods=length).strftime("%Y-%m-%d")
    names = [f"shop_{i}" for i in range(series)]
    expected = {name: list(zip(pd.to_datetime(days), values[i].tolist(), strict=True)) for i, name in enumerate(names)}
    columns = pd.DataFrame({"date": days, **{name: values[i] for i, name in enumerate(names)}})
    rows = pd.DataFrame(values, columns=days).assign(shop=names)
    long = columns.melt("date", var_name="shop", value_name="y")
    for frame, config in ((columns, {"wide": "columns"}), (rows, {}), (long, {"target": "y"})):
        found, roles, _ = shape_table(frame, Config.of(**config))
        readings, _ = read_readings(found, roles)
        times, written = pd.to_datetime(readings.times), dict[str, list[tuple[object, float]]]()
        for code, when, value in zip(readings.codes, times, readings.values, strict=True):
            written.setdefault(readings.ids[code], []).append((when, float(value)))
        assert str(written) == str(expected)


def test_a_wide_table_of_a_million_cells_is_lengthened_at_once() -> None:
    rows = pd.DataFrame(np.random.default_rng(0).random((5_000, 200)), columns=[f"V{i + 1}" for i in range(200)])
    rows.insert(0, "id", [f"s{i}" for i in range(5_000)])
    start = time.perf_counter()
    long, roles, _ = shape_table(rows, Config())
    assert time.perf_counter() - start < 5
    assert (len(long), roles.wide) == (1_000_000, "rows")
