"""Word messages: counts, lists of names, settings as their reader writes them, lines short enough."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_as_flags: ContextVar[bool] = ContextVar("_as_flags", default=False)
_arguments: ContextVar[Mapping[str, Mapping[str, Any]]] = ContextVar("_arguments", default={})  # noqa: B039 (read only)
_named: ContextVar[list[str] | None] = ContextVar("_named", default=None)

#: Flags of the command line whose name differs from the argument in Python.
_FLAGS = {"further": "from", "levels": "level", "directory": "model"}


@contextmanager
def settings_as_flags() -> Iterator[None]:
    """Write settings in messages as flags of the command line while the block runs; see :func:`setting`."""
    token = _as_flags.set(True)
    try:
        yield
    finally:
        _as_flags.reset(token)


@contextmanager
def collect_settings() -> Iterator[list[str]]:
    """Collect the settings that messages name while the block runs, as :func:`setting` writes them."""
    named: list[str] = []
    token = _named.set(named)
    try:
        yield named
    finally:
        _named.reset(token)


def setting(name: str, value: Any = None) -> str:
    """Return a setting as the reader of a message writes it: ``gaps="mask"`` in Python, ``--gaps mask`` in a shell.

    Args:
        name: a field of :class:`forecaster.Config`, or an argument of a method of :class:`forecaster.Forecaster`.
        value: its value; None names the setting alone.

    Example:
        >>> setting("gaps", "mask"), setting("final", False), setting("horizon")
        ('gaps="mask"', 'final=False', 'horizon')
        >>> with settings_as_flags():
        ...     setting("gaps", "mask"), setting("final", False), setting("units", (64, 32))
        ('--gaps mask', '--no-final', '--units 64,32')
        >>> with collect_settings() as named:
        ...     hint = f"mask them: {setting('gaps', 'mask')}"
        >>> named
        ['gaps="mask"']
    """
    if _as_flags.get():
        text = _flag(_FLAGS.get(name, name).replace("_", "-"), _shell_word(value) if isinstance(value, str) else value)
    else:
        text = _keyword(name, value)
    named = _named.get()
    if named is not None:
        named.append(text)
    return text


def _keyword(name: str, value: Any) -> str:
    if value is None:
        return name
    if isinstance(value, str):
        return f"{name}={value!r}" if '"' in value else f'{name}="{value}"'
    return f"{name}={value}"


def _flag(name: str, value: Any) -> str:
    if value is None or value is True:
        return f"--{name}"
    if value is False:
        return f"--no-{name}"
    return f"--{name} {','.join(map(str, value)) if isinstance(value, tuple) else value}"


def _shell_word(text: str) -> str:
    """Return a text in quotes if a shell would not read it as one word."""
    return shlex.quote(text) if re.search(r"[^\w@%+=:,./-]", text) else text


@contextmanager
def command_arguments(name: str, **arguments: Any) -> Iterator[None]:
    """Add arguments to a command wherever a message names it while the block runs; see :func:`command`."""
    token = _arguments.set({**_arguments.get(), name: arguments})
    try:
        yield
    finally:
        _arguments.reset(token)


def command(name: str, **arguments: Any) -> str:
    """Return a command for the reader of a message to run in a shell.

    Args:
        name: the command.
        arguments: its options; None leaves one out. Those of :func:`command_arguments` come first.

    Example:
        >>> command("predict", horizon=10)
        'forecaster predict --horizon 10'
        >>> with command_arguments("predict", model="my model", data=None):
        ...     command("predict", horizon=10)
        "forecaster predict --model 'my model' --horizon 10"
    """
    options = {**_arguments.get().get(name, {}), **arguments}
    flags = [_flag(key, shlex.quote(str(value))) for key, value in options.items() if value is not None]
    return " ".join(["forecaster", name, *flags])


def first_few(names: list[str], most: int = 5) -> str:
    """Return the first names and the number of the others: ``"a, b and 3 more"``."""
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
    """Return the first line of a library's error, short enough for a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."


def join_with_or(*ways: str | None) -> str:
    """Return the ways that are not empty as ``"a, b, or c"``."""
    *others, last = (way for way in ways if way)
    return f"{', '.join(others)}, or {last}" if others else last
