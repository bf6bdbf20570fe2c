"""The diffs of CONTRIBUTING.md fit the package as it is, and what they add works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "networks" / "examples"

USE = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
from forecaster import Config, save_table
from forecaster.cli.main import COMMANDS, run
from forecaster.data.readers.sources import read_table
from forecaster.evaluation.baselines import find_baseline
from forecaster.evaluation.metrics import METRICS, Outcome
from forecaster.families import NETWORKS
from forecaster.losses import LOSSES

outcome = Outcome.of(np.array([0.0, np.e - 1]), np.array([[0.0], [0.0]]), (), 1.0)
assert abs(METRICS["rmsle"](outcome) - np.sqrt(0.5)) < 1e-12
found = find_baseline("median")(np.array([1.0, 9.0, 2.0]), 2, 1, (80,))
assert found.shape == (2, 3) and (found[:, 0] == 2).all() and (found[:, 1] < 2).all()
rows = [("2024-01-01", 1.5), ("2024-01-02", 2.5)]
np.save("table.npy", np.array(rows, dtype=[("day", "U10"), ("y", float)]))
table = read_table("table.npy")
assert list(table.columns) == ["day", "y"] and table["y"].tolist() == [1.5, 2.5]
save_table(table, "table.md")
assert Path("table.md").read_text() == "| day | y |\\n|---|---|\\n| 2024-01-01 | 1.5 |\\n| 2024-01-02 | 2.5 |\\n"
assert Config.of(network="mlp", loss="laplace").loss == "laplace" and "mlp" in NETWORKS and "laplace" in LOSSES
assert "show" in COMMANDS and run(["show", "--model", sys.argv[1]]) == 0
assert "tensorflow" not in sys.modules
"""


def diffs() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each file that CONTRIBUTING.md changes, with its hunks."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for block in re.findall(r"```diff\n(.*?)```", text, flags=re.DOTALL):
        for change in re.split(r"^--- .*\n", block, flags=re.MULTILINE)[1:]:
            target, *hunks = re.split(r"^@@\n", change, flags=re.MULTILINE)
            yield target.removeprefix("+++ b/").strip(), [hunk.splitlines() for hunk in hunks]


def apply(target: Path, hunks: list[list[str]]) -> None:
    """Apply hunks whose lines before the change are in the file once; a file that does not exist is made."""
    for hunk in hunks:
        before = "\n".join(line[1:] for line in hunk if not line.startswith("+"))
        after = "\n".join(line[1:] for line in hunk if not line.startswith("-"))
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        if text:
            assert text.count(before) == 1, f"{target}: {before}"
            target.write_text(text.replace(before, after), encoding="utf-8")
        else:
            assert not before
            target.write_text(after + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("contributing")
    shutil.copytree(ROOT / "forecaster", place / "forecaster", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "datasets", place / "forecaster" / "datasets", ignore=shutil.ignore_patterns("__pycache__"))
    for target, hunks in diffs():
        apply(place / target, hunks)
    return place


def test_there_is_a_diff_for_each_kind_of_part() -> None:
    touched = {target for target, _ in diffs()}
    assert len(touched) == 11 and all(target.startswith("forecaster/") for target in touched)


def test_what_the_diffs_add_works(changed: Path) -> None:
    golden = str(ROOT / "tests" / "golden" / "0.2.0" / "rnn")
    env = {**os.environ, "PYTHONPATH": str(changed)}
    done = subprocess.run(
        [sys.executable, "-c", USE, golden], cwd=changed, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "folder"), [("mlp", "families"), ("laplace", "losses")])
def test_the_examples_that_are_trained_are_those_of_the_page(changed: Path, name: str, folder: str) -> None:
    added = (changed / "forecaster" / folder / f"{name}.py").read_text(encoding="utf-8")
    assert added == (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
