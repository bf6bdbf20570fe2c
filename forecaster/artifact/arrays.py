"""The arrays of ``weights.npz``: taken from the bytes of the file as they lie there, so that none is larger than it."""

from __future__ import annotations

import io
import math
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.lib import format as npy

#: Kinds of numbers that an array may hold: bool, whole, unsigned and float.
KINDS = "biuf"


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays that :func:`numpy.savez` wrote, by name.

    Nothing of it is compressed, and no two members share bytes, so that all arrays together are no larger than the
    file; neither an object nor a text is among them.

    Raises:
        ValueError: something else is in the file.
        zipfile.BadZipFile: it is no archive, or is damaged.
    """
    with ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names) or not all(member.filename.endswith(".npy") for member in members):
            raise ValueError("members of the archive are twice there, or no arrays")
        if any(member.compress_type != ZIP_STORED or member.compress_size != member.file_size for member in members):
            raise ValueError("members of the archive are compressed")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("members of the archive are larger than it")
        return {name: _array(name, archive.read(member)) for name, member in zip(names, members, strict=True)}


def _array(name: str, content: bytes) -> np.ndarray:
    """Return an array in the format of ``.npy``, version 1 or 2."""
    stream = io.BytesIO(content)
    header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(stream)]
    shape, fortran, dtype = header(stream)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in KINDS or min(shape, default=0) < 0 or stream.tell() + size != len(content):
        raise ValueError(f"{name} is no array of numbers, or of another size")
    flat = np.frombuffer(content, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy()
