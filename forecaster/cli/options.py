"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forecaster.config import FIELDS

if TYPE_CHECKING:
    from forecaster.data.readers.sources import Source

F = TypeVar("F", bound=Callable[..., Any])


model_option = click.option(
    "--model",
    metavar="DIR",
    default="forecaster-model",
    show_default=True,
    envvar="FORECASTER_MODEL",
    help="Model directory.",
)


force_option = click.option("--force", is_flag=True, help="Replace files that exist.")


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print results, warnings and errors only.")


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


level_option = click.option(
    "--level",
    "levels",
    type=int,
    multiple=True,
    default=(80, 95),
    show_default=True,
    help="Interval in percent; repeat it for several.",
)


def setting_options(*groups: str, without: str = "") -> Callable[[F], F]:
    """Return a decorator that adds a flag for every field of Config, or those of some groups; None where not given.

    Args:
        groups: of fields; all where none is named.
        without: a field to leave out.
    """

    def decorated(command: F) -> F:
        for name, setting in reversed(FIELDS.items()):
            if name != without and (not groups or setting.metadata["group"] in groups):
                command = _setting_option(name, setting)(command)
        return command

    return decorated


def _setting_option(name: str, setting: Any) -> Callable[[F], F]:
    flag, boolean = "--" + name.replace("_", "-"), isinstance(setting.default, bool)
    choices = setting.metadata.get("choices")
    return click.option(
        f"{flag}/--no-{flag[2:]}" if boolean else flag,
        name,
        default=None,
        envvar=f"FORECASTER_{name.upper()}",
        help=f"{setting.metadata['help']} {_default_text(setting.default)}",
        type=bool if boolean else str,
        metavar=None if boolean else "|".join(choices) if choices else _metavar(str(setting.type)),
    )


def _metavar(kind: str) -> str:
    return {"int": "N", "float": "X", "tuple[int, ...]": "N,N"}.get(kind.replace(" | None", ""), "TEXT")


def _default_text(default: Any) -> str:
    if default is None:
        return "[default: inferred]"
    if isinstance(default, bool):
        return f"[default: {'yes' if default else 'no'}]"
    return f"[default: {','.join(map(str, default)) if isinstance(default, tuple) else default}]"


#: How to read a table where that cannot be inferred: the fields of :class:`forecaster.Source`.
_SOURCE_OPTIONS = {
    "sql": ("QUERY", "Query whose result is the table, where the table is the URL or file of a database."),
    "delimiter": ("TEXT", "Separator of the cells of a CSV file. [default: inferred]"),
    "decimal": ("TEXT", "Decimal mark of numbers, . or , [default: inferred]"),
    "encoding": ("NAME", "Encoding of a text file. [default: inferred]"),
    "sheet": ("NAME", "Sheet of an Excel file. [default: the first]"),
}


def source_options(command: F) -> F:
    """Add the flags that say how a table is read: ``--sql``, ``--delimiter``, ``--decimal``, ..."""
    for name, (metavar, help) in reversed(_SOURCE_OPTIONS.items()):
        command = click.option(f"--{name}", name, metavar=metavar, help=help)(command)
    return command


def split_options(options: dict[str, Any]) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Return the values of :func:`source_options`, and those of :func:`setting_options` that were given."""
    source = {name: options[name] for name in _SOURCE_OPTIONS}
    return source, {name: value for name, value in options.items() if name not in source and value is not None}


def read_source(place: str, **options: str | None) -> Source:
    """Return the source of a table named on the command line.

    Args:
        place: a path, a folder, ``-``, ``dataset:NAME`` or the URL of a database.
        options: the values of :func:`source_options`.
    """
    from forecaster.data.readers.sources import Source

    return Source(place, **options)


def horizon_option(help: str) -> Callable[[F], F]:
    """Return the ``--horizon`` option with the help text of a command."""
    return click.option("--horizon", metavar="N|SPAN|DATE", envvar="FORECASTER_HORIZON", help=help)
