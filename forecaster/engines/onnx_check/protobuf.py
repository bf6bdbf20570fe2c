"""Count the bytes of Protocol Buffers messages before a parser makes objects of them."""

from __future__ import annotations

from collections.abc import Sequence

#: Bytes of a field of fixed size, by its kind.
FIXED = {1: 8, 5: 4}


def count_bytes_outside(message: bytes | memoryview, path: Sequence[int], most: int) -> int:
    """Return the bytes of a message outside of certain fields, or a number above ``most``, where counting stops.

    An empty message is two bytes inside of another one, and a hundred times as many in memory.

    Args:
        message: its bytes.
        path: numbers of the fields not counted, each inside of the one before.
        most: bytes at which counting may stop.

    Raises:
        ValueError: it is not a message.
    """
    view, place, outside = memoryview(message), 0, 0
    while place < len(view) and outside <= most:
        start = place
        key, place = _read_varint(view, place)
        number, kind = divmod(key, 8)
        if kind == 2:
            size, place = _read_varint(view, place)
            if number == path[0]:
                outside += place - start
                if path[1:]:
                    outside += count_bytes_outside(view[place : place + size], path[1:], most - outside)
                start = place + size
            place += size
        elif kind == 0:
            _, place = _read_varint(view, place)
        elif kind in FIXED:
            place += FIXED[kind]
        else:
            raise ValueError("it is no message of Protocol Buffers")
        outside += place - start
    return outside


def _read_varint(view: memoryview, place: int) -> tuple[int, int]:
    """Return the varint at a position, seven bits a byte, and the position after it."""
    whole = 0
    for shift, byte in enumerate(view[place : place + 10]):
        whole |= (byte & 127) << 7 * shift
        if byte < 128:
            return whole, place + shift + 1
    raise ValueError("it is no message of Protocol Buffers")
