from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data.readers import database
from forecaster.data.readers.database import read_database
from forecaster.data.readers.sources import Source, read_table
from forecaster.errors import DataError, DependencyError, ForecasterError, NotFoundError, SettingError

duckdb = pytest.importorskip("duckdb", reason="the extra [sql] is not installed")
pytest.importorskip("sqlalchemy", reason="the extra [sql] is not installed")

PASSWORD = "s3cr:t/p@ss word%"
QUOTED = "s3cr%3At%2Fp%40ss%20word%25"


def sqlite_file(folder: Path, script: str, name: str = "data.db") -> Path:
    path = folder / name
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.commit()
    connection.close()
    return path


def duckdb_file(folder: Path, *statements: str, name: str = "data.duckdb") -> Path:
    path = folder / name
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


READINGS = """
CREATE TABLE readings (day TEXT, station TEXT, y REAL);
INSERT INTO readings VALUES ('2024-01-01', '007', 1.5), ('2024-01-02', 'NA', NULL), ('2024-01-03', NULL, 3);
"""


def check_readings(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == ["day", "station", "y"]
    assert [str(day)[:10] for day in frame["day"]] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert frame["station"].astype(object).where(frame["station"].notna(), None).tolist() == ["007", "NA", None]
    np.testing.assert_array_equal(frame["y"], [1.5, np.nan, 3])


@pytest.mark.parametrize("address", ["{path}", "sqlite:///{path}", "sqlite+pysqlite:///{path}"])
def test_an_sqlite_file_is_read_by_path_and_by_address(address: str, tmp_path: Path) -> None:
    place = address.format(path=sqlite_file(tmp_path, READINGS, "a file.db"))
    check_readings(read_table(Source(place, sql="SELECT * FROM readings ORDER BY day")))
    frame = read_table(Source(place))
    check_readings(frame)
    assert frame.attrs["notes"][0]["value"] == "'readings'"


def test_a_relative_address_is_beside_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_file(tmp_path, READINGS, "d.db")
    monkeypatch.chdir(tmp_path)
    check_readings(read_table("sqlite:///d.db"))
    with pytest.raises(SettingError, match="names no file"):
        read_table("sqlite://")


@pytest.mark.parametrize("address", ["{path}", "duckdb:///{path}"])
@pytest.mark.parametrize("name", ["data.duckdb", "data.db"])
def test_a_duckdb_file_is_read_by_path_and_by_address(address: str, name: str, tmp_path: Path) -> None:
    make = (
        "CREATE TABLE readings (day DATE, station TEXT, y DECIMAL(9, 2))",
        "INSERT INTO readings VALUES ('2024-01-01', '007', 1.5), ('2024-01-02', 'NA', NULL), ('2024-01-03', NULL, 3)",
    )
    place = address.format(path=duckdb_file(tmp_path, *make, name=name))
    for source in (Source(place), Source(place, sql="FROM readings ORDER BY day")):
        frame = read_table(source)
        check_readings(frame)
        assert frame["y"].dtype == np.float64
        assert frame["day"].dtype.kind == "M"
    assert list(read_table(Source(place), ["y", "other"]).columns) == ["y"]
    assert frame.attrs["columns"] == ["day", "station", "y"]


def test_types_of_duckdb_become_numbers_times_and_text(tmp_path: Path) -> None:
    path = duckdb_file(tmp_path, "CREATE TABLE t (i INTEGER)")
    sql = (
        "SELECT sum(x) AS total, TIMESTAMPTZ '2024-07-01 12:00:00+00' AS at, uuid() AS id, [1, 2] AS list, "
        "TIME '01:02:03' AS clock, 1::HUGEINT AS huge, 'a' AS word FROM range(10) r(x)"
    )
    frame = read_table(Source(str(path), sql=sql))
    assert frame["total"].tolist() == [45]
    assert frame["at"].tolist() == [pd.Timestamp("2024-07-01 12:00", tz="UTC")]
    assert frame["huge"].tolist() == [1]
    assert frame["clock"].tolist() == ["01:02:03.000000"]


def test_a_file_with_several_tables_asks_which(tmp_path: Path) -> None:
    path = sqlite_file(tmp_path, READINGS + "CREATE TABLE other (a)")
    with pytest.raises(SettingError, match="has 2 tables: 'readings', 'other'") as caught:
        read_table(path)
    assert 'sql="SELECT' in caught.value.hint
    path = duckdb_file(tmp_path, "CREATE TABLE a (i INTEGER)", "CREATE TABLE b (i INTEGER)")
    with pytest.raises(SettingError, match="has 2 tables: 'a', 'b'"):
        read_table(path)
    with pytest.raises(DataError, match="has no tables"):
        read_table(sqlite_file(tmp_path, "CREATE TABLE t (a); DROP TABLE t", "none.db"))


@pytest.mark.parametrize("place", ["{}/no.db", "{}/no.duckdb", "sqlite:///{}/no.db", "duckdb:///{}/no.duckdb"])
def test_a_file_that_is_not_there_is_not_made(place: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no (database )?file"):
        read_table(Source(place.format(tmp_path), sql="SELECT 1"))
    with pytest.raises(NotFoundError, match=r"there is no (database )?file") as caught:
        read_table(Source(place.format(tmp_path / "deeper"), sql="SELECT 1"))
    assert "no folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM readngs", r"the query on .* failed: .*readngs"),
        ("SELEKT", r"the query on .* failed: .*SELEKT"),
        ("SELECT * FROM readings WHERE y > 100", "returns no rows"),
        ("DELETE FROM readings", "failed: .*read-?only"),
        ("DROP TABLE readings", "failed: .*read-?only"),
        ("SELECT y, y FROM readings", "names more than one column 'y'"),
    ],
)
def test_a_query_that_fails_or_finds_nothing_says_so_in_one_line(
    kind: str, sql: str, message: str, tmp_path: Path
) -> None:
    script = [s for s in READINGS.strip().split("\n") if s]
    path = sqlite_file(tmp_path, READINGS) if kind == "sqlite" else duckdb_file(tmp_path, *script)
    before = path.read_bytes()
    with pytest.raises(DataError, match=message) as caught:
        read_table(Source(str(path), sql=sql))
    assert "\n" not in caught.value.message
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    for name in ("t.db", "t.duckdb"):
        (tmp_path / name).write_bytes(b"nothing of the kind, but long enough to be looked at" * 300)
        with pytest.raises(DataError, match="neither an SQLite nor a DuckDB"):
            read_table(Source(str(tmp_path / name), sql="SELECT 1"))
    for path in (sqlite_file(tmp_path, READINGS, "cut.db"), duckdb_file(tmp_path, *READINGS.strip().split("\n"))):
        path.write_bytes(path.read_bytes()[:6000])
        with pytest.raises(DataError, match=r"cut short|DuckDB"):
            read_table(Source(str(path), sql="SELECT * FROM readings"))
    with pytest.raises(SettingError, match="sql needs a database"):
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
        read_table(Source(str(tmp_path / "t.csv"), sql="SELECT 1"))


def test_a_column_of_sqlite_may_change_its_type_between_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_ROWS", 2)
    values = "(1, 1, NULL), (2, 2, NULL), (3, 3.5, 'a'), (4, NULL, NULL), (5, 'x', 'b'), (6, 7, x'00')"
    path = sqlite_file(tmp_path, f"CREATE TABLE t (i, y, s); INSERT INTO t VALUES {values};")
    frame = read_table(path)
    assert frame["i"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [None if pd.isna(v) else str(v) for v in frame["y"]] == ["1", "2", "3.5", None, "x", "7"]
    assert frame["s"].iloc[2] == "a"


def test_addresses_that_are_none_are_refused_without_the_password() -> None:
    for place, kind, message in (
        ("postgresql://me:s3cret@host:port/db", SettingError, "is not a database address"),
        ("nosuch://me:s3cret@host/db", DependencyError, "no driver for 'nosuch'"),
        ("postgresql://me:s3cret@host/db", SettingError, "which rows"),
        ("https://me:s3cret@host/t.csv", SettingError, "is not a table on this machine"),
    ):
        with pytest.raises(kind, match=message) as caught:
            read_table(Source(place, sql=None if "which" in message else "SELECT 1"))
        assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("package", "place"),
    [("sqlalchemy", "postgresql://h/d"), ("duckdb", "{}"), ("psycopg", "postgresql+psycopg://h/d")],
)
def test_an_absent_driver_is_named_with_its_install_line(
    package: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place.format(duckdb_file(tmp_path, "CREATE TABLE t (i INTEGER)"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match="not installed") as caught:
        read_table(Source(place, sql="SELECT 1"))
    assert caught.value.hint == "pip install 'forecaster[sql]'"
    assert caught.value.exit_code == 3


@dataclass
class Server:
    """A PostgreSQL server that these tests started."""

    port: int
    folder: Path

    def url(self, password: str = QUOTED, database: str = "weather", port: int | None = None) -> str:
        return f"postgresql://reader:{password}@127.0.0.1:{port or self.port}/{database}"


def _postgres_bin() -> Path | None:
    places = [Path(found).parent for found in [shutil.which("initdb")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "pg_ctl").exists()), None)


def _as_user() -> tuple[list[str], int | None]:
    """Return how to run a command as somebody else than root, who may not run PostgreSQL."""
    if os.geteuid() != 0:
        return [], None
    import pwd

    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if shutil.which("setpriv"):
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user.pw_uid
        if shutil.which("runuser"):
            return ["runuser", "-u", name, "--"], user.pw_uid
    return [], None


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Start a real PostgreSQL server with password authentication; it is stopped at the end."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs, (as_user, uid) = _postgres_bin(), _as_user()
    if programs is None:
        pytest.skip("no PostgreSQL server (initdb, pg_ctl) on this machine")
    if os.geteuid() == 0 and uid is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no setpriv or runuser to become another user")
    folder = Path(tempfile.mkdtemp(prefix="forecaster-pg-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD + "\n")
        if uid is not None:
            for path in (folder, secret):
                os.chown(path, uid, -1)
        data, port = folder / "data", _free_port()

        def run(*command: str) -> None:
            done = subprocess.run([*as_user, *command], cwd="/", capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr

        run(
            str(programs / "initdb"), "-D", str(data), "-U", "reader", "-A", "scram-sha-256", f"--pwfile={secret}", "-N"
        )
        options = f"-p {port} -k {folder} -h 127.0.0.1 -F"
        run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield _filled(Server(port, folder))
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _filled(server: Server) -> Server:
    import psycopg

    access = {"host": "127.0.0.1", "port": server.port, "user": "reader", "password": PASSWORD}
    with psycopg.connect(dbname="postgres", autocommit=True, **access) as connection:  # type: ignore[arg-type]
        connection.execute("CREATE DATABASE weather")
    with psycopg.connect(dbname="weather", **access) as connection:  # type: ignore[arg-type]
        connection.execute("CREATE TABLE readings (at timestamptz, day date, station text, y numeric, n int, f real)")
        connection.execute(
            "INSERT INTO readings SELECT t, t::date, CASE WHEN n % 2 = 0 THEN 'NA' ELSE '007' END, "
            "CASE WHEN n % 10 > 0 THEN n / 4.0 END, n, n / 2.0 FROM (SELECT n, TIMESTAMPTZ '2024-03-30 00:00:00+00' + "
            "n * interval '1 hour' t FROM generate_series(0, 999) n) r"
        )
    return server


def test_postgresql_is_read(server: Server) -> None:
    frame = read_table(Source(server.url(), sql="SELECT * FROM readings ORDER BY n"))
    assert frame.shape == (1000, 6)
    assert frame["station"].tolist()[:2] == ["NA", "007"]
    assert frame["y"].dtype == np.float64
    np.testing.assert_array_equal(frame["y"], [n / 4 if n % 10 else np.nan for n in range(1000)])
    times = pd.date_range("2024-03-30", periods=1000, freq="h", tz="UTC")
    assert (frame["at"].dt.tz_convert("UTC") == times).all()
    assert frame["day"].iloc[24] == pd.Timestamp("2024-03-31")
    assert frame["n"].tolist() == list(range(1000))
    kept = read_table(
        Source(server.url(), sql="SELECT * FROM readings WHERE station LIKE 'N%' AND at::text < ':x'"), ["n"]
    )
    assert list(kept.columns) == ["n"]
    assert len(kept) == 500


def test_a_large_result_of_postgresql_streams(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_ROWS", 100)
    frame = read_table(Source(server.url(), sql="SELECT a.n, b.station FROM readings a, readings b WHERE b.n < 50"))
    assert len(frame) == 50_000
    assert isinstance(frame["station"].dtype, pd.CategoricalDtype)


def _refused(
    server: Server, kind: type[ForecasterError], match: str, url: str, sql: str = "SELECT 1 AS a"
) -> ForecasterError:
    started = time.monotonic()
    with pytest.raises(kind, match=match) as caught:
        read_database(url, sql)
    assert time.monotonic() - started < 15
    text = caught.value.message + caught.value.hint
    assert not any(secret in text for secret in (PASSWORD, QUOTED, "wrong-one", "s3cr"))
    assert "\n" not in text
    return caught.value


def test_what_a_server_refuses_is_said_without_the_password(server: Server) -> None:
    place = re.escape(f"127.0.0.1:{server.port}")
    _refused(server, DataError, f"{place} refuses user 'reader' for database 'weather'", server.url("wrong-one"))
    _refused(server, NotFoundError, f"no database 'nothing' on the server at {place}", server.url(database="nothing"))
    port = _free_port()
    _refused(server, NotFoundError, f"no database server answers at 127.0.0.1:{port}", server.url(port=port))
    _refused(
        server,
        NotFoundError,
        "no database server answers at no.such.host.invalid",
        "postgresql://a:wrong-one@no.such.host.invalid/b",
    )
    _refused(server, DataError, 'failed: relation "readngs" does not exist', server.url(), "SELECT * FROM readngs")
    _refused(server, DataError, "failed: syntax error", server.url(), "SELEKT 1")
    _refused(server, DataError, "returns no rows", server.url(), "SELECT * FROM readings WHERE n < 0")
    _refused(
        server, DataError, "failed: invalid input syntax", server.url(), "SELECT station::int FROM readings WHERE n = 0"
    )


def test_nothing_is_changed_on_a_server(server: Server) -> None:
    for sql in ("DELETE FROM readings", "DROP TABLE readings", "CREATE TABLE x (i int)", "UPDATE readings SET n = 0"):
        _refused(server, DataError, "failed|returns no table", server.url(), sql)
    deleting = "WITH gone AS (DELETE FROM readings RETURNING n) SELECT * FROM gone"
    _refused(server, DataError, "failed: .*(read-only|data-modifying)", server.url(), deleting)
    assert len(read_table(Source(server.url(), sql="SELECT n FROM readings"))) == 1000


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        port = silent.getsockname()[1]
        place = f"postgresql://a:wrong-one@127.0.0.1:{port}/b?connect_timeout=2"
        _refused(None, NotFoundError, f"no database server answers at 127.0.0.1:{port}", place)  # type: ignore[arg-type]
