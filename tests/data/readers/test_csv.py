from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecaster.data.readers import csv as csv_module
from forecaster.data.readers.dataframe import line_of
from forecaster.data.readers.sources import Source, read_table
from forecaster.errors import DataError, ForecasterError, SettingError

NAN = float("nan")


def zstd(data: bytes) -> bytes:
    sink = io.BytesIO()
    with pa.CompressedOutputStream(pa.PythonFile(sink, mode="w"), "zstd") as stream:
        stream.write(data)
        stream.flush()
        return sink.getvalue() if stream.closed else _closed(stream, sink)


def _closed(stream: pa.CompressedOutputStream, sink: io.BytesIO) -> bytes:
    sink.close = lambda: None  # type: ignore[method-assign]
    stream.close()
    return sink.getvalue()


COMPRESSORS = {"": lambda data: data, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


def read(folder: Path, text: str | bytes, name: str = "t.csv", **how: str) -> pd.DataFrame:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(Source(str(path), **how))  # type: ignore[arg-type]


def notes(frame: pd.DataFrame) -> dict[str, str]:
    return {note["name"]: note["value"] for note in frame.attrs["notes"]}


def warned(frame: pd.DataFrame) -> list[str]:
    return [note["name"] for note in frame.attrs["notes"] if note["warning"]]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("d;y\n2024-01-01;1\n2024-01-02;2.5\n", "';'"),
        ("d\ty\n2024-01-01\t1\n2024-01-02\t2.5\n", "tab"),
        ("d|y\n2024-01-01|1\n2024-01-02|2.5\n", "'|'"),
        ("d  y\n2024-01-01  1\n2024-01-02 2.5\n", "blanks"),
        ("d , y\n2024-01-01 , 1\n2024-01-02 , 2.5\n", None),
        ('d;"y"\n"2024-01-01";"1"\n"2024-01-02";"2.5"\n', "';'"),
        ("d;y\r\n2024-01-01;1\r\n2024-01-02;2.5\r\n", "';'"),
        ("d;y\r2024-01-01;1\r2024-01-02;2.5\r", "';'"),
        ("d;y;\n2024-01-01;1;\n2024-01-02;2.5;\n", "';'"),
        ("| d          | y   |\n| 2024-01-01 | 1   |\n| 2024-01-02 | 2.5 |\n", "'|'"),
    ],
)
def test_the_delimiter_is_found_out_and_told(text: str, delimiter: str | None, tmp_path: Path) -> None:
    frame = read(tmp_path, text)
    assert list(frame.columns) == ["d", "y"]
    assert frame["d"].tolist() == ["2024-01-01", "2024-01-02"]
    assert frame["y"].tolist() == [1, 2.5]
    assert notes(frame).get("delimiter") == delimiter
    assert [line_of(frame, i) for i in (0, 1)] == ["line 2", "line 3"]


def test_a_delimiter_is_taken_as_given(tmp_path: Path) -> None:
    frame = read(tmp_path, "a,b;c\n1,2;3\n", delimiter=";")
    assert list(frame.columns) == ["a,b", "c"]
    assert read(tmp_path, "a\tb\n1\t2\n", delimiter="tab").shape == (1, 2)
    assert "delimiter" not in notes(frame)
    for wrong in ("", "ab", "x", '"', "\n"):
        with pytest.raises(SettingError, match="the delimiter cannot be"):
            read(tmp_path, "a,b\n1,2\n", delimiter=wrong)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2", "-3,25"], [1.5, 2, -3.25]),
        (["1.234,5", "2", "-3,25"], [1234.5, 2, -3.25]),
        (["1.234.567", "1.000"], [1234567, 1000]),
        (["1,234.5", "7", "1,000,000"], [1234.5, 7, 1000000]),
        (["1 234,5", "12 345 678", "3"], [1234.5, 12345678, 3]),
        (["1\u00a0234,5", "1\u202f000"], [1234.5, 1000]),
        (["1'234.5", "2'000"], [1234.5, 2000]),
        (["\u22125,5", "+2,5"], [-5.5, 2.5]),
        (["1,5e3", "2"], [1500, 2]),
        (["0,123", "0,456"], [0.123, 0.456]),
        (["1.5", "NA", "-", "?", ".", "", "null", "None", "n/a", "--"], [1.5] + [NAN] * 9),
        (["1,5", "NA", "-", "?", ".", "", "null", "None", "n/a", "--"], [1.5] + [NAN] * 9),
        (["NA", "NA", "3"], [NAN, NAN, 3]),
        (["inf", "1"], [np.inf, 1]),
    ],
)
def test_numbers_are_read_in_the_ways_the_world_writes_them(
    cells: list[str], expected: list[float], tmp_path: Path
) -> None:
    frame = read(tmp_path, "d;y\n" + "".join(f"2024-01-0{i % 9 + 1};{cell}\n" for i, cell in enumerate(cells)))
    np.testing.assert_allclose(frame["y"].to_numpy(float), expected)


def test_each_column_is_read_in_its_own_way(tmp_path: Path) -> None:
    frame = read(tmp_path, "a;b;c;d;e\n1,5;1.5;1,234.5;007;01.02.2024\n2,5;2.25;2;x;02.02.2024\n")
    assert frame["a"].tolist() == [1.5, 2.5]
    assert frame["b"].tolist() == [1.5, 2.25]
    assert frame["c"].tolist() == [1234.5, 2]
    assert frame["d"].tolist() == ["007", "x"]
    assert frame["e"].tolist() == ["01.02.2024", "02.02.2024"]


def test_the_whole_column_decides_not_its_beginning(tmp_path: Path) -> None:
    thousands = "".join(f"{i};{1 + i % 9},{100 + i % 900}\n" for i in range(150_000))
    frame = read(tmp_path, f"k;y\n{thousands}0;1,25\n")
    assert frame["y"].iloc[0] == 1.1
    assert frame["y"].iloc[-1] == 1.25
    assert warned(frame) == []
    points = "".join(f"{i};{i}.5\n" for i in range(150_000))
    frame = read(tmp_path, f"k;y\n{points}0;1,250.75\n")
    assert frame["y"].iloc[-1] == 1250.75
    assert frame["y"].iloc[1] == 1.5


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("k;y\na;1,234\nb;5,678\n", None, [1.234, 5.678]),
        ('k,y\na,"1,234"\nb,"5,678"\n', None, [1234, 5678]),
        ("k;y;z\na;1,234;1.5\nb;5,678;2.5\n", None, [1234, 5678]),
        ('k,y,z\na,"1,234","1,5"\nb,"5,678","2,5"\n', None, [1.234, 5.678]),
        ("k;y\na;1,234\nb;5,678\n", ".", [1234, 5678]),
        ("k;y\na;1,234\nb;5,678\n", ",", [1.234, 5.678]),
        ("k;y;z\na;1.234;1,5\nb;5.678;2,5\n", None, [1234, 5678]),
        ("k;y;z\na;1.234;1,5\nb;5.678;2,5\n", ".", [1.234, 5.678]),
        ("k;y\na;1.234\nb;5.678\n", ",", [1234, 5678]),
    ],
)
def test_cells_that_could_be_two_numbers_are_told_or_asked(
    text: str, decimal: str | None, expected: list[float], tmp_path: Path
) -> None:
    frame = read(tmp_path, text, **({"decimal": decimal} if decimal else {}))
    assert frame["y"].tolist() == expected
    assert warned(frame) == ([] if decimal else ["numbers"])
    with pytest.raises(SettingError, match="decimal mark cannot be ';'"):
        Source("t.csv", decimal=";")


def test_a_decimal_comma_is_told(tmp_path: Path) -> None:
    assert notes(read(tmp_path, "d;y\n1;1,5\n"))["numbers"] == "decimal ','"
    assert notes(read(tmp_path, 'd,y\n1,"1.234,5"\n'))["numbers"] == "decimal ',', '.' between thousands"
    assert read(tmp_path, "y\n1,5\n2,5\n")["y"].tolist() == [1.5, 2.5]


def test_a_stray_word_in_a_column_of_numbers_is_left_for_its_line_to_be_named(tmp_path: Path) -> None:
    rows = "".join(f"k;{i},5\n" for i in range(20))
    frame = read(tmp_path, f"d;y\n{rows}k;oops\nk;NA\n")
    assert frame["y"].tolist()[:2] == ["0.5", "1.5"]
    assert frame["y"].iloc[20] == "oops"
    assert pd.isna(frame["y"].iloc[21])


def test_missing_words_are_names_among_names_and_empty_among_numbers_and_times(tmp_path: Path) -> None:
    frame = read(tmp_path, "country,when,v\nNA,2024-01-01,1\nDE,NA,NA\n,2024-01-03,-\nNone,null,3\n")
    assert frame["country"].fillna("<>").tolist() == ["NA", "DE", "<>", "None"]
    assert frame["when"].isna().tolist() == [False, True, False, True]
    np.testing.assert_array_equal(frame["v"], [1, NAN, NAN, 3])


def test_missing_words_are_empty_among_truth_values(tmp_path: Path) -> None:
    frame = read(tmp_path, "d,b\n1,True\n2,NA\n3,False\n")
    assert frame["b"].isna().tolist() == [False, True, False]


def test_leading_zeros_of_ids_are_kept_and_those_of_months_are_not(tmp_path: Path) -> None:
    frame = read(tmp_path, "id,month,y\n007,01,1\n010,02,2\n")
    assert frame["id"].tolist() == ["007", "010"]
    assert frame["month"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "encoding", "warning"),
    [
        ("ort;y\nKöln;1\n".encode(), None, False),
        ("ort;y\nKöln;1\n".encode("utf-8-sig"), None, False),
        ("ort;y\nKöln;1\n".encode("utf-16"), "UTF-16", False),
        (b"\xfe\xff" + "ort;y\nKöln;1\n".encode("utf-16-be"), "UTF-16", False),
        ("ort;y\nKöln;1\n".encode("cp1252"), "cp1252", True),
        ("ort;y\nKöln;1\n".encode("latin-1") + b"\x81;2\n", "latin-1", True),
    ],
)
def test_the_encoding_is_found_out_and_told(data: bytes, encoding: str | None, warning: bool, tmp_path: Path) -> None:
    frame = read(tmp_path, data)
    assert list(frame.columns) == ["ort", "y"]
    assert frame["ort"].iloc[0] == "Köln"
    assert notes(frame).get("encoding") == encoding
    assert ("encoding" in warned(frame)) == warning


def test_bytes_that_are_not_utf8_far_down_are_found(tmp_path: Path) -> None:
    frame = read(tmp_path, b"k,y\n" + b"a,1\n" * 400_000 + "Köln,2\n".encode("cp1252"))
    assert frame["k"].iloc[-1] == "Köln"
    assert notes(frame)["encoding"] == "cp1252"


def test_an_encoding_is_taken_as_given(tmp_path: Path) -> None:
    frame = read(tmp_path, "город,y\nИжд,1\n".encode("cp1251"), encoding="cp1251")
    assert frame["город"].tolist() == ["Ижд"]
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read(tmp_path, "k,y\nKöln,1\n".encode("cp1252"), encoding="utf-8")
    for wrong in ("nonsense", "base64", "zip"):
        with pytest.raises(SettingError, match="unknown encoding"):
            read(tmp_path, "a,b\n1,2\n", encoding=wrong)


@pytest.mark.parametrize(
    ("text", "lines", "told"),
    [
        ("# made by X\n#\nd,y\n1,2\n\n3,4\n", ["line 4", "line 6"], {"comments": "2 lines skipped"}),
        ("# made by X\n\nd,y\n1,2\n3,4\n", ["line 4", "line 5"], {"comments": "2 lines skipped"}),
        ("# d,y\n1,2\n3,4\n", ["line 2", "line 3"], {"header": "line 1"}),
        ("# made\n# d,y\n1,2\n3,4\n", ["line 3", "line 4"], {"header": "line 2", "comments": "1 line skipped"}),
        ("Station 7\n\nd,y\n1,2\n3,4\n3,4\n", ["line 4", "line 5"], {"preamble": "2 lines skipped"}),
        ("Title; more\n\nd;y;z\n1;2;3\n3;4;5\n6;7;8\n", ["line 4", "line 5"], {"preamble": "2 lines skipped"}),
        ('d,y\n"1\n1",2\n3,4\n', ["line 2", "line 4"], {}),
        ("sep=;\nd;y\n1,5;2\n3;4\n", ["line 3", "line 4"], {"comments": "1 line skipped", "numbers": "decimal ','"}),
    ],
)
def test_what_stands_above_the_column_names_is_skipped_and_lines_stay_right(
    text: str, lines: list[str], told: dict[str, str], tmp_path: Path
) -> None:
    frame = read(tmp_path, text)
    assert list(frame.columns)[:2] == ["d", "y"]
    assert [line_of(frame, i) for i in (0, 1)] == lines
    assert {k: v for k, v in notes(frame).items() if k != "delimiter"} == told


def test_the_line_of_a_long_row_counts_the_comments_above(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 5 of .* has 3 cells, expected 2"):
        read(tmp_path, "# a\n# b\nd,y\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match=r"quote opened on line 5 .* never closed"):
        read(tmp_path, '# a\n# b\nd,y\n1,2\n1,"2\n')


def test_rows_shorter_than_the_header_are_counted_or_refused(tmp_path: Path) -> None:
    frame = read(tmp_path, "d,y,z\n1,2,3\n4,5\n\n6,7,8\n9\n1,1,1\n")
    assert notes(frame)["short rows"] == "2 rows"
    assert "first on line 3" in frame.attrs["notes"][0]["reason"]
    assert warned(frame) == ["short rows"]
    assert warned(read(tmp_path, "d,y\n1,\n2,\n,\n\n")) == []
    with pytest.raises(DataError, match=r"3 rows of .*, 75% of them, have fewer cells than the 3 columns .* line 2"):
        read(tmp_path, "d,y,z\n1,2\n4,5\n6,7,8\n9\n")


def test_only_the_columns_asked_for_are_read_and_rows_are_checked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,2,3\n4,5\n6,7,8\n")
    frame = read_table(path, ["c", "a", "nothing"])
    assert list(frame.columns) == ["a", "c"]
    assert frame.attrs["columns"] == ["a", "b", "c"]
    assert notes(frame)["short rows"] == "1 row"
    assert list(read_table(path, ["nothing"]).columns) == ["a", "b", "c"]
    path.write_text("a,b,c\n1,2,3\n4,5,6,7\n6,7,8\n")
    with pytest.raises(DataError, match="more cells than the 3 columns"):
        read_table(path, ["a"])
    assert notes(read(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8\n"))["short rows"] == "1 row"


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.v2", "t"])
def test_compressed_text_is_read_under_any_name(suffix: str, name: str, tmp_path: Path) -> None:
    mark = "\t" if name == "t.tsv" else ","
    data = COMPRESSORS[suffix]("d,y\n2024-01-01,1\n2024-01-02,2\n".replace(",", mark).encode())
    for called in (name + suffix, name):
        frame = read(tmp_path, data, called)
        assert frame["y"].tolist() == [1, 2]
        assert frame.attrs["notes"] == []


@pytest.mark.parametrize(("suffix", "kind"), [(".gz", "gzip"), (".bz2", "bzip2"), (".xz", "xz"), (".zst", "zstd")])
def test_a_damaged_compressed_file_is_refused(suffix: str, kind: str, tmp_path: Path) -> None:
    random.seed(1)
    whole = COMPRESSORS[suffix](("d,y\n" + "".join(f"{i},{random.random()}\n" for i in range(5000))).encode())
    for content in (whole[: len(whole) // 2], b"d,y\n1,2\n", b""):
        with pytest.raises(DataError, match=f"is not a whole {kind} file|is empty"):
            read(tmp_path, content, "t.csv" + suffix)


def test_a_decompression_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    block = b"2024-01-01T00:00:00,0.0000000000\n" * (1 << 19)
    bomb = gzip.compress(b"d,y\n") + gzip.compress(block) * 640  # 10 GB in 30 MB
    with pytest.raises(DataError, match=r"grows more than 200-fold .* stopped after 6\d MB") as caught:
        read(tmp_path, bomb, "t.csv.gz")
    assert "decompress it yourself" in caught.value.hint


WORDS = st.text(st.characters(codec="cp1252", exclude_categories=["C", "Z"], exclude_characters="#'\""), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[float | None], list[str]]:
    rows = draw(st.integers(2, 12))
    ids = draw(st.lists(WORDS.map(lambda w: "s" + w), min_size=rows, max_size=rows))
    numbers = st.one_of(st.none(), st.integers(-(10**7), 10**7).map(lambda n: n / 100))
    values = draw(st.lists(numbers, min_size=rows, max_size=rows))
    return ids, [0.25, *values[1:]], [f"2024-01-{i + 1:02d}" for i in range(rows)]


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    quoted=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    missing=st.sampled_from(["", "NA", "-", "null", "None", "?"]),
    suffix=st.sampled_from(sorted(COMPRESSORS)),
    comments=st.integers(0, 2),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_is_read_back_from_any_dialect(
    table: tuple[list[str], list[float | None], list[str]],
    delimiter: str,
    decimal: str,
    quoted: bool,
    encoding: str,
    missing: str,
    suffix: str,
    comments: int,
    end: str,
    tmp_path: Path,
) -> None:
    ids, values, days = table

    def cell(text: str) -> str:
        return f'"{text}"' if quoted or any(c in text for c in ",;|\t") else text

    written = [missing if v is None else f"{v:.2f}".replace(".", decimal) for v in values]
    rows = [["name", "date", "value"], *map(list, zip(ids, days, written, strict=True))]
    lines = ["# a comment"] * comments + [delimiter.join(cell(c) for c in row) for row in rows]
    data = COMPRESSORS[suffix]((end.join(lines) + end).encode(encoding))
    frame = read(tmp_path, data, "t.csv" + suffix)
    assert list(frame.columns) == ["name", "date", "value"]
    assert frame["name"].tolist() == ids
    assert frame["date"].tolist() == days
    np.testing.assert_allclose(frame["value"].to_numpy(float), [NAN if v is None else v for v in values], rtol=1e-12)
    assert line_of(frame, 0) == f"line {comments + 2}"
    assert set(warned(frame)) <= {"encoding"}


def test_mutated_text_files_end_in_a_table_or_one_clear_message(tmp_path: Path) -> None:
    generator = random.Random(7)
    rows = "".join(f"2024-01-{i % 28 + 1:02d};Köln {i % 3};{i},5;NA\n" for i in range(40))
    whole = ("# made\ndate;ort;y;z\n" + rows).encode()
    for i in range(600):
        data = bytearray(whole if i % 3 else COMPRESSORS[[".gz", ".bz2", ".xz", ".zst"][i % 4]](whole))
        for _ in range(generator.randint(1, 4)):
            at, what = generator.randrange(len(data)), generator.randrange(5)
            if what == 0:
                data[at] = generator.randrange(256)
            elif what == 1:
                del data[at : at + generator.randint(1, 30)]
            elif what == 2:
                data[at:at] = generator.choice(
                    [b'"', b";", b"\n", b"\0", b"\xff", b",", b"#", b"\r", b"\x1f\x8b", b"9" * 400]
                )
            elif what == 3:
                del data[at:]
            else:
                data[at:at] = data[generator.randrange(len(data)) :][:50]
            data = data or bytearray(b"x")
        try:
            frame = read(tmp_path, bytes(data), f"t{generator.choice(['.csv', '.csv.gz', '.tsv', '', '.txt.xz'])}")
        except ForecasterError as error:
            assert "\n" not in error.message
        else:
            assert len(frame)


@pytest.mark.parametrize(
    ("before", "end", "line", "suffix"),
    [("", "", 1, ""), ("", "", 1, ".gz"), ("d,y\n2024-01-01,1\n", "\n", 3, ""), ("d,y\r2024-01-01,1\r", "\r", 3, "")],
)
def test_a_line_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, end: str, line: int, suffix: str
) -> None:
    monkeypatch.setattr(csv_module, "LONGEST_LINE", 2 << 20)
    content = f"{before}{random.Random(0).randbytes(1 << 20).hex()}{{}}{end}"
    refused, passed = (COMPRESSORS[suffix](content.format(more).encode()) for more in ("x" * (1 << 20), ""))
    message = f"^line {line} of '.*t.csv{suffix}' is longer than 2 MB, expected one row of a table$"
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, refused, f"t.csv{suffix}")
    assert "one line per row" in error.value.hint
    try:
        read(tmp_path, passed, f"t.csv{suffix}")  # exactly so long
    except DataError as other:
        assert "is longer than" not in other.message


def test_a_long_line_of_names_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    class Counted:
        def search(self, text: bytes, begin: int = 0) -> object:
            looked.append(len(text) - begin)
            return line_end.search(text, begin)

    line_end = csv_module._LINE_END
    monkeypatch.setattr(csv_module, "_LINE_END", Counted())
    content = f"d,{'y' * 100_000},{' ' * (6 << 20)}z\n2024-01-01,1,2\n"
    assert len(read(tmp_path, content).columns) == 3
    assert sum(looked) < 4 * len(content)  # it is opened three times
