"""Printing of results, notes and errors, and writing of tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.notes import Note


def command_line() -> str:
    """Return the command as given, quoted for a shell, its secrets redacted."""
    import shlex

    from forecaster.system.redaction import redact_address

    return shlex.join(["forecaster", *map(redact_address, sys.argv[1:])])


def printable_line(text: str) -> str:
    """Return text as one line for a terminal: secrets redacted, control characters escaped, long words shortened."""
    text = re.sub(
        r"[\udc80-\udcff]+", _as_utf8, redact_arguments(text)
    )  # an ASCII locale leaves bytes of arguments as they are
    text = "".join(c if c.isprintable() or c == "\u00a0" else c.encode("unicode_escape").decode() for c in text)
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:90]}...{word[0][-30:]}", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def _as_utf8(found: re.Match[str]) -> str:
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def redact_arguments(text: str) -> str:
    """Return text without the secrets in the arguments of this command."""
    from forecaster.system.redaction import redact_known, secrets_of

    return redact_known(text, set[str]().union(*map(secrets_of, sys.argv[1:])))


#: Characters of a word, and of a message, printed at most.
LONGEST_WORD, LONGEST_TEXT = 200, 1_500


def say(line: str) -> None:
    """Print a line on stderr."""
    click.echo(printable_line(line), err=True)


def say_notes(notes: Iterable[Note], quiet: bool = False) -> None:
    """Print notes on stderr; with ``quiet`` only warnings."""
    for note in notes:
        if note.warning:
            say(f"note: {note}")
        elif not quiet:
            reason = f"  ({note.reason})" if note.reason else ""
            say(f"  {note.name:<11}{note.value}{reason}")


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout, in UTF-8 in any locale; NaN becomes null."""
    from forecaster.system.files import json_text

    click.echo(json_text(document).encode())


def write_and_print_result(
    table: pd.DataFrame,
    output: str | None,
    force: bool,
    document: Callable[[], None] | None,
    text: Callable[[], None],
) -> None:
    """Write the table to ``output`` if given, and print the result once: as table, JSON document or text.

    Args:
        table: every forecast.
        output: where to write it, if anywhere; ``-`` prints it instead of the text.
        force: replace a file that exists.
        document: prints the JSON document; None for text.
        text: prints the result as text.
    """
    if output and (output != "-" or document is None):
        write_table(table, output, force)
    if document is not None:
        document()
    elif output != "-":
        text()


def check_table(path: str | None, force: bool) -> None:
    """Refuse a table path that cannot be written, before any work; ``-`` and devices take CSV.

    Raises:
        SettingError: it exists and ``force`` is False, or has another suffix.
    """
    from forecaster.data.writers import check_path

    if path is not None and path != "-":
        check_path(path, force)


def check_picture(path: str | None, force: bool) -> None:
    """Refuse a picture path that cannot be written, before any work.

    Raises:
        SettingError: it exists and ``force`` is False, or has another suffix.
    """
    from forecaster.system.files import check_free

    if path is not None:
        check_free(path, force, PICTURES)


#: Suffixes of pictures.
PICTURES = (".png", ".svg")


def write_table(table: pd.DataFrame, path: str, force: bool) -> None:
    """Write a table in the format of its path's suffix; ``-`` prints CSV."""
    from forecaster.data.writers import csv_pieces, save_table

    if path == "-":
        sys.stdout.buffer.writelines(csv_pieces(table))
    else:
        save_table(table, path, force)
