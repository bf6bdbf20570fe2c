"""Tables are written whole or not at all, the same from Python as from the command line, in any registered format."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecaster import save_table
from forecaster.cli.output import check_table, write_table
from forecaster.data import writers
from forecaster.data.readers.sources import read_table
from forecaster.data.writers import WRITERS, Writer, format_names
from forecaster.errors import DataError, ForecasterError, SettingError

RNG = np.random.default_rng(0)


def table() -> pd.DataFrame:
    bits = RNG.integers(0, 2**63, 3_000, dtype=np.int64).view(np.float64)
    spread = 10.0 ** RNG.uniform(-7, 18, 3_000)
    numbers = [bits, spread, -np.round(spread, 2), RNG.integers(-1_000, 1_000, 500), 10.0 ** np.arange(-30, 30)]
    numbers = np.concatenate([*numbers, [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e15, 1e16, 9.999e-5, 1e-4, 1e10]])
    rows, ids = len(numbers), np.array(["a", "b,c", 'd"e', "f\ng", "h\ri", " x ", "é", "", "NA", "-1"], object)
    days = pd.Timestamp("2024-03-30") + pd.to_timedelta(RNG.integers(0, 100, rows), "D")
    found = pd.DataFrame({"series": ids[RNG.integers(0, len(ids), rows)], 'da"y': days, "forecast": numbers})
    with np.errstate(over="ignore", invalid="ignore"):
        found["single"] = numbers.astype(np.float32)
    found["count"], found["seen"] = RNG.integers(-5, 5, rows), RNG.random(rows) > 0.5
    found["zoned"] = (found['da"y'] + pd.Timedelta("1h")).dt.tz_localize("Europe/Berlin")
    found.loc[5:9, "series"] = None
    return found


@pytest.mark.parametrize("at_once", [7, 100_000])
def test_csv_is_what_pandas_writes(monkeypatch, at_once):
    monkeypatch.setattr(writers, "ROWS_AT_ONCE", at_once)
    whole = table()
    for rows in (0, 1, len(whole)):
        shown = whole.head(rows).copy()
        shown['da"y'] = shown['da"y'].dt.strftime("%Y-%m-%d")
        shown["zoned"] = [time.isoformat() for time in shown["zoned"]]
        expected = shown.to_csv(index=False, lineterminator="\n")
        assert b"".join(writers.csv_pieces(whole.head(rows))).decode() == expected


def test_times_as_text_once_for_each_time():
    times = pd.to_datetime(["2024-01-02", "2024-01-01", None, "2024-01-02"])
    shown = writers.text_time(pd.DataFrame({"day": times, "x": range(4)}))
    assert shown["day"].tolist()[:2] == ["2024-01-02", "2024-01-01"] and shown["day"].isna().tolist() == [0, 0, 1, 0]


def test_csv_of_mixed_cells_is_what_pandas_writes(tmp_path):
    """Equal values of several types stay apart, and spans of time are no counts of nanoseconds."""
    cells = {"any": [1, True, 1.0, None], "list": [[1], [2, 3], None, {"x": 1}], "text": ["a", None, 'y"z', ""]}
    mixed = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in cells.items()})
    mixed["category"], mixed["whole"] = pd.Categorical(["a", "b", None, "a"]), pd.array([1, None, 2, 3], "Int64")
    mixed["span"] = pd.to_timedelta([1, 2, None, 86_400], "s")
    assert save_table(mixed, tmp_path / "a.csv").read_text() == mixed.to_csv(index=False)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_again(tmp_path, suffix):
    written = table().drop(columns=["single", "zoned"]).query("-1e15 < forecast < 1e15").reset_index(drop=True)
    written["series"] = RNG.choice(["a", "b,c", 'd"e'], len(written))
    found = read_table(save_table(written, tmp_path / f"a{suffix}"))
    found['da"y'] = pd.to_datetime(found['da"y']).astype(written['da"y'].dtype)
    pd.testing.assert_frame_equal(found, written, check_dtype=False, check_categorical=False, rtol=1e-12)


@pytest.mark.parametrize("suffix", WRITERS)
def test_python_writes_what_the_command_writes(model, command, suffix):
    from forecaster import Forecaster

    assert command("predict", "--output", f"command{suffix}").code == 0
    path = save_table(Forecaster.load(model).predict(), f"python{suffix}")
    assert path.read_bytes() == (model.parent / f"command{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_index_of_times_or_names_is_not_lost(tmp_path, suffix):
    days, ids = pd.date_range("2024-01-01", periods=2, freq="D"), ["a", "b"]
    for index, name in ((days, "time"), (pd.Index(ids, name="model"), "model"), (pd.Index(ids), "index")):
        written = pd.DataFrame({"y": [1.5, 2.5]}, index=index)
        found = read_table(save_table(written, tmp_path / f"{name}{suffix}"))
        assert list(found.columns) == [name, "y"]
    numbered = pd.DataFrame({"y": [1.5, 2.5]}, index=[7, 3])
    assert list(read_table(save_table(numbered, tmp_path / f"numbered{suffix}")).columns) == ["y"]


def test_a_table_that_cannot_be_written_leaves_the_older_file(tmp_path):
    path = tmp_path / "a.parquet"
    save_table(pd.DataFrame({"x": [1, 2]}), path)
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"a.parquet' exists already"):
        save_table(pd.DataFrame({"x": [3]}), path)
    mixed = pd.DataFrame({"x": [1, "a"]})
    with pytest.raises(DataError, match="the table cannot be written as Parquet: "):
        save_table(mixed, path, force=True)
    with pytest.raises(DataError, match="the table cannot be written as JSON: "):
        save_table(pd.DataFrame({"x": [1, object()]}), tmp_path / "a.json")
    with pytest.raises(DataError, match="the table has two columns of one name"):
        save_table(pd.DataFrame([[1, 2]], columns=["x", "x"]), path, force=True)
    with pytest.raises(DataError, match="a table to write is a DataFrame, not list"):
        save_table([1, 2], path, force=True)
    with pytest.raises(ForecasterError, match="there is no folder"):
        save_table(mixed, tmp_path / "none" / "a.csv")
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.parquet"]


def test_an_unknown_suffix_is_answered_with_the_known_ones(tmp_path):
    for name in ("a.xlsx", "a", "csv"):
        with pytest.raises(SettingError, match="cannot tell the format from the name") as caught:
            save_table(pd.DataFrame({"x": [1]}), tmp_path / name)
        assert caught.value.hint == "name a file that ends in .csv or .json or .parquet"
    assert not os.listdir(tmp_path)


def test_a_pipe_takes_csv(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    save_table(pd.DataFrame({"x": [1, 2]}), tmp_path / "pipe")
    assert os.read(reader, 100) == b"x\n1\n2\n"
    os.close(reader)


def test_a_new_writer_is_one_function_and_one_line(tmp_path, monkeypatch):
    def lines(found: pd.DataFrame) -> list[bytes]:
        return [f"{row}\n".encode() for row in found.to_dict("records")]

    monkeypatch.setitem(WRITERS, ".txt", Writer("lines", lines))
    check_table(str(tmp_path / "a.txt"), False)
    write_table(pd.DataFrame({"x": [1, 2]}), str(tmp_path / "a.txt"), False)
    assert (tmp_path / "a.txt").read_text() == "{'x': 1}\n{'x': 2}\n"
    assert format_names() == "CSV, JSON, Parquet or lines"
    with pytest.raises(SettingError) as caught:
        check_table("a.xlsx", False)
    assert caught.value.hint.endswith(".csv or .json or .parquet or .txt")


def test_help_names_a_new_writer_without_pandas():
    code = """
import contextlib, io, json, sys
from forecaster.data.writers import WRITERS, Writer
WRITERS[".txt"] = Writer("lines", list)
from forecaster.cli.main import run
texts = {}
for name in ("predict", "make-future", "evaluate", "compare", "inspect"):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:
        run([name, "--help"])
    out.flush()
    texts[name] = " ".join(out.buffer.getvalue().decode().split())
print(json.dumps([texts, "pandas" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    texts, pandas = json.loads(done.stdout)
    assert len(texts) == 5 and not pandas
    for text in texts.values():
        assert "CSV, JSON, Parquet or lines" in text
