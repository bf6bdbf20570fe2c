"""The protocol of the long-horizon tables: every channel a series of one panel, every stride-1 window scored.

Informer (Zhou et al. 2021, AAAI) and Autoformer (Wu et al. 2021, NeurIPS): the channels are scaled by the mean and the
deviation of the training rows, the rows are cut by time into training, validation and test, and the errors are averaged
over all windows whose steps all lie in the test rows, all steps and all channels, the last incomplete batch included.
Their lookback reaches back into the validation rows. No fit sees a test row: weights are learned from training rows,
the epoch is chosen on validation rows, and nothing is trained again on those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from common import SMOKE, Timer, about_fit, alone, arguments, data, numbers, record, settings_of, show

from forecaster import Forecaster
from forecaster.engines.rolling import roll_forward
from forecaster.features.inputs import window_maker, with_causal_placeholders
from forecaster.fitting.rebuild import engine_of
from forecaster.pretrained.outside import Outside
from forecaster.pretrained.stored import engine_of_bytes

#: Windows forecast at once: bounds memory, changes no number.
WINDOWS_AT_ONCE = 2_048


@dataclass(frozen=True)
class Protocol:
    """One set of the tables.

    Attributes:
        name: of the set.
        file: in the data folder; a time column, then the channels.
        split: training, validation and test rows; later rows are not used.
    """

    name: str
    file: str
    split: tuple[int, int, int]

    def frame(self, split: str) -> tuple[pd.DataFrame, int]:
        """Return the rows up to the end of ``"validation"`` or ``"test"``, and how many of them are scored."""
        training, validation, test = self.split
        stop, scored = (training + validation, validation) if split == "validation" else (sum(self.split), test)
        frame = pd.read_csv(data(self.file)).iloc[:stop]
        if len(frame) < stop:
            raise SystemExit(f"{self.file} has {len(frame):,} rows, the protocol needs {stop:,}")
        return frame, scored

    def deviations(self) -> pd.Series:
        """Return the deviation of each channel over the training rows, by name."""
        return self.frame("validation")[0].iloc[: self.split[0], 1:].std(ddof=0)


def fitted(protocol: Protocol, horizon: int, seed: int, settings: Mapping[str, Any]) -> tuple[Forecaster, float]:
    """Return a forecaster fitted on training rows, its epoch chosen on validation rows, and the seconds it took."""
    fixed = {"wide": "columns", "validation": protocol.split[1], "final": False, "seed": seed}
    timer = Timer()
    forecaster = Forecaster(horizon, **{**settings, **fixed}).fit(protocol.frame("validation")[0])
    return forecaster, timer.seconds


def forecasts(forecaster: Forecaster, frame: pd.DataFrame, scored: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Forecast every window whose steps all lie in the newest ``scored`` rows.

    Yields:
        Of some windows: the number of their series in the order of the columns, ``(windows,)``; the forecast and what
        came, ``(windows, horizon)`` each.
    """
    model, panel = forecaster.model, forecaster.panel(frame)[0]
    plan, scaler = model.plan, model.scaler.matched(model.ids, panel, model.plan.season)
    padding = np.zeros(len(panel), np.int64)
    windows = window_maker(panel, padding, scaler, model.encoder, plan)(plan.horizon, (scored, 0))
    engine = engine_of(model)
    if model.pretrained:
        windows = windows.with_outside(Outside(engine_of_bytes(model.pretrained.onnx), panel, padding, scaler, plan))
    starts, anchors = windows.starts, scaler.anchors(with_causal_placeholders(panel), windows.starts)
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        which = slice(first, first + WINDOWS_AT_ONCE)
        series, batch = windows.series(which), windows.batch(which)
        scaled = roll_forward(engine, batch, plan.horizon, plan.steps, plan.indicator)[:, :, 0]
        point = scaler.inverse(scaled, series, None if anchors is None else anchors[which])
        yield series, point, panel.values[starts[which, None] + np.arange(plan.horizon)]


def repeated(frame: pd.DataFrame, scored: int, horizon: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield what :func:`forecasts` does of the forecast that repeats the last value, channel by channel."""
    values = frame.iloc[:, 1:].to_numpy(float)
    starts = np.arange(len(frame) - scored, len(frame) - horizon + 1)
    for channel in range(values.shape[1]):
        actual = values[starts[:, None] + np.arange(horizon), channel]
        last = np.repeat(values[starts - 1, channel][:, None], horizon, axis=1)
        yield np.full(len(starts), channel), last, actual


def errors(parts: Iterator[tuple[np.ndarray, ...]], deviations: np.ndarray) -> dict[str, float]:
    """Return MSE and MAE over all windows, steps and channels, in deviations of the training rows."""
    squared = absolute = count = windows = 0.0
    for series, forecast, actual in parts:
        error = (forecast - actual) / deviations[series][:, None]
        squared, absolute = squared + float((error**2).sum()), absolute + float(np.abs(error).sum())
        count, windows = count + error.size, windows + len(error)
    return {"MSE": squared / count, "MAE": absolute / count, "windows": windows / len(deviations)}


def scored(
    protocol: Protocol, horizon: int, seed: int, settings: Mapping[str, Any], split: str = "test"
) -> dict[str, Any]:
    """Fit once, score once, and return the errors, the seconds and the size of the network."""
    forecaster, fit_seconds = fitted(protocol, horizon, seed, settings)
    frame, rows = protocol.frame(split)
    timer = Timer()
    found = errors(forecasts(forecaster, frame, rows), protocol.deviations().to_numpy())
    return {**found, "fit s": fit_seconds, "forecast s": timer.seconds, **about_fit(forecaster)}


def run(
    doc: str | None,
    horizons: str,
    protocol: Protocol,
    published: Mapping[int, Mapping[str, tuple[float, float]]],
    chosen: Mapping[int, Mapping[str, Any]],
) -> None:
    """Read the command line, fit and score every horizon and seed, and print the published table with our rows in it.

    Args:
        doc: what the command says of itself.
        horizons: those that run by default.
        protocol: the set.
        published: MSE and MAE of others, by horizon and name.
        chosen: settings of each horizon that were chosen on validation rows; those of the command line go first.
    """
    parser = arguments(doc, split=True)
    parser.add_argument("--horizons", type=numbers, default=numbers(horizons), help=f"{horizons} by default")
    given = parser.parse_args()
    deviations, rows = protocol.deviations().to_numpy(), []
    for horizon in given.horizons:
        settings = {**chosen.get(horizon, {}), **(SMOKE if given.smoke else {}), **settings_of(given.settings)}
        for seed in given.seeds:
            found, peak = alone(scored, protocol, horizon, seed, settings, given.split)
            row = {"horizon": horizon, "seed": seed, "split": given.split, **found, "peak MB": peak}
            record(given.output, protocol.name, {**row, "settings": settings})
            rows.append(row)
    ours = pd.DataFrame(rows).groupby("horizon")[["MSE", "MAE"]].mean()
    table = {}
    for horizon in given.horizons:
        naive = errors(repeated(*protocol.frame(given.split), horizon), deviations)
        names = {"repeat last value, computed here": (naive["MSE"], naive["MAE"])}
        if given.split == "test":
            names |= published.get(horizon, {})
        names[f"forecaster, mean over seeds {','.join(map(str, given.seeds))}"] = tuple(ours.loc[horizon])
        table[horizon] = {name: f"{mse:.3f} / {mae:.3f}" for name, (mse, mae) in names.items()}
    show(f"{protocol.name}, {given.split} rows: MSE / MAE", pd.DataFrame(table).fillna(""))
