"""Files with random damage: each ends in a forecast or in one clear message, within seconds, never a traceback."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import sqlite3
import time
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from samples import time_limit

from forecaster import Forecaster
from forecaster.api.ready_model import ReadyModel
from forecaster.cli.main import run
from forecaster.data.panel.panel import Panel
from forecaster.errors import ForecasterError
from forecaster.features.plan import make_plan
from forecaster.fitting import fit as fitting
from forecaster.fitting.trainable import refuse_untrainable

pytestmark = pytest.mark.tensorflow

FILES, SEED = 2_000, 0
SECONDS, LIMIT = 5, 30  # for each file: of the processor, and by the clock
LONGEST = 900  # characters of a message
CODES = (2, 3, 4, 5, 6)

Grid = list[list[str]]


class Kind(NamedTuple):
    """A table, as text cells, and how it becomes a file."""

    table: str
    suffix: str
    encode: Callable[[Grid, Random], bytes]


# The tables


def _numbers(rows: int, phase: float = 0.0) -> list[str]:
    steps = np.arange(rows)
    return [f"{v:.2f}" for v in 50 + 10 * np.sin(steps * 2 * np.pi / 7 + phase) + steps * 7 % 5 / 3]


def _plain() -> Grid:
    days = pd.date_range("2020-01-20", periods=60).strftime("%Y-%m-%d")
    return [["date", "größe"], *map(list, zip(days, _numbers(60), strict=True))]


def _panel() -> Grid:
    rows: Grid = [["date", "shop", "sales", "price", "sky", "city"]]
    for shop, city in (("007", "Bonn"), ("NA", "Kiel")):
        days = pd.date_range("2020-01-20", periods=40).strftime("%d.%m.%Y")
        sky = ["sun", "rain", ""] * 14
        prices = [str(1 + k % 4) for k in range(40)]
        cells = zip(days, [shop] * 40, _numbers(40, len(city)), prices, sky, [city] * 40, strict=False)
        rows += map(list, cells)
    return rows


def _wide() -> Grid:
    months = pd.period_range("2015-01", periods=60, freq="M").strftime("%Y-%m")
    return [["month", "a", "b"], *map(list, zip(months, _numbers(60), _numbers(60, 1.0), strict=True))]


def _split() -> Grid:
    hours = pd.date_range("2020-03-28 01:00", periods=72, freq="h")
    parts = ([str(part(hour)) for hour in hours] for part in (_year, _month, _day, _hour))
    numbers = [str(k) for k in range(1, 73)]
    wind = ["NA"] + [str(k % 9) for k in range(71)]
    return [
        ["No", "year", "month", "day", "hour", "pm", "wind"],
        *map(list, zip(numbers, *parts, _numbers(72), wind, strict=True)),
    ]


def _year(time: pd.Timestamp) -> int:
    return time.year


def _month(time: pd.Timestamp) -> int:
    return time.month


def _day(time: pd.Timestamp) -> int:
    return time.day


def _hour(time: pd.Timestamp) -> int:
    return time.hour


def _zoned() -> Grid:
    times = pd.date_range("2020-03-28 00:00", periods=72, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    return [["at", "load"], *map(list, zip(times, _numbers(72), strict=True))]


TABLES: dict[str, Callable[[], Grid]] = {
    "plain": _plain,
    "panel": _panel,
    "wide": _wide,
    "split": _split,
    "zoned": _zoned,
}
#: How the model of a table is fitted: as small as can be.
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "panel": {"target": "sales", "series": "shop", "past": "price,sky"},
    "wide": {"wide": "columns"},
    "split": {"target": "pm", "past": "wind"},
    "zoned": {},
}


# The formats


def _text(delimiter: str = ",", decimal: str = ".", encoding: str = "utf-8") -> Callable[[Grid, Random], bytes]:
    def encode(grid: Grid, rng: Random) -> bytes:
        lines = [delimiter.join(_cell(c, delimiter, decimal) for c in row) for row in grid]
        return ("\n".join(lines) + "\n").encode(encoding, "replace")

    return encode


def _cell(cell: str, delimiter: str, decimal: str) -> str:
    if decimal == "," and re.fullmatch(r"-?\d+\.\d+", cell):
        return cell.replace(".", ",")
    quoted = delimiter in cell or "\n" in cell
    return '"' + cell.replace('"', '""') + '"' if quoted else cell


def _squeezed(squeeze: Callable[[bytes], bytes]) -> Callable[[Grid, Random], bytes]:
    def encode(grid: Grid, rng: Random) -> bytes:
        content = _text()(grid, rng)
        return squeeze(_bytes_damaged(content, rng)[0] if rng.random() < 0.2 else content)

    return encode


def _zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def _plain_value(cell: str) -> Any:
    if cell.startswith("00"):
        return cell
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        return float(cell)
    except ValueError:
        return cell or None


def _records(grid: Grid) -> list[dict[str, Any]]:
    return [{k: _plain_value(c) for k, c in zip(grid[0], row, strict=False)} for row in grid[1:]]


def _json_lines(grid: Grid, rng: Random) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in _records(grid)).encode(
        "utf-8", "replace"
    )


def _json(grid: Grid, rng: Random) -> bytes:
    records = _records(grid)
    if rng.random() < 0.2:
        columns = {name: {str(i): r.get(name) for i, r in enumerate(records)} for name in grid[0]}
        return json.dumps(columns).encode()
    if rng.random() < 0.2:
        return json.dumps({"data": records}).encode()
    return json.dumps(records).encode()


def _arrow_table(grid: Grid, rng: Random) -> pa.Table:
    width = len(grid[0])
    rows = [(row + [""] * width)[:width] for row in grid[1:]]
    arrays = []
    for k in range(width):
        cells = [row[k] for row in rows]
        arrays.append(_arrow_column(cells, rng))
    return pa.Table.from_arrays(arrays, names=[str(name) for name in grid[0]])


def _arrow_column(cells: list[str], rng: Random) -> pa.Array:
    values = [_plain_value(cell) for cell in cells]
    for kind in (pa.int64(), pa.float64()):
        try:
            return pa.array(values, kind, from_pandas=rng.random() < 0.5)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    if rng.random() < 0.5:
        try:
            times = pd.to_datetime(pd.Series(cells), format="%Y-%m-%d")
            return pa.array(times, pa.timestamp(rng.choice(["s", "ms", "us", "ns"]), rng.choice([None, None, "UTC"])))
        except (ValueError, pa.ArrowException):
            pass
    texts = pa.array([cell or None for cell in cells], pa.string())
    return texts.dictionary_encode() if rng.random() < 0.3 else texts


def _parquet(grid: Grid, rng: Random) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(_arrow_table(grid, rng), sink, compression=rng.choice(["snappy", "zstd", "none"]))
    return sink.getvalue()


def _arrow(grid: Grid, rng: Random) -> bytes:
    import pyarrow.feather as feather

    sink = io.BytesIO()
    feather.write_feather(_arrow_table(grid, rng), sink, compression=rng.choice(["lz4", "uncompressed"]))
    return sink.getvalue()


def _excel(grid: Grid, rng: Random) -> bytes:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("data")
    for row in grid:
        sheet.append([_excel_value(cell) for cell in row])
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _excel_value(cell: str) -> Any:
    value = _plain_value(cell)
    if isinstance(value, str):
        return "".join(c for c in value if unicodedata.category(c)[0] != "C")[:32_000]
    large = isinstance(value, (int, float)) and not abs(value) < 1e300
    return str(value) if large else value


def _sqlite(grid: Grid, rng: Random) -> bytes:
    width = len(grid[0])
    names = [f"{name or 'empty'}".replace('"', "").replace("\0", "") for name in grid[0]]
    lower = [name.lower() for name in names]
    names = [name if lower.index(lower[k]) == k else f"{name}{k}" for k, name in enumerate(names)]
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE data ({', '.join(chr(34) + name + chr(34) for name in names)})")
        rows = [[_sqlite_value(c) for c in (row + [""] * width)[:width]] for row in grid[1:]]
        connection.executemany(f"INSERT INTO data VALUES ({', '.join('?' * width)})", rows)
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def _sqlite_value(cell: str) -> Any:
    value = _plain_value(cell)
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


KINDS: dict[str, Kind] = {
    "csv": Kind("plain", ".csv", _text()),
    "semicolon": Kind("plain", ".csv", _text(";", ",")),
    "latin-1": Kind("plain", ".csv", _text(";", ",", "latin-1")),
    "utf-16": Kind("plain", ".csv", _text("\t", ".", "utf-16")),
    "gz": Kind("plain", ".csv.gz", _squeezed(lambda content: gzip.compress(content, 1))),
    "zst": Kind("plain", ".csv.zst", _squeezed(_zstd)),
    "xz": Kind("zoned", ".csv.xz", _squeezed(lambda content: lzma.compress(content, preset=0))),
    "tsv": Kind("panel", ".tsv", _text("\t")),
    "panel": Kind("panel", ".csv", _text()),
    "wide": Kind("wide", ".csv", _text()),
    "split": Kind("split", ".csv", _text()),
    "zoned": Kind("zoned", ".csv", _text()),
    "jsonl": Kind("panel", ".jsonl", _json_lines),
    "json": Kind("zoned", ".json", _json),
    "parquet": Kind("panel", ".parquet", _parquet),
    "arrow": Kind("plain", ".arrow", _arrow),
    "xlsx": Kind("panel", ".xlsx", _excel),
    "sqlite": Kind("split", ".db", _sqlite),
}


# Damage to cells, rows and columns


def _cells(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


TIMES = (
    *_cells("2020-02-30|2019-13-01|0000-00-00|31/31/2020|2020-1-1|1/4/2020|20200230|24:61|2020-W54|1500-01-01|-|-5"),
    *_cells("9999-12-31|0001-01-01|2262-04-12|1677-09-21|2020-03-29T02:30:00+01:00|99999999999|2020-03-29 02:30|"),
    *_cells("2020-02-01T00:00:00Z|1580515200|1580515200000|yesterday|Feb 5, 2020|2020Q5|NA|NaT|null|1e400|43861"),
    *_cells("2020-02-01 10:00 PM|2020-366|\u0662\u0660\u0662\u0660-02-01|2020-02-01\0"),
)
NUMBERS = (
    *_cells("inf|-inf|nan|NaN|1e308|-1e308|1e-308|5e-324|1e400|-0|-0.0|0x1F|abc|| 5 |1,5|1.234.567|1,234,567.8|12:30"),
    *_cells("1 234|\u22125|\u0663|\u00bd|5%|\u20ac5|$5|True|#REF!|#DIV/0!|=1+1|NULL|None|-|--|1e5|1e|1_000|[1]|{}"),
    *_cells("2020-01-01|5\0|\0|1e-400|+5|++5|5.|.5|.|\U0001f600|\x1b[31m5|a\nb|\"|'"),
    *("1" + "0" * 400, "9" * 19, "9" * 25, "x" * 20_000, "0" * 50),
)
IDS = (*_cells('|NA|nan|007|7|7.0|1e5|\U0001f600|a"b|a,b|a/b| a |\0|a\nb|\x1b[0m|None|\u00df|\u0130'), "x" * 5_000)
EMPTY = ("", "", "NA", "-", "nan", "0", "-0.0", "1e5", "+7", "5.")
NAMES = (
    *_cells('| |date|sales|y|\U0001f600|a,b|a"b|\0|a\nb|1|2020-01-01|Unnamed: 0|index|\u0130|none|forecast|series'),
    *("\x1b[31m", "month", "ds", "x" * 5_000),
)
WRITTEN = _cells(
    "%d/%m/%Y|%m/%d/%Y|%Y%m%d|%d.%m.%y|%b %d, %Y|%Y-%m-%dT%H:%M:%SZ|%Y-%m-%d %H:%M+02:00|%Y-%j|%Y-%m|%Y|%A"
)


def _some_rows(grid: Grid, rng: Random) -> list[int]:
    count = rng.choice([1, 1, 2, 5, len(grid) // 2, len(grid)])
    return rng.sample(range(1, len(grid)), min(max(count, 0), len(grid) - 1))


def _set(grid: Grid, row: int, column: int, cell: str) -> None:
    if column < len(grid[row]):
        grid[row][column] = cell


def _put(pool: tuple[str, ...]) -> Callable[[Grid, Random], None]:
    def damage(grid: Grid, rng: Random) -> None:
        column, same = rng.randrange(len(grid[0]) or 1), rng.choice(pool)
        for row in _some_rows(grid, rng):
            _set(grid, row, column, same if rng.random() < 0.7 else rng.choice(pool))

    return damage


def _bad_times(grid: Grid, rng: Random) -> None:
    column, same = next((k for k, c in enumerate(grid[0]) if c in ("date", "at", "month")), 0), rng.choice(TIMES)
    for row in _some_rows(grid, rng):
        _set(grid, row, column, same if rng.random() < 0.5 else rng.choice(TIMES))


def _other_dates(grid: Grid, rng: Random) -> None:
    column, written = next((k for k, c in enumerate(grid[0]) if c in ("date", "at")), 0), rng.choice(WRITTEN)
    rows = range(1, len(grid)) if rng.random() < 0.3 else _some_rows(grid, rng)
    for row in rows:
        if column < len(grid[row]):
            time = pd.to_datetime(grid[row][column], dayfirst="." in grid[row][column], errors="coerce")
            _set(grid, row, column, "" if time is pd.NaT else time.strftime(written))


def _swap_columns(grid: Grid, rng: Random) -> None:
    a, b = rng.randrange(len(grid[0]) or 1), rng.randrange(len(grid[0]) or 1)
    for row in grid[rng.choice([0, 1]) :]:
        if max(a, b) < len(row):
            row[a], row[b] = row[b], row[a]


def _rename(grid: Grid, rng: Random) -> None:
    if grid[0]:
        grid[0][rng.randrange(len(grid[0]))] = rng.choice([*NAMES, *grid[0]])


def _header(grid: Grid, rng: Random) -> None:
    place = rng.randrange(len(grid[0]) or 1)
    what = rng.randrange(4)
    if what == 0:
        del grid[0][place : place + 1]
    elif what == 1:
        grid[0].insert(place, rng.choice(grid[0] or [""]))
    elif what == 2:
        del grid[0]
    else:
        grid.insert(rng.randrange(len(grid) + 1), list(grid[0]))
    if not grid:
        grid.append([""])


def _new_column(grid: Grid, rng: Random) -> None:
    place, name, what = rng.randrange(len(grid[0]) + 1), rng.choice([*NAMES, *grid[0]]), rng.randrange(6)
    source = rng.randrange(len(grid[0]) or 1)
    for i, row in enumerate(grid):
        cells = [
            str(i),
            "",
            "same",
            row[source] if source < len(row) else "",
            rng.choice(NUMBERS),
            f"2021-01-{i % 31 + 1:02d}",
        ]
        row.insert(place, name if i == 0 else cells[what])


def _drop_column(grid: Grid, rng: Random) -> None:
    place = rng.randrange(len(grid[0]) or 1)
    for row in grid:
        del row[place : place + 1]


def _rows(grid: Grid, rng: Random) -> None:
    what, head, body = rng.randrange(8), grid[:1], grid[1:]
    if what == 0:
        body = [row for row in body if rng.random() < rng.choice([0.5, 0.9])]
    elif what == 1:
        rng.shuffle(body)
    elif what == 2:
        body = body[::-1]
    elif what == 3:
        body = body[: rng.randrange(6)]
    elif what == 4:
        body += [list(rng.choice(body)) for _ in range(rng.randrange(1, 5))] if body else []
    elif what == 5:
        body += [list(row) for row in body]
    elif what == 6 and body:
        body = [list(body[0]) for _ in body]
    elif body:
        place = rng.randrange(len(body))
        body = body[:place] + [[] if rng.random() < 0.5 else ["# comment"]] * rng.randrange(1, 4) + body[place:]
    grid[:] = head + body


def _ragged(grid: Grid, rng: Random) -> None:
    for row in _some_rows(grid, rng):
        if rng.random() < 0.5:
            grid[row] = grid[row][: rng.randrange(len(grid[row]) + 1)]
        else:
            grid[row] = grid[row] + ["1"] * rng.randrange(1, 4)


def _one_value(grid: Grid, rng: Random) -> None:
    column, cell = rng.randrange(len(grid[0]) or 1), rng.choice([*NUMBERS, *TIMES, *IDS, "5"])
    for row in range(1, len(grid)):
        _set(grid, row, column, cell)


def _scaled(grid: Grid, rng: Random) -> None:
    column, factor = rng.randrange(len(grid[0]) or 1), rng.choice([1e-300, 1e-30, 1e30, 1e150, 1e300, -1.0, 0.0])
    for row in range(1, len(grid)):
        value = _plain_value(grid[row][column]) if column < len(grid[row]) else None
        if isinstance(value, (int, float)) and abs(value) < 1e300:
            _set(grid, row, column, repr(value * factor))


CELL_DAMAGE: tuple[Callable[[Grid, Random], None], ...] = (
    *(_put(NUMBERS), _put(TIMES), _put(IDS), _put(EMPTY), _bad_times, _other_dates, _swap_columns, _rename, _header),
    *(_new_column, _new_column, _drop_column, _rows, _rows, _rows, _rows, _ragged, _one_value, _scaled),
)


# Damage to bytes


ODD = (
    b"\0",
    b'"',
    b"'",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b";",
    b",",
    b"\t",
    b"\x1a",
    b"\xf0\x9f\x98\x80",
    b"\x80",
    b"#",
)
STARTS = (
    b"[]",
    b"{}",
    b"[{}]",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
    b"SQLite format 3\0",
)
WHOLE = (b"", b"\n", b"\0", b" ", b"null", b"a", b"a\n1\n", *STARTS)
OTHERS = ((b",", b";"), (b",", b"\t"), (b".", b","), (b"\n", b"\r"), (b"\n", b"\r\n"), (b",", b" "), (b"\n", b""))
BYTE_DAMAGE = _cells("bit|insert|delete|truncate|repeat|zeros|swap|replace|random|prefix|odd|odd|odd")


def _bytes_damaged(content: bytes, rng: Random) -> tuple[bytes, str]:
    """Return the bytes with one damage, and its name."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice([1, 2, 10, 100, len(content)]))
    before, cut, after = content[:start], content[start:end], content[end:]
    bit = bytes([cut[0] ^ 1 << rng.randrange(8)]) + cut[1:] if cut else b""
    name = rng.choice(BYTE_DAMAGE)
    damaged = {
        "bit": lambda: before + bit + after,
        "insert": lambda: before + rng.randbytes(rng.choice([1, 4, 50])) + cut + after,
        "delete": lambda: before + after,
        "truncate": lambda: before,
        "repeat": lambda: before + cut * rng.randrange(2, 5) + after,
        "zeros": lambda: before + bytes(len(cut)) + after,
        "swap": lambda: before + cut.replace(*rng.choice(OTHERS)) + after,
        "replace": lambda: rng.choice(WHOLE),
        "random": lambda: rng.randbytes(rng.choice([1, 10, 1000])),
        "prefix": lambda: rng.randbytes(8) + content,
        "odd": lambda: _with_odd(content, rng),
    }
    return damaged[name](), name


def _with_odd(content: bytes, rng: Random) -> bytes:
    for _ in range(rng.choice([1, 1, 3, 20])):
        place = rng.randrange(len(content) + 1)
        content = content[:place] + rng.choice(ODD) + content[place:]
    return content


def mutant(kind: str, seed: int, number: int) -> tuple[str, bytes, str]:
    """Return the name of a damaged file, its content, and what was done to it."""
    rng = Random(f"{kind}-{seed}-{number}")
    grid, done = [list(row) for row in TABLES[KINDS[kind].table]()], []
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        damage = rng.choice(CELL_DAMAGE)
        damage(grid, rng)
        grid = grid or [[""]]
        done.append(damage.__name__)
    content = KINDS[kind].encode(grid, rng)
    while not done or rng.random() < 0.15:
        content, what = _bytes_damaged(content, rng)
        done.append(what)
    others = ["", ".dat", *(other.suffix for other in KINDS.values())]
    suffix = KINDS[kind].suffix if rng.random() < 0.95 else rng.choice(others)
    return f"{kind}{suffix}", content, " ".join(done)


# What is seen


class Planned(ForecasterError):
    """Raised in place of training."""

    exit_code = 0


def plan_only(panel: Panel, config: Any, *_: Any) -> Any:
    """Do what fit does before TensorFlow is started."""
    plan, _ = make_plan(panel, config)
    refuse_untrainable(panel)
    assert np.isfinite(panel.values).all() and plan.horizon > 0
    raise Planned("planned")


def fit_models(place: Path) -> None:
    """Fit a model of each table: as small as can be."""
    for name, table in TABLES.items():
        path = place / f"{name}.csv"
        path.write_bytes(_text()(table(), Random(0)))
        forecaster = Forecaster(3, units=(4,), epochs=1, final=False, lookback=7, validation=6, **SETTINGS[name])
        forecaster.fit(path).save(place / name)


def complaints(kind: str, number: int, name: str, place: Path, capfd: Any, seen: list[Panel], done: list[int]) -> str:
    """Run one command on a file and return what is wrong with how it ended; empty where nothing is.

    ``seen`` holds the panel that was forecast from; the number of a file that was forecast is added to ``done``.
    """
    how = ("predict", "predict", "predict", "inspect", "fit")[number % 5]
    model = str(place / KINDS[kind].table)
    settings = (
        [word for k, v in SETTINGS[KINDS[kind].table].items() for word in (f"--{k}", str(v))] if number % 2 else []
    )
    arguments = {
        "predict": ["predict", "--data", name, "--model", model],
        "inspect": ["inspect", name, *settings, *(["--json"] if number % 3 else [])],
        "fit": ["fit", name, *settings, "--horizon", "3"],
    }
    capfd.readouterr()
    seen.clear()
    began = time.process_time()
    with time_limit(LIMIT):
        code = run(arguments[how])
    out, err = capfd.readouterr()
    if (spent := time.process_time() - began) > SECONDS:
        return f"{how} took {spent:.1f} s"
    try:
        if how == "fit" and err.endswith("forecaster: error: planned\n"):
            return _notes_wrong(err.removesuffix("forecaster: error: planned\n"))
        if how == "inspect" and code in (0, 5) and "forecaster: error:" not in err:
            return _report_wrong(out, err, code, "--json" in arguments[how])
        if code:
            return _refusal_wrong(code, out, err, how)
        wrong = _notes_wrong(err) or _forecast_wrong(out, seen[-1])
        done.append(number)
        return wrong
    except Exception as error:
        return f"{how}: {type(error).__name__}: {error}: {out[:300]} {err[:300]}"


def _unprintable(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n"]


def _notes_wrong(err: str) -> str:
    lines = [line for line in err.split("\n") if line]
    strange = [
        line for line in lines if not re.match(r"(note: |  \S)", line) or "Warning" in line or "Traceback" in line
    ]
    if strange:
        return f"notes: {strange[0][:300]!r}"
    long = max(lines, key=len, default="")
    return (
        f"a note of {len(long)} characters: {long[:300]}"
        if len(long) > LONGEST
        else f"unprintable {_unprintable(err)}: {err[:500]!r}" * bool(_unprintable(err))
    )


def _refusal_wrong(code: int, out: str, err: str, how: str) -> str:
    lines = err.rstrip("\n").split("\n")
    first = next((i for i, line in enumerate(lines) if line.startswith("forecaster: error: ")), None)
    if (
        first is None
        or not (code in CODES or (code == 1 and ": rolled forward " in err))  # a forecast out of bounds
        or "a bug in forecaster" in err
        or "Traceback" in err
        or "the model" in err[:60]
    ):
        return f"{how} {code}: {err[-600:]}"
    if out or err.count("forecaster: error: ") > 1 or len(lines) - first > 2:
        return f"{how} more than one message: {out[:200]} {err[-800:]}"
    if _unprintable(err):
        return f"{how} unprintable {_unprintable(err)}: {err[-300:]!r}"
    if max(map(len, lines[first:])) > LONGEST:
        return f"{how} message of {max(map(len, lines[first:]))} characters: {lines[first][:300]} | {lines[-1][:200]}"
    return _notes_wrong("\n".join(lines[:first]))


def _report_wrong(out: str, err: str, code: int, as_json: bool) -> str:
    if err:
        return f"inspect: {err[:300]}"
    if as_json:
        found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        refused = any(problem["severity"] == "error" for problem in found["problems"])
        return "" if refused == (code == 5) else f"inspect {code}: {out[:300]}"
    if ("fit would refuse this table" in out) != (code == 5):
        return f"inspect {code}: {out[-500:]}"
    return f"unprintable {_unprintable(out)}: {out[:400]!r}" if _unprintable(out) else ""


def _forecast_wrong(out: str, panel: Panel) -> str:
    table = pd.read_csv(io.StringIO(out), dtype={"series": str}, keep_default_na=False)
    names = ["series", panel.roles.time, "forecast", "lo-80", "hi-80", "lo-95", "hi-95", "engine"]
    if list(table.columns) != names or len(table) != 3 * len(panel):
        return f"forecast of {len(table)} rows, {list(table.columns)}"
    numbers = table[names[2:7]].replace("", "nan").astype(np.float64)
    simple = table["engine"] != "lstm"  # of too few rows for an interval
    if not np.isfinite(numbers[~simple]).all(axis=None) or not np.isfinite(numbers["forecast"]).all():
        return f"not finite: {out[:400]}"
    if (numbers["lo-95"] > numbers["hi-95"]).any():
        return f"bounds crossed: {out[:400]}"
    times = table[panel.roles.time]
    if panel.times.dtype.kind == "M":
        times = pd.to_datetime(times, utc=True).dt.tz_localize(None)
    ahead = times.to_numpy(panel.times.dtype).reshape(len(panel), 3)
    if not (ahead[:, :1] > panel.last[:, None]).all() or not (ahead[:, 1:] > ahead[:, :-1]).all():
        return f"times not after the end: {out[:400]}"
    return ""


# The tests


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of each table."""
    place = tmp_path_factory.mktemp("models")
    fit_models(place)
    return place


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    """Return the panels that were forecast from; models are loaded once, and no fit goes as far as training."""
    panels: list[Panel] = []
    load, panel_of = lru_cache(Forecaster.load), ReadyModel.panel

    def panel(self: ReadyModel, *given: Any) -> Any:
        found = panel_of(self, *given)
        panels.append(found[0])
        return found

    monkeypatch.setattr(Forecaster, "load", load)
    monkeypatch.setattr(ReadyModel, "panel", panel)
    monkeypatch.setattr(fitting, "fit_panel", plan_only)
    return panels


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind, models, seen, folder, capfd):
    for package in {"xlsx": ["openpyxl"], "sqlite": ["sqlalchemy", "duckdb"]}.get(kind, []):
        pytest.importorskip(package, reason="an extra is not installed")
    wrong: list[str] = []
    forecast: list[int] = []
    for number in range(FILES // len(KINDS) + 1):
        name, content, done = mutant(kind, SEED, number)
        Path(name).write_bytes(content)
        found = complaints(kind, number, name, models, capfd, seen, forecast)
        if found:
            wrong.append(f"{number} ({done}): {found}")
        assert [path.name for path in folder.iterdir()] == [name], "a file was left behind"
        Path(name).unlink()
    assert not wrong, "\n".join([f"{len(wrong)} of them:", *wrong[:10]])
    assert len(forecast) >= 5, "the damage is so great that hardly a file is forecast"
