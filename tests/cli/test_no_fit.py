"""A table given by position: forecast, judged, drawn and asked for its future with no model and no fit."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command
from test_commands import feed, table_of

from forecaster import Forecaster

INFERRED = ["time", "target", "freq", "season", "horizon"]


@pytest.fixture
def sales(folder: Path) -> pd.DataFrame:
    """Return daily sales of two shops with a promotion, written to ``sales.csv``."""
    day, generator, parts = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d"), np.random.default_rng(0), []
    for shop in ("north", "south"):
        sold = np.round(50 + 10 * np.sin(np.arange(80) * 2 * np.pi / 7) + generator.normal(size=80), 2)
        parts.append(pd.DataFrame({"day": day, "shop": shop, "sales": sold, "promo": np.arange(80) % 5}))
    table = pd.concat(parts, ignore_index=True)
    table.to_csv("sales.csv", index=False)
    return table


def notes_of(text: str) -> list[str]:
    """Return the names of the notes printed on stderr."""
    return [line.split()[0] for line in text.splitlines() if line.startswith("  ")]


class TestPredict:
    def test_the_table_is_printed_and_what_was_inferred(self, command: Command) -> None:
        ended = command("predict", "dataset:airline", "--horizon", "10")
        assert ended.code == 0, ended.err
        table = table_of(ended.out)
        assert list(table.columns) == ["series", "month", "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]
        assert table["month"].tolist() == [f"1961-{month:02}-01" for month in range(1, 11)]
        assert set(table["engine"]) == {"pretrained"}
        assert ended.err.startswith("  time       month  (it holds times such as 1949-01-01; --time names another)\n")
        assert notes_of(ended.err)[:5] == INFERRED
        assert command("forecast", "dataset:airline", "--horizon", "10").out == ended.out
        assert command("predict", "dataset:airline", "--horizon", "10", "-q").err == ""

    def test_it_is_what_python_gives(self, command: Command, sales: pd.DataFrame) -> None:
        printed = table_of(command("predict", "sales.csv", "--season", "14", "--level", "50").out)
        table = Forecaster.pretrained(season=14).predict(sales, levels=50)
        np.testing.assert_array_equal(printed["forecast"], table["forecast"])
        assert printed["series"].unique().tolist() == ["north", "south"] and list(printed) == list(table)

    def test_files_pictures_and_json(self, command: Command, sales: pd.DataFrame, folder: Path) -> None:
        ended = command("predict", "sales.csv", "--output", "f.parquet", "--plot", "f.svg")
        assert (ended.code, ended.out) == (0, "")
        assert ended.err.endswith("picture: f.svg\nforecast: f.parquet, 28 rows\n")
        assert len(pd.read_parquet("f.parquet")) == 28 and b"<svg" in (folder / "f.svg").read_bytes()
        assert command("predict", "sales.csv", "--output", "f.parquet").code == 2
        document = json.loads(command("predict", "sales.csv", "--json").out)
        assert document["model"] is None and len(document["forecast"]) == 28

    def test_standard_input_is_read_once(
        self, command: Command, sales: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed(monkeypatch, Path("sales.csv").read_bytes())
        ended = command("predict", "-", "--plot", "f.png")
        assert ended.code == 0 and ended.out == command("predict", "sales.csv").out

    def test_flags_that_say_how_a_table_is_read(self, command: Command, sales: pd.DataFrame) -> None:
        table = sales.rename(columns={"day": "a", "shop": "b", "sales": "c", "promo": "d"})
        pd.concat([table, table.iloc[:3]]).drop([10, 11]).to_csv("odd.txt", sep=";", index=False)
        flags = "--delimiter ; --time a --series b --target c --freq D --season 7 --duplicates mean --gaps fill"
        ended = command("predict", "odd.txt", *flags.split(), "--wide", "no", "--dates", "auto", "--missing", "mask")
        assert ended.code == 0, ended.err
        assert "  series     b  (as given)" in ended.err and "  season     7  (given)" in ended.err
        assert "  left aside d  (covariates, which only a fit can learn from)" in ended.err

    def test_the_environment_sets_them_too(
        self, command: Command, sales: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORECASTER_SEASON", "5")
        assert "  season     5  (given)" in command("predict", "sales.csv").err

    def test_a_model_that_is_not_named_is_not_used_and_that_is_said(self, command: Command, model: Path) -> None:
        ended = command("predict", "dataset:airline")
        assert set(table_of(ended.out)["engine"]) == {"pretrained"}
        assert "--model forecaster-model uses that one" in ended.err.splitlines()[-1]

    def test_a_model_that_is_named_takes_the_table_as_its_data(
        self, command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = command("predict", "--data", "dataset:airline")
        named = command("predict", "dataset:airline", "--model", "forecaster-model")
        assert (named.code, named.out, named.err) == (0, expected.out, expected.err)
        monkeypatch.setenv("FORECASTER_MODEL", "forecaster-model")
        monkeypatch.setenv("FORECASTER_SEASON", "5")  # for a fit; the model has its own
        assert command("predict", "dataset:airline").out == expected.out


class TestOddTables:
    """Each ends in a forecast that says what it is; those that are refused are in ``test_errors.py``."""

    @staticmethod
    def write(sales: list[object]) -> None:
        days = pd.date_range("2024-01-01", periods=len(sales)).strftime("%Y-%m-%d")
        pd.DataFrame({"day": days, "sales": sales}).to_csv("odd.csv", index=False)

    def forecast(self, command: Command, sales: list[object], *flags: str) -> tuple[pd.DataFrame, str]:
        self.write(sales)
        ended = command("predict", "odd.csv", *flags)
        assert ended.code == 0, ended.err
        table = table_of(ended.out)
        numbers = table.drop(columns=["series", "day", "engine"]).to_numpy(float)
        assert np.isfinite(numbers).all() and set(table["engine"]) <= {"pretrained", "naive"}
        assert (table["lo-95"] <= table["forecast"]).all() and (table["forecast"] <= table["hi-95"]).all()
        return table, ended.err

    def test_two_rows(self, command: Command) -> None:
        table, err = self.forecast(command, [1, 2])
        assert len(table) == 14 and "note: horizon: 14 steps (" in err
        assert "more than the 2 rows that it is forecast from" in err

    @pytest.mark.parametrize("value", [5, 0, -3])
    def test_one_value_is_forecast_as_it_is(self, command: Command, value: int) -> None:
        table, _ = self.forecast(command, [value] * 30)
        np.testing.assert_allclose(table[["forecast", "lo-80", "hi-95"]], value, atol=1e-6)

    def test_a_horizon_of_ten_times_the_history(self, command: Command) -> None:
        table, err = self.forecast(command, [k * 3 % 7 for k in range(20)], "--horizon", "200")
        assert len(table) == 200 and "more than the 20 rows that it is forecast from" in err

    def test_mostly_missing(self, command: Command) -> None:
        table, err = self.forecast(command, [k if k % 9 == 0 else None for k in range(60)])
        assert len(table) == 14 and "empty cells" in err


class TestEvaluate:
    def test_it_is_judged_beside_the_baselines(self, command: Command, sales: pd.DataFrame, folder: Path) -> None:
        flags = ("--baselines", "naive,seasonal-naive", "--horizon", "7")
        ended = command("evaluate", "sales.csv", *flags, "--output", "b.csv", "--plot", "b.png", "--level", "90")
        assert ended.code == 0, ended.err
        lines = ended.out.splitlines()
        assert [line.split()[0] for line in lines[1:4]] == ["network", "naive", "seasonal-naive"]
        assert lines[-1].startswith("The network ") and "trained on" not in ended.out + ended.err
        rows = pd.read_csv("b.csv")
        assert not rows["seen"].any() and rows["cutoff"].nunique() == 5
        assert [name for name in notes_of(ended.err) if name in INFERRED] == INFERRED
        assert (folder / "b.png").read_bytes().startswith(b"\x89PNG")

    def test_gates_splits_residuals_and_json(self, command: Command, sales: pd.DataFrame) -> None:
        flags = ("--baselines", "seasonal-naive", "--horizon", "7", "--origins", "3")
        assert command("evaluate", "sales.csv", *flags, "--fail-if", "mae<0").code == 0
        assert command("evaluate", "sales.csv", *flags, "--fail-if", "mae>0", "--by", "series", "--residuals").code == 7
        document = json.loads(command("evaluate", "sales.csv", *flags, "--json").out)
        assert document["model"] is None and document["summary"][0]["model"] == "network"
        rows = command("evaluate", "sales.csv", *flags, "--output", "-", "-q")
        assert len(pd.read_csv(io.StringIO(rows.out))) == 2 * 2 * 3 * 7 and rows.err == ""

    def test_refit_every_0_is_never(self, command: Command, sales: pd.DataFrame) -> None:
        assert command("evaluate", "sales.csv", "--baselines", "naive", "--refit-every", "0").code == 0

    def test_a_saved_backtest_is_compared(self, command: Command, sales: pd.DataFrame) -> None:
        for season in ("1", "7"):
            flags = ("--season", season, "--baselines", "naive", "--horizon", "7", "--origins", "3")
            command("evaluate", "sales.csv", *flags, "--output", f"{season}.csv")
        assert command("compare", "1.csv", "7.csv").code == 0

    def test_a_model_that_is_named_takes_the_table_as_its_data(self, command: Command, model: Path) -> None:
        flags = ("--model", "forecaster-model", "--baselines", "naive", "--origins", "1")
        named, given = (
            command("evaluate", "dataset:airline", *flags),
            command("evaluate", "--data", "dataset:airline", *flags),
        )
        assert (named.code, named.out, named.err) == (given.code, given.out, given.err)
        assert "seen rows" in named.err


class TestPlot:
    def test_readings_are_drawn_with_their_forecast_and_that_is_said(
        self, command: Command, sales: pd.DataFrame, folder: Path
    ) -> None:
        ended = command("plot", "sales.csv", "--output", "p.svg", "--horizon", "5", "--series", "1")
        assert (ended.code, ended.out) == (0, ""), ended.err
        assert ended.err.startswith("  forecast   with no fit  ('sales.csv' holds readings, and is no forecast)\n")
        assert ended.err.endswith("picture: p.svg\n") and "  horizon    5 steps" in ended.err
        assert b"<svg" in (folder / "p.svg").read_bytes()

    def test_a_forecast_is_drawn_as_before(self, command: Command, sales: pd.DataFrame) -> None:
        command("predict", "sales.csv", "--output", "f.csv")
        alone = command("plot", "f.csv", "--output", "alone.png")
        assert (alone.code, alone.err) == (0, "picture: alone.png\n")
        assert command("plot", "f.csv", "--data", "sales.csv", "--output", "both.png").code == 0

    def test_directions_of_the_wind_are_readings(self, command: Command, sales: pd.DataFrame) -> None:
        sales.rename(columns={"promo": "direction"}).to_csv("wind.csv", index=False)
        assert command("plot", "wind.csv").code == 0

    def test_a_model_that_is_named_forecasts_the_table(self, command: Command, model: Path) -> None:
        ended = command("plot", "dataset:airline", "--model", "forecaster-model", "--horizon", "3")
        assert ended.code == 0 and "with no fit" not in ended.err, ended.err


class TestMakeFuture:
    def test_the_table_that_fit_reads(self, command: Command, sales: pd.DataFrame) -> None:
        ended = command("make-future", "sales.csv", "--horizon", "3", "--output", "plan.csv")
        assert (ended.code, ended.out) == (0, ""), ended.err
        assert ended.err.endswith("future: plan.csv, 6 rows, 6 cells to fill in\n")
        table = pd.read_csv("plan.csv")
        assert list(table) == ["shop", "day", "promo"] and table["promo"].isna().all()
        assert table["day"].tolist() == ["2024-03-21", "2024-03-22", "2024-03-23"] * 2
        assert "  future     promo  (to fill in" in ended.err and "known until the cutoff" not in ended.err
        assert len(table_of(command("make-future", "sales.csv").out)) == 28

    def test_a_fit_takes_its_columns_as_future_covariates(self, command: Command, sales: pd.DataFrame) -> None:
        from forecaster.config import Config
        from forecaster.notes import Note
        from forecaster.prediction.given_rows import training_panel

        command("make-future", "sales.csv", "--output", "plan.csv")
        notes: list[Note] = []
        panel = training_panel("sales.csv", "plan.csv", Config(), notes)
        assert [column.name for column in panel.of_role("future")] == ["promo"]
