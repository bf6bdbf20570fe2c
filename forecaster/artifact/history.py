"""The history of a model as Parquet, in groups of whole series: written in pieces, read a group at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact.manifest import Schema
from forecaster.artifact.parquet_footer import rows_of_groups
from forecaster.data.panel.packed import concatenate_panels, select_series
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.touched_rows import series_blocks
from forecaster.data.readers.arrow import return_memory

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Rows of a group: bounds the memory of writing it, and of reading the newest rows of all.
GROUP = 1 << 17
#: Bytes that Snappy compresses to one at most: 64 become 3 at best. Readings and covariates take 4 or 8 bytes each.
SNAPPY = 22
#: Bytes at least of the time of a row in a larger group: that is one series, all of whose times differ.
TIME_OF_LONG = 3


def history_pieces(panel: Panel) -> Iterator[bytes]:
    """Yield a Parquet file, a group of whole series at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, writer = _Sink(), None
    for first, last in series_blocks(panel.offsets, GROUP):
        part = select_series(panel, first, last)
        codes = np.repeat(np.arange(len(part), dtype=np.int32), part.lengths)
        ids = pa.DictionaryArray.from_arrays(codes, list(part.ids))
        columns = {"series": ids, "time": part.times, "value": part.values, "observed": part.observed}
        columns |= {f"covariate {i}": column for i, column in enumerate(part.covariates.T)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(sink, table.schema, use_dictionary=["series", "time"])
        writer.write_table(table, row_group_size=max(1, len(table)))
        yield from sink.take_pieces()
    if writer:
        writer.close()
    yield from sink.take_pieces()


class _Sink:
    """A file whose content is taken away in pieces while it is written."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take_pieces(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def panel_schema(panel: Panel) -> dict[str, Any]:
    """Return the attributes of a panel other than its arrays, for the manifest."""
    return {
        "roles": panel.roles.to_dict(),
        "freq": panel.freq,
        "zone": panel.zone,
        "columns": [asdict(column) for column in panel.columns],
        "masked": panel.masked,
        "bridged": panel.bridged,
    }


def read_history(
    handle: IO[bytes], schema: Schema, static: np.ndarray, rows: int | None
) -> tuple[Panel, np.ndarray | None]:
    """Return the panel that :func:`history_pieces` wrote; or its newest ``rows`` of each series, and their ranges.

    Raises:
        ValueError: columns, rows or series are not as they were written, or are more than a file of its size holds.
    """
    import pyarrow.parquet as pq

    covariates = sum(column.role != "static" for column in schema.columns)
    _check_rows(rows_of_groups(handle), 1 + covariates, os.fstat(handle.fileno()).st_size)
    file = pq.ParquetFile(handle)
    _check_columns(file, covariates)
    names = file.schema_arrow.names
    parts = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, use_threads=False)
        table.validate(full=True)
        series = table["series"].combine_chunks()
        codes, times = np.asarray(series.indices), table["time"].to_numpy()
        found = [table[name].to_numpy() for name in names if name.startswith("covariate ")]
        part = Panel(
            values=table["value"].to_numpy(),
            observed=table["observed"].to_numpy(),
            times=times,
            offsets=_offsets(codes, times, len(series.dictionary)),
            ids=tuple(series.dictionary.to_pylist()),
            freq=schema.freq,
            roles=schema.roles,
            zone=schema.zone,
            columns=schema.columns,
            masked=schema.masked,
            bridged=schema.bridged,
            covariates=np.column_stack(found) if found else None,  # type: ignore[arg-type]
        )
        if any(column.null_count for column in table.columns) or not np.isfinite(part.values).all():
            raise ValueError("a reading of the history is absent or infinite")
        parts.append((part, None) if rows is None else (part.keep_newest(rows), part.ranges))
    return_memory()
    ranges = None if rows is None else np.concatenate([found for _, found in parts])
    panel = replace(concatenate_panels([part for part, _ in parts]), static=static)
    if len(set(panel.ids)) < len(panel):
        raise ValueError("the history holds a series twice")
    return panel, ranges


def _check_rows(groups: list[int], numbers: int, size: int) -> None:
    """Refuse groups with more rows, of the given ``numbers`` each, than a file of ``size`` holds, or too small ones.

    Any two adjacent groups have more than :data:`GROUP` rows as written.
    """
    rows, long = sum(groups), sum(own for own in groups if own > GROUP)
    full = bool(groups) and min(groups) > 0 and len(groups) // 2 <= rows // GROUP
    if not full or 4 * numbers * rows / SNAPPY + TIME_OF_LONG * long > size:
        raise ValueError("the rows of the history are not those that were written")


def _check_columns(file: pq.ParquetFile, covariates: int) -> None:
    """Refuse columns other than those that are written."""
    import pyarrow as pa

    kinds = {
        "series": [pa.dictionary(pa.int32(), pa.string())],
        "time": [pa.timestamp("ns"), pa.int64()],
        "value": [pa.float64(), pa.float32()],
        "observed": [pa.bool_()],
        **{f"covariate {i}": [pa.float32()] for i in range(covariates)},
    }
    found = file.schema_arrow
    if found.names != list(kinds) or any(field.type not in kinds[field.name] for field in found):
        raise ValueError("the columns of the history are not those that were written")


def _offsets(codes: np.ndarray, times: np.ndarray, count: int) -> np.ndarray:
    """Return the bounds of the series of a group, ``(series + 1,)`` int64; refuse series or times out of order."""
    steps = np.diff(codes, prepend=-1)
    starts = np.flatnonzero(steps)
    whole = times.astype(np.int64)
    later = whole[1:] > whole[:-1]
    later[starts[1:] - 1] = True
    if not (((steps == 0) | (steps == 1)).all() and len(starts) == count and later.all()):
        raise ValueError("the series or times of the history are out of order")
    return np.append(starts, len(codes)).astype(np.int64)
