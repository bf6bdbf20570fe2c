"""Whether a fit gives the same bytes again, on other numbers of threads and cores, and what ``--deterministic`` costs.

    python benchmarks/determinism.py [NETWORK ...] [--data dataset:sea_temperature] [--units 128,128] [--epochs 2]

Each line is a network: how many different ``weights.npz`` and forecasts came of the fits without ``--deterministic``
(twice as it is, with 1, 2, 4 and 8 threads, and on one core), how many with it, and the seconds of the latter against
those of the former, both as they are, in the same run. The last epoch is kept, so that trained weights are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

NETWORKS = ("lstm", "bilstm", "cnn-lstm", "transformer", "tcn", "nbeats")
#: Variables that say how many threads the libraries have.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def forecaster(words: list[str], threads: int | None, one_core: bool) -> bytes:
    """Run a command with so many threads, None for as many as it likes, and return what it prints."""
    env = {name: text for name, text in os.environ.items() if name not in THREADS}
    env |= dict.fromkeys(THREADS, str(threads)) if threads else {}
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if one_core else []
    command = [*pinned, sys.executable, "-m", "forecaster", *words]
    return subprocess.run(command, env=env, capture_output=True, check=True).stdout


def fit(options: list[str], threads: int | None = None, one_core: bool = False) -> tuple[str, str, float]:
    """Return the digests of weights and forecast of a fit, and the seconds that it says it took."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder, "model"))
        forecaster(["fit", *options, "--model", model, "-q"], threads, one_core)
        forecast = forecaster(["predict", "--model", model, "-q"], threads, one_core)
        record = json.loads(Path(model, "manifest.json").read_text())["record"]
        digests = (
            hashlib.sha256(content).hexdigest()[:8] for content in (Path(model, "weights.npz").read_bytes(), forecast)
        )
        return (*digests, record["seconds"])


def main() -> None:
    """Fit each network in all of these ways, and print a line of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--data", default="dataset:sea_temperature")
    parser.add_argument("--units", default="128,128")
    parser.add_argument("--epochs", default="2")
    parser.add_argument("--loss", default="mse")
    given = parser.parse_args()
    for network in given.networks:
        options = [given.data, "--network", network, "--units", given.units, "--epochs", given.epochs, "--keep", "last"]
        options += ["--loss", given.loss, "--no-final"]
        seconds, counts = [], []
        for more in ([], ["--deterministic"]):
            usual = [fit(options + more) for _ in range(2)]
            others = [fit(options + more, threads) for threads in (1, 2, 4, 8)] + [fit(options + more, one_core=True)]
            counts += [len({found[i] for found in [*usual, *others]}) for i in (0, 1)]
            seconds.append(min(found[2] for found in usual))
        weights, forecasts, fixed_weights, fixed_forecasts = counts
        print(
            f"{network:<12} of 7 fits different weights {weights}, forecasts {forecasts}; with --deterministic "
            f"{fixed_weights} and {fixed_forecasts}; {seconds[1] / seconds[0]:.2f} times the seconds",
            flush=True,
        )


if __name__ == "__main__":
    main()
