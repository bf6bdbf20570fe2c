"""Options that several commands share, and how results and notes are printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.notes import Note

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


def horizon_option(help: str) -> Callable[[F], F]:
    """Return the ``--horizon`` option with a command's own words."""
    return click.option("--horizon", metavar="N|SPAN|DATE", envvar="FORECASTER_HORIZON", help=help)


def say_notes(notes: Iterable[Note], quiet: bool = False) -> None:
    """Print notes on stderr; warnings even where ``quiet``."""
    for note in notes:
        if note.warning:
            click.echo(f"note: {note}", err=True)
        elif not quiet:
            click.echo(f"  {note.name:<11}{note.value}" + (f"  ({note.reason})" if note.reason else ""), err=True)


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout; NaN becomes null."""
    from forecaster.files import json_text

    click.echo(json_text(document))


def text_time(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with times as text: a date alone where every time is midnight, ``Z`` for UTC."""
    shown = table.copy()
    for name in shown.columns:
        if shown[name].dtype.kind == "M":
            shown[name] = _time_text(shown[name])
    return shown


def _time_text(times: pd.Series) -> pd.Series:
    aware = times.dt.tz is not None
    plain = times.dt.tz_localize(None) if aware else times
    midnight = bool((plain == plain.dt.normalize()).all()) and not aware
    whole = bool((plain.dt.microsecond == 0).all())
    form = "%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S" + ("" if whole else ".%f")
    return plain.dt.strftime(form + ("Z" if aware else ""))


def _csv(table: pd.DataFrame) -> bytes:
    return text_time(table).to_csv(index=False, lineterminator="\n").encode()


def _json(table: pd.DataFrame) -> bytes:
    from forecaster.files import json_text

    return (json_text(text_time(table).to_dict(orient="records")) + "\n").encode()


def _parquet(table: pd.DataFrame) -> bytes:
    import io

    sink = io.BytesIO()
    table.to_parquet(sink, index=False)
    return sink.getvalue()


TABLE_WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {".csv": _csv, ".json": _json, ".parquet": _parquet}


def check_table(path: str | None, force: bool) -> None:
    """Refuse a table's path that cannot be written, before work is spent; ``-`` and devices take CSV.

    Raises:
        SettingError: it exists and ``force`` is False, or has another suffix.
    """
    from pathlib import Path

    if path is None or path == "-" or (Path(path).exists() and not Path(path).is_dir() and not Path(path).is_file()):
        return
    _check_file(path, force, tuple(TABLE_WRITERS))


def check_picture(path: str | None, force: bool) -> None:
    """Refuse a picture's path that cannot be written, before work is spent.

    Raises:
        SettingError: it exists and ``force`` is False, or has another suffix.
    """
    if path is not None:
        _check_file(path, force, PICTURES)


PICTURES = (".png", ".svg")


def _check_file(path: str, force: bool, suffixes: Sequence[str]) -> None:
    from pathlib import Path

    from forecaster.errors import SettingError
    from forecaster.files import check_free

    if Path(path).suffix.lower() not in suffixes and not Path(path).is_dir():
        raise SettingError(
            f"cannot tell what to write from the name '{path}'", f"name a file that ends in {' or '.join(suffixes)}"
        )
    check_free(path, force)


def write_table(table: pd.DataFrame, path: str, force: bool) -> None:
    """Write a table by the suffix of its path; ``-`` prints CSV."""
    from pathlib import Path

    from forecaster.files import write_file

    if path == "-":
        sys.stdout.buffer.write(_csv(table))
        return
    written_as = TABLE_WRITERS.get(Path(path).suffix.lower(), _csv)  # a device has no suffix
    write_file(path, written_as(table), force)
