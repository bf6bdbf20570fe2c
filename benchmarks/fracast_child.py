"""The other side of benchmarks/pretrained.py, run by the Python that has fracast and not forecaster.

    ENVIRONMENT/bin/python benchmarks/fracast_child.py FOLDER

FOLDER holds series.npz (one array a series) and job.json (``horizon``). Forecasts each series with the weights of the
wheel and writes quantiles.npy, ``(series, horizon, 9)``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from fracast import FracastModel


def main() -> None:
    folder = Path(sys.argv[1])
    horizon = json.loads((folder / "job.json").read_text())["horizon"]
    model = FracastModel.from_pretrained(weights="fp32")
    with np.load(folder / "series.npz") as arrays:
        found = [np.asarray(model.forecast(arrays[name], horizon=horizon)) for name in arrays.files]
    np.save(folder / "quantiles.npy", np.stack(found))


if __name__ == "__main__":
    main()
