"""How fast and how small: each line a ratio against something everybody has, measured in the same run.

    python benchmarks/speed.py [NAME ...] [--runs 5]

Names: help, predict, fit, training, memory; all by default. Every time is the median of the runs after one that is not
counted; peaks are the operating system's own, of the largest process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = sys.executable
FORECASTER = [PYTHON, "-m", "forecaster"]


def run(command: list[str], folder: str) -> tuple[float, float]:
    """Return the seconds and the peak megabytes of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024


def medians(commands: list[list[str]], folder: str, runs: int) -> list[tuple[float, float]]:
    """Run the commands in turn, A B A B ..., and return the medians of each."""
    rounds = [[run(command, folder) for command in commands] for _ in range(runs + 1)][1:]
    return [tuple(statistics.median(r[i][k] for r in rounds) for k in (0, 1)) for i in range(len(commands))]


def line(name: str, value: float, limit: float, unit: str, more: bool = False) -> None:
    """Print one figure beside its limit."""
    met = value >= limit if more else value <= limit
    print(
        f"{name:<58}{value:>9.2f} {unit:<4} {'>=' if more else '<='} {limit:<7g} {'met' if met else 'NOT MET'}",
        flush=True,
    )


def bench_help(folder: str, runs: int) -> None:
    """``--help`` against ``import click``."""
    (ours, _), (base, _) = medians([[*FORECASTER, "--help"], [PYTHON, "-c", "import click"]], folder, runs)
    print(f"  --help {ours:.3f} s, import click {base:.3f} s")
    line("forecaster --help / import click", ours / base, 3, "x")


def bench_predict(folder: str, runs: int) -> None:
    """``predict`` from CSV to CSV against ``import tensorflow``."""
    run([*FORECASTER, "fit", "dataset:airline", "--model", "m", "--epochs", "2"], folder)
    run([*FORECASTER, "datasets", "copy", "airline", "airline.csv"], folder)
    ours = [*FORECASTER, "predict", "--model", "m", "--data", "airline.csv", "--output", "f.csv", "--force"]
    (seconds, peak), (base, _) = medians([ours, [PYTHON, "-c", "import tensorflow"]], folder, runs)
    print(f"  predict {seconds:.3f} s, import tensorflow {base:.3f} s")
    line("predict CSV to CSV / import tensorflow", seconds / base, 0.25, "x")
    line("predict CSV to CSV, peak", peak, 250, "MB")


def bench_fit(folder: str, runs: int) -> None:
    """``fit`` on 144 months against ``import tensorflow``."""
    ours = [*FORECASTER, "fit", "dataset:airline", "--model", "fitted"]
    (seconds, peak), (base, _) = medians([ours, [PYTHON, "-c", "import tensorflow"]], folder, runs)
    print(f"  fit {seconds:.2f} s ({peak:.0f} MB), import tensorflow {base:.2f} s")
    line("fit airline / import tensorflow", seconds / base, 4, "x")


def bench_training(folder: str, runs: int) -> None:
    """Training through the index against ``model.fit`` on ready-made arrays of the same windows."""
    done = subprocess.run([PYTHON, __file__, "--throughput", str(runs)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    ours, bare = map(float, done.stdout.split())
    print(f"  by index {ours:,.0f} windows/s, ready-made arrays {bare:,.0f} windows/s")
    line("training by index / model.fit on ready-made arrays", ours / bare, 0.9, "x", more=True)


def throughput(runs: int) -> None:
    """Print windows per second: by index, and ready-made."""
    import numpy as np

    from forecaster.config import Config
    from forecaster.features.windows import Windows
    from forecaster.networks.keras import start_keras
    from forecaster.training.batches import make_batches

    start_keras()
    from forecaster.networks.factory import Shapes, build_network

    random = np.random.default_rng(0)
    rows, lookback, horizon, features, batch = 20_000, 168, 24, 6, 128
    values = random.normal(size=(rows, 1 + features)).astype(np.float32)
    windows = Windows(values[:, :1], lookback, horizon, calendar=values[:, 1:])
    config = Config.of(segment=12)
    network = build_network(config, Shapes(lookback, horizon, features, seasons=(24,)))
    steps = len(windows) // batch
    ready = ({"past": windows.inputs(), "future": windows.known()}, windows.targets()[:, :, None])
    ready = ({k: v[: steps * batch] for k, v in ready[0].items()}, ready[1][: steps * batch])
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(runs + 1):
        for name in times:
            began = time.perf_counter()
            if name == "ours":
                network.fit(make_batches(windows, batch, 0), steps_per_epoch=steps, epochs=1, verbose=0)
            else:
                network.fit(*ready, batch_size=batch, epochs=1, verbose=0)
            times[name].append(time.perf_counter() - began)
    print(*(steps * batch / statistics.median(t[1:]) for t in times.values()))


def bench_memory(folder: str, runs: int) -> None:
    """One epoch over two million rows."""
    import numpy as np
    import pandas as pd

    rows = 2_000_000
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"time": pd.date_range("2020-01-01", periods=rows, freq="min")})
    frame["load"] = np.round(np.sin(np.arange(rows) / 229) + random.normal(scale=0.1, size=rows), 4)
    frame.to_csv(Path(folder, "big.csv"), index=False)
    del frame
    settings = [
        "--lookback",
        "336",
        "--epochs",
        "1",
        "--no-final",
        "--season",
        "1",
        "--horizon",
        "24",
        "--batch-size",
        "1024",
    ]
    seconds, peak = run([*FORECASTER, "fit", "big.csv", "--model", "big", *settings], folder)
    print(f"  fit of {rows:,} rows, lookback 336, one epoch: {seconds:.0f} s")
    line("fit of 2,000,000 rows, one epoch, peak", peak / 1000, 1.6, "GB")


BENCHES = {
    "help": bench_help,
    "predict": bench_predict,
    "fit": bench_fit,
    "training": bench_training,
    "memory": bench_memory,
}


def main() -> None:
    """Run the benches that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(BENCHES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--throughput", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.throughput:
        throughput(given.throughput)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or BENCHES:
            BENCHES[name](folder, given.runs)


if __name__ == "__main__":
    main()
