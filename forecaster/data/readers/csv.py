"""Read CSV and its dialects: delimiter, decimal mark and encoding are inferred, and reported."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from pandas.errors import DtypeWarning, EmptyDataError, ParserError, ParserWarning

from forecaster.data.readers.compression import Stored
from forecaster.data.readers.csv_layout import BLANKS, Layout, find_layout, parse_delimiter, split_rows
from forecaster.data.readers.csv_numbers import (
    MISSING,
    ColumnPlan,
    Writing,
    parse_number_columns,
    plan_columns,
    writing_note,
)
from forecaster.data.readers.origin import add_note, all_columns, set_origin
from forecaster.errors import DataError, SettingError
from forecaster.notes import Note, notes_of
from forecaster.words import plural, quote_names, setting

if TYPE_CHECKING:
    from forecaster.data.readers.sources import Source
from forecaster.system.warning_filters import own_warning_filters

_HEAD = 1 << 20  # bytes looked at before a text file is parsed

#: Bytes of a line at most, in UTF-8: names of 300,000 columns and more fit, and no file without lines fills the memory.
LONGEST_LINE = 16 << 20

#: Encodings by the bytes that a file begins with, and those tried one after the other where it begins with none.
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_TRIED = ("utf-8", "cp1252", "latin-1")

_LINE_END = re.compile(rb"\r\n|\n|\r")


def read_csv(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a text table whose delimiter needs no note if it is a comma; see :func:`read_text`."""
    return read_text(stored, source, columns, ",")


def read_tsv(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a text table whose delimiter needs no note if it is a tab; see :func:`read_text`."""
    return read_text(stored, source, columns, "\t")


def read_text(stored: Stored, source: Source, columns: Sequence[str] | None, usual: str) -> pd.DataFrame:
    """Return the rows of a text table; dates stay text.

    The index label of a row is its line number less two, also below comments and blank lines that were skipped, and
    ``frame.attrs`` holds ``lines`` (True), ``columns`` (all that the file has) and ``notes``.

    Args:
        stored: its bytes.
        source: its ``delimiter``, ``decimal`` and ``encoding``, each None to be inferred.
        columns: read only these; names that the file does not have are ignored.
        usual: the delimiter that needs no note.

    Raises:
        SettingError: an unknown encoding, or an impossible delimiter.
        DataError: the file is empty, has no rows, is not text, has a line longer than :data:`LONGEST_LINE`, or its rows
            do not fit its header.
    """
    with stored.open() as handle:
        start = handle.read(4)
    mark = next((m for m in _MARKS if start.startswith(m)), b"")
    encoding = source.encoding
    tried = (_codec_name(encoding),) if encoding else (_MARKS[mark],) if mark else _TRIED
    given, failed = parse_delimiter(source.delimiter), None
    for name in tried:
        text = _Text(stored, name, len(mark), given, source.decimal, usual)
        try:
            frame = text.read(columns)
        except UnicodeDecodeError as error:
            failed = failed or error
            continue
        if failed and not encoding:
            add_note(frame, _encoding_note(name, failed))
        elif name.startswith("utf-16") and not encoding:
            add_note(frame, Note("encoding", "UTF-16", "by its first two bytes"))
        return frame
    shown = tried[0].upper() if tried[0].startswith("utf") else tried[0]
    raise DataError(f"{stored.name} is not {shown} text: {failed}", f"name its encoding: {setting('encoding', 'NAME')}")


def _codec_name(encoding: str) -> str:
    """Return the name of a codec as Python writes it; UTF-8 also for its kin."""
    try:
        name = codecs.lookup(encoding).name
        "a".encode(name)
    except (LookupError, ValueError, TypeError):
        raise SettingError(f"unknown encoding '{encoding}'", "such as utf-8, cp1252, latin-1, utf-16, cp1251") from None
    return "utf-8" if name in ("utf-8-sig", "ascii") else name


def _encoding_note(name: str, failed: UnicodeDecodeError) -> Note:
    byte = failed.object[failed.start]
    return Note("encoding", name, f"byte 0x{byte:02X} is not UTF-8; {setting('encoding')} overrides", warning=True)


@dataclass
class _BodyCounts:
    """Line ends and quotes in the body of a text file, counted while it is parsed."""

    newlines: int = 0
    quotes: bool = False


class _Utf8(io.RawIOBase):
    """Turns bytes of any encoding into UTF-8, counts what comes by, and refuses a line without end."""

    def __init__(self, stream: IO[bytes], encoding: str, name: str, counted: _BodyCounts) -> None:
        self._stream, self._name, self._counted, self._left = stream, name, counted, b""
        self._line, self._ends = 0, {b"\n": 0, b"\r": 0}
        self._decoder = codecs.getincrementaldecoder(encoding)() if encoding != "utf-8" else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            data = self._stream.read(len(buffer))
            self._left = self._decoder.decode(data, final=not data).encode() if self._decoder else data
            if b"\0" in self._left:
                raise _not_text(self._name)
            if not data:
                break
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        self._counted.newlines += taken.count(b"\n")
        self._counted.quotes = self._counted.quotes or b'"' in taken
        self._refuse_endless(taken)
        return len(taken)

    def _refuse_endless(self, taken: bytes) -> None:
        ends = 1 + max(taken.rfind(b"\n"), taken.rfind(b"\r"))
        self._line = len(taken) - ends + (0 if ends else self._line)
        for mark in self._ends:
            self._ends[mark] += taken.count(mark)
        if self._line > LONGEST_LINE:
            raise DataError(
                f"line {1 + max(self._ends.values()):,} of {self._name} is longer than "
                f"{LONGEST_LINE >> 20} MB, expected one row of a table",
                "check that the file is text with one line per row; turn very many columns into rows, or give fewer",
            )

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _PrefixedStream(io.RawIOBase):
    """A stream of some bytes followed by another stream."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first, self._stream = first, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._first[: len(buffer)] or self._stream.read(len(buffer))
        self._first = self._first[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _not_text(name: str) -> DataError:
    return DataError(
        f"{name} is not text: it holds NUL bytes",
        f"expected CSV; UTF-16 without its mark needs {setting('encoding', 'utf-16')}",
    )


@dataclass
class _Text:
    """A text file in one encoding."""

    stored: Stored
    encoding: str
    mark: int
    given: str | None
    decimal: str | None
    usual: str
    layout: Layout = field(init=False)
    plan: ColumnPlan = field(init=False)
    counted: _BodyCounts = field(init=False, default_factory=_BodyCounts)

    @property
    def name(self) -> str:
        return self.stored.name

    def read(self, columns: Sequence[str] | None) -> pd.DataFrame:
        self.layout = find_layout(self._head(), self.name, self.given, self.usual)
        names = self.layout.names
        rows = self.layout.rows
        self.plan = plan_columns({n: {r[i] for r in rows if i < len(r)} for i, n in enumerate(names)}, self.decimal)
        wanted = [n for n in names if n in set(columns)] if columns is not None else []
        frame = self._parse(wanted or names, self.plan.kinds)
        if not len(frame):
            raise DataError(f"{self.name} has column names but no rows")
        frame, notes = self._settle_columns(frame)
        frame = self._label_rows(frame)
        frame = _drop_blank_lines(_drop_empty_columns(self._strip_padding(frame)))
        if not len(frame):
            raise DataError(f"{self.name} has column names but no rows")
        notes += self._check_short_rows(frame, names)
        return set_origin(frame, names if wanted else frame.columns, (*self.layout.notes, *notes), lines=True)

    def _open(self) -> io.BufferedReader:
        stream = self.stored.open()
        stream.read(self.mark)
        self.counted = _BodyCounts()
        return io.BufferedReader(_Utf8(stream, self.encoding, self.name, self.counted), 1 << 18)

    def _head(self) -> str:
        with self._open() as stream:
            pieces = [stream.read(_HEAD)]
            cut = len(pieces[0]) == _HEAD
            while cut and not _LINE_END.search(pieces[-1]):
                pieces.append(stream.read(_HEAD))
                cut = bool(pieces[-1])
        head = b"".join(pieces)
        if not head.strip():
            raise DataError(f"{self.name} is empty")
        if cut:
            head = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1]
        return head.decode("utf-8")

    def _body(self) -> IO[bytes]:
        """Open the rows, below a line that has as many cells as there are columns."""
        stream = self._open()
        head, ends = b"", 0
        for _ in range(self.layout.lines):
            at = ends
            while True:
                found = _LINE_END.search(head, at)
                if found and found.end() < len(head):
                    break
                more = stream.read(_HEAD)
                if not more:
                    break
                at = found.start() if found else len(head)
                head += more
            ends = found.end() if found else len(head)
        self.counted.newlines -= head[:ends].count(b"\n")
        joint = " " if self.layout.delimiter == BLANKS else self.layout.delimiter
        line = joint.join(f"c{i}" for i in range(len(self.layout.names))).encode() + b"\n"
        return io.BufferedReader(_PrefixedStream(line + head[ends:], stream), 1 << 18)

    def _parse(self, wanted: list[str], kinds: dict[str, str], strict: bool = True) -> pd.DataFrame:
        names = self.layout.names
        partly = len(wanted) < len(names)
        try:
            with self._body() as handle, own_warning_filters():
                warnings.simplefilter("ignore", DtypeWarning)  # a column of numbers and text is settled later
                # cells beyond the header's columns would be lost
                warnings.simplefilter("error" if strict else "ignore", ParserWarning)
                return pd.read_csv(
                    handle,
                    sep=self.layout.delimiter,
                    skipinitialspace=True,
                    skip_blank_lines=False,
                    index_col=False,
                    header=0,
                    names=names,
                    usecols=wanted if partly else None,
                    decimal=self.plan.decimal,
                    dtype={n: str for n in wanted if kinds[n] != "number"},
                    keep_default_na=False,
                    na_values={n: [""] if kinds[n] in ("text", "unsettled") else list(MISSING) for n in wanted},
                )
        except ParserWarning:
            self._count_short()  # raises where the cells too many are not empty
            return self._parse(wanted, kinds, strict=False)
        except EmptyDataError:
            raise DataError(f"{self.name} has column names but no rows") from None
        except ParserError as error:
            raise _parser_error(str(error), self.name, self.layout.lines - 1) from None

    def _too_wide(self, line: int) -> DataError:
        columns = f"the {len(self.layout.names)} columns its header names"
        return DataError(f"the rows of {self.name} have more cells than {columns}, first on line {line}")

    def _settle_columns(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
        """Read columns that are not plain numbers after all again, as text, and decide by all of their cells."""
        kinds = self.plan.kinds
        native = [n for n in frame.columns if kinds[n] == "number"]
        again = [n for n in native if not (is_numeric_dtype(frame[n]) or is_bool_dtype(frame[n]))]
        columns = {n: frame[n] for n in frame.columns if kinds[n] == "unsettled"}
        if again:
            counted = self.counted
            reread = self._parse(again, {**kinds, **dict.fromkeys(again, "unsettled")})
            columns.update({n: reread[n] for n in again})
            self.counted = counted
        settled, notes = (
            parse_number_columns(columns, self.plan, self.decimal, self.layout.delimiter) if columns else ({}, [])
        )
        commas = [n for n in native if n not in again and frame[n].dtype.kind == "f"]
        if self.plan.decimal == "," and not self.decimal and commas:
            notes.insert(0, writing_note(Writing(",", ""), commas))
        return frame.assign(**settled) if settled else frame, notes

    def _strip_padding(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Strip the blanks that pad the cells of a column on the right."""
        at = {name: i for i, name in enumerate(self.layout.names)}
        for name in [n for n in frame.columns if not is_numeric_dtype(frame[n])]:
            if any(len(row) > at[name] and row[at[name]].endswith(" ") for row in self.layout.rows):
                frame[name] = frame[name].str.rstrip(" ")
        return frame

    def _label_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Label each row with its line number less two, also below cells that span several lines."""
        first = self.layout.lines - 1
        labels: Any = pd.RangeIndex(first, first + len(frame))
        if self.counted.newlines > len(frame) and self.counted.quotes:
            breaks = np.zeros(len(frame), np.int64)
            for name in frame.columns:
                if not is_numeric_dtype(frame[name]):
                    breaks += frame[name].astype(object).map(lambda c: c.count("\n") if isinstance(c, str) else 0)
            labels = np.arange(first, first + len(frame)) + np.append(0, np.cumsum(breaks)[:-1])
        return frame.set_axis(labels, axis=0)

    def _check_short_rows(self, frame: pd.DataFrame, names: list[str]) -> list[Note]:
        """Report rows that have fewer cells than the header; if only some columns are read, refuse longer ones."""
        last = frame.get(names[-1])
        partly, expected = len(frame.columns) < len(names), len(frame) * (len(names) - 1)
        if len(names) == 1 or not (partly or last is None or last.isna().any()):
            return []
        if self.layout.delimiter != BLANKS and not self.counted.quotes and self._count_delimiters() == expected:
            return []
        short, first = self._count_short()
        if not short:
            return []
        if short > len(frame) / 2:
            raise DataError(
                f"{plural(short, 'row')} of {self.name}, {short / len(frame):.0%} of them, have fewer cells than the "
                f"{len(names)} columns its header names, first on line {first}",
                f"name the delimiter with {setting('delimiter')}, or fix the file",
            )
        reason = f"they have fewer cells than the header, the others are read as empty; first on line {first}"
        return [Note("short rows", plural(short, "row"), reason, warning=True)]

    def _count_delimiters(self) -> int:
        """Count the delimiters between the cells."""
        mark, count = self.layout.delimiter.encode(), 1 - len(self.layout.names)  # less those of the line put above
        with self._body() as handle:
            while data := handle.read(1 << 18):
                count += data.count(mark)
        return count

    def _count_short(self) -> tuple[int, int]:
        """Return the number of rows with fewer cells than the header, and the line of the first."""
        width, short, first = len(self.layout.names), 0, 0
        with self._body() as handle, io.TextIOWrapper(handle, "utf-8", newline="") as text:
            begin = self.layout.lines
            try:
                for row, line in split_rows(text, self.layout.delimiter):
                    if line > 1 and any(row):
                        if len(row) > width + 1 or (len(row) == width + 1 and row[-1].strip()):
                            raise self._too_wide(begin)
                        if len(row) < width:
                            short, first = short + 1, first or begin
                    begin = self.layout.lines + line
            except csv.Error as error:
                raise DataError(f"line {begin} of {self.name}: {error}; a quote may never be closed") from None
        return short, first


def _parser_error(message: str, name: str, above: int) -> DataError:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, saw = map(int, found.groups())
        return DataError(f"line {line + above} of {name} has {saw} cells, expected {expected} as in the header")
    found = re.search(r"EOF inside string starting at row (\d+)", message)
    if found:
        return DataError(f"a quote opened on line {int(found[1]) + 1 + above} of {name} is never closed")
    shown = message.removeprefix("Error tokenizing data. C error: ").strip()
    return DataError(f"{name} cannot be read as a table: {shown}")


def _drop_empty_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop columns without name and values: each line begins or ends with the delimiter."""
    empty = [n for n in frame.columns if re.fullmatch(r"unnamed \d+", n) and frame[n].isna().all()]
    return frame.drop(columns=empty) if empty and len(empty) < len(frame.columns) else frame


def _drop_blank_lines(frame: pd.DataFrame) -> pd.DataFrame:
    blank = frame.iloc[:, 0].isna()
    for column in frame.columns[1:]:
        if not blank.any():
            return frame
        blank &= frame[column].isna()
    return frame[~blank] if blank.any() else frame


def read_texts(files: Iterable[Stored], source: Source, columns: Sequence[str] | None, usual: str) -> pd.DataFrame:
    """Return the rows of several text tables with the same header, one below the other.

    Args:
        files: their bytes, in order.
        source: as in :func:`read_text`.
        columns: read only these.
        usual: as in :func:`read_text`.

    Raises:
        DataError: a file has other columns than the first, or cannot be read by itself.
    """
    frames: list[pd.DataFrame] = []
    for stored in files:
        frame = read_text(stored, source, columns, usual)
        if frames and set(all_columns(frame)) != set(all_columns(frames[0])):
            raise DataError(
                f"{stored.name} has the columns {quote_names(all_columns(frame))}, others in the folder have "
                f"{quote_names(all_columns(frames[0]))}",
                "a folder is one table: move other tables out of it",
            )
        frames.append(frame)
    notes = {str(note): note for frame in frames for note in notes_of(frame)}
    columns = all_columns(frames[0])
    for frame in frames:
        frame.attrs = {}
    return set_origin(pd.concat(frames, ignore_index=True), columns, notes.values())
