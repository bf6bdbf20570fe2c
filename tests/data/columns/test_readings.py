from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Config
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.profile import TableProfile
from forecaster.data.columns.readings import Readings, read_readings
from forecaster.data.schema import Column, Roles
from forecaster.errors import DataError, NotFoundError, SettingError

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]
ROLES = Roles("date", "y")


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS, "y": np.arange(10) / 3, **columns})


def test_rows_keep_the_order_of_the_table_and_know_their_place() -> None:
    readings, notes = read_readings(TableProfile(frame()), ROLES)
    assert (readings.rows, notes, readings.zone, readings.columns) == (None, [], "", ())
    assert readings.covariates.shape == (10, 0)
    assert readings.position(7) == 7
    for keep in (np.array([1, 5, 8]), np.isin(np.arange(10), [1, 5, 8])):
        taken = readings.take(keep)
        assert [taken.position(i) for i in range(3)] == [1, 5, 8]
        assert taken.take(np.array([2])).where(0) == "row 8"


def test_empty_times_are_dropped_and_told() -> None:
    readings, notes = read_readings(TableProfile(frame(date=[None, *DAYS[1:9], " "])), ROLES)
    assert len(readings.times) == 8
    assert readings.position(0) == 1
    assert str(notes[0]) == "undated: 2 rows dropped ('date' is empty, first on row 0)"


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_series_ids_of_any_type_are_numbered(dtype: str) -> None:
    ids = pd.Series(["b", "a"] * 5, dtype=dtype)
    readings, _ = read_readings(TableProfile(frame(id=ids)), Roles("date", "y", "id"))
    assert [readings.ids[code] for code in readings.codes] == ["b", "a"] * 5
    assert readings.of(1) == " of series 'a'"


def test_numbers_are_ids_and_categories_without_rows_are_no_series() -> None:
    readings, _ = read_readings(TableProfile(frame(id=[2.0, 10.0] * 5)), Roles("date", "y", "id"))
    assert readings.ids == ("2", "10")
    unused = pd.Categorical(["z", "a"] * 5, categories=["q", "z", "m", "a"])
    readings, _ = read_readings(TableProfile(frame(id=unused)), Roles("date", "y", "id"))
    assert (readings.ids, readings.codes.tolist()) == (("z", "a"), [0, 1] * 5)
    with pytest.raises(DataError, match="column 'id', row 3 and 1 more: no series id"):
        read_readings(TableProfile(frame(id=["a", "a", "a", None, None, *"aaaaa"])), Roles("date", "y", "id"))


def test_float32_stays_float32_and_the_table_is_never_written_to() -> None:
    for dtype, kept in (("float32", np.float32), ("float64", np.float64), ("int16", np.float64), ("Int64", np.float64)):
        table = frame(y=pd.Series(range(10), dtype=dtype))
        readings, _ = read_readings(TableProfile(table), ROLES)
        assert readings.values.dtype == kept
        readings.values[:] = -1
        assert table["y"].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["x"] * 2 + [1] * 8, r"column 'y', row 0: 'x' is text, expected a number \(and 1 more such cell\)"),
        ([1.0] * 9 + [np.inf], "column 'y', row 9: 'inf' is infinite"),
        ([None] * 10, "column 'y' has no reading, all 10 cells are empty"),
        (pd.date_range("2024", periods=10), "column 'y' holds datetime64.*, expected numbers"),
    ],
)
def test_a_target_that_cannot_be_read_is_refused(cells: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_readings(TableProfile(frame(y=cells)), ROLES)


# Covariates


def test_covariates_are_read_in_the_order_of_their_roles() -> None:
    table = frame(
        word=["b", "a", None, *"bababab"], flag=[True, False] * 5, n=["1", "2", "", *"3333333"], f=np.arange(10) / 4
    )
    roles = Roles("date", "y", past=("word", "n"), future=("flag",), static=("f",))
    readings, _ = read_readings(TableProfile(table), roles)
    assert readings.columns == (
        Column("word", "past", ("a", "b")),
        Column("n", "past"),
        Column("flag", "future"),
        Column("f", "static"),
    )
    nan = np.nan
    expected = [[1, 0, nan, 1, 0, 1, 0, 1, 0, 1], [1, 2, nan, *[3] * 7], [1, 0] * 5, np.arange(10) / 4]
    np.testing.assert_array_equal(readings.covariates, np.array(expected, np.float32).T)
    assert readings.covariates.dtype == np.float32


def test_a_category_that_training_never_saw_is_told_with_its_row() -> None:
    table = frame(id=["s", "t"] * 5, word=["b", "zz", None, "a", *["b"] * 5, "q"])
    columns = (Column("word", "past", ("a", "b", "c")),)
    roles = Roles("date", "y", "id", past=("word",))
    readings, notes = read_readings(TableProfile(table), roles, columns)
    np.testing.assert_array_equal(readings.covariates[:, 0], [1, -1, np.nan, 0, 1, 1, 1, 1, 1, -1])
    assert readings.columns == columns
    assert notes[0].warning
    assert notes[0].counts == {"t": 2}
    reason = "'zz' of column 'word', row 1 of series 't', was never seen in training; 2 rows"
    assert str(notes[0]) == f"categories: 2 rows with an unknown category ({reason})"


def test_a_covariate_of_the_model_must_be_there_and_readable() -> None:
    columns = (Column("wind", "past"),)
    with pytest.raises(NotFoundError, match="there is no column 'wind', a past covariate of the model") as caught:
        read_readings(TableProfile(frame(winds=1.5)), ROLES, columns)
    assert caught.value.hint == "did you mean 'winds'?"
    with pytest.raises(DataError, match="column 'wind', row 0: 'x' is text"):
        read_readings(TableProfile(frame(wind=["x"] * 10)), ROLES, columns)


@pytest.mark.parametrize(("level", "offset"), [(0, 0), (300, 0), (1e6, 1e6), (1e9, 1e9), (-1e11, -1e11)])
def test_a_column_that_varies_little_about_a_large_value_keeps_its_digits(level: float, offset: float) -> None:
    table = frame(p=level + np.array([0, 1, 1, 0, 2.5, 0, 1, 0.25, 1, 0]))
    readings, _ = read_readings(TableProfile(table), Roles("date", "y", past=("p",)))
    (column,), found = readings.columns, readings.covariates
    assert column.offset == pytest.approx(offset, abs=30 if offset else 0)
    np.testing.assert_allclose(found[:, 0].astype(float) + column.offset - level, [0, 1, 1, 0, 2.5, 0, 1, 0.25, 1, 0])
    newer = frame(p=level + np.arange(10.0))
    again, _ = read_readings(TableProfile(newer), Roles("date", "y", past=("p",)), readings.columns)
    np.testing.assert_allclose(again.covariates[:, 0].astype(float) + column.offset - level, np.arange(10))
    assert again.columns == readings.columns


@pytest.mark.parametrize("level", [1e6, 1e9])
def test_a_column_that_varies_little_about_a_large_value_is_a_covariate(level: float) -> None:
    table = frame(p=level + np.arange(10) % 2, q=level + np.arange(10) % 3)
    table["y"] = level + np.arange(10) % 2 * 1.0
    _, roles, notes = shape_table(table.assign(y=table["y"] + 0.5 * (table.index == 4)), Config.of(target="y"))
    assert roles.past == ("p", "q")
    _, roles, notes = shape_table(table, Config.of(target="y"))
    assert roles.past == ("q",)
    assert any("p: the same as 'y' in every row" in note.reason for note in notes)


@pytest.mark.parametrize(
    "cells", [[7.0] * 10, [0.1 + 0.2] * 5 + [0.3] * 5, [0.0] * 10, [None] * 9 + [1e9], np.geomspace(1, 1e9, 10)]
)
def test_a_column_that_is_one_value_but_for_rounding_or_spans_a_lot_has_no_offset(cells: object) -> None:
    readings, _ = read_readings(TableProfile(frame(p=np.array(cells, float))), Roles("date", "y", past=("p",)))
    assert readings.columns[0].offset == 0
    np.testing.assert_array_equal(readings.covariates[:, 0], np.array(cells, np.float32))


def test_float32_cells_about_a_large_value_are_read_without_loss() -> None:
    cells = np.arange(0, 50, 5, dtype=np.float32) + np.float32(1e6 + 0.25)
    readings, _ = read_readings(TableProfile(frame(p=cells)), Roles("date", "y", past=("p",)))
    offset = readings.columns[0].offset
    assert offset and (readings.covariates[:, 0].astype(float) + offset == cells.astype(float)).all()


# Time zones


def zoned(times: list[str], zone: str | None = None) -> tuple[Readings, list[str]]:
    readings, notes = read_readings(TableProfile(pd.DataFrame({"date": times, "y": 1.5})), ROLES, zone=zone)
    return readings, [str(note) for note in notes]


def test_times_are_held_in_utc_where_there_is_a_zone() -> None:
    readings, notes = zoned(["2024-03-31 01:30", "2024-03-31 03:30"], "Europe/Berlin")
    assert readings.times.tolist() == [pd.Timestamp(t).value for t in ("2024-03-31 00:30", "2024-03-31 01:30")]
    assert (readings.zone, notes[0].startswith("zone: Europe/Berlin")) == ("Europe/Berlin", True)
    twice, _ = zoned([f"2024-10-27 {clock}" for clock in ("01:30", "02:30", "02:30", "03:30")], "Europe/Berlin")
    assert (
        np.diff(twice.times).astype("timedelta64[m]").tolist() == [60, 60, 60]
        or (np.diff(twice.times) == np.timedelta64(1, "h")).all()
    )
    with pytest.raises(DataError, match="there is no 2024-03-31 02:30 in Europe/Berlin"):
        zoned(["2024-03-31 02:30"], "Europe/Berlin")
    with pytest.raises(SettingError, match="unknown time zone 'Europe/Berlim'"):
        zoned(["2024-03-31 01:30"], "Europe/Berlim")


def test_a_zone_says_where_aware_times_are_shown() -> None:
    readings, notes = zoned(["2024-03-31T02:30Z"])
    assert (readings.zone, notes) == ("UTC", ["times: UTC (they carry a time zone, and are held and forecast in UTC)"])
    readings, notes = zoned(["2024-03-31T02:30Z"], "Europe/Berlin")
    assert (readings.zone, readings.times[0]) == ("Europe/Berlin", np.datetime64("2024-03-31T02:30"))
    assert notes == ["zone: Europe/Berlin (as given; the times are written in UTC)"]
    aware = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin"), "y": 1.5})
    readings, _ = read_readings(TableProfile(aware), ROLES)
    assert (readings.zone, readings.times[0]) == ("Europe/Berlin", np.datetime64("2023-12-31T23:00"))


def test_whole_days_need_no_midnight() -> None:
    readings, notes = zoned(["2018-11-03", "2018-11-04"], "America/Sao_Paulo")
    assert (readings.zone, readings.times[1]) == ("", np.datetime64("2018-11-04"))
    assert "zone: not used" in notes[0]


def test_steps_have_no_zone() -> None:
    readings, _ = read_readings(TableProfile(pd.DataFrame({"t": [3, 1, 2], "y": 1.5})), Roles("t", "y"), zone="UTC")
    assert (readings.zone, readings.times.tolist(), readings.times.dtype) == ("", [3, 1, 2], np.int64)


# Size


def test_two_million_rows_are_read_at_once() -> None:
    series, rows = 10_000, 200
    ids = pd.Categorical.from_codes(np.repeat(np.arange(series), rows), categories=[f"s{i}" for i in range(series)])
    times = np.tile(pd.date_range("2024-01-01", periods=rows, freq="h").to_numpy().astype("datetime64[ns]"), series)
    table = pd.DataFrame({"id": ids, "time": times, "y": np.arange(series * rows, dtype=np.float32) % 7})
    start = time.perf_counter()
    long, roles, _ = shape_table(table, Config())
    readings, _ = read_readings(long, roles)
    assert time.perf_counter() - start < 5
    assert roles == Roles("time", "y", "id")
    assert readings.rows is None
    assert readings.values.dtype == np.float32
    assert np.shares_memory(readings.times, table["time"].to_numpy())
    assert len(readings.ids) == series


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_words_for_no_value_are_no_readings_in_any_table(dtype: str) -> None:
    frame = pd.DataFrame({"t": range(7), "y": ["1", "NA", "-", "None", "", " null ", "2.5"]}).astype({"y": dtype})
    readings, _ = read_readings(TableProfile(frame), Roles("t", "y"))
    np.testing.assert_array_equal(readings.values, [1, *[np.nan] * 5, 2.5])
