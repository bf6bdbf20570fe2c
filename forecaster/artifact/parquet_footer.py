"""The footer of a Parquet file, before pyarrow is asked for it: a codec that it does not know ends the interpreter.

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
#: Bytes of a footer at most, each of which may become a dictionary; 150 tell of a column of a group of 131,072 rows.
LARGEST = 4 << 20


def rows_of_groups(handle: IO[bytes]) -> list[int]:
    """Return how many rows the groups of a history have, every column of each in this file and by Snappy.

    Raises:
        ValueError: it is no Parquet file, or was written otherwise.
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
    """What is written in the compact protocol: structures as dictionaries by the numbers of their fields."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def struct(self) -> dict[int, Any]:
        """Return the structure that begins here."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._whole()
            found[field] = head & 15 == 1 if head & 15 in (1, 2) else self._value(head & 15)
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._whole()
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
        self._place += 1
        return self._content[self._place - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._content) - self._place:
            raise IndexError("it ends too early")
        self._place += count
        return self._content[self._place - count : self._place]

    def _varint(self) -> int:
        found = shift = 0
        while (byte := self._byte()) > 127:
            found, shift = found | (byte & 127) << shift, shift + 7
            if shift > 63:
                raise ValueError("the footer of the history holds a number of more than 64 bits")
        return found | byte << shift

    def _whole(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
