"""Problems of a table, each with its rows and the setting or the step that fixes it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from forecaster.config import FIELDS
from forecaster.data.readers.sources import Source
from forecaster.errors import ForecasterError
from forecaster.notes import Note
from forecaster.words import setting

#: In order of harm: ``fit`` refuses the table; rows are lost or the forecast suffers; good to know.
SEVERITIES = ("error", "warning", "note")
#: Kinds of problems of one severity, the most harmful first; others come after them.
KINDS = (
    *("read", "dates", "times", "text", "ids", "series", "zone", "duplicates", "freq", "missing", "gaps", "length"),
    *("sentinel", "target", "spelling", "constant", "outliers", "stuck", "jump", "season", "future", "order"),
    "left out",
)
#: Most places named for each problem.
MOST_PLACES = 5
#: Settings that a note may end with, for the reader to fix what it reports.
SETTINGS = (*FIELDS, *(field.name for field in fields(Source)))


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a table, or may be.

    Attributes:
        severity: one of :data:`SEVERITIES`.
        kind: a short name, such as one of :data:`KINDS`.
        what: the problem in one sentence.
        where: the first places: lines of a text file, rows of another table, or times.
        mend: the setting, command or step that fixes it; ``""`` if nothing needs fixing.
    """

    severity: str
    kind: str
    what: str
    where: tuple[str, ...] = ()
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "where": list(self.where)}


def problem_of_error(kind: str, error: ForecasterError) -> Problem:
    """Return a problem made from an error that stops ``fit``."""
    return Problem("error", kind, error.message, tuple(_find_places(error.message)), error.hint)


def _find_places(message: str) -> list[str]:
    """Return the lines or rows that a message names."""
    return list(dict.fromkeys(re.findall(r"(?:line|row) \d+", message)))[:MOST_PLACES]


def sort_problems(problems: list[Problem]) -> list[Problem]:
    """Return problems sorted by harm, the worst first."""
    ranks = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(problems, key=lambda p: (SEVERITIES.index(p.severity), ranks.get(p.kind, len(KINDS))))


#: Kinds of notes on repairs that a check reports in more detail under another name.
_KINDS_OF_NOTES = {"trimmed": "missing", "undated": "times", "moved": "freq"}


def problem_kind(note: Note) -> str:
    """Return the kind of problem that a note is about."""
    return _KINDS_OF_NOTES.get(note.name, note.name)


def problem_of_note(note: Note) -> Problem:
    """Return a problem made from a warning; the settings that it names are the mend."""
    reason, _, mend = note.reason.rpartition("; ")
    if re.split("[ =]", mend, maxsplit=1)[0] not in {setting(name) for name in SETTINGS}:
        reason, mend = note.reason, "; ".join(find_settings(note.reason))
    what = f"{note.value}: {reason}" if reason else note.value
    return Problem("warning", note.name, what, tuple(_find_places(note.reason)), mend)


def find_settings(text: str) -> list[str]:
    """Return the settings in a message that have a value (``gaps="mask"``), and all flags."""
    flag, keyword = r"--[a-z][a-z-]*(?: (?:'[^']*'|[\w@%+=:,./-]*\w))?", r"\b[a-z]\w*=(?:\"[^\"]*\"|[\w./-]+)"
    return re.findall(f"{flag}|{keyword}", text)
