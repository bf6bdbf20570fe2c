"""Inspect a table: its series, the settings that a fit would infer, and its problems; without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster.config import FIELDS, Config
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.readers.sources import Source, read_table
from forecaster.data.time.zones import localize
from forecaster.errors import ForecasterError
from forecaster.inspection.checks import find_problems
from forecaster.inspection.lenient_reading import ParsedTable, Refusal, read_leniently
from forecaster.inspection.measurements import COLUMNS, Facts, measure_table, series_table, worst_series
from forecaster.inspection.problems import Problem, find_settings, problem_of_error, sort_problems
from forecaster.notes import Note
from forecaster.words import setting

#: Most series written to JSON.
MOST_SERIES = 1000
#: Notes on inferred settings, warnings or not; other warnings are problems.
INFERRED = ("time", "target", "series", "freq", "season", "transform")
#: Problems and notes that do not depend on the times.
TIMELESS = (
    *("read", "text", "ids", "series", "missing", "sentinel", "spelling", "constant", "target", "left out"),
    *("encoding", "delimiter", "numbers", "skipped", "time"),
)


@dataclass(frozen=True)
class Inspection:
    """The findings in a table.

    Attributes:
        series: a row for each series: ``series``, ``rows``, ``start``, ``end``, its own ``freq``, ``missing`` readings,
            absent steps (``gaps``), ``duplicates``, the longest run of one value (``constant``), ``outliers``, and the
            strength of ``season`` and ``trend`` from 0 to 1, NaN if a series was not measured.
        inferred: notes on the settings that ``fit`` would infer, with reasons.
        problems: the problems, the most harmful first.
        panel: the regular panel; None if none can be made.
        season: main seasonal period in steps; 1 for none.
        rows: the number of rows of the table.
        columns: the names of its columns.
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
        """True if ``fit`` would refuse the table."""
        return any(problem.severity == "error" for problem in self.problems)

    def to_dict(self, most: int = MOST_SERIES) -> dict[str, Any]:
        """Return plain values for JSON.

        Args:
            most: most series listed, those with the most missing, absent and repeated readings; ``series_count`` is the
                number of all.
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


def inspect_table(data: pd.DataFrame | pd.Series | str | Path | Source, config: Config | None = None) -> Inspection:
    """Inspect a table before a fit: its series, the settings that would be inferred, and its problems.

    Errors that would stop ``fit`` are among the problems; reading continues after each as if it were fixed, so that
    all are found at once.

    Args:
        data: a DataFrame, a Series indexed by time, a path, ``dataset:NAME`` or a :class:`forecaster.Source`.
        config: settings, such as the columns of time and target; the default ones if None.

    Raises:
        NotFoundError: there is no such file.
        DataError: the file cannot be read as a table.
        SettingError: a setting has a wrong value, such as a freq that does not exist.

    Example:
        >>> from forecaster import Config, inspect_table
        >>> found = inspect_table("dataset:airline", Config(target="passengers"))
        >>> found.refused, found.season, found.series["rows"].tolist()
        (False, 12, [144])
    """
    table = read_table(data) if isinstance(data, (str, Path, Source)) else data
    try:
        frame = frame_of(table)
    except ForecasterError as error:
        problem = Problem("error", "read", error.message, (), error.hint)
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), [], [problem])
    config = Config() if config is None else config
    return _inspect_frame(frame, read_leniently(frame, config), config)


def _inspect_frame(frame: pd.DataFrame, table: ParsedTable, config: Config) -> Inspection:
    problems = [problem_of_error(refusal.kind or "read", refusal.error) for refusal in table.refusals]
    about = (len(frame), tuple(map(str, frame.columns)))
    if table.readings is None:
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), table.notes, sort_problems(problems), None, 1, *about)
    facts = measure_table(table, table.readings, config)
    dates = _find_ambiguous_dates(table.refusals)
    if dates is not None:
        refusals = [p for place, p in enumerate(problems) if place == dates or p.kind in TIMELESS]
        found = [problem for problem in find_problems(facts) if problem.kind in TIMELESS]
        notes = [note for note in _select_inferred(facts, config) if note.name in TIMELESS]
        problems = sort_problems(_merge_problems(refusals, found))
        return Inspection(pd.DataFrame(columns=list(COLUMNS)), notes, problems, None, 1, *about)
    problems = _merge_problems(problems, find_problems(facts))
    return Inspection(
        _series_in_zone(facts),
        _select_inferred(facts, config),
        sort_problems(problems),
        table.panel,
        facts.season,
        *about,
    )


def _find_ambiguous_dates(refusals: list[Refusal]) -> int | None:
    """Return the place of the refusal of dates that were read in part or are ambiguous; None for none.

    All that depends on such dates is a guess.
    """
    half = (refusal.kind == "dates" or "mixes formats" in refusal.error.message for refusal in refusals)
    return next((place for place, found in enumerate(half) if found), None)


def _select_inferred(facts: Facts, config: Config) -> list[Note]:
    """Return the notes on inferred settings: without repairs, and without the workarounds of reading."""
    changed = {name for name in FIELDS if getattr(facts.table.config, name) != getattr(config, name)}
    notes = [note for note in facts.notes if note.name not in {*changed, "order"}]
    return [note for note in notes if not note.warning or note.name in INFERRED]


def _merge_problems(refused: list[Problem], found: list[Problem]) -> list[Problem]:
    """Return refusals and findings; of both of one kind, the more detailed finding with the severity of an error."""
    left, merged = list(refused), []
    for problem in found:
        error = next((error for error in left if error.kind == problem.kind), None)
        if error is None:
            merged.append(problem)
            continue
        left.remove(error)
        exact = find_settings(error.mend) and setting("zone") not in problem.mend
        mend = error.mend if exact else problem.mend or error.mend
        merged.append(replace(problem, severity="error", where=problem.where or error.where, mend=mend))
    return [*left, *merged]


def _series_in_zone(facts: Facts) -> pd.DataFrame:
    """Return the table of series with times in their zone."""
    table, zone = series_table(facts), facts.readings.zone
    if zone:
        freq = facts.table.panel.freq if facts.table.panel else ""
        table["start"], table["end"] = (localize(table[name].to_numpy(), zone, freq) for name in ("start", "end"))
    return table
