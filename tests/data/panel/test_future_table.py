"""The table of future covariates: what is to be filled in, and what is read of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.data.panel.future_table import future_names, future_template, read_future
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles
from forecaster.data.time.calendar import future_times
from forecaster.errors import DataError, NotFoundError
from forecaster.notes import Note

STEPS = 4


def readings(ends: tuple[int, ...] = (30, 28), ids: tuple[str, ...] = ("a", "b"), zone: str = "") -> pd.DataFrame:
    """Return daily sales of some shops that end on different days, with a price and a promotion known ahead."""
    parts = []
    for number, (name, rows) in enumerate(zip(ids, ends, strict=True)):
        days = pd.date_range("2024-01-01", periods=rows, freq="D")
        sales = 10.0 * number + np.sin(np.arange(rows))
        promotion = np.where(np.arange(rows) % 3 == 0, "yes", "no")
        columns = {"shop": name, "day": days, "price": 1.5 + np.arange(rows), "promo": promotion, "rain": 0.1 * sales}
        parts.append(pd.DataFrame({**columns, "sales": sales}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(day=table["day"].dt.tz_localize(zone)) if zone else table


def panel_of(table: pd.DataFrame, **settings: str) -> Panel:
    given = {"target": "sales", "future_columns": "price,promo", "past": "rain", **settings}
    return build_panel(table, Config.of(**given))[0]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of(readings(), series="shop")


@pytest.fixture
def filled(panel: Panel) -> pd.DataFrame:
    table = future_template(panel, STEPS)
    return table.assign(price=np.arange(len(table)) + 0.25, promo=["yes", "no", "no", "yes"] * 2)


def test_the_template_holds_each_series_and_the_days_after_its_own_end(panel):
    table = future_template(panel, STEPS)
    assert list(table.columns) == ["shop", "day", "price", "promo"]
    expected = [("a", f"2024-01-{day}") for day in (31,)] + [("a", f"2024-02-0{day}") for day in (1, 2, 3)]
    expected += [("b", f"2024-01-{day}") for day in (29, 30, 31)] + [("b", "2024-02-01")]
    assert list(zip(table["shop"], table["day"].astype(str), strict=True)) == expected
    assert table[["price", "promo"]].isna().all(axis=None)


def test_the_template_follows_a_horizon_of_each_series(panel):
    table = future_template(panel, np.array([2, 4]))
    assert table["shop"].tolist() == ["a"] * 2 + ["b"] * 4
    assert table["day"].max() == pd.Timestamp("2024-02-01")


def test_a_table_of_one_series_has_no_series_column():
    one = panel_of(readings((30,), ("a",)).drop(columns="shop"), series="")
    assert list(future_template(one, 2).columns) == ["day", "price", "promo"]


def test_what_the_table_knew_beyond_the_end_is_filled_in(panel):
    columns = panel.of_role("future")
    codes = {name: code for code, name in enumerate(columns[1].categories)}
    beyond = np.full((2, STEPS, 2), np.nan, np.float32)
    beyond[0, 0], beyond[1, 3, 1] = (0.1, codes["no"]), -1
    known = panel.__class__(**{**panel.__dict__, "beyond": beyond})
    table = future_template(known, STEPS + 1)
    assert len(table) == 2 * (STEPS + 1)
    assert table.loc[0, ["price", "promo"]].tolist() == [0.1, "no"]
    assert table.drop(index=0)[["price", "promo"]].isna().all(axis=None)


def test_rows_without_a_target_at_the_end_of_a_table_fill_the_template():
    table = readings((30,), ("a",)).drop(columns=["shop", "rain"])
    table.loc[28:, "sales"] = np.nan
    future = future_template(panel_of(table, series="", past="none"), 3)
    assert future["price"].tolist()[:2] == [29.5, 30.5] and future["promo"].tolist()[:2] == ["no", "no"]
    assert future["day"].astype(str).tolist() == ["2024-01-29", "2024-01-30", "2024-01-31"]
    assert future.loc[2, ["price", "promo"]].isna().all()


def test_times_with_a_zone_are_written_in_it():
    hours = pd.date_range("2024-03-30", periods=40, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    table = pd.DataFrame({"time": hours, "load": np.sin(np.arange(40.0)), "price": 1.0})
    known, _ = build_panel(table, Config.of(target="load", future_columns="price"))
    future = future_template(known, 3)
    expected = pd.Series(hours[-1] + pd.to_timedelta([1, 2, 3], "h"), name="time")
    assert (future["time"] == expected).all() and future["time"].dt.tz is not None
    text = future.assign(price=[1.0, 2.0, 3.0]).to_csv(index=False)
    values, _ = read_future(pd.read_csv(io.StringIO(text)), known, 3)
    assert values[0, :, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_filled_table_is_read_by_series_and_time_whatever_the_order_of_its_rows(panel, filled):
    values, notes = read_future(filled.sample(frac=1, random_state=3), panel, STEPS)
    assert values.shape == (2, STEPS, 2) and values.dtype == np.float32 and not notes
    codes = {name: code for code, name in enumerate(panel.of_role("future")[1].categories)}
    for row in filled.itertuples():
        series = panel.ids.index(row.shop)
        step = future_times(panel.last, panel.freq, STEPS)[series].tolist().index(row.day.value)
        assert values[series, step].tolist() == [row.price, codes[row.promo]]


def test_text_files_and_columns_in_any_order_are_read_the_same(panel, filled):
    expected, _ = read_future(filled, panel, STEPS)
    text = filled[["promo", "price", "day", "shop"]].to_csv(index=False)
    assert np.array_equal(read_future(pd.read_csv(io.StringIO(text)), panel, STEPS)[0], expected)


def test_rows_of_the_past_of_later_times_and_of_other_series_are_ignored(panel, filled):
    expected, _ = read_future(filled, panel, STEPS)
    others = pd.concat(
        [readings()[["shop", "day", "price", "promo"]], filled, filled.assign(shop="c"), future_template(panel, 9)[5:9]]
    )
    values, notes = read_future(others, panel, STEPS)
    assert np.array_equal(values, expected) and not notes


def test_a_horizon_of_each_series_needs_no_more_rows_than_it_asks_for(panel, filled):
    short = filled.drop(index=[2, 3])
    values, _ = read_future(short, panel, np.array([2, 4]))
    expected, _ = read_future(filled, panel, STEPS)
    assert np.array_equal(values[0, :2], expected[0, :2]) and np.array_equal(values[1], expected[1])
    assert (values[0, 2:] == expected[0, 1]).all(), "the last step asked for goes on"


def test_a_series_that_ends_after_the_horizon_goes_on_as_it_was(panel, filled):
    values, _ = read_future(filled[4:], panel, np.array([0, 4]))
    newest = panel.covariates[panel.offsets[1] - 1, 1:]
    assert (values[0] == newest).all() and not np.isnan(values).any()


def test_a_category_never_seen_is_unknown_and_told(panel, filled):
    values, notes = read_future(filled.assign(promo=["yes", "perhaps", "no", "yes"] * 2), panel, STEPS)
    assert values[:, 1, 1].tolist() == [-1, -1]
    assert [(note.name, note.value, note.warning) for note in notes] == [("unseen", "2 cells", True)]
    assert "promo" in notes[0].reason


def test_holes_are_named_with_the_command_that_writes_the_table(panel, filled):
    holed = filled.astype({"price": object})
    for row, column in ((1, "price"), (2, "promo"), (4, "price"), (4, "promo"), (6, "price"), (7, "promo")):
        holed.loc[row, column] = None
    with pytest.raises(DataError, match=r"6 holes: \(series, time, column\) \(a, 2024-02-01, price\), ") as raised:
        read_future(holed, panel, STEPS)
    for hole in (
        "(a, 2024-02-02, promo)",
        "(b, 2024-01-29, price)",
        "(b, 2024-01-29, promo)",
        "(b, 2024-01-31, price)",
    ):
        assert hole in raised.value.message
    assert raised.value.message.endswith("and 1 more")
    assert "forecaster make-future --horizon 4 --output future.csv" in raised.value.hint


def test_an_absent_row_in_the_middle_is_holes_of_all_its_columns(panel, filled):
    with pytest.raises(DataError, match=r"2 holes: .*\(a, 2024-02-01, price\), \(a, 2024-02-01, promo\)$"):
        read_future(filled.drop(index=1), panel, STEPS)


def test_a_table_of_one_series_names_time_and_column():
    one = panel_of(readings((30,), ("a",)).drop(columns="shop"), series="")
    table = future_template(one, 3).assign(price=[1.0, np.nan, 3.0], promo="no")
    with pytest.raises(DataError, match=r"1 hole: \(time, column\) \(2024-02-01, price\)$"):
        read_future(table, one, 3)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ([0, 1, 4, 5, 6, 7], "ends too early: 2 of 4 steps of series 'a', up to 2024-02-01, expected 2024-01-31 to"),
        ([2, 3, 4, 5, 6, 7], "begins too late of series 'a': at 2024-02-02, 2 of 4 steps, expected 2024-01-31 to"),
        ([0, 4], "ends too early: 1 of 4 steps of series 'a', up to 2024-01-31.*and 1 more series"),
    ],
)
def test_another_horizon_is_said_in_those_words(panel, filled, kept, words):
    with pytest.raises(DataError, match=words) as raised:
        read_future(filled.iloc[kept], panel, STEPS)
    assert "make-future --horizon 4" in raised.value.hint


def test_a_table_of_past_rows_only_has_none_of_the_steps(panel):
    past = readings()[["shop", "day", "price", "promo"]]
    with pytest.raises(DataError, match="none of the 4 steps to forecast of series 'a', 2024-01-31 to 2024-02-03"):
        read_future(past, panel, STEPS)


def test_a_series_that_is_absent_is_named(panel, filled):
    with pytest.raises(DataError, match="no row of 'b'; it has those of a"):
        read_future(filled[filled["shop"] == "a"], panel, STEPS)


def test_an_absent_column_is_named_with_the_nearest(panel, filled):
    with pytest.raises(NotFoundError, match=r"no column 'price', it has 'shop', 'day', 'prices', 'promo'") as raised:
        read_future(filled.rename(columns={"price": "prices"}), panel, STEPS)
    assert "did you mean 'prices'?" in raised.value.hint and "make-future" in raised.value.hint


@pytest.mark.parametrize("column", ["shop", "day"])
def test_an_absent_series_or_time_column_is_not_found(panel, filled, column):
    with pytest.raises(NotFoundError, match=f"'{column}'"):
        read_future(filled.drop(columns=column), panel, STEPS)


def test_two_rows_of_one_time_are_named_by_their_lines(panel, filled):
    table = pd.concat([filled, filled.iloc[[5, 5]]], ignore_index=True)
    table.attrs["lines"] = True
    with pytest.raises(
        DataError, match=r"two rows of 2024-01-30 of series 'b', line 7 and line 10; 1 more row like it"
    ):
        read_future(table, panel, STEPS)


def test_a_time_that_cannot_be_read_is_named(panel, filled):
    table = filled.assign(day=filled["day"].astype(str))
    table.loc[3, "day"] = "2024-02-30"
    with pytest.raises(DataError, match="2024-02-30"):
        read_future(table, panel, STEPS)


def test_a_number_that_cannot_be_read_is_named(panel, filled):
    with pytest.raises(DataError, match="cheap"):
        read_future(filled.assign(price=["cheap", "2", "3", "4"] * 2), panel, STEPS)


def test_times_of_a_zone_for_readings_without_one_are_refused(panel, filled):
    with pytest.raises(DataError, match=r"times of the zone UTC, such as .*times without a time zone"):
        read_future(filled.assign(day=filled["day"].dt.tz_localize("UTC")), panel, STEPS)


def test_months_are_told_by_their_month():
    months = pd.date_range("2020-01-01", periods=30, freq="MS")
    table = pd.DataFrame({"month": months, "price": 1.0, "sales": np.arange(30.0)})
    known, _ = build_panel(table, Config.of(target="sales", future_columns="price"))
    future = pd.DataFrame({"month": ["2022-07-15", "2022-08-15"], "price": [3.0, 4.0]})
    assert read_future(future, known, 2)[0].ravel().tolist() == [3.0, 4.0]


def test_counted_steps_go_on_counting():
    table = pd.DataFrame({"step": np.arange(20), "price": 1.0, "sales": np.sin(np.arange(20.0))})
    known, _ = build_panel(table, Config.of(time="step", target="sales", future_columns="price"))
    future = future_template(known, 3)
    assert future["step"].tolist() == [20, 21, 22]
    assert read_future(future.assign(price=[1, 2, 3]), known, 3)[0].ravel().tolist() == [1, 2, 3]


def test_ids_of_several_columns_stand_in_one_or_in_several():
    table = readings().assign(town=lambda t: np.where(t["shop"] == "a", "x", "y"))
    known = panel_of(table, series="town,shop")
    future = future_template(known, 2).assign(price=1.0, promo="no")
    assert set(future[known.roles.series]) == set(known.ids)
    expected, _ = read_future(future, known, 2)
    split = future.assign(shop=["a", "a", "b", "b"], town=["x", "x", "y", "y"]).drop(columns=known.roles.series)
    assert np.array_equal(read_future(split, known, 2)[0], expected)


def test_several_targets_share_the_covariates_of_their_series():
    table = readings().assign(returns=lambda t: t["sales"] / 2)
    known = panel_of(table, target="sales,returns", series="shop", past="none", future_columns="price")
    ahead = pd.DataFrame(
        {"shop": ["a", "a", "b", "b"], "day": ["2024-01-31", "2024-02-01", "2024-01-29", "2024-01-30"]}
    )
    values, _ = read_future(ahead.assign(price=[1.0, 2.0, 3.0, 4.0]), known, 2)
    for name, found in zip(known.ids, values[:, :, 0].tolist(), strict=True):
        assert found == ([1.0, 2.0] if name.startswith("a") else [3.0, 4.0])
    every = future_template(known, 2)
    assert sorted(set(every[known.roles.series])) == sorted(known.ids)
    assert read_future(every.assign(price=5.0), known, 2)[0].tolist() == np.full((4, 2, 1), 5.0).tolist()


def test_what_the_model_does_not_read_need_not_be_there(filled, panel):
    full, _ = read_future(filled, panel, STEPS)
    for table in (filled.drop(columns="promo"), filled.assign(promo=filled["promo"].where(filled.index != 2))):
        values, _ = read_future(table, panel, STEPS, needed=("price",))
        np.testing.assert_array_equal(values[:, :, 0], full[:, :, 0])
        assert np.isnan(values[0, 2, 1])
        with pytest.raises((NotFoundError, DataError), match="promo"):
            read_future(table, panel, STEPS, needed=("price", "promo"))


def test_a_covariate_about_a_large_value_is_written_and_read_as_it_was():
    table = readings()
    table["price"] = 1e9 + table["price"] % 7 / 8
    table.loc[table["day"] > "2024-01-26", "sales"] = np.nan  # the newest prices are known beyond the readings
    known = panel_of(table, series="shop")
    (offset,) = (column.offset for column in known.of_role("future") if column.name == "price")
    assert offset == pytest.approx(1e9, abs=100)
    template = future_template(known, 2)
    expected = table[table["day"].isin(pd.to_datetime(["2024-01-27", "2024-01-28"]))]
    assert template["price"].tolist() == expected["price"].tolist()
    values, _ = read_future(template, known, 2)
    np.testing.assert_array_equal(values, known.beyond[:, :2])


def test_the_names_of_a_future_table_are_its_columns(filled):
    assert future_names(filled) == ("shop", "day", "price", "promo")


def test_reading_agrees_with_a_slow_search_over_random_tables():
    random = np.random.default_rng(5)
    for _ in range(20):
        count, steps = int(random.integers(1, 6)), int(random.integers(1, 7))
        last = np.datetime64("2024-01-01", "ns") + random.integers(0, 50, count) * np.timedelta64(1, "h")
        ids, zeros = tuple(f"s{i}" for i in range(count)), np.zeros(count)
        known = Panel(
            *(zeros, zeros == 0, last, np.arange(count + 1), ids, "h", Roles("t", "y", "id", future=("x",))),
            columns=(Column("x", "future"),),
            covariates=np.zeros((count, 1), np.float32),
        )
        table = future_template(known, steps)
        table["x"] = random.integers(0, 1000, len(table)).astype(float)
        values, _ = read_future(table.sample(frac=1, random_state=1), known, steps)
        looked_up = {(row.id, row.t): row.x for row in table.itertuples()}
        for i, name in enumerate(ids):
            for k in range(steps):
                assert values[i, k, 0] == looked_up[(name, pd.Timestamp(last[i]) + pd.Timedelta(hours=k + 1))]


# The command


class _Model:
    """What the command asks of a trained forecaster."""

    def __init__(self, panel: Panel) -> None:
        self.known = panel

    def panel(self, data: pd.DataFrame | None = None) -> tuple[Panel, list[Note]]:
        return (self.known if data is None else panel_of(data, series="shop")), [Note("gaps", "none", "", True)]

    def steps_ahead(self, panel: Panel, horizon: str | None) -> np.ndarray:
        return np.full(len(panel), int(horizon or 3))


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Panel], None]:
    from forecaster.api import forecaster

    def load(panel: Panel) -> None:
        monkeypatch.setattr(forecaster.Forecaster, "load", lambda directory: _Model(panel))

    return load


def test_the_command_prints_the_table_to_fill_in(command: Command, trained_on, panel):
    trained_on(panel)
    ended = command("make-future", "--horizon", "2")
    assert ended.code == 0 and "note: gaps" in ended.err
    assert ended.out.splitlines() == [
        *("shop,day,price,promo", "a,2024-01-31,,", "a,2024-02-01,,", "b,2024-01-29,,", "b,2024-01-30,,")
    ]


def test_the_command_writes_a_file_that_can_be_filled_in_and_read(command: Command, trained_on, panel, folder: Path):
    trained_on(panel)
    ended = command("make-future", "--output", "future.parquet")
    assert ended.code == 0 and "future: future.parquet, 6 rows, 12 cells to fill in" in ended.err and not ended.out
    table = pd.read_parquet("future.parquet").assign(price=2.0, promo="yes")
    assert read_future(table, panel, 3)[0].shape == (2, 3, 2)
    assert command("make-future", "--output", "future.parquet").code == 2
    assert command("make-future", "--output", "future.parquet", "--force", "-q").code == 0


def test_the_command_goes_on_from_newer_rows(command: Command, trained_on, panel, folder: Path):
    trained_on(panel)
    readings((40, 41)).to_csv("newer.csv", index=False)
    ended = command("make-future", "--horizon", "1", "--data", "newer.csv")
    assert [line.split(",")[:2] for line in ended.out.splitlines()[1:]] == [["a", "2024-02-10"], ["b", "2024-02-11"]]


def test_a_model_without_future_covariates_has_nothing_to_fill_in(command: Command, trained_on):
    trained_on(panel_of(readings(), series="shop", past="rain,price", future_columns="none"))
    ended = command("make-future")
    assert ended.code == 2 and not ended.out
    assert "uses no future covariates: there is nothing to fill in" in ended.err and "--future-columns" in ended.err
