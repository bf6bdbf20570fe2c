"""Whether a fit gives the same bytes again, on other numbers of threads and cores, and what ``--deterministic`` costs.

    python benchmarks/determinism.py [NETWORK ...] [--data dataset:sea_temperature] [--units 128,128] [--epochs 2]

Each line is a network: how many different weights and forecasts came of seven fits as they are (twice as many threads
as they like, 1, 2, 4 and 8 threads, and one core), how many of seven with ``--deterministic``, and the seconds of the
latter against those of the former, with as many threads as they like, in the same run. The last epoch is kept, so that
trained weights are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from typing import Any

NETWORKS = ("lstm", "bilstm", "cnn-lstm", "transformer", "tcn", "nbeats")
#: Variables that say how many threads the libraries have.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
#: Threads of each process, None for as many as it likes; 0 for one core.
WAYS = (None, None, 1, 2, 4, 8, 0)


def fit_all(networks: list[str], data: str, settings: dict[str, Any]) -> None:
    """Fit the networks in this process and print weights and forecast of each as digests, and its seconds."""
    from forecaster import Forecaster

    for network in networks:
        forecaster = Forecaster(network=network, keep="last", **settings).fit(data)
        weights = b"".join(array.tobytes() for _, array in sorted(forecaster.model.weights.items()))
        contents = (weights, forecaster.predict().to_csv().encode())
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        print(json.dumps([*digests, forecaster.model.record["seconds"]]), flush=True)


def fits(threads: int | None, arguments: list[str]) -> list[list[Any]]:
    """Return what :func:`fit_all` prints in a process with so many threads."""
    env = {name: text for name, text in os.environ.items() if name not in THREADS}
    env |= dict.fromkeys(THREADS, str(threads)) if threads else {}
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if threads == 0 else []
    command = [*pinned, sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Fit each network in all of these ways, and print a line of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--data", default="dataset:sea_temperature")
    parser.add_argument("--units", default="128,128")
    parser.add_argument("--epochs", default="2")
    parser.add_argument("--loss", default="mse")
    parser.add_argument("--here", choices=("usual", "deterministic"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        settings = {name: getattr(given, name) for name in ("units", "epochs", "loss")}
        return fit_all(given.networks, given.data, {**settings, "deterministic": given.here == "deterministic"})
    found = {
        here: [fits(threads, [*sys.argv[1:], "--here", here]) for threads in WAYS]
        for here in ("usual", "deterministic")
    }
    for place, network in enumerate(given.networks):
        texts, seconds = [], []
        for name, ways in found.items():
            weights, forecasts = (len({way[place][i] for way in ways}) for i in (0, 1))
            texts.append(f"{name} {weights} different weights, {forecasts} forecasts")
            seconds.append(min(way[place][2] for way, threads in zip(ways, WAYS, strict=True) if threads is None))
        print(f"{network:<12} of {len(WAYS)} fits: {'; '.join(texts)}; {seconds[1] / seconds[0]:.2f} times the seconds")


if __name__ == "__main__":
    main()
