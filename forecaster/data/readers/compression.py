"""The bytes of a table: a file or standard input, decompressed as they are read, within reason."""

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

#: What a suffix promises.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}

#: Bytes that any file may grow to, and how many times its own size beyond that. Tables shrink 3 to 50 times.
FREE_BYTES = 1 << 26
MOST_GROWTH = 200

#: Share of this machine's memory that the bytes of a pipe may take: one that never ends must not fill it.
MOST_MEMORY = 0.25


@dataclass(frozen=True)
class Stored:
    """A table's bytes, which can be read from their beginning again and again.

    Attributes:
        name: for messages: ``'sales.csv'``, with its quotes, or ``standard input``.
        path: the file; None where the bytes are in memory.
        content: the bytes, where there is no file.
    """

    name: str
    path: Path | None = None
    content: bytes = field(default=b"", repr=False)

    def raw(self) -> IO[bytes]:
        """Open the bytes as they are stored."""
        return open(self.path, "rb") if self.path else io.BytesIO(self.content)

    def size(self) -> int:
        """Return the stored bytes."""
        return self.path.stat().st_size if self.path else len(self.content)

    def head(self, size: int = 4096) -> bytes:
        """Return the first bytes as they are stored."""
        with self.raw() as handle:
            return handle.read(size)

    @property
    def compression(self) -> str:
        """``gzip``, ``bzip2``, ``xz``, ``zstd``, or ``""``: what the first bytes say, else what the suffix promises."""
        head = self.head(8)
        found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        return found or (COMPRESSIONS.get(self.path.suffix.lower(), "") if self.path else "")

    def open(self) -> io.BufferedReader:
        """Open the bytes decompressed.

        Raises:
            DataError: later, while reading: the file is cut short or damaged, or grows beyond reason.
        """
        kind, raw = self.compression, self.raw()
        if not kind:
            return io.BufferedReader(raw, 1 << 18)  # type: ignore[arg-type]
        return io.BufferedReader(_Decompressed(raw, kind, self.name), 1 << 18)


def read_stream(stream: IO[bytes], name: str) -> Stored:
    """Return what a pipe gives until it ends, in memory.

    Args:
        stream: where it comes out.
        name: as in :class:`Stored`.

    Raises:
        DataError: it gives more than :data:`MOST_MEMORY` of the memory of this machine.
    """
    most = int(MOST_MEMORY * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    pieces, size = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise DataError(
                f"{name} gave {size / 1e9:,.1f} GB and has not ended", "write it into a file first, and give that"
            )
    return Stored(name, content=b"".join(pieces))


class _Decompressed(io.RawIOBase):
    """Reads a compressed stream, counts what comes out of it, and stops a decompression bomb early."""

    def __init__(self, raw: IO[bytes], kind: str, name: str) -> None:
        self._raw, self._kind, self._name, self._count = raw, kind, name, 0
        try:
            self._stream = _opened(raw, kind)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(error) from None
        buffer[: len(data)] = data
        self._count += len(data)
        if self._count > max(FREE_BYTES, MOST_GROWTH * self._raw.tell()):
            raise DataError(
                f"{self._name} grows more than {MOST_GROWTH}-fold when it is decompressed: stopped after "
                f"{self._count / 1e6:,.0f} MB, as a decompression bomb would fill the memory",
                "if it is meant to be so, decompress it yourself and give the plain file",
            )
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"{self._name} is not a whole {self._kind} file: {one_line(error)}")


def _opened(raw: IO[bytes], kind: str) -> Any:
    if kind == "zstd":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    openers: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return openers[kind](raw, "rb")
