"""Read the rows of a query on a database: SQLite and DuckDB files, servers through SQLAlchemy; nothing is changed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pandas as pd

from forecaster.data.readers.arrow import array_of, is_supported_type, return_memory, table_of, to_compact_array
from forecaster.data.readers.dataframe import check_names, similar_file_hint
from forecaster.data.readers.origin import set_origin
from forecaster.errors import DataError, DependencyError, NotFoundError, SettingError
from forecaster.notes import Note
from forecaster.system.redaction import redact_address, redact_errors
from forecaster.words import one_line, quote_names, setting

if TYPE_CHECKING:
    import pyarrow as pa

    from forecaster.data.readers.compression import Stored
    from forecaster.data.readers.sources import Source

#: Seconds in which a server must answer.
TIMEOUT = 10

_ROWS = 50_000  # read at once

_INSTALL = "pip install 'forecaster[sql]'"

#: Setting of each driver for the seconds to wait for a connection.
_TIMEOUTS = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "pyodbc": "timeout",
}


def read_database_file(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a query on an SQLite or DuckDB file; see :func:`read_database`.

    Raises:
        SettingError: the bytes are in memory, which the libraries cannot read.
    """
    if stored.path is None:
        raise SettingError("a database cannot come from standard input", "give its path")
    return read_database(str(stored.path), source.sql, columns)


def read_database(place: str, sql: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a query on a database. Text becomes categories, Decimal becomes float64.

    Args:
        place: an address (``postgresql://user:password@host/database``, ``sqlite:///file.db``,
            ``duckdb:///file.duckdb``), or the path of an SQLite or DuckDB file.
        sql: the query; None for all rows of the only table of a file.
        columns: keep only these of the columns it returns.

    Raises:
        DependencyError: the driver is not installed.
        NotFoundError: there is no such file, server or database.
        SettingError: it is not an address, or there are several tables and no query.
        DataError: the server refuses, the query fails or returns nothing.
    """
    with redact_errors(place):
        frame = _read(place, sql, columns)
    return_memory()
    return frame


def _read(place: str, sql: str | None, columns: Sequence[str] | None) -> pd.DataFrame:
    file, shown = _file_of(place), f"'{redact_address(place)}'"
    if file is not None:
        path = Path(file).expanduser()
        if not path.is_file():
            raise NotFoundError(f"there is no database file '{path}'", similar_file_hint(path))
        with path.open("rb") as handle:
            kind = database_kind(handle.read(16))
        if not kind:
            raise DataError(f"'{path}' is neither an SQLite nor a DuckDB database file")
        reader = _from_duckdb if kind == "duckdb" else _from_sqlite
        return reader(path, f"'{path}'", sql, columns)
    if sql is None:
        raise SettingError(f"{shown} is a database: which rows?", setting("sql", "SELECT time, value FROM readings"))
    return _from_server(place, shown, sql, columns)


def database_kind(head: bytes) -> str:
    """Return ``sqlite`` or ``duckdb`` for the first bytes of such a file, else ``""``."""
    return "sqlite" if head.startswith(b"SQLite format 3\0") else "duckdb" if head[8:12] == b"DUCK" else ""


def _file_of(place: str) -> str | None:
    """Return the file of a database; None if it is on a server."""
    scheme, separator, rest = place.partition("://")
    dialect = scheme.lower().partition("+")[0]
    if not separator:
        return place
    if dialect not in ("sqlite", "duckdb"):
        return None
    file = unquote(rest.partition("?")[0]).removeprefix("/")
    if not rest.startswith("/") or file in ("", ":memory:"):
        raise SettingError(
            f"'{place}' names no file", f"{dialect}:///name.db in this folder, {dialect}:////folder/name.db anywhere"
        )
    return file


def _only_table(tables: list[str], name: str) -> tuple[str, Note]:
    """Return the query for all rows of the only table, and the note on it."""
    if not tables:
        raise DataError(f"{name} has no tables")
    if len(tables) > 1:
        raise SettingError(
            f"{name} has {len(tables)} tables: {quote_names(tables)}",
            f"choose rows: {setting('sql', f'SELECT * FROM {tables[0]}')}",
        )
    quoted = tables[0].replace('"', '""')
    note = Note("table", f"'{tables[0]}'", f"the only one in the file; {setting('sql')} for a query")
    return f'SELECT * FROM "{quoted}"', note


def _from_sqlite(path: Path, name: str, sql: str | None, columns: Sequence[str] | None) -> pd.DataFrame:
    notes = []
    _check_whole(path, name)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
            connection.set_authorizer(_refuse_attach)
            if sql is None:
                master = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
                sql, note = _only_table([row[0] for row in connection.execute(master)], name)
                notes.append(note)
            cursor = connection.execute(sql)
            names = [item[0] for item in cursor.description or ()]
            return _frame(names, _fetch_pieces(cursor.fetchmany, names), name, columns, notes)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        raise _query_error(name, error) from None


def _refuse_attach(action: int, *_: object) -> int:
    """Refuse ATTACH, which would create a file that does not exist."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _check_whole(path: Path, name: str) -> None:
    """Compare the size of an SQLite file with its header, since SQLite reads missing pages as zeros.

    Source: https://www.sqlite.org/fileformat.html#the_database_header
    """
    with path.open("rb") as handle:
        head = handle.read(100)
    size, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    size = 65536 if size == 1 else size
    if len(head) < 100 or (head[24:28] == head[92:96] and path.stat().st_size < size * pages):
        raise DataError(f"{name} is cut short: its header declares {size * pages:,} bytes", "copy it again")


def _fetch_pieces(fetch: Callable[[int], Sequence[Any]], names: list[str]) -> Iterator[list[pa.Array]]:
    while rows := fetch(_ROWS):
        yield [array_of([row[i] for row in rows]) for i in range(len(names))]


def _frame(
    names: list[str], pieces: Iterator[list[pa.Array]], name: str, columns: Sequence[str] | None, notes: list[Note]
) -> pd.DataFrame:
    """Return a DataFrame from the pieces of all columns."""
    if not names:
        raise DataError(f"the query on {name} returns no table", "it must be a SELECT")
    names = [str(n) for n in names]
    check_names(names, f"the query on {name}")
    kept = [n for n in names if columns is not None and n in set(columns)] or names
    collected: dict[str, list[pa.Array]] = {n: [] for n in kept}
    for piece in pieces:
        for column, array in zip(names, piece, strict=True):
            if column in collected:
                collected[column].append(array)
    if not collected[kept[0]]:
        raise DataError(f"the query on {name} returns no rows", "run it in a database client to see why")
    return set_origin(table_of(collected), names, notes)


def _query_error(name: str, error: BaseException) -> DataError:
    return DataError(f"the query on {name} failed: {one_line(error)}", "try it in a database client")


def _from_duckdb(path: Path, name: str, sql: str | None, columns: Sequence[str] | None) -> pd.DataFrame:
    try:
        import duckdb
    except ImportError:
        raise DependencyError(f"reading {name} needs duckdb, which is not installed", _INSTALL) from None
    notes = []
    try:  # a view in the file may name other files, and addresses
        connection = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
    except duckdb.Error as error:
        raise DataError(f"{name} is not a DuckDB file that can be opened: {one_line(error)}") from None
    try:
        with closing(connection):
            if sql is None:
                known = "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database()"
                sql, note = _only_table([row[0] for row in connection.execute(known).fetchall()], name)
                notes.append(note)
            found = connection.sql(sql)
            if found is None:
                return _frame([], iter(()), name, columns, notes)
            read = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader
            return _frame(list(found.columns), _compact_batches(read(_ROWS)), name, columns, notes)
    except (duckdb.Error, RuntimeError, ValueError) as error:
        raise _query_error(name, error) from None


def _compact_batches(reader: Any) -> Iterator[list[pa.Array]]:
    for batch in reader:
        if len(batch):
            yield [to_compact_array(c) if is_supported_type(c.type) else array_of(c.to_pylist()) for c in batch.columns]


def _from_server(place: str, shown: str, sql: str, columns: Sequence[str] | None) -> pd.DataFrame:
    try:
        import sqlalchemy
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    except ImportError:
        raise DependencyError(f"reading {shown} needs SQLAlchemy, which is not installed", _INSTALL) from None
    engine = _engine(place, shown)
    try:
        try:
            connection = engine.connect()
        except (DBAPIError, OSError) as error:
            raise _connection_error(engine.url, shown, error) from None
        with connection:
            options: dict[str, Any] = {"stream_results": True, "no_parameters": True, "max_row_buffer": _ROWS}
            if engine.dialect.name == "postgresql":
                options["postgresql_readonly"] = True
            result = connection.execution_options(**options).exec_driver_sql(sql)
            names = list(result.keys()) if result.returns_rows else []
            return _frame(names, _fetch_pieces(result.fetchmany, names) if names else iter(()), shown, columns, [])
    except DBAPIError as error:
        raise _query_error(shown, error.orig or error) from None
    except (SQLAlchemyError, ValueError, OSError, sqlalchemy.exc.NoSuchColumnError) as error:
        raise _query_error(shown, error) from None
    finally:
        engine.dispose()


def _engine(place: str, shown: str) -> Any:
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = sqlalchemy.engine.make_url(place)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+" + _postgres_driver())
        arguments = {}
        driver = url.get_dialect().driver
        if driver in _TIMEOUTS and _TIMEOUTS[driver] not in url.query:
            arguments[_TIMEOUTS[driver]] = TIMEOUT
        return sqlalchemy.create_engine(url, connect_args=arguments, poolclass=sqlalchemy.pool.NullPool)
    except NoSuchModuleError:
        kind = place.partition("://")[0]
        raise DependencyError(
            f"no driver for '{kind}' databases is installed",
            f"{_INSTALL} for PostgreSQL; others have their own drivers",
        ) from None
    except (ArgumentError, ValueError, TypeError):
        raise SettingError(
            f"{shown} is not a database address", "such as postgresql://user:password@host:5432/database"
        ) from None
    except ImportError as error:
        install = _INSTALL if place.startswith("postgres") else f"pip install {error.name or 'its driver'}"
        raise DependencyError(
            f"reading {shown} needs {error.name or 'a driver'}, which is not installed", install
        ) from None


def _postgres_driver() -> str:
    from importlib.util import find_spec

    return "psycopg2" if find_spec("psycopg2") and not find_spec("psycopg") else "psycopg"


def _connection_error(url: Any, shown: str, error: BaseException) -> NotFoundError | DataError:
    """Return the error for a failed connection: refused, no such database, or no answer."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    place = f"{url.host or 'localhost'}:{url.port}" if url.port else url.host or "this machine"
    if re.search(r"password|authenticat|access denied|role .* does not exist|no pg_hba", text, re.I):
        return DataError(
            f"the database server at {place} refuses user '{url.username or ''}' for database '{url.database or ''}'",
            "check the user and the password in the address; write @ as %40, / as %2F and : as %3A in a password",
        )
    if re.search(r"database .* does not exist|unknown database", text, re.I):
        return NotFoundError(f"there is no database '{url.database}' on the server at {place}", "check its name")
    return NotFoundError(
        f"no database server answers at {place} (database '{url.database or ''}'): {text[-160:]}",
        "check host and port, and that the server is running",
    )
