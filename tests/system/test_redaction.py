"""No secret of an address is printed or stored, whatever its form, and whoever writes the message."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from conftest import Command, snapshot
from hypothesis import given
from hypothesis import strategies as st

from forecaster.artifact.load import load_model
from forecaster.data.readers import database
from forecaster.data.readers.sources import Source, read_table
from forecaster.errors import ForecasterError, NotFoundError
from forecaster.fitting import fit as fitting
from forecaster.system.redaction import redact, redact_address, redact_known, secrets_of

MARK = "s3cr3t"
#: Addresses with a password P, as it is or percent-encoded.
FORMS = [
    "postgresql://me:P@host:5432/db",
    "postgresql+psycopg://me:P@host/db?sslmode=require",
    "mysql+pymysql://me:P@[::1]:3306/db?charset=utf8",
    "redis://:P@host/0",
    "postgresql://host/db?user=me&password=P&x=1",
    "postgresql://host/db?user=me&PASSWD=P",
    "postgresql://host/db?sslpassword=P&sslkey=me.key",
    "postgresql://me:P@host/db?options=a@b",
    "snowflake://me@account/db?private_key_passphrase=P",
    "duckdb:///md:db?motherduck_token=P",
    "https://P@host/t.csv",
    "https://bucket.host/t.csv?X-Amz-Credential=P&X-Amz-Signature=P&X-Amz-Date=1",
    "https://account.host/t.csv?se=2027&sig=P",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7Bx%7D%3BUID%3Dme%3BPWD%3DP",
    "postgresql://me@server:P@host.postgres.database.azure.com/db",
    "snowflake://me#?x:P@account/db",
    "postgresql:/me:P@host/db",
    "https://host/t.csv?auth=P",
    "https://host/t.csv?x=1&key=P",
]
#: A secret that begins and ends with the mark, so that no part of it may be seen.
SECRETS = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f"), max_size=8).map(
    lambda middle: f"{MARK}{middle}{MARK}"
)


@given(SECRETS, st.sampled_from(FORMS))
def test_a_percent_encoded_secret_is_never_shown(secret: str, form: str) -> None:
    address = form.replace("P@", quote(secret, safe="") + "@").replace("=P", "=" + quote_plus(secret))
    address = address.replace("%3DP", "%3D" + quote(secret, safe=""))
    assert MARK in address
    for text in (redact_address(address), redact(f"cannot open {address} now"), repr(Source(address))):
        assert MARK not in text
    said = f"FATAL: {secret!s} is wrong ({quote(secret)}, {quote(secret, safe='')}, {quote_plus(secret)})"
    assert MARK not in redact_known(said, secrets_of(address))


@given(SECRETS)
def test_a_password_as_it_is_is_never_shown(secret: str) -> None:
    for form in FORMS[:4]:
        address = form.replace("P@", f"{secret}@")
        assert MARK not in redact_address(address)
        assert MARK not in redact_address(f"--data={address}")
        assert MARK not in redact_known(f'could not translate host name "{address}"', secrets_of(address))
        assert MARK not in redact_known(f"password authentication failed for {secret}", secrets_of(address))


@pytest.mark.parametrize(
    "text",
    [
        "PWD={a}}P};UID=me",
        "password='a''P'",
        r"password='a\' P'",
        'password="a""P"',
        "password='P",
        "--data= 'postgresql://me:a P@host'",
        "-fpostgresql://me:a P@host",
        "select * from dblink('postgresql://me@corp.com:P@host/db')",
    ],
)
def test_a_secret_that_is_quoted_or_escaped_is_never_shown(text: str) -> None:
    text = text.replace("P", MARK) if "PWD" not in text else text.replace("P}", MARK + "}")
    assert MARK in text
    assert MARK not in redact_address(text)


def test_what_is_no_secret_stays() -> None:
    for text in (
        "postgresql://me@host:5432/db?sslmode=require",
        "select * from passengers where passengers = 3 and secretary = 'a'",
        "column 'password': 3 cells",
        "a@b.com: 5 rows",
        "sqlite:///a.db",
        "select key, sum(x) from t where key = 'north' and auth = 1 group by key",
        "data/10:30@home.csv",
        "C:/data/sales.csv",
        "forecaster fit sales.csv --target passes",
    ):
        assert redact_address(text) == text
    assert redact_address("postgresql://me:pw@host:5432/db?x=1") == "postgresql://me:***@host:5432/db?x=1"
    assert redact("select dblink('host=h password=abc user=me')") == "select dblink('host=h password=*** user=me')"


COMMANDS = [
    ["fit", "URL"],
    ["fit", "URL", "--sql", "select 1"],
    ["fit", "airline.csv", "URL"],
    ["fit", "airline.csv", "--future", "URL"],
    ["fit", "airline.csv", "--from", "URL"],
    ["fit", "airline.csv", "--model", "URL"],
    ["fit", "airline.csv", "--config", "URL"],
    ["fit", "airline.csv", "--horizon", "URL"],
    ["fit", "airline.csv", "--plot", "URL"],
    ["fit", "airline.csv", "--URL"],
    ["inspect", "URL", "--sql", "select 1", "--json"],
    ["inspect", "URL"],
    ["predict", "--data", "URL", "--sql", "select 1"],
    ["predict", "--model", "URL", "--output", "URL"],
    ["evaluate", "--data", "URL", "--sql", "select 1", "--json"],
    ["plot", "URL"],
    ["compare", "URL", "URL"],
    ["datasets", "copy", "URL"],
    ["URL"],
]


@pytest.mark.parametrize("secret", [f"{MARK}/p@{MARK}", f"{MARK} w{MARK}", f"{MARK}%{MARK}"])
def test_no_command_prints_a_secret(
    secret: str, model: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_from_server", _echoing)
    monkeypatch.setenv("PGPASSWORD", MARK)
    for address in (f"postgresql://me:{secret}@host/db", f"postgresql://h/db?password={quote(secret)}&x=1"):
        for arguments in COMMANDS:
            given = [argument.replace("URL", address) for argument in arguments]
            monkeypatch.setattr(sys, "argv", ["forecaster", *given])
            ended = command(*given)
            assert MARK not in ended.out + ended.err, (arguments, ended.err)
            assert ended.code not in (0, 1) or arguments[0] == "inspect", (arguments, ended.err)


def _echoing(place: str, shown: str, sql: str, columns: object) -> None:
    """Fail as drivers do that repeat what they were given."""
    raise NotFoundError(f"connection to {place} failed: {quote(place)}, password {os.environ['PGPASSWORD']}", place)


def test_no_secret_is_stored(folder: Path, trained: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, found = read_table("dataset:airline"), load_model(trained)
    monkeypatch.setattr(database, "_from_server", lambda *_: frame)
    monkeypatch.setattr(fitting, "fit_panel", lambda *_: found)
    address = f"postgresql://me:{MARK}@host/db?sslpassword={MARK}"
    given = ["fit", address, "--sql", f"select * from dblink('password={MARK}')"]
    monkeypatch.setattr(sys, "argv", ["forecaster", *given])
    ended = command(*given, "--json", "--plot", "curve.svg")
    assert ended.code == 0, ended.err
    assert "postgresql://me:***@host/db" in ended.out
    written = snapshot(folder)
    assert {"curve.svg", "forecaster-model/manifest.json"} <= written.keys()
    assert not [name for name, content in written.items() if content and MARK.encode() in content]
    assert MARK not in ended.out + ended.err


def test_a_database_file_reads_nothing_but_itself(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra [sql] is not installed")
    (tmp_path / "other.csv").write_text("day,y\n2020-01-01,1\n")
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE VIEW seen AS SELECT * FROM '{tmp_path / 'other.csv'}'")
    for sql in (
        None,
        "SELECT * FROM seen",
        "SELECT * FROM 'https://example.invalid/t.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        f"COPY (SELECT 1) TO '{tmp_path / 'new.csv'}'",
    ):
        with pytest.raises(ForecasterError, match=r"failed: .*(disabled|Cannot enable)"):
            read_table(Source(str(path), sql=sql))
    sqlite3.connect(tmp_path / "b.db").execute("CREATE TABLE t (a)")
    for sql in (f"ATTACH '{tmp_path / 'new.db'}' AS x", "SELECT load_extension('x')"):
        with pytest.raises(ForecasterError):
            read_table(Source(str(tmp_path / "b.db"), sql=sql))
    assert sorted(os.listdir(tmp_path)) == ["a.duckdb", "b.db", "other.csv"]
