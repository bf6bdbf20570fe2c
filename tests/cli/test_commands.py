"""What each command prints and writes: the result on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, snapshot

from forecaster import Forecaster, __version__
from forecaster.cli.fit import _echo_intervals
from forecaster.cli.main import ALIASES, COMMANDS
from forecaster.config import FAMILIES, FIELDS, Config
from forecaster.errors import ForecasterError
from forecaster.fitting import fit as fitting

COLUMNS = ["series", "month", "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]


def table_of(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), keep_default_na=False, dtype={"series": str})


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put bytes on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def newer(folder: Path) -> Path:
    """Return a table that continues the airline data, with other columns beside."""
    months = pd.date_range("1961-01-01", periods=30, freq="MS").strftime("%Y-%m-%d")
    table = pd.DataFrame({"month": months, "other": 1, "passengers": 450.0 + np.arange(30)})
    table.to_csv(folder / "newer.csv", index=False)
    return folder / "newer.csv"


def test_help_names_every_command_and_exit_code(command):
    ended = command("--help")
    assert (ended.code, ended.err) == (0, "")
    for name in COMMANDS:
        assert f"  {name} " in ended.out
    codes = (
        "0 done",
        "1 failed",
        "2 usage",
        "3 missing",
        "4 file",
        "5 bad",
        "6 training",
        "130 interrupted",
        "141 reader",
    )
    for code in codes:
        assert code in ended.out
    assert command().out == command("-h").out == ended.out


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES, "datasets copy"])
def test_help_of_a_command_begins_with_what_it_does_and_examples(command, name):
    ended = command(*name.split(), "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: forecaster {name} ")
    if name != "datasets copy":
        assert ended.out.index("forecaster " + name.replace("forecast", "predict")) < ended.out.index("Options:")


def test_every_setting_has_a_flag_with_its_default(command):
    text = " ".join(command("fit", "--help").out.split())
    for name, setting in FIELDS.items():
        assert f"--{name.replace('_', '-')} " in text.replace("/", " "), name
        assert setting.metadata["help"] in text, name
        default = setting.default
        if not isinstance(default, bool | tuple | None):
            assert f"{setting.metadata['help']} [default: {default}]" in text, name
    assert f"{FIELDS['time'].metadata['help']} [default: inferred]" in text and "[default: yes]" in text


def test_help_of_fit_lists_every_network_in_one_line(command):
    text = command("fit", "--help").out.splitlines()
    for name, says in FAMILIES.items():
        assert [line.split(maxsplit=1) for line in text].count([name, says]) == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("validation", "few"),
    [
        (24, " (1 window: too few to tell)"),
        (30, " (4 overlapping windows of 1 separate span: too few to tell)"),
        (72, " (25 overlapping windows of 3 separate spans: too few to tell)"),
        (96, ""),
    ],
)
def test_fit_says_where_the_coverage_of_intervals_is_mostly_luck(command, folder, validation, few):
    """Of 24 rows the newer half holds one horizon of 12 steps and one window; of 96 rows four horizons."""
    ended = command(
        *("fit", "dataset:airline", "--horizon", "12", "--lookback", "12", "--season", "12", "--units", "2"),
        *("--epochs", "1", "--no-final", "--validation", str(validation), "-q"),
    )
    assert ended.code == 0, ended.err
    assert f"intervals, in seasonal scales{few}:" in ended.out.splitlines()


def test_the_columns_of_intervals_do_not_run_together(capsys):
    numbers = {"coverage": 0.333, "windows": 99, "stretches": 9}
    wide = {"width": 145287974.1, "msis": 1.0547345374933598601216e22}
    _echo_intervals({"80": {**numbers, "width": 1.234, "msis": 12.3}, "95": {**numbers, **wide}})
    assert capsys.readouterr().out.splitlines()[1:] == [
        "                   coverage  width    MSIS",
        "  80 %                33.3%   1.23   12.30",
        "  95 %                33.3% 1.45e+08 1.05e+22",
    ]


def test_settings_that_the_network_does_not_read_are_told_once(command, folder):
    flags = ("--horizon", "6", "--units", "2", "--epochs", "1", "--no-final")
    ended = command("fit", "dataset:airline", *flags, "--network", "nlinear")
    assert [line.split() for line in ended.err.splitlines() if "not read" in line] == [
        ["units", "not", "read", "(by", "the", "network", "nlinear)"]
    ]
    assert "not read" not in command("fit", "dataset:airline", *flags).err


def test_version(command):
    assert command("--version").out == f"forecaster {__version__}\n"


def test_predict_prints_csv_only(command, model):
    ended = command("predict")
    assert ended.code == 0
    table = table_of(ended.out)
    assert list(table.columns) == COLUMNS
    assert list(table["month"]) == [f"1961-{month:02}-01" for month in range(1, 13)]
    for level in (80, 95):
        assert (table[f"lo-{level}"] < table["forecast"]).all() and (table["forecast"] < table[f"hi-{level}"]).all()
    assert "bounds" not in ended.err  # nothing was below 0
    assert command("predict", "--level", "99").err.startswith("  intervals  99 % widened")
    assert command("forecast").out == ended.out


def test_quiet_prints_no_note_but_warnings(command, model):
    loud, quiet = command("predict"), command("predict", "--quiet")
    assert (loud.out, quiet.err) == (quiet.out, "")
    rolled = command("predict", "-q", "--horizon", "13")
    assert rolled.err.startswith("note: horizon: 13 steps (beyond the trained 12 it is rolled forward")
    assert len(rolled.err.splitlines()) == 1
    assert command("predict", "-q", "--output", "f.csv", "--plot", "f.svg").err == ""
    assert command("predict", "--output", "f.csv", "--force").err.endswith("forecast: f.csv, 12 rows\n")


@pytest.mark.parametrize(
    ("horizon", "last"), [("1", "1961-01-01"), ("3", "1961-03-01"), ("2y", "1962-12-01"), ("1963-05-31", "1963-05-01")]
)
def test_horizons_as_steps_spans_and_dates(command, model, horizon, last):
    table = table_of(command("predict", "--horizon", horizon).out)
    assert table["month"].iloc[-1] == last
    trained = table_of(command("predict").out)
    shared = min(len(table), len(trained))
    np.testing.assert_allclose(table["forecast"][:shared], trained["forecast"][:shared], rtol=1e-6)


@pytest.mark.parametrize("levels", [(50,), (1, 99), (95, 80), (10, 20, 30)])
def test_levels(command, model, levels):
    arguments = [part for level in levels for part in ("--level", str(level))]
    table = table_of(command("predict", *arguments).out)
    assert list(table.columns[3:-1]) == [f"{side}-{level}" for level in levels for side in ("lo", "hi")]
    widths = [(table[f"hi-{level}"] - table[f"lo-{level}"]).mean() for level in sorted(levels)]
    assert widths == sorted(widths)


def test_output_files_hold_the_same_numbers(command, model, folder):
    printed = table_of(command("predict", "--horizon", "20").out)
    for name in ("f.csv", "f.json", "f.parquet", "F.CSV"):
        ended = command("predict", "--horizon", "20", "--output", name)
        assert (ended.code, ended.out) == (0, "")
    assert table_of((folder / "f.csv").read_text()).equals(printed)
    assert (folder / "F.CSV").read_bytes() == (folder / "f.csv").read_bytes()
    pd.testing.assert_frame_equal(pd.DataFrame(json.loads((folder / "f.json").read_text())), printed)
    parquet = pd.read_parquet(folder / "f.parquet")
    pd.testing.assert_frame_equal(parquet.assign(month=parquet["month"].dt.strftime("%Y-%m-%d")), printed)
    assert sorted(os.listdir(folder)) == ["F.CSV", "f.csv", "f.json", "f.parquet", "forecaster-model"]


def test_force_replaces_a_file(command, model, folder):
    (folder / "f.csv").write_text("mine")
    assert command("predict", "--output", "f.csv").code == 2
    assert (folder / "f.csv").read_text() == "mine"
    assert command("predict", "--output", "f.csv", "--force").code == 0
    assert table_of((folder / "f.csv").read_text()).shape == (12, 8)


def test_each_json_is_one_document(command, model):
    forecast = json.loads(command("predict", "--json").out)
    printed = table_of(command("predict").out)
    pd.testing.assert_frame_equal(pd.DataFrame(forecast["forecast"]), printed)
    scores = json.loads(command("evaluate", "--json", "--origins", "2").out)
    assert scores["summary"][0]["model"] == "network" and len(scores["summary"]) == 9
    assert any(note["name"] == "seen rows" and note["warning"] for note in scores["notes"])
    names = [dataset["name"] for dataset in json.loads(command("datasets", "--json").out)]
    assert "airline" in names


def test_newer_rows_from_a_file_and_from_standard_input(command, model, newer, monkeypatch):
    ended = command("predict", "--data", "newer.csv")
    assert table_of(ended.out)["month"].iloc[0] == "1963-07-01"
    assert "history    joined" in ended.err
    feed(monkeypatch, newer.read_bytes())
    assert command("predict", "--data", "-").out == ended.out


def test_newer_rows_change_the_forecast_as_they_do_in_python(command, model, newer):
    printed = table_of(command("predict", "--data", "newer.csv").out)
    table = Forecaster.load().predict(data=pd.read_csv(newer))
    np.testing.assert_array_equal(printed["forecast"], table["forecast"])
    few = table_of(command("predict", "--data", "dataset:airline").out)
    assert few.equals(table_of(command("predict").out))


def test_evaluate_prints_a_table_and_a_verdict(command, model, newer, folder):
    ended = command("evaluate", "--data", "newer.csv", "--output", "b.csv", "--plot", "b.png", "--level", "90")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    models = [line.split()[0] for line in lines[1:10]]
    assert models[0] == "network" and len(set(models)) == 9
    assert "coverage-90" in lines[0] and "skill" in lines[0]
    assert lines[-1].startswith("The network ")
    rows = pd.read_csv(folder / "b.csv")
    assert not rows["seen"].any() and "note:" not in ended.err
    network = rows[rows["model"] == "network"]
    shown = float(lines[1].split()[1 + lines[0].split().index("mae")])
    assert shown == pytest.approx((network["actual"] - network["forecast"]).abs().mean(), rel=1e-3)
    assert (folder / "b.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_on_rows_of_the_training_says_so(command, model):
    ended = command("evaluate", "-q", "--origins", "1")
    assert "note: seen rows: the network was trained on 12 of the 12 rows scored" in ended.err


def test_evaluate_prints_the_rows_alone(command, model):
    rows = pd.read_csv(io.StringIO(command("evaluate", "--origins", "1", "--output", "-").out))
    assert len(rows) == 9 * 12
    assert json.loads(command("evaluate", "--origins", "1", "--output", "-", "--json").out)["summary"]


def test_plot_of_a_model_and_of_a_table(command, model, newer, folder):
    assert command("plot").err.endswith("picture: plot.png\n")
    command("predict", "--output", "f.csv")
    for arguments in (
        "plot f.csv --model forecaster-model --output with-model.svg",
        "plot f.csv --data newer.csv --output with-data.svg --title check",
        "plot f.csv --output alone.svg",
        "plot --horizon 24 --level 50 --output far.svg -q",
    ):
        ended = command(*arguments.split())
        assert (ended.code, ended.out) == (0, ""), ended.err
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    for name in ("with-model", "with-data", "alone", "far"):
        assert b"<svg" in (folder / f"{name}.svg").read_bytes()
    assert command("plot").code == 2  # plot.png is there already
    assert command("plot", "--force").code == 0


def test_datasets_are_listed_and_copied(command, folder):
    listed = command("datasets")
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert "airline" in names and listed.err == ""
    (folder / "sub").mkdir()
    for name in names:
        assert command("datasets", "copy", name).code == 0
    assert command("datasets", "copy", "airline", "sub").out == "sub/airline.csv\n"
    assert command("datasets", "copy", "airline", "mine.csv").out == "mine.csv\n"
    assert (folder / "mine.csv").read_bytes() == (folder / "airline.csv").read_bytes()
    before = snapshot(folder)
    assert command("datasets", "copy", "airline").code == 2
    assert snapshot(folder) == before
    assert command("datasets", "copy", "airline", "--force").code == 0


class Stop(ForecasterError):
    """Raised in place of training."""


@pytest.fixture
def configured(command: Command, monkeypatch: pytest.MonkeyPatch):
    """Return a function that gives the configuration a fit would train with."""
    came: list[Config] = []

    def stop(panel, config, *_):
        came.append(config)
        raise Stop("stopped")

    monkeypatch.setattr(fitting, "fit_panel", stop)

    def call(*args: str, data: str = "dataset:airline") -> Config:
        assert command("fit", data, *args).err.endswith("forecaster: error: stopped\n")
        return came[-1]

    return call


def test_flags_win_over_the_environment_and_that_over_the_file(configured, folder, monkeypatch):
    (folder / "file.toml").write_text(
        'epochs = 5\nseed = 5\nunits = [5, 6]\nlearning-rate = 0.5\nrecipe = "textbook"\n'
    )
    monkeypatch.setenv("FORECASTER_SEED", "6")
    monkeypatch.setenv("FORECASTER_EPOCHS", "6")
    config = configured("--config", "file.toml", "--epochs", "7")
    assert (config.epochs, config.seed, config.units, config.learning_rate) == (7, 6, (5, 6), 0.5)
    assert config.base == "none"  # of the recipe
    assert configured().seed == 6 and configured().epochs == 6


def test_a_recipe_of_the_environment_and_of_a_flag(configured, monkeypatch):
    monkeypatch.setenv("FORECASTER_RECIPE", "stacked")
    assert configured().units == (128, 64)
    assert configured("--recipe", "textbook").units == (50,)
    assert configured("--units", "3").units == (3,)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--no-final", {"final": False}),
        ("--final", {"final": True}),
        ("--units 8,4", {"units": (8, 4)}),
        ("--horizon 30d", {"horizon": "30d"}),
        ("--clipnorm 0.5", {"clipnorm": 0.5}),
    ],
)
def test_flags_become_settings(configured, arguments, expected):
    config = configured(*arguments.split())
    assert {name: getattr(config, name) for name in expected} == expected


def test_the_environment_names_the_model_directory(command, model, monkeypatch):
    model.rename("elsewhere")
    assert command("predict").code == 4
    monkeypatch.setenv("FORECASTER_MODEL", "elsewhere")
    assert command("predict").code == 0
    assert command("predict", "--model", "none").code == 4


@pytest.mark.tensorflow
def test_fit_from_standard_input_with_repairs_end_to_end(command, folder, monkeypatch):
    """One real training: unsorted rows, gaps and empty cells, read from standard input, written as JSON."""
    rows = pd.read_csv(command("datasets", "copy", "airline").out.strip())
    rows.loc[[20, 21], "passengers"] = np.nan
    rows = rows.drop([70, 71, 72]).sample(frac=1, random_state=0)
    feed(monkeypatch, rows.to_csv(index=False).encode())
    arguments = "fit - --model my-model --epochs 1 --units 4 --horizon 6 --json --plot curve.png"
    ended = command(*arguments.split())
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    assert document["model"] == "my-model" and document["plan"]["horizon"] == 6
    assert document["rows"] == 144 and not document["interrupted"]
    for words in ("note: gaps: 3 months absent", "note: missing: 2 empty cells", " out of order  ("):
        assert words in ended.err, ended.err
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert len(table_of(command("predict", "--model", "my-model").out)) == 6
    assert sorted(os.listdir(folder)) == ["airline.csv", "curve.png", "my-model"]


def test_fit_prints_scores_and_what_comes_next(command, folder, trained, monkeypatch):
    """With a model at hand instead of training; the first fit and one that replaces it."""
    from forecaster.artifact.load import load_model

    model = load_model(trained)
    model.record["scores"]["skill"] = {"seasonal-naive": 0.1, "naive": 0.2}
    monkeypatch.setattr(fitting, "fit_panel", lambda *_: model)
    ended = command("fit", "dataset:airline")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("model: forecaster-model, 144 time steps up to 1960-12-01")
    assert [line.split()[0] for line in lines[3:6]] == ["network", "seasonal-naive", "naive"]
    assert " beats repeating the last season and repeating the last value on the validation rows" in lines[-1]
    assert ended.err.endswith("next: forecaster predict --horizon 12 --plot forecast.png\n")
    again = command("fit", "dataset:airline", "-q", "--model", "forecaster-model")
    assert (again.code, again.err) == (0, "")
    assert os.listdir(folder) == ["forecaster-model"]
    assert command("fit", "dataset:airline", "--model", "m").err.endswith(
        "--model m --horizon 12 --plot forecast.png\n"
    )


def test_an_interrupted_fit_keeps_its_model_and_ends_with_130(command, folder, trained, monkeypatch):
    from forecaster.artifact.load import load_model

    model = load_model(trained)
    model.record["interrupted"] = True
    monkeypatch.setattr(fitting, "fit_panel", lambda *given: given[-1].begin_run() and model)
    ended = command("fit", "dataset:airline", "-q")
    assert ended.code == 130
    assert ended.err.splitlines() == [
        "forecaster: error: interrupted",
        "  the best weights so far are kept in 'forecaster-model'; the same command with --resume goes on",
    ]
    assert ended.out.splitlines()[-1] == "No verdict: its training was interrupted." and "beat" not in ended.out
    assert command("predict").code == 0


def test_a_network_that_loses_is_not_praised(command, folder, trained, monkeypatch):
    from forecaster.artifact.load import load_model

    model = load_model(trained)
    model.record["scores"]["skill"] = {"seasonal-naive": -0.1, "naive": 0.2}
    monkeypatch.setattr(fitting, "fit_panel", lambda *_: model)
    assert "does NOT beat repeating the last season" in command("fit", "dataset:airline", "-q").out


def test_a_skill_that_is_printed_as_nothing_is_no_win(command, folder, trained, monkeypatch):
    from forecaster.artifact.load import load_model

    model = load_model(trained)
    model.record["scores"]["skill"] = {"seasonal-naive": 0.1, "naive": 4e-4}
    monkeypatch.setattr(fitting, "fit_panel", lambda *_: model)
    found = command("fit", "dataset:airline", "-q").out
    assert re.search(r"\n  naive +[0-9.]+ +0\.0%\n", found) and "does NOT beat repeating the last value on" in found


def test_one_of_a_kind_is_no_plural(command, model):
    assert command("predict", "--horizon", "1", "--output", "one.csv").err.endswith("forecast: one.csv, 1 row\n")
    Path("alone.csv").write_text("day,y\n2024-01-01,1\n")
    lines = command("inspect", "alone.csv").out.splitlines()
    assert lines[0] == "1 series, 1 row, 2 columns"
    assert lines[2].split()[:4] == ["1", "2024-01-01", "2024-01-01", "-"]
