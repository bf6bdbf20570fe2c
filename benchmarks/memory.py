"""The memory that training is predicted to take, beside what it took.

    python benchmarks/memory.py [--only lstm]

Each line is a fit of two steps as a process of its own, on generated hourly readings. What was taken is the peak of its
resident memory, less what it had when the prediction was made. Where it is less than 0.6 of the prediction, a fit that
would have done was refused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from forecaster.families import NETWORKS

CHILD = """
import json, re, sys
import numpy as np, pandas as pd
from forecaster import Forecaster
from forecaster.fitting import fit as fitting
from forecaster.training import memory

settings = json.loads(sys.argv[1])
rows, series, extra = (settings.pop(name) for name in ("rows", "series", "extra"))

def held(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

def predicted(config, plan, panel, **options):
    need = memory.needed_memory(config, plan, panel)
    found.update(vars(need), total=need.total, before=held("VmRSS"))
    return []

found, rng, steps = {}, np.random.default_rng(0), np.tile(np.arange(rows), series)
times = pd.Timestamp(2000, 1, 1) + pd.to_timedelta(steps, "h")
frame = {"s": np.repeat(np.arange(series), rows).astype(str), "time": times}
frame["y"] = np.sin(steps * np.pi / 12) + rng.normal(0, 0.3, len(steps))
frame |= {f"x{i}": rng.normal(size=len(steps)).astype(np.float32) for i in range(extra)}
frame, fitting.refuse_beyond_memory = pd.DataFrame(frame), predicted
Forecaster(epochs=1, epoch_steps=2, final=False, season="24", series="s", **settings).fit(frame)
print(json.dumps({**found, "peak": held("VmHWM")}))
"""

USUAL: dict[str, Any] = {
    **{"rows": 5_000, "series": 1, "extra": 0},
    **{"network": "lstm", "lookback": 200, "horizon": 24, "segment": 1, "units": [128, 128], "batch_size": 256},
}
FITS: list[dict[str, Any]] = [
    {"lookback": 48, "segment": 24, "units": [8], "batch_size": 8},
    {},
    {"batch_size": 64},
    {"batch_size": 1_024},
    {"lookback": 50},
    {"lookback": 600},
    {"units": [32]},
    {"units": [256, 256]},
    {"segment": 24, "lookback": 960},
    {"segment": 24, "lookback": 720, "horizon": 336, "units": [64, 64], "rows": 20_000},
    {"segment": 24, "lookback": 48, "units": [700], "batch_size": 8},
    {"lookback": 12, "horizon": 12, "units": [1_400], "batch_size": 8},
    {"network": "tide", "lookback": 12, "horizon": 12, "units": [1_400], "batch_size": 8},
    {"segment": 24, "units": [64], "extra": 20, "batch_size": 1_024},
    {"segment": 24, "units": [8], "rows": 2_000_000},
    {"segment": 24, "units": [8], "rows": 1_000, "series": 1_000, "extra": 6},
    *({"network": name} for name in NETWORKS if name != USUAL["network"]),
    {"network": "transformer", "lookback": 60, "batch_size": 1_024},
    {"network": "nlinear", "lookback": 1_000, "horizon": 200, "extra": 10},
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="fits that mention this")
    only = parser.parse_args().only
    names = ("fixed", "learned", "forecast", "exported", "total")
    print(f"{'MB:':<5}" + "".join(f"{name:>9}" for name in (*names, "measured", "ratio")))
    ratios = []
    for changed in FITS:
        if only not in json.dumps(changed):
            continue
        command = [sys.executable, "-c", CHILD, json.dumps({**USUAL, **changed})]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        measured = found["peak"] - found["before"]
        ratios.append(measured / found["total"])
        cells = "".join(f"{size / 1e6:>9,.0f}" for size in (*(found[name] for name in names), measured))
        print(f"     {cells}{ratios[-1]:>9.2f}  {json.dumps(changed)[1:-1]}", flush=True)
    if ratios:
        print(f"measured is {min(ratios):.2f} to {max(ratios):.2f} of what was predicted, in {len(ratios)} fits")


if __name__ == "__main__":
    main()
