"""What tests of several folders use: panels, small networks, the environment of a process, limits of time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from conftest import ROOT

from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles
from forecaster.evaluation.backtest import ForecastFunction, Origins
from forecaster.evaluation.backtest import backtest as run_backtest
from forecaster.features.windows import Windows
from forecaster.training.trainer import seed_everything


def panel_of(lengths: list[int], seed: int = 0) -> Panel:
    """Hourly series with a covariate of every kind, some cells empty, some readings missing."""
    rng = np.random.default_rng(seed)
    rows, offsets = sum(lengths), np.concatenate([[0], np.cumsum(lengths)])
    first = np.datetime64("2024-03-30T10:00", "ns")
    times = np.concatenate([first + np.arange(n) * np.timedelta64(1, "h") for n in lengths])
    covariates = np.column_stack(
        [rng.normal(5, 2, rows), rng.integers(0, 3, rows), rng.normal(size=rows), rng.integers(-1, 2, rows)]
    ).astype(np.float32)
    covariates[rng.random((rows, 4)) < 0.1] = np.nan
    covariates[:, 2:] = np.nan_to_num(covariates[:, 2:])
    columns = (
        Column("wind", "past"),
        Column("sky", "past", ("a", "b", "c")),
        Column("price", "future"),
        Column("promotion", "future", ("no", "yes")),
        Column("size", "static"),
        Column("town", "static", ("x", "y")),
    )
    return Panel(
        values=rng.uniform(5, 9, rows),
        observed=rng.random(rows) > 0.1,
        times=times,
        offsets=offsets,
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        freq="h",
        roles=Roles("time", "value", "shop"),
        zone="Europe/Berlin",
        columns=columns,
        covariates=covariates,
        static=np.column_stack([rng.normal(size=len(lengths)), np.arange(len(lengths)) % 2]).astype(np.float32),
    )


def wave(rows=200, features=1):
    steps = np.arange(rows)
    columns = [np.sin(steps / 3)] + [np.cos(steps / (3 + k)) for k in range(features)]
    return np.stack(columns, axis=1).astype(np.float32)


def windows_of(values, *args, **options):
    return Windows(values, *args, known=values.shape[1] - 1, **options)


def tiny_network(lookback, steps, features, **settings):
    from forecaster.networks.factory import Shapes, build_network

    seed_everything(0)
    return build_network(
        Config.of(units=(4,), base="none", window_norm="none", **settings), Shapes(lookback, steps, known=features)
    )


OFFLINE = Path(__file__).parent / "offline"


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that may not call the network, and ends with exit code 97 where it does."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FORECASTER_", "TF_CPP", "NO_COLOR"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(OFFLINE), str(ROOT)]), **more}


class TooLong(BaseException):
    """A file took longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TooLong` in the block after so many seconds."""

    def stop(*_: object) -> None:
        raise TooLong(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def backtest(
    panel: Panel,
    models: dict[str, ForecastFunction],
    horizon: int,
    *,
    season: int,
    levels: tuple[int, ...] = (80, 95),
    **rolling: Any,
) -> pd.DataFrame:
    """Run a backtest whose origins are given by keywords: ``origins``, ``stride``, ``gap``, ``least``, ``sliding``."""
    origins = Origins(rolling.pop("origins", 5), **rolling)
    return run_backtest(panel, models, horizon, origins, season=season, levels=levels)
