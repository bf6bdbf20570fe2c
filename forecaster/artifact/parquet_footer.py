"""The footer of a Parquet file, read before pyarrow reads it: an unknown codec makes pyarrow end the interpreter.

A footer is in the compact protocol of Thrift: https://github.com/apache/thrift/blob/master/doc/specs/
thrift-compact-protocol.md, and its fields are those of https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import os
from typing import IO, Any

#: The length of the footer, and the last bytes of a file.
_LENGTH, _MAGIC = 4, b"PAR1"
#: Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROWS, _GROUPS, _CHUNKS, _GROUP_ROWS, _PATH, _META, _CODEC, _VALUES = 3, 4, 1, 3, 1, 3, 4, 5
#: The codec that histories are written with.
_SNAPPY = 1
#: Bytes of a footer at most, each of which may become a dictionary; a column of a group of 131,072 rows takes 150.
LARGEST = 4 << 20


def rows_of_groups(handle: IO[bytes]) -> list[int]:
    """Return the number of rows of each group of a history, all of whose columns must be in this file, by Snappy.

    Raises:
        ValueError: it is no Parquet file, or was not written by :mod:`forecaster.artifact.history`.
    """
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - _LENGTH - len(_MAGIC)))
    end = handle.read()
    length = int.from_bytes(end[:_LENGTH], "little")
    if end[_LENGTH:] != _MAGIC or length > size:
        raise ValueError("the history is no Parquet file")
    if length > LARGEST:
        raise ValueError(f"the footer of the history has {length:,} bytes, at most {LARGEST:,} are read")
    handle.seek(size - len(end) - length)
    try:
        footer = _Compact(handle.read(length)).struct()
        rows = [group[_GROUP_ROWS] for group in footer[_GROUPS]]
        chunks = [(chunk, group[_GROUP_ROWS]) for group in footer[_GROUPS] for chunk in group[_CHUNKS]]
        alike = all(_PATH not in c and (c[_META][_CODEC], c[_META][_VALUES]) == (_SNAPPY, own) for c, own in chunks)
        if not alike or footer[_ROWS] != sum(rows):
            raise ValueError("a column of the history is not as it was written")
    except (LookupError, TypeError) as error:
        raise ValueError(f"the footer of the history is damaged: {error}") from None
    handle.seek(0)
    return rows


class _Compact:
    """Reader of the compact protocol: structures become dictionaries by the numbers of their fields."""

    def __init__(self, content: bytes) -> None:
        self._content, self._offset = content, 0

    def struct(self) -> dict[int, Any]:
        """Return the structure that begins here."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            found[field] = head & 15 == 1 if head & 15 in (1, 2) else self._value(head & 15)
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            return [self._value(head & 15) for _ in range(size)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"the footer of the history holds a value of kind {kind}")

    def _byte(self) -> int:
        self._offset += 1
        return self._content[self._offset - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._content) - self._offset:
            raise IndexError("it ends too early")
        self._offset += count
        return self._content[self._offset - count : self._offset]

    def _varint(self) -> int:
        found = shift = 0
        while (byte := self._byte()) > 127:
            found, shift = found | (byte & 127) << shift, shift + 7
            if shift > 63:
                raise ValueError("the footer of the history holds a number of more than 64 bits")
        return found | byte << shift

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
