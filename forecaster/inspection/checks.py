"""What is looked for in a table that could be read: one function a kind of problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from forecaster.data.panel.outliers import MOST_LOOKED_AT, count_sentinels
from forecaster.data.readers.dataframe import line_of
from forecaster.data.time.calendar import default_season
from forecaster.data.time.freq import Freq
from forecaster.inspection.measurements import Facts, place_of
from forecaster.inspection.problems import MOST_PLACES, Problem, problem_kind, problem_of_error, problem_of_note
from forecaster.inspection.runs_and_jumps import Odd
from forecaster.words import first_few, plural, setting

#: Share of rows that repeat a time from which on a table may hold several series, and the share of them that may still
#: do so with the column that tells these apart; rows looked at.
MANY_REPEATED, STILL_REPEATED, MOST_ROWS = 0.05, 0.2, 200_000
#: Rows of a series from which on its own freq is worth a word.
LEAST_ROWS = 10
#: Share of missing readings from which on it is a warning.
MANY_MISSING = 0.03
#: Jumps in level named, the largest.
MOST_JUMPS = 3
#: A run of one value that is this long, and this many times as long as any other, looks like a stuck meter.
STUCK_ROWS, STUCK_TIMES = 10, 4


def table_problems(facts: Facts) -> list[Problem]:
    """Return what the checks find in a table that could be read."""
    problems = [problem for check in CHECKS for problem in check(facts)]
    known = {problem.kind for problem in problems}
    if facts.refusal is not None:
        problems.append(problem_of_error("length", facts.refusal))
    return problems + [
        problem_of_note(note) for note in facts.notes if note.warning and problem_kind(note) not in known
    ]


def _duplicates(facts: Facts) -> Iterator[Problem]:
    rows = np.flatnonzero(facts.again)
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
    what = f"{plural(len(rows), 'row')} {verb} the time of another{_of_series(facts, facts.again)}, {alike}"
    given = facts.config.duplicates
    mend = "--duplicates first (or last, mean, sum)" if given == "error" else f"combined by --duplicates {given}"
    if facts.daylight and facts.daylight.explains:
        mend = f"--zone {facts.daylight.zone}: the clock shows that hour twice"
    yield Problem(_of_duplicates(facts), "duplicates", what, pairs, mend)


def _of_duplicates(facts: Facts) -> str:
    """Return how severe repeated times are."""
    return "error" if facts.config.duplicates == "error" and facts.again.any() else "note"


def _series_column(facts: Facts) -> Iterator[Problem]:
    """A column that tells most rows of the same time apart, in a table read as one series."""
    readings, count = facts.readings, int(facts.again.sum())
    if readings.roles.series or count < MANY_REPEATED * len(facts.again):
        return
    frame = readings.frame.iloc[[readings.position(row) for row in range(min(len(facts.again), MOST_ROWS))]]
    times, left = readings.times[: len(frame)], {}
    for name in frame.columns:
        column = frame[name]
        if name not in (readings.roles.time, readings.roles.target) and column.dtype.kind not in "fcmM":
            values = column.nunique()
            if 1 < values <= len(frame) / 2:
                left[str(name)] = int(pd.DataFrame({"time": times, "id": column.to_numpy()}).duplicated().sum())
    best = min(left, key=lambda name: left[name], default="")
    if best and left[best] < STILL_REPEATED * facts.again[: len(frame)].sum():
        what = (
            f"no column was taken for the series id, though '{best}' ({frame[best].nunique():,} values) tells rows of "
            f"the same time apart: with it {plural(left[best], 'row')} would repeat a time"
        )
        yield Problem(_of_duplicates(facts), "series", what, (), f"--series {best}")


def _daylight(facts: Facts) -> Iterator[Problem]:
    found = facts.daylight
    if found:
        rows = [int(np.flatnonzero(facts.readings.times == time)[0]) for time in found.places[:MOST_PLACES]]
        yield Problem(
            _of_duplicates(facts) if found.explains else "warning",
            "zone",
            f"{found.evidence}: local times of a place with daylight saving, read as if every day had 24 hours",
            tuple(place_of(facts, row) for row in rows),
            f"--zone {found.zone} (or another zone of the same rule)",
        )


def _freqs(facts: Facts) -> Iterator[Problem]:
    rows = np.diff(facts.readings.offsets)
    counts = Counter(freq for freq, count in zip(facts.freqs, rows, strict=True) if count >= LEAST_ROWS)
    if len(counts) > 1 and facts.config.freq is None:
        each = ", ".join(f"{freq or 'irregular'} {count:,}" for freq, count in counts.most_common(6))
        common = counts.most_common(1)[0][0]
        others = [facts.ids[i] for i in np.flatnonzero(rows >= LEAST_ROWS) if facts.freqs[i] != common]
        what = f"the series have different steps ({each}), and all of them are forecast by one"
        yield Problem(
            "warning", "freq", what, tuple(others[:MOST_PLACES]), "fit each kind by itself, or name one: --freq"
        )


def _gaps(facts: Facts) -> Iterator[Problem]:
    rows = np.flatnonzero(facts.absent)
    if not len(rows):
        return
    longest = rows[np.argsort(-facts.absent[rows], kind="stable")][:MOST_PLACES]
    places = tuple(_gap(facts, int(row)) for row in longest)
    what = (
        f"{plural(int(facts.absent.sum()), 'step')} absent in {plural(len(rows), 'gap')}"
        f"{_of_series(facts, facts.absent > 0)}, the longest {places[0].split(' between')[0]}"
    )
    severity = "error" if facts.config.gaps == "error" else "warning"
    yield Problem(severity, "gaps", what, places, "--gaps mask (the default) tells the network; --gaps fill does not")


def _gap(facts: Facts, row: int) -> str:
    readings = facts.readings
    freq = facts.freqs[int(np.searchsorted(readings.starts, row, side="right")) - 1]
    steps = Freq.of(freq).words(int(facts.absent[row]))
    return f"{steps} between {facts.when(row - 1)} and {facts.when(row)}, {readings.where(row)}"


def _missing(facts: Facts) -> Iterator[Problem]:
    empty = np.isnan(facts.readings.values)
    if not empty.any():
        return
    readings, rows = facts.readings, np.flatnonzero(empty)
    runs = np.split(rows, np.flatnonzero((np.diff(rows) > 1) | (np.diff(readings.codes[rows]) != 0)) + 1)
    longest = max(runs, key=len)
    share = len(rows) / len(empty)
    places = tuple(place_of(facts, int(run[0])) for run in runs[:MOST_PLACES])
    what = (
        f"{plural(len(rows), 'reading')} of '{readings.roles.target}' ({share:.1%}) missing{_of_series(facts, empty)}, "
        f"the longest stretch {plural(len(longest), 'row')} from {facts.when(int(longest[0]))}"
    )
    severity = "error" if facts.config.missing == "error" else "warning" if share > MANY_MISSING else "note"
    yield Problem(severity, "missing", what, places, "--missing mask (the default), interpolate or seasonal")


def _empty_series(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    names = [name for name, count in zip(facts.ids, full, strict=True) if not count]
    if names and len(names) < len(full):
        what = f"{_series(len(names))} without any reading: left out"
        yield Problem(
            "warning", "left out", what, tuple(names[:MOST_PLACES]), "fill in '" + readings.roles.target + "'"
        )


def _short(facts: Facts) -> Iterator[Problem]:
    if facts.plan is None or facts.seen.panel is None:
        return
    needed = facts.plan.lookback + facts.plan.horizon
    lengths = facts.seen.panel.lengths
    short = np.flatnonzero(lengths < needed)
    if len(short):
        places = tuple(
            f"{facts.seen.panel.ids[i] or 'the table'} ({plural(int(lengths[i]), 'row')})" for i in short[:MOST_PLACES]
        )
        what = (
            f"{len(short):,} of {_series(len(lengths))} shorter than lookback {facts.plan.lookback} + horizon "
            f"{facts.plan.horizon}"
        )
        yield Problem(
            "warning",
            "length",
            what,
            places,
            f"--lookback {max(2, int(np.median(lengths)) // 4)}, or a shorter --horizon",
        )


def _constant(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    flat = np.flatnonzero((full > 1) & (facts.runs[0] == full))
    if len(flat):
        value = readings.values[facts.runs[1][flat[0]]]
        names = tuple(facts.ids[i] or "the only series" for i in flat[:MOST_PLACES])
        what = f"{_series(len(flat))} of {len(full):,} constant, such as {names[0]} at {value:g}"
        yield Problem("warning", "constant", what, names, "leave them out: there is nothing to learn")


def _stuck(facts: Facts) -> Iterator[Problem]:
    """One stretch of one value that is far longer than any other of the series."""
    readings, found = facts.readings, []
    full = np.add.reduceat((~np.isnan(readings.values)).astype(np.int64), readings.starts)
    long = np.flatnonzero((facts.runs[0] >= max(STUCK_ROWS, 2 * facts.season)) & (facts.runs[0] < full))
    for i in long[:MOST_LOOKED_AT]:
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
            "it ever does: the meter may have been stuck"
        )
        yield Problem("warning", "stuck", what, places, "empty those cells if they are no readings")


def _sentinels(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    marks = {m: counts.total() for m, counts in count_sentinels(readings.values, readings.offsets).items()}
    for mark, count in sorted(marks.items(), key=lambda pair: -pair[1])[:2]:
        rows = np.flatnonzero(readings.values == readings.values.dtype.type(mark))[:MOST_PLACES]
        target = readings.roles.target
        what = f"{mark:g} stands in {plural(count, 'row')} of '{target}', far from all else: a sign for no reading?"
        yield Problem("warning", "sentinel", what, tuple(place_of(facts, int(r)) for r in rows), "empty those cells")


def _spelling(facts: Facts) -> Iterator[Problem]:
    groups: dict[str, list[str]] = {}
    for name in facts.ids:
        groups.setdefault(re.sub(r"[\s_-]+", " ", name).strip().casefold(), []).append(name)
    alike = [names for names in groups.values() if len(names) > 1]
    if alike:
        shown_names = tuple(" and ".join(f"'{name}'" for name in names[:3]) for names in alike[:MOST_PLACES])
        what = f"series ids differ by case, spaces or dashes only: {first_few(list(shown_names), 3)}"
        yield Problem(
            "warning", "spelling", what, shown_names, "write one id in one way, or they are series of their own"
        )


def _outliers(facts: Facts) -> Iterator[Problem]:
    found = [(odd, number) for number, odds in facts.outliers.items() for odd in odds]
    if not found:
        return
    found.sort(key=lambda pair: -abs(pair[0].value - pair[0].expected))
    places = tuple(
        f"{_odd_place(facts, odd.place, number)}: {odd.value:g}, expected about {odd.expected:.4g}"
        for odd, number in found[:MOST_PLACES]
    )
    across = "" if len(facts.freqs) == 1 else f" in {len(facts.outliers):,} of {len(facts.freqs):,} series"
    what = f"{plural(len(found), 'outlier')}{across}, far from all around; nothing is changed"
    yield Problem("warning", "outliers", what, places, "empty those cells if they are no readings")


def _odd_place(facts: Facts, row: int, number: int) -> str:
    return place_of(facts, row) if row >= 0 else f"series '{facts.ids[number]}'"


def _jumps(facts: Facts) -> Iterator[Problem]:
    found = [(odd, number) for number, odds in facts.jumps.items() for odd in odds]
    if found:
        found.sort(key=lambda pair: -_size(pair[0]))
        places = tuple(
            f"{_odd_place(facts, odd.place, number)}: from {odd.expected:g} to {odd.value:g}{_ratio(odd)}"
            for odd, number in found[:MOST_JUMPS]
        )
        what = f"the level jumps at once and stays there, {plural(len(found), 'time')}, as a price does at a split"
        yield Problem("warning", "jump", what, places, "rescale the rows before it, or use the rows after it only")


def _size(odd: Odd) -> float:
    """Return how large a jump is: its ratio where both levels are positive."""
    ratio = odd.value / odd.expected if odd.expected > 0 < odd.value else np.inf
    return float(max(ratio, 1 / ratio) if np.isfinite(ratio) else abs(odd.value - odd.expected))


def _ratio(odd: Odd) -> str:
    if not odd.expected > 0 < odd.value:
        return ""
    ratio = odd.value / odd.expected
    return f", {ratio:.3g} times as much" if ratio > 1 else f", {1 / ratio:.3g} times less"


def _season(facts: Facts) -> Iterator[Problem]:
    panel = facts.seen.panel
    if panel is None or facts.season > 1 or facts.config.season is not None or not facts.freq_told:
        return
    season = default_season(panel.freq)
    if season > 1:
        short = int(np.median(panel.lengths)) < 2 * season
        why = "the series are shorter than two of it" if short else "the readings do not repeat at it"
        what = f"no season: {season} steps are usual for freq {panel.freq}, but {why}"
        yield Problem("note", "season", what, (), f"--season {season} uses it anyway")


def _future(facts: Facts) -> Iterator[Problem]:
    readings = facts.readings
    if readings.times.dtype.kind != "M":
        return
    late = np.flatnonzero(
        readings.times > np.datetime64(pd.Timestamp.now("UTC").tz_localize(None)) + np.timedelta64(1, "D")
    )
    if len(late):
        what = f"{plural(len(late), 'row')} after today"
        places = tuple(place_of(facts, int(row)) for row in late[:MOST_PLACES])
        yield Problem("warning", "future", what, places, "check the dates; leave out what is no reading")


def _order(facts: Facts) -> Iterator[Problem]:
    if facts.seen.moved:
        what = f"{plural(facts.seen.moved, 'row')} earlier than the row before: the rows are sorted by time"
        yield Problem("note", "order", what, (), "")


def _target(facts: Facts) -> Iterator[Problem]:
    note = next((note for note in facts.notes if note.name == "target"), None)
    if note is not None and "forecasts another" in note.reason and facts.config.target is None:
        reason = note.reason.split(f"; {setting('target')}")[0]
        what = f"'{note.value}' is forecast: {reason}, but there are other columns of readings"
        mend = f"{setting('target', 'COLUMN')} forecasts another"
        yield Problem("warning" if note.warning else "note", "target", what, (), mend)


def _of_series(facts: Facts, rows: np.ndarray) -> str:
    """Return ``" in 3 of 10 series"``, nothing for a table of one."""
    if len(facts.freqs) == 1:
        return ""
    return f" in {len(np.unique(facts.readings.codes[rows])):,} of {len(facts.freqs):,} series"


def _series(count: int) -> str:
    """Return ``"1 series"``, ``"2,000 series"``."""
    return f"{count:,} series"


#: Every check, in no order that matters.
CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    *(
        _duplicates,
        _series_column,
        _daylight,
        _freqs,
        _gaps,
        _missing,
        _empty_series,
        _short,
        _constant,
        _stuck,
        _sentinels,
    ),
    *(_spelling, _outliers, _jumps, _season, _future, _order, _target),
)
