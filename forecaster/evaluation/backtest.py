"""Rolling-origin backtest: forecasts from past cutoffs, each from the rows before it only, next to the actuals.

Tashman (2000), Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16(4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import refill_ends
from forecaster.data.time.calendar import default_season
from forecaster.data.time.zones import localize
from forecaster.errors import DataError, SettingError
from forecaster.evaluation.baselines import find_baseline
from forecaster.levels import check_levels, level_columns
from forecaster.notes import Note, attach_notes
from forecaster.words import plural, setting

#: Takes a panel that ends at the cutoff and a horizon; returns ``(series, horizon, 1 + 2 * levels)``: the point, then
#: lo and hi of each level. nan where it cannot forecast.
ForecastFunction = Callable[[Panel, int], np.ndarray]

#: The model that skill is measured against, and the one that OWA is measured against.
REFERENCE, OWA_REFERENCE = "seasonal-naive", "Naive2"

#: Rows handed to a model of :class:`Batched` at once: bounds memory, changes no number.
MOST_ROWS = 2_000_000


@dataclass(frozen=True)
class Batched:
    """A model that forecasts many origins in one call, each a series of its own under the same id.

    Attributes:
        forecast: the model.
        reads: newest rows before a cutoff that its forecast depends on; it is given no others.
    """

    forecast: ForecastFunction
    reads: int

    def __call__(self, panel: Panel, horizon: int) -> np.ndarray:
        """See :data:`Forecast`."""
        return self.forecast(panel, horizon)


@dataclass(frozen=True)
class Origins:
    """The rolling origins of a backtest.

    Attributes:
        count: origins of each series, counted from the end.
        stride: rows between origins; the horizon by default, so that no row is forecast twice.
        gap: rows between a cutoff and the first step that is scored.
        least: rows before a cutoff that a series needs at that origin, such as the lookback of a network.
        sliding: show as many rows before each cutoff as before the oldest one, instead of all (an expanding window).
    """

    count: int = 5
    stride: int | None = None
    gap: int = 0
    least: int = 2
    sliding: bool = False

    def windows(self, panel: Panel, horizon: int) -> OriginWindows:
        """Return the windows of these origins.

        Args:
            panel: the series.
            horizon: steps of a forecast that are scored.

        Raises:
            SettingError: a number is out of range.
            DataError: every series is too short for even the newest origin.
        """
        stride = horizon if self.stride is None else self.stride
        for name, value in {"horizon": horizon, "origins": self.count, "stride": stride, "least": self.least}.items():
            if value < 1:
                raise SettingError(f"{name} must be 1 or more, got {value}")
        if self.gap < 0:
            raise SettingError(f"gap must be 0 or more, got {self.gap}")
        return origin_windows(panel, self.gap + horizon, self.count, stride, self.least, self.sliding)


@dataclass(frozen=True)
class OriginWindows:
    """Windows of a panel by index, oldest origin first, then series by series.

    Attributes:
        series: ``(windows,)`` int, the number of the series.
        stop: ``(windows,)`` int64, the row of the panel after the cutoff.
        start: ``(windows,)`` int64, the first row that a model may see.
        origin: ``(windows,)`` int, the number of the origin, the oldest 0.
    """

    series: np.ndarray
    stop: np.ndarray
    start: np.ndarray
    origin: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    def take(self, which: slice | np.ndarray) -> OriginWindows:
        """Return some of the windows."""
        return OriginWindows(self.series[which], self.stop[which], self.start[which], self.origin[which])


def backtest(
    panel: Panel,
    models: Mapping[str, ForecastFunction],
    horizon: int,
    origins: Origins = Origins(),
    *,
    season: int,
    levels: tuple[int, ...] = (80, 95),
) -> pd.DataFrame:
    """Return every forecast of every model at every rolling origin, next to the actuals.

    The newest origin of a series leaves ``gap + horizon`` rows after its cutoff, each older one ``stride`` more, so
    series of ragged length have cutoffs of their own. A model is given a copy of the rows up to the cutoffs and nothing
    else: all series of one origin after the other, oldest first; a :class:`Batched` one many origins at once.

    Args:
        panel: the series.
        models: what to run, by name.
        horizon: steps of a forecast that are scored.
        origins: the cutoffs of each series.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.

    Returns:
        One row a model, series, cutoff and step: ``model``, ``series``, ``cutoff``, ``step`` (from ``gap + 1``),
        ``time``, ``actual``, ``observed`` (False: filled, not scored), ``forecast``, ``lo-80``, ``hi-80``, ... What was
        left out is reported by :func:`forecaster.notes.notes_of`.

    Raises:
        SettingError: horizon, origins, stride or least is below 1, gap below 0, a level is not between 1 and 99, there
            is no model, or a model's forecast has the wrong shape.
        DataError: every series is too short for even the newest origin.
    """
    check_levels(levels)
    if not models:
        raise SettingError("a backtest needs at least one model")
    gap, windows = origins.gap, origins.windows(panel, horizon)
    truth = actuals_of(panel, windows, horizon, gap)
    names = ["forecast", *level_columns(levels)]
    tables = []
    for name, model in models.items():
        values = _forecasts(name, model, panel, windows, gap + horizon, levels)[:, gap:]
        columns = dict(zip(names, values.reshape(-1, values.shape[-1]).T, strict=True))
        own = np.full(len(truth["step"]), name, dtype=object)
        tables.append(pd.DataFrame({"model": own, **truth, **columns}))
    table = pd.concat(tables, ignore_index=True)
    found = [
        *left_out_note(panel, windows, origins.count),
        *_without_season(windows, season),
        *_without_forecast(table),
    ]
    attach_notes(table, found)
    return table


def baseline_forecast(
    name: str, season: int, levels: tuple[int, ...], seasons: tuple[int, ...] = ()
) -> ForecastFunction:
    """Return a baseline as a model for :func:`backtest`: it forecasts the series of a panel one by one.

    Args:
        name: a key of :data:`forecaster.evaluation.baselines.BASELINES`.
        season: the seasonal period in steps.
        levels: 80 means an 80 % interval.
        seasons: all seasonal periods, for a baseline that knows several.

    Raises:
        SettingError: there is no baseline of this name, or a level is not between 1 and 99.
    """
    baseline = find_baseline(name, seasons)
    check_levels(levels)

    def forecast(panel: Panel, horizon: int) -> np.ndarray:
        return np.stack([baseline(panel.values[rows], horizon, season, levels) for rows in panel.slices()])

    return forecast


def origin_windows(panel: Panel, ahead: int, origins: int, stride: int, least: int, sliding: bool) -> OriginWindows:
    """Return the windows of rolling origins.

    Args:
        panel: the series.
        ahead: rows that a window reaches beyond its cutoff.
        origins: number of origins, counted from the end.
        stride: rows between origins.
        least: rows before a cutoff without which a series is left out of that origin.
        sliding: show a model as many rows before each cutoff as there are before the oldest one of its series.

    Raises:
        DataError: every series is too short for even the newest origin.
    """
    series, origin = [], []
    furthest = int(panel.lengths.max(initial=0)) // stride
    shifts = [stride * k for k in reversed(range(min(origins, furthest + 1)))]  # no series has rows for more
    for number, shift in enumerate(shifts):
        long = np.flatnonzero(panel.lengths >= least + ahead + shift)
        series.append(long)
        origin.append(np.full(len(long), number))
    which, numbers = np.concatenate(series), np.concatenate(origin)
    if not len(which):
        raise DataError(
            f"no series is long enough for a backtest: the longest has {plural(panel.lengths.max(initial=0), 'row')}, "
            f"one window takes {least + ahead} ({least} before the cutoff and a horizon of {ahead})",
            f"choose a shorter {setting('horizon')}, or add rows",
        )
    stop = panel.offsets[1:][which] - ahead - np.array(shifts, np.int64)[numbers]
    start = panel.offsets[:-1][which]
    if sliding:
        oldest = np.full(len(panel), len(panel.values))
        np.minimum.at(oldest, which, stop)
        start = stop - (oldest - panel.offsets[:-1])[which]
    return OriginWindows(which, stop, start, numbers)


def actuals_of(panel: Panel, windows: OriginWindows, horizon: int, gap: int) -> dict[str, np.ndarray]:
    """Return the columns common to all models, one row a window and step: series, times, actuals."""
    rows = (windows.stop[:, None] + gap + np.arange(horizon)).ravel()
    return {
        "series": np.repeat(np.array(panel.ids, dtype=object)[windows.series], horizon),
        "cutoff": localize(np.repeat(panel.times[windows.stop - 1], horizon), panel.zone, panel.freq),
        "step": np.tile(np.arange(gap + 1, gap + horizon + 1), len(windows)),
        "time": localize(panel.times[rows], panel.zone, panel.freq),
        "actual": panel.values[rows],
        "observed": panel.observed[rows],
    }


def _forecasts(
    name: str, model: ForecastFunction, panel: Panel, windows: OriginWindows, ahead: int, levels: tuple[int, ...]
) -> np.ndarray:
    """Return the forecasts of one model, ``(windows, ahead, 1 + 2 * levels)``."""
    values = np.empty((len(windows), ahead, 1 + 2 * len(levels)))
    for part in _calls(model, panel, windows):
        past = known_rows(panel, windows.take(part), ahead)
        if isinstance(model, Batched):
            past = replace(past.keep_newest(model.reads), beyond=past.beyond)
        found = np.asarray(model(past, ahead), dtype=float)
        expected = (len(past), *values.shape[1:])
        if found.shape != expected:
            raise SettingError(f"model '{name}' returned a forecast of shape {found.shape}, expected {expected}")
        values[part] = found
    return values


def _calls(model: ForecastFunction, panel: Panel, windows: OriginWindows) -> Iterator[slice]:
    """Yield the windows of each call of a model: an origin, or many at once for :class:`Batched`."""
    if isinstance(model, Batched):
        size = max(1, MOST_ROWS // max(1, int((windows.stop - windows.start).max())))
        edges = [*range(0, len(windows), size), len(windows)]
    else:
        edges = [*np.flatnonzero(np.diff(windows.origin, prepend=-1)).tolist(), len(windows)]
    for first, last in pairwise(edges):
        yield slice(first, last)


def known_rows(panel: Panel, windows: OriginWindows, ahead: int) -> Panel:
    """Return the rows that a model may see, one series a window, and the future covariates it may know."""
    lengths = windows.stop - windows.start
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.repeat(windows.start - offsets[:-1], lengths) + np.arange(offsets[-1])
    values, observed = panel.values[rows], panel.observed[rows]
    if panel.bridged:
        cut = np.ones(len(windows), bool)
        values = refill_ends(values, observed, offsets, default_season(panel.freq), cut)
    count = len(panel.of_role("future"))
    future = panel.covariates[:, panel.covariates.shape[1] - count :]  # the last of the covariates of each row
    return replace(
        panel,
        values=values,
        observed=observed,
        times=panel.times[rows],
        offsets=offsets,
        ids=tuple(panel.ids[i] for i in windows.series.tolist()),
        covariates=panel.covariates[rows],
        static=panel.static[windows.series],
        beyond=future[windows.stop[:, None] + np.arange(ahead)] if count else None,
    )


def left_out_note(panel: Panel, windows: OriginWindows, origins: int) -> list[Note]:
    """Return a note that counts the windows left out because their series are too short."""
    absent = origins * len(panel) - len(windows)
    if not absent:
        return []
    reason = "their series are too short for this many origins and rows before the first"
    return [Note("windows", f"{absent} of {origins * len(panel)} left out", reason, warning=True)]


def _without_season(windows: OriginWindows, season: int) -> list[Note]:
    short = int((windows.stop - windows.start < season).sum())
    if not short:
        return []
    reason = f"fewer than {season} rows before the cutoff: it repeats the last value"
    return [Note(REFERENCE, f"{plural(short, 'window')} without a season", reason, warning=True)]


def _without_forecast(table: pd.DataFrame) -> list[Note]:
    """Note, model by model, the windows without a forecast or without an interval."""
    point = np.isfinite(table["forecast"])
    ends = np.isfinite(table[[name for name in table.columns if name.startswith(("lo-", "hi-"))]]).all(axis=1)
    found = []
    for lack, rows, reason in (
        ("forecast", ~point, "it gave no number there; they are not scored"),
        ("interval", point & ~ends, "it gave none there; pinball and coverage leave their series out"),
    ):
        windows = table.loc[rows, ["model", "series", "cutoff"]].drop_duplicates()
        for name, count in windows["model"].value_counts(sort=False).items():
            found.append(Note(str(name), f"no {lack} in {plural(count, 'window')}", reason, warning=True))
    return found
