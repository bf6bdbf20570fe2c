"""One network for 100,000 series: seconds, series per second and peak memory of whole commands.

    python benchmarks/scale.py [--series 1000,10000,100000] [--rows 200] [--folder DIR]

Writes a folder of Parquet files (a text id, a date and a float32 value, generated), then runs ``forecaster fit`` for
one epoch and ``forecaster predict --horizon 24`` of all series to a CSV file, with intervals of 80 % and 95 %, with
this model and, of the folder itself, with no fit; each as a process of its own. The seconds are those of the whole
command, start and files included; the peak of its resident memory stands beside that of a process that imports
TensorFlow, or ONNX Runtime with pandas and pyarrow, and stops.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

FILES, HORIZON = 8, 24
IMPORTS = {
    "fit": "import tensorflow, keras, pandas, pyarrow.parquet",
    "predict": "import onnxruntime, pandas, pyarrow.parquet",
    "no fit": "import onnxruntime, pandas, pyarrow.parquet",
}


def write_folder(folder: Path, series: int, rows: int) -> None:
    """Write a weekly season, a level and noise for each series, in a few files of whole series."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=rows, freq="D").to_numpy()
    season = np.sin(2 * np.pi * np.arange(rows) / 7)
    for number, ids in enumerate(np.array_split(np.arange(series), FILES)):
        level = rng.lognormal(4, 1, (len(ids), 1))
        values = level * (1 + 0.2 * season + 0.05 * rng.normal(size=(len(ids), rows)))
        frame = pd.DataFrame(
            {
                "item": np.repeat(np.char.add("item-", ids.astype(str)).astype(object), rows),
                "day": np.tile(days, len(ids)),
                "sold": values.ravel().astype(np.float32),
            }
        )
        frame.to_parquet(folder / f"part-{number}.parquet", index=False)


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command and return its seconds and the peak of its resident memory, in MB."""
    began = time.perf_counter()
    code = "import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(r.returncode)"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, float(done.stderr.split()[-1]) * unit / 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="1000,10000,100000")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--commands", default="fit,predict,no fit", help="predict needs fit")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    given = parser.parse_args()
    base = {name: measured([sys.executable, "-c", code])[1] for name, code in IMPORTS.items()}
    print(f"imports alone: fit {base['fit']:.0f} MB, predict {base['predict']:.0f} MB")
    found = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        place = Path(name)
        for series in map(int, given.series.split(",")):
            folder, model = place / f"series-{series}", place / f"model-{series}"
            write_folder(folder, series, given.rows)
            forecaster = [sys.executable, "-m", "forecaster"]
            commands = {
                "fit": ["fit", str(folder), "--epochs", "1", "--no-final", "--model", str(model), "-q"],
                "predict": ["predict", "--horizon", str(HORIZON), "--model", str(model), "-q"],
            }
            commands["no fit"] = ["predict", str(folder), "--horizon", str(HORIZON), "-q"]
            commands = {name: commands[name] for name in given.commands.split(",")}
            for name in commands.keys() - {"fit"}:
                commands[name] += ["--output", str(place / f"{name}-{series}.csv")]
            size = series * given.rows * 4 / 1e6
            for command, words in commands.items():
                seconds, peak = measured([*forecaster, *words])
                rate, times = series / seconds, (peak - base[command]) / size
                row = {"command": command, "series": series, "seconds": seconds, "series/s": rate, "peak MB": peak}
                found.append({**row, "x float32 data, less imports": times})
                print({k: v if isinstance(v, str) else round(v, 2) for k, v in found[-1].items()}, flush=True)
    print(pd.DataFrame(found).to_string(index=False, float_format="{:.1f}".format))


if __name__ == "__main__":
    main()
