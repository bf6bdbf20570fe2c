"""Measurements of a table: its raw rows, its regular panel, and the anomalies in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data.columns.readings import Readings
from forecaster.data.panel.outliers import AROUND, find_outliers
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.seasons import find_seasons, seasonal_strengths
from forecaster.data.time.freq import Freq, format_time
from forecaster.data.time.horizon import default_horizon
from forecaster.data.time.zones import local_times
from forecaster.errors import ForecasterError, SettingError
from forecaster.features.plan import Plan, make_plan
from forecaster.inspection.daylight import Daylight, find_daylight
from forecaster.inspection.lenient_reading import ParsedTable
from forecaster.inspection.runs_and_jumps import Anomaly, find_jumps, longest_runs
from forecaster.inspection.step_lengths import count_absent_steps, find_repeated_times, find_series_freqs
from forecaster.notes import Note

#: Most series whose strengths and jumps are measured; more are thinned evenly.
MEASURED = 200
#: Series with the most to fix that are measured in addition.
WORST = 20
#: Newest rows of each that strengths are measured on.
STRENGTH_ROWS = 5_000

COLUMNS = (
    *("series", "rows", "start", "end", "freq", "missing", "gaps", "duplicates", "constant", "outliers"),
    *("season", "trend"),
)


@dataclass
class Facts:
    """The facts about a table.

    Attributes:
        table: the table as far as it could be read.
        config: the settings as given.
        readings: its rows, sorted by series and time.
        repeated: ``(rows,)`` bool, True for rows that repeat the time of the row before.
        absent: ``(rows,)`` int64, steps absent right before each row.
        freqs: the freq of each series by itself.
        runs: the longest run of one value in each series, and the row it begins at.
        daylight: a zone whose clock changes the times follow, with evidence; None for none.
        season: main seasonal period in steps; 1 for none.
        plan: the plan that fit would make; None if it would refuse.
        refusal: the error by which fit would refuse a sound table; None for none.
        notes: notes on inferred settings.
        outliers: outliers by number of series.
        jumps: jumps in level by number of series.
        strengths: strengths of season and trend by number of series.
    """

    table: ParsedTable
    config: Config
    readings: Readings
    repeated: np.ndarray
    absent: np.ndarray
    freqs: list[str]
    runs: tuple[np.ndarray, np.ndarray]
    daylight: Daylight | None = None
    season: int = 1
    plan: Plan | None = None
    refusal: ForecasterError | None = None
    notes: list[Note] = field(default_factory=list)
    outliers: dict[int, list[Anomaly]] = field(default_factory=dict)
    jumps: dict[int, list[Anomaly]] = field(default_factory=dict)
    strengths: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def freq_known(self) -> bool:
        """True if the freq was inferred or given; False if rows were taken as steps only to continue reading."""
        return self.table.config.freq == self.config.freq

    @property
    def ids(self) -> list[str]:
        """The name of each series that has rows."""
        return [self.readings.ids[code] for code in self.readings.codes[self.readings.starts]]

    @property
    def series(self) -> np.ndarray:
        """The number in :attr:`ids` of the series of each row, ``(rows,)`` int64."""
        return np.repeat(np.arange(len(self.freqs)), np.diff(self.readings.offsets))

    def when(self, row: int) -> str:
        """Return the time of a row as the table writes it: local if it has a zone."""
        freq = self.table.panel.freq if self.table.panel else ""
        return format_time(local_times(self.readings.times[row : row + 1], self.readings.zone, freq)[0])

    def row_at(self, series: int, time: np.datetime64 | int) -> int | None:
        """Return the row of a series at a time, None for none."""
        rows = slice(int(self.readings.offsets[series]), int(self.readings.offsets[series + 1]))
        row = rows.start + int(np.searchsorted(self.readings.times[rows], time))
        return row if row < rows.stop and self.readings.times[row] == time else None


def measure_table(table: ParsedTable, readings: Readings, config: Config) -> Facts:
    """Return the facts about a table whose rows could be read."""
    readings = _match_panel_times(readings, table.panel)
    repeated = find_repeated_times(readings)
    freqs = find_series_freqs(readings, repeated)
    series = np.repeat(np.arange(len(freqs)), np.diff(readings.offsets))
    runs = longest_runs(readings.values, series, len(freqs))
    facts = Facts(
        table, config, readings, repeated, count_absent_steps(readings, freqs), freqs, runs, notes=list(table.notes)
    )
    if not config.zone and not readings.zone:
        facts.daylight = find_daylight(readings.times, repeated)
    if table.panel is not None:
        _infer_plan(facts, table.panel)
        _measure_outliers(facts, table.panel)
        _measure_strengths(facts, table.panel)
    return facts


def _match_panel_times(readings: Readings, panel: Panel | None) -> Readings:
    """Return the readings in local times if the panel holds local times: if its steps are whole days."""
    if panel is None or not panel.zone or panel.zone != readings.zone or not Freq.of(panel.freq).whole_days:
        return readings
    return replace(readings, times=local_times(readings.times, readings.zone))


def _infer_plan(facts: Facts, panel: Panel) -> None:
    """Infer season, horizon and the rest as fit does; only season and horizon if it would refuse."""
    try:
        facts.plan, notes = make_plan(panel, facts.table.config)
    except SettingError:
        raise
    except ForecasterError as error:
        facts.refusal = error
        seasons, note = find_seasons(panel, panel.freq, facts.config.season)
        facts.season = seasons[0]
        horizon = facts.config.horizon or f"{default_horizon(panel.freq)} steps"
        notes = [note, Note("horizon", horizon, "given" if facts.config.horizon else f"usual for freq {panel.freq}")]
    else:
        season = facts.plan.season
        facts.season = season[0] if isinstance(season, tuple) else season
    if facts.freq_known:
        facts.notes += notes


def _measure_strengths(facts: Facts, panel: Panel) -> None:
    """Measure strengths and jumps of all series, or of those with the most to fix and an even choice of others."""
    numbers = {name: i for i, name in enumerate(facts.ids)}
    even = np.linspace(0, len(panel) - 1, min(len(panel), MEASURED)).astype(int)
    chosen = {numbers[panel.ids[place]]: place for place in even.tolist()}
    if len(panel) > MEASURED:
        ids, places = facts.ids, {name: place for place, name in enumerate(panel.ids)}
        for number in worst_series(series_table(facts), WORST).index.tolist():
            if ids[number] in places:
                chosen[number] = places[ids[number]]
    for number, place in chosen.items():
        rows = panel.rows(place)
        values = np.where(panel.observed[rows], panel.values[rows], np.nan).astype(np.float64)
        newest = values[-STRENGTH_ROWS:]
        seasonal, trend = seasonal_strengths(newest, facts.season)
        facts.strengths[number] = (seasonal if facts.season > 1 else np.nan, trend)
        facts.jumps[number] = _to_table_rows(facts, number, panel.times[rows], find_jumps(values, facts.season))


def _measure_outliers(facts: Facts, panel: Panel) -> None:
    """Find the outliers of all series; the value expected of each is the median of the readings around it."""
    rows = find_outliers(panel)
    numbers = {name: i for i, name in enumerate(facts.ids)}
    for row, place in zip(
        rows.tolist(), (np.searchsorted(panel.offsets, rows, side="right") - 1).tolist(), strict=True
    ):
        low, high = int(panel.offsets[place]), int(panel.offsets[place + 1])
        around = np.arange(max(row - AROUND, low), min(row + AROUND + 1, high))
        around = around[panel.observed[around] & (around != row)]
        anomaly = Anomaly(row - low, float(panel.values[row]), float(np.median(panel.values[around])))
        number = numbers[panel.ids[place]]
        facts.outliers.setdefault(number, []).extend(_to_table_rows(facts, number, panel.times[low:high], [anomaly]))


def _to_table_rows(facts: Facts, number: int, times: np.ndarray, found: list[Anomaly]) -> list[Anomaly]:
    """Return anomalies with their row among the readings as the place; -1 if the panel moved their time."""
    rows = [facts.row_at(number, times[anomaly.place]) for anomaly in found]
    return [
        Anomaly(-1 if row is None else row, anomaly.value, anomaly.expected)
        for row, anomaly in zip(rows, found, strict=True)
    ]


def series_table(facts: Facts) -> pd.DataFrame:
    """Return a table with one row for each series: the columns of :data:`COLUMNS`; NaN for series not measured."""
    readings, count = facts.readings, len(facts.freqs)
    starts, stops = readings.offsets[:-1], readings.offsets[1:] - 1

    def total(rows: np.ndarray) -> np.ndarray:
        return np.add.reduceat(rows.astype(np.int64), starts)

    season, trend = np.full(count, np.nan), np.full(count, np.nan)
    for number, (seasonal, growing) in facts.strengths.items():
        season[number], trend[number] = seasonal, growing
    outliers = np.array([len(facts.outliers.get(number, ())) for number in range(count)])
    columns = (
        *(facts.ids, np.diff(readings.offsets), readings.times[starts], readings.times[stops], facts.freqs),
        *(total(np.isnan(readings.values)), total(facts.absent), total(facts.repeated), facts.runs[0]),
        *(outliers, season, trend),
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def worst_series(series: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the series with the most missing, absent, repeated and outlying readings per row, in the table's order.

    Args:
        series: from :func:`series_table`.
        most: the number of series.
    """
    if len(series) <= most:
        return series
    harm = sum(series[name].fillna(0).astype(float) for name in ("missing", "gaps", "duplicates", "outliers"))
    share = harm / series["rows"]
    return series.loc[share.sort_values(ascending=False, kind="stable").index[:most].sort_values()]


def place_of(facts: Facts, row: int) -> str:
    """Return the place of a row for a message: its line, series and time."""
    return f"{facts.readings.where(row)} ({facts.when(row)})"
