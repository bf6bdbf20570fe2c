"""Batches of windows, gathered by index inside TensorFlow's input pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.data.panel.packed import ALIGNMENT
from forecaster.features.windows import Windows

if TYPE_CHECKING:
    import tensorflow as tf


def make_batches(windows: Windows, batch_size: int, seed: int | None = None, first: int = 0) -> tf.data.Dataset:
    """Return batches of windows, gathered by index in TensorFlow's input pipeline, in parallel with training.

    The readings are held once, without a copy if their alignment allows; a batch is ``(inputs, targets, weights)``
    with inputs as in :meth:`Windows.batch`, targets ``(batch, horizon, 1)``, and weights only if readings were filled.

    Args:
        windows: the windows to gather.
        batch_size: windows in a batch.
        seed: if given, batches repeat without end, each pass over the windows in another pseudo-random order that
            costs no memory; otherwise the windows come once, in order.
        first: number of the first batch of an endless sequence.
    """
    import tensorflow as tf

    count, gather = len(windows), _gatherer(windows)

    def shuffle(batch: tf.Tensor) -> tf.Tensor:
        place = batch * batch_size + tf.range(batch_size, dtype=tf.int64)
        turn = tf.cast(place // count, tf.int32)
        keys = tf.stack([tf.fill([batch_size], seed), turn, tf.zeros_like(turn)], axis=1)
        return tf.raw_ops.RandomIndexShuffle(index=place % count, seed=keys, max_index=tf.constant(count - 1, tf.int64))

    def windows_in_order(batch: tf.Tensor) -> tf.Tensor:
        return tf.range(batch * batch_size, tf.minimum((batch + 1) * batch_size, count))

    @tf.autograph.experimental.do_not_convert  # it has no loop or branch on a tensor, and converting takes a second
    def gather_batch(batch: tf.Tensor) -> tuple[Any, ...]:
        return gather(windows_in_order(batch) if seed is None else shuffle(batch))

    numbers = tf.data.Dataset.range(math.ceil(count / batch_size)) if seed is None else tf.data.Dataset.counter(first)
    return numbers.map(gather_batch, num_parallel_calls=2, deterministic=True).prefetch(4)


def _gatherer(windows: Windows) -> Callable[[tf.Tensor], tuple[Any, ...]]:
    """Return a function that gathers the batch of window numbers, ``(batch,)`` int64; see :func:`make_batches`."""
    import tensorflow as tf

    tables = {name: _tensor(getattr(windows, name)) for name in _TABLES if getattr(windows, name) is not None}
    known, lookback, horizon = windows.known_channels, windows.lookback, windows.horizon

    def with_calendar(rows: tf.Tensor, channels: tf.Tensor, at: int) -> tf.Tensor:
        """Insert the calendar of rows into their channels, after the first ``at``."""
        if "calendar" not in tables:
            return channels
        places = tf.cast(tf.gather(tables["places"], rows), tf.int32) if "places" in tables else rows
        return tf.concat([channels[:, :, :at], tf.gather(tables["calendar"], places), channels[:, :, at:]], axis=2)

    def gather(numbers: tf.Tensor) -> tuple[Any, ...]:
        span = tf.searchsorted(tables["before"], numbers, side="right", out_type=tf.int64) - 1
        starts = tf.gather(tables["first"], span) + numbers - tf.gather(tables["before"], span)
        past, ahead = (starts[:, None] + tf.range(*r, dtype=tf.int64) for r in ((-lookback, 0), (0, horizon)))
        after = tf.gather(tables["values"], ahead)
        rows = tf.gather(tables["values"], past)
        if "causal" in tables:
            late = past > tf.cast(tf.gather(tables["latest"], starts - 1), tf.int64)[:, None]
            target = tf.where(late, tf.gather(tables["causal"], past), rows[:, :, 0])
            rows = tf.concat([target[:, :, None], rows[:, :, 1:]], axis=2)
        inputs = {"past": with_calendar(past, rows, 1)}
        if "calendar" in tables or known:
            inputs["future"] = with_calendar(ahead, after[:, :, 1 : 1 + known], 0)
        if "static" in tables or "categories" in tables:
            series = tf.searchsorted(tables["offsets"], starts, side="right", out_type=tf.int64) - 1
            inputs |= {name: tf.gather(tables[name], series) for name in ("static", "categories") if name in tables}
        if "weights" not in tables:
            return inputs, after[:, :, :1]
        return inputs, after[:, :, :1], tf.cast(tf.gather(tables["weights"], ahead), tf.float32)

    return gather


#: Arrays of :class:`Windows` from which batches are gathered.
_TABLES = (
    *("values", "causal", "latest", "calendar", "places", "static", "categories"),
    *("weights", "offsets", "first", "before"),
)


def _tensor(array: np.ndarray) -> tf.Tensor:
    """Return an array as a tensor in host memory, shared with the array if possible."""
    import tensorflow as tf

    with tf.device("/CPU:0"):
        shareable = array.flags.c_contiguous and array.flags.writeable and not array.ctypes.data % ALIGNMENT
        if array.dtype in (np.float32, np.int32, np.uint8, np.uint16) and array.size and shareable:
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tf.convert_to_tensor(array)
