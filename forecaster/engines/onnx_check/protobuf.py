"""Messages of Protocol Buffers as bytes: what is in them is counted before a parser makes objects of it."""

from __future__ import annotations

from collections.abc import Sequence

#: Bytes of a field of fixed size, by its kind.
FIXED = {1: 8, 5: 4}


def bytes_beside(message: bytes | memoryview, path: Sequence[int], most: int) -> int:
    """Return how many bytes of a message are not in certain fields, or a number above ``most``, where counting stops.

    An empty message is two bytes inside of another one, and a hundred times as many in memory.

    Args:
        message: its bytes.
        path: numbers of the fields that do not count, each inside of the one before.
        most: how many are of interest.

    Raises:
        ValueError: it is no message.
    """
    view, place, beside = memoryview(message), 0, 0
    while place < len(view) and beside <= most:
        start = place
        key, place = _whole(view, place)
        number, kind = divmod(key, 8)
        if kind == 2:
            size, place = _whole(view, place)
            if number == path[0]:
                beside += place - start
                if path[1:]:
                    beside += bytes_beside(view[place : place + size], path[1:], most - beside)
                start = place + size
            place += size
        elif kind == 0:
            _, place = _whole(view, place)
        elif kind in FIXED:
            place += FIXED[kind]
        else:
            raise ValueError("it is no message of Protocol Buffers")
        beside += place - start
    return beside


def _whole(view: memoryview, place: int) -> tuple[int, int]:
    """Return the whole number that begins at a place, seven bits a byte, and where it ends."""
    whole = 0
    for shift, byte in enumerate(view[place : place + 10]):
        whole |= (byte & 127) << 7 * shift
        if byte < 128:
            return whole, place + shift + 1
    raise ValueError("it is no message of Protocol Buffers")
