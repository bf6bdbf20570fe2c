"""Notes: what was inferred from the data or done to them, with the reason or the count, for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """One inference or repair.

    Attributes:
        name: the setting or the repair: ``season``, ``missing``.
        value: what was chosen or done: ``12``, ``59 filled``.
        reason: why, with the evidence, and the flag that changes it.
        warning: True where a person should look twice.
        counts: how many rows of each series a repair touched, by series id.
    """

    name: str
    value: str
    reason: str
    warning: bool = False
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.value} ({self.reason})" if self.reason else f"{self.name}: {self.value}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; counts only where there are any."""
        plain = {"name": self.name, "value": self.value, "reason": self.reason, "warning": self.warning}
        return {**plain, "counts": dict(self.counts)} if self.counts else plain


class ReportedNotes(list[Note]):
    """A list that tells each note as it comes."""

    def __init__(self, tell: Callable[[Note], None] | None) -> None:
        super().__init__()
        self._tell = tell

    def append(self, note: Note) -> None:
        """Add a note, and tell it."""
        super().append(note)
        if self._tell:
            self._tell(note)

    def extend(self, notes: Iterable[Note]) -> None:
        """Add notes, and tell each."""
        for note in notes:
            self.append(note)
