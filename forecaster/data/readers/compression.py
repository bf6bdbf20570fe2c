"""Read the bytes of a table from a file or standard input, decompressed on the way, with a bound on their growth."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from forecaster.errors import DataError
from forecaster.words import one_line

#: First bytes of a compressed file.
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

#: The compression that a suffix promises.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}

#: Bytes that any file may grow to, and the factor of its own size allowed beyond. Tables shrink 3 to 50 times.
FREE_BYTES = 1 << 26
MOST_GROWTH = 200

#: Share of this machine's memory that the bytes of a pipe may take, so that an endless one does not fill it.
MOST_MEMORY = 0.25


@dataclass(frozen=True)
class Stored:
    """The bytes of a table, which can be read from the start any number of times.

    Attributes:
        name: for messages: ``'sales.csv'``, with its quotes, or ``standard input``.
        path: the file; None if the bytes are in memory.
        content: the bytes, if there is no file.
    """

    name: str
    path: Path | None = None
    content: bytes = field(default=b"", repr=False)

    def raw(self) -> IO[bytes]:
        """Open the bytes as they are stored."""
        return open(self.path, "rb") if self.path else io.BytesIO(self.content)

    def size(self) -> int:
        """Return the number of stored bytes."""
        return self.path.stat().st_size if self.path else len(self.content)

    def head(self, size: int = 4096) -> bytes:
        """Return the first bytes as they are stored."""
        with self.raw() as handle:
            return handle.read(size)

    @property
    def compression(self) -> str:
        """``gzip``, ``bzip2``, ``xz``, ``zstd`` or ``""``: by the first bytes, else by the suffix."""
        head = self.head(8)
        found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        return found or (COMPRESSIONS.get(self.path.suffix.lower(), "") if self.path else "")

    def open(self) -> io.BufferedReader:
        """Open the bytes decompressed.

        Raises:
            DataError: later, while reading: the file is truncated or damaged, or grows beyond the bound.
        """
        kind, raw = self.compression, self.raw()
        if not kind:
            return io.BufferedReader(raw, 1 << 18)  # type: ignore[arg-type]
        return io.BufferedReader(_DecompressedStream(raw, kind, self.name), 1 << 18)


def read_stream(stream: IO[bytes], name: str) -> Stored:
    """Return the bytes of a pipe up to its end, in memory.

    Args:
        stream: the pipe.
        name: as in :class:`Stored`.

    Raises:
        DataError: it gives more than :data:`MOST_MEMORY` of this machine's memory.
    """
    most = int(MOST_MEMORY * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    pieces, size = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise DataError(
                f"{name} gave {size / 1e9:,.1f} GB and has not ended", "write it to a file first, and give that"
            )
    return Stored(name, content=b"".join(pieces))


class _DecompressedStream(io.RawIOBase):
    """A stream of decompressed bytes, which are counted to stop a decompression bomb early."""

    def __init__(self, raw: IO[bytes], kind: str, name: str) -> None:
        self._raw, self._kind, self._name, self._count = raw, kind, name, 0
        try:
            self._stream = _open_compressed(raw, kind)
        except (OSError, ValueError) as error:
            raise self._damage_error(error) from None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise self._damage_error(error) from None
        buffer[: len(data)] = data
        self._count += len(data)
        if self._count > max(FREE_BYTES, MOST_GROWTH * self._raw.tell()):
            raise DataError(
                f"{self._name} grows more than {MOST_GROWTH}-fold when it is decompressed: stopped after "
                f"{self._count / 1e6:,.0f} MB, as a decompression bomb would fill the memory",
                "if that is intended, decompress it yourself and give the plain file",
            )
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def _damage_error(self, error: BaseException) -> DataError:
        return DataError(f"{self._name} is not a whole {self._kind} file: {one_line(error)}")


def _open_compressed(raw: IO[bytes], kind: str) -> Any:
    if kind == "zstd":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    openers: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return openers[kind](raw, "rb")
