"""Options that several commands share, and how results and notes are printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forecaster.config import FIELDS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from forecaster.data.tables.sources import Source
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


def setting_options(*groups: str) -> Callable[[F], F]:
    """Return a decorator that adds a flag for every field of Config, or those of some groups; None where not given."""

    def decorated(command: F) -> F:
        for name, setting in reversed(FIELDS.items()):
            if not groups or setting.metadata["group"] in groups:
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


#: How a table is to be read where that cannot be found out: the fields of :class:`forecaster.Source`.
_SOURCE_OPTIONS = {
    "sql": ("QUERY", "Query whose result is the table, where the table is the URL or file of a database."),
    "delimiter": ("TEXT", "What separates the cells of a CSV file. [default: found out]"),
    "decimal": ("TEXT", "Decimal mark of numbers, . or , [default: found out]"),
    "encoding": ("NAME", "Encoding of a text file. [default: found out]"),
    "sheet": ("NAME", "Sheet of an Excel file. [default: the first]"),
}


def source_options(command: F) -> F:
    """Add the flags that say how a table is read: ``--sql``, ``--delimiter``, ``--decimal``, ..."""
    for name, (metavar, help) in reversed(_SOURCE_OPTIONS.items()):
        command = click.option(f"--{name}", name, metavar=metavar, help=help)(command)
    return command


def read_source(place: str, **options: str | None) -> Source:
    """Return what a command was told to read.

    Args:
        place: a path, a folder, ``-``, ``dataset:NAME`` or the URL of a database.
        options: the values of :func:`source_options`.
    """
    from forecaster.data.tables.sources import Source

    return Source(place, **options)


def command_line() -> str:
    """Return the command as it was given, for a shell, without the secrets of its arguments."""
    import shlex

    from forecaster.redaction import redacted_address

    return shlex.join(["forecaster", *map(redacted_address, sys.argv[1:])])


def horizon_option(help: str) -> Callable[[F], F]:
    """Return the ``--horizon`` option with a command's own words."""
    return click.option("--horizon", metavar="N|SPAN|DATE", envvar="FORECASTER_HORIZON", help=help)


def plain(text: str) -> str:
    """Return text as one line for a terminal: without the secrets of the arguments, control characters as escapes.

    Of a very long word it has the two ends.
    """
    text = re.sub(r"[\udc80-\udcff]+", _as_utf8, hidden(text))  # an ASCII locale leaves bytes of arguments as they are
    text = "".join(c if c.isprintable() or c == "\u00a0" else c.encode("unicode_escape").decode() for c in text)
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:90]}...{word[0][-30:]}", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def _as_utf8(found: re.Match[str]) -> str:
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def hidden(text: str) -> str:
    """Return text without the secrets of the arguments that the command was given."""
    from forecaster.redaction import secrets_of, without

    return without(text, set[str]().union(*map(secrets_of, sys.argv[1:])))


#: Characters of a word, and of a message, that are printed; more are hardly what a person wants to read.
LONGEST_WORD, LONGEST_TEXT = 200, 1_500


def say(line: str) -> None:
    """Print a line on stderr."""
    click.echo(plain(line), err=True)


def say_notes(notes: Iterable[Note], quiet: bool = False) -> None:
    """Print notes on stderr; warnings even where ``quiet``."""
    for note in notes:
        if note.warning:
            say(f"note: {note}")
        elif not quiet:
            reason = f"  ({note.reason})" if note.reason else ""
            say(f"  {note.name:<11}{note.value}{reason}")


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout, in UTF-8 wherever that is; NaN becomes null."""
    from forecaster.files import json_text

    click.echo(json_text(document).encode())


def text_time(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with times as text: a date alone where every time is midnight, else with its offset from UTC."""
    import numpy as np

    shown = table.copy(deep=False)
    for place, name in enumerate(table.columns):
        if table.dtypes.iloc[place].kind == "M":
            codes, texts = _factors(table[name])
            shown[name] = np.array([*texts, np.nan], object)[codes]
    return shown


def _factors(column: pd.Series) -> tuple[np.ndarray, Iterable[Any]]:
    """Return the number of each row's value, -1 for a missing one, and the values, each once; times as text."""
    import numpy as np

    codes, values = column.factorize()
    found = _time_text(values.to_series()) if column.dtype.kind == "M" else values
    return codes.astype(np.int32), np.asarray(found)


def _time_text(times: pd.Series) -> pd.Series:
    zone = times.dt.tz
    plain = times.dt.tz_localize(None) if zone is not None else times
    midnight = bool((plain == plain.dt.normalize()).all()) and zone is None
    whole = bool((plain.dt.microsecond == 0).all())
    text = plain.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S" + ("" if whole else ".%f"))
    if zone is None:
        return text
    return text + times.dt.strftime("%z").str.replace(r"(\d\d)$", r":\1", regex=True).replace("+00:00", "Z")


def _csv(table: pd.DataFrame) -> Iterator[bytes | memoryview]:
    """Yield a table as CSV, the text that ``to_csv`` of pandas makes, in pieces and five times as fast."""
    import numpy as np
    import pyarrow.compute as pc

    yield (",".join(map(_cell, table.columns)) + "\n").encode()
    columns = [_cells(table[name]) for name in table.columns]
    for first in range(0, len(table), ROWS_AT_ONCE):
        texts = [cells(slice(first, first + ROWS_AT_ONCE)) for cells in columns]
        lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*texts, ","), "", "\n")
        _, bounds, text = lines.buffers()
        yield memoryview(text)[: np.frombuffer(bounds, np.int32)[len(lines)]]


#: Rows of a table that are written at once: bounds memory.
ROWS_AT_ONCE = 20_000


def _cells(column: pd.Series) -> Callable[[slice], Any]:
    """Return a function of some rows that gives a column's cells there, as an Arrow array of text."""
    import pyarrow as pa

    if column.dtype == "float64":
        numbers = column.to_numpy()
        return lambda rows: _numbers(numbers[rows])
    if column.dtype.kind == "f":
        return lambda rows: pa.array(["" if x != x else str(x) for x in column.to_numpy()[rows]], pa.string())
    codes, values = _factors(column)
    texts = pa.array([*map(_cell, values), ""], pa.string())
    codes[codes < 0] = len(texts) - 1
    return lambda rows: texts.take(pa.array(codes[rows]))


def _numbers(values: np.ndarray) -> Any:
    """Return numbers as ``repr`` writes them, empty for NaN; Arrow writes most of them so, only faster."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    size = np.abs(values)
    with np.errstate(invalid="ignore"):  # some kinds of NaN
        alike = (size >= 1e-4) & (size < 1e10) & (values != np.trunc(values))
    texts = pa.array(values).cast(pa.string())
    if alike.all():
        return texts
    others = ["" if value != value else repr(value) for value in values[~alike].tolist()]
    return pc.replace_with_mask(texts, pa.array(~alike), pa.array(others, pa.string()))


def _cell(value: Any) -> str:
    """Return a value as a cell of CSV, in quotes where it needs them."""
    import csv
    import io

    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow([value, ""])
    return sink.getvalue()[: -len(",\n")]


def _json(table: pd.DataFrame) -> bytes:
    from forecaster.files import json_text

    return (json_text(text_time(table).to_dict(orient="records")) + "\n").encode()


def _parquet(table: pd.DataFrame) -> bytes:
    import io

    sink = io.BytesIO()
    table.to_parquet(sink, index=False)
    return sink.getvalue()


TABLE_WRITERS: dict[str, Callable[[pd.DataFrame], bytes | Iterable[bytes | memoryview]]] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
}


def answer(
    table: pd.DataFrame,
    output: str | None,
    force: bool,
    document: Callable[[], None] | None,
    text: Callable[[], None],
) -> None:
    """Write a table where it was asked for, and print the result once: the table, one JSON document, or text.

    Args:
        table: every forecast.
        output: where to write it, if anywhere; ``-`` prints it instead of the text.
        force: replace a file that exists.
        document: prints the JSON document, where one was asked for.
        text: prints the result for a person.
    """
    if output and (output != "-" or document is None):
        write_table(table, output, force)
    if document is not None:
        document()
    elif output != "-":
        text()


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
        sys.stdout.buffer.writelines(_csv(table))
        return
    written_as = TABLE_WRITERS.get(Path(path).suffix.lower(), _csv)  # a device has no suffix
    write_file(path, written_as(table), force)
