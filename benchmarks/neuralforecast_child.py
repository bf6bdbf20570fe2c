"""The other side of benchmarks/neuralforecast_lstm.py, run by the Python that has NeuralForecast and not forecaster.

    ENVIRONMENT/bin/python benchmarks/neuralforecast_child.py FOLDER

FOLDER holds rows.csv (columns ``unique_id``, ``ds``, ``y``) and job.json (``freq``, ``horizon``, ``cutoffs`` and the
settings of the model). Fits NeuralForecast's LSTM once, on the rows up to the first cutoff, forecasts from every cutoff
with the rows up to it, and writes forecasts.csv and result.json (seconds, peak memory, versions).
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM


def main() -> None:
    folder = Path(sys.argv[1])
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    job = json.loads((folder / "job.json").read_text())
    rows = pd.read_csv(folder / "rows.csv", parse_dates=["ds"])
    cutoffs = pd.to_datetime(job["cutoffs"])
    quiet = {"enable_progress_bar": False, "logger": False, "enable_model_summary": False}
    tool = NeuralForecast(models=[LSTM(h=job["horizon"], **job["settings"], **quiet)], freq=job["freq"])
    began, worked = time.perf_counter(), time.process_time()
    tool.fit(df=rows[rows["ds"] <= cutoffs[0]])
    seconds, worked, parts = time.perf_counter() - began, time.process_time() - worked, []
    began = time.perf_counter()
    for cutoff in cutoffs:
        found = tool.predict(df=rows[rows["ds"] <= cutoff]).reset_index(drop=False)
        parts.append(found.assign(cutoff=cutoff).rename(columns={"LSTM": "forecast"}))
    pd.concat(parts)[["unique_id", "cutoff", "ds", "forecast"]].to_csv(folder / "forecasts.csv", index=False)
    result = {
        "fit s": seconds,
        "fit CPU s": worked,
        "forecast s": time.perf_counter() - began,
        "parameters": sum(p.numel() for p in tool.models[0].parameters()),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        "versions": {name: version(name) for name in ("neuralforecast", "torch")},
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
