"""Checks of a table that could be read: one function for each kind of problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from forecaster.data.panel.outliers import MOST_CHECKED, count_sentinels
from forecaster.data.readers.dataframe import line_of
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq
from forecaster.inspection.measurements import Facts, place_of
from forecaster.inspection.problems import MOST_PLACES, Problem, problem_kind, problem_of_error, problem_of_note
from forecaster.inspection.runs_and_jumps import Anomaly
from forecaster.words import first_few, plural, setting

#: Share of rows that repeat a time at which a table may hold several series, the largest share of these that may still
#: do so with the column that tells the series apart, and the most rows checked.
MANY_REPEATED, STILL_REPEATED, MOST_ROWS = 0.05, 0.2, 200_000
#: Least rows of a series whose own freq is compared.
LEAST_ROWS = 10
#: Share of missing readings above which they are a warning.
MANY_MISSING = 0.03
#: Most jumps in level named, the largest.
MOST_JUMPS = 3
#: A run of one value of this many rows, and this many times as long as any other, looks like a stuck meter.
STUCK_ROWS, STUCK_TIMES = 10, 4


def find_problems(facts: Facts) -> list[Problem]:
    """Return the problems of a table that could be read: those the checks find, and warnings of the reading."""
    problems = [problem for check in CHECKS for problem in check(facts)]
    known = {problem.kind for problem in problems}
    if facts.refusal is not None:
        problems.append(problem_of_error("length", facts.refusal))
    return problems + [
        problem_of_note(note) for note in facts.notes if note.warning and problem_kind(note) not in known
    ]


def _check_duplicates(facts: Facts) -> Iterator[Problem]:
    rows = np.flatnonzero(facts.repeated)
    if not len(rows):
        return
    readings, values = facts.readings, facts.readings.values
    same = values[rows] == values[rows - 1]
    same |= np.isnan(values[rows]) & np.isnan(values[rows - 1])
    pairs = tuple(
        f"{line_of(readings.frame, readings.position(r - 1))} and {place_of(facts, r)}" for r in rows[:MOST_PLACES]
    )
    alike = "all with the same reading" if same.all() else f"{int((~same).sum()):,} with another reading"
    verb = "repeats" if len(rows) == 1 else "repeat"
    what = f"{plural(len(rows), 'row')} {verb} the time of another{_across_words(facts, facts.repeated)}, {alike}"
    given = facts.config.duplicates
    mend = f"{setting('duplicates', 'first')} (or last, mean, sum)"
    if given != "error":
        mend = f"combined by {setting('duplicates', given)}"
    if facts.daylight and facts.daylight.explains:
        mend = f"{setting('zone', facts.daylight.zone)}: clocks show that hour twice"
    yield Problem(_duplicates_severity(facts), "duplicates", what, pairs, mend)


def _duplicates_severity(facts: Facts) -> str:
    """Return the severity of repeated times."""
    return "error" if facts.config.duplicates == "error" and facts.repeated.any() else "note"


def _check_series_column(facts: Facts) -> Iterator[Problem]:
    """Find a column that tells most rows of the same time apart, in a table read as one series."""
    readings, count = facts.readings, int(facts.repeated.sum())
    if readings.roles.series or count < MANY_REPEATED * len(facts.repeated):
        return
    frame = readings.frame.iloc[[readings.position(row) for row in range(min(len(facts.repeated), MOST_ROWS))]]
    times, left = readings.times[: len(frame)], {}
    for name in frame.columns:
        column = frame[name]
        if name not in (readings.roles.time, readings.roles.target) and column.dtype.kind not in "fcmM":
            values = column.nunique()
            if 1 < values <= len(frame) / 2:
                left[str(name)] = int(pd.DataFrame({"time": times, "id": column.to_numpy()}).duplicated().sum())
    best = min(left, key=lambda name: left[name], default="")
    if best and left[best] < STILL_REPEATED * facts.repeated[: len(frame)].sum():
        what = (
            f"no column was taken for the series id, though '{best}' ({frame[best].nunique():,} values) tells rows of "
            f"the same time apart: with it {plural(left[best], 'row')} would repeat a time"
        )
        yield Problem(_duplicates_severity(facts), "series", what, (), setting("series", best))


def _check_daylight(facts: Facts) -> Iterator[Problem]:
    found = facts.daylight
    if found:
        rows = [int(np.flatnonzero(facts.readings.times == time)[0]) for time in found.places[:MOST_PLACES]]
        yield Problem(
            _duplicates_severity(facts) if found.explains else "warning",
            "zone",
            f"{found.evidence}: local times with daylight saving, read as if every day had 24 hours",
            tuple(place_of(facts, row) for row in rows),
            f"{setting('zone', found.zone)} (or another zone with the same rule)",
        )


def _check_freqs(facts: Facts) -> Iterator[Problem]:
    rows = np.diff(facts.readings.offsets)
    counts = Counter(freq for freq, count in zip(facts.freqs, rows, strict=True) if count >= LEAST_ROWS)
    if len(counts) > 1 and facts.config.freq is None:
        each = ", ".join(f"{freq or 'irregular'} {count:,}" for freq, count in counts.most_common(6))
        common = counts.most_common(1)[0][0]
        others = [facts.ids[i] for i in np.flatnonzero(rows >= LEAST_ROWS) if facts.freqs[i] != common]
        what = f"the series have different steps ({each}), and all of them are forecast by one"
        mend = f"fit each kind by itself, or name one with {setting('freq')}"
        yield Problem("warning", "freq", what, tuple(others[:MOST_PLACES]), mend)


def _check_gaps(facts: Facts) -> Iterator[Problem]:
    rows = np.flatnonzero(facts.absent)
    if not len(rows):
        return
    longest = rows[np.argsort(-facts.absent[rows], kind="stable")][:MOST_PLACES]
    places = tuple(_gap_words(facts, int(row)) for row in longest)
    what = (
        f"{plural(int(facts.absent.sum()), 'step')} absent in {plural(len(rows), 'gap')}"
        f"{_across_words(facts, facts.absent > 0)}, the longest {places[0].split(' between')[0]}"
    )
    severity = "error" if facts.config.gaps == "error" else "warning"
    mask, fill = setting("gaps", "mask"), setting("gaps", "fill")
    yield Problem(severity, "gaps", what, places, f"{mask} (the default) flags them for the network; {fill} does not")


def _gap_words(facts: Facts, row: int) -> str:
    readings = facts.readings
    freq = facts.freqs[int(np.searchsorted(readings.starts, row, side="right")) - 1]
    steps = Freq.of(freq).words(int(facts.absent[row]))
    return f"{steps} between {facts.when(row - 1)} and {facts.when(row)}, {readings.where(row)}"


def _check_missing(facts: Facts) -> Iterator[Problem]:
    empty = np.isnan(facts.readings.values)
    if not empty.any():
        return
    readings, rows = facts.readings, np.flatnonzero(empty)
    runs = np.split(rows, np.flatnonzero((np.diff(rows) > 1) | (np.diff(readings.codes[rows]) != 0)) + 1)
    longest = max(runs, key=len)
    share = len(rows) / len(empty)
    places = tuple(place_of(facts, int(run[0])) for run in runs[:MOST_PLACES])
    across, gap = _across_words(facts, empty), plural(len(longest), "row")
    what = (
        f"{plural(len(rows), 'reading')} of '{readings.roles.target}' ({share:.1%}) missing{across}, "
        f"the longest gap {gap} from {facts.when(int(longest[0]))}"
    )
    severity = "error" if facts.config.missing == "error" else "warning" if share > MANY_MISSING else "note"
    mend = f"{setting('missing', 'mask')} (the default), interpolate or seasonal"
    yield Problem(severity, "missing", what, places, mend)


def _check_empty_series(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    names = [name for name, count in zip(facts.ids, full, strict=True) if not count]
    if names and len(names) < len(full):
        what = f"{len(names):,} series without any reading: left out"
        yield Problem("warning", "left out", what, tuple(names[:MOST_PLACES]), f"fill in '{readings.roles.target}'")


def _check_lengths(facts: Facts) -> Iterator[Problem]:
    if facts.plan is None or facts.table.panel is None:
        return
    needed = facts.plan.lookback + facts.plan.horizon
    lengths = facts.table.panel.lengths
    short = np.flatnonzero(lengths < needed)
    if len(short):
        places = tuple(
            f"{facts.table.panel.ids[i] or 'the table'} ({plural(int(lengths[i]), 'row')})" for i in short[:MOST_PLACES]
        )
        what = (
            f"{len(short):,} of {len(lengths):,} series shorter than lookback {facts.plan.lookback} + horizon "
            f"{facts.plan.horizon}"
        )
        lookback = setting("lookback", max(2, int(np.median(lengths)) // 4))
        yield Problem("warning", "length", what, places, f"{lookback}, or a shorter {setting('horizon')}")


def _check_constant(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    flat = np.flatnonzero((full > 1) & (facts.runs[0] == full))
    if len(flat):
        value = readings.values[facts.runs[1][flat[0]]]
        names = tuple(facts.ids[i] or "the only series" for i in flat[:MOST_PLACES])
        what = f"{len(flat):,} series of {len(full):,} constant, such as {names[0]} at {value:g}"
        yield Problem("warning", "constant", what, names, "leave them out: there is nothing to learn")


def _check_stuck(facts: Facts) -> Iterator[Problem]:
    """Find a run of one value that is far longer than any other of its series."""
    readings, found = facts.readings, []
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    long = np.flatnonzero((facts.runs[0] >= max(STUCK_ROWS, 2 * facts.season)) & (facts.runs[0] < full))
    for i in long[:MOST_CHECKED]:
        begin, length = int(facts.runs[1][i]), int(facts.runs[0][i])
        values = readings.values[readings.offsets[i] : readings.offsets[i + 1]]
        values = values[~np.isnan(values)]
        runs = np.diff(np.flatnonzero(np.append(np.append(True, np.diff(values) != 0), True)))
        if length >= STUCK_TIMES * np.sort(runs)[-2] and readings.values[begin] != 0:
            found.append((length, begin))
    if found:
        length, begin = max(found)
        places = tuple(
            f"{plural(n, 'row')} from {place_of(facts, row)}" for n, row in sorted(found, reverse=True)[:MOST_PLACES]
        )
        what = (
            f"'{readings.roles.target}' stays {readings.values[begin]:g} for {plural(length, 'row')}, far longer than "
            "any other value: the meter may have been stuck"
        )
        yield Problem("warning", "stuck", what, places, "empty those cells if they are no readings")


def _check_sentinels(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    marks = {m: counts.total() for m, counts in count_sentinels(readings.values, readings.offsets).items()}
    for mark, count in sorted(marks.items(), key=lambda pair: -pair[1])[:2]:
        rows = np.flatnonzero(readings.values == readings.values.dtype.type(mark))[:MOST_PLACES]
        target = readings.roles.target
        what = f"{mark:g} in {plural(count, 'row')} of '{target}', far from all else: does it mark a missing reading?"
        yield Problem("warning", "sentinel", what, tuple(place_of(facts, int(r)) for r in rows), "empty those cells")


def _check_spelling(facts: Facts) -> Iterator[Problem]:
    groups: dict[str, list[str]] = {}
    for name in facts.ids:
        groups.setdefault(re.sub(r"[\s_-]+", " ", name).strip().casefold(), []).append(name)
    alike = [names for names in groups.values() if len(names) > 1]
    if alike:
        shown_names = tuple(" and ".join(f"'{name}'" for name in names[:3]) for names in alike[:MOST_PLACES])
        what = f"series ids differ by case, spaces or dashes only: {first_few(list(shown_names), 3)}"
        yield Problem("warning", "spelling", what, shown_names, "write each id in one way, or they are separate series")


def _check_outliers(facts: Facts) -> Iterator[Problem]:
    found = [(anomaly, number) for number, anomalies in facts.outliers.items() for anomaly in anomalies]
    if not found:
        return
    found.sort(key=lambda pair: -abs(pair[0].value - pair[0].expected))
    places = tuple(
        f"{_place_of_anomaly(facts, anomaly.place, number)}: {anomaly.value:g}, expected about {anomaly.expected:.4g}"
        for anomaly, number in found[:MOST_PLACES]
    )
    across = "" if len(facts.freqs) == 1 else f" in {len(facts.outliers):,} of {len(facts.freqs):,} series"
    what = f"{plural(len(found), 'outlier')}{across}, far from all readings around; nothing is changed"
    yield Problem("warning", "outliers", what, places, "empty those cells if they are no readings")


def _place_of_anomaly(facts: Facts, row: int, number: int) -> str:
    return place_of(facts, row) if row >= 0 else f"series '{facts.ids[number]}'"


def _check_jumps(facts: Facts) -> Iterator[Problem]:
    found = [(anomaly, number) for number, anomalies in facts.jumps.items() for anomaly in anomalies]
    if found:
        found.sort(key=lambda pair: -_jump_size(pair[0]))
        places = tuple(
            f"{_place_of_anomaly(facts, odd.place, number)}: from {odd.expected:g} to {odd.value:g}{_ratio_words(odd)}"
            for odd, number in found[:MOST_JUMPS]
        )
        what = f"the level jumps at once and stays there, {plural(len(found), 'time')}, as a price does at a split"
        yield Problem("warning", "jump", what, places, "rescale the rows before it, or use the rows after it only")


def _jump_size(anomaly: Anomaly) -> float:
    """Return the size of a jump: its ratio if both levels are positive."""
    ratio = anomaly.value / anomaly.expected if anomaly.expected > 0 < anomaly.value else np.inf
    return float(max(ratio, 1 / ratio) if np.isfinite(ratio) else abs(anomaly.value - anomaly.expected))


def _ratio_words(anomaly: Anomaly) -> str:
    if not anomaly.expected > 0 < anomaly.value:
        return ""
    ratio = anomaly.value / anomaly.expected
    return f", {ratio:.3g} times as much" if ratio > 1 else f", {1 / ratio:.3g} times less"


def _check_season(facts: Facts) -> Iterator[Problem]:
    panel = facts.table.panel
    if panel is None or facts.season > 1 or facts.config.season is not None or not facts.freq_known:
        return
    season = default_season(panel.freq)
    if season > 1:
        short = int(np.median(panel.lengths)) < 2 * season
        why = "the series are shorter than two of it" if short else "the readings do not repeat at it"
        what = f"no season: {season} steps are usual for freq {panel.freq}, but {why}"
        yield Problem("note", "season", what, (), f"{setting('season', season)} uses it anyway")


def _check_future(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    if readings.times.dtype.kind != "M":
        return
    late = np.flatnonzero(
        readings.times > np.datetime64(pd.Timestamp.now("UTC").tz_localize(None)) + np.timedelta64(1, "D")
    )
    if len(late):
        what = f"{plural(len(late), 'row')} after today"
        places = tuple(place_of(facts, int(row)) for row in late[:MOST_PLACES])
        yield Problem("warning", "future", what, places, "check the dates; leave out rows that are no readings")


def _check_order(facts: Facts) -> Iterator[Problem]:
    if facts.table.moved:
        what = f"{plural(facts.table.moved, 'row')} earlier than the row before: the rows are sorted by time"
        yield Problem("note", "order", what, (), "")


def _check_target(facts: Facts) -> Iterator[Problem]:
    note = next((note for note in facts.notes if note.name == "target"), None)
    reason, _, others = note.reason.partition("; ") if note is not None else ("", "", "")
    if note is not None and others and facts.config.target is None:
        what = f"'{note.value}' is forecast: {reason}, but there are other columns of readings"
        mend = f"{setting('target', 'COLUMN')} forecasts another"
        yield Problem("warning" if note.warning else "note", "target", what, (), mend)


def _across_words(facts: Facts, rows: np.ndarray) -> str:
    """Return ``" in 3 of 10 series"``, ``""`` for a table of one series."""
    if len(facts.freqs) == 1:
        return ""
    return f" in {len(np.unique(facts.readings.codes[rows])):,} of {len(facts.freqs):,} series"


#: Every check, in no order that matters.
CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    _check_duplicates,
    _check_series_column,
    _check_daylight,
    _check_freqs,
    _check_gaps,
    _check_missing,
    _check_empty_series,
    _check_lengths,
    _check_constant,
    _check_stuck,
    _check_sentinels,
    _check_spelling,
    _check_outliers,
    _check_jumps,
    _check_season,
    _check_future,
    _check_order,
    _check_target,
)
