"""Notes for people: inferences from the data and repairs to them, each with its reason or count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Key of ``table.attrs`` under which the notes on a table are kept, as plain values: pandas copies them with the table.
TABLE_NOTES = "notes"


@dataclass(frozen=True)
class Note:
    """One inference or repair.

    Attributes:
        name: the setting or the repair: ``season``, ``missing``.
        value: the choice or the repair: ``12``, ``59 filled``.
        reason: the evidence, and the setting that changes it.
        warning: True if it deserves a second look.
        counts: number of rows of each series that a repair touched, by series id.
    """

    name: str
    value: str
    reason: str
    warning: bool = False
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.value} ({self.reason})" if self.reason else f"{self.name}: {self.value}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; counts only if there are any."""
        plain = {"name": self.name, "value": self.value, "reason": self.reason, "warning": self.warning}
        return {**plain, "counts": dict(self.counts)} if self.counts else plain


class ReportedNotes(list[Note]):
    """A list that reports each note when it is added."""

    def __init__(self, report: Callable[[Note], None] | None) -> None:
        super().__init__()
        self._report = report

    def append(self, note: Note) -> None:
        """Add a note and report it."""
        super().append(note)
        if self._report:
            self._report(note)

    def extend(self, notes: Iterable[Note]) -> None:
        """Add notes and report each."""
        for note in notes:
            self.append(note)


def attach_notes(table: pd.DataFrame, notes: Iterable[Note]) -> None:
    """Keep notes on a table with it, in place of those that it has."""
    table.attrs[TABLE_NOTES] = [note.to_dict() for note in notes]


def notes_of(table: pd.DataFrame) -> list[Note]:
    """Return the notes on a table, or on the one it was derived from; none if nothing was attached."""
    return [Note(**note) for note in table.attrs.get(TABLE_NOTES, [])]
