"""Notes for people: inferences from the data and repairs to them, each with its reason or count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


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
