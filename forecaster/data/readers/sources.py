"""From a file, a folder, standard input, a database or a bundled data set to a DataFrame: nothing is interpreted.

Each format is one function and one entry of :data:`READERS`; what a file holds is told by its first bytes where they
are unmistakable, else by its suffix, else by its content.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd

from forecaster.data.readers.compression import COMPRESSIONS, Stored, read_stream
from forecaster.data.readers.dataframe import similar_file_hint
from forecaster.data.readers.unchanged import refuse_changes
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.system.redaction import redact_address
from forecaster.words import one_line

#: Files and folders at most that are looked at for tables: more are those of a whole disk.
MOST_ENTRIES = 100_000
#: The file of a model that says what it is, and the bytes at its start that do.
MANIFEST, MANIFEST_HEAD = "manifest.json", 100


@dataclass(frozen=True)
class Source:
    """Where a table is, and how it is written where that is not to be found out.

    Attributes:
        place: the path of a file or a folder, ``-`` for standard input, ``dataset:NAME``, or the address of a database:
            ``sqlite:///file.db``, ``duckdb:///file.duckdb``, ``postgresql://user:password@host/database``.
        sql: the query on a database.
        delimiter: of a text file: one character, ``tab`` or ``space``; None to find it out.
        decimal: ``,`` or ``.`` in the numbers of a text file; None to find it out, column by column.
        encoding: of a text file, as Python names it; None for UTF-8 or UTF-16 by its first bytes, else cp1252.
        sheet: of an Excel workbook; None for the first with rows.
    """

    place: str = field(repr=False)
    sql: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.decimal not in (None, ",", "."):
            raise SettingError(f"the decimal mark cannot be '{self.decimal}', expected ',' or '.'")

    @property
    def shown(self) -> str:
        """The place as it may be printed and stored: without its secrets."""
        return redact_address(self.place)


def read_table(source: str | Path | Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a table as they are written.

    Numbers become numbers, in whichever way they are written; dates stay text where the format has no type for them.
    ``frame.attrs`` says how the table was read:

    - ``notes``: what was found out or guessed (delimiter, decimal mark, encoding, skipped lines), as ``Note.to_dict``;
    - ``columns``: the names of all columns there are, also where only some were read;
    - ``lines``: True where row labels are the lines of a text file less two (the header is line 1), also below comments
      and blank lines, so that :func:`line_of` names the line.

    Args:
        source: a path, ``-``, ``dataset:NAME``, a database address, or a :class:`Source` with more to say. Files are
            CSV and its kin, JSON, JSON lines (each also as .gz, .bz2, .xz, .zst), Parquet, Arrow, Excel, SQLite or
            DuckDB; folders hold Parquet, Arrow or CSV files of one table.
        columns: read only these; a name that the table does not have is ignored, and with none left all are read.

    Raises:
        NotFoundError: there is no such file, data set, sheet, server or database, or it cannot be opened.
        SettingError: what the source says does not fit what is there.
        DependencyError: the format needs a package that is not installed; the hint is the install line.
        DataError: the table is empty, damaged, or not what its name says; or the folder is a model of forecaster.
    """
    source = source if isinstance(source, Source) else Source(str(source))
    try:
        return _read(source, columns)
    except OSError as error:
        raise NotFoundError(f"cannot read '{source.shown}': {error.strerror or one_line(error)}") from None
    except (UnicodeError, MemoryError, RecursionError, OverflowError, ValueError) as error:
        raise DataError(f"'{source.shown}' cannot be read as a table: {one_line(error)}") from None


def _read(source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    if "://" in source.place:
        return _read_address(source, columns)
    if source.place == "-":
        stored = read_stream(sys.stdin.buffer, "standard input")
        return READERS[_kind(stored, "")](stored, source, columns)
    path = _resolved(source.place)
    if path.is_dir():
        if _is_model(path):
            raise DataError(
                f"'{path}' is a model of forecaster, not a table",
                f"give the table that it was fitted on; it forecasts with: forecaster predict --model {path}",
            )
        with refuse_changes(f"'{path}'", lambda: _tables_in(path)) as files:
            return _read_folder(path, files, source, columns)
    if path.is_file():
        return _read_file(Stored(f"'{path}'", path), path, source, columns)
    if path.is_char_device() or path.is_block_device():
        raise DataError(f"'{path}' is a device, not a table", "give a file, or - for standard input")
    with path.open("rb") as pipe:
        return _read_file(read_stream(pipe, f"'{path}'"), path, source, columns)


def _read_file(stored: Stored, path: Path, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    kind = _kind(stored, _suffix(path))
    if source.sql is not None and READERS[kind] is not _database:
        raise SettingError(f"--sql needs a database, and '{path}' is none", "leave it out")
    if source.sheet is not None and READERS[kind] is not _excel:
        raise SettingError(f"--sheet needs an Excel workbook, and '{path}' is none", "leave it out")
    if READERS[kind] is _database:  # which sees to that itself
        return _database(stored, source, columns)
    with refuse_changes(stored.name, lambda: [path]):
        return READERS[kind](stored, source, columns)


def _read_address(source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    scheme = source.place.partition("://")[0].lower()
    if scheme in ("http", "https", "ftp", "s3", "gs", "az", "abfs", "hdfs", "file"):
        raise SettingError(f"'{source.shown}' is no table on this machine", "give a path; download the file first")
    from forecaster.data.readers.database import read_database

    return read_database(source.place, source.sql, columns)


def _resolved(source: str) -> Path:
    if source.startswith("dataset:"):
        from forecaster.data.bundled import dataset_path

        return Path(dataset_path(source.removeprefix("dataset:")))
    if "\0" in source:
        raise NotFoundError("the path of a table holds a NUL character")
    path = Path(source).expanduser()
    if not path.exists():
        raise NotFoundError(f"there is no file '{path}'", similar_file_hint(path))
    return path


def _suffix(path: Path) -> str:
    """Return the suffix below that of a compression, as :data:`READERS` has it."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _kind(stored: Stored, suffix: str) -> str:
    """Return the entry of :data:`READERS` for a file: by its first bytes, its suffix, then its content."""
    head = stored.head(16)
    if head[8:12] == b"DUCK":
        return ".db"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if suffix in READERS:
        return suffix
    with stored.open() as handle:
        start = handle.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        return ".jsonl" if start.partition(b"\n")[0].rstrip().endswith(b"}") else ".json"
    if b"\0" in start and stored.head(2) not in (b"\xff\xfe", b"\xfe\xff"):
        raise SettingError(
            f"cannot tell the format of {stored.name} from its name or its content, expected one of "
            + ", ".join(READERS)
        )
    return ".json" if start.startswith((b"[{", b"[\n", b"[ ", b"[\r")) else ".csv"


#: First bytes that only one format has.
_MAGIC = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\xff\xff\xff\xff": ".arrow",
    b"PK\x03\x04": ".xlsx",
    b"SQLite format 3\0": ".db",
}


def _read_folder(folder: Path, files: list[Path], source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    """Read the files of a folder as one table."""
    kinds = {_FOLDER_KINDS[_suffix(p)] for p in files}
    if not kinds:
        raise NotFoundError(
            f"'{folder}' is a folder without tables", f"expected files such as {folder / 'table.parquet'}"
        )
    if len(kinds) > 1:
        raise DataError(
            f"'{folder}' is a folder of {' and '.join(sorted(kinds))} files", f"name one, such as {files[0]}"
        )
    kind = kinds.pop()
    if kind == "text":
        from forecaster.data.readers.csv import read_texts

        return read_texts([Stored(f"'{p}'", p) for p in files], columns, **_dialect(source, _suffix(files[0])))
    from forecaster.data.readers.parquet import read_columnar_folder

    return read_columnar_folder(folder, files, "parquet" if kind == "Parquet" else "ipc", columns)


def _tables_in(folder: Path) -> list[Path]:
    """Return the files of a folder and below, in order.

    Hidden ones, those of unknown suffix and those of models are left out.

    Raises:
        DataError: there is too much to look at.
    """
    found = list(islice(folder.rglob("*"), MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise DataError(
            f"'{folder}' holds more than {MOST_ENTRIES:,} files and folders", "name a folder that holds the tables only"
        )
    models = {path.parent for path in found if path.name == MANIFEST and _is_model(path.parent)}
    files = (path for path in found if _suffix(path) in _FOLDER_KINDS and path.is_file())
    return sorted(path for path in files if path.parent not in models and not _hidden(path, folder))


def _is_model(folder: Path) -> bool:
    """Return whether a folder holds a model that ``fit`` wrote."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    with manifest.open("rb") as file:
        return b'"forecaster-model"' in file.read(MANIFEST_HEAD)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _dialect(source: Source, suffix: str) -> dict[str, str | None]:
    return {
        "delimiter": source.delimiter,
        "decimal": source.decimal,
        "encoding": source.encoding,
        "usual": "\t" if suffix in (".tsv", ".tab") else ",",
    }


Reader = Callable[[Stored, Source, "Sequence[str] | None"], pd.DataFrame]


def _text(suffix: str) -> Reader:
    def read(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
        from forecaster.data.readers.csv import read_text

        return read_text(stored, columns, **_dialect(source, suffix))  # type: ignore[arg-type]

    return read


def _columnar(kind: str) -> Reader:
    def read(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
        from forecaster.data.readers.parquet import read_columnar

        return read_columnar(stored, kind, columns)

    return read


def _json_lines(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    from forecaster.data.readers.json import read_json_lines

    return read_json_lines(stored, columns)


def _json(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    from forecaster.data.readers.json import read_json

    return read_json(stored, columns)


def _excel(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    from forecaster.data.readers.excel import read_excel

    return read_excel(stored, columns, source.sheet)


def _database(stored: Stored, source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    from forecaster.data.readers.database import read_database

    if stored.path is None:
        raise SettingError("a database cannot come from standard input", "give its path")
    return read_database(str(stored.path), source.sql, columns)


#: What a file's suffix says about how to read it.
READERS: dict[str, Reader] = {
    ".csv": _text(".csv"),
    ".tsv": _text(".tsv"),
    ".tab": _text(".tab"),
    ".txt": _text(".txt"),
    ".parquet": _columnar("parquet"),
    ".pq": _columnar("parquet"),
    ".arrow": _columnar("ipc"),
    ".feather": _columnar("ipc"),
    ".ipc": _columnar("ipc"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".xlsx": _excel,
    ".db": _database,
    ".sqlite": _database,
    ".sqlite3": _database,
    ".duckdb": _database,
}

#: The files that a folder of one table may hold.
_FOLDER_KINDS = {
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), "text"),
}
