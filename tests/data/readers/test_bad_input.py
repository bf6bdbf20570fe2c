"""The bad inputs that people have: each gives one message that says what, where and what to do next."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Command, Ended, snapshot

from forecaster import Forecaster

USAGE, NOT_FOUND, BAD = 2, 4, 5
DAYS = pd.date_range("2020-01-01", periods=120)
WAVE = np.round(50 + 10 * np.sin(np.arange(120) * 2 * np.pi / 7), 2)


def table(**columns: object) -> pd.DataFrame:
    """Return 120 days of sales with some columns changed or added."""
    return pd.DataFrame({"date": DAYS.strftime("%Y-%m-%d"), "sales": WAVE, **columns})


def dates(rows: slice, written: str, others: str = "%Y-%m-%d") -> pd.Series:
    """Return the days, some of them written in another way."""
    texts = pd.Series(DAYS.strftime(others))
    texts[rows] = DAYS[rows].strftime(written)
    return texts


def said(ended: Ended) -> tuple[str, str]:
    """Return the one message on stderr, and its hint."""
    lines = ended.err.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("forecaster: error: "))
    assert ended.err.count("forecaster: error:") == 1 and len(lines) - first <= 2, ended.err
    assert ended.out == "" and "a bug in forecaster" not in ended.err and "Traceback" not in ended.err, ended.err
    return lines[first].removeprefix("forecaster: error: "), "".join(lines[first + 1 :]).strip()


def refused(command: Command, folder: Path, arguments: list[str], code: int, message: str, hint: str) -> None:
    """Run a command and check its exit code and message, and that no file was touched."""
    before = snapshot(folder)
    ended = command(*arguments)
    found = said(ended)
    assert ended.code == code, ended.err
    assert re.fullmatch(message, found[0]) and re.search(hint, found[1]), found
    assert snapshot(folder) == before


#: A table, what fit says of it, and the hint.
TABLES: dict[str, tuple[Callable[[], pd.DataFrame], int, str, str]] = {
    "mixed formats": (
        lambda: table(date=dates(slice(40, 45), "%d/%m/%Y")),
        BAD,
        r"column 'date' mixes formats of dates: line 2 holds '2020-01-01', line 42 holds '10/02/2020'",
        "write all of them in one format, such as 2024-01-31",
    ),
    "mixed orders": (
        lambda: table(date=dates(slice(70, 120), "%m/%d/%Y", "%d/%m/%Y")),
        BAD,
        r"column 'date': .*neither all month-first, .*line 14 '13/01/2020'.* nor all day-first, .*line 74 .*",
        "write all of them in one format",
    ),
    "an impossible date": (
        lambda: table(date=dates(slice(30, 31), "2020-02-30")),
        BAD,
        r"column 'date', line 32: '2020-02-30' cannot be read as a time; expected ISO times such as 2020-01-01 .*",
        "correct or remove",
    ),
    "a thirteenth month": (
        lambda: table(date=dates(slice(30, 33), "2020-13-%d")),
        BAD,
        r"column 'date', line 32: '2020-13-31' cannot be read as a time, nor can 2 others; expected ISO times .*",
        "correct or remove",
    ),
    "two time columns": (
        lambda: table(ordered=DAYS.strftime("%Y-%m-%d"), sent=(DAYS + pd.Timedelta(days=3)).strftime("%Y-%m-%d"))[
            ["ordered", "sent", "sales"]
        ],
        BAD,
        "columns 'ordered', 'sent' all hold times, and none has a usual name",
        "say which: --time ordered or --time sent",
    ),
    "no column of numbers": (
        lambda: table(sales=["good", "bad", "fair"] * 40),
        NOT_FOUND,
        r"no column of readings to forecast: tried 'sales' \('good'\)",
        "name it with --target COLUMN",
    ),
    "no reading at all": (
        lambda: table(sales=None),
        NOT_FOUND,
        r"no column of readings to forecast: tried 'sales' \(nothing\)",
        "name it with --target COLUMN",
    ),
    "all series too short": (
        lambda: pd.concat([table(shop=shop).head(5) for shop in "ABC"]),
        BAD,
        r".*5 rows.* too few: lookback \d+ \+ horizon 14 \+ validation 14 need \d+",
        "add older readings: 30 rows are needed, or 6 with --horizon 1 --validation 1 --lookback 3",
    ),
    "duplicates": (
        lambda: pd.concat([table(), table().iloc[10:13]]),
        BAD,
        "two readings at 2020-01-11, line 12 and line 122; 2 more rows repeat a time",
        "--duplicates first or last, or combine them with mean or sum",
    ),
    "ambiguous dates": (
        lambda: table(date=[f"{k % 12 + 1}/4/{2000 + k // 12}" for k in range(120)]),
        BAD,
        "column 'date': '1/4/2000' and every other value read both as month/day and as day/month",
        "say which: --dates day-first or --dates month-first",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table(name, command, folder):
    make, code, message, hint = TABLES[name]
    make().to_csv("table.csv", index=False)
    refused(command, folder, ["fit", "table.csv"], code, message, hint)
    ended = command("inspect", "table.csv")
    assert ended.code == BAD and ended.err == ""
    report = " ".join(ended.out.split())
    assert "fit would refuse this table" in report and re.search(hint, report), report


@pytest.mark.parametrize("order", ["day-first", "month-first"])
def test_ambiguous_dates_are_read_as_told(order, command, folder):
    TABLES["ambiguous dates"][0]().to_csv("table.csv", index=False)
    ended = command("inspect", "table.csv", "--dates", order, "--freq", "row", "--json")
    assert '"kind": "dates"' not in ended.out, ended.out


def test_a_series_without_a_reading_is_left_out_and_named(command, folder):
    pd.concat([table(shop="A"), table(shop="B", sales=np.nan)]).to_csv("table.csv", index=False)
    ended = command("inspect", "table.csv")
    assert ended.code == 0 and ended.err == ""
    assert re.search(r"1 series without any reading: left out\s+B\s+> fill in 'sales'", ended.out), ended.out


def test_a_bad_cell_of_a_wide_table_is_told_by_its_own_column(command, folder):
    pd.DataFrame({"date": table()["date"], "a": WAVE, "b": WAVE, "c": [*WAVE[:119], "oops"]}).to_csv(
        "wide.csv", index=False
    )
    message = "column 'c', line 121: 'oops' is text, expected a number"
    refused(command, folder, ["fit", "wide.csv", "--wide", "columns"], BAD, message, "leave the cell empty")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\0b\x07", "a\ud800b"])
def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(name, command, folder):
    Path("table.json").write_text(json.dumps(table().rename(columns={"sales": name}).to_dict("records")))
    ended = command("fit", "table.json", "--target", "y")
    assert ended.code == NOT_FOUND and len(ended.err.splitlines()) <= 2, ended.err
    assert name.encode("unicode_escape").decode() in ended.err and ended.err.replace("\n", "").isprintable()
    ended = command("inspect", "table.json")
    assert ended.out.replace("\n", "").isprintable(), ended.out


def test_a_very_long_cell_is_cut_in_a_message(command, folder):
    table(sales=[*WAVE[:100], "x" * 50_000, *WAVE[101:]]).to_csv("table.csv", index=False)
    message = r"column 'sales', line 102: 'x{80,100}\.\.\.x{20,30}' is text, expected a number"
    refused(command, folder, ["fit", "table.csv", "--target", "sales"], BAD, message, "leave the cell empty")


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_a_number_of_400_digits(suffix, command, folder):
    rows = [f'{{"date": "{day}", "sales": {5 if i % 2 else 6}}}' for i, day in enumerate(table()["date"])]
    rows[50] = rows[50].replace("6}", "1" + "0" * 400 + "}")
    lines = [f"{day},{1 if i - 50 else '1' + '0' * 400}" for i, day in enumerate(table()["date"])]
    content = {"json": "[" + ",".join(rows) + "]", "jsonl": "\n".join(rows), "csv": "\n".join(["date,sales", *lines])}
    Path(f"table.{suffix}").write_text(content[suffix])
    ended = command("fit", f"table.{suffix}", "--target", "sales")
    assert ended.code == BAD and re.search("infinite|too large|is text", said(ended)[0]), ended.err


# Flags

FLAGS = [
    ("--zone Europe/Berlinn", USAGE, "unknown time zone 'Europe/Berlinn', expected .*", "did you mean 'Europe/Berlin'"),
    ("--zone nowhere", USAGE, "unknown time zone 'nowhere', expected a name such as Europe/Berlin, UTC.*", ""),
    ("--holidays XX", USAGE, "no holidays are known for 'XX', expected a country code such as DE.*", ""),
    ("--holidays US-ZZ", USAGE, ".*ZZ.*", ""),
    ("--time begin,end", NOT_FOUND, "there is no column 'begin', the table has 'date', 'sales'", ""),
    ("--time date,end", NOT_FOUND, "there is no column 'end', the table has 'date', 'sales'", ""),
    ("--time dat", NOT_FOUND, "there is no column 'dat', the table has 'date', 'sales'", "did you mean 'date'"),
    ("--target sale", NOT_FOUND, "there is no column 'sale', the table has 'date', 'sales'", "did you mean 'sales'"),
    ("--series shop", NOT_FOUND, "there is no column 'shop', the table has 'date', 'sales'", ""),
]


@pytest.mark.parametrize(("flags", "code", "message", "hint"), FLAGS, ids=[f[0] for f in FLAGS])
def test_a_bad_flag(flags, code, message, hint, command, folder):
    table().to_csv("table.csv", index=False)
    refused(command, folder, ["fit", "table.csv", *flags.split()], code, message, hint)


# Files


def test_a_parquet_file_cut_short(command, folder):
    table().to_parquet("whole.parquet")
    content = Path("whole.parquet").read_bytes()
    for size in (len(content) // 2, len(content) - 1, 100, 5):
        Path("cut.parquet").write_bytes(content[:size])
        message = r"'cut.parquet' is not a Parquet file that can be read: .*"
        refused(command, folder, ["fit", "cut.parquet"], BAD, message, "it may be cut short")


def test_a_folder_without_tables(command, folder):
    Path("others").mkdir()
    message = "'others' is a folder without tables"
    refused(command, folder, ["fit", "others"], NOT_FOUND, message, "expected files such as others/table.parquet")
    Path("others", "readme.md").write_text("nothing here")
    refused(command, folder, ["fit", "others"], NOT_FOUND, message, "expected files such as others/table.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_ten_gigabytes_in_a_small_file(kind, folder):
    import pyarrow as pa

    block = b"2020-01-01,0\n" * (10_000_000 // 13)
    packed = gzip.compress if kind == "gz" else lambda content: pa.compress(content, "zstd", asbytes=True)
    small = packed(b"date,sales\n") + packed(block) * 1_000
    name = f"table.csv.{kind}"
    Path(name).write_bytes(small)
    assert len(small) < 20e6
    program = (
        "import resource, sys; from forecaster.cli.main import run\n"
        "import forecaster.data.readers.csv, pyarrow, pandas\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "codes = [run(['inspect', sys.argv[1]]), run(['fit', sys.argv[1]])]\n"
        "print(*codes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    ended = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, timeout=60)
    inspected, fitted, grown = map(int, ended.stdout.split())
    assert inspected == fitted == BAD and grown < 500, ended
    first, hint = ended.stderr.splitlines()[-2:]
    assert re.fullmatch(f"forecaster: error: '{name}' grows more than .* when it is decompressed: stopped.*", first)
    assert "decompress it yourself" in hint


# Databases


def test_a_database_that_is_not_there(command, folder):
    pytest.importorskip("sqlalchemy", reason="the extra [sql] is not installed")
    query = ["--sql", "SELECT * FROM readings"]
    for place in ("sqlite:///none.db", "duckdb:///none.db"):
        message = "there is no database file 'none.db'"
        refused(command, folder, ["fit", place, *query], NOT_FOUND, message, "")
    refused(command, folder, ["fit", "none.db", *query], NOT_FOUND, "there is no file 'none.db'", "")
    assert not list(folder.iterdir())


def test_a_database_server_that_is_not_there(command, folder):
    pytest.importorskip("psycopg", reason="the extra [sql] is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        address = f"postgresql://me:secret@127.0.0.1:{port}/sales"
        message = f"no database server answers at 127.0.0.1:{port}.*"
        arguments = ["fit", address, "--sql", "SELECT 1"]
        refused(command, folder, arguments, NOT_FOUND, message, "check host and port")
        assert "secret" not in command(*arguments).err


def test_a_query_that_returns_nothing(command, folder):
    with sqlite3.connect("sales.db") as connection:
        connection.execute("CREATE TABLE readings (day TEXT, y REAL)")
        connection.execute("INSERT INTO readings VALUES ('2024-01-01', 1)")
    connection.close()
    for place in ("sales.db", "sqlite:///sales.db"):
        arguments = ["fit", place, "--sql", "SELECT * FROM readings WHERE y > 1"]
        refused(command, folder, arguments, BAD, ".*returns no rows.*", "")
        arguments = ["fit", place, "--sql", "SELECT * FROM readngs"]
        refused(command, folder, arguments, BAD, ".*no such table: readngs.*", "")


def test_a_query_on_what_is_no_database(command, folder):
    table().to_csv("table.csv", index=False)
    message = "--sql needs a database, and 'table.csv' is none"
    refused(command, folder, ["fit", "table.csv", "--sql", "SELECT 1"], USAGE, message, "leave it out")


# Beside a model


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model of two shops, with the weather until the cutoff and promotions planned beyond it."""
    place = tmp_path_factory.mktemp("shops") / "model"
    settings = {"units": (4,), "epochs": 1, "final": False, "past": "sky", "future_columns": "promo", "series": "shop"}
    return Forecaster(3, **settings).fit(stock()).save(place)


def stock() -> pd.DataFrame:
    """Return the sales of two shops."""
    weather = {"sky": ["sun", "rain", "fog"] * 40, "promo": [0, 1, 0, 0] * 30}
    return pd.concat([table(shop=shop, **weather) for shop in ("north", "south")])


def plan(**columns: object) -> pd.DataFrame:
    """Return the future covariates of the next three days."""
    days = pd.date_range(DAYS[-1] + pd.Timedelta(days=1), periods=3).strftime("%Y-%m-%d")
    both = [pd.DataFrame({"shop": shop, "date": days, "promo": [1, 0, 1]}) for shop in ("north", "south")]
    return pd.concat(both, ignore_index=True).assign(**columns)


@pytest.mark.tensorflow
def test_a_category_that_training_never_saw(command, folder, shops):
    newer = stock()
    newer.loc[newer.index == 100, "sky"] = "hail"
    newer.to_csv("newer.csv", index=False)
    plan().to_csv("plan.csv", index=False)
    ended = command("predict", "--model", str(shops), "--data", "newer.csv", "--future", "plan.csv")
    assert ended.code == 0, ended.err
    assert np.isfinite(pd.read_csv(io.StringIO(ended.out))["forecast"]).all()
    notes = [line for line in ended.err.splitlines() if "'hail'" in line]
    assert len(notes) == 1 and notes[0].startswith("note: ") and "'sky'" in notes[0] and "line 102" in notes[0], (
        ended.err
    )


@pytest.mark.tensorflow
def test_a_category_that_a_plan_never_saw_is_refused_as_text(command, folder, shops):
    plan(promo=["1", "0", "maybe", "1", "0", "1"]).to_csv("plan.csv", index=False)
    arguments = ["predict", "--model", str(shops), "--future", "plan.csv"]
    message = "column 'promo', line 4: 'maybe' is text, expected a number"
    refused(command, folder, arguments, BAD, message, "")


@pytest.mark.tensorflow
def test_future_covariates_that_are_not_given(command, folder, shops):
    message = "the forecast needs the future values of promo: --future FILE"
    refused(
        command,
        folder,
        ["predict", "--model", str(shops)],
        USAGE,
        message,
        rf"forecaster make-future --model {shops} --horizon 3 ",
    )


@pytest.mark.tensorflow
def test_the_hint_to_write_a_plan_keeps_what_was_asked(command, folder, shops):
    stock().to_csv("new rows.csv", index=False)
    message, start = "the forecast needs the future values.*", rf"forecaster make-future --model {shops}"
    asked = ["--model", str(shops), "--horizon", "5"]
    refused(command, folder, ["plot", *asked], USAGE, message, f"{start} --horizon 5 ")
    arguments = ["predict", *asked, "--data", "new rows.csv"]
    refused(command, folder, arguments, USAGE, message, f"{start} --data 'new rows.csv' --horizon 5 ")


@pytest.mark.tensorflow
def test_a_future_file_of_another_horizon(command, folder, shops):
    plan().to_csv("plan.csv", index=False)
    arguments = ["predict", "--model", str(shops), "--future", "plan.csv", "--horizon", "5"]
    message = (
        r"the future table ends too early: 3 of 5 steps of series 'north', up to 2020-05-02, "
        r"expected 2020-04-30 to 2020-05-04 \(and 1 more series\)"
    )
    refused(command, folder, arguments, BAD, message, "forecaster make-future .*--horizon 5")


@pytest.mark.tensorflow
def test_a_future_file_of_other_days_or_shops(command, folder, shops):
    arguments = ["predict", "--model", str(shops), "--future", "plan.csv"]
    plan(date="2021-01-01").drop_duplicates(["shop", "date"]).to_csv("plan.csv", index=False)
    message = "the future table has none of the 3 steps to forecast of series 'north', 2020-04-30 to 2020-05-02.*"
    refused(command, folder, arguments, BAD, message, "forecaster make-future")
    plan().query("shop == 'north'").to_csv("plan.csv", index=False)
    message = "the future table has no row of 'south'; it has those of north"
    refused(command, folder, arguments, BAD, message, "forecaster make-future")
    plan().drop(columns="promo").to_csv("plan.csv", index=False)
    refused(command, folder, arguments, NOT_FOUND, ".*'promo'.*", "")


@pytest.mark.tensorflow
def test_a_future_file_with_holes(command, folder, shops):
    plan(promo=None).to_csv("plan.csv", index=False)
    arguments = ["predict", "--model", str(shops), "--future", "plan.csv"]
    five = ", ".join(
        [f"(north, 2020-0{day}, promo)" for day in ("4-30", "5-01", "5-02")]
        + [f"(south, 2020-0{day}, promo)" for day in ("4-30", "5-01")]
    )
    message = re.escape(f"the future table has 6 holes: (series, time, column) {five} and 1 more")
    refused(command, folder, arguments, BAD, message, "fill them in.*forecaster make-future")


@pytest.mark.tensorflow
def test_make_future_writes_what_predict_then_reads(command, folder, shops):
    ended = command("make-future", "--model", str(shops), "--horizon", "5", "--output", "plan.csv")
    assert ended.code == 0 and "10 cells to fill in" in ended.err
    pd.read_csv("plan.csv").fillna({"promo": 1}).to_csv("plan.csv", index=False)
    ended = command("predict", "--model", str(shops), "--horizon", "5", "--future", "plan.csv")
    assert ended.code == 0 and len(ended.out.splitlines()) == 11, ended.err
