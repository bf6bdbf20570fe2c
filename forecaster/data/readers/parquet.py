"""Read Parquet and Arrow files, and folders of them, column by column, so that memory holds them once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd

from forecaster.data.readers.arrow import is_supported_type, is_text, return_memory, to_column, to_compact_array
from forecaster.data.readers.compression import Stored
from forecaster.data.readers.dataframe import check_names
from forecaster.data.readers.origin import set_origin
from forecaster.errors import DataError
from forecaster.notes import Note
from forecaster.words import one_line, quote_names

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from forecaster.data.readers.sources import Source

#: Bytes that any file may unfold to in memory, and the factor of its own size allowed beyond.
FREE_BYTES = 1 << 30
MOST_GROWTH = 200

_FORMAT_NAMES = {"parquet": "Parquet", "ipc": "Arrow"}


def read_parquet(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table in a Parquet file; see :func:`read_columnar`."""
    return read_columnar(stored, "parquet", columns)


def read_arrow(stored: Stored, source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table in an Arrow or Feather file; see :func:`read_columnar`."""
    return read_columnar(stored, "ipc", columns)


def read_columnar(stored: Stored, kind: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table in a Parquet, Arrow or Feather file.

    Args:
        stored: its bytes.
        kind: ``parquet`` or ``ipc``.
        columns: read only these; names that the file does not have are ignored.

    Raises:
        DataError: it is truncated, damaged, in another format, or unfolds beyond the bound.
    """
    try:
        return _read(_dataset_of(stored, kind), stored.name, stored.size(), kind, columns)
    except _errors() as error:
        raise _damage_error(stored.name, kind, error) from None


def read_columnar_folder(
    folder: Path, files: list[Path], kind: str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the table in a folder of Parquet or Arrow files; ``key=value`` in folder names becomes a column.

    Args:
        folder: where they are.
        files: the files in it and below, in order.
        kind: ``parquet`` or ``ipc``.
        columns: read only these.

    Raises:
        DataError: a file is damaged, or has other columns than the first.
    """
    import pyarrow.dataset as ds

    parts = [_Part(path, kind, folder) for path in files]
    schema = parts[0].schema
    for part in parts[1:]:
        schema = part.merge_schema(schema, parts[0])
    partitioning = _partitioning(folder, files)
    if partitioning:
        for name in partitioning.schema.names:
            if name in schema.names:
                raise DataError(
                    f"'{folder}' has a column '{name}' and folders named '{name}=...'", "rename one of them"
                )
        schema = _append_fields(schema, partitioning.schema)
    try:
        dataset = ds.dataset(
            [str(p) for p in files],
            schema=schema,
            format=_format(kind, schema),
            partitioning=partitioning,
            partition_base_dir=str(folder),
        )
        return _read(dataset, f"'{folder}'", sum(p.stat().st_size for p in files), kind, columns)
    except _errors() as error:
        raise _damage_error(f"'{folder}'", kind, error) from None


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors that Arrow raises for a damaged file; an OSError with an errno is the system's own."""
    import pyarrow as pa

    return (pa.ArrowException, ValueError, TypeError, KeyError, IndexError, NotImplementedError, MemoryError, OSError)


def _damage_error(name: str, kind: str, error: BaseException) -> BaseException:
    if isinstance(error, OSError) and error.errno is not None:
        return error
    what = _FORMAT_NAMES[kind]
    article = "an" if what == "Arrow" else "a"
    if "magic bytes" in str(error):
        return DataError(
            f"{name} is not {article} {what} file that can be read: it does not end as one",
            "it may be cut short: copy it again",
        )
    return DataError(f"{name} is not {article} {what} file that can be read: {one_line(error)}", "it may be cut short")


class _Part:
    """One file of a folder."""

    def __init__(self, path: Path, kind: str, folder: Path) -> None:
        self.name = f"'{path.relative_to(folder)}'"
        try:
            self.schema: pa.Schema = _dataset_of(Stored(f"'{path}'", path), kind).schema
        except _errors() as error:
            raise _damage_error(f"'{path}'", kind, error) from None

    def merge_schema(self, schema: pa.Schema, first: _Part) -> pa.Schema:
        """Return a schema that holds this file too; ``first`` is for messages."""
        import pyarrow as pa

        mine, others = set(self.schema.names), set(schema.names)
        if mine != others:
            raise DataError(
                f"{self.name} has other columns than {first.name}: {quote_names(sorted(mine ^ others))} is not in both",
                "a folder is one table: move other tables out of it",
            )
        for name in schema.names:
            field, other = self.schema.field(name), schema.field(name)
            if field.type == other.type:
                continue
            try:
                merged = pa.unify_schemas([pa.schema([other]), pa.schema([field])], promote_options="permissive").field(
                    0
                )
            except pa.ArrowException:
                raise DataError(
                    f"column '{name}' is {field.type} in {self.name}, {other.type} in {first.name}",
                    "a folder is one table: write the column in one type",
                ) from None
            schema = schema.set(schema.get_field_index(name), merged)
        return schema


def _partitioning(folder: Path, files: list[Path]) -> Any:
    """Return the partitioning by ``key=value`` in folder names; numbers with leading zeros are codes, so text."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    values: dict[str, set[str]] = {}
    for path in files:
        for piece in path.relative_to(folder).parts[:-1]:
            key, equals, value = piece.partition("=")
            if equals:
                values.setdefault(unquote(key), set()).add(unquote(value))
    values = {key: found - {"__HIVE_DEFAULT_PARTITION__"} for key, found in values.items()}
    kinds = {
        key: pa.int64() if found and all(re.fullmatch(r"0|-?[1-9]\d{0,17}", v) for v in found) else pa.string()
        for key, found in values.items()
    }
    return ds.partitioning(pa.schema(list(kinds.items())), flavor="hive") if kinds else None


def _append_fields(schema: pa.Schema, more: pa.Schema) -> pa.Schema:
    for field in more:
        schema = schema.append(field)
    return schema


def _dataset_of(stored: Stored, kind: str) -> ds.Dataset:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    if stored.compression:
        raise DataError(f"{stored.name} is compressed as a whole", "decompress it: the format compresses by itself")
    if kind == "ipc" and not stored.head(6).startswith(b"ARROW1"):
        with stored.raw() as handle:
            return ds.dataset(pa.ipc.open_stream(handle).read_all())
    if stored.path is None:
        buffer = pa.BufferReader(stored.content)
        return ds.dataset(pq.read_table(buffer) if kind == "parquet" else pa.ipc.open_file(buffer).read_all())
    dataset = ds.dataset(str(stored.path.absolute()), format=kind)
    return ds.dataset(str(stored.path.absolute()), schema=dataset.schema, format=_format(kind, dataset.schema))


def _format(kind: str, schema: pa.Schema) -> Any:
    """Return the format of the files, with text of Parquet read as a dictionary."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    if kind != "parquet":
        return ds.IpcFileFormat()
    text = [f.name for f in schema if f.type in (pa.string(), pa.large_string())]
    return ds.ParquetFileFormat(
        read_options=ds.ParquetReadOptions(dictionary_columns=text),
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False),  # else the file is in memory too
    )


def _read(dataset: ds.Dataset, name: str, size: int, kind: str, columns: Sequence[str] | None) -> pd.DataFrame:
    schema = dataset.schema
    if "\0" in "".join(schema.names):
        raise DataError(f"{name} has a column whose name holds a NUL character")
    check_names(list(schema.names), name)
    titles = _titles(schema)
    left_out = [n for n in titles if not is_supported_type(schema.field(n).type)]
    kept = {n: title for n, title in titles.items() if n not in left_out}
    check_names(list(kept.values()), name)
    wanted = {n: t for n, t in kept.items() if columns is not None and t in set(columns)} or kept
    if not wanted:
        raise DataError(f"{name} has no column of numbers, times or text")
    _check_size(dataset, list(wanted), name, size, kind)
    frame = _frame(dataset, wanted)
    if not len(frame):
        raise DataError(f"{name} has column names but no rows")
    why = "they hold lists, records or raw bytes, not numbers, times or text"
    notes = [Note("left out", quote_names(left_out), why, True)] if left_out else []
    return set_origin(frame, kept.values(), notes)


def _titles(schema: pa.Schema) -> dict[str, str]:
    """Return the columns in order, each with its title: a pandas index comes first, row numbers are dropped."""
    import pyarrow.types as t

    index = [n for n in (schema.pandas_metadata or {}).get("index_columns", []) if isinstance(n, str)]
    index = [n for n in index if n in schema.names]
    titles = {}
    for name in [*index, *(n for n in schema.names if n not in index)]:
        kind = schema.field(name).type
        if name in index and re.fullmatch(r"__index_level_\d+__", name):
            if t.is_temporal(kind) or str(kind).startswith("extension<pandas.period"):
                titles[name] = "time" if "time" not in schema.names else name
            elif len(index) > 1 or not t.is_integer(kind):
                titles[name] = name.strip("_")
        else:
            titles[name] = name
    return titles


def _check_size(dataset: ds.Dataset, columns: list[str], name: str, size: int, kind: str) -> None:
    """Refuse a file that would unfold beyond the bound, by the sizes it declares, before any of it is read."""
    width = sum(_width(dataset.schema.field(n).type) for n in columns)
    fragments = list(dataset.get_fragments()) if kind == "parquet" and hasattr(dataset, "files") else []
    rows = sum(f.metadata.num_rows for f in fragments) if fragments else dataset.count_rows()
    declared = sum(group.total_byte_size for f in fragments for group in f.row_groups)
    need = max(rows * width, declared)
    if need > max(FREE_BYTES, MOST_GROWTH * size):
        raise DataError(
            f"{name} declares {need / 1e9:,.1f} GB in {size / 1e6:,.1f} MB: not read, as a decompression "
            "bomb would fill the memory",
            "if that is intended, write it without compression and dictionaries, or only its latest rows",
        )


def _width(kind: pa.DataType) -> int:
    try:
        return max(1, kind.bit_width // 8)
    except ValueError:
        return 4  # text is held as the code of its category


def _frame(dataset: ds.Dataset, wanted: dict[str, str]) -> pd.DataFrame:
    """Read the columns one by one, those first that need most extra memory: text, then by width."""
    made = {}
    kinds = {name: dataset.schema.field(name).type for name in wanted}
    for name in sorted(wanted, key=lambda n: (not is_text(kinds[n]), -_width(kinds[n]))):
        made[name] = _column(dataset, name)
        return_memory()
    return pd.DataFrame({title: made[name] for name, title in wanted.items()}, copy=False)


def _column(dataset: ds.Dataset, name: str) -> Any:
    """Read a column piece by piece; each is validated, as a damaged one may crash later steps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = dataset.schema.field(name).type
    batches = dataset.scanner(columns={name: pc.field(name)}, batch_readahead=2, fragment_readahead=1).to_batches()
    arrays = []
    for batch in batches:
        batch.validate(full=True)
        arrays.append(to_compact_array(batch.column(0)))
    if not arrays:
        return pd.Series([], dtype=object)
    if str(kind).startswith("extension<pandas.period"):
        table = pa.chunked_array([pa.ExtensionArray.from_storage(kind, a) for a in arrays])
        return table.to_pandas().dt.to_timestamp()
    return to_column(arrays)
