"""Windows by index, against a slow loop."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.windowing import Windows, make_windows


def slow_windows(values, offsets, lookback, horizon):
    """Every window by plain loops: (series, cutoff, inputs, known, targets)."""
    found = []
    for s in range(len(offsets) - 1):
        rows = values[offsets[s] : offsets[s + 1]]
        for cutoff in range(len(rows)):
            if cutoff + 1 >= lookback and cutoff + horizon < len(rows):
                past = [rows[t] for t in range(cutoff - lookback + 1, cutoff + 1)]
                future = [rows[t] for t in range(cutoff + 1, cutoff + 1 + horizon)]
                found.append((s, cutoff, np.array(past), np.array(future)[:, 1:], np.array(future)[:, 0]))
    return found


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    lookback=st.integers(1, 5),
    horizon=st.integers(1, 4),
    channels=st.integers(1, 3),
)
def test_equals_the_slow_loop(lengths, lookback, horizon, channels):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(offsets[-1] * channels, dtype=np.float32).reshape(-1, channels)
    windows = Windows(values, lookback, horizon, offsets)
    expected = slow_windows(values, offsets, lookback, horizon)
    assert len(windows) == len(expected)
    for i, (s, cutoff, past, known, target) in enumerate(expected):
        which = np.array([i])
        assert windows.index[i].tolist() == [s, cutoff]
        assert windows.series(which).tolist() == [s]
        np.testing.assert_array_equal(windows.inputs(which)[0], past)
        np.testing.assert_array_equal(windows.known(which)[0], known.reshape(horizon, channels - 1))
        np.testing.assert_array_equal(windows.targets(which)[0], target)


def test_split_by_age_keeps_targets_on_their_side():
    values = np.arange(20.0)[:, None]
    training = Windows(values, 4, 2, newest=(None, 6))
    validation = Windows(values, 4, 2, newest=(6, 0))
    assert training.targets().max() == 13.0
    assert validation.targets().min() == 14.0
    assert validation.targets().max() == 19.0
    assert len(validation) == 5


def test_split_counts_age_within_each_series():
    values = np.arange(20.0)[:, None]
    validation = Windows(values, 3, 1, [0, 10, 20], newest=(2, 0))
    assert validation.targets().ravel().tolist() == [8.0, 9.0, 18.0, 19.0]


def test_filled_rows_weigh_nothing():
    observed = np.array([True] * 5 + [False] + [True] * 4)
    windows = Windows(np.arange(10.0), 3, 2, weights=observed)
    assert windows.target_weights(np.array([1])).tolist() == [[1.0, 0.0]]
    assert Windows(np.arange(10.0), 3, 2, weights=np.ones(10, bool)).target_weights() is None


def test_memory_is_rows_plus_batch():
    values = np.zeros((200_000, 2), np.float32)
    tracemalloc.start()
    windows = Windows(values, 336, 24)
    windows.inputs(np.arange(128))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # all windows at once would be 537 MB


def test_thinned_windows_are_some_of_the_windows_first_and_last_included():
    windows = Windows(np.arange(100.0), 5, 2)
    few = windows.thinned(7)
    assert len(few) == 7
    assert set(few.starts) <= set(windows.starts)
    assert (few.starts[0], few.starts[-1]) == (windows.starts[0], windows.starts[-1])
    assert windows.thinned(1000) is windows


def test_series_and_frames_of_pandas():
    windows = make_windows(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]), lookback=3)
    assert windows.inputs().shape == (2, 3, 1)
    assert windows.targets().tolist() == [[4.0], [5.0]]
    frame = pd.DataFrame({"a": range(6), "sales": range(10, 16), "name": list("abcdef")})
    windows = make_windows(frame, 2, 3, target="sales")
    assert windows.inputs(np.array([0])).tolist() == [[[10, 0], [11, 1]]]
    assert windows.known(np.array([1])).tolist() == [[[3], [4], [5]]]


def test_long_table_never_crosses_series_even_when_rows_are_mixed():
    frame = pd.DataFrame({"shop": ["a", "b"] * 5, "sales": [0, 100, 1, 101, 2, 102, 3, 103, 4, 104]})
    windows = make_windows(frame, 3, 1, series="shop")
    assert windows.targets().ravel().tolist() == [3.0, 4.0, 103.0, 104.0]
    assert windows.inputs()[2].ravel().tolist() == [100.0, 101.0, 102.0]


def test_errors_name_the_place():
    frame = pd.DataFrame({"sales": [1.0, np.nan, 3.0], "name": list("abc")})
    with pytest.raises(DataError, match=r"1 missing or infinite values, the first in row 1 of column 'sales'"):
        make_windows(frame, 1)
    with pytest.raises(NotFoundError, match="no column 'sale'") as error:
        make_windows(frame, 1, target="sale")
    assert error.value.hint == "did you mean 'sales'?"
    with pytest.raises(DataError, match="'name' is not numeric"):
        make_windows(frame, 1, target="name")
    with pytest.raises(DataError, match="no numeric column"):
        make_windows(frame[["name"]], 1)
    with pytest.raises(DataError, match="1 rows have no series id in column 'shop'"):
        make_windows(pd.DataFrame({"shop": ["a", None], "sales": [1.0, 2.0]}), 1, series="shop")
    with pytest.raises(SettingError, match="1 or more, got 0 and 1"):
        make_windows(pd.Series([1.0, 2.0]), 0)
