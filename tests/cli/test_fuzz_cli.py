"""Command lines at random, each ended by a result or one message; and what ten thousand of them found, one by one."""

from __future__ import annotations

import json
import os
import re
from xml.etree import ElementTree

import pytest
from conftest import Command
from fuzzing import Sandbox, fuzz, prepare

RUNS = 100

DONE, FAILED, USAGE, NOT_FOUND, BAD = 0, 1, 2, 4, 5


@pytest.mark.tensorflow
def test_command_lines_at_random(tmp_path_factory):
    place = tmp_path_factory.mktemp("prepared")
    prepare(place)
    wrong = fuzz(Sandbox(place, tmp_path_factory.mktemp("fuzz")), RUNS)
    assert not wrong, "\n".join(f"{count} times: {found}\n{line}" for count, line, found in wrong.values())


#: What random command lines found, one of each kind: (arguments, exit code, message).
FOUND = [
    # names that the system does not have
    (["fit", "dataset:airline", "--config", "a\0b"], USAGE, r"the argument 'a\\x00b' holds a NUL character"),
    (["fit", "dataset:airline", "--config", "x" * 300], NOT_FOUND, "File name too long"),
    (["fit", "dataset:airline", "--model", "loop"], USAGE, "'loop' exists and is not a model of forecaster"),
    (["fit", "dataset:airline", "--plot", "x" * 252 + ".png"], FAILED, "File name too long\n  choose another name"),
    (["predict", "--output", "loop.csv/x.csv"], FAILED, "Too many levels of symbolic links"),
    # numbers that native code does not hold
    (["predict", "--horizon", "9" * 5000], USAGE, r"horizon '9+\.\.\.9+' cannot be read"),
    (["fit", "dataset:airline", "--freq", "9" * 400 + "D"], USAGE, "unknown freq"),
    (["fit", "dataset:airline", "--freq", "999999999D"], USAGE, "is a step too long, expected 292 years at most"),
    (["fit", "dataset:airline", "--members", "1001"], USAGE, "members must be below 1001, got 1001"),
    (["fit", "dataset:airline", "--epochs", str(10**18)], USAGE, "epochs is out of range, expected less than 2,147,"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), FOUND)
def test_found(command: Command, model, folder, arguments, code, message):
    for name in ("loop", "loop.csv"):
        (folder / name).symlink_to(name)
    done = command(*arguments)
    assert (done.code, done.out) == (code, "")
    assert re.search(message, done.err), done.err


#: Contents of a configuration file, and what is said of them.
DOCUMENTS = [
    ("seed = 1e400", "seed must be a whole number, got inf"),
    ("seed = " + "9" * 5000, "is not TOML: Exceeds the limit"),
    ("units = [inf]", r"units must be whole numbers separated by commas, got \[inf\]"),
    ("dropout = " + "9" * 400, "dropout must be a number, got 9"),
    ("units = " + "[" * 3000 + "]" * 3000, "is not TOML: maximum recursion depth exceeded"),
    ("#" * 1_000_001, "is not TOML: more than 1,000,000 bytes"),
]


@pytest.mark.parametrize(("content", "message"), DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_found_in_configuration_files(command: Command, folder, content, message):
    (folder / "odd.toml").write_text(content)
    done = command("fit", "dataset:airline", "--config", "odd.toml")
    assert (done.code, done.out) == (USAGE, "")
    assert re.search(message, done.err), done.err[:500]


def test_a_configuration_without_end_is_refused(command: Command, folder):
    done = command("fit", "dataset:airline", "--config", "/dev/zero")
    assert done.code == USAGE and "'/dev/zero' is not TOML: more than 1,000,000 bytes" in done.err


def test_more_origins_than_rows_are_left_out(command: Command, model):
    done = command("evaluate", "--origins", str(10**18), "--stride", str(2**63), "--baselines", "naive")
    assert done.code == DONE and re.search(r"note: windows: 9{17}\d of 1000000000000000000 left out", done.err), (
        done.err
    )


def test_paths_that_are_no_text_are_written_and_escaped(command: Command, model, folder):
    done = command("predict", "--output", "\udcff.csv", "--plot", "\udcff.svg")
    assert done.code == DONE and "forecast: \\udcff.csv, 12 rows" in done.err and "picture: \\udcff.svg" in done.err
    assert {os.fsencode(path.name) for path in folder.iterdir()} >= {b"\xff.csv", b"\xff.svg"}
    model.rename(folder / "\udcff")
    done = command("predict", "--model", "\udcff", "--json")
    assert json.loads(done.out)["model"] == "\udcff"


def test_names_of_the_longest_kind_are_written(command: Command, model, folder):
    name = "é" * 125 + ".csv"  # 254 bytes
    assert command("predict", "--output", name).code == DONE and (folder / name).is_file()


def test_titles_that_no_font_can_draw(command: Command, model, folder):
    done = command("plot", "--title", "日本 a\x01\udcffb", "--output", "a.svg", "-q")
    assert (done.code, done.err) == (DONE, "")
    assert "日本 a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b" in (folder / "a.svg").read_text("utf-8")
    ElementTree.parse(folder / "a.svg")
