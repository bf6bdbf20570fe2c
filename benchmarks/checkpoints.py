"""What checkpoints cost: the seconds in which they are written, as a share of the training runs' in the same fit.

python benchmarks/checkpoints.py [KEY=VALUE ...]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import SMOKE, Timer, alone, arguments, record, settings_of

from forecaster import Forecaster

#: Share of the time of training that checkpoints may take.
LIMIT = 0.03
ROWS = 20_000
#: Each fit: its data, and its settings.
FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "airline": ("dataset:airline", {}),
    "airline, ten epochs": ("dataset:airline", {"epochs": 10}),
    "hourly": ("hourly", {}),
    "hourly, two layers of 512": ("hourly", {"units": (512, 512), "epochs": 2}),
}


def hourly() -> pd.DataFrame:
    """Return a table of one daily wave with noise."""
    steps = np.arange(ROWS)
    values = 50 + 10 * np.sin(2 * np.pi * steps / 24) + np.random.default_rng(0).normal(size=ROWS)
    return pd.DataFrame({"time": pd.date_range("2020-01-01", periods=ROWS, freq="h"), "y": values})


def measure(data: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Fit with checkpoints and return the seconds of training, those of writing within them, and the checkpoints."""
    from forecaster.training.checkpoint import Checkpoints
    from forecaster.training.trainer import Trainer

    spent = {"training": 0.0, "writing": 0.0}
    written: list[int] = []

    def timed(kind: type, name: str, what: str) -> None:
        real: Callable[..., Any] = getattr(kind, name)

        def call(self: Any, *args: Any, **options: Any) -> Any:
            timer = Timer()
            try:
                return real(self, *args, **options)
            finally:
                spent[what] += timer.seconds
                if what == "writing":
                    written.append(args[0].stat().st_size)

        setattr(kind, name, call)

    timed(Trainer, "validation_run", "training")
    timed(Trainer, "final_run", "training")
    timed(Checkpoints, "_write", "writing")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        table = hourly() if data == "hourly" else data
        Forecaster(**settings).fit(table, directory=Path(folder, "model"))
    return {**spent, "share": spent["writing"] / spent["training"], "files": len(written), "largest": max(written)}


def main() -> None:
    """Measure every fit, each in a process of its own, and print its share beside the limit."""
    given = arguments(__doc__).parse_args()
    for name, (data, settings) in FITS.items():
        chosen = {**settings, **settings_of(given.settings), **(SMOKE if given.smoke else {})}
        for seed in given.seeds:
            found, _ = alone(measure, data, {**chosen, "seed": seed})
            met = "met" if found["share"] <= LIMIT else "NOT MET"
            record(given.output, "checkpoints", {"fit": name, **found, "limit": LIMIT, "result": met})


if __name__ == "__main__":
    main()
