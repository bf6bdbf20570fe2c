"""Each mistake gives one message, its exit code, nothing on stdout, and leaves every file as it was."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, snapshot

from forecaster.artifact.lock import lock_directory
from forecaster.artifact.names import FORMAT_VERSION
from forecaster.cli import output
from forecaster.cli.main import run
from forecaster.data.readers import sources
from forecaster.errors import ForecasterError
from forecaster.fitting import fit as fitting

DONE, FAILED, USAGE, NOT_FOUND, BAD = 0, 1, 2, 4, 5


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of tables, most of them wrong in one way."""
    place = tmp_path_factory.mktemp("material")
    days = pd.date_range("2020-01-01", periods=200)
    wave = np.round(50 + 10 * np.sin(np.arange(200) * 2 * np.pi / 7) + np.arange(200) / 10, 3)
    good = pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "sales": wave})
    months = pd.date_range("1961-01-01", periods=30, freq="MS").strftime("%Y-%m-%d")
    newer = pd.DataFrame({"month": months, "passengers": 400.0 + np.arange(30)})
    far = newer.assign(month=newer["month"].str.replace("196", "199"))
    tables = {
        "good": good,
        "no-time": good.rename(columns={"sales": "a"})[["a"]].assign(b=wave * 2),
        "text": good.assign(sales=good["sales"].astype(object).where(good.index != 41, "oops")),
        "duplicate": pd.concat([good, good.iloc[10:13]]),
        "infinite": good.assign(sales=good["sales"].where(good.index != 50, np.inf)),
        "gaps": good.drop([60, 61, 90]),
        "missing": good.assign(sales=good["sales"].where(~good.index.isin([5, 6, 99]))),
        "short": good.head(20),
        "tiny": good.head(5),
        "two": good.head(2),
        "one": good.head(1),
        "words": good.head(5).assign(shop=list("abcab"))[["date", "shop"]],
        "constant": good.assign(sales=5.0),
        "nothing": good.assign(sales=np.nan),
        "newer": newer,
        "newer-zero": newer.assign(passengers=newer["passengers"].where(newer.index != 2, 0)),
        "newer-negative": newer.assign(passengers=newer["passengers"].where(newer.index != 2, -3)),
        "newer-no-target": newer[["month"]],
        "newer-no-time": newer[["passengers"]],
        "far-few": far.head(10),
        "forecast": pd.DataFrame({"series": [""], "month": ["1961-01-01"], "forecast": [1.0]}),
    }
    for name, table in tables.items():
        table.to_csv(place / f"{name}.csv", index=False)
    (place / "empty.csv").write_text("")
    (place / "header.csv").write_text("date,sales\n")
    (place / "binary.csv").write_bytes(bytes(range(256)) * 10)
    (place / "latin.csv").write_bytes("date,größe\n2020-01-01,1\n".encode("latin-1"))
    (place / "unknown.toml").write_text("unit = [8]\n")
    (place / "broken.toml").write_text("units 8\n")
    (place / "wrong.toml").write_text("units = true\n")
    return place


@pytest.fixture
def here(folder: Path, material: Path) -> Path:
    """Return the current folder, with the tables in it."""
    shutil.copytree(material, folder, dirs_exist_ok=True)
    return folder


#: What a person does: (arguments, exit code, message, hint), both as patterns.
MISTAKES = [
    # the table
    ("fit none.csv", NOT_FOUND, "there is no file 'none.csv'", ""),
    ("fit god.csv", NOT_FOUND, "there is no file 'god.csv'", "did you mean 'good.csv'"),
    ("fit none/good.csv", NOT_FOUND, "there is no file 'none/good.csv'", "there is no folder 'none' either"),
    ("fit .", BAD, "'binary.csv' is not text", ""),  # a folder is read as one table of all its files
    ("fit dataset:airlin", NOT_FOUND, "unknown data set 'airlin', expected one of airline", "did you mean 'airline'"),
    ("fit empty.csv", BAD, "'empty.csv' is empty", ""),
    ("fit header.csv", BAD, "'header.csv' has column names but no rows", ""),
    ("fit binary.csv", BAD, "'binary.csv' is not text: it holds NUL bytes", "expected CSV; .* --encoding"),
    ("fit latin.csv --encoding utf-8", BAD, "'latin.csv' is not UTF-8 text", "--encoding"),
    ("fit latin.csv", BAD, "no series has two rows, so the freq cannot be inferred", "--freq"),
    ("fit no-time.csv", NOT_FOUND, "no column holds times: tried 'a'", "name it with --time COLUMN"),
    ("fit good.csv --target sale", NOT_FOUND, "there is no column 'sale', the table has 'date', 'sales'", "'sales'"),
    ("fit good.csv --time dat", NOT_FOUND, "there is no column 'dat'", "did you mean 'date'"),
    ("fit good.csv --series shop", NOT_FOUND, "there is no column 'shop'", ""),
    ("fit good.csv --time sales", BAD, "column 'sales' does not hold times", "times are written as 2024-01-31"),
    ("fit text.csv", BAD, "column 'sales', line 43: 'oops' is text, expected a number", "leave the cell empty"),
    ("fit duplicate.csv", BAD, "two readings at 2020-01-11, line 12 and line 202; 2 more rows", "--duplicates"),
    ("fit infinite.csv", BAD, "column 'sales', line 52: 'inf' is infinite, expected a number", "leave the cell empty"),
    ("fit gaps.csv --gaps error", BAD, "2 days absent between 2020-02-29 and 2020-03-03, line 62", "--gaps mask"),
    ("fit missing.csv --missing error", BAD, "column 'sales', line 7: empty .3 such cells", "--missing mask"),
    ("fit nothing.csv", NOT_FOUND, "no column of readings to forecast: tried 'sales' .nothing", "--target"),
    ("fit short.csv", BAD, "20 rows are too few: lookback .* horizon 14 .* need", "what would fit: --horizon"),
    ("fit tiny.csv", BAD, "5 rows are too few", "30 rows are needed, or 6 with --horizon 1"),
    ("fit constant.csv", BAD, "nothing to learn: 'sales' is 5 in every row", "--target"),
    # the settings
    ("fit good.csv --horizon 0", USAGE, "horizon must be 1 step or more, got 0", "a span"),
    ("fit good.csv --horizon -3", USAGE, "horizon must be 1 step or more, got -3", "a span"),
    ("fit good.csv --horizon 10000000", USAGE, "10,000,000 steps, expected at most 100,000", "a span"),
    ("fit good.csv --horizon 1000", BAD, "200 rows are too few", "what would fit: --horizon"),
    ("fit good.csv --horizon soon", USAGE, "horizon 'soon' cannot be read", "a span"),
    ("fit good.csv --horizon 2010-01-01", USAGE, "not after the last reading, 2020-07-18", "a span"),
    ("fit good.csv --lookback 1000", BAD, "200 rows are too few", "what would fit"),
    ("fit good.csv --holdout 500", BAD, "a holdout of 500 rows leaves no row", "use a smaller --holdout"),
    ("fit good.csv --network lstmm", USAGE, "unknown network 'lstmm', expected one of lstm", "did you mean 'lstm'"),
    ("fit good.csv --recipe textbok", USAGE, "unknown recipe 'textbok', expected one of", "did you mean 'textbook'"),
    ("fit good.csv --gaps ignore", USAGE, "unknown gaps 'ignore', expected one of mask, fill, error", ""),
    ("fit good.csv --freq fortnight", USAGE, "unknown freq 'fortnight', expected", "such as 15min"),
    ("fit good.csv --units x", USAGE, "units must be whole numbers separated by commas, got 'x'", ""),
    ("fit good.csv --units 0", USAGE, "units must be 1 or more, got 0", ""),
    ("fit good.csv --units 8,-1", USAGE, "units must be 1 or more, got -1", ""),
    ("fit good.csv --dropout 1.5", USAGE, "dropout must be below 1, got 1.5", ""),
    ("fit good.csv --learning-rate nan", USAGE, "learning_rate must be a finite number, got nan", ""),
    ("fit good.csv --config none.toml", NOT_FOUND, "cannot read the configuration file 'none.toml'", ""),
    ("fit good.csv --config .", NOT_FOUND, "cannot read the configuration file '.'", ""),
    ("fit good.csv --config unknown.toml", USAGE, "unknown setting 'unit'", "did you mean 'units'"),
    ("fit good.csv --config broken.toml", USAGE, "'broken.toml' is not TOML", "one setting a line, such as"),
    ("fit good.csv --config wrong.toml", USAGE, "units must be whole numbers separated by commas, got True", ""),
    # the grammar
    ("fit", USAGE, "Missing argument 'DATA'", "see: forecaster fit --help"),
    ("fit good.csv more", USAGE, "unexpected extra argument .more", "see: forecaster fit --help"),
    ("fit good.csv --netwrk lstm", USAGE, "No such option '--netwrk'. Did you mean '--network'", "fit --help"),
    ("forcast", USAGE, "unknown command 'forcast', expected one of inspect, fit, predict", "did you mean 'forecast'"),
    ("zzz", USAGE, "unknown command 'zzz', expected one of inspect, fit, predict", "see: forecaster --help"),
    ("--zzz", USAGE, "No such option '--zzz'", "see: forecaster --help"),
    ("datasets copy", USAGE, "Missing argument 'NAME'", "see: forecaster datasets copy --help"),
    ("datasets copy airlin", NOT_FOUND, "unknown data set 'airlin'", "did you mean 'airline'"),
    # where to write
    ("fit good.csv --model .", USAGE, "'.' exists and is not a model of forecaster", "another one with --model"),
    ("fit good.csv --model good.csv", USAGE, "'good.csv' exists and is not a model", "another one with --model"),
    ("fit good.csv --model good.csv/m", FAILED, "cannot write the model 'good.csv/m'", "another place with --model"),
    ("fit good.csv --model /proc/m", FAILED, "cannot write the model '/proc/m'", "another place with --model"),
    ("fit none.csv --model a/b/m", NOT_FOUND, "there is no file 'none.csv'", ""),
    ("fit good.csv --plot x.pdf", USAGE, "cannot tell the format from the name 'x.pdf'", "ends in .png or .svg"),
    ("fit good.csv --plot none/x.png", FAILED, "there is no folder 'none'", "make it with: mkdir -p none"),
    ("datasets copy airline /proc", FAILED, "cannot write '/proc/airline.csv'", "choose another place"),
    ("datasets copy airline good.csv", USAGE, "'good.csv' exists already", "replace it with --force"),
    # no model
    ("predict", NOT_FOUND, "no model at 'forecaster-model'", "make one with: forecaster fit DATA"),
    ("evaluate", NOT_FOUND, "no model at 'forecaster-model'", "make one with: forecaster fit DATA"),
    ("plot", NOT_FOUND, "no model at 'forecaster-model'", "make one with: forecaster fit DATA"),
    ("predict --model good.csv", NOT_FOUND, "no model at 'good.csv'", "name one with --model"),
    *(
        (name, NOT_FOUND, "no model at 'forecaster-model'", f"with no model: forecaster {name} DATA")
        for name in ("predict", "evaluate", "plot", "make-future")
    ),
    # no fit
    *(
        (f"{name} {place}", code, message, hint)
        for name in ("predict", "evaluate")
        for place, code, message, hint in (
            ("none.csv", NOT_FOUND, "there is no file 'none.csv'", ""),
            ("empty.csv", BAD, "'empty.csv' is empty", ""),
            ("header.csv", BAD, "'header.csv' has column names but no rows", ""),
            ("binary.csv", BAD, "'binary.csv' is not text", "--encoding"),
            ("one.csv", BAD, "no series has two rows, so the freq cannot be inferred", "give it with --freq"),
            ("words.csv", NOT_FOUND, "no column of readings to forecast: tried 'shop'", "name it with --target COLUMN"),
            ("nothing.csv", NOT_FOUND, "no column of readings to forecast: tried 'sales' .nothing", "--target"),
            ("text.csv", BAD, "column 'sales', line 43: 'oops' is text, expected a number", "leave the cell empty"),
            ("duplicate.csv", BAD, "two readings at 2020-01-11", "--duplicates"),
            ("infinite.csv", BAD, "'inf' is infinite", ""),
            ("missing.csv --missing error", BAD, "line 7: empty", "--missing mask"),
            ("good.csv --target sale", NOT_FOUND, "there is no column 'sale'", "'sales'"),
            ("good.csv --season x", USAGE, "season must be whole numbers", ""),
            ("good.csv --horizon soon", USAGE, "horizon 'soon' cannot be read", "a span"),
            ("good.csv --horizon 2010-01-01", USAGE, "not after the last reading, 2020-07-18", ""),
            ("good.csv --level 0", USAGE, "level must be a whole number between 1 and 99", ""),
            ("good.csv --epochs 3", USAGE, "No such option '--epochs'", ""),
            ("good.csv --model none", NOT_FOUND, "no model at 'none'", ""),
        )
    ),
    ("predict good.csv --future newer.csv", USAGE, "--future needs a fitted model, and 'good.csv' alone", "fit DATA"),
    *(
        (
            f"evaluate good.csv {flag}",
            USAGE,
            f"{flag.split()[0]} needs a fitted model",
            "fit a model: forecaster fit DATA",
        )
        for flag in ("--refit", "--refit-every 2", "--adaptive")
    ),
    ("evaluate two.csv", BAD, "no series is long enough for a backtest: the longest has 2 rows", "shorter --horizon"),
    ("plot good.csv --future newer.csv", USAGE, "--future needs a fitted model", ""),
    ("plot good.csv --target sale", NOT_FOUND, "there is no column 'sale'", ""),
    ("plot words.csv", BAD, "'words.csv' is not a forecast: .*; as readings: no column of readings", "--target"),
    ("make-future good.csv", BAD, "has no column beside 'sales' that may be a future covariate", "predict good.csv"),
]

#: The same beside a trained model.
MISTAKES_WITH_A_MODEL = [
    ("predict --horizon 0", USAGE, "horizon must be 1 step or more, got 0", "a span"),
    ("predict --horizon 10000000", USAGE, "10,000,000 steps, expected at most 100,000", "a span"),
    ("predict --horizon soon", USAGE, "horizon 'soon' cannot be read", "a span"),
    ("predict --horizon 1950-01-01", USAGE, "not after the last reading, 1960-12-01", "a span"),
    ("predict --level 0", USAGE, "level must be a whole number between 1 and 99, got 0", "80 % interval"),
    ("predict --level 100", USAGE, "level must be a whole number between 1 and 99, got 100", "80 % interval"),
    ("predict --level x", USAGE, "Invalid value for '--level': 'x'", "see: forecaster predict --help"),
    ("predict --level 80 --level 80", USAGE, "a level is given twice: 80, 80", ""),
    ("predict --data none.csv", NOT_FOUND, "there is no file 'none.csv'", ""),
    ("predict --data empty.csv", BAD, "'empty.csv' is empty", ""),
    (
        "predict --data good.csv",
        NOT_FOUND,
        "there is no column 'month', the time of the model, the table has 'date', 'sales'",
        "",
    ),
    ("predict --data newer-no-target.csv", NOT_FOUND, "there is no column 'passengers'", ""),
    ("predict --data newer-no-time.csv", NOT_FOUND, "there is no column 'month'", ""),
    ("predict --data newer-zero.csv", BAD, "logarithms, but 'passengers' is 0 at 1961-03-01", "--transform none"),
    ("predict --data newer-negative.csv", BAD, "logarithms, but 'passengers' is -3 at 1961-03-01", "--transform none"),
    ("predict --output good.csv", USAGE, "'good.csv' exists already", "replace it with --force"),
    ("predict --output x.xlsx", USAGE, "cannot tell the format from the name 'x.xlsx'", ".csv or .json or .parquet"),
    ("predict --output good.csv/x.csv", FAILED, "'good.csv' is a file, not a folder", "choose another place"),
    ("predict --output none/x.csv", FAILED, "there is no folder 'none'", "mkdir -p none"),
    ("predict --output /proc/x.csv", FAILED, "cannot write '/proc/x.csv'", "choose another place"),
    ("predict --output /dev/full", FAILED, "cannot write '/dev/full': No space left", "free some space"),
    ("predict --output .", USAGE, "'.' is a folder", "name a file in it"),
    ("predict --plot x.pdf", USAGE, "cannot tell the format from the name 'x.pdf'", ".png or .svg"),
    ("predict --plot /proc/x.png", FAILED, "cannot write '/proc/x.png'", "choose another place"),
    ("predict --json --output /dev/full", FAILED, "cannot write '/dev/full': No space left", "free some space"),
    ("evaluate --origins 0", USAGE, "Invalid value for '--origins'", "see: forecaster evaluate --help"),
    ("evaluate --horizon 1000", BAD, "no series is long enough for a backtest: the longest has 144 rows", "shorter"),
    ("evaluate --level 400", USAGE, "level must be a whole number between 1 and 99, got 400", "80 % interval"),
    ("evaluate --output good.csv", USAGE, "'good.csv' exists already", "replace it with --force"),
    ("evaluate --origins 1 --output /dev/full", FAILED, "cannot write '/dev/full'", "free some space"),
    ("evaluate --data far-few.csv", BAD, "no series is long enough for a backtest", ""),
    ("plot none.csv", NOT_FOUND, "there is no file 'none.csv'", ""),
    (
        "plot text.csv",
        BAD,
        "'text.csv' is not a forecast.* as readings: column 'sales', line 43",
        "leave the cell empty",
    ),
    ("plot good.csv --data newer.csv", BAD, "'good.csv' is not a forecast", "forecaster predict --output"),
    ("predict good.csv --data newer.csv", USAGE, "the readings are given twice: 'good.csv' and --data 'newer.csv'", ""),
    ("predict --target sales", USAGE, "--target is for readings given by position", "forecaster predict DATA --target"),
    ("evaluate --model forecaster-model good.csv --season 7", USAGE, "--season is for readings given by position", ""),
    ("plot forecast.csv --freq D", USAGE, "--freq is for readings given by position", ""),
    ("make-future", USAGE, "the model 'forecaster-model' uses no future covariates", "--future-columns COLUMN"),
    ("plot forecast.csv --data newer-no-target.csv", NOT_FOUND, "no column of readings", ""),
    ("plot --output x.pdf", USAGE, "cannot tell the format from the name 'x.pdf'", ".png or .svg"),
    ("plot --output -", USAGE, "cannot tell the format from the name '-'", ".png or .svg"),
    ("plot --output /dev/full", USAGE, "cannot tell the format from the name '/dev/full'", ".png or .svg"),
]


def refused(command: Command, folder: Path, arguments: str, code: int, message: str, hint: str) -> None:
    """Run a command and check all that is promised about an error."""
    before = snapshot(folder)
    ended = command(*arguments.split())
    assert (ended.code, ended.out) == (code, ""), ended.err
    errors = [line for line in ended.err.splitlines() if "forecaster: error:" in line]
    assert len(errors) == 1 and re.search(f"^forecaster: error: .*{message}", errors[0]), ended.err
    after = ended.err.split(errors[0])[1].strip("\n").splitlines()
    assert len(after) <= 1 and re.search(hint, "".join(after)), ended.err
    assert "Traceback" not in ended.err and "a bug in forecaster" not in ended.err
    assert snapshot(folder) == before


@pytest.mark.parametrize(("arguments", "code", "message", "hint"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistake(command, here, arguments, code, message, hint):
    refused(command, here, arguments, code, message, hint)


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"), MISTAKES_WITH_A_MODEL, ids=[m[0] for m in MISTAKES_WITH_A_MODEL]
)
def test_mistake_beside_a_model(command, model, here, arguments, code, message, hint):
    refused(command, here, arguments, code, message, hint)


@pytest.mark.parametrize("name", ["manifest.json", "weights.npz", "network.onnx", "history.parquet"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "removed"])
def test_a_damaged_model(command, model, folder, name, damage):
    content = (model / name).read_bytes()
    middle = content.index(b"lookback") if name == "manifest.json" else len(content) // 2  # not a float's 17th digit
    if damage == "removed":
        (model / name).unlink()
    else:
        changed = content[:middle] + (b"" if damage == "cut" else bytes([content[middle] ^ 1]) + content[middle + 1 :])
        (model / name).write_bytes(changed)
    for arguments in ("predict", "evaluate", "plot"):
        refused(command, folder, arguments, BAD, name, "make it again with: forecaster fit DATA")


def test_a_newer_and_an_altered_model(command, model, folder):
    manifest = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps({**manifest, "version": FORMAT_VERSION + 1}))
    message = f"has format {FORMAT_VERSION + 1}, this version reads up to {FORMAT_VERSION}"
    refused(command, folder, "predict", BAD, message, "pip install -U")
    manifest["plan"]["lookback"] += 1
    (model / "manifest.json").write_text(json.dumps(manifest))
    refused(command, folder, "predict", BAD, "manifest.json: it was altered after it was written", "make it again")


def test_a_folder_of_other_files_is_not_taken_for_a_model(command, here):
    (here / "site").mkdir()
    (here / "site" / "manifest.json").write_text('{"name": "a web page"}')
    refused(command, here, "fit good.csv --model site", USAGE, "'site' exists and is not a model", "--model")
    refused(command, here, "predict --model site", BAD, "not a manifest of forecaster-model", "make it again with")


def test_two_fits_into_one_directory(command, here):
    with lock_directory(Path("forecaster-model")):
        refused(command, here, "fit good.csv", FAILED, "another fit is writing 'forecaster-model'", "wait for it")
    assert "forecaster-model" not in os.listdir(here) and ".forecaster-model.lock" not in os.listdir(here)


class Stop(ForecasterError):
    """Raised in place of training."""


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    """Stop every fit where training would begin; the panels and configurations that came so far are collected."""
    came: list = []

    def stop(panel, config, *_):
        came.append((panel, config))
        raise Stop("stopped before training")

    monkeypatch.setattr(fitting, "fit_panel", stop)
    yield came


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gaps.csv", "3"),
        ("missing.csv", "3"),
        ("shuffled.csv", "out of order"),
        ("duplicate.csv --duplicates mean", "3 rows combined"),
    ],
)
def test_what_is_repaired_is_counted(command, here, untrained, name, count):
    good = pd.read_csv("good.csv")
    good.sample(frac=1, random_state=0).to_csv("shuffled.csv", index=False)
    ended = command("fit", *name.split())
    assert ended.code == FAILED and ended.err.endswith("forecaster: error: stopped before training\n")
    repaired = [line for line in ended.err.splitlines() if re.search(rf"\b{count}\b", line)]
    assert len(repaired) == 1, ended.err
    (panel, _) = untrained[0]
    assert len(panel.values) == 200 and np.isfinite(panel.values).all()


@pytest.mark.parametrize("rows", [6, 7, 9, 13, 20, 25])
def test_the_settings_proposed_for_few_rows_fit(command, here, monkeypatch, rows):
    from forecaster.features.plan import make_plan

    def plan_only(panel, config, *_):
        make_plan(panel, config)
        raise Stop("planned")

    monkeypatch.setattr(fitting, "fit_panel", plan_only)
    pd.read_csv("good.csv").head(rows).to_csv("few.csv", index=False)
    ended = command("fit", "few.csv")
    assert ended.code == BAD
    proposed = ended.err.split("what would fit: ")[1].split()
    assert command("fit", "few.csv", *proposed).err.endswith("forecaster: error: planned\n")


@pytest.mark.tensorflow
@pytest.mark.parametrize("rows", [6, 20])
def test_a_network_is_trained_with_the_proposed_settings(command, here, rows):
    pd.read_csv("good.csv").head(rows).to_csv("few.csv", index=False)
    proposed = command("fit", "few.csv").err.split("what would fit: ")[1].split()
    ended = command("fit", "few.csv", *proposed, "--epochs", "1", "--units", "4", "-q")
    assert ended.code == DONE, ended.err
    forecast = command("predict")
    assert forecast.code == DONE and len(forecast.out.splitlines()) == 1 + int(proposed[1])


def test_traceback_shows_one(command, here):
    with pytest.raises(ForecasterError, match="there is no file"):
        command("--traceback", "fit", "none.csv")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("ResourceExhaustedError", (Exception,), {})("OOM when ..."),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        ImportError("libquadmath.so.0: failed to map segment from shared object"),
    ],
)
def test_memory_that_runs_out(command, here, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(fitting, "fit_panel", full)
    refused(command, here, "fit good.csv", FAILED, "out of memory", "--batch-size")
    monkeypatch.setattr(sources, "read_table", full)
    refused(command, here, "inspect good.csv", FAILED, "out of memory", r"free some memory, or .* \(ulimit -v\)")


def test_a_message_for_which_there_is_no_memory(here, monkeypatch, capfd):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(output, "printable_line", full)
    assert run(["inspect", "none.csv"]) == 1
    assert capfd.readouterr().err == "forecaster: error: out of memory\n"


def test_a_bug_says_so_in_one_line(command, here, monkeypatch):
    def wrong(*_):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(fitting, "fit_panel", wrong)
    ended = command("fit", "good.csv")
    assert ended.code == FAILED and ended.out == ""
    assert ended.err.splitlines()[-2:] == [
        "forecaster: error: a bug in forecaster: RuntimeError: first line",
        "  run it again as 'forecaster --traceback ...' and report what it shows",
    ]


def test_ctrl_c_before_training(command, here, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = snapshot(here)
    monkeypatch.setattr(fitting, "fit_panel", interrupt)
    ended = command("fit", "good.csv", "-q")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.lstrip() == "forecaster: error: interrupted\n  what was not finished was not written\n"
    assert snapshot(here) == before
