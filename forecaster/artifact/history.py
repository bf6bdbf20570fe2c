"""The history of a model as Parquet, in groups of whole series: written in pieces, read a group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import IO, Any

import numpy as np

from forecaster.data.columns.roles import Roles
from forecaster.data.counts import blocks
from forecaster.data.packed import laid_together, series_between
from forecaster.data.panel import Column, Panel
from forecaster.data.tables.arrays import release

#: Rows of a group: bounds the memory of writing it, and of reading the newest rows of all.
GROUP = 1 << 17


def history_pieces(panel: Panel) -> Iterator[bytes]:
    """Yield a Parquet file, a group of whole series at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, writer = _Sink(), None
    for first, last in blocks(panel.offsets, GROUP):
        part = series_between(panel, first, last)
        codes = np.repeat(np.arange(len(part), dtype=np.int32), part.lengths)
        ids = pa.DictionaryArray.from_arrays(codes, list(part.ids))
        columns = {"series": ids, "time": part.times, "value": part.values, "observed": part.observed}
        columns |= {f"covariate {i}": column for i, column in enumerate(part.covariates.T)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(sink, table.schema, use_dictionary=["series", "time"])
        writer.write_table(table, row_group_size=max(1, len(table)))
        yield from sink.taken()
    if writer:
        writer.close()
    yield from sink.taken()


class _Sink:
    """A file that is written and taken away in pieces."""

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

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def panel_schema(panel: Panel) -> dict[str, Any]:
    """Return what a panel is beside its numbers, for the manifest."""
    return {
        "roles": panel.roles.to_dict(),
        "freq": panel.freq,
        "zone": panel.zone,
        "columns": [asdict(column) for column in panel.columns],
        "masked": panel.masked,
        "bridged": panel.bridged,
    }


def read_history(
    handle: IO[bytes], schema: dict[str, Any], static: np.ndarray, rows: int | None
) -> tuple[Panel, np.ndarray | None]:
    """Return what :func:`history_pieces` wrote, or its newest ``rows`` of each series and then all series' ranges."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(handle)
    names = file.schema_arrow.names
    columns = tuple(_column(**column) for column in schema["columns"])
    parts = []
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, use_threads=False)
        series = table["series"].combine_chunks()
        counts = np.bincount(np.asarray(series.indices), minlength=len(series.dictionary))
        found = [table[name].to_numpy() for name in names if name.startswith("covariate ")]
        part = Panel(
            values=table["value"].to_numpy(),
            observed=table["observed"].to_numpy(),
            times=table["time"].to_numpy(),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ids=tuple(series.dictionary.to_pylist()),
            freq=schema["freq"],
            roles=Roles.from_dict(schema["roles"]),
            zone=schema["zone"],
            columns=columns,
            masked=schema["masked"],
            bridged=schema["bridged"],
            covariates=np.column_stack(found) if found else None,  # type: ignore[arg-type]
        )
        parts.append((part, None) if rows is None else (part.keep_newest(rows), part.ranges))
    release()
    ranges = None if rows is None else np.concatenate([found for _, found in parts])
    return replace(laid_together([part for part, _ in parts]), static=static), ranges


def _column(name: str, role: str, categories: list[str] | None, offset: float = 0.0) -> Column:
    return Column(name, role, None if categories is None else tuple(categories), offset)
