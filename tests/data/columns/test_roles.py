from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Config
from forecaster.data.columns.find_covariates import is_constant
from forecaster.data.columns.long_table import shape_table
from forecaster.data.columns.roles import check_exists, named_columns, telling_column
from forecaster.data.readers.sources import read_table
from forecaster.data.schema import Roles
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.notes import Note

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


def infer(frame: pd.DataFrame, future_names: tuple[str, ...] = (), **config: object) -> tuple[Roles, dict[str, Note]]:
    before = frame.copy()
    table, roles, notes = shape_table(frame, Config.of(**config), future_names=future_names)
    long = table.frame
    pd.testing.assert_frame_equal(frame, before)
    assert {roles.time, roles.target, *roles.covariates} <= set(long.columns)
    assert roles.series is None or roles.series in long.columns
    assert long.attrs.get("lines") == frame.attrs.get("lines")
    assert len({note.name for note in notes}) == len(notes)
    assert Roles.from_dict(roles.to_dict()) == roles
    return roles, {note.name: note for note in notes}


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS, **columns, "y": np.arange(10) ** 2 / 7})


# The real files


def test_the_real_files_are_understood(shared_data: Path) -> None:
    expected = {
        "airline_passengers.csv": Roles("Month", "Passengers"),
        "co2_weekly.csv": Roles("date", "co2"),
        "AAPL.csv": Roles("Date", "Close", past=("Open", "High", "Low", "Volume", "Adj Close")),
        "sp500.csv.gz": Roles("Date", "Close", dates="month-first", past=("Open", "High", "Low", "Volume")),
        "seattle_weather.csv": Roles("date", "temp_max", past=("precipitation", "temp_min", "wind", "weather")),
        "ETTh1.csv": Roles("date", "OT", past=("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL")),
        "exchange_rate.csv": Roles("date", "OT", past=("0", "1", "2", "3", "4", "5", "6")),
        "nyc_weather.csv": Roles(
            "time_hour",
            "temp",
            "origin",
            past=("dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
        ),
        "sea_surface_temperature.csv.gz": Roles("time (UTC)", "temperature (celsius)"),
        "m3_monthly/train.csv.gz": Roles("month", "value", "series"),
        "m4_hourly/train.csv": Roles("step", "value", "series", series_columns=("V1",), wide="rows"),
    }
    assert {name: infer(read_table(shared_data / name))[0] for name in expected} == expected


def test_beijing_has_its_time_in_four_columns(shared_data: Path) -> None:
    roles, notes = infer(read_table(shared_data / "beijing_pollution.csv"), target="pm2.5")
    past = ("DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir")
    assert roles == Roles("time", "pm2.5", time_columns=("year", "month", "day", "hour"), past=past)
    assert "No: row numbers" in notes["not used"].reason
    assert "year, month, day, hour" in str(notes["time"])


def test_what_was_decided_is_said_with_the_flag_that_changes_it(shared_data: Path) -> None:
    _, notes = infer(read_table(shared_data / "exchange_rate.csv"))
    assert 'wide="columns" learns every column as a series' in notes["target"].reason
    assert 'past="none"' in notes["past"].reason
    _, notes = infer(read_table(shared_data / "sp500.csv.gz"))
    assert '1/13/1999 can be read only so; dates="day-first"' in notes["dates"].reason
    assert "Adj Close: the same as 'Close' in every row" in notes["not used"].reason


# The time


def test_the_time_is_found_by_content_not_by_name() -> None:
    frame = pd.DataFrame({"date": range(10), "x": DAYS, "y": np.arange(10) * 1.5})
    roles, notes = infer(frame)
    assert (roles.time, roles.target) == ("x", "y")
    assert list(notes) == ["time", "target", "not used"]
    assert infer(pd.DataFrame({"made": DAYS, "date": DAYS, "y": range(5, 15)}))[0].time == "date"
    assert infer(pd.DataFrame({"step": range(10), "y": np.ones(10)}))[0] == Roles("step", "y")
    assert infer(pd.DataFrame({"k": range(10), "y": np.ones(10)}), time="k")[0] == Roles("k", "y")


def test_two_columns_of_times_are_asked_about_unless_one_is_named_so() -> None:
    frame = pd.DataFrame({"made": DAYS, "sent": DAYS[::-1], "y": np.arange(10) / 3})
    with pytest.raises(DataError, match="columns 'made', 'sent' all hold times, and none has a usual name") as e:
        infer(frame)
    assert 'time="made" or time="sent"' in e.value.hint
    assert infer(frame, time="sent")[0].time == "sent"
    roles, notes = infer(frame.rename(columns={"sent": "sent_date"}))
    assert roles == Roles("sent_date", "y")
    assert "'made' could be it too" in notes["time"].reason
    roles, notes = infer(frame.rename(columns={"sent": "sent_date", "made": "made_date"}))
    assert (roles.time, notes["time"].warning) == ("made_date", True)
    assert infer(frame.assign(made=DAYS[0]))[0].time == "sent"


def test_a_whole_time_comes_before_a_split_one_and_a_split_one_before_steps() -> None:
    split = pd.DataFrame({"year": 2024, "month": range(1, 11), "step": range(10), "y": np.arange(10) / 3})
    roles, notes = infer(split)
    assert roles == Roles("time", "y", time_columns=("year", "month"))
    assert "step: row numbers" in notes["not used"].reason
    assert infer(split.assign(when=DAYS))[0].time == "when"
    assert infer(split, time="step")[0].time == "step"
    named = infer(split, time="year,month")
    assert (named[0].time_columns, named[1]["time"].reason) == (("year", "month"), "as given")


def test_a_date_and_an_hour_are_one_time() -> None:
    frame = pd.DataFrame({"date": np.repeat(DAYS, 24), "hour": list(range(24)) * 10, "y": np.arange(240) / 7})
    long, roles, _ = shape_table(frame, Config())
    assert roles == Roles("time", "y", time_columns=("date", "hour"))
    np.testing.assert_array_equal(long.frame["time"], pd.date_range("2024-01-01", periods=240, freq="h"))
    clock = frame.assign(time=[f"{hour}:00" for hour in frame["hour"]]).drop(columns="hour")
    long, roles, _ = shape_table(clock, Config())
    assert roles == Roles("datetime", "y", time_columns=("date", "time"))
    np.testing.assert_array_equal(long.frame["datetime"], pd.date_range("2024-01-01", periods=240, freq="h"))


def test_readings_are_not_taken_for_seconds_since_1970() -> None:
    seconds = 1706729400 + 3600 * np.arange(10)
    frame = pd.DataFrame({"ts": seconds, "y": np.arange(10) / 3})
    assert infer(frame)[0].time == "ts"
    assert infer(frame.rename(columns={"ts": "a"}))[0].time == "a"
    volume = np.random.default_rng(0).integers(7e8, 4e9, 10)
    with pytest.raises(NotFoundError, match="no column holds times"):
        infer(pd.DataFrame({"volume": volume, "z": np.arange(10) / 3}))


def test_a_part_of_a_time_that_counts_within_each_series_is_a_step() -> None:
    frame = pd.DataFrame(
        {"name": ["a"] * 14 + ["b"] * 9, "month": [*range(1, 15), *range(1, 10)], "v": np.arange(23) / 3}
    )
    assert infer(frame)[0] == Roles("month", "v", "name")
    assert infer(frame[frame["name"] == "a"].drop(columns="name"))[0] == Roles("month", "v")
    with pytest.raises(NotFoundError, match="no column holds times"):
        infer(frame.assign(month=list(range(1, 13)) + list(range(1, 12))).drop(columns="name"))


def test_a_table_without_column_names_is_refused() -> None:
    with pytest.raises(DataError, match="line 1 holds no column names but a reading, of 2024-01-01"):
        infer(pd.DataFrame({"2024-01-01": DAYS[1:], "5.0": np.ones(9)}))


def test_a_time_column_called_as_a_column_of_forecasts_is_refused() -> None:
    for name in ("series", "forecast", "lo-80"):
        with pytest.raises(DataError, match=f"the time column is called '{name}'"):
            infer(pd.DataFrame({name: DAYS, "y": np.arange(10) / 3}))


# The target


def test_the_target_is_a_usual_name_else_the_last_and_never_a_row_number() -> None:
    base = {"date": DAYS, "no": range(1, 11), "a": np.ones(10), "b": np.ones(10)}
    roles, notes = infer(pd.DataFrame({**base, "last_no": range(10)}))
    assert roles.target == "b"
    assert notes["target"].warning
    assert "'a'" in notes["target"].reason
    assert "target forecasts another" in notes["target"].reason
    assert infer(pd.DataFrame({**base, "Value": 1.0, "c": 2.0}))[0].target == "Value"
    assert infer(pd.DataFrame({"date": DAYS, "no": range(1, 11), "a": np.ones(10)}))[0].target == "a"
    assert infer(pd.DataFrame({"date": DAYS, "y": range(10)}))[0].target == "y"
    assert infer(pd.DataFrame({"date": DAYS, "a": ["1"] * 9 + ["x"]}))[0].target == "a"
    assert infer(table(value=np.arange(10.0)), ("value",))[0].target == "y"
    with pytest.raises(NotFoundError, match="no column of readings to forecast: tried 'note' \\('x'\\)"):
        infer(pd.DataFrame({"date": DAYS, "note": ["x"] * 10}))


# The series


def test_a_series_column_is_found_only_where_it_makes_the_times_unique() -> None:
    frame = pd.DataFrame({"date": DAYS * 2, "shop": ["a"] * 10 + ["b"] * 10, "kind": ["k"] * 20, "y": np.ones(20)})
    roles, notes = infer(frame)
    assert roles.series == "shop"
    assert "2 values" in notes["series"].reason
    assert infer(frame, series="")[0].series is None
    assert infer(frame.iloc[:10])[0].series is None
    assert infer(pd.concat([frame, frame]))[0].series is None
    assert infer(frame, series="kind")[0].series == "kind"


def test_the_smallest_set_of_columns_that_tells_rows_apart_is_the_series_id() -> None:
    stores, items, days = (axis.ravel() for axis in np.meshgrid(range(3), range(4), range(10), indexing="ij"))
    frame = pd.DataFrame({"date": np.array(DAYS)[days], "store": stores + 1, "item": items + 1, "sold": days * 2})
    long, roles, notes = shape_table(frame, Config())
    assert roles == Roles("date", "sold", "series", series_columns=("store", "item"))
    assert long.frame["series"].astype(str).tolist() == [f"{s + 1}/{i + 1}" for s, i in zip(stores, items, strict=True)]
    assert "their 12 combinations" in next(note for note in notes if note.name == "series").reason
    assert shape_table(frame, Config.of(series="item,store"))[1].series_columns == ("item", "store")
    deep = pd.concat([frame.assign(kind="a"), frame.assign(kind="b")])
    assert set(infer(deep)[0].series_columns) == {"kind", "store", "item"}
    both = frame.assign(place=[f"{s}-{i}" for s, i in zip(stores, items, strict=True)])
    assert infer(both)[0].series == "place"


def test_whole_numbers_that_are_readings_are_no_series() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"date": DAYS * 2, "a": rng.permutation(20) // 2, "b": rng.permutation(20) // 3})
    assert infer(frame)[0].series is None
    assert infer(frame.assign(a=[1] * 10 + [2] * 10))[0].series == "a"


def test_a_column_that_may_tell_series_apart_is_suggested() -> None:
    frame = pd.DataFrame({"date": DAYS * 2, "shop": ["a"] * 10 + ["b"] * 10, "y": np.ones(20)})
    assert telling_column(frame, "date") == "shop"
    assert telling_column(frame, "date", taken=("shop",)) is None


# The covariates


def test_other_columns_are_past_future_or_static() -> None:
    frame = pd.DataFrame(
        {
            "date": DAYS * 2,
            "shop": ["a"] * 10 + ["b"] * 10,
            "size": [3.5] * 10 + [np.nan, *[7.0] * 9],
            "kind": ["x"] * 10 + ["z"] * 10,
            "price": np.arange(20) % 7 + 0.5,
            "wind": np.arange(20) % 3,
            "weather": ["rain", "sun"] * 10,
            "y": np.arange(20) / 3,
        }
    )
    roles, notes = infer(frame, ("date", "shop", "wind", "weather", "size"))
    assert (roles.past, roles.future, roles.static) == (("price",), ("wind", "weather"), ("size", "kind"))
    assert "wind, weather" in notes["future"].value
    assert 'static="none"' in notes["static"].reason
    one, notes = infer(frame.iloc[:10].drop(columns="shop"), series="")
    assert one.static == ()
    assert "size, kind: the same in every row" in notes["not used"].reason


def test_what_cannot_be_a_covariate_is_left_out_and_said() -> None:
    words = [f"free text {i}" for i in range(10)]
    frame = table(
        words=words,
        number=range(10),
        other=pd.date_range("2020", periods=10, freq="7h"),
        nothing=[None] * 10,
        const=[5] * 10,
        month=[1] * 10,
        copy=np.arange(10) ** 2 / 7,
        flag=[True, False] * 5,
        good=[1.5, 2.5] * 5,
    )
    roles, notes = infer(frame, time="date")
    assert roles == Roles("date", "y", past=("flag", "good"))
    reason = notes["not used"].reason
    for why in (
        "words: text that never repeats",
        "number: row numbers",
        "other: times",
        "nothing: empty",
        "const: the same in every row",
        "month: part of the time",
        "copy: the same as 'y' in every row",
    ):
        assert why in reason


def test_a_category_may_have_so_many_values() -> None:
    many = pd.DataFrame({"date": pd.date_range("2024", periods=404), "a": [f"c{i % 101}" for i in range(404)]})
    roles, notes = infer(many.assign(b=[f"c{i % 100}" for i in range(404)], y=np.arange(404) / 3))
    assert roles.past == ("b",)
    assert "a: text of more than 100 categories" in notes["not used"].reason


def test_a_covariate_that_cannot_be_read_is_left_out_unless_it_was_named() -> None:
    frame = table(a=["1", "2", "x", *["4"] * 7], b=[1.5, np.inf, *[2.0] * 8])
    roles, notes = infer(frame, target="y")
    assert roles.past == ()
    assert notes["unreadable"].warning
    assert str(notes["unreadable"]).startswith("unreadable: 2 columns left out (column 'a', row 2: 'x' is text")
    with pytest.raises(DataError, match="column 'a', row 2: 'x' is text"):
        infer(frame, target="y", past="a")
    with pytest.raises(DataError, match="column 'b', row 1: 'inf' is infinite"):
        infer(frame, target="y", future_columns="b")


def test_flags_say_what_a_covariate_is() -> None:
    frame = pd.DataFrame(
        {
            "date": DAYS * 2,
            "id": [1] * 10 + [2] * 10,
            "a,b": range(20),
            "c": [1.5] * 10 + [2.5] * 10,
            "d": [1, 2, 3, 4] * 5,
        }
    ).assign(y=np.arange(20) / 3)

    def found(**config: object) -> tuple[tuple[str, ...], ...]:
        roles = infer(frame, ("d",), target="y", **config)[0]
        return roles.past, roles.future, roles.static

    assert found() == ((), ("d",), ("c",))
    assert found(past="a,b") == (("a,b",), ("d",), ("c",))
    assert found(past="c,a,b,d") == (("a,b", "c", "d"), (), ())
    assert found(future_columns="none") == (("d",), (), ("c",))
    assert found(future_columns="none", past="none", static="none") == ((), (), ())
    assert found(static="id,c") == ((), ("d",), ("id", "c"))
    assert found(covariates=False, past="c") == ((), (), ())
    with pytest.raises(NotFoundError, match="there is no column 'dd'"):
        found(past="dd")
    with pytest.raises(SettingError, match="column 'd' is named both as a past and as a future covariate"):
        found(past="d", future_columns="d")
    with pytest.raises(DataError, match="column 'y' cannot have two roles"):
        found(past="y")
    with pytest.raises(DataError, match="column 'date' cannot have two roles"):
        found(time="date", past="date")
    with pytest.raises(DataError, match="column 'e' is empty"):
        infer(frame.assign(e=None), static="e", target="y")


def test_names_with_commas_are_matched_whole_first() -> None:
    frame = pd.DataFrame(columns=["a", "b", "a,b", "none", "c d"])
    assert named_columns(frame, "a,b") == ("a,b",)
    assert named_columns(frame, "b, c d,a") == ("b", "c d", "a")
    assert named_columns(frame, "none") == ("none",)
    assert named_columns(frame.drop(columns="none"), "none") == ()
    assert named_columns(frame, None) == ()
    with pytest.raises(DataError, match="column 'a' is named twice by past"):
        named_columns(frame, "a,a", "past")


# What is refused


def test_unknown_columns_name_the_nearest_one() -> None:
    frame = pd.DataFrame({"date": DAYS, "sales": np.ones(10)})
    for role in ("time", "target", "series"):
        with pytest.raises(NotFoundError, match="no column 'sale', the table has 'date', 'sales'") as caught:
            infer(frame, **{role: "sale"})
        assert caught.value.hint == "did you mean 'sales'?"


def test_columns_that_cannot_have_their_role_are_refused() -> None:
    frame = pd.DataFrame({"date": DAYS, "word": ["a"] * 10, "sales": np.ones(10) / 3})
    with pytest.raises(DataError, match="column 'word' does not hold times: it holds 'a'"):
        infer(frame, time="word")
    with pytest.raises(DataError, match="column 'sales' cannot have two roles"):
        infer(frame, target="sales", series="sales")
    with pytest.raises(NotFoundError, match=r"no column holds times: tried 'word' \('a'\), 'sales' \('0.33") as caught:
        infer(frame[["word", "sales"]])
    assert 'time="COLUMN"' in caught.value.hint
    with pytest.raises(NotFoundError, match="and 12 more"):
        infer(pd.DataFrame(np.full((2, 20), 0.5)).rename(columns=lambda i: f"{i}x"))


def test_a_table_is_shaped_as_a_model_had_it_or_not_at_all() -> None:
    frame = table(a=np.arange(10) % 3, b=["u", "v"] * 5)
    _, roles, _ = shape_table(frame, Config())
    assert roles.past == ("a", "b")
    _, same, notes = shape_table(frame.assign(new=1.5), Config(), like=roles)
    assert (same, notes) == (roles, [])
    for name, what in (("date", "the time"), ("y", "a target"), ("b", "a past covariate")):
        with pytest.raises(NotFoundError, match=f"there is no column '{name}', {what} of the model"):
            shape_table(frame.drop(columns=name), Config(), like=roles)
    split = replace(roles, time_columns=("year", "month"), time="date")
    assert shape_table(frame, Config(), like=split)[0].frame["date"].tolist() == DAYS


# Against slow obvious ways


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1.0, 2.0, float("nan")])), max_size=12))
def test_constant_within_a_series_means_one_value_in_it(rows: list[tuple[int, float]]) -> None:
    codes, values = np.array([code for code, _ in rows], int), np.array([value for _, value in rows], float)
    found = {code: {value for other, value in rows if other == code and value == value} for code in codes.tolist()}
    assert is_constant(values, ~np.isnan(values), codes) == all(len(group) <= 1 for group in found.values())


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(2, 3), st.integers(2, 3), st.integers(2, 3), st.permutations(["p", "q", "r"]), st.data())
def test_series_columns_tell_all_rows_of_a_time_apart_and_none_can_be_spared(
    p: int, q: int, r: int, names: list[str], data: st.DataObject
) -> None:
    rows = [(f"p{i}", f"q{j}", f"r{k}", day) for i in range(p) for j in range(q) for k in range(r) for day in DAYS[:4]]
    kept = [row for row in rows if row[2] == "r0"] if data.draw(st.booleans()) else rows
    frame = pd.DataFrame(data.draw(st.permutations(kept)), columns=["p", "q", "r", "date"])
    frame = frame[[*names, "date"]].assign(y=np.arange(len(kept)) / 3)
    roles = shape_table(frame, Config())[1]
    ids = set(roles.series_columns)
    assert ids == ({"p", "q"} if len(kept) < len(rows) else {"p", "q", "r"})


def test_a_column_that_was_not_read_is_proposed_all_the_same() -> None:
    frame = pd.DataFrame({"date": ["2024-01-01"], "y": [1.0]})
    frame.attrs["columns"] = ["date", "y", "winds"]
    with pytest.raises(NotFoundError, match="no column 'wind', the table has 'date', 'y', 'winds'") as error:
        check_exists(frame, "wind")
    assert "did you mean 'winds'" in error.value.hint


# A row that is there twice


def shops(days: int = 200, **columns: object) -> pd.DataFrame:
    """Return four shops that promote at random, laid end to end."""
    dates = pd.date_range("2022-01-01", periods=days).strftime("%Y-%m-%d")
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"shop": np.repeat(list("ABCD"), days), "day": np.tile(dates, 4), **columns})
    return frame.assign(promo=random.integers(0, 2, len(frame)), sold=random.normal(50, 9, len(frame)).round(2))


def test_a_row_that_is_there_twice_makes_no_covariate_part_of_the_series_id() -> None:
    frame = shops()
    for again in (frame.iloc[[-1]].assign(promo=1 - frame["promo"].iloc[-1]), frame.iloc[[5, 300, 700]]):
        roles, notes = infer(pd.concat([frame, again], ignore_index=True), target="sold")
        assert (roles.series, roles.series_columns, roles.past) == ("shop", (), ("promo",))
        assert f"tell rows of the same time apart, all but {len(again)} of them" in notes["series"].reason
    alone = frame.drop(columns="promo")
    assert infer(pd.concat([alone, alone.iloc[[-1]]], ignore_index=True))[0].series == "shop"


def test_an_hour_that_the_clock_shows_twice_leaves_the_series_of_a_panel() -> None:
    hours = pd.date_range("2024-10-20", periods=336, freq="h", tz="Europe/Berlin").tz_localize(None)
    frame = pd.DataFrame({"station": np.repeat(["a", "b", "c"], 336), "t": np.tile(hours, 3), "y": np.arange(1008.0)})
    assert infer(frame)[0].series == "station"


def test_series_of_one_name_are_told_apart_by_another_column() -> None:
    """Two of 200 shops are called alike: they repeat all of their times, as rows that are there twice do not."""
    names = [f"shop {i}" for i in range(199)] + ["shop 7"]
    towns = [f"town {i % 5}" for i in range(199)] + ["town 3"]
    days = pd.date_range("2022-01-01", periods=10)
    frame = pd.DataFrame({"shop": np.repeat(names, 10), "town": np.repeat(towns, 10), "day": np.tile(days, 200)})
    assert set(infer(frame.assign(y=np.arange(2000) / 3))[0].series_columns) == {"shop", "town"}


def test_numbers_are_part_of_an_id_only_where_no_row_is_left() -> None:
    frame = shops().assign(lane=np.tile([1, 2], 400))
    two = pd.concat([frame.assign(shop="A", lane=k) for k in (1, 2, 3)]).drop_duplicates(["shop", "day", "lane"])
    assert infer(two, target="sold")[0].series == "lane"


def test_a_suggested_column_tells_rows_apart_that_repeat_a_time() -> None:
    frame = shops().drop(columns="promo").assign(note=["x", "y"] * 400)
    twice = pd.concat([frame[frame["shop"] == "A"], frame.iloc[[3, 4, 5]]], ignore_index=True)
    assert telling_column(twice, "day", taken=("sold",)) is None
    both = pd.concat([frame, frame.iloc[[3]]], ignore_index=True)
    assert telling_column(both, "day", taken=("sold",)) == "shop"


def test_months_written_as_numbers_are_the_time_unless_a_better_column_is() -> None:
    months = pd.date_range("2000-01-01", periods=24, freq="MS").strftime("%Y%m").astype(int)
    frame = pd.DataFrame({"ym": months, "y": np.arange(24.0)})
    assert infer(frame)[0].time == "ym"
    assert infer(frame.assign(day=pd.date_range("2000-01-01", periods=24)))[0].time == "day"
    with pytest.raises(NotFoundError, match="no column holds times"):
        infer(frame.assign(ym=200001))


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        *(("$1.50", r"'\$1.50' as 1.50: strip '\$'"), ("5 %", "'5 %' as 5: strip '%'"), ("(3)", "'\\(3\\)' as -3")),
        *(("EUR 7", "as 7: strip 'EUR'"), ("7.5 kWh", "as 7.5: strip 'kWh'"), ("item 3", 'target="COLUMN"')),
    ],
)
def test_text_around_numbers_is_named(cell: str, hint: str) -> None:
    frame = pd.DataFrame({"day": DAYS[:3], "y": [cell] * 3})
    with pytest.raises(NotFoundError, match="no column of readings to forecast") as error:
        infer(frame)
    assert re.search(hint, error.value.hint)
