"""Read a table from a file, a folder, standard input, a database or a bundled data set; nothing is interpreted.

Each format is one function in a file of its own and one entry of :data:`READERS`. The format of a file is inferred from
its first bytes if they are unmistakable, else from its suffix, else from its content.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster.data.readers.compression import COMPRESSIONS, Stored, read_stream
from forecaster.data.readers.dataframe import similar_file_hint
from forecaster.data.readers.unchanged import refuse_changes
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.system.redaction import redact_address
from forecaster.words import command, one_line, setting

#: Most files and folders of a folder of tables; more suggest a whole disk.
MOST_ENTRIES = 100_000
#: The file of a model that identifies it, and the number of bytes at its start that do.
MANIFEST, MANIFEST_HEAD = "manifest.json", 100


@dataclass(frozen=True)
class Source:
    """Location of a table, and how it is written if that is not to be inferred.

    Attributes:
        place: the path of a file or a folder, ``-`` for standard input, ``dataset:NAME``, or the address of a database:
            ``sqlite:///file.db``, ``duckdb:///file.duckdb``, ``postgresql://user:password@host/database``.
        sql: the query on a database.
        delimiter: of a text file: one character, ``tab`` or ``space``; None to infer it.
        decimal: ``,`` or ``.`` in the numbers of a text file; None to infer it, column by column.
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
        """The place without its secrets, fit to be printed and stored."""
        return redact_address(self.place)


def read_table(source: str | Path | Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a table as they are written.

    Numbers become numbers, however they are written; dates stay text if the format has no type for them.
    ``frame.attrs`` holds:

    - ``notes``: inferences and guesses (delimiter, decimal mark, encoding, skipped lines), as ``Note.to_dict``;
    - ``columns``: the names of all columns of the table, also if only some were read;
    - ``lines``: True if row labels are line numbers of a text file less two (the header is line 1), also below comments
      and blank lines, so that :func:`line_of` names the line.

    Args:
        source: a path, ``-``, ``dataset:NAME``, a database address, or a :class:`Source` with details. Files are
            CSV and its kin, JSON, JSON lines (each also as .gz, .bz2, .xz, .zst), Parquet, Arrow, Excel, SQLite or
            DuckDB; folders hold Parquet, Arrow or CSV files of one table.
        columns: read only these; names that the table does not have are ignored, and if none is left all are read.

    Raises:
        NotFoundError: there is no such file, data set, sheet, server or database, or it cannot be opened.
        SettingError: a setting of the source does not fit the table.
        DependencyError: the format needs a package that is not installed; the hint is the install line.
        DataError: the table is empty, damaged or not in the format of its name; or a folder is a model of forecaster.
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
        return _reader(_kind_of(stored, ""))(stored, source, columns)
    path = _resolve(source.place)
    if path.is_dir():
        if _is_model(path):
            raise DataError(
                f"'{path}' is a model of forecaster, not a table",
                f"give the table that it was fitted on; it forecasts with: {command('predict', model=path)}",
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
    kind = _kind_of(stored, _suffix(path))
    if source.sql is not None and READERS[kind] != _DATABASE:
        raise SettingError(f"{setting('sql')} needs a database, and '{path}' is none", "leave it out")
    if source.sheet is not None and READERS[kind] != _WORKBOOK:
        raise SettingError(f"{setting('sheet')} needs an Excel workbook, and '{path}' is none", "leave it out")
    if READERS[kind] == _DATABASE:  # which may change while it is read
        return _reader(kind)(stored, source, columns)
    with refuse_changes(stored.name, lambda: [path]):
        return _reader(kind)(stored, source, columns)


def _reader(kind: str) -> Reader:
    module, _, function = READERS[kind].partition(".")
    found: Any = getattr(import_module(f"{__package__}.{module}"), function)
    return found


def _read_address(source: Source, columns: Sequence[str] | None) -> pd.DataFrame:
    scheme = source.place.partition("://")[0].lower()
    if scheme in ("http", "https", "ftp", "s3", "gs", "az", "abfs", "hdfs", "file"):
        raise SettingError(f"'{source.shown}' is not a table on this machine", "give a path; download the file first")
    from forecaster.data.readers.database import read_database

    return read_database(source.place, source.sql, columns)


def _resolve(source: str) -> Path:
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
    """Return the suffix before that of a compression, in lower case: a key of :data:`READERS`."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _kind_of(stored: Stored, suffix: str) -> str:
    """Return the key of :data:`READERS` for a file, by its first bytes, its suffix, then its content."""
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

        usual = "\t" if _suffix(files[0]) in (".tsv", ".tab") else ","
        return read_texts([Stored(f"'{p}'", p) for p in files], source, columns, usual)
    from forecaster.data.readers.parquet import read_columnar_folder

    return read_columnar_folder(folder, files, "parquet" if kind == "Parquet" else "ipc", columns)


def _tables_in(folder: Path) -> list[Path]:
    """Return the files of a folder and its subfolders, in order, but hidden ones, unknown suffixes and models.

    Raises:
        DataError: there are more than :data:`MOST_ENTRIES` files and folders.
    """
    found = list(islice(folder.rglob("*"), MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise DataError(
            f"'{folder}' holds more than {MOST_ENTRIES:,} files and folders", "name a folder that holds the tables only"
        )
    models = {path.parent for path in found if path.name == MANIFEST and _is_model(path.parent)}
    files = (path for path in found if _suffix(path) in _FOLDER_KINDS and path.is_file())
    return sorted(path for path in files if path.parent not in models and not _is_hidden(path, folder))


def _is_model(folder: Path) -> bool:
    """Return True if a folder holds a model written by ``fit``."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    with manifest.open("rb") as file:
        return b'"forecaster-model"' in file.read(MANIFEST_HEAD)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


#: A function that reads the stored bytes of a table, with the settings of the source: the given columns, or all.
Reader = Callable[[Stored, Source, "Sequence[str] | None"], pd.DataFrame]

_DATABASE, _WORKBOOK = "database.read_database_file", "excel.read_excel"

#: The reader of each suffix, ``module.function`` in this package; a table, so that each is imported when it is used.
READERS: dict[str, str] = {
    ".csv": "csv.read_csv",
    ".tsv": "csv.read_tsv",
    ".tab": "csv.read_tsv",
    ".txt": "csv.read_csv",
    ".parquet": "parquet.read_parquet",
    ".pq": "parquet.read_parquet",
    ".arrow": "parquet.read_arrow",
    ".feather": "parquet.read_arrow",
    ".ipc": "parquet.read_arrow",
    ".jsonl": "json.read_json_lines",
    ".ndjson": "json.read_json_lines",
    ".json": "json.read_json",
    ".xlsx": _WORKBOOK,
    ".db": _DATABASE,
    ".sqlite": _DATABASE,
    ".sqlite3": _DATABASE,
    ".duckdb": _DATABASE,
}

#: The files that a folder of one table may hold.
_FOLDER_KINDS = {
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), "text"),
}
