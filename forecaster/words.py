"""Words for people: counts, lists of names, and lines short enough for a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def first_few(names: list[str], most: int = 5) -> str:
    """Return a few names and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def most_touched(counts: Mapping[str, int], most: int = 5) -> str:
    """Return the series with the most rows touched: ``"EWR 12, JFK 5 and 3 more"``."""
    order = sorted(counts, key=lambda name: -counts[name])
    return first_few([f"{name} {counts[name]:,}" for name in order], most)


def quote_names(names: Iterable[str], most: int = 8) -> str:
    """Return names in quotes for a message, at most eight of them."""
    names = [f"'{name}'" for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def plural(count: int, noun: str) -> str:
    """Return ``"1 row"``, ``"2,000 rows"``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def one_line(error: BaseException) -> str:
    """Return the first line of what a library says went wrong, short enough for a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."


def join_with_or(*ways: str | None) -> str:
    """Return, for a person, the ways that there are, "a, b, or c"."""
    *others, last = (way for way in ways if way)
    return f"{', '.join(others)}, or {last}" if others else last
