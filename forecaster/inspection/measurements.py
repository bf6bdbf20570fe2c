"""All that is measured of a table: the raw rows, the regular panel, and what stands out in them."""

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
from forecaster.inspection.lenient_reading import Seen
from forecaster.inspection.runs_and_jumps import Odd, find_jumps, longest_runs
from forecaster.inspection.step_lengths import absent_steps, own_freqs, repeated_times
from forecaster.notes import Note

#: Series of which strengths and jumps are measured; more are thinned evenly.
MEASURED = 200
#: Series with the most to mend that are measured as well.
WORST = 20
#: Newest rows that strengths are measured on.
STRENGTH_ROWS = 5_000

COLUMNS = (
    *("series", "rows", "start", "end", "freq", "missing", "gaps", "duplicates", "constant", "outliers"),
    *("season", "trend"),
)


@dataclass
class Facts:
    """What is known of a table.

    Attributes:
        seen: the table as far as it could be read.
        config: the settings as given.
        readings: its rows, sorted by series and time.
        again: ``(rows,)`` bool, rows that repeat the time of the row before.
        absent: ``(rows,)`` int64, steps absent right before each row.
        freqs: freq of each series by itself.
        runs: longest run of one value of each series, and the row it begins at.
        daylight: a zone whose clock the times follow, the evidence, and times that show it; None for none.
        season: main seasonal period in steps; 1 for none.
        plan: what fit would decide; None where it would refuse.
        refusal: why it would refuse, where the table itself is sound.
        notes: what would be inferred.
        outliers: by number of series.
        jumps: by number of series.
        strengths: season and trend by number of series.
    """

    seen: Seen
    config: Config
    readings: Readings
    again: np.ndarray
    absent: np.ndarray
    freqs: list[str]
    runs: tuple[np.ndarray, np.ndarray]
    daylight: Daylight | None = None
    season: int = 1
    plan: Plan | None = None
    refusal: ForecasterError | None = None
    notes: list[Note] = field(default_factory=list)
    outliers: dict[int, list[Odd]] = field(default_factory=dict)
    jumps: dict[int, list[Odd]] = field(default_factory=dict)
    strengths: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def freq_told(self) -> bool:
        """Whether the freq was found, or is as given; else rows were taken as steps, only to go on reading."""
        return self.seen.config.freq == self.config.freq

    @property
    def ids(self) -> list[str]:
        """Name of each series that has rows."""
        return [self.readings.ids[code] for code in self.readings.codes[self.readings.starts]]

    @property
    def series(self) -> np.ndarray:
        """Number, in :attr:`ids`, of each row's series, ``(rows,)`` int64."""
        return np.repeat(np.arange(len(self.freqs)), np.diff(self.readings.offsets))

    def when(self, row: int) -> str:
        """Return the time of a row as the table writes it: local where it has a zone."""
        freq = self.seen.panel.freq if self.seen.panel else ""
        return format_time(local_times(self.readings.times[row : row + 1], self.readings.zone, freq)[0])

    def row_at(self, series: int, time: np.datetime64 | int) -> int | None:
        """Return the row of a series at a time, None where there is none."""
        rows = slice(int(self.readings.offsets[series]), int(self.readings.offsets[series + 1]))
        row = rows.start + int(np.searchsorted(self.readings.times[rows], time))
        return row if row < rows.stop and self.readings.times[row] == time else None


def measure_table(seen: Seen, readings: Readings, config: Config) -> Facts:
    """Return the facts of a table whose rows could be read."""
    readings = _as_in_panel(readings, seen.panel)
    again = repeated_times(readings)
    freqs = own_freqs(readings, again)
    series = np.repeat(np.arange(len(freqs)), np.diff(readings.offsets))
    runs = longest_runs(readings.values, series, len(freqs))
    facts = Facts(seen, config, readings, again, absent_steps(readings, freqs), freqs, runs, notes=list(seen.notes))
    if not config.zone and not readings.zone:
        facts.daylight = find_daylight(readings.times, again)
    if seen.panel is not None:
        _infer(facts, seen.panel)
        _outliers(facts, seen.panel)
        _look_closer(facts, seen.panel)
    return facts


def _as_in_panel(readings: Readings, panel: Panel | None) -> Readings:
    """Return readings in local times where the panel holds them so: where its steps are whole days."""
    if panel is None or not panel.zone or panel.zone != readings.zone or not Freq.of(panel.freq).whole_days:
        return readings
    return replace(readings, times=local_times(readings.times, readings.zone))


def _infer(facts: Facts, panel: Panel) -> None:
    """Decide season, horizon and the rest as fit does; only season and horizon where it would refuse."""
    try:
        facts.plan, notes = make_plan(panel, facts.seen.config)
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
    if facts.freq_told:
        facts.notes += notes


def _look_closer(facts: Facts, panel: Panel) -> None:
    """Measure strengths and jumps of some series: all, or those with the most to mend and an even choice of others."""
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
        facts.jumps[number] = _placed(facts, number, panel.times[rows], find_jumps(values, facts.season))


def _outliers(facts: Facts, panel: Panel) -> None:
    """Find the outliers of all series; each is expected near the median of the readings around it."""
    rows = find_outliers(panel)
    numbers = {name: i for i, name in enumerate(facts.ids)}
    for row, place in zip(
        rows.tolist(), (np.searchsorted(panel.offsets, rows, side="right") - 1).tolist(), strict=True
    ):
        low, high = int(panel.offsets[place]), int(panel.offsets[place + 1])
        around = np.arange(max(row - AROUND, low), min(row + AROUND + 1, high))
        around = around[panel.observed[around] & (around != row)]
        odd = Odd(row - low, float(panel.values[row]), float(np.median(panel.values[around])))
        number = numbers[panel.ids[place]]
        facts.outliers.setdefault(number, []).extend(_placed(facts, number, panel.times[low:high], [odd]))


def _placed(facts: Facts, number: int, times: np.ndarray, found: list[Odd]) -> list[Odd]:
    """Return what stands out by its row among the readings; -1 where the panel moved its time."""
    rows = [facts.row_at(number, times[odd.place]) for odd in found]
    return [Odd(-1 if row is None else row, odd.value, odd.expected) for row, odd in zip(rows, found, strict=True)]


def series_table(facts: Facts) -> pd.DataFrame:
    """Return one row a series: the columns of :data:`COLUMNS`; NaN where a series was not measured."""
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
        *(total(np.isnan(readings.values)), total(facts.absent), total(facts.again), facts.runs[0]),
        *(outliers, season, trend),
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def worst_series(series: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the ``most`` series with the most missing, absent, repeated and odd readings a row, in the table's order.

    Args:
        series: from :func:`series_table`.
        most: how many.
    """
    if len(series) <= most:
        return series
    harm = sum(series[name].fillna(0).astype(float) for name in ("missing", "gaps", "duplicates", "outliers"))
    share = harm / series["rows"]
    return series.loc[share.sort_values(ascending=False, kind="stable").index[:most].sort_values()]


def place_of(facts: Facts, row: int) -> str:
    """Return a row for a message: its line, its series and its time."""
    return f"{facts.readings.where(row)} ({facts.when(row)})"
