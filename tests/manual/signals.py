"""Send signals to real commands at random moments: each is to end soon, to say so, and to leave nothing half-written.

    python tests/manual/signals.py                    ten signals for each of four commands, some minutes
    python tests/manual/signals.py --signals 2        fewer
    python tests/manual/signals.py --only fit         one of the commands

SIGINT and SIGTERM in turn, at moments drawn evenly from 0.02 s to what the command takes undisturbed. A signal counts
where the command minds signals at that moment; those that come while Python itself starts, or after the work, are
counted apart and made up for. The system tells what a process minds in ``/proc``. A command has five seconds to end; on
a busy machine as many times more as it takes longer, undisturbed, than it works.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from forecaster import Forecaster
from forecaster.artifact.place import ModelPlace

ROOT = Path(__file__).resolve().parents[2]
FIT = "fit dataset:airline --units 8 --patience 100"
#: Name: (the command, the file or model that it writes).
COMMANDS = {
    "fit": (f"{FIT} --epochs 8 --model new", "new"),
    "evaluate": ("evaluate --model one --refit --origins 2 --output table.csv", "table.csv"),
    "predict": ("predict --model one --output table.csv", "table.csv"),
    "compare": ("compare one two --output table.csv", "table.csv"),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds after which a command must have ended where nothing else runs, and of the earliest signal.
SOON, EARLIEST = 5.0, 0.02
TOLD = re.compile(r"forecaster: error: interrupted\n  \S.*\n\Z")
#: How the sentences begin that say what a network is worth.
VERDICT = re.compile(r"^(The network|The forecast|Too few forecasts)\b", re.M)


@dataclass(frozen=True)
class Ended:
    """How a command ended: code, output, what it minded when the signal came, and seconds from that to its end."""

    code: int
    out: str
    err: str
    minded: str
    seconds: float


def main() -> None:
    """Send the signals and print what came of them; exit with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=10, help="signals for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=tuple(COMMANDS), help="one of the commands")
    given = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        models = Path(place, "models")
        models.mkdir()
        for number, name in enumerate(("one", "two")):
            ended(f"{FIT} --epochs 3 --seed {number} --model {name}", models)
        for name in [given.only] if given.only else COMMANDS:
            wrong += stopped(name, given.signals, random.Random(f"{given.seed} {name}"), models, Path(place))
    print(f"{len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


def stopped(name: str, signals: int, rng: random.Random, models: Path, place: Path) -> list[str]:
    """Stop one command so many times; return what was wrong."""
    command, output = COMMANDS[name]
    whole = Path(shutil.copytree(models, place / f"{name}-whole"))
    began, worked = time.monotonic(), work()
    undisturbed = ended(command, whole)
    usual, worked = time.monotonic() - began, work() - worked
    limit = SOON * max(1.0, usual / worked)
    assert undisturbed.code == 0, undisturbed.err
    found: Counter[str] = Counter()
    slowest, wrong = 0.0, list[str]()
    while found["landed"] < signals:
        sent, moment = SIGNALS[found["landed"] % len(SIGNALS)], rng.uniform(EARLIEST, usual)
        folder = Path(shutil.copytree(models, place / f"{name}-{found.total()}"))
        began = time.monotonic()
        end = ended(command, folder, sent, moment)
        if end.minded == "after the work":
            usual = min(usual, time.monotonic() - began)  # the machine may be less busy now
        found[end.minded] += 1
        slowest = max(slowest, end.seconds) if end.minded == "landed" else slowest
        problems = [*code_and_words(end, sent, limit), *files(command, output, folder, whole, end)]
        for problem in problems:
            wrong.append(f"{name}, {sent.name} after {moment:.3f} s, {end.minded}: {problem}")
            print(wrong[-1], flush=True)
        shutil.rmtree(folder)
    counts = ", ".join(f"{found[kind]} {kind}" for kind in ("landed", "while Python started", "after the work"))
    ends = f"ended {slowest:.1f} s later at most, {limit:.1f} s allowed"
    print(f"{name}: {usual:.1f} s undisturbed; {counts}; {ends}; {len(wrong)} wrong", flush=True)
    return wrong


def ended(command: str, folder: Path, sent: int = 0, moment: float = 0.0) -> Ended:
    """Run a command in a folder and send it a signal at a moment; return how it ended."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("FORECASTER_")}
    argv = [sys.executable, "-m", "forecaster", *command.split()]
    began, minded = time.monotonic(), "after the work"
    process = subprocess.Popen(
        argv,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**env, "PYTHONPATH": str(ROOT)},
    )
    try:
        out, err = process.communicate(timeout=moment - (time.monotonic() - began) if sent else None)
        came = time.monotonic()
    except subprocess.TimeoutExpired:
        minded, came = what_it_minds(process.pid), time.monotonic()
        process.send_signal(sent)
        out, err = process.communicate()
    return Ended(process.returncode, out, err, minded, time.monotonic() - came)


def what_it_minds(process: int) -> str:
    """Return whether a signal lands in a process: it has a handler, none yet, or none any more."""
    status = Path(f"/proc/{process}/status").read_text()
    bit = 1 << (signal.SIGHUP - 1)  # its handler is the last to be set
    caught, ignored = (int(found, 16) for found in re.findall(r"Sig(?:Cgt|Ign):\s*(\w+)", status)[::-1])
    return (
        "landed"
        if caught & bit
        else "after the work"
        if ignored & bit or "zombie" in status
        else "while Python started"
    )


def work() -> float:
    """Return the seconds that the processes ended so far have worked."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def code_and_words(end: Ended, sent: int, limit: float) -> list[str]:
    """Return what is wrong with the exit code, the words and the seconds of a command that was sent a signal."""
    found = [f"it took {end.seconds:.1f} s to end"] if end.seconds > limit else []
    if end.minded == "after the work":
        return found + ([f"exit code {end.code}"] if end.code else [])
    if end.minded == "while Python started":  # which has ways of its own, and ends with 1 where ``site`` is imported
        ours = f'File "{ROOT}/forecaster/cli' in end.err or end.code not in (1, -sent, 128 + sent)
        return found + ([f"exit code {end.code}: {end.err[-300:]!r}"] if ours else [])
    if end.code != 128 + sent:
        found.append(f"exit code {end.code}: {end.err[-300:]!r}")
    if "Traceback" in end.err or not TOLD.search(end.err):
        found.append(f"it says {end.err[-300:]!r}")
    return found + [f"a verdict: {line}" for line in VERDICT.findall(end.out)]


def files(command: str, output: str, folder: Path, whole: Path, end: Ended) -> list[str]:
    """Return what is wrong with what a command left: its output must be whole or absent, a checkpoint of use."""
    found, written, checkpoint = [], folder / output, ModelPlace.of(folder / output).checkpoint
    names = {path.name for path in folder.iterdir()} - {"one", "two", output}
    if checkpoint.name in names and end.code:
        names.remove(checkpoint.name)
        again = ended(f"{command} --resume", folder)
        left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        found += [f"--resume: {again.code}, {left}: {again.err[-300:]!r}"] if again.code or left else []
    if end.code == 0 and not written.exists():
        found.append(f"exit code 0 without {output}")
    if written.is_file() and written.read_bytes() != (whole / output).read_bytes():
        found.append(f"{output} is not what it is undisturbed")
    if written.is_dir():
        Forecaster.load(written)  # raises where it is not whole
    return found + ([f"left behind: {sorted(names)}"] if names else [])


if __name__ == "__main__":
    main()
