"""Several backtests on the same windows, from tables and from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.data.writers import save_table
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.evaluation.comparison import compare
from forecaster.evaluation.saved_backtests import COLUMNS, read_run


def run(
    error: float = 1.0,
    origins: int = 8,
    first: int = 0,
    steps: int = 3,
    seed: int = 0,
    models: tuple[str, ...] = ("network", "seasonal-naive"),
    series: tuple[str, ...] = ("a", "b"),
    zone: str | None = None,
) -> pd.DataFrame:
    """Return a backtest of daily series: what came is known by its time, errors are random."""
    generator, rows = np.random.default_rng(seed), []
    days = pd.date_range("2020-01-01", periods=200, freq="D", tz=zone)
    for model in models:
        for place, name in enumerate(series):
            for origin in range(first, first + origins):
                for step in range(1, steps + 1):
                    row = 20 + origin * 3 + step
                    actual = 100.0 * (place + 1) + row % 7
                    size = error if model == "network" else 3.0
                    made = actual + size * generator.normal()
                    times = (days[20 + origin * 3], step, days[row])
                    rows.append((model, name, *times, False, actual, True, made, made - 2, made + 2, place + 1.0))
    names = ["model", "series", "cutoff", "step", "time", "seen", "actual", "observed", "forecast"]
    return pd.DataFrame(rows, columns=[*names, "lo-80", "hi-80", "scale"])


class TestCompare:
    def test_models_are_named_and_baselines_kept_once(self) -> None:
        found = compare({"x": run(), "y": run(2.0, seed=1)})
        assert found.names == ("x", "y")
        assert found.summary["model"].tolist() == ["x", "y", "seasonal-naive"]
        assert len(found.table) == 3 * 2 * 8 * 3
        assert found.notes == []
        pairs = list(zip(found.tests["model"], found.tests["against"], strict=True))
        assert pairs == [("x", "y"), ("x", "seasonal-naive"), ("y", "seasonal-naive")]
        assert found.measures["skill:y"] == found.tests["skill"][0] > 0
        assert found.verdict == "x is better than y and seasonal-naive."

    def test_only_shared_windows_count(self) -> None:
        a, b = run(origins=8), run(origins=8, first=5, seed=1)
        found = compare({"x": a, "y": b})
        assert found.summary["windows"].tolist() == [2 * 3] * 3
        shared = a["cutoff"].isin(b["cutoff"]) & (a["model"] == "network")
        errors = (a["actual"] - a["forecast"]).abs()[shared].groupby(a["series"]).mean()
        assert found.summary["mae"][0] == pytest.approx(errors.mean())
        assert [str(note) for note in found.notes] == [
            "x: 10 of 16 windows left out (the others have no such windows)",
            "y: 10 of 16 windows left out (the others have no such windows)",
        ]

    def test_only_shared_steps_count(self) -> None:
        found = compare({"x": run(steps=3), "y": run(steps=2)})
        assert sorted(found.table["step"].unique()) == [1, 2]
        assert [str(note) for note in found.notes] == ["x: 16 of 48 steps left out (the others have no such steps)"]

    def test_ranks_are_means_over_windows(self) -> None:
        found = compare({"x": run(), "y": run(2.0, seed=1)})
        table = found.table.assign(error=(found.table["actual"] - found.table["forecast"]).abs())
        places: dict[str, list[int]] = {"x": [], "y": [], "seasonal-naive": []}
        for _, window in table.groupby(["series", "cutoff"]):
            errors = window.groupby("model")["error"].mean().sort_values()
            for place, name in enumerate(errors.index, start=1):
                places[name].append(place)
        expected = [np.mean(places[name]) for name in found.summary["model"]]
        np.testing.assert_allclose(found.summary["rank"], expected)

    def test_ranks_do_not_tell_rounding_errors_apart(self) -> None:
        """Nor do places depend on which of two equal runs is rounded."""
        again, other = run(), run(seed=1)
        again["forecast"] = again["forecast"].astype("float32").astype(float)
        expected = compare({"x": run(), "same": run(), "y": other}).summary["rank"]
        np.testing.assert_array_equal(compare({"x": run(), "same": again, "y": other}).summary["rank"], expected)
        assert expected[0] == expected[1] != expected[2]
        worse = run()
        worse["forecast"] += 1e-3 * np.sign(worse["forecast"] - worse["actual"])
        found = compare({"x": worse, "same": again, "y": other}).summary["rank"]
        assert found[0] - found[1] == pytest.approx(1, abs=0.1)

    def test_a_baseline_that_misses_windows_is_left_out(self) -> None:
        short = run(models=("network", "drift"))
        short = short[(short["model"] == "network") | (short["cutoff"] > short["cutoff"].min())]
        found = compare({"x": short, "y": run(seed=1)})
        assert found.summary["model"].tolist() == ["x", "y", "seasonal-naive"]
        assert [str(note) for note in found.notes] == [
            "drift: left out (it has no forecast of 6 of the 48 rows compared)"
        ]

    def test_actuals_of_0_are_told(self) -> None:
        zero = [table.assign(actual=table["actual"].where(table["step"] > 1, 0.0)) for table in (run(), run(seed=1))]
        note = compare({"x": zero[0], "y": zero[1]}).notes[-1]
        assert str(note) == "mape: 16 of 48 rows left out (their actual is 0)" and note.warning

    def test_levels_that_not_all_have_are_left_out(self) -> None:
        wide = run().assign(**{"lo-95": 0.0, "hi-95": 1.0})
        found = compare({"x": wide, "y": run(seed=1)})
        assert "coverage-80" in found.summary and "coverage-95" not in found.summary
        assert str(found.notes[0]) == "levels: 95 % left out (not every run has them)"

    def test_rows_of_the_training_are_told(self) -> None:
        seen = run(seed=1)
        seen["seen"] = (seen["model"] == "network") & (seen["step"] == 1)
        found = compare({"x": run(), "y": seen})
        assert found.verdict.startswith("No verdict")
        assert found.notes[0].value == "y was trained on 16 of the 48 rows scored"

    def test_zones_are_brought_together(self) -> None:
        local = run(zone="Europe/Berlin")
        utc = local.assign(cutoff=local["cutoff"].dt.tz_convert("UTC"), time=local["time"].dt.tz_convert("UTC"))
        assert compare({"x": local, "y": utc}).summary["windows"].tolist() == [16] * 3

    def test_a_run_of_one_model_needs_no_network(self) -> None:
        found = compare({"x": run(models=("mine",)), "y": run(seed=1)})
        assert found.summary["model"].tolist() == ["x", "y", "seasonal-naive"]

    def test_what_cannot_be_compared_is_refused(self) -> None:
        with pytest.raises(SettingError, match="needs two models or more, got 1"):
            compare({"x": run()})
        with pytest.raises(DataError, match="no window that all of them forecast: x has cutoffs 2020") as caught:
            compare({"x": run(), "y": run(first=30)})
        assert "origins" in caught.value.hint
        counted = run().assign(cutoff=1, time=2)
        counted["step"] = np.arange(len(counted))
        with pytest.raises(DataError, match="no window that all of them forecast"):
            compare({"x": run(), "y": counted})
        other = run(seed=1)
        other.loc[4, "actual"] += 1
        with pytest.raises(DataError, match=r"x and y have different actuals at 2020-01-26.* of series a: 104 and 105"):
            compare({"x": run(), "y": other})
        with pytest.raises(DataError, match="'x' holds no model 'network' but one, two"):
            compare({"x": run(models=("one", "two")), "y": run()})
        with pytest.raises(DataError, match="'y' forecasts a step of a window twice"):
            compare({"x": run(), "y": pd.concat([run(), run()])})


class TestFiles:
    @pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
    @pytest.mark.parametrize("series", [("",), ("01", "2")])
    @pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
    def test_a_run_comes_back(self, tmp_path: Path, suffix: str, series: tuple[str, ...], zone: str | None) -> None:
        table = run(series=series, zone=zone)
        table.loc[3, "forecast"] = np.nan
        path = str(tmp_path / f"run.{suffix}")
        save_table(table, path)
        expected = table.copy()
        for name in ("cutoff", "time"):
            if zone:
                expected[name] = expected[name].dt.tz_convert("UTC").dt.tz_localize(None)
        pd.testing.assert_frame_equal(read_run(path), expected, check_dtype=True)
        test = compare({"x": table, "y": read_run(path)}).tests.iloc[0]
        assert test["skill"] == pytest.approx(0, abs=1e-12) and test["p-value"] == 1

    def test_counted_steps_stay_numbers(self, tmp_path: Path) -> None:
        table = run()
        table = table.assign(
            cutoff=table["cutoff"].dt.dayofyear.astype(int), time=table["time"].dt.dayofyear.astype(int)
        )
        save_table(table, tmp_path / "run.csv")
        pd.testing.assert_frame_equal(read_run(tmp_path / "run.csv"), table, check_dtype=False)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"drop": "step"}, "is not a backtest: it has no column 'step'"),
            ({"forecast": "x"}, "column 'forecast' of .* is not numbers"),
            ({"step": ""}, "column 'step' of .* is empty in row 1"),
            ({"step": 1.5}, "column 'step' of .* is no whole number but 1.5 in row 1"),
            ({"observed": "perhaps"}, "column 'observed' of .* is not True or False in row 1"),
            ({"time": "soon"}, "column 'time' of .* holds neither times nor counted steps"),
            ({"cutoff": ""}, "column 'cutoff' of .* is empty in row 1"),
        ],
    )
    def test_another_table_is_refused(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        table = run()
        dropped = change.pop("drop", None)
        table = table.drop(columns=dropped) if dropped else table.astype(object).assign(**change)
        table.to_csv(tmp_path / "run.csv", index=False)
        with pytest.raises(DataError, match=message) as caught:
            read_run(tmp_path / "run.csv")
        assert "save the table of forecaster evaluate" in caught.value.hint

    def test_no_file(self) -> None:
        with pytest.raises(NotFoundError, match=r"there is no file 'none.csv'"):
            read_run("none.csv")
        assert set(COLUMNS) <= set(run().columns)
