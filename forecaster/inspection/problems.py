"""The problems of a table, each with its rows and the flag or the step that mends it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from forecaster.config import Config
from forecaster.errors import ForecasterError
from forecaster.notes import Note

#: In order of harm: ``fit`` refuses the table; rows are lost or the forecast suffers; good to know.
SEVERITIES = ("error", "warning", "note")
#: Kinds of problems of one severity, the most harmful first; others come after them.
KINDS = (
    *("read", "dates", "times", "text", "ids", "series", "zone", "duplicates", "freq", "missing", "gaps", "length"),
    *("sentinel", "target", "spelling", "constant", "outliers", "stuck", "jump", "season", "future", "order"),
    "left out",
)
#: Places named for each problem.
MOST_PLACES = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or may be.

    Attributes:
        severity: one of :data:`SEVERITIES`.
        kind: a short name, such as one of :data:`KINDS`.
        what: one sentence.
        where: the first places: lines of a text file, rows of another table, or times.
        mend: the flag, command or step that mends it; ``""`` where nothing need be done.
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
    """Return an error that stops ``fit``, as a problem."""
    return Problem("error", kind, error.message, tuple(_places(error.message)), error.hint)


def _places(message: str) -> list[str]:
    """Return the lines or rows that a message names."""
    return list(dict.fromkeys(re.findall(r"(?:line|row) \d+", message)))[:MOST_PLACES]


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return problems in order of harm."""
    ranks = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(problems, key=lambda p: (SEVERITIES.index(p.severity), ranks.get(p.kind, len(KINDS))))


#: Notes on a repair that a check of its own tells with more detail.
_SAME = {"trimmed": "missing", "undated": "times", "moved": "freq"}


def problem_kind(note: Note) -> str:
    """Return the kind of problem that a note of the reading tells of."""
    return _SAME.get(note.name, note.name)


def problem_of_note(note: Note) -> Problem:
    """Return a warning of the reading as a problem; the setting that it names is the mend."""
    reason, _, last = note.reason.rpartition("; ")
    if not _begins_with_setting(last):
        reason, last = note.reason, "; ".join(find_settings(note.reason))
    what = f"{note.value}: {reason}" if reason else note.value
    return Problem("warning", note.name, what, tuple(_places(note.reason)), last)


def find_settings(text: str) -> list[str]:
    """Return the settings named in a text: ``--gaps mask`` or ``gaps="mask"``."""
    return re.findall(r"--[a-z][a-z-]*(?: [\w./-]+)?|\b[a-z_]+=(?:\"[^\"]*\"|[\w.]+)", text)


def _begins_with_setting(text: str) -> bool:
    """Return True if a text begins with a setting, written as a flag or as the name of an argument."""
    return text.startswith("--") or re.split(r"[ =]", text)[0] in Config.__dataclass_fields__
