"""Read JSON and JSON lines; nothing is interpreted, dates and ids stay text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecaster.data.readers.arrow import array_of, table_of
from forecaster.data.readers.compression import Stored
from forecaster.data.readers.dataframe import frame_of
from forecaster.data.readers.origin import set_origin
from forecaster.errors import DataError
from forecaster.words import one_line

if TYPE_CHECKING:
    from forecaster.data.readers.sources import Source

_ROWS = 50_000  # read at once

_SHAPES = 'expected a list of records, [{...}, {...}], or columns, {"date": [...], "y": [...]}'


def read_json_lines(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table with one record per line; the label of a row is its line number less two.

    Args:
        stored: its bytes, UTF-8.
        source: not used.
        columns: keep only these.

    Raises:
        DataError: a line is not a record, or there is none.
    """
    pieces, names, labels = dict[str, list[Any]](), dict[str, None](), list[np.ndarray]()
    try:
        with io.TextIOWrapper(stored.open(), "utf-8-sig") as text:
            records = _records(text, stored.name)
            while chunk := list(islice(records, _ROWS)):
                names.update(dict.fromkeys(name for _, record in chunk for name in record))
                wanted = [n for n in names if columns is not None and n in set(columns)] or list(names)
                _add_records(pieces, chunk, wanted, sum(map(len, labels)), stored.name)
                labels.append(np.array([line - 2 for line, _ in chunk]))
    except UnicodeDecodeError as error:
        raise DataError(f"{stored.name} is not UTF-8 text: {error.reason}", "JSON lines are UTF-8") from None
    if not pieces:
        raise DataError(f"{stored.name} is empty" if not labels else f"no record of {stored.name} has a name")
    frame = table_of({n: pieces[n] for n in pieces if columns is None or n in set(columns)} or pieces)
    frame.index = pd.Index(np.concatenate(labels))
    return set_origin(frame, names, lines=True)


def _records(lines: Iterable[str], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the record on each line that is not blank, with the number of the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"line {number} of {name} is not JSON: {one_line(error)}"
            raise DataError(message, "each line is one record, {...}") from None
        if not isinstance(record, dict):
            raise DataError(f'line {number} of {name} is not a record: expected {{"name": value, ...}}')
        yield number, record


def _add_records(
    pieces: dict[str, list[Any]], chunk: list[tuple[int, dict[str, Any]]], wanted: list[str], rows: int, name: str
) -> None:
    """Add the values of some records to the pieces of each column; a new column was empty so far."""
    import pyarrow as pa

    for column in wanted:
        values = [record.get(column) for _, record in chunk]
        nested = next((i for i, value in enumerate(values) if isinstance(value, (dict, list))), None)
        if nested is not None:
            raise _nested_error(column, name, f"line {chunk[nested][0]}")
        before = [] if column in pieces or not rows else [pa.nulls(rows)]
        pieces.setdefault(column, before).append(array_of(values))


def _nested_error(column: str, name: str, place: str) -> DataError:
    return DataError(
        f"column '{column}' of {name}, {place}: holds a list or a record, expected a number, a time or text",
        "flatten it first",
    )


def read_json(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table in a JSON document: records, columns, or the output of ``DataFrame.to_json``.

    Args:
        stored: its bytes.
        source: not used.
        columns: keep only these.

    Raises:
        DataError: it is not JSON, or not a table.
    """
    try:
        with stored.open() as handle:
            document = json.loads(handle.read().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"line {error.lineno} of {stored.name} is not JSON: {error.msg}", _lines_hint(stored)) from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{stored.name} is not JSON: {one_line(error)}") from None
    try:
        frame = _table(document, stored.name)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{stored.name} is JSON but not a table: {one_line(error)}; {_SHAPES}") from None
    names = [str(n) for n in frame.columns]
    return _check_cells(_select(frame.set_axis(names, axis=1), columns), stored.name, names)


def _lines_hint(stored: Stored) -> str:
    return "if every line is a record by itself, name it .jsonl" if stored.head(1) == b"{" else ""


def _table(document: Any, name: str) -> pd.DataFrame:
    if isinstance(document, dict) and set(document) >= {"columns", "data"} and isinstance(document["data"], list):
        return pd.DataFrame(document["data"], columns=document["columns"])
    while isinstance(document, dict):  # {"data": [...]}, as web services send
        inner = [value for value in document.values() if isinstance(value, list) and value]
        if len(inner) == 1 and all(isinstance(row, dict) for row in inner[0]):
            document = inner[0]
        else:
            break
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        return pd.DataFrame.from_records(document)
    if isinstance(document, dict) and document and all(isinstance(v, (list, dict)) for v in document.values()):
        return pd.DataFrame(document)
    raise DataError(f"{name} is JSON but not a table: {_SHAPES}")


def _select(frame: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    kept = [n for n in frame.columns if columns is not None and n in set(columns)]
    return frame[kept] if kept else frame


def _check_cells(frame: pd.DataFrame, name: str, names: list[str]) -> pd.DataFrame:
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{name} has no rows")
    for column in frame.columns:
        if frame[column].dtype == object and (nested := frame[column].map(lambda v: isinstance(v, (dict, list)))).any():
            raise _nested_error(column, name, f"row {frame.index[int(np.flatnonzero(nested)[0])]}")
    return set_origin(frame_of(frame), names)
