"""Turn Arrow arrays into compact columns: text as categories, times with their zone, decimals as floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa


def is_supported_type(kind: pa.DataType) -> bool:
    """Return True if a column of this type can hold times, ids or numbers: not lists, structs and raw bytes."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return is_supported_type(kind.value_type)
    nested = t.is_nested(kind) or t.is_union(kind)
    return not (nested or t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind))


def to_compact_array(array: pa.Array) -> pa.Array:
    """Return an array in compact form: text as a dictionary, dates as timestamps, decimals as float64."""
    import pyarrow as pa
    import pyarrow.types as t

    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return to_compact_array(array.storage)
    if t.is_dictionary(kind):
        return array if is_text(kind.value_type) else to_compact_array(array.dictionary_decode())
    if is_text(kind):
        return (array if kind == pa.string() else array.cast(pa.string())).dictionary_encode()
    if t.is_date(kind):
        return array.cast(pa.timestamp("s" if t.is_date32(kind) else "ms"))
    if t.is_decimal(kind):
        return array.cast(pa.float64())
    if t.is_float16(kind):
        return array.cast(pa.float32())
    if t.is_time(kind):
        return array.cast(pa.string()).dictionary_encode()
    return array


def to_column(arrays: list[pa.Array]) -> Any:
    """Return a column of a DataFrame from pieces of :func:`to_compact_array`, whose types may differ.

    Text that repeats becomes a ``Categorical``, text that differs on most rows stays text. The list is emptied, so that
    pieces and whole share the memory no longer than they must.
    """
    import pyarrow as pa
    import pyarrow.types as t

    kinds = list(dict.fromkeys(a.type for a in arrays))
    if len(kinds) > 1:
        arrays = _cast_to_common_type(arrays, kinds)
    chunked = pa.chunked_array(arrays)
    arrays.clear()
    if not t.is_dictionary(chunked.type):
        return chunked.to_pandas()
    chunked = chunked.unify_dictionaries()
    words = len(chunked.chunk(0).dictionary) if chunked.num_chunks else 0
    if words > len(chunked) / 2:
        return chunked.cast(pa.string()).to_pandas()
    return chunked.to_pandas()


def is_text(kind: pa.DataType) -> bool:
    """Return True if this is a type of text."""
    import pyarrow.types as t

    return t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)


def _cast_to_common_type(arrays: list[pa.Array], kinds: list[pa.DataType]) -> list[pa.Array]:
    """Cast pieces to the type that holds them all, or to text."""
    import pyarrow as pa
    import pyarrow.types as t

    plain = [kind.value_type if t.is_dictionary(kind) else kind for kind in kinds]
    try:
        schemas = [pa.schema([pa.field("x", kind)]) for kind in plain]
        common = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        cast = [(a.dictionary_decode() if t.is_dictionary(a.type) else a).cast(common) for a in arrays]
    except pa.ArrowException:
        cast = [(a.dictionary_decode() if t.is_dictionary(a.type) else a).cast(pa.string()) for a in arrays]
    return [to_compact_array(a) for a in cast]


def array_of(values: Sequence[Any]) -> pa.Array:
    """Return Python values, such as a database returns, as an array; values that Arrow cannot hold become text."""
    import pyarrow as pa

    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        array = pa.array([None if v is None else str(v) for v in values], pa.string())
    if not is_supported_type(array.type):
        array = pa.array([None if v is None else str(v) for v in values], pa.string())
    return to_compact_array(array)


def table_of(columns: dict[str, list[pa.Array]]) -> pd.DataFrame:
    """Return a DataFrame from the pieces of each column, which are dropped one by one to save memory."""
    made = {}
    for name in list(columns):
        made[name] = to_column(columns.pop(name))
    return pd.DataFrame(made, copy=False)


def return_memory() -> None:
    """Return to the system the memory that Arrow and the C library hold back for later."""
    import ctypes

    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim:
        trim(0)
