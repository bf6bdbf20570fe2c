"""The default against NeuralForecast's LSTM at its defaults: seconds of the fit, and MASE on the same windows.

    python benchmarks/neuralforecast_lstm.py --environment FOLDER [--sets airline,ETTh1] [--seeds 0] [--output FILE]
    python benchmarks/neuralforecast_lstm.py --environment FOLDER --smoke      # ten optimisation steps each

FOLDER is a virtual environment for NeuralForecast alone; where there is none it is made with ``python -m venv`` and
``pip install neuralforecast torch`` (1 GB). --torch names the package of torch: "torch==2.13.0+cpu" for a wheel without
CUDA where pip can find one.

Both learn from the same rows, those of the one target before the first of five origins a horizon apart, and then
forecast from every origin with the newest rows as input. forecaster is given the whole table, as a person gives it, and
NeuralForecast time and target, which is what its LSTM takes by default. The seconds are of ``fit`` alone, in a process
of its own each, one after the other, after both have imported what they need. Beside them stand the seconds that the
processors worked for it, all threads together, and those of the whole process, imports and forecasts included. MASE is
scaled by the seasonal naive error of the rows before the first origin.

Prints a line for each tool and set, then seconds, MASE and their ratios. The files are read from ../shared/data, or
from the folder named by FORECASTER_DATA.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from accuracy import ORIGINS, SETS, frame_and_horizon
from common import SMOKE, Timer, alone, arguments, record, settings_of, show

from forecaster import Config, Forecaster
from forecaster.data.panel.build import build_panel
from forecaster.evaluation.metrics import seasonal_scale
from forecaster.networks.keras import start_keras


def environment_python(folder: Path, torch: str) -> Path:
    """Return the Python of the environment, which is made where it is not there or lacks NeuralForecast."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    probe = [str(python), "-c", "import importlib.metadata as m; m.version('neuralforecast'); m.version('torch')"]
    if subprocess.run(probe, capture_output=True).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "-q", torch, "neuralforecast"], check=True)
    return python


def windows_of_set(name: str) -> tuple[pd.DataFrame, list[pd.Timestamp], int, float, str]:
    """Return the rows of a set's target, ``ds`` and ``y``, the cutoffs, the horizon, the scale of MASE and the freq."""
    one, (frame, horizon) = SETS[name], frame_and_horizon(name)
    panel, _ = build_panel(frame, Config.of(target=one.target, **one.settings))
    if len(panel) > 1 or panel.times.dtype.kind != "M":
        raise SystemExit(f"{name} is not one series with dates")
    rows = pd.DataFrame({"ds": pd.to_datetime(panel.times), "y": panel.values})
    cutoffs = [rows["ds"].iloc[-1 - horizon * k] for k in range(ORIGINS, 0, -1)]
    training = panel.drop_newest(ORIGINS * horizon)
    scale = seasonal_scale(training.values, one.season, training.observed)
    return rows, cutoffs, horizon, scale, panel.freq


def ours(name: str, seed: int, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the forecasts of forecaster, ``cutoff``, ``ds`` and ``forecast``, and its seconds."""
    one, (frame, horizon) = SETS[name], frame_and_horizon(name)
    start_keras()
    given = {"target": one.target, **one.settings, **settings, "seed": seed, "holdout": ORIGINS * horizon}
    timer, worked = Timer(), time.process_time()
    forecaster = Forecaster(**given).fit(frame)
    fit = {"fit s": timer.seconds, "fit CPU s": time.process_time() - worked}
    timer = Timer()
    table = forecaster.evaluate(frame, origins=ORIGINS, baselines=()).table
    assert not table["seen"].any(), "the network has learned from rows that are scored"
    found = table.rename(columns={"time": "ds"})[["cutoff", "ds", "forecast"]]
    return found, {**fit, "forecast s": timer.seconds}


def theirs(name: str, python: Path, settings: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the forecasts of NeuralForecast's LSTM, ``cutoff``, ``ds`` and ``forecast``, its seconds and versions."""
    rows, cutoffs, horizon, _, freq = windows_of_set(name)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows.assign(unique_id=name).to_csv(folder / "rows.csv", index=False)
        job = {"freq": freq, "horizon": horizon, "cutoffs": [str(c) for c in cutoffs], "settings": dict(settings)}
        (folder / "job.json").write_text(json.dumps(job))
        child = [str(python), str(Path(__file__).with_name("neuralforecast_child.py")), str(folder)]
        done = subprocess.run(child, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = pd.read_csv(folder / "forecasts.csv", parse_dates=["ds", "cutoff"])
        return found[["cutoff", "ds", "forecast"]], json.loads((folder / "result.json").read_text())


def mase_of(name: str, forecasts: pd.DataFrame) -> float:
    """Return MASE over all origins and steps.

    Raises:
        SystemExit: the forecasts are not of exactly these windows.
    """
    rows, cutoffs, horizon, scale, _ = windows_of_set(name)
    both = forecasts.merge(rows, on="ds", how="inner")
    if len(both) != ORIGINS * horizon or set(both["cutoff"]) != set(cutoffs):
        raise SystemExit(f"{name}: the forecasts are not of the {ORIGINS} windows of {horizon} steps")
    return float((both["forecast"] - both["y"]).abs().mean() / scale)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="folder of NeuralForecast's environment")
    parser.add_argument("--torch", default="torch", help="package of torch to install")
    parser.add_argument("--sets", default="airline,ETTh1")
    given = parser.parse_args()
    python = environment_python(given.environment.absolute(), given.torch)
    settings = {**(SMOKE if given.smoke else {}), **settings_of(given.settings)}
    lines = {}
    for name in given.sets.split(","):
        timer = Timer()
        forecasts, found = theirs(name, python, {"max_steps": 10} if given.smoke else {})
        row = {"tool": "NeuralForecast LSTM", "set": name, "mase": mase_of(name, forecasts), **found}
        record(given.output, "neuralforecast", {**row, "process s": timer.seconds})
        runs = []
        for seed in given.seeds:
            timer = Timer()
            (forecasts, seconds), peak = alone(ours, name, seed, settings)
            run = {"tool": "forecaster", "set": name, "seed": seed, "mase": mase_of(name, forecasts), **seconds}
            record(given.output, "neuralforecast", {**run, "peak MB": peak, "process s": timer.seconds})
            runs.append(run)
        mean = pd.DataFrame(runs)[["fit s", "fit CPU s", "mase"]].mean()
        lines[name] = {
            "NeuralForecast fit s": row["fit s"],
            "forecaster fit s": mean["fit s"],
            "ratio of the seconds": mean["fit s"] / row["fit s"],
            "ratio of CPU seconds": mean["fit CPU s"] / row["fit CPU s"],
            "NeuralForecast MASE": row["mase"],
            "forecaster MASE": mean["mase"],
            "ratio of MASE": mean["mase"] / row["mase"],
        }
    show("NeuralForecast's LSTM at its defaults, and the default of forecaster", pd.DataFrame(lines).T)


if __name__ == "__main__":
    main()
