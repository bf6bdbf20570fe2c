"""Forecasts with no fit: how a table is read, what is inferred, what the network is shown, and what is refused."""

from __future__ import annotations

import doctest
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import Forecaster, PretrainedForecaster, Source
from forecaster.api import pretrained
from forecaster.config import FIELDS
from forecaster.data.panel.panel import Panel
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.features.plan import make_plan
from forecaster.notes import Note
from forecaster.prediction.given_rows import training_panel
from forecaster.pretrained.forecast import ENGINE, PretrainedForecast

TABLE_SETTINGS = [name for name, field in FIELDS.items() if field.metadata["group"] == "table"]


def sales(rows: int = 90, shops: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    """Return daily series with a season of seven, and a promotion that changes."""
    generator, parts = np.random.default_rng(0), []
    for place, shop in enumerate(shops):
        sold = 50 * (place + 1) + 10 * np.sin(2 * np.pi * np.arange(rows) / 7) + generator.normal(size=rows)
        day = pd.date_range("2024-01-01", periods=rows, freq="D")
        parts.append(pd.DataFrame({"day": day, "shop": shop, "sales": sold, "promo": np.arange(rows) % 5}))
    return pd.concat(parts, ignore_index=True)


class Planted:
    """A network that forecasts a constant, and keeps what it was shown."""

    def __init__(self, level: float = 3.0) -> None:
        self.level = level
        self.calls: list[tuple[Panel, tuple[int, ...], int, tuple[int, ...]]] = []

    def __call__(
        self, panel: Panel, seasons: tuple[int, ...], steps: int, levels: tuple[int, ...]
    ) -> PretrainedForecast:
        """Return the level, with intervals of one to both sides."""
        self.calls.append((panel, seasons, steps, levels))
        sides = np.concatenate([[0.0], np.tile([-1.0, 1.0], len(levels))])
        values = np.broadcast_to(self.level + sides, (len(panel), steps, len(sides))).copy()
        note = Note("rest", f"{len(panel.values)} rows", "planted")
        return PretrainedForecast(values, np.full(len(panel), ENGINE, object), values == 0, [note])


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    network = Planted()
    monkeypatch.setattr("forecaster.api.pretrained.forecast_pretrained", network)
    return network


def names_of(notes: list[Note]) -> list[str]:
    return [note.name for note in notes]


class TestPredict:
    def test_the_columns_are_those_of_a_fitted_model(self) -> None:
        forecaster = Forecaster.pretrained(horizon=3)
        assert isinstance(forecaster, PretrainedForecaster)
        table = forecaster.predict("dataset:airline", levels=(80, 95))
        assert table.columns.tolist() == ["series", "month", "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]
        assert table["month"].dt.strftime("%Y-%m").tolist() == ["1961-01", "1961-02", "1961-03"]
        numbers = table.drop(columns=["series", "month", "engine"])
        assert np.isfinite(numbers).all(axis=None) and set(table["engine"]) == {ENGINE}

    def test_the_notes_are_those_of_a_fit(self, planted: Planted) -> None:
        """Season and horizon too, word for word, where validation leaves as many rows as the table has."""
        forecaster, notes = Forecaster.pretrained(season=7), list[Note]()
        forecaster.predict(sales())
        panel = training_panel(sales(), None, forecaster.config, notes)
        _, planned = make_plan(panel, forecaster.config)
        fitted = [*notes, *(note for note in planned if note.name in ("season", "horizon"))]
        own = [note for note in fitted if note.name not in ("past", "future", "static")]
        assert [n for n in forecaster.notes if n.name not in ("left aside", "rest")] == own
        assert names_of(own) == ["time", "series", "target", "freq", "season", "horizon"]

    def test_covariates_are_left_aside_and_named(self, planted: Planted) -> None:
        found = Forecaster.pretrained().forecast(sales())
        assert Note("left aside", "promo", "covariates, which only a fit can learn from") in found.notes
        (panel, *_), *_ = planted.calls
        assert not panel.columns and panel.covariates.shape == (180, 0) and panel.static.shape == (2, 0)
        assert "left aside" not in names_of(Forecaster.pretrained().forecast(sales().drop(columns="promo")).notes)

    @pytest.mark.parametrize("kind", ["frame", "series", "path", "source", "wide"])
    def test_whatever_a_fit_reads(self, planted: Planted, tmp_path: Any, kind: str) -> None:
        table, path = sales(shops=("a",))[["day", "sales"]], tmp_path / "sales.csv"
        table.to_csv(path, index=False)
        data = {
            "frame": table,
            "series": table.set_index("day")["sales"],
            "path": path,
            "source": Source(str(path)),
            "wide": pd.DataFrame({"day": table["day"], **{f"shop_{i}": i + table["sales"] for i in range(3)}}),
        }[kind]
        found = Forecaster.pretrained(horizon=2).predict(data)
        assert len(found) == (6 if kind == "wide" else 2)

    def test_season_horizon_and_levels_reach_the_network(self, planted: Planted) -> None:
        forecaster = Forecaster.pretrained(horizon="5d")
        assert len(forecaster.predict(sales(), levels=(50, 90))) == 10
        assert len(forecaster.predict(sales(), horizon=3)) == 6
        assert [(seasons, steps, levels) for _, seasons, steps, levels in planted.calls] == [
            ((7,), 5, (50, 90)),
            ((7,), 3, (80, 95)),
        ]
        Forecaster.pretrained(season=(5, 30)).predict(sales())
        assert planted.calls[-1][1:3] == ((5, 30), 14)

    def test_to_a_date_a_series_that_ends_earlier_is_forecast_further(self, planted: Planted) -> None:
        ragged = sales().drop(range(170, 180))
        found = Forecaster.pretrained().predict(ragged, horizon="2024-04-02")
        assert found.groupby("series").size().to_dict() == {"a": 3, "b": 13}
        assert found["day"].max() == pd.Timestamp("2024-04-02")

    def test_more_steps_than_rows_are_warned_of(self, planted: Planted) -> None:
        forecaster = Forecaster.pretrained()
        forecaster.predict(sales(rows=9, shops=("a",)), horizon=90)
        (note,) = [note for note in forecaster.notes if note.name == "horizon"]
        assert note.warning and note.reason == "given as 90; more than the 9 rows that it is forecast from"

    def test_what_was_raised_to_zero_is_counted_at_the_steps_asked(self, planted: Planted) -> None:
        planted.level, table = 0.0, sales()
        found = Forecaster.pretrained(horizon=2).forecast(table, levels=80)
        assert Note("bounds", "4 of 12 numbers raised to 0", "no reading of its series is negative") in found.notes
        later = table["day"].max() + pd.Timedelta("2D")
        found = Forecaster.pretrained(horizon=f"{later:%Y-%m-%d}").forecast(table.iloc[:-3], levels=80)
        assert Note("bounds", "7 of 21 numbers raised to 0", "no reading of its series is negative") in found.notes

    def test_notes_are_set_by_predict_alone(self, planted: Planted) -> None:
        forecaster = Forecaster.pretrained()
        forecaster.forecast(sales())
        assert forecaster.notes == []
        forecaster.predict(sales())
        assert "rest" in names_of(forecaster.notes)

    def test_several_threads_get_what_each_would_get_alone(self) -> None:
        forecaster, tables = Forecaster.pretrained(horizon=3), [sales(rows) for rows in (60, 70, 80, 90)]
        alone = [forecaster.forecast(table) for table in tables]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(forecaster.forecast, tables))
        for one, other in zip(alone, together, strict=True):
            pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
            assert one.notes == other.notes

    def test_a_table_is_read_once_for_several_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forecaster = Forecaster.pretrained(horizon=3)
        expected, read = forecaster.forecast(sales()), forecaster.read(sales())
        monkeypatch.setattr(pretrained, "build_panel", None)
        found = forecaster.forecast(read)
        pd.testing.assert_frame_equal(found.table, expected.table)
        assert found.notes == expected.notes
        assert len(forecaster.plot(read, found.table).axes) == 2

    def test_the_table_of_the_caller_stays_as_it_was(self) -> None:
        table = sales()
        before = table.copy(deep=True)
        Forecaster.pretrained().predict(table)
        pd.testing.assert_frame_equal(table, before)


class TestSettings:
    def test_all_that_say_how_a_table_is_read_are_taken(self) -> None:
        values = {"target": "sales", "series": "shop", "time": "day", "season": 7, "freq": "D", "gaps": "fill"}
        values |= {"missing": "seasonal", "duplicates": "mean", "dates": "auto", "wide": "no", "zone": "UTC"}
        assert sorted(values) == sorted(TABLE_SETTINGS)
        assert Forecaster.pretrained(**values).config.season == (7,)

    @pytest.mark.parametrize("name", [name for name in FIELDS if name not in (*TABLE_SETTINGS, "horizon")])
    def test_those_of_a_fit_are_refused(self, name: str) -> None:
        with pytest.raises(SettingError, match=f"^{name} is used by a fit only") as error:
            Forecaster.pretrained(**{name: 3})
        assert f"Forecaster({name}=...).fit(data)" in error.value.hint

    def test_a_recipe_is_refused_and_what_is_unknown_is_named(self) -> None:
        with pytest.raises(SettingError, match="recipe is used by a fit only"):
            Forecaster.pretrained(recipe="textbook")
        with pytest.raises(SettingError, match="unknown setting 'seasn'") as error:
            Forecaster.pretrained(seasn=7)
        assert error.value.hint == "did you mean 'season'?"

    def test_predict_takes_the_arguments_of_a_fitted_one_but_the_future(self) -> None:
        own = inspect.signature(PretrainedForecaster.predict).parameters
        fitted = inspect.signature(Forecaster.predict).parameters
        assert {*fitted} - {*own} == {"future"} and {*own} <= {*fitted}

    @pytest.mark.parametrize(
        ("data", "settings", "error", "message"),
        [
            (pd.DataFrame({"day": ["2024-01-01"], "sales": [1.0]}), {}, DataError, "the freq cannot be inferred"),
            (pd.DataFrame({"day": [], "sales": []}), {}, DataError, "no rows"),
            (sales().assign(sales=np.nan)[["day", "shop", "sales"]], {}, NotFoundError, "no column of readings"),
            (sales(), {"target": "sld"}, NotFoundError, "there is no column 'sld'"),
            (sales(), {"horizon": 0}, SettingError, "horizon must be 1 step or more"),
            (sales(), {"horizon": "2023-01-01"}, SettingError, "not after the last reading"),
            (pd.concat([sales()] * 2), {}, DataError, "two readings at"),
        ],
    )
    def test_a_table_that_cannot_be_forecast(self, data: Any, settings: Any, error: Any, message: str) -> None:
        with pytest.raises(error, match=message):
            Forecaster.pretrained(**settings).predict(data)


class TestEvaluate:
    def test_the_network_is_shown_the_rows_before_each_origin(self, planted: Planted) -> None:
        found = Forecaster.pretrained().evaluate(sales(), horizon=4, origins=3, stride=5, gap=2, baselines="naive")
        assert [panel.lengths.tolist() for panel, *_ in planted.calls] == [[74, 74], [79, 79], [84, 84]]
        assert {steps for _, _, steps, _ in planted.calls} == {6}
        own = found.table[found.table["model"] == "network"]
        assert len(own) == 24 and (own["forecast"] == 3).all() and sorted(own["step"].unique()) == [3, 4, 5, 6]

    def test_no_row_was_seen_and_there_is_a_verdict(self, planted: Planted) -> None:
        found = Forecaster.pretrained().evaluate(sales(), baselines=("naive", "seasonal-naive"))
        assert not found.table["seen"].any() and "seen rows" not in names_of(found.notes)
        assert found.verdict.startswith("The network ") and np.isfinite(found.measures["skill"])
        assert found.tests["against"].tolist() == ["naive", "seasonal-naive"]

    def test_the_season_is_inferred_before_the_first_origin(self, planted: Planted) -> None:
        """The newest rows repeat at another lag, which may not be known at the first origin."""
        table = sales(rows=140, shops=("a",))
        table.loc[70:, "sales"] = np.random.default_rng(1).normal(size=70)
        found = Forecaster.pretrained().evaluate(table, horizon=14, origins=5, baselines=())
        assert found.season == 7 and {seasons for _, seasons, *_ in planted.calls} == {(7,)}
        known = table.iloc[:70]
        expected = [note for note in Forecaster.pretrained().forecast(known).notes if note.name == "season"]
        assert [note for note in found.notes if note.name == "season"] == expected

    @pytest.mark.parametrize(("rows", "origins"), [(140, 5), (139, 4), (60, 2), (30, 1), (20, 1)])
    def test_a_short_table_has_fewer_origins(self, planted: Planted, rows: int, origins: int) -> None:
        found = Forecaster.pretrained().evaluate(sales(rows, ("a",)), horizon=14, baselines=())
        assert found.table["cutoff"].nunique() == origins
        notes = [note for note in found.notes if note.name == "origins"]
        assert [note.value for note in notes] == ([] if origins == 5 else [str(origins)])

    def test_more_origins_than_there_are_rows_for(self, planted: Planted) -> None:
        found = Forecaster.pretrained(season=1).evaluate(sales(40, ("a",)), horizon=10, origins=9, baselines=())
        assert found.table["cutoff"].nunique() == 3 and "windows" in names_of(found.notes)

    def test_a_note_of_the_network_is_said_once(self, planted: Planted) -> None:
        found = Forecaster.pretrained().evaluate(sales(), horizon=4, origins=3, baselines=())
        assert [note.value for note in found.notes if note.name == "rest"] == ["156 rows"]

    def test_too_few_rows(self, planted: Planted) -> None:
        with pytest.raises(DataError, match="no series is long enough for a backtest: the longest has 9 rows"):
            Forecaster.pretrained().evaluate(sales(9))

    @pytest.mark.parametrize("wrong", [{"window": "all"}, {"gap": -1}, {"stride": 0}, {"origins": 0}, {"levels": 0}])
    def test_what_is_wrong_is_refused(self, planted: Planted, wrong: dict[str, Any]) -> None:
        with pytest.raises(SettingError):
            Forecaster.pretrained().evaluate(sales(), **wrong)


class TestPlot:
    def test_its_own_forecast_and_a_given_one(self, planted: Planted) -> None:
        forecaster = Forecaster.pretrained(horizon=5)
        assert len(forecaster.plot(sales()).axes) == 2
        table = forecaster.predict(sales())
        planted.calls.clear()
        figure = forecaster.plot(sales(), table[table["series"] == "a"], title="own")
        assert len(figure.axes) == 1 and not planted.calls


def test_the_example_runs() -> None:
    assert doctest.testmod(pretrained) == (0, 3)
