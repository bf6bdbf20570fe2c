from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from samples import backtest

from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles
from forecaster.errors import DataError, SettingError
from forecaster.evaluation.backtest import Batched, baseline_forecast
from forecaster.evaluation.baselines import BASELINES, NAIVE_FAMILY
from forecaster.evaluation.metrics import METRICS, OF_LEVELS, seasonal_scale
from forecaster.evaluation.summary import summarise
from forecaster.notes import notes_of

LEVELS = (80, 95)
COLUMNS = ["model", "series", "cutoff", "step", "time", "actual", "observed", "forecast"]
ENDS = ["lo-80", "hi-80", "lo-95", "hi-95"]


def make_panel(lengths: tuple[int, ...] = (40, 60, 52), seed: int = 0, zone: str = "", freq: str = "D") -> Panel:
    rng = np.random.default_rng(seed)
    rows = sum(lengths)
    step = np.timedelta64({"D": 24, "h": 1}[freq] * 3600 * 10**9, "ns")
    times = [np.datetime64("2024-01-01", "ns") + np.arange(n) * step for n in lengths]
    return Panel(
        values=rng.normal(size=rows).cumsum() + 50,
        observed=rng.random(rows) < 0.9,
        times=np.concatenate(times),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        freq=freq,
        roles=Roles("day", "load", "place"),
        zone=zone,
    )


def naive_models(season: int = 7) -> dict[str, Callable[[Panel, int], np.ndarray]]:
    return {name: baseline_forecast(name, season, LEVELS) for name in NAIVE_FAMILY}


class Recorder:
    """A model that keeps what it was given and forecasts zeros."""

    def __init__(self) -> None:
        self.seen: list[Panel] = []

    def __call__(self, panel: Panel, horizon: int) -> np.ndarray:
        self.seen.append(panel)
        return np.zeros((len(panel), horizon, 5))


class TestTable:
    def test_agrees_with_a_slow_loop(self) -> None:
        panel, horizon, stride, origins = make_panel(), 4, 3, 3
        found = backtest(panel, naive_models(), horizon, origins=origins, stride=stride, season=7)
        expected = []
        for name in NAIVE_FAMILY:
            for k in range(origins)[::-1]:
                for i, series in enumerate(panel.ids):
                    y, t = panel.values[panel.rows(i)], panel.times[panel.rows(i)]
                    seen = panel.observed[panel.rows(i)]
                    n = len(y) - horizon - k * stride
                    numbers = BASELINES[name](y[:n], horizon, 7, LEVELS)
                    for j in range(horizon):
                        row = [name, series, t[n - 1], j + 1, t[n + j], y[n + j], seen[n + j], *numbers[j]]
                        expected.append(row)
        pd.testing.assert_frame_equal(found, pd.DataFrame(expected, columns=COLUMNS + ENDS), check_dtype=False)

    def test_columns_follow_the_levels(self) -> None:
        models = {"naive": baseline_forecast("naive", 7, (95, 50))}
        found = backtest(make_panel(), models, 4, season=7, levels=(95, 50))
        assert list(found) == [*COLUMNS, "lo-95", "hi-95", "lo-50", "hi-50"]
        none = backtest(make_panel(), {"naive": baseline_forecast("naive", 7, ())}, 4, season=7, levels=())
        assert list(none) == COLUMNS
        assert list(summarise(none, {}))[-3:] == ["crps", "owa", "skill"]

    def test_counted_steps_and_time_zones_are_kept(self) -> None:
        panel = make_panel()
        counted = replace(panel, times=np.concatenate([np.arange(n) for n in panel.lengths]), freq="step")
        table = backtest(counted, naive_models(), 4, origins=1, season=7)
        assert table["cutoff"].dtype == np.int64 and table["cutoff"][0] == 35 and table["time"][0] == 36
        zoned = backtest(make_panel(zone="Europe/Berlin", freq="h"), naive_models(), 4, origins=1, season=7)
        assert zoned["cutoff"][0] == pd.Timestamp("2024-01-02 12:00", tz="Europe/Berlin")
        assert zoned["time"][0] == pd.Timestamp("2024-01-02 13:00", tz="Europe/Berlin")
        assert str(zoned["time"].dtype) == str(zoned["cutoff"].dtype) == "datetime64[ns, Europe/Berlin]"

    def test_windows_do_not_overlap_unless_asked_to(self) -> None:
        table = backtest(make_panel(), {"zero": Recorder()}, 5, origins=4, season=7)
        assert not table.duplicated(["series", "time"]).any()


class TestNoLeakage:
    def test_a_model_sees_the_rows_up_to_the_cutoff_and_no_more(self) -> None:
        panel, recorder = make_panel(), Recorder()
        table = backtest(panel, {"recorder": recorder}, 6, origins=3, stride=2, season=7)
        for past, (_, window) in zip(recorder.seen, table.groupby(table.index // (3 * 6)), strict=True):
            for i, (series, rows) in enumerate(window.groupby("series")):
                cutoff = rows["cutoff"].iloc[0].to_datetime64()
                whole = panel.rows(panel.ids.index(series))
                until = panel.times[whole] <= cutoff
                np.testing.assert_array_equal(past.times[past.rows(i)], panel.times[whole][until])
                np.testing.assert_array_equal(past.values[past.rows(i)], panel.values[whole][until])
                np.testing.assert_array_equal(past.observed[past.rows(i)], panel.observed[whole][until])
                assert (rows["time"].to_numpy() > cutoff).all()

    def test_nothing_given_to_a_model_is_a_view_of_the_whole(self) -> None:
        panel, recorder = make_panel(), Recorder()
        backtest(panel, {"recorder": recorder}, 6, origins=3, season=7)
        for past in recorder.seen:
            for name in ("values", "observed", "times"):
                array = getattr(past, name)
                assert not np.shares_memory(array, getattr(panel, name))
                assert array.base is None or len(array.base) == len(array)

    @pytest.mark.parametrize("shift", [0, 3, 6])
    def test_future_rows_change_no_forecast(self, shift: int) -> None:
        panel, horizon = make_panel(), 4
        models = {name: baseline_forecast(name, 7, LEVELS) for name in (*NAIVE_FAMILY, "AutoTheta")}
        table = backtest(panel, models, horizon, origins=3, stride=3, season=7)
        newest = panel.ages() < horizon + shift
        other = replace(panel, values=np.where(newest, -1e6, panel.values), observed=panel.observed & ~newest)
        changed = backtest(other, models, horizon, origins=3, stride=3, season=7)
        cutoffs = np.stack([panel.times[panel.rows(i)][-horizon - shift - 1] for i in range(len(panel))])
        before = table["cutoff"] <= table["series"].map(dict(zip(panel.ids, cutoffs, strict=True)))
        assert before.sum() == len(models) * 3 * (3 - shift // 3) * horizon
        columns = ["forecast", *ENDS]
        pd.testing.assert_frame_equal(changed.loc[before, columns], table.loc[before, columns])
        assert not changed.loc[before, "actual"].equals(table.loc[before, "actual"])

    def test_a_model_that_writes_into_its_panel_harms_nobody(self) -> None:
        def vandal(panel: Panel, horizon: int) -> np.ndarray:
            panel.values[:] = np.nan
            return np.zeros((len(panel), horizon, 5))

        panel = make_panel()
        kept = panel.values.copy()
        table = backtest(panel, {"vandal": vandal, **naive_models()}, 4, season=7)
        assert np.isfinite(table[["actual", "forecast"]]).all(axis=None)
        np.testing.assert_array_equal(panel.values, kept)


class TestGap:
    def test_the_first_steps_are_forecast_but_not_scored(self) -> None:
        panel, seen = make_panel(), Recorder()
        table = backtest(panel, {"zero": seen, **naive_models()}, 4, origins=3, stride=2, season=7, gap=3)
        far = backtest(panel, naive_models(), 7, origins=3, stride=2, season=7)
        assert sorted(table["step"].unique()) == [4, 5, 6, 7]
        expected = far[far["step"] > 3].reset_index(drop=True)
        pd.testing.assert_frame_equal(table[table["model"] != "zero"].reset_index(drop=True), expected)

    def test_the_rows_of_the_gap_are_not_seen(self) -> None:
        panel, recorder = make_panel(), Recorder()
        backtest(panel, {"zero": recorder}, 4, origins=1, season=7, gap=3)
        (past,) = recorder.seen
        assert (past.lengths == panel.lengths - 7).all()

    def test_a_gap_that_leaves_no_rows_is_refused(self) -> None:
        with pytest.raises(DataError, match="the longest has 60 rows, one window takes 106"):
            backtest(make_panel(), naive_models(), 4, season=7, gap=100)


class TestSlidingWindow:
    def test_as_many_rows_as_before_the_oldest_origin(self) -> None:
        panel, recorder = make_panel((40, 60, 52)), Recorder()
        backtest(panel, {"zero": recorder}, 4, origins=3, stride=5, season=7, sliding=True)
        for k, past in enumerate(recorder.seen):
            np.testing.assert_array_equal(past.lengths, panel.lengths - 4 - 10)
            for i in range(3):
                rows = panel.rows(i)
                expected = panel.values[rows][5 * k : 5 * k + past.lengths[i]]
                np.testing.assert_array_equal(past.values[past.rows(i)], expected)

    def test_a_series_that_joins_late_slides_over_its_own_rows(self) -> None:
        recorder = Recorder()
        backtest(make_panel((12, 60)), {"zero": recorder}, 4, origins=3, stride=5, season=2, least=3, sliding=True)
        assert [past.lengths.tolist() for past in recorder.seen] == [[46], [3, 46], [3, 46]]

    def test_one_origin_is_the_same_either_way(self) -> None:
        panel = make_panel()
        either = [backtest(panel, naive_models(), 4, origins=1, season=7, sliding=s) for s in (False, True)]
        pd.testing.assert_frame_equal(*either)


class Tail:
    """A model of the newest three rows, which keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[Panel] = []

    def __call__(self, panel: Panel, horizon: int) -> np.ndarray:
        self.seen.append(panel)
        mean = np.array([panel.values[rows][-3:].mean() for rows in panel.slices()])
        return np.broadcast_to(mean[:, None, None], (len(panel), horizon, 5))


class TestBatched:
    @pytest.mark.parametrize("bridged", [False, True])
    @pytest.mark.parametrize("sliding", [False, True])
    def test_many_origins_in_one_call_give_the_same(self, bridged: bool, sliding: bool) -> None:
        panel, together = replace(make_panel(), bridged=bridged), Tail()
        models = {"alone": Tail(), "together": Batched(together, 3)}
        table = backtest(panel, models, 4, origins=6, stride=2, season=7, gap=1, sliding=sliding)
        alone, batched = (table[table["model"] == name].drop(columns="model") for name in models)
        pd.testing.assert_frame_equal(batched.reset_index(drop=True), alone.reset_index(drop=True))
        (past,) = together.seen
        assert len(past) == 18 and (past.lengths == 3).all() and past.ids[:4] == ("s0", "s1", "s2", "s0")

    def test_calls_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("forecaster.evaluation.backtest.MOST_ROWS", 120)
        together = Tail()
        models = {"alone": Tail(), "together": Batched(together, 3)}
        table = backtest(make_panel(), models, 4, origins=6, stride=2, season=7)
        assert [len(past) for past in together.seen] == [2] * 9
        alone, batched = (table.loc[table["model"] == name, "forecast"] for name in models)
        np.testing.assert_array_equal(batched, alone)

    def test_it_is_told_the_future_covariates_and_keeps_its_own(self) -> None:
        panel = make_panel((30, 40))
        columns = (Column("seen", "past"), Column("plan", "future"))
        covariates = np.stack([np.arange(70.0), 100 + np.arange(70.0)], axis=1).astype(np.float32)
        panel = replace(panel, columns=columns, covariates=covariates)
        recorder = Recorder()
        backtest(panel, {"r": Batched(recorder, 5)}, 3, origins=2, season=7)
        (past,) = recorder.seen
        assert past.beyond is not None
        for i, (series, end) in enumerate([(0, 24), (1, 64), (0, 27), (1, 67)]):
            assert past.ids[i] == f"s{series}"
            assert past.covariates[past.rows(i)][-1].tolist() == [end - 1, 100 + end - 1]
            assert past.beyond[i].ravel().tolist() == [100 + end, 101 + end, 102 + end]


class TestLeftOut:
    def test_series_too_short_for_an_origin_are_counted(self) -> None:
        table = backtest(make_panel((10, 60)), naive_models(), 4, origins=3, season=2, least=3)
        windows = table[["series", "cutoff"]].drop_duplicates()["series"].value_counts()
        assert windows.to_dict() == {"s1": 3, "s0": 1}
        assert [str(note) for note in notes_of(table)] == [
            "windows: 2 of 6 left out (their series are too short for this many origins and rows before the first)"
        ]
        assert notes_of(table)[0].warning

    def test_nothing_left_out_is_nothing_said(self) -> None:
        assert notes_of(backtest(make_panel(), naive_models(), 4, season=7)) == []

    def test_a_season_that_cannot_be_repeated_is_counted(self) -> None:
        table = backtest(make_panel((30, 60)), naive_models(30), 5, origins=2, season=30)
        assert "seasonal-naive: 2 windows without a season (fewer than 30 rows before the cutoff" in str(
            notes_of(table)[0]
        )

    def test_missing_forecasts_and_intervals_are_counted(self) -> None:
        def silent(panel: Panel, horizon: int) -> np.ndarray:
            return np.full((len(panel), horizon, 5), np.nan)

        def bare(panel: Panel, horizon: int) -> np.ndarray:
            values = np.zeros((len(panel), horizon, 5))
            values[0, :, 1:] = np.nan
            return values

        table = backtest(make_panel(), {**naive_models(), "silent": silent, "bare": bare}, 4, origins=2, season=7)
        assert [(note.name, note.value) for note in notes_of(table)] == [
            ("silent", "no forecast in 6 windows"),
            ("bare", "no interval in 2 windows"),
        ]
        summary = summarise(table, dict.fromkeys(("s0", "s1", "s2"), 1.0)).set_index("model")
        assert summary.loc["silent", ["series", "windows"]].tolist() == [0, 0]
        assert summary.loc["silent"].drop(["series", "windows"]).isna().all()
        rest = table[(table["model"] == "bare") & (table["series"] != "s0") & table["observed"]]
        inside = rest["actual"].between(rest["lo-80"], rest["hi-80"]).groupby(rest["series"]).mean().mean()
        assert summary.loc["bare", "coverage-80"] == pytest.approx(inside)

    def test_no_series_long_enough_is_refused(self) -> None:
        with pytest.raises(DataError, match="the longest has 9 rows, one window takes 10") as caught:
            backtest(make_panel((5, 9)), naive_models(), 8, season=7)
        assert "horizon" in caught.value.hint

    def test_the_notes_survive_json(self) -> None:
        table = backtest(make_panel((10, 60)), naive_models(), 4, origins=3, season=2)
        assert json.loads(json.dumps(table.attrs))["notes"][0]["name"] == "windows"


class TestSettings:
    @pytest.mark.parametrize("name", ["horizon", "origins", "stride", "least"])
    def test_counts_below_one_are_refused(self, name: str) -> None:
        settings: dict[str, Any] = {"horizon": 4, "origins": 2, "stride": 2, "least": 2} | {name: 0}
        with pytest.raises(SettingError, match=f"{name} must be 1 or more, got 0"):
            backtest(make_panel(), naive_models(), season=7, **settings)

    def test_a_gap_below_zero_is_refused(self) -> None:
        with pytest.raises(SettingError, match="gap must be 0 or more, got -1"):
            backtest(make_panel(), naive_models(), 4, season=7, gap=-1)

    def test_a_wrong_level_and_no_model_are_refused(self) -> None:
        with pytest.raises(SettingError, match="between 1 and 99, got 100"):
            backtest(make_panel(), naive_models(), 4, season=7, levels=(100,))
        with pytest.raises(SettingError, match="at least one model"):
            backtest(make_panel(), {}, 4, season=7)

    def test_a_forecast_of_the_wrong_shape_is_refused(self) -> None:
        with pytest.raises(SettingError, match=r"model 'flat' returned .* \(3, 4\), expected \(3, 4, 5\)"):
            backtest(make_panel(), {"flat": lambda panel, horizon: np.zeros((len(panel), horizon))}, 4, season=7)

    def test_an_unknown_baseline_is_refused(self) -> None:
        with pytest.raises(SettingError, match="unknown baseline 'nave'"):
            baseline_forecast("nave", 7, LEVELS)


def interval_score(row: dict[str, float]) -> float:
    outside = max(row["lo-80"] - row["actual"], 0) + max(row["actual"] - row["hi-80"], 0)
    return row["hi-80"] - row["lo-80"] + 10 * outside


def slow_summary(table: pd.DataFrame, scales: dict[str, float]) -> dict[str, dict[str, float]]:
    """Mean errors by loops over rows: per series first, then over series."""
    rows = table.to_dict("records")
    reference = {(r["series"], r["cutoff"], r["step"]): r["forecast"] for r in rows if r["model"] == "seasonal-naive"}
    found = {}
    for model in table["model"].unique():
        per_series: list[dict[str, float]] = []
        for series in table["series"].unique():
            mine = [r for r in rows if (r["model"], r["series"], r["observed"]) == (model, series, True)]
            errors = [abs(r["actual"] - r["forecast"]) for r in mine]
            base = [abs(r["actual"] - reference[r["series"], r["cutoff"], r["step"]]) for r in mine]
            mae = sum(errors) / len(errors)
            per_series.append(
                {
                    "mae": mae,
                    "rmse": math.sqrt(sum(e * e for e in errors) / len(errors)),
                    "mase": mae / scales[series],
                    "coverage-80": sum(r["lo-80"] <= r["actual"] <= r["hi-80"] for r in mine) / len(mine),
                    "msis-80": sum(interval_score(r) for r in mine) / len(mine) / scales[series],
                    "base": sum(base) / len(base) / scales[series],
                }
            )
        mean = {name: sum(p[name] for p in per_series) / len(per_series) for name in per_series[0]}
        found[model] = mean | {"skill": 1 - mean["mase"] / mean.pop("base")}
    return found


class TestSummary:
    def test_agrees_with_a_slow_loop(self) -> None:
        panel = make_panel((40, 60, 27))
        table = backtest(panel, naive_models(), 4, origins=3, season=7)
        scales = {name: seasonal_scale(panel.values[panel.rows(i)][:10], 7) for i, name in enumerate(panel.ids)}
        summary = summarise(table, scales)
        of_levels = [f"{name}-{level}" for name in OF_LEVELS for level in LEVELS]
        single = [name for name in METRICS if name not in OF_LEVELS]
        assert list(summary) == ["model", "series", "windows", *single, *of_levels, "owa", "skill"]
        assert summary["model"].tolist() == list(NAIVE_FAMILY)
        assert summary["series"].tolist() == [3] * 5 and summary["windows"].tolist() == [9] * 5
        for name, expected in slow_summary(table, scales).items():
            row = summary.set_index("model").loc[name]
            assert row[list(expected)].to_dict() == pytest.approx(expected)
        assert summary.set_index("model").loc["seasonal-naive", "skill"] == 0
        assert summary.set_index("model").loc["Naive2", "owa"] == 1

    def test_filled_rows_are_not_scored(self) -> None:
        table = backtest(make_panel(), naive_models(), 4, season=7)
        scales = dict.fromkeys(("s0", "s1", "s2"), 1.0)
        wild = table.assign(actual=table["actual"].where(table["observed"], 1e9))
        assert (~table["observed"]).any()
        pd.testing.assert_frame_equal(summarise(wild, scales), summarise(table, scales))

    def test_a_series_without_a_scale_is_left_out_of_mase_and_skill(self) -> None:
        table = backtest(make_panel(), naive_models(), 4, season=7)
        summary = summarise(table, {"s0": 2.0, "s1": float("nan"), "s2": 2.0})
        two = summarise(table[table["series"] != "s1"], {"s0": 2.0, "s2": 2.0})
        pd.testing.assert_frame_equal(summary[["mase", "skill"]], two[["mase", "skill"]])
        assert "mase: 1 series left out" in str(notes_of(summary)[0])

    def test_skill_of_one_series_needs_no_scale(self) -> None:
        table = backtest(make_panel((60,)), naive_models(), 4, season=7)
        bare, scaled = summarise(table, {}), summarise(table, {"s0": 3.0})
        assert bare["mase"].isna().all()
        np.testing.assert_allclose(bare["skill"], scaled["skill"])
        errors = bare.set_index("model")["mae"]
        np.testing.assert_allclose(bare["skill"], 1 - bare["mae"] / errors["seasonal-naive"])
        np.testing.assert_allclose(bare["owa"], scaled["owa"])
        percents = bare.set_index("model")["smape"]
        expected = (bare["smape"] / percents["Naive2"] + bare["mae"] / errors["Naive2"]) / 2
        np.testing.assert_allclose(bare["owa"], expected)

    def test_skill_compares_on_the_rows_a_model_has(self) -> None:
        def twin(panel: Panel, horizon: int) -> np.ndarray:
            found = baseline_forecast("seasonal-naive", 7, LEVELS)(panel, horizon)
            found[1:] = np.nan
            return found

        table = backtest(make_panel(), {**naive_models(), "twin": twin}, 4, season=7)
        summary = summarise(table, {"s0": 1.0, "s1": 50.0, "s2": 0.01}).set_index("model")
        assert summary.loc["twin", "skill"] == 0 and summary.loc["twin", "series"] == 1

    def test_without_the_reference_skill_is_nan(self) -> None:
        table = backtest(make_panel(), {"naive": baseline_forecast("naive", 7, LEVELS)}, 4, season=7)
        assert summarise(table, dict.fromkeys(("s0", "s1", "s2"), 1.0))["skill"].isna().all()

    def test_a_perfect_model_has_skill_one(self) -> None:
        panel = make_panel()

        def oracle(past: Panel, horizon: int) -> np.ndarray:
            found = np.zeros((len(past), horizon, 5))
            for i, name in enumerate(past.ids):
                n = int(past.lengths[i])
                found[i] = panel.values[panel.rows(panel.ids.index(name))][n : n + horizon, None]
            return found

        table = backtest(panel, {"oracle": oracle, **naive_models()}, 4, season=7)
        row = summarise(table, dict.fromkeys(panel.ids, 1.0)).iloc[0]
        assert row[["mae", "rmse", "mase", "smape", "pinball"]].tolist() == [0] * 5
        assert row[["coverage-80", "coverage-95", "skill"]].tolist() == [1] * 3


class TestSplits:
    def table(self) -> pd.DataFrame:
        panel = make_panel()
        table = backtest(panel, naive_models(), 4, origins=3, season=7)
        return table.assign(scale=table["series"].map({"s0": 1.0, "s1": 3.0, "s2": 0.5}))

    @pytest.mark.parametrize("split", ["series", "step"])
    def test_a_part_is_scored_as_if_it_were_all(self, split: str) -> None:
        table = self.table()
        found = summarise(table, by=split)
        assert len(found) == len(NAIVE_FAMILY) * table[split].nunique()
        for part, rows in found.groupby(split):
            alone = summarise(table[table[split] == part])
            names = [name for name in alone.columns if name in rows.columns and name != "series"]
            pd.testing.assert_frame_equal(rows[names].reset_index(drop=True), alone[names])

    def test_levels(self) -> None:
        table = self.table()
        found, whole = summarise(table, by="level"), summarise(table)
        assert found["level"].tolist() == [80, 95] * len(NAIVE_FAMILY)
        assert list(found) == ["model", "level", *OF_LEVELS]
        for level, rows in found.groupby("level"):
            for name in OF_LEVELS:
                np.testing.assert_array_equal(rows[name], whole[f"{name}-{level}"])

    def test_scales_of_the_table_are_used(self) -> None:
        table = self.table().assign(**{"root-scale": 2.0})
        given = summarise(table, {"s0": 1.0, "s1": 3.0, "s2": 0.5}, dict.fromkeys(("s0", "s1", "s2"), 2.0))
        pd.testing.assert_frame_equal(summarise(table), given)
        assert np.isfinite(given["rmsse"]).all()

    def test_an_unknown_split_is_refused(self) -> None:
        with pytest.raises(
            SettingError, match="cannot split by 'steps', expected one of series, step, level"
        ) as caught:
            summarise(self.table(), by="steps")
        assert caught.value.hint == "did you mean 'step'?"


def test_m4_hourly_seasonal_naive_scores_as_published(shared_data: Path) -> None:
    train, test = (
        pd.read_csv(shared_data / "m4_hourly" / name).iloc[:, 1:].to_numpy(float) for name in ("train.csv", "test.csv")
    )
    histories = [row[np.isfinite(row)] for row in train]
    series = [np.concatenate([h, t]) for h, t in zip(histories, test, strict=True)]
    lengths = [len(s) for s in series]
    panel = Panel(
        values=np.concatenate(series),
        observed=np.ones(sum(lengths), bool),
        times=np.concatenate([np.arange(n) for n in lengths]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=tuple(f"H{i}" for i in range(1, len(series) + 1)),
        freq="step",
        roles=Roles("t", "y", "id"),
    )
    model = {name: baseline_forecast(name, 24, LEVELS) for name in ("seasonal-naive", "Naive2")}
    table = backtest(panel, model, 48, origins=1, season=24)
    scales = {name: seasonal_scale(h, 24) for name, h in zip(panel.ids, histories, strict=True)}
    row = summarise(table, scales).iloc[0]
    assert row["smape"] == pytest.approx(13.912, abs=5e-4)
    assert row["mase"] == pytest.approx(1.193, abs=5e-4)
    assert row["owa"] == pytest.approx(0.627, abs=1e-3)
