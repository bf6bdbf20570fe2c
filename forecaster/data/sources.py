"""From a file, standard input or a bundled data set to a DataFrame: nothing is interpreted, dates stay text."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import pandas as pd
from pandas.errors import DtypeWarning, ParserError, ParserWarning

from forecaster.errors import DataError, NotFoundError, SettingError, nearest

_HEAD = 1 << 20  # bytes looked at before a text file is parsed


def read_table(source: str | Path) -> pd.DataFrame:
    """Return the rows of a table as they are written.

    Row ``i`` of a text file keeps the index label ``i`` of its line ``i + 2`` (the header is line 1) also where blank
    lines were skipped, and ``frame.attrs["lines"]`` is True, so that :func:`where` can name the line.

    Args:
        source: a path with a suffix of :data:`READERS`, ``-`` for CSV on standard input, or ``dataset:NAME``.

    Raises:
        NotFoundError: there is no such file or data set, or it cannot be opened.
        SettingError: the suffix is unknown.
        DataError: the file is empty, has no rows, is not text, or its rows do not fit its header.
    """
    if str(source) == "-":
        return _read_csv(io.BytesIO(sys.stdin.buffer.read()), "standard input")
    path = _resolved(str(source))
    reader = READERS.get(_suffix(path))
    if reader is None:
        known = ", ".join(READERS)
        raise SettingError(
            f"cannot tell the format of '{path}' from its name, expected one of {known}",
            "rename it, or pipe CSV in with '-' as the table",
        )
    try:
        return reader(path)
    except OSError as error:
        raise NotFoundError(f"cannot read '{path}': {error.strerror or error}") from None


def frame_of(data: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Return a table whose times are a column, whatever the caller's index was.

    A ``DatetimeIndex``, a ``PeriodIndex`` (its starts) and a ``MultiIndex`` become columns, an unnamed one ``time``. A
    Series becomes its value column, beside ``step`` (0, 1, 2, ...) where its index holds no times.

    Args:
        data: a table, or one series of readings.

    Raises:
        DataError: it is no table, is empty, or two columns have one name.
    """
    if not isinstance(data, (pd.DataFrame, pd.Series)):
        raise DataError(
            f"a table is needed, not {type(data).__name__}", "give a pandas DataFrame or Series, or the path of a file"
        )
    frame = (
        data.to_frame(name="value" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    )
    if isinstance(frame.index, pd.PeriodIndex):
        frame = frame.set_axis(frame.index.to_timestamp(), axis=0)
    if isinstance(frame.index, pd.MultiIndex):
        frame = frame.reset_index()
    elif isinstance(frame.index, pd.DatetimeIndex):
        frame = _with_index(frame, str(frame.index.name or "time"))
    elif isinstance(data, pd.Series):
        frame = _with_index(frame.reset_index(drop=True), "step")
    names = [str(name) for name in frame.columns]
    _check_names(names, "the table")
    if not len(frame):
        raise DataError("the table has no rows")
    return frame if names == list(frame.columns) else frame.set_axis(names, axis=1)


def where(frame: pd.DataFrame | pd.Series, position: int) -> str:
    """Return ``"line 17"`` for a row of a text file, ``"row 15"`` (its index label) for any other table."""
    label = frame.index[position]
    return f"line {label + 2}" if frame.attrs.get("lines") else f"row {label}"


def _with_index(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if name in frame.columns:
        raise DataError(f"the index and a column are both named '{name}'", "rename one of them")
    return frame.rename_axis(index=name).reset_index()


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names in quotes for a message, at most eight of them."""
    names = [f"'{name}'" for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def plural(count: int, noun: str) -> str:
    """Return ``"1 row"``, ``"2,000 rows"``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _resolved(source: str) -> Path:
    if source.startswith("dataset:"):
        from forecaster.data.catalog import dataset_path

        return Path(dataset_path(source.removeprefix("dataset:")))
    path = Path(source).expanduser()
    if path.is_dir():
        raise NotFoundError(f"'{path}' is a folder, expected a file", f"name a file in it, such as {_example(path)}")
    if not path.exists():
        raise NotFoundError(f"there is no file '{path}'", _neighbour(path))
    return path


def _example(folder: Path) -> str:
    readable = sorted(str(p) for p in folder.iterdir() if _suffix(p) in READERS)
    return readable[0] if readable else f"{folder / 'table.csv'}"


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder '{path.parent}' either"
    return nearest(path.name, tuple(sorted(p.name for p in path.parent.iterdir() if p.is_file())))


def _suffix(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    opener: Callable[..., IO[bytes]] = gzip.open if _suffix(path).endswith(".gz") else open  # type: ignore[assignment]
    with opener(path, "rb") as handle:
        return _read_csv(handle, f"'{path}'", separator)


def _read_csv(handle: IO[bytes], name: str, separator: str = ",") -> pd.DataFrame:
    try:
        header, codes = _header(handle, name, separator)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DtypeWarning)  # a column of numbers and text is reported by its line later
            warnings.simplefilter("error", ParserWarning)  # cells beyond the header's columns would be lost
            frame = pd.read_csv(
                handle,
                sep=separator,
                skipinitialspace=True,
                skip_blank_lines=False,
                index_col=False,
                header=0,
                names=header,
                dtype=dict.fromkeys(codes, str),
            )
    except ParserWarning:
        raise DataError(f"the rows of {name} have more cells than the {len(header)} columns its header names") from None
    except ParserError as error:
        raise _ragged(str(error), name) from None
    except UnicodeDecodeError:
        raise DataError(f"{name} is not UTF-8 text", "convert it first: iconv -f latin1 -t utf-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file: {error}") from None
    frame = _without_blank_lines(frame.set_axis(header, axis=1))
    if not len(frame):
        raise DataError(f"{name} has column names but no rows")
    frame.attrs["lines"] = True
    return frame


#: Names of columns that hold one part of a time: none is a time or a target by itself, and the zero of month 01 means
#: nothing.
PART_NAMES = ("year", "quarter", "month", "week", "day", "weekday", "dayofweek", "hour", "minute", "second")


def _header(handle: IO[bytes], name: str, separator: str) -> tuple[list[str], set[str]]:
    """Return the column names, and which columns hold codes such as 007, whose zeros a number would lose."""
    head = handle.read(_HEAD)
    handle.seek(0)
    if head.startswith(b"\x1f\x8b"):
        raise DataError(f"{name} is compressed", "give it a name that ends in .csv.gz")
    if b"\0" in head:
        raise DataError(f"{name} is not text: it holds NUL bytes", f"expected one of {', '.join(READERS)}")
    if not head.strip():
        raise DataError(f"{name} is empty")
    text = io.StringIO(head.decode("utf-8-sig", errors="ignore"), newline="")
    rows = csv.reader(text, delimiter=separator, skipinitialspace=True)
    try:
        names = [cell.strip() for cell in next(rows)]
    except csv.Error as error:
        raise DataError(f"line 1 of {name} holds no column names: {error}") from None
    if not any(names):
        raise DataError(f"line 1 of {name} is blank, expected column names separated by '{separator}'")
    for other in ";\t|,":
        if len(names) == 1 and other in names[0]:
            shown = "tabs" if other == "\t" else f"'{other}'"
            raise DataError(f"{name} seems to be separated by {shown}, expected '{separator}'", "save it as plain CSV")
    names = [cell or f"unnamed {i + 1}" for i, cell in enumerate(names)]
    _check_names(names, f"line 1 of {name}")
    try:
        cells = [(n, cell) for row in rows for n, cell in zip(names, row, strict=False)]
    except csv.Error:
        return names, set()
    return names, {n for n, cell in cells if re.fullmatch(r"0\d+", cell) and n.lower() not in PART_NAMES}


def _check_names(names: list[str], place: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{place} names more than one column {listed(twice)}", "give every column its own name")


def _ragged(message: str, name: str) -> DataError:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, saw = found.groups()
        return DataError(f"line {line} of {name} has {saw} cells, expected {expected} as in the header")
    found = re.search(r"EOF inside string starting at row (\d+)", message)
    if found:
        return DataError(f"a quote opened on line {int(found[1]) + 1} of {name} is never closed")
    return DataError(
        f"{name} cannot be read as a table: {message.removeprefix('Error tokenizing data. C error: ').strip()}"
    )


def _without_blank_lines(frame: pd.DataFrame) -> pd.DataFrame:
    blank = frame.iloc[:, 0].isna()
    for column in frame.columns[1:]:
        if not blank.any():
            return frame
        blank &= frame[column].isna()
    return frame[~blank] if blank.any() else frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        return frame_of(pd.read_parquet(path, engine="pyarrow"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"'{path}' is not a Parquet file that can be read: {error}") from None


#: What a file's suffix says about how to read it.
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: _read_text(path, ","),
    ".csv.gz": lambda path: _read_text(path, ","),
    ".txt": lambda path: _read_text(path, ","),
    ".tsv": lambda path: _read_text(path, "\t"),
    ".parquet": _read_parquet,
}
