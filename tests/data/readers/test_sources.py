from __future__ import annotations

import errno
import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import types
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from forecaster.data.readers.compression import Stored
from forecaster.data.readers.dataframe import frame_of, line_of
from forecaster.data.readers.sources import READERS, Source, read_table
from forecaster.errors import DataError, DependencyError, ForecasterError, NotFoundError, SettingError

DATABASES = (".db", ".sqlite", ".sqlite3", ".duckdb")

TABLE = "date,y\n2024-01-01,1\n2024-01-02,2.5\n2024-01-03,\n"


def write(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def save(path: Path, suffix: str, frame: pd.DataFrame) -> Path:
    """Write a table in the format that a suffix of READERS stands for."""
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if suffix in (".parquet", ".pq"):
        frame.to_parquet(path)
    elif suffix in (".arrow", ".feather", ".ipc"):
        frame.to_feather(path)
    elif suffix == ".xlsx":
        pytest.importorskip("openpyxl", reason="the extra [excel] is not installed")
        frame.to_excel(path, index=False)
    elif suffix in (".jsonl", ".ndjson"):
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif suffix == ".json":
        path.write_text(json.dumps(records))
    elif suffix in (".db", ".sqlite", ".sqlite3"):
        with closing(sqlite3.connect(path)) as connection:
            frame.to_sql("t", connection, index=False)
    elif suffix == ".duckdb":
        duckdb = pytest.importorskip("duckdb", reason="the extra [sql] is not installed")
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE t AS SELECT * FROM frame")
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix in (".tsv", ".tab") else ",")
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_reader_returns_the_same_table_with_dates_as_text(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"date": DAYS, "id": ["007", "NA", "x"], "y": [1, 2.5, np.nan]})
    path = save(tmp_path / f"table.2024{suffix}", suffix, table)
    frame = read_table(path)
    assert list(frame.columns) == ["date", "id", "y"]
    assert frame["date"].tolist() == DAYS
    assert frame["id"].tolist() == ["007", "NA", "x"]
    np.testing.assert_array_equal(frame["y"], [1, 2.5, np.nan])
    assert frame.attrs["columns"] == ["date", "id", "y"]
    assert [note["name"] for note in frame.attrs["notes"]] == (["table"] if path.suffix in DATABASES else [])
    assert list(read_table(path, ["y", "absent"]).columns) == ["y"]
    json.dumps(frame.attrs)


def test_a_new_reader_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_lines(stored: Stored, source: Source, columns: list[str] | None = None) -> pd.DataFrame:
        with stored.open() as file:
            days, numbers = zip(*(line.split() for line in file.read().decode().splitlines()), strict=True)
        return pd.DataFrame({"date": days, "y": np.array(numbers, float)})

    module = types.ModuleType("lines")
    module.read_lines = read_lines  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "forecaster.data.readers.lines", module)
    monkeypatch.setitem(READERS, ".lines", "lines.read_lines")
    text = "".join(f"{day} {i}\n" for i, day in enumerate(DAYS))
    (tmp_path / "a.lines").write_text(text)
    (tmp_path / "a.lines.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.lines", "a.lines.gz"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), pd.DataFrame({"date": DAYS, "y": [0.0, 1.0, 2.0]}))


@pytest.mark.parametrize("suffix", READERS)
def test_every_reader_ends_in_a_table_or_one_clear_message_for_a_damaged_file(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"date": DAYS * 20, "id": ["007", "NA", "x"] * 20, "y": np.arange(60) / 7})
    whole, generator = save(tmp_path / f"whole{suffix}", suffix, table).read_bytes(), random.Random(5)
    for i in range(60):
        data = bytearray(whole)
        if i == 0:
            data = bytearray()
        elif i % 3:
            for _ in range(generator.choice([1, 3, 20])):
                data[generator.randrange(len(data))] = generator.randrange(256)
        else:
            del data[generator.randrange(len(data)) :]
        path = tmp_path / f"t{i}{suffix}"
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert len(read_table(path))
        except ForecasterError as error:
            assert "\n" not in error.message


def test_standard_input_is_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    assert read_table("-")["date"].tolist() == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_a_dataset_is_found_by_name() -> None:
    from forecaster.data.bundled import DATASETS

    assert len(read_table(f"dataset:{next(iter(DATASETS))}")) > 0
    with pytest.raises(NotFoundError, match="unknown data set 'nothing'"):
        read_table("dataset:nothing")


def test_a_line_is_named_as_an_editor_counts_it_despite_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffdate, y\n2024-01-01,1\n\n\n2024-01-02,2\n\n")
    frame = read_table(path)
    assert list(frame.columns) == ["date", "y"]
    assert [line_of(frame, i) for i in range(len(frame))] == ["line 2", "line 5"]
    assert line_of(pd.DataFrame({"y": [1, 2]}, index=[7, 9]), 1) == "row 9"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("date,y\n", "column names but no rows"),
        ("date,y\n\n\n", "column names but no rows"),
        ("\n1,2\n", "line 1 .* is blank"),
        (b"PK\0\0\0", "is not text: it holds NUL bytes"),
        ("date,y\n1,2\n3,4,5\n", "line 3 .* has 3 cells, expected 2"),
        ("date,y\n1,2,3\n4,5,6\n", "have more cells than the 2 columns its header names"),
        ("date,y\n0,2,3\n1,5\n", "have more cells than the 2 columns its header names"),
        ('date,y\n1,"2\n3,4\n', "quote opened on line 2 .* never closed"),
        ("date,y,y\n1,2,3\n", "names more than one column 'y'"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, content))


def test_a_damaged_gzip_or_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(TABLE.encode() * 100)
    for content in (whole[:-20], b"date,y\n1,2\n", whole[:40] + b"xxxx" + whole[44:]):
        with pytest.raises(DataError, match="is not a whole gzip file"):
            read_table(write(tmp_path, content, "t.csv.gz"))
    with pytest.raises(DataError, match="is not a Parquet file"):
        read_table(write(tmp_path, TABLE, "t.parquet"))


def test_a_path_that_leads_nowhere_names_the_nearest_file(tmp_path: Path) -> None:
    write(tmp_path, TABLE, "sales.csv")
    with pytest.raises(NotFoundError, match=r"there is no file '.*salse\.csv'") as caught:
        read_table(tmp_path / "salse.csv")
    assert caught.value.hint == "did you mean 'sales.csv'?"
    with pytest.raises(NotFoundError, match="no file") as caught:
        read_table(tmp_path / "nowhere" / "salse.csv")
    assert "no folder" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="is a folder without tables"):
        read_table(tmp_path / "empty")
    with pytest.raises(SettingError, match=r"cannot tell the format .* expected one of \.csv"):
        read_table(write(tmp_path, b"\x89PNG\0\0\0", "sales.png"))
    with pytest.raises(NotFoundError, match=r"cannot read|NUL"):
        read_table("a\0b")
    with pytest.raises(NotFoundError, match=r"there is no file|cannot read"):
        read_table("x" * 5000 + ".csv")


def test_a_file_without_permission_is_said_to_be_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system would say it: the superuser, who runs many a test, may read every file."""

    def refused(path: str, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("forecaster.data.readers.compression.open", refused, raising=False)
    with pytest.raises(NotFoundError, match=r"cannot read .* Permission denied"):
        read_table(write(tmp_path, TABLE))


def test_a_separator_at_the_end_of_each_row_is_harmless(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "date,y\n2024-01-01,1,\n2024-01-02,2,\n"))
    assert frame.to_dict("list") == {"date": ["2024-01-01", "2024-01-02"], "y": [1, 2]}


def test_text_far_down_a_column_of_numbers_is_kept_without_a_warning(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i}\n" for i in range(400_000))
    frame = read_table(write(tmp_path, f"t,y\n{rows}400000,oops\n"))
    assert frame["y"].iloc[-1] == "oops"


def test_frame_of_puts_the_times_of_an_index_into_a_column() -> None:
    days = pd.date_range("2024-01-01", periods=3, freq="D")
    frame = frame_of(pd.Series([1, 2, 3], index=days))
    assert list(frame.columns) == ["time", "value"]
    assert (frame["time"] == days).all()
    named = frame_of(pd.DataFrame({"y": [1, 2, 3]}, index=days.rename("day")))
    assert list(named.columns) == ["day", "y"]
    months = frame_of(pd.Series([1, 2], index=pd.period_range("2024-01", periods=2, freq="M"), name="y"))
    assert list(months["time"]) == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]
    assert frame_of(pd.Series([5, 6], name="y")).to_dict("list") == {"step": [0, 1], "y": [5, 6]}
    levels = pd.MultiIndex.from_product([["a", "b"], days], names=["id", "ds"])
    assert list(frame_of(pd.DataFrame({"y": range(6)}, index=levels)).columns) == ["id", "ds", "y"]


def test_frame_of_leaves_a_plain_table_alone_and_names_columns_in_text() -> None:
    frame = pd.DataFrame({"date": ["2024-01-01"], "y": [1]}, index=[5])
    assert frame_of(frame) is frame
    assert list(frame_of(pd.DataFrame([[1, 2]])).columns) == ["0", "1"]


def test_frame_of_refuses_no_rows_and_two_columns_of_one_name() -> None:
    with pytest.raises(DataError, match="the table has no rows"):
        frame_of(pd.DataFrame({"y": []}))
    with pytest.raises(DataError, match="names more than one column 'y'"):
        frame_of(pd.DataFrame([[1, 2]], columns=["y", "y"]))
    days = pd.date_range("2024-01-01", periods=1, name="y")
    with pytest.raises(DataError, match="index and a column are both named 'y'"):
        frame_of(pd.DataFrame({"y": [1]}, index=days))


def test_a_named_index_becomes_a_column() -> None:
    frame = pd.DataFrame({"y": [1, 2]}, index=pd.Index(["a", "b"], name="unique_id"))
    assert frame_of(frame).to_dict("list") == {"unique_id": ["a", "b"], "y": [1, 2]}


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "json", "parquet", "arrow", "xlsx"])
def test_standard_input_is_told_by_its_content(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"date": DAYS, "id": ["007", "NA", "x"], "y": [1.5, 2.5, 3]})
    data = save(tmp_path / "t", "." + kind.removesuffix(".gz"), table).read_bytes() if kind != "xlsx" else b""
    if kind == "xlsx":
        data = save(tmp_path / "t.xlsx", ".xlsx", table).read_bytes()
    data = gzip.compress(data) if kind.endswith("gz") else data
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    frame = read_table("-")
    assert frame["id"].tolist() == ["007", "NA", "x"]
    assert frame["y"].tolist() == [1.5, 2.5, 3]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet", "arrow", "db"])
def test_a_file_of_unknown_suffix_is_told_by_its_content(kind: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"date": DAYS, "y": [1.5, 2.5, 3]})
    for name in ("readings", "readings.data", "readings.txt"):
        (tmp_path / name).unlink(missing_ok=True)
        path = save(tmp_path / name, "." + kind, table)
        if name.endswith("txt") and kind in ("jsonl", "json"):
            continue
        assert read_table(path)["y"].tolist() == [1.5, 2.5, 3]


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_types_of_arrow_are_kept_or_made_plain(suffix: str, tmp_path: Path) -> None:
    table = pa.table(
        {
            "pm2.5": pa.array([1.5, None], pa.float32()),
            "at": pa.array([0, 3_600_000_000], pa.timestamp("us", tz="Europe/Berlin")),
            "day": pa.array([0, 1], pa.date32()),
            "price": pa.array([1, 2], pa.int64()).cast(pa.decimal128(30, 2)),
            "word": pa.array(["007", None], pa.large_string()),
            "code": pa.array(["a", "a"]).dictionary_encode(),
            "list": pa.array([[1], [2]]),
            "count": pa.array([1, None], pa.int32()),
        }
    )
    path = tmp_path / f"t{suffix}"
    pq.write_table(table, path) if suffix == ".parquet" else pa.feather.write_feather(table, path)
    frame = read_table(path)
    assert frame["pm2.5"].dtype == np.float32
    assert str(frame["at"].dt.tz) == "Europe/Berlin"
    assert frame["at"].tolist() == [pd.Timestamp(0, tz="UTC"), pd.Timestamp(3600, unit="s", tz="UTC")]
    assert frame["day"].tolist() == [pd.Timestamp("1970-01-01"), pd.Timestamp("1970-01-02")]
    assert frame["price"].tolist() == [1.0, 2.0]
    assert frame["word"].iloc[0] == "007"
    assert frame["code"].tolist() == ["a", "a"]
    assert "list" not in frame
    assert [(note["name"], note["value"]) for note in frame.attrs["notes"]] == [("left out", "'list'")]
    assert list(read_table(path, ["pm2.5"]).columns) == ["pm2.5"]


def test_an_index_of_pandas_in_a_file_is_a_column_and_row_numbers_are_not(tmp_path: Path) -> None:
    days = pd.to_datetime(DAYS)
    for index, columns in (
        (days, ["time", "y"]),
        (days.rename("day"), ["day", "y"]),
        (pd.PeriodIndex(days, freq="D", name="day"), ["day", "y"]),
        (pd.MultiIndex.from_arrays([["a", "a", "b"], days], names=["id", "day"]), ["id", "day", "y"]),
        (pd.Index(["a", "b", "c"], name="unique_id"), ["unique_id", "y"]),
        (pd.Index([5, 7, 9]), ["y"]),
        (pd.RangeIndex(3), ["y"]),
    ):
        path = tmp_path / "t.parquet"
        pd.DataFrame({"y": [1, 2, 3]}, index=index).to_parquet(path)
        frame = read_table(path)
        assert list(frame.columns) == columns
        if len(columns) > 1 and columns[-2] != "unique_id":
            assert frame[columns[-2]].tolist() == list(days)


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    for suffix in (".parquet", ".feather", ".csv", ".csv.gz"):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        for i in range(3):
            part = pd.DataFrame({"id": ["s0", f"s{i}"], "y": [i, i + 0.5]})
            data = part.to_csv(index=False).encode()
            if "csv" in suffix:
                (folder / f"part-{i}{suffix}").write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
            else:
                save(folder / f"part-{i}{suffix}", suffix, part)
        (folder / "_SUCCESS").touch()
        (folder / "README.md").write_text("hello")
        frame = read_table(folder)
        assert frame["id"].tolist() == ["s0", "s0", "s0", "s1", "s0", "s2"]
        assert frame["y"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
        assert list(frame.index) == list(range(6))
        assert list(read_table(folder, ["y"]).columns) == ["y"]


def test_names_of_folders_are_columns(tmp_path: Path) -> None:
    for year in (2023, 2024):
        for store in ("007", "a b"):
            folder = tmp_path / f"year={year}" / f"store={store.replace(' ', '%20')}"
            folder.mkdir(parents=True)
            pd.DataFrame({"y": [year + 0.5]}).to_parquet(folder / "part.parquet")
    frame = read_table(tmp_path)
    assert sorted(frame.columns) == ["store", "y", "year"]
    assert frame["year"].tolist() == [2023, 2023, 2024, 2024]
    assert frame["store"].tolist() == ["007", "a b", "007", "a b"]
    assert list(read_table(tmp_path, ["store"]).columns) == ["store"]


def test_a_model_is_no_table(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "0.2.0" / "rnn"
    with pytest.raises(DataError, match=r"rnn' is a model of forecaster, not a table") as caught:
        read_table(golden)
    assert caught.value.hint.endswith(f"it forecasts with: forecaster predict --model {golden}")
    shutil.copytree(golden, tmp_path / "forecaster-model")
    write(tmp_path, TABLE)
    assert list(read_table(tmp_path).columns) == ["date", "y"]


def test_a_manifest_of_something_else_makes_no_model(tmp_path: Path) -> None:
    save(tmp_path / "part.parquet", ".parquet", pd.DataFrame({"y": [1, 2]}))
    write(tmp_path, '{"format": "other"}', "manifest.json")
    assert read_table(tmp_path)["y"].tolist() == [1, 2]


def test_a_folder_of_different_tables_names_the_file(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "y": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"id": ["a"], "y": [1.5]}).to_parquet(tmp_path / "b.parquet")
    assert read_table(tmp_path)["y"].tolist() == [1, 1.5]
    pd.DataFrame({"id": ["a"], "y": ["x"]}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"column 'y' is .*string in 'c\.parquet', double in 'a\.parquet'"):
        read_table(tmp_path)
    pd.DataFrame({"id": ["a"], "z": [1]}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"'c\.parquet' has other columns than 'a\.parquet': 'y', 'z' is not in both"):
        read_table(tmp_path)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "c.parquet").write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"c\.parquet' is not a Parquet file"):
        read_table(tmp_path)
    (tmp_path / "c.parquet").unlink()
    write(tmp_path, TABLE)
    with pytest.raises(DataError, match="is a folder of Parquet and text files"):
        read_table(tmp_path)
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).unlink()
    write(tmp_path, "date,z\n2024-01-01,1\n", "u.csv")
    with pytest.raises(DataError, match=r"u\.csv' has the columns 'date', 'z', others in the folder have 'date', 'y'"):
        read_table(tmp_path)


def test_a_columnar_file_that_is_cut_short_or_empty_is_refused(tmp_path: Path) -> None:
    for suffix, what in ((".parquet", "a Parquet"), (".feather", "an Arrow")):
        path = save(tmp_path / f"t{suffix}", suffix, pd.DataFrame({"id": ["a"] * 1000, "y": np.arange(1000.0)}))
        whole = path.read_bytes()
        for size in (0, 3, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(DataError, match=f"is not {what} file that can be read"):
                read_table(path)
        save(path, suffix, pd.DataFrame({"id": [], "y": []}))
        with pytest.raises(DataError, match="no rows"):
            read_table(path)


def test_a_file_that_declares_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    script = f"""
    import resource, sys
    import pyarrow as pa, pyarrow.parquet as pq
    from forecaster.data.readers.sources import read_table
    from forecaster.errors import DataError
    path = {str(tmp_path / "bomb.parquet")!r}
    column = pa.nulls(1 << 24, pa.float64())
    pq.write_table(pa.table({{f"c{{i}}": column for i in range(16)}}), path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_table(path)
    except DataError as error:
        print(error.message)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(grown < 100_000, grown)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=True
    )
    assert "declares 2.1 GB in " in done.stdout
    assert "True" in done.stdout


def test_json_lines_name_the_broken_line_and_keep_text(tmp_path: Path) -> None:
    good = '{"date": "2024-01-01", "id": "007", "y": 1}\n\n{"id": "NA", "date": "2024-01-02", "y": null}\n'
    frame = read_table(write(tmp_path, "\ufeff" + good, "t.jsonl"))
    assert frame["date"].tolist() == ["2024-01-01", "2024-01-02"]
    assert frame["id"].tolist() == ["007", "NA"]
    assert [line_of(frame, i) for i in (0, 1)] == ["line 1", "line 3"]
    zipped = write(tmp_path, gzip.compress(good.encode()), "t.ndjson.gz")
    assert read_table(zipped)["id"].tolist() == ["007", "NA"]
    for bad, message in (
        ('{"date": "2024-01-01", "y": }\n', "line 4 of .* is not JSON"),
        ("[1, 2]\n", "line 4 of .* is not a record"),
        ("7\n", "line 4 of .* is not a record"),
        ('{"date": "2024-01-03", "y": [1, 2]}\n', "column 'y' of .*, line 4: holds a list"),
        ('{"date": "2024-01-03"', "line 4 of .* is not JSON"),
    ):
        with pytest.raises(DataError, match=message):
            read_table(write(tmp_path, good + bad, "t.jsonl"))
    for bad in ("", "\n\n", "{}\n"):
        with pytest.raises(DataError, match=r"is empty|has a name"):
            read_table(write(tmp_path, bad, "t.jsonl"))
    with pytest.raises(DataError, match="UTF-8"):
        read_table(write(tmp_path, b'{"a": "K\xf6ln"}\n', "t.jsonl"))


@pytest.mark.parametrize(
    "text",
    [
        '[{"date": "2024-01-01", "y": 1}, {"date": "2024-01-02", "y": null}]',
        '{"date": ["2024-01-01", "2024-01-02"], "y": [1, null]}',
        '{"date": {"0": "2024-01-01", "1": "2024-01-02"}, "y": {"0": 1, "1": null}}',
        '{"columns": ["date", "y"], "index": [0, 1], "data": [["2024-01-01", 1], ["2024-01-02", null]]}',
        '{"status": "ok", "data": [{"date": "2024-01-01", "y": 1}, {"date": "2024-01-02", "y": null}]}',
    ],
)
def test_json_in_its_usual_shapes(text: str, tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, text, "t.json"))
    assert frame["date"].tolist() == ["2024-01-01", "2024-01-02"]
    np.testing.assert_array_equal(frame["y"].to_numpy(float), [1, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 of .* is not JSON"),
        ('[{"a": 1},\n{"a": }]', "line 2 of .* is not JSON"),
        ('{"a": 1}\n{"a": 2}', "line 2 of .* is not JSON"),
        ("7", "JSON but not a table"),
        ("[]", "JSON but not a table"),
        ("[1, 2]", "JSON but not a table"),
        ('{"a": 1}', "JSON but not a table"),
        ('{"a": [1, 2], "b": [1]}', "JSON but not a table"),
        ('[{"a": {"b": 1}}]', "column 'a' of .*, row 0: holds a list or a record"),
        ("[" * 100_000, "is not JSON"),
        (b'["K\xf6ln"]', "is not JSON"),
    ],
)
def test_json_that_is_no_table_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, text, "t.json"))


def test_a_workbook_has_sheets(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="the extra [excel] is not installed")
    path, table = (
        tmp_path / "t.xlsx",
        pd.DataFrame({"id": ["007", "NA"], "when": pd.to_datetime(DAYS[:2]), "y": [1.5, "-"]}),
    )
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="cover", index=False)
        table.to_excel(book, sheet_name="data", index=False)
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="other", index=False)
    frame = read_table(path)
    assert frame["id"].tolist() == ["007", "NA"]
    assert frame["when"].tolist() == list(pd.to_datetime(DAYS[:2]))
    np.testing.assert_array_equal(frame["y"].to_numpy(float), [1.5, np.nan])
    (note,) = frame.attrs["notes"]
    assert note["value"] == "'data'"
    assert "'cover', 'other'" in note["reason"]
    other = read_table(Source(str(path), sheet="other"))
    assert other.to_dict("list") == {"a": [1]}
    assert other.attrs["notes"] == []
    with pytest.raises(NotFoundError, match=r"no sheet 'dta' .* 'cover', 'data', 'other'") as caught:
        read_table(Source(str(path), sheet="dta"))
    assert caught.value.hint == "did you mean 'data'?"
    with pytest.raises(SettingError, match="sheet needs an Excel workbook"):
        read_table(Source(str(write(tmp_path, TABLE)), sheet="a"))


def test_without_openpyxl_the_install_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "t.xlsx", ".xlsx", pd.DataFrame({"a": [1]}))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DependencyError, match="openpyxl") as caught:
        read_table(path)
    assert caught.value.hint == "pip install 'forecaster[excel]'"


@pytest.mark.slow
def test_every_file_of_the_real_data_is_read(shared_data: Path) -> None:
    for path in sorted(p for p in shared_data.rglob("*.csv*") if p.is_file()):
        frame = read_table(path)
        assert frame.attrs["notes"] == []
        assert len(frame) > 100
    pollution = read_table(shared_data / "beijing_pollution.csv")
    assert pollution["pm2.5"].isna().sum() == 2067
    assert pollution["cbwd"].isna().sum() == 0
