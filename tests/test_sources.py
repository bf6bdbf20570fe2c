from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data.sources import READERS, frame_of, read_table, where
from forecaster.errors import DataError, NotFoundError, SettingError

TABLE = "date,y\n2024-01-01,1\n2024-01-02,2.5\n2024-01-03,\n"


def write(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_reader_returns_the_same_table_with_dates_as_text(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.2024{suffix}"
    if suffix == ".parquet":
        pd.DataFrame({"date": ["2024-01-01", "2024-01-02", "2024-01-03"], "y": [1, 2.5, np.nan]}).to_parquet(path)
    elif suffix == ".csv.gz":
        path.write_bytes(gzip.compress(TABLE.encode()))
    else:
        path.write_text(TABLE.replace(",", "\t") if suffix == ".tsv" else TABLE)
    frame = read_table(path)
    assert list(frame.columns) == ["date", "y"]
    assert frame["date"].tolist() == ["2024-01-01", "2024-01-02", "2024-01-03"]
    np.testing.assert_array_equal(frame["y"], [1, 2.5, np.nan])


def test_standard_input_is_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    assert read_table("-")["date"].tolist() == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_a_dataset_is_found_by_name() -> None:
    from forecaster.data.catalog import DATASETS

    assert len(read_table(f"dataset:{next(iter(DATASETS))}")) > 0
    with pytest.raises(NotFoundError, match="unknown data set 'nothing'"):
        read_table("dataset:nothing")


def test_a_line_is_named_as_an_editor_counts_it_despite_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffdate, y\n2024-01-01,1\n\n\n2024-01-02,2\n\n")
    frame = read_table(path)
    assert list(frame.columns) == ["date", "y"]
    assert [where(frame, i) for i in range(len(frame))] == ["line 2", "line 5"]
    assert where(pd.DataFrame({"y": [1, 2]}, index=[7, 9]), 1) == "row 9"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("date,y\n", "column names but no rows"),
        ("date,y\n\n\n", "column names but no rows"),
        ("\n1,2\n", "line 1 .* is blank"),
        (b"PK\0\0\0", "is not text: it holds NUL bytes"),
        (gzip.compress(b"date,y\n1,2\n"), "is compressed"),
        ("date,y\n2024-01-01,caf\xe9\n".encode("latin1"), "is not UTF-8 text"),
        ("date,y\n1,2\n3,4,5\n", "line 3 .* has 3 cells, expected 2"),
        ("date,y\n1,2,3\n4,5,6\n", "have more cells than the 2 columns its header names"),
        ("date,y\n0,2,3\n1,5\n", "have more cells than the 2 columns its header names"),
        ('date,y\n1,"2\n3,4\n', "quote opened on line 2 .* never closed"),
        ("date,y,y\n1,2,3\n", "names more than one column 'y'"),
        ("date;y\n1;2\n", "seems to be separated by ';', expected ','"),
        ("date\ty\n1\t2\n", "seems to be separated by tabs"),
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
    with pytest.raises(NotFoundError, match="is a folder") as caught:
        read_table(tmp_path)
    assert "sales.csv" in caught.value.hint
    with pytest.raises(SettingError, match=r"cannot tell the format .* expected one of \.csv"):
        read_table(write(tmp_path, TABLE, "sales.xlsx"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_permission_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE)
    path.chmod(0)
    with pytest.raises(NotFoundError, match=r"cannot read .* Permission denied"):
        read_table(path)


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
