"""Write a table to a file whose suffix names the format: CSV, JSON, Parquet.

Each format is one function and one entry of :data:`WRITERS`, which needs no pandas, so that a help text can name the
formats.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from forecaster.errors import DataError
from forecaster.system.files import check_free, json_text, write_file
from forecaster.words import one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def save_table(table: pd.DataFrame, path: str | Path, force: bool = False) -> Path:
    """Write a table to a file, whole or not at all, in the format of its suffix.

    The bytes are those that the command line writes for the same table. An index that is more than row numbers is
    written as columns.

    Args:
        table: a forecast, a backtest, a summary, or any other table.
        path: a name that ends in a suffix of :data:`WRITERS`; a device such as ``/dev/stdout`` takes CSV.
        force: replace an existing file.

    Returns:
        Path: the path written.

    Raises:
        SettingError: the suffix is unknown, the file exists and ``force`` is False, or it is a folder.
        DataError: it is not a DataFrame, two columns have the same name, or the format cannot hold its values.
        ForecasterError: the file cannot be written; an older one stays as it was.

    Example:
        >>> from forecaster import Forecaster, save_table
        >>> save_table(Forecaster.load("forecaster-model").predict(), "forecast.parquet")  # doctest: +SKIP
    """
    check_path(path, force)
    writer = writer_of(path)
    try:
        return write_file(path, writer.pieces(_keep_index(table)), force)
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise DataError(f"the table cannot be written as {writer.name}: {one_line(error)}") from None


def check_path(path: str | Path, force: bool = False) -> None:
    """Refuse a path that :func:`save_table` would refuse, before work is spent on its table.

    Raises:
        SettingError: the suffix is unknown (the hint names those of :data:`WRITERS`), the file exists and ``force`` is
            False, or it is a folder.
        ForecasterError: its folder does not exist or is a file, or the system has no such names.
    """
    is_device = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    check_free(path, force, () if is_device else WRITERS)


def writer_of(path: str | Path) -> Writer:
    """Return the writer for the suffix of a path; that of CSV for a device, which has none."""
    return WRITERS.get(Path(path).suffix.lower(), WRITERS[".csv"])


def format_names() -> str:
    """Return the formats for a sentence: ``"CSV, JSON or Parquet"``."""
    *others, last = dict.fromkeys(writer.name for writer in WRITERS.values())
    return f"{', '.join(others)} or {last}" if others else last


def _keep_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that keeps in columns an index that is more than row numbers, its column names as text."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise DataError(f"a table to write is a DataFrame, not {type(table).__name__}", "make one with: pd.DataFrame")
    index = table.index
    if index.nlevels > 1 or index.name is not None or (index.dtype.kind not in "iu" and len(index)):
        unnamed = "time" if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) else "index"
        table = table.reset_index(names=unnamed if index.nlevels == 1 and index.name is None else None)
    if not table.columns.is_unique:
        raise DataError("the table has two columns of one name", "give every column its own name")
    named = table.copy(deep=False)
    named.columns = pd.Index([str(name) for name in table.columns])
    return named


def text_time(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its times as text: dates alone if every time is midnight, else with the offset from UTC."""
    import numpy as np

    shown = table.copy(deep=False)
    for place, name in enumerate(table.columns):
        if table.dtypes.iloc[place].kind == "M":
            codes, texts = _factors(table[name])
            shown[name] = np.array([*texts, np.nan], object)[codes]
    return shown


def _factors(column: pd.Series) -> tuple[np.ndarray, Iterable[Any]]:
    """Return the code of each row's value, -1 for a missing one, and the distinct values, times as text."""
    import numpy as np

    codes, values = column.factorize()
    found = _time_text(values.to_series()) if column.dtype.kind == "M" else values
    return codes.astype(np.int32), np.asarray(found)


def _time_text(times: pd.Series) -> pd.Series:
    zone = times.dt.tz
    plain = times.dt.tz_localize(None) if zone is not None else times
    midnight = bool((plain == plain.dt.normalize()).all()) and zone is None
    whole = bool((plain.dt.microsecond == 0).all())
    text = plain.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S" + ("" if whole else ".%f"))
    if zone is None:
        return text
    return text + times.dt.strftime("%z").str.replace(r"(\d\d)$", r":\1", regex=True).replace("+00:00", "Z")


def csv_pieces(table: pd.DataFrame) -> Iterator[bytes | memoryview]:
    """Yield a table as CSV: the text that ``to_csv`` of pandas writes, in pieces and five times as fast."""
    import numpy as np
    import pyarrow.compute as pc

    yield (",".join(map(_cell, table.columns)) + "\n").encode()
    columns = [_cells(table[name]) for name in table.columns]
    for first in range(0, len(table), ROWS_AT_ONCE):
        texts = [cells(slice(first, first + ROWS_AT_ONCE)) for cells in columns]
        lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*texts, ","), "", "\n")
        _, bounds, text = lines.buffers()
        yield memoryview(text)[: np.frombuffer(bounds, np.int32)[len(lines)]]


#: Rows of a table that are written at once; bounds memory.
ROWS_AT_ONCE = 20_000


def _cells(column: pd.Series) -> Callable[[slice], Any]:
    """Return a function that maps a slice of rows to the column's cells there, as an Arrow array of text."""
    import numpy as np
    import pyarrow as pa
    from pandas.api.types import infer_dtype

    if column.dtype == "float64":
        numbers = column.to_numpy()
        return lambda rows: _numbers(numbers[rows])
    if column.dtype.kind == "f":
        return lambda rows: pa.array(["" if x != x else str(x) for x in column.to_numpy()[rows]], pa.string())
    mixed = column.dtype == object and infer_dtype(column) != "string"
    if mixed or column.dtype.kind == "m":  # factorize takes 1 and True for one value, and spans for nanoseconds
        cells = np.array(["" if gone else _cell(value) for value, gone in zip(column, column.isna(), strict=True)])
        return lambda rows: pa.array(cells[rows], pa.string())
    codes, values = _factors(column)
    texts = pa.array([*map(_cell, values), ""], pa.string())
    codes[codes < 0] = len(texts) - 1
    return lambda rows: texts.take(pa.array(codes[rows]))


def _numbers(values: np.ndarray) -> Any:
    """Return numbers as ``repr`` writes them, empty for NaN; Arrow writes most of them the same, and faster."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    size = np.abs(values)
    with np.errstate(invalid="ignore"):  # some kinds of NaN
        alike = (size >= 1e-4) & (size < 1e10) & (values != np.trunc(values))
    texts = pa.array(values).cast(pa.string())
    if alike.all():
        return texts
    others = ["" if value != value else repr(value) for value in values[~alike].tolist()]
    return pc.replace_with_mask(texts, pa.array(~alike), pa.array(others, pa.string()))


def _cell(value: Any) -> str:
    """Return a value as a cell of CSV, quoted where needed."""
    import csv
    import io

    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow([value, ""])
    return sink.getvalue()[: -len(",\n")]


def _json_pieces(table: pd.DataFrame) -> Iterator[bytes]:
    yield (json_text(text_time(table).to_dict(orient="records")) + "\n").encode()


def _parquet_pieces(table: pd.DataFrame) -> Iterator[bytes]:
    import io

    sink = io.BytesIO()
    table.to_parquet(sink, index=False)
    yield sink.getvalue()


class Writer(NamedTuple):
    """A format that tables are written in.

    Attributes:
        name: for people.
        pieces: makes the content of a file from a table; it imports what it needs when it is called.
    """

    name: str
    pieces: Callable[[pd.DataFrame], Iterable[bytes | memoryview]]


#: The format of each suffix.
WRITERS: dict[str, Writer] = {
    ".csv": Writer("CSV", csv_pieces),
    ".json": Writer("JSON", _json_pieces),
    ".parquet": Writer("Parquet", _parquet_pieces),
}
