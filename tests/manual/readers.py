"""Many readers of a model directory while another process replaces it: each forecast is that of one of the models.

``python tests/manual/readers.py 20 3`` runs 20 ``forecaster predict`` processes at once, three times, while one more
process saves two models in turn at their place without a pause. With ``fit`` after it, that one runs ``forecaster fit``
with two seeds in turn instead, and rounds go on until so many fits have ended.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from forecaster import Forecaster
from forecaster.artifact.names import MANIFEST

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
FORECASTER = [sys.executable, "-m", "forecaster"]


def models() -> list[Path]:
    """Return two golden models."""
    return sorted(path.parent for path in GOLDEN.glob(f"*/*/{MANIFEST}"))[-2:]


def fitted(place: Path, seed: int) -> None:
    """Fit a small network by the command line."""
    options = ["--units", "4", "--epochs", "2", "--seed", str(seed), "--needed-gain", "0"]
    command = [*FORECASTER, "fit", "-q", "dataset:airline", "--model", str(place), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def refit(place: Path, stopped: Callable[[], bool], fits: Synchronized[int]) -> None:
    """Fit with two seeds in turn at one place until told to stop; count how often."""
    while not stopped():
        fitted(place, 1 - fits.value % 2)
        fits.value += 1


def replace(place: Path, stopped: Callable[[], bool]) -> int:
    """Save two models in turn at one place until told to stop; return how often."""
    loaded, count = [Forecaster.load(model) for model in models()], 0
    while not stopped():
        loaded[count % 2].save(place)
        count += 1
    return count


def read(place: Path, rounds: int, expected: list[str], wrong: list[str]) -> None:
    """Load and predict so many times; what is no forecast of one of the models is appended to ``wrong``."""
    for _ in range(rounds):
        try:
            found = Forecaster.load(place, newest_only=True).predict().to_csv()
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found not in expected:
            wrong.append(found)


def in_threads(place: Path, readers: int, rounds: int) -> tuple[int, list[str]]:
    """Read in threads while this one replaces; return how often it did, and what was wrong."""
    expected = [Forecaster.load(model, newest_only=True).predict().to_csv() for model in models()]
    Forecaster.load(models()[0]).save(place)
    wrong = list[str]()
    threads = [threading.Thread(target=read, args=(place, rounds, expected, wrong)) for _ in range(readers)]
    for thread in threads:
        thread.start()
    count = replace(place, lambda: not any(thread.is_alive() for thread in threads))
    return count, wrong


def in_processes(folder: Path, readers: int, rounds: int, fits: bool) -> int:
    """Read in processes of the command line while one more replaces; return how many were wrong."""
    place, stop, wrong = folder / "model", multiprocessing.Event(), 0
    ended = multiprocessing.Value("i", 0)
    known = [folder / "first", folder / "second"] if fits else models()
    if fits:
        for seed, model in enumerate(known):
            fitted(model, seed)
    expected = [predicted(model).communicate()[0] for model in known]
    if len(set(expected)) < 2:
        raise SystemExit("the two models forecast the same: nothing would be proved")
    shutil.copytree(known[0], place)
    args = (place, stop.is_set, ended) if fits else (place, stop.is_set)
    writer = multiprocessing.Process(target=refit if fits else replace, args=args)
    writer.start()
    try:
        number = 0
        while number < rounds or (fits and ended.value < rounds):
            number, ends = number + 1, Counter[str]()
            for process in [predicted(place) for _ in range(readers)]:
                out, err = process.communicate()
                right = process.returncode == 0 and out in expected
                ends[f"model {expected.index(out)}" if right else f"WRONG {process.returncode}: {out}{err}"] += 1
                wrong += not right
            found = ", ".join(f"{times} x {what}" for what, times in sorted(ends.items()))
            print(f"round {number}" + (f", after {ended.value} fits" if fits else "") + f": {found}", flush=True)
    finally:
        stop.set()
        writer.join()
    for model in known if fits else []:
        shutil.rmtree(model)
    print(f"{number * readers} processes, {wrong} wrong", flush=True)
    return wrong


def predicted(place: Path) -> subprocess.Popen[str]:
    command = [*FORECASTER, "predict", "-q", "--model", str(place)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def main() -> int:
    """Run what is asked for."""
    readers, rounds = map(int, sys.argv[1:3] or (20, 3))
    fits = sys.argv[3:] == ["fit"]
    with tempfile.TemporaryDirectory() as folder:
        wrong = in_processes(Path(folder), readers, rounds, fits)
        left = sorted(os.listdir(folder))
    print(f"left beside the model: {[n for n in left if n != 'model']}")
    return bool(wrong or left != ["model"])


if __name__ == "__main__":
    sys.exit(main())
