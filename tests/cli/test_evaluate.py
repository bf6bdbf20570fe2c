"""What ``evaluate`` and ``compare`` print, write and refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, snapshot

FAST = ("--baselines", "naive,seasonal-naive,Naive2")


@pytest.fixture
def newer(folder: Path) -> str:
    """Return a table that continues the airline data."""
    months = pd.date_range("1961-01-01", periods=60, freq="MS").strftime("%Y-%m-%d")
    wave = 450 + 40 * np.sin(np.arange(60) * np.pi / 6) + np.random.default_rng(0).normal(size=60)
    pd.DataFrame({"month": months, "passengers": wave}).to_csv(folder / "newer.csv", index=False)
    return "newer.csv"


@pytest.fixture
def other(model: Path) -> str:
    shutil.copytree(model, "other")
    return "other"


class TestEvaluate:
    def test_splits_are_printed_and_are_in_the_document(self, command: Command, model: Path, newer: str) -> None:
        arguments = ("evaluate", "--data", newer, *FAST, "-q")
        ended = command(*arguments, "--by", "step", "--by", "level", "--by", "series")
        assert ended.code == 0, ended.err
        lines = ended.out.splitlines()
        steps = lines[lines.index("mase by step:") + 1 :]
        assert steps[0].split() == ["step", "network", "naive", "seasonal-naive", "Naive2"]
        document = json.loads(command(*arguments, "--json").out)
        first = [row for row in document["by_step"] if row["step"] == 1]
        assert [float(x) for x in steps[1].split()[1:]] == pytest.approx([row["mase"] for row in first], rel=1e-3)
        assert len(document["by_level"]) == 8 and len(document["by_series"]) == 4 and len(document["by_step"]) == 48
        assert len(document["tests"]) == 3 and len(document["residuals"]) == 1
        assert document["verdict"] == lines[-1]
        levels = lines[lines.index("by level:") + 1]
        assert levels.split() == ["level", "coverage", "width", "winkler", "msis"]

    def test_measures_to_print(self, command: Command, model: Path, newer: str) -> None:
        ended = command("evaluate", "--data", newer, *FAST, "-q", "--metrics", "wape,crps,winkler", "--by", "step")
        assert ended.out.splitlines()[0].split() == ["wape", "crps", "winkler-80", "winkler-95"]
        assert "wape by step:" in ended.out
        every = command("evaluate", "--data", newer, *FAST, "-q", "--metrics", "all").out.splitlines()[0].split()
        assert {"mape", "rmsse", "bias", "pinball", "width-95", "owa", "skill"} <= set(every)

    def test_tests_are_printed_for_each_baseline(self, command: Command, model: Path, newer: str) -> None:
        lines = command("evaluate", "--data", newer, *FAST, "-q").out.splitlines()
        place = next(i for i, line in enumerate(lines) if line.startswith("  the network over"))
        assert [line.split()[0] for line in lines[place + 1 : -1]] == ["naive", "seasonal-naive", "Naive2"]
        for line in lines[place + 1 : -1]:
            assert line.endswith(("better", "worse", "no difference shown"))
        assert lines[-1].startswith("The network ")

    def test_residuals_are_tested_and_drawn(self, command: Command, model: Path, newer: str, folder: Path) -> None:
        arguments = ("--horizon", "1", "--stride", "1", "--origins", "40", "--residuals", "--residual-plot", "r.svg")
        ended = command("evaluate", "--data", newer, *FAST, *arguments)
        assert ended.code == 0 and "errors of the network, actual less forecast:" in ended.out
        assert "autocorrelated (Ljung-Box) in" in ended.out and "steps ahead correlate" not in ended.out
        assert f">errors of forecaster-model on {newer}<" in (folder / "r.svg").read_text()
        assert "picture: r.svg" in ended.err

    def test_a_gap_and_a_sliding_window(self, command: Command, model: Path, newer: str) -> None:
        arguments = ("--gap", "3", "--window", "sliding", "--baselines", "mean", "--output", "b.csv", "-q")
        assert command("evaluate", "--data", newer, *arguments).code == 0
        rows = pd.read_csv("b.csv")
        assert sorted(rows["step"].unique()) == list(range(4, 16))
        assert {"scale", "root-scale", "seen"} <= set(rows.columns)

    def test_adaptive_intervals(self, command: Command, model: Path, newer: str) -> None:
        for name, flags in (("a.csv", []), ("b.csv", ["--adaptive"])):
            ended = command("evaluate", "--data", newer, "--baselines", "none", "-q", "--output", name, *flags)
            assert ended.code == 0
        plain, adaptive = (pd.read_csv(name) for name in ("a.csv", "b.csv"))
        pd.testing.assert_series_equal(plain["forecast"], adaptive["forecast"])
        assert not plain["lo-80"].equals(adaptive["lo-80"])

    @pytest.mark.parametrize(
        ("gate", "code"), [("mase<0", 0), ("mase>0", 7), ("skill:naive<-9 or coverage-95<=100%", 7), ("p-value<0", 0)]
    )
    def test_a_gate_ends_with_its_code_after_the_result(
        self, command: Command, model: Path, newer: str, gate: str, code: int
    ) -> None:
        ended = command("evaluate", "--data", newer, *FAST, "-q", "--fail-if", gate, "--output", "b.json")
        assert ended.code == code and ended.out.splitlines()[-1].startswith("The network ")
        assert Path("b.json").exists()
        if code:
            assert ended.err.startswith(f"forecaster: error: the gate failed: {gate.split(' or ')[-1]}, measured ")

    @pytest.mark.parametrize(
        ("arguments", "message", "hint"),
        [
            ("--by steps", "cannot split by 'steps', expected one of series, step, level", "did you mean 'step'"),
            ("--baselines naive,AutoRIMA", "unknown baseline 'AutoRIMA'", "did you mean 'AutoARIMA'"),
            ("--metrics mae,mese", "unknown measure 'mese', expected one of mae, rmse", "did you mean"),
            ("--window rolling", "unknown window 'rolling', expected expanding or sliding", ""),
            ("--refit --refit-every 0", "--refit trains again, and --refit-every 0 never does", "leave one"),
            ("--gap -1", "Invalid value for '--gap'", "see: forecaster evaluate --help"),
            ("--fail-if skill", "the condition 'skill' cannot be read", "such as: skill<0"),
            ("--fail-if skil<0", "names no measure: 'skil'", "did you mean 'skill'"),
            ("--fail-if coverage-90<1", "names no measure: 'coverage-90'", "did you mean"),
            ("--fail-if skill:mean<0 --baselines naive", "names no measure: 'skill:mean'", "did you mean"),
            ("--residual-plot x.pdf", "cannot tell the format from the name 'x.pdf'", ".png or .svg"),
        ],
    )
    def test_mistakes(
        self, command: Command, model: Path, folder: Path, arguments: str, message: str, hint: str
    ) -> None:
        before = snapshot(folder)
        ended = command("evaluate", *arguments.split())
        assert (ended.code, ended.out) == (2, "") and message in ended.err and hint in ended.err
        assert snapshot(folder) == before


class TestCompare:
    def test_models_runs_and_both_agree(self, command: Command, model: Path, other: str, newer: str) -> None:
        shared = ("--data", newer, "-q")
        ended = command("compare", "forecaster-model", other, *shared, "--plot", "c.svg", "--output", "c.csv")
        assert ended.code == 0, ended.err
        assert f">comparison of forecaster-model, other on {newer}<" in Path("c.svg").read_text()
        lines = ended.out.splitlines()
        assert lines[0].split()[:3] == ["rank", "mae", "rmse"]
        assert [line.split()[0] for line in lines[1:6]] == [
            "forecaster-model",
            "other",
            "naive",
            "seasonal-naive",
            "Naive2",
        ]
        pair = next(line for line in lines if line.startswith("  forecaster-model over other"))
        assert pair.split()[3] == "0.0%" and pair.endswith("no difference shown")
        assert len(pd.read_csv("c.csv")) == 5 * 5 * 12
        for name, place in (("one.csv", "forecaster-model"), ("two.parquet", other)):
            assert command("evaluate", "--model", place, *shared, *FAST, "--output", name).code == 0
        saved = command("compare", "one.csv", "two.parquet", "-q").out.splitlines()
        assert [line.split()[1:] for line in saved[1:6]] == [line.split()[1:] for line in lines[1:6]]
        mixed = command("compare", "one.csv", other, *shared).out.splitlines()
        assert [line.split()[1:] for line in mixed[1:6]] == [line.split()[1:] for line in lines[1:6]]

    def test_as_a_document(self, command: Command, model: Path, other: str, newer: str) -> None:
        ended = command("compare", "forecaster-model", other, "--data", newer, "--json", "--baselines", "naive")
        document = json.loads(ended.out)
        assert document["models"] == ["forecaster-model", "other"]
        assert [row["model"] for row in document["summary"]] == ["forecaster-model", "other", "naive"]
        assert len(document["tests"]) == 3 and document["verdict"] and "notes" in document

    def test_a_gate_looks_at_the_first(self, command: Command, model: Path, other: str, newer: str) -> None:
        shared = ("compare", "forecaster-model", other, "--data", newer, "-q", "--fail-if")
        assert command(*shared, "skill:other<0").code == 0
        ended = command(*shared, "skill:other<=0 and p-value:other>=1")
        assert ended.code == 7 and "measured skill:other 0, p-value:other 1" in ended.err

    @pytest.mark.parametrize("flag", ["data", "horizon", "origins", "stride", "gap", "delimiter"])
    def test_saved_runs_are_not_run_again(self, command: Command, folder: Path, flag: str) -> None:
        ended = command("compare", "one.csv", "two.csv", f"--{flag}", "1")
        assert ended.code == 2 and f"--{flag} goes with a model, and these are saved backtests only" in ended.err

    def test_a_saved_run_that_comes_first_keeps_the_baselines(self, command: Command, model: Path, newer: str) -> None:
        assert command("evaluate", "--data", newer, "--baselines", "none", "-q", "--output", "one.csv").code == 0
        ended = command("compare", "one.csv", "forecaster-model", "--data", newer, "-q", "--baselines", "naive")
        assert [line.split()[0] for line in ended.out.splitlines()[1:4]] == ["one", "forecaster-model", "naive"]

    def test_a_gate_does_not_pass_on_rows_of_the_training(self, command: Command, model: Path, other: str) -> None:
        for arguments in (("evaluate",), ("compare", "forecaster-model", other)):
            ended = command(*arguments, "--baselines", "naive", "--origins", "1", "-q", "--fail-if", "mase>99")
            assert ended.code == 7 and "the gate cannot be checked: " in ended.err
            assert "was trained on 12 of the 12 rows" in ended.err and "--holdout" in ended.err

    def test_windows_that_differ_are_counted(self, command: Command, model: Path, newer: str) -> None:
        for name, origins in (("one.csv", "4"), ("two.csv", "2")):
            command("evaluate", "--data", newer, *FAST, "-q", "--origins", origins, "--output", name)
        ended = command("compare", "one.csv", "two.csv")
        assert "note: one: 2 of 4 windows left out (the others have no such windows)" in ended.err

    def test_rows_of_the_training_are_told(self, command: Command, model: Path, other: str) -> None:
        ended = command("compare", "forecaster-model", other, "--origins", "1")
        assert ended.out.splitlines()[-1] == "No verdict: a network was trained on some of these rows."
        assert ended.err.count("seen rows") == 2

    @pytest.mark.parametrize(
        ("arguments", "code", "message", "hint"),
        [
            ("", 2, "Missing argument 'MODEL...'", "see: forecaster compare --help"),
            ("forecaster-model", 2, "compare needs two models or more, got only 'forecaster-model'", "another one"),
            ("forecaster-model forecaster-model", 2, "'forecaster-model' is named twice", "name each model once"),
            ("forecaster-model none.csv", 4, "there is no file 'none.csv'", ""),
            ("forecaster-model .", 4, "no model at '.'", "forecaster fit DATA"),
            (
                "forecaster-model newer.csv",
                5,
                "'newer.csv' is not a backtest: it has no column 'model'",
                "save the table",
            ),
            ("a b --fail-if skill:c<0", 2, "names no measure: 'skill:c'", ""),
            ("a b --output x.xlsx", 2, "cannot tell the format from the name 'x.xlsx'", ""),
        ],
    )
    def test_mistakes(
        self,
        command: Command,
        model: Path,
        newer: str,
        folder: Path,
        arguments: str,
        code: int,
        message: str,
        hint: str,
    ) -> None:
        before = snapshot(folder)
        ended = command("compare", *arguments.split())
        assert (ended.code, ended.out) == (code, "") and message in ended.err and hint in ended.err, ended.err
        assert snapshot(folder) == before
