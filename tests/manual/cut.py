"""Cut off fits of every kind again and again, resume them, and compare what they find with what uninterrupted ones do.

    python tests/manual/cut.py

The fits are cut off by an exception out of the report of every third epoch. Compared are the weights, and all of the
record but what the clock says.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster import Forecaster
from forecaster.features import members
from forecaster.training import checkpoint

SETTINGS: dict[str, Any] = {
    **{"target": "y", "horizon": 3, "units": (4,), "epochs": 3, "lookback": 12, "validation": 20, "season": 12},
    "learning_rate": 0.01,
}
KINDS: dict[str, dict[str, Any]] = {
    "auto": {"network": "auto", "budget": "1h", "base": "none"},
    "ensemble with dropout intervals": {"intervals": "dropout", "dropout": 0.3, "members": 2},
    "transform chosen": {"transform": "validate"},
    "past covariates chosen": {},
    "direction": {"task": "direction"},
    "trained further": {},
}
#: Networks that auto tries here.
TRIED = ("lstm", "dlinear", "nlinear")
#: Epochs of a sitting: two at least, of which the first is kept.
EPOCHS = 3


class Cut(BaseException):
    """The process dies."""


def main() -> None:
    """Cut off each kind of fit, and print whether it found the same; exit with 1 where one did not."""
    checkpoint.INTERVAL = 0
    for name in [name for name in members.SHORTLIST if name not in TRIED]:
        del members.SHORTLIST[name]
    same = [resumed(kind) for kind in KINDS]
    sys.exit(0 if all(same) else 1)


def resumed(kind: str) -> bool:
    """Return whether a kind of fit finds the same when it is cut off."""
    data, options = table(), {}
    if kind != "past covariates chosen":
        data = data[["month", "y"]]
    if kind == "trained further":
        options["further"] = Forecaster(**SETTINGS).fit(data.head(120))
        data = data.tail(30)
    settings = {"epochs": 3} if options else {**SETTINGS, **KINDS[kind]}
    whole, cuts = Forecaster(**settings).fit(data, **options).model, 0
    with tempfile.TemporaryDirectory() as folder:
        options["directory"] = Path(folder, "model")
        while True:
            try:
                found = Forecaster(**settings).fit(data, dying(EPOCHS), resume=cuts > 0, **options).model
                break
            except Cut:
                cuts += 1
    same = found.weights.keys() == whole.weights.keys()
    same = same and all(np.array_equal(found.weights[path], value) for path, value in whole.weights.items())
    clock = ("seconds", "notes", "members", "tried", "fit")
    other = [
        name for name, value in whole.record.items() if name not in clock and str(value) != str(found.record[name])
    ]
    print(f"{kind}: cut off {cuts} times, the same weights: {same}, other facts: {other or 'none'}", flush=True)
    return same and not other


def dying(epochs: int) -> Any:
    """Return a report that dies in so many epochs."""
    told: list[Any] = []

    def report(progress: Any) -> None:
        told.append(progress)
        if len(told) == epochs:
            raise Cut

    return report


def table() -> pd.DataFrame:
    """Return 150 months with a covariate."""
    steps = np.arange(150)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.3, 150)
    return pd.DataFrame({"month": pd.date_range("2000-01-01", periods=150, freq="MS"), "y": values, "x": values[::-1]})


if __name__ == "__main__":
    main()
