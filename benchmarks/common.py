"""What the benchmarks share: the data folder, settings and results of the command line, time, memory, measures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster import Config, Forecaster
from forecaster.config import FIELDS
from forecaster.errors import SettingError
from forecaster.evaluation.metrics import Outcome, mase, seasonal_scale, smape
from forecaster.evaluation.summary import summarise
from forecaster.system.limits import core_count

#: Where the files are read from.
DATA = Path(os.environ.get("FORECASTER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
LEVELS = (80, 95)
#: Settings of a run that shows within seconds that a benchmark works, and nothing else.
SMOKE = {"units": (4,), "epochs": 1, "final": False}


def data(name: str) -> Path:
    """Return a file of the data folder, or stop with the reason why there is none."""
    if not (DATA / name).exists():
        raise SystemExit(f"no {name} in {DATA}: set FORECASTER_DATA to the folder of the data")
    return DATA / name


def arguments(doc: str | None, *, split: bool = False) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark takes, with ``--split`` where the protocol has validation rows."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the forecaster: units=128")
    parser.add_argument("--seeds", type=numbers, default=[0], help="seeds, one fit each: 0,1,2")
    parser.add_argument("--output", type=Path, help="file that every result is appended to, a line of JSON each")
    parser.add_argument("--smoke", action="store_true", help="show in seconds that it works; the numbers mean nothing")
    if split:
        help = "rows to score: those of the test, or those of validation to choose settings"
        parser.add_argument("--split", choices=("test", "validation"), default="test", help=help)
    return parser


def numbers(text: str) -> list[int]:
    """Return the numbers of ``"96,192"``."""
    return [int(part) for part in text.split(",")]


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``["units=128,64", "calendar=false"]``, checked; no value after ``=`` is None."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SystemExit(f"a setting is written KEY=VALUE, got '{pair}'")
        name = name.replace("-", "_")
        switch = name in FIELDS and str(FIELDS[name].type) == "bool"
        found[name] = {"true": True, "false": False}.get(value, value) if switch else value or None
    try:
        config = Config.of(**found)
    except SettingError as error:
        raise SystemExit(f"{error.message} {error.hint}".strip()) from None
    return {name: getattr(config, name) for name in found}


def alone(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> tuple[Any, float]:
    """Run a function of a module in a process of its own.

    Returns:
        Its result, and the peak of its process's memory in MB: nothing that ran before counts.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, function, args, kwargs).result()


def _with_peak(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, float]:
    warnings.simplefilter("ignore")
    result = function(*args, **kwargs)
    return result, peak_memory()


def peak_memory() -> float:
    """Return the peak of this process's resident memory, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


class Timer:
    """The seconds since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


def record(output: Path | None, benchmark: str, row: dict[str, Any]) -> None:
    """Print one result, and append it to a file with the command, the machine and the date."""
    print(f"{benchmark}: " + ", ".join(f"{k} {_short(v)}" for k, v in row.items()), flush=True)
    if output is None:
        return
    about = {"benchmark": benchmark, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    known = {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
    line = {**about, "command": " ".join(["python", *sys.argv]), **known}
    with output.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, default=float) + "\n")


def machine() -> str:
    """Return what the benchmark runs on: processor, cores that it may use, system."""
    about, names = Path("/proc/cpuinfo"), []
    if about.exists():
        lines = about.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {core_count()} cores, {platform.system()}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def fit_and_forecast(
    training: pd.DataFrame, horizon: int, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit once, forecast once from the end of each series, and return the forecast, the seconds and about the fit."""
    timer = Timer()
    forecaster = Forecaster(horizon, **settings).fit(training)
    fit_seconds, timer = timer.seconds, Timer()
    table = forecaster.predict(levels=LEVELS)
    return table, {"fit s": fit_seconds, "forecast s": timer.seconds, **about_fit(forecaster)}


def of_seeds(
    given: argparse.Namespace, benchmark: str, function: Callable[..., dict[str, Any]], *args: Any, **about: Any
) -> tuple[str, pd.Series]:
    """Run a fit for each seed in a process of its own, record it, and return a name and the mean of its numbers.

    Args:
        given: the command line.
        benchmark: what the rows are recorded as.
        function: of a seed and ``args``, returns the numbers of one fit.
        args: what it takes beside the seed.
        about: what every row says beside its numbers.
    """
    rows = []
    for seed in given.seeds:
        found, peak = alone(function, seed, *args)
        rows.append({"seed": seed, "split": given.split, **found, "peak MB": peak})
        record(given.output, benchmark, {**rows[-1], **about})
    return f"forecaster, mean over seeds {','.join(map(str, given.seeds))}", pd.DataFrame(rows).mean(numeric_only=True)


def about_fit(forecaster: Forecaster) -> dict[str, Any]:
    """Return what the fit came to: epochs run, the best of them, lookback, and how many numbers training changes."""
    model = forecaster.model
    beside = {"pretrained share": model.pretrained.share} if model.pretrained else {}
    return {
        **beside,
        "epochs": len(model.record["epochs"]["loss"]),
        "best epoch": model.record["best_epoch"],
        "lookback": model.plan.lookback,
        "parameters": int(sum(np.prod(weight.shape) for weight in forecaster.network().trainable_weights)),
    }


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table, rows by name; numbers of 1,000 and more without decimals."""
    text = table.to_string(float_format=lambda x: f"{x:,.0f}" if abs(x) >= 1_000 else f"{x:.3f}", na_rep="")
    print(f"\n{title}\n{text}", flush=True)


def values_of(table: pd.DataFrame, ids: Sequence[str], horizon: int, column: str = "forecast") -> np.ndarray:
    """Return a column of a forecast table as ``(series, horizon)``, in the order of ``ids``; none may be absent."""
    places = pd.Index(table["series"].to_numpy()[::horizon].astype(str)).get_indexer([str(name) for name in ids])
    if (places < 0).any():
        raise SystemExit(f"no forecast of {int((places < 0).sum())} of {len(ids)} series")
    return table[column].to_numpy(float).reshape(-1, horizon)[places]


def competition_measures(
    actual: np.ndarray, forecast: np.ndarray, histories: Sequence[np.ndarray], season: int
) -> dict[str, float]:
    """Return sMAPE and MASE, the mean over the series, of forecasts ``(series, steps)``; each has its own scale."""
    scales = np.array([seasonal_scale(history, season) for history in histories])
    outcome = Outcome.of(actual, forecast[..., None], scale=scales[:, None])
    return {"sMAPE": smape(outcome), "MASE": mase(outcome)}


def geometric_mean(values: pd.DataFrame | pd.Series) -> Any:
    """Return the geometric mean of each column; nan where one is missing."""
    return np.exp(np.log(values).mean(skipna=False))


def scaled_measures(table: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """Return what the models of a backtest come to, everything in units of the seasonal scale of its series.

    Args:
        table: what :func:`forecaster.evaluation.backtest.backtest` returned, with intervals.
        scales: the seasonal scale of each series.

    Returns:
        The columns of :func:`forecaster.evaluation.summary.summarise`, models as index; ``width-80`` and the like are
        widths in units of the scale.
    """
    units = table["series"].map(dict(scales)).astype(float)
    columns = ["actual", *(name for name in table if name.startswith(("forecast", "lo-", "hi-")))]
    scaled = table.assign(**{name: table[name] / units for name in columns})
    return summarise(scaled, dict.fromkeys(scales, 1.0)).set_index("model")
