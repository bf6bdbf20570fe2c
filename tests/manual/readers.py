"""Many readers of a model directory while another process replaces it: each forecast is that of one of the models.

``python tests/manual/readers.py 20 3`` runs 20 ``forecaster predict`` processes at once, three times, while one more
process saves two models in turn at their place without a pause.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from forecaster import Forecaster
from forecaster.artifact.layout import MANIFEST

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def models() -> list[Path]:
    """Return two golden models."""
    return sorted(path.parent for path in GOLDEN.glob(f"*/*/{MANIFEST}"))[-2:]


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


def in_processes(folder: Path, readers: int, rounds: int, say: Callable[[str], None] = print) -> int:
    """Read in processes of the command line while one more replaces; return how many were wrong."""
    place, stop, wrong = folder / "model", multiprocessing.Event(), 0
    expected = [predicted(model).communicate()[0] for model in models()]
    Forecaster.load(models()[0]).save(place)
    writer = multiprocessing.Process(target=replace, args=(place, stop.is_set))
    writer.start()
    try:
        for number in range(rounds):
            ends = Counter[str]()
            for process in [predicted(place) for _ in range(readers)]:
                out, err = process.communicate()
                known = process.returncode == 0 and out in expected
                ends[f"model {expected.index(out)}" if known else f"WRONG {process.returncode}: {out}{err}"] += 1
                wrong += not known
            say(f"round {number + 1}: " + ", ".join(f"{times} x {what}" for what, times in sorted(ends.items())))
    finally:
        stop.set()
        writer.join()
    return wrong


def predicted(place: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "forecaster", "predict", "-q", "--model", str(place)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def main() -> int:
    """Run what is asked for."""
    readers, rounds = map(int, sys.argv[1:3] or (20, 3))
    with tempfile.TemporaryDirectory() as folder:
        wrong = in_processes(Path(folder), readers, rounds)
        left = sorted(os.listdir(folder))
    print(f"{readers * rounds} processes, {wrong} wrong; left beside the model: {[n for n in left if n != 'model']}")
    return bool(wrong or left != ["model"])


if __name__ == "__main__":
    sys.exit(main())
