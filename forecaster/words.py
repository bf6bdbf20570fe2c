"""Words for people: counts, lists of names, settings as their reader writes them, lines short enough for a message."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_as_flags: ContextVar[bool] = ContextVar("_as_flags", default=False)

#: Flags of the command line that are named otherwise than the argument in Python.
_FLAGS = {"start": "from", "levels": "level", "directory": "model"}


@contextmanager
def settings_as_flags() -> Iterator[None]:
    """Write settings in messages as flags of the command line while the block runs; see :func:`setting`."""
    token = _as_flags.set(True)
    try:
        yield
    finally:
        _as_flags.reset(token)


def setting(name: str, value: Any = None) -> str:
    """Return a setting as the reader of a message writes it: ``gaps="mask"`` in Python, ``--gaps mask`` in a shell.

    Args:
        name: a field of :class:`forecaster.Config`, or an argument of a method of :class:`forecaster.Forecaster`.
        value: what to set it to; None names the setting alone.

    Example:
        >>> setting("gaps", "mask"), setting("final", False), setting("horizon")
        ('gaps="mask"', 'final=False', 'horizon')
        >>> with settings_as_flags():
        ...     setting("gaps", "mask"), setting("final", False), setting("units", (64, 32))
        ('--gaps mask', '--no-final', '--units 64,32')
    """
    if _as_flags.get():
        value = _shell_word(value) if isinstance(value, str) else value
        return _flag(_FLAGS.get(name, name).replace("_", "-"), value)
    if value is None:
        return name
    return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"


def _flag(name: str, value: Any) -> str:
    if value is None or value is True:
        return f"--{name}"
    if value is False:
        return f"--no-{name}"
    return f"--{name} {','.join(map(str, value)) if isinstance(value, tuple) else value}"


def _shell_word(text: str) -> str:
    """Return a text in quotes if a shell would not read it as one word."""
    return shlex.quote(text) if re.search(r"[^\w@%+=:,./-]", text) else text


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
