"""Windows by index, against a slow loop."""

from __future__ import annotations

import doctest
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.packed import empty_aligned
from forecaster.errors import DataError, NotFoundError, SettingError
from forecaster.features import windows as windows_module
from forecaster.features.windows import Windows, allowed_window_starts, make_windows


def test_the_examples_of_the_docstrings_run():
    found = doctest.testmod(windows_module)
    assert found.attempted and not found.failed


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
    windows = Windows(values, lookback, horizon, offsets, known=channels - 1)
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
    with pytest.raises(DataError, match="1 row without a series id in column 'shop'"):
        make_windows(pd.DataFrame({"shop": ["a", None], "sales": [1.0, 2.0]}), 1, series="shop")
    with pytest.raises(SettingError, match="1 or more, got 0 and 1"):
        make_windows(pd.Series([1.0, 2.0]), 0)


# ---- calendar, covariates, static ------------------------------------------------------------------------------


def rich(rows: int = 30, offsets=(0, 12, 12, 30)) -> tuple[Windows, dict[str, np.ndarray]]:
    """Windows with every kind of input, and what they were made of."""
    rng = np.random.default_rng(0)
    tables = {
        "values": rng.normal(size=(rows, 1 + 2 + 3)).astype(np.float32),
        "calendar": rng.normal(size=(18, 2)).astype(np.float32),
        "places": np.concatenate([np.arange(b - a) for a, b in pairwise(offsets)]).astype(np.int32),
        "static": rng.normal(size=(3, 2)).astype(np.float32),
        "categories": np.array([[1], [2], [0]], np.int32),
    }
    given = {name: tables[name] for name in ("calendar", "places", "static", "categories")}
    return Windows(tables["values"], 4, 3, offsets, known=2, **given), tables


def test_a_batch_equals_the_slow_loop():
    windows, t = rich()
    assert len(windows) == (12 - 6) + (18 - 6)
    batch = windows.batch()
    assert {name: array.dtype.name for name, array in batch.items()} == {
        "past": "float32",
        "future": "float32",
        "static": "float32",
        "categories": "int32",
    }
    for number, start in enumerate(windows.starts):
        series = 0 if start < 12 else 2
        for step in range(4):
            row = start - 4 + step
            expected = [t["values"][row, 0], *t["calendar"][t["places"][row]], *t["values"][row, 1:]]
            assert batch["past"][number, step].tolist() == expected
        for step in range(3):
            expected = [*t["calendar"][t["places"][start + step]], *t["values"][start + step, 1:3]]
            assert batch["future"][number, step].tolist() == expected
        assert batch["static"][number].tolist() == t["static"][series].tolist()
        assert batch["categories"][number].tolist() == t["categories"][series].tolist()
    some = np.array([7, 0, 7])
    for name, array in windows.batch(some).items():
        np.testing.assert_array_equal(array, batch[name][some])


def test_what_has_no_columns_is_absent():
    empty = np.zeros((20, 0))
    windows = Windows(np.arange(20.0), 4, 3, calendar=empty, places=np.arange(20), static=empty[:1], categories=empty)
    assert set(windows.batch()) == {"past"}
    assert windows.known().shape == (14, 3, 0)
    assert set(Windows(np.zeros((20, 3)), 4, 3).batch()) == {"past"}


def test_a_calendar_without_places_is_that_of_the_rows():
    calendar = np.arange(10.0)[:, None] * 10
    batch = Windows(np.arange(10.0), 2, 1, calendar=calendar).batch(np.array([0]))
    assert batch["past"].tolist() == [[[0, 0], [1, 10]]]
    assert batch["future"].tolist() == [[[20]]]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    lookback=st.integers(1, 4),
    horizon=st.integers(1, 3),
    first=st.none() | st.integers(1, 8),
    last=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_windows_begin_only_at_usable_rows(lengths, lookback, horizon, first, last, seed):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    usable = np.random.default_rng(seed).random(offsets[-1]) > 0.4
    expected = []
    for a, b in pairwise(offsets):
        for row in range(a + lookback, b - horizon - last + 1):
            if (first is None or row >= b - first) and usable[row]:
                expected.append(row)
    windows = Windows(np.zeros(offsets[-1]), lookback, horizon, offsets, None, (first, last), usable=usable)
    assert windows.starts.tolist() == expected
    assert len(windows) == len(expected)
    few = windows.thinned(3)
    assert set(few.starts) <= set(expected)
    np.testing.assert_array_equal(few.series(), [np.flatnonzero(offsets <= s)[-1] for s in few.starts])


def test_windows_are_picked_by_any_kind_of_number():
    windows = Windows(np.arange(20.0), 3, 2, usable=np.arange(20) % 2 == 0)
    assert windows.starts.tolist() == [4, 6, 8, 10, 12, 14, 16, 18]
    assert windows.targets(slice(1, 3)).tolist() == [[6, 7], [8, 9]]
    assert windows.targets(np.array([-1, 0])).tolist() == [[18, 19], [4, 5]]
    assert windows.targets(np.arange(8) == 2).tolist() == [[8, 9]]
    assert windows.targets(np.zeros(0, int)).shape == (0, 2)


def test_many_series_cost_little():
    offsets = np.arange(0, 20_000_001, 200)
    began = time.perf_counter()
    tracemalloc.start()
    windows = Windows(np.zeros(20_000_000, np.float32), 28, 24, offsets)
    windows.batch(np.arange(0, len(windows), 100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(windows) == 100_000 * (200 - 51)
    assert peak < 80e6 + 20e6  # the values themselves, and next to nothing for the windows
    assert time.perf_counter() - began < 2


def test_float32_values_are_not_copied():
    values = empty_aligned((100, 3))
    assert values.shape == (100, 3) and values.dtype == np.float32 and values.ctypes.data % 64 == 0
    assert Windows(values, 3, 1).values is values


# ---- gaps ------------------------------------------------------------------------------------------------------


def slow_allowed(observed, offsets, lookback, longest, least, padding):
    found = []
    for s, (a, b) in enumerate(pairwise(offsets)):
        real = min(a + padding[s], b)
        for row in range(a, b):
            run = worst = 0
            for seen in range(max(row - lookback, real), row):
                run = 0 if observed[seen] else run + 1
                worst = max(worst, run)
            found.append(bool(worst <= longest and row - real >= least))
    return found


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 14), min_size=1, max_size=4),
    lookback=st.integers(1, 6),
    longest=st.integers(0, 7),
    least=st.integers(0, 3),
    most=st.integers(0, 6),
    share=st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    seed=st.integers(0, 999),
)
def test_allowed_starts_equal_the_slow_loop(lengths, lookback, longest, least, most, share, seed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    padding = np.minimum(rng.integers(0, most + 1, len(lengths)), lengths)
    observed = rng.random(offsets[-1]) > share
    for s, a in enumerate(offsets[:-1]):
        observed[a : a + padding[s]] = False
    found = allowed_window_starts(observed, offsets, lookback, longest, least, padding)
    assert found.tolist() == slow_allowed(observed, offsets, lookback, longest, least, padding)


def test_a_gap_is_borne_until_too_much_of_it_lies_in_the_lookback():
    observed = np.ones(12, bool)
    observed[3:6] = False
    found = allowed_window_starts(observed, np.array([0, 12]), lookback=4, max_missing_run=2)
    assert np.flatnonzero(~found).tolist() == [0, 6, 7]  # rows 3, 4 and 5 lie before both; row 0 has nothing before it
    assert allowed_window_starts(observed, np.array([0, 12]), 4, 3, least=0).all()


def test_allowed_starts_of_many_series_are_found_fast():
    offsets = np.arange(0, 4_000_001, 200)
    observed = np.random.default_rng(0).random(4_000_000) > 0.3
    began = time.perf_counter()
    assert 0.5 < allowed_window_starts(observed, offsets, 28, 6).mean() < 1
    assert time.perf_counter() - began < 2
