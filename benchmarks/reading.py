"""Reading a wide table, 200 columns of 20,000 rows: seconds from file to panel, and the memory of a panel.

    python benchmarks/reading.py [--rows 20000] [--columns 200] [--runs 5] [--against CHECKOUT]

Every run is a process of its own that reads the file with pandas, reads it as ``fit`` does (``file``), and makes a
regular panel of it (``panel``); seconds are the least of all runs. ``MiB`` is what making the panel allocates at most,
in a second panel of the same run. With ``--against`` runs of another checkout of this
repository take turns with those of this one, and a line shows what this one takes as a share of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parents[1]
PARTS = ("pandas", "file", "panel")
#: Of ten columns, how many hold decimal numbers, whole numbers, categories, and numbers with gaps as text.
MIX = (7, 1, 1, 1)


def wide_table(rows: int, columns: int) -> pd.DataFrame:
    """Return hourly times, a target and columns of four kinds, ``(rows, columns)``."""
    rng = np.random.default_rng(0)
    makers = (
        lambda: rng.normal(size=rows).round(3),
        lambda: rng.integers(0, 100, rows),
        lambda: np.array(["low", "mid", "high"])[rng.integers(0, 3, rows)],
        lambda: np.where(rng.random(rows) < 0.1, "", rng.integers(0, 100, rows).astype(str)),
    )
    kinds = np.repeat(np.arange(len(MIX)), MIX)
    others = {f"{chr(97 + i % 26)}{i}x": makers[kinds[i % len(kinds)]]() for i in range(columns - 2)}
    return pd.DataFrame({"date": pd.date_range("2000", periods=rows, freq="h"), **others, "y": rng.normal(size=rows)})


def measure(path: str) -> dict[str, float]:
    """Return the seconds of each part, and the MiB that ``panel`` allocates at most."""
    from forecaster.config import Config
    from forecaster.data.panel.build import build_panel
    from forecaster.data.readers.sources import read_table

    read_table(path)  # imports and the cache of the file system
    begin = [time.perf_counter()]
    pd.read_csv(path)
    begin.append(time.perf_counter())
    frame = read_table(path)
    begin.append(time.perf_counter())
    build_panel(frame, Config())
    begin.append(time.perf_counter())
    tracemalloc.start()
    build_panel(frame, Config())
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    return {**dict(zip(PARTS, np.diff(begin).tolist(), strict=True)), "MiB": peak}


def run(checkout: Path, path: Path) -> dict[str, float]:
    """Return what :func:`measure` finds in a process that imports the package of a checkout."""
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--here", str(path)]
    done = subprocess.run(command, env=env, cwd=checkout, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure in turns, and print a line for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.here)))
        return
    checkouts = {"this": HERE, **({"other": given.against.resolve()} if given.against else {})}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.csv"
        wide_table(given.rows, given.columns).to_csv(path, index=False)
        for _ in range(given.runs):
            for name, checkout in checkouts.items():
                runs[name].append(run(checkout, path))
    best = pd.DataFrame(
        {name: pd.DataFrame(found).agg(dict.fromkeys(PARTS, "min") | {"MiB": "median"}) for name, found in runs.items()}
    )
    if given.against:
        best["share"] = best["this"] / best["other"]
    print(best.T.round(3).to_string())


if __name__ == "__main__":
    main()
