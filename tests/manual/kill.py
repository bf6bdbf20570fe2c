"""Kill a fit at random moments, resume it each time, and compare what it writes with what an uninterrupted one writes.

    python tests/manual/kill.py                                100 kills, some minutes
    python tests/manual/kill.py --kills 2 --members 1          what the test suite runs
    python tests/manual/kill.py --network auto --budget 1h     other settings of the fit

TensorFlow is imported once, and nothing run with it: every fit is a fork of this process, which begins where a fit has
imported it, and dies by SIGKILL at a moment drawn evenly from the time that an uninterrupted one takes. After each
death the model directory holds the older model, the new one or, between two renames, none, but never a damaged one; and
nothing is lost that was kept of a training run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from forecaster import Forecaster
from forecaster.artifact.names import BEGUN, FILES, MANIFEST
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.siblings import checkpoint_files
from forecaster.cli.main import run
from forecaster.networks.keras import start_keras
from forecaster.training.checkpoint import read_run

FIT = (
    "fit table.csv --horizon 3 --lookback 12 --season 12 --validation 20 --base none --members 2 --units 4 "
    "--dropout 0.2 --averaging 0.5 --epochs 40 --patience 40 --epoch-steps 5 --learning-rate 0.01 -q"
)
#: Kills of one fit at most, before it may end.
MOST = 6


def main() -> None:
    """Kill, resume, compare, and print what came of it; exit with 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given, settings = parser.parse_known_args()
    start_keras()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_table(Path("table.csv"))
        wrong = kill_all(given.kills, [*FIT.split(), *settings], random.Random(given.seed))
        os.chdir(before)
    sys.exit(1 if wrong else 0)


def write_table(path: Path) -> None:
    """Write a table of 120 months."""
    steps = np.arange(120)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.2, 120)
    rows = [f"{2000 + i // 12}-{i % 12 + 1:02}-01,{value:.3f}" for i, value in enumerate(values)]
    path.write_text("\n".join(["month,y", *rows, ""]))


def kill_all(kills: int, fit: list[str], rng: random.Random) -> list[str]:
    """Return what was wrong after so many kills."""
    code, seconds = ended(fit, Path("whole"))
    assert code == 0, code
    print(f"an uninterrupted fit takes {seconds:.1f} s", flush=True)
    wrong: list[str] = []
    found: Counter[str] = Counter()
    models = []
    while found["kills"] < kills:
        models.append(Path(f"model-{len(models)}"))
        if len(models) % 2 == 0:
            older = Path("older")
            if not older.exists():
                seconds = min(seconds, ended([*fit, "--seed", "5"], older)[1])  # the machine may be less busy now
            shutil.copytree(older, models[-1])
        moments = [rng.uniform(0, seconds) for _ in range(min(MOST, kills - found["kills"]))]
        wrong += killed_until_done(fit, models[-1], moments, found)
        print(f"fit {len(models)}: {found['kills']} kills, {len(wrong)} times something wrong", flush=True)
    for model in models:
        wrong += [f"{model}: {problem}" for problem in compared(model, Path("whole"))]
    print(", ".join(f"{name}: {count}" for name, count in sorted(found.items())))
    print(f"fits: {len(models)}, each with the weights, history and forecasts of the uninterrupted one: {not wrong}")
    print("\n".join(wrong[:20]))
    return wrong


def killed_until_done(fit: list[str], model: Path, moments: list[float], found: Counter[str]) -> list[str]:
    """Fit into a directory, killed at some moments and begun with --resume each time; return what was wrong."""
    wrong: list[str] = []
    kept: list[float] = []
    code = -signal.SIGKILL
    for moment in [*moments, None]:
        found["fits resumed"] += (ModelPlace.of(model).checkpoint / BEGUN).exists()
        code, _ = ended([*fit, "--resume"], model, moment)
        if code != -signal.SIGKILL:
            break
        found["kills"] += 1
        wrong += damage(model, found)
        if finished(model):
            found["kills after the model was written"] += 1
            continue
        now = [progress(path) for path in checkpoint_files(ModelPlace.of(model).checkpoint)]
        if now:  # after the last run the network is exported, and the model written
            found[f"kills {'after' if now[-1] == math.inf else 'in'} run {len(now)}"] += 1
        if len(now) < len(kept) or any(b < a for a, b in zip(kept, now, strict=False)):
            wrong.append(f"epochs kept of the runs: {kept}, then {now}")
        kept = now
    if code != 0:
        wrong.append(f"exit code {code}")
    wrong += [f"left behind: {path.name}" for path in Path.cwd().glob(f".{model.name}*")]
    return [f"{model}: {problem}" for problem in wrong]


def ended(fit: list[str], model: Path, moment: float | None = None) -> tuple[int, float]:
    """Fit in a process of its own, which is killed at a moment if it still runs; return its exit code and seconds."""
    began = time.monotonic()
    process = os.fork()
    if not process:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(run([*fit, "--model", model.name]))
    done = 0
    while not done and (moment is None or time.monotonic() - began < moment):
        time.sleep(0.002)
        done, status = os.waitpid(process, os.WNOHANG)
    if not done:
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - began


def manifest_of(model: Path) -> dict[str, Any] | None:
    """Return the manifest of a model directory; None where there is none."""
    return json.loads((model / MANIFEST).read_text()) if model.exists() else None


def damage(model: Path, found: Counter[str]) -> list[str]:
    """Return what is wrong with a model directory, which may be absent.

    No library is asked: one that starts threads in this process would hinder its forks.
    """
    manifest = manifest_of(model)
    if manifest is None:
        found["kills that left no model yet"] += 1
        return []
    digests = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in FILES}
    return [f"{name} is damaged" for name, digest in digests.items() if digest != manifest["sha256"][name]]


def finished(model: Path) -> bool:
    """Return whether the model directory holds what the fit was to write, and not the older model."""
    manifest = manifest_of(model)
    return manifest is not None and manifest["config"]["seed"] == 0


def progress(path: Path) -> float:
    """Return how many epochs of a training run a checkpoint has, -1 where it is damaged."""
    values = read_run(path)
    return -1 if values is None else math.inf if values.get("over") else values["epoch"]


def compared(model: Path, whole: Path) -> list[str]:
    """Return what differs between two models."""
    names = [
        name
        for name in ("weights.npz", "history.parquet")
        if (model / name).read_bytes() != (whole / name).read_bytes()
    ]
    same = Forecaster.load(model).predict().equals(Forecaster.load(whole).predict())
    return [*(f"{name} differs" for name in names), *([] if same else ["the forecasts differ"])]


if __name__ == "__main__":
    main()
