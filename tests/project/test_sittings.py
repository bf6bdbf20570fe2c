"""Tables of benchmarks made in several sittings: what is known is not run again, what is compared is the same sets."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
KEY = ("set", "seed")


@pytest.fixture
def sittings(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield import_module("sittings")


@pytest.fixture
def ablation(sittings: ModuleType) -> ModuleType:
    return import_module("ablation")


def test_what_the_file_holds_of_the_same_settings_and_version_is_not_run_again(sittings, tmp_path, monkeypatch) -> None:
    output, same = tmp_path / "rows.jsonl", {"settings": {"units": (4,)}}
    monkeypatch.setattr(sittings, "version", lambda: "a")
    first = sittings.Sittings("b", output, KEY, same)
    first.add(("x", 0), {"mase": 1.0})
    first.add(("x", 1), {"failed": "out of memory"})
    first.add(("y", 0), {"mase": float("nan")})
    wanted = [("x", 0), ("x", 1), ("y", 0), ("y", 1)]
    assert first.missing(wanted) == [("x", 1), ("y", 1)]
    assert sittings.Sittings("b", output, KEY, same).missing(wanted) == [("x", 1), ("y", 1)]
    for other in (("b", {"settings": {"units": (8,)}}), ("c", same)):
        assert sittings.Sittings(other[0], output, KEY, other[1]).missing(wanted) == wanted
    monkeypatch.setattr(sittings, "version", lambda: "b")
    assert sittings.Sittings("b", output, KEY, same).missing(wanted) == wanted


def test_the_newest_row_of_each_key_is_shown_and_several_versions_are_told(
    sittings, tmp_path, monkeypatch, capsys
) -> None:
    output = tmp_path / "rows.jsonl"
    for name, mase in (("a", 1.0), ("b", 2.0)):
        monkeypatch.setattr(sittings, "version", lambda name=name: name)
        rows = sittings.Sittings("b", output, KEY, {})
        rows.add(("x", 0), {"mase": mase})
        if name == "a":
            rows.add(("x", 1), {"mase": 9.0})
    assert sittings.Sittings("b", output, KEY, {}).table()["mase"].tolist() == [9.0, 2.0]
    assert "rows of several versions: 1 of a, 1 of b" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="nothing to show"):
        sittings.Sittings("c", output, KEY, {}).table()
    assert {json.loads(line)["version"] for line in output.read_text().splitlines()} == {"a", "b"}


def test_a_change_of_the_code_is_another_version_and_one_of_the_words_is_not(sittings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sittings, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert sittings.version() is None

    def git(*words: str) -> None:
        about = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(tmp_path), *about, *words], check=True, capture_output=True)

    git("init")
    for folder in sittings.CODE:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("1")
    (tmp_path / "README.md").write_text("words")
    git("add", ".")
    git("commit", "-m", "first")
    first = sittings.version()
    (tmp_path / "README.md").write_text("other words")
    assert sittings.version() == first
    git("commit", "-am", "second")
    assert sittings.version() == first
    (tmp_path / "forecaster" / "a.py").write_text("2")
    changed = sittings.version()
    (tmp_path / "forecaster" / "a.py").write_text("3")
    assert len({first, changed, sittings.version()}) == 3 and changed.startswith(f"{first}+")
    (tmp_path / "forecaster" / "a.py").write_text("1")
    (tmp_path / "benchmarks" / "rows.jsonl").write_text("a result is no code")
    assert sittings.version() == first
    found = {first}
    for content in ("1", "2"):
        (tmp_path / "forecaster" / "new.py").write_text(content)
        found.add(sittings.version())
    assert len(found) == 3


def test_every_item_is_run_side_by_side_and_an_error_ends_the_rest(sittings, monkeypatch) -> None:
    for name in sittings.ONE_THREAD:
        monkeypatch.setenv(name, "2")
    found = dict(sittings.side_by_side(lambda item: {"twice": 2 * item}, range(20), 3))
    assert found == {item: {"twice": 2 * item, "jobs": 3} for item in range(20)}
    ran = []

    def failing(item: int) -> dict[str, int]:
        ran.append(item)
        time.sleep(0.02)
        raise ValueError(str(item))

    with pytest.raises(ValueError, match=r"\d"):
        list(sittings.side_by_side(failing, range(1_000), 1))
    assert len(ran) < 1_000


def ablated(rows: list[tuple[str, str, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["set", "without", "seed", "mase"])


def test_the_last_columns_are_of_the_sets_that_every_row_has(ablation) -> None:
    nan = float("nan")
    rows = [("x", "default", 0, 1.0), ("y", "default", 0, 4.0), ("z", "default", 0, 7.0)]
    rows += [("x", "log", 0, 2.0), ("y", "log", 0, 8.0), ("z", "log", 0, nan), ("x", "calendar", 0, 3.0)]
    found = ablation.summary(ablated([*rows, ("y", "calendar", 0, 12.0)]))
    assert list(found.columns) == ["x", "y", "z", "mean of 2 sets", "of the default"]
    assert found["mean of 2 sets"].to_dict() == {"default": "2.000", "log": "4.000", "calendar": "6.000"}
    assert found["of the default"].to_dict() == {"default": "1.000", "log": "2.000", "calendar": "3.000"}
    assert found["z"].to_dict() == {"default": "7.000", "log": "", "calendar": ""}


def test_several_seeds_are_their_mean_and_their_spread(ablation) -> None:
    rows = [("x", "default", 0, 1.0), ("x", "default", 1, 2.0), ("x", "log", 0, 3.0), ("x", "log", 1, 8.0)]
    found = ablation.summary(ablated(rows))
    assert found["x"].to_dict() == {"default": "1.500 ±0.707", "log": "5.500 ±3.536"}
    assert found["of the default"].to_dict() == {"default": "1.000 ±0.000", "log": "3.667 ±0.707"}
    missing = ablation.summary(ablated(rows[:-1]))
    assert list(missing.columns) == ["x"] and missing["x"].to_dict() == {"default": "1.500 ±0.707", "log": ""}
