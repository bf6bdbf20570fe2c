"""The data doctor: what a table holds, what would be inferred from it, and what is wrong with it; no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from forecaster.config import FIELDS, Config
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.time.zones import localize
from forecaster.errors import ForecasterError
from forecaster.inspection.checks import table_problems
from forecaster.inspection.lenient_reading import Refusal, Seen, read_leniently
from forecaster.inspection.measurements import COLUMNS, Facts, measure_table, series_table, worst_series
from forecaster.inspection.problems import Problem, find_settings, in_order, problem_of_error
from forecaster.notes import Note

#: Series written to JSON at most.
MOST_SERIES = 1000
#: Notes that tell what was inferred even where they are warnings; other warnings are problems.
INFERRED = ("time", "target", "series", "freq", "season", "transform")
#: Problems and notes that do not rest on the times.
TIMELESS = (
    *("read", "text", "ids", "series", "missing", "sentinel", "spelling", "constant", "target", "left out"),
    *("encoding", "delimiter", "numbers", "skipped", "time"),
)


@dataclass(frozen=True)
class Inspection:
    """What was found in a table.

    Attributes:
        series: one row a series: ``series``, ``rows``, ``start``, ``end``, its own ``freq``, ``missing`` readings,
            absent steps (``gaps``), ``duplicates``, the longest run of one value (``constant``), ``outliers``, and the
            strength of ``season`` and ``trend`` from 0 to 1, NaN where a series was not measured.
        inferred: what ``fit`` would decide and why.
        problems: in order of harm.
        panel: the regular panel, None where none can be made.
        season: main seasonal period in steps; 1 for none.
        rows: rows of the table.
        columns: its columns.
    """

    series: pd.DataFrame
    inferred: list[Note]
    problems: list[Problem]
    panel: Panel | None = None
    season: int = 1
    rows: int = 0
    columns: tuple[str, ...] = field(default_factory=tuple)

    @property
    def refused(self) -> bool:
        """Whether ``fit`` would refuse the table."""
        return any(problem.severity == "error" for problem in self.problems)

    def to_dict(self, most: int = MOST_SERIES) -> dict[str, Any]:
        """Return plain values for JSON.

        Args:
            most: series listed at most, those with the most harm first; ``series_count`` tells how many there are.
        """
        listed = worst_series(self.series, most).astype(object)
        listed[["start", "end"]] = listed[["start", "end"]].astype(str)
        return {
            "rows": self.rows,
            "columns": list(self.columns),
            "refused": self.refused,
            "season": self.season,
            "series_count": len(self.series),
            "series": listed.where(listed.notna(), None).to_dict(orient="records"),
            "inferred": [note.to_dict() for note in self.inferred],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def inspect_table(data: pd.DataFrame | pd.Series, config: Config) -> Inspection:
    """Return what a table holds and what is wrong with it; errors that stop ``fit`` are problems among the others.

    Reading goes on after each error as if it had been mended, so that all of them are found at once.

    Args:
        data: a table, or a Series whose index holds the times.
        config: its settings of the group ``data``.

    Raises:
        SettingError: a setting has a wrong value, such as a freq that does not exist.
    """
    try:
        frame = frame_of(data)
    except ForecasterError as error:
        problem = Problem("error", "read", error.message, (), error.hint)
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), [], [problem])
    return _inspected(frame, read_leniently(frame, config), config)


def _inspected(frame: pd.DataFrame, seen: Seen, config: Config) -> Inspection:
    problems = [problem_of_error(refusal.kind or "read", refusal.error) for refusal in seen.refusals]
    about = (len(frame), tuple(map(str, frame.columns)))
    if seen.readings is None:
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), seen.notes, in_order(problems), None, 1, *about)
    facts = measure_table(seen, seen.readings, config)
    dates = _half_read(seen.refusals)
    if dates is not None:
        refusals = [p for place, p in enumerate(problems) if place == dates or p.kind in TIMELESS]
        found = [problem for problem in table_problems(facts) if problem.kind in TIMELESS]
        notes = [note for note in _inferred(facts, config) if note.name in TIMELESS]
        problems = in_order(_merged(refusals, found))
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), notes, problems, None, 1, *about)
    problems = _merged(problems, table_problems(facts))
    return Inspection(_zoned(facts), _inferred(facts, config), in_order(problems), seen.panel, facts.season, *about)


def _half_read(refusals: list[Refusal]) -> int | None:
    """Return the place of the refusal of dates that could be read in part only, or in one of two ways; None if none.

    All that rests on such dates is a guess.
    """
    half = (refusal.kind == "dates" or "mixes formats" in refusal.error.message for refusal in refusals)
    return next((place for place, found in enumerate(half) if found), None)


def _inferred(facts: Facts, config: Config) -> list[Note]:
    """Return the notes on what was inferred: no repairs, and nothing that only let the reading go on."""
    changed = {name for name in FIELDS if getattr(facts.seen.config, name) != getattr(config, name)}
    notes = [note for note in facts.notes if note.name not in {*changed, "order"}]
    return [note for note in notes if not note.warning or note.name in INFERRED]


def _merged(refused: list[Problem], found: list[Problem]) -> list[Problem]:
    """Return refusals and findings; of one that is both, the finding with the error's severity: it tells more."""
    left, merged = list(refused), []
    for problem in found:
        error = next((error for error in left if error.kind == problem.kind), None)
        if error is None:
            merged.append(problem)
            continue
        left.remove(error)
        by_zone = any(found.startswith(("--zone", "zone=")) for found in find_settings(problem.mend))
        mend = error.mend if find_settings(error.mend) and not by_zone else problem.mend or error.mend
        merged.append(replace(problem, severity="error", where=problem.where or error.where, mend=mend))
    return [*left, *merged]


def _zoned(facts: Facts) -> pd.DataFrame:
    """Return the table of series, its times in their zone."""
    table, zone = series_table(facts), facts.readings.zone
    if zone:
        freq = facts.seen.panel.freq if facts.seen.panel else ""
        table["start"], table["end"] = (localize(table[name].to_numpy(), zone, freq) for name in ("start", "end"))
    return table
