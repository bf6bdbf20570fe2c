"""The README's commands are run, and print what it shows.

``python tests/project/test_readme.py`` writes what they print now into the README, after which a person reads it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")

#: Training repeats itself on one machine only; elsewhere numbers may differ by this share of the largest in the line.
TOLERANCE = 0.1


def run(command: str, folder: Path) -> str:
    """Return what a command prints, both streams as a terminal shows them."""
    words = shlex.split(command)
    assert words[0] == "forecaster", command
    done = subprocess.run(
        [sys.executable, "-m", "forecaster", *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def shown(text: str) -> list[tuple[str, str]]:
    """Return the commands of the README and what it says they print."""
    found = []
    for block in CONSOLE.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def assert_alike(expected: str, printed: str) -> None:
    """Same words; numbers alike, but for the seconds."""
    expected, printed = (re.sub(r"[\d.]+ s$", "T s", text, flags=re.MULTILINE) for text in (expected, printed))
    assert NUMBER.sub("N", expected).split() == NUMBER.sub("N", printed).split()
    for old, new in zip(expected.splitlines(), printed.splitlines(), strict=True):
        a, b = ([float(n.replace(",", "")) for n in NUMBER.findall(line)] for line in (old, new))
        largest = max(map(abs, a), default=0)
        assert b == pytest.approx(a, abs=TOLERANCE * largest), f"{old}\n{new}"


@pytest.mark.tensorflow
def test_commands_print_what_the_readme_shows(tmp_path):
    commands = shown(README.read_text(encoding="utf-8"))
    assert [c for c, _ in commands[:3]] == [
        "forecaster fit dataset:airline",
        "forecaster predict --horizon 10",
        "forecaster plot",
    ]
    for command, expected in commands:
        assert_alike(expected, run(command, tmp_path))
        for following in re.findall("^next: (.*)$", expected, re.MULTILINE):
            run(following, tmp_path)
    for name in ("forecast.png", "plot.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("printed", ["skill 10.0%\nother", "skill 90.0%", "skil 10.0%"])
def test_another_output_would_be_noticed(printed):
    with pytest.raises((AssertionError, ValueError)):
        assert_alike("skill 10.0%", printed)


@pytest.mark.tensorflow
def test_python_example_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code.replace("Forecaster(horizon=12)", "Forecaster(horizon=12, epochs=1, units=4)"), names)
    columns = ["series", "month", "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]
    assert names["table"].columns.tolist() == columns
    assert names["network"].output_shape == (None, 12, 1)


def test_files_that_the_readme_names_exist():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def rewrite(folder: Path) -> None:
    """Put what the commands print now into the README, and the picture beside it."""

    def printed(match: re.Match[str]) -> str:
        commands = [line[2:] for line in match[1].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"$ {command}\n{run(command, folder)}" for command in commands) + "```"

    README.write_text(CONSOLE.sub(printed, README.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "forecast.png").write_bytes((folder / "plot.png").read_bytes())


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        rewrite(Path(name))
