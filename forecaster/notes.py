"""Notes: what was inferred from the data or done to them, with the reason or the count, for a person to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Note:
    """One inference or repair.

    Attributes:
        name: the setting or the repair: ``season``, ``missing``.
        value: what was chosen or done: ``12``, ``59 filled``.
        reason: why, with the evidence, and the flag that changes it.
        warning: True where a person should look twice.
    """

    name: str
    value: str
    reason: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.value} ({self.reason})" if self.reason else f"{self.name}: {self.value}"

    def to_dict(self) -> dict[str, str | bool]:
        """Return plain values for JSON."""
        return asdict(self)


def some(names: list[str], most: int = 5) -> str:
    """Return a few names and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
