"""The arrays of ``weights.npz``, taken uncompressed from the bytes of the file, so that none is larger than it."""

from __future__ import annotations

import io
import math
import re
from zipfile import ZIP_STORED, ZipFile

import numpy as np

#: Members of an archive at most, as each takes Python more than its 46 bytes in the file; and the first bytes of each.
MEMBERS, _MEMBER = 10_000, b"PK\x01\x02"
#: The start of an array of bools, whole numbers or floats, of 8 dimensions at most, in version 1 of the format.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][biuf][1248])', 'fortran_order': (True|False), "
    rb"'shape': \((|\d{1,19},|\d{1,19}(?:, \d{1,19}){1,7})\), \} *\n",
    re.DOTALL,
)


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays that :func:`numpy.savez` wrote, by name.

    No member may be compressed, and no two may share bytes, so that all arrays together are no larger than the file;
    objects and texts are refused.

    Raises:
        ValueError: the file holds anything else.
        zipfile.BadZipFile: it is no archive, or is damaged.
    """
    if content.count(_MEMBER) > MEMBERS:
        raise ValueError(f"the archive has more than {MEMBERS:,} members")
    with ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names) or not all(member.filename.endswith(".npy") for member in members):
            raise ValueError("members of the archive are repeated, or are no arrays")
        if any(member.compress_type != ZIP_STORED or member.compress_size != member.file_size for member in members):
            raise ValueError("members of the archive are compressed")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("members of the archive are larger than it")
        return {name: _read_array(name, archive.read(member)) for name, member in zip(names, members, strict=True)}


def _read_array(name: str, content: bytes) -> np.ndarray:
    """Return the array of a ``.npy`` file with a header as NumPy writes it."""
    header = _HEADER.match(content)
    if not header:
        raise ValueError(f"{name} is no array of numbers")
    kind, fortran, sizes = (part.decode() for part in header.groups())
    shape, dtype = tuple(int(size) for size in sizes.split(",") if size), np.dtype(kind)
    if header.end() + math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{name} is of another size")
    flat = np.frombuffer(content, dtype, offset=header.end())
    return flat.reshape(shape, order="F" if fortran == "True" else "C").copy()
