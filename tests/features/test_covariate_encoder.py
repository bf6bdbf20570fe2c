"""Covariates as channels: fitted on training rows, filled from the past, the same at fit and at predict."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Column, Roles
from forecaster.errors import ModelError
from forecaster.features import series_sums as segments
from forecaster.features.covariate_encoder import Encoder

NAN = math.nan


def panel_of(lengths, static=None, beyond=None, **covariates):
    """Return a panel; ``past_x=[...]`` is a past column, ``future_x=(labels, [...])`` one of categories."""
    columns, cells = [], []
    for name, given_cells in sorted(covariates.items(), key=lambda item: item[0].startswith("future")):
        labels, rows = given_cells if isinstance(given_cells, tuple) else (None, given_cells)
        columns.append(Column(name, name.split("_")[0], None if labels is None else tuple(labels)))
        cells.append(np.asarray(rows, np.float32))
    fixed = []
    for name, given_cells in (static or {}).items():
        labels, rows = given_cells if isinstance(given_cells, tuple) else (None, given_cells)
        columns.append(Column(name, "static", None if labels is None else tuple(labels)))
        fixed.append(np.asarray(rows, np.float32))
    rows = sum(lengths)
    return Panel(
        values=np.zeros(rows),
        observed=np.ones(rows, bool),
        times=np.arange(rows),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        freq="step",
        roles=Roles("t", "y"),
        columns=tuple(columns),
        covariates=np.stack(cells, axis=1) if cells else np.zeros((rows, 0), np.float32),
        static=np.stack(fixed, axis=1) if fixed else np.zeros((len(lengths), 0), np.float32),
        beyond=None if beyond is None else np.asarray(beyond, np.float32),
    )


def column(array, number=0):
    return array[:, number].tolist()


def channel_names(channels):
    """Return a name for each channel: that of its column, with its category."""
    found = []
    for channel in channels:
        if hasattr(channel, "labels"):
            found += [f"{channel.name}={label}" for label in channel.labels]
        else:
            found.append(channel.name if hasattr(channel, "center") else f"{channel.name} present")
    return tuple(found)


# Numbers


def test_numbers_are_standardised_over_the_rows_of_all_series():
    panel = panel_of([2, 2], past_x=[1, 2, 3, 6], future_z=[0, 0, 1, 1])
    encoder = Encoder.fit(panel)
    deviation = math.sqrt((4 + 1 + 0 + 9) / 4)
    assert column(encoder.past(panel)) == pytest.approx([-2 / deviation, -1 / deviation, 0, 3 / deviation])
    assert column(encoder.known(panel)) == [-1, -1, 1, 1]
    assert (encoder.past_width, encoder.known_width, encoder.static_width, encoder.sizes) == (1, 1, 0, ())
    assert (encoder.needed, encoder.left_out, encoder.notes()) == (("future_z",), (), [])


def test_an_empty_cell_takes_the_value_before_it_in_its_series_and_the_mean_where_there_is_none():
    panel = panel_of([4, 3], future_z=[NAN, -1, NAN, NAN, NAN, 1, NAN])
    encoded = Encoder.fit(panel).known(panel)
    assert column(encoded) == [0, -1, -1, -1, 0, 1, 1]
    assert encoded.dtype == np.float32


def test_a_past_column_with_empty_cells_says_where_it_has_a_reading():
    panel = panel_of([4], past_a=[1, NAN, 2, NAN], past_b=[NAN, 1, 2, 3], past_c=[5, NAN, 9, NAN], past_d=[1, 2, 3, 4])
    encoder = Encoder.fit(panel)
    assert channel_names(encoder.past_channels) == (
        "past_a",
        "past_b",
        "past_c",
        "past_d",
        "past_a, past_c present",  # empty together
        "past_b present",
    )
    assert column(encoder.past(panel), 4) == [1, 0, 1, 0]
    assert column(encoder.past(panel), 5) == [0, 1, 1, 1]


def test_columns_that_never_change_in_training_are_no_channel():
    empty, constant, level = [NAN] * 3, [7, NAN, 7], [1e6, 1e6 + 0.1, 1e6]
    panel = panel_of([3], past_a=empty, past_b=constant, past_c=level, future_d=(["x", "y"], [1, 1, 1]))
    encoder = Encoder.fit(panel)
    assert channel_names(encoder.past_channels) == ("past_b present",)
    assert encoder.known(panel).shape == (3, 0)
    assert encoder.needed == () and encoder.left_out == ("past_a", "past_b", "past_c", "future_d")
    (note,) = encoder.notes()
    assert note.warning and note.value == "past_a, past_b, past_c, future_d"
    newer = panel_of([3], past_a=[1, 2, 3], past_b=[1, 2, 3], past_c=[1, 2, 3], future_d=(["x", "y"], [0, 1, 0]))
    assert encoder.past(newer).tolist() == [[1], [1], [1]]


def test_a_column_over_orders_of_magnitude_is_learned_as_its_logarithm():
    volume = np.geomspace(1, 1e9, 2001)
    panel = panel_of([2001, 2001], past_v=[*volume, *volume], past_w=[*(volume * 1e-12), *(volume * 1e-12)])
    encoder = Encoder.fit(panel)
    first, second = encoder.past(panel)[:2001].T
    np.testing.assert_allclose(first, second, atol=1e-4)  # whatever its unit
    assert np.abs(first).max() < 3
    above = np.diff(first[volume > 1e7])
    np.testing.assert_allclose(above, above[0], rtol=0.02)  # even steps: a logarithm above its median


def test_a_skewed_column_is_learned_as_its_signed_logarithm():
    random = np.random.default_rng(0)
    rain = np.where(random.random(4000) < 0.1, random.lognormal(0, 2, 4000), 0)
    panel = panel_of([4000], past_dry=-rain, past_plain=random.normal(size=4000), past_rain=rain)
    encoder = Encoder.fit(panel)
    dry, plain, rained = encoder.past_channels
    assert rained.unit == dry.unit > 0 and plain.unit == 0
    encoded = encoder.past(panel)
    np.testing.assert_allclose(encoded[:, 0], -encoded[:, 2], atol=1e-5)
    assert (np.diff(encoded[np.argsort(rain), 2]) >= 0).all()


def test_a_rare_event_is_no_matter_for_a_logarithm():
    flags = np.zeros(1000)
    flags[::100] = 1
    assert Encoder.fit(panel_of([1000], future_flag=flags)).known_channels[0].unit == 0


def test_an_event_that_the_sample_misses_is_standardised_all_the_same(monkeypatch):
    monkeypatch.setattr("forecaster.features.covariate_channels.SAMPLE", 3)
    panel = panel_of([6], future_flag=[0, 0, 4, 0, 0, 0])
    assert column(Encoder.fit(panel).known(panel))[2] == pytest.approx(5 / math.sqrt(5))


def test_what_is_far_outside_the_training_values_is_clipped_and_counted():
    encoder = Encoder.fit(panel_of([4], past_x=[1, 2, 3, 4], future_z=[0, 1, 0, 1], static={"a": [1.0]}))
    newer = panel_of(
        [4], past_x=[1e30, -1e30, 5, NAN], future_z=[0, 1, 0, 1], static={"a": [1.0]}, beyond=[[[1], [50], [-60]]]
    )
    assert column(encoder.past(newer))[:2] == [10, -10]
    assert encoder.ahead(newer.beyond).ravel().tolist() == [1, 10, -10]
    found = encoder.outside(newer)
    assert {name: (cells.count, cells.clipped) for name, cells in found.items()} == {
        "past_x": (3, 2),
        "future_z": (2, 2),
    }
    assert found["future_z"].furthest == -60


def test_future_cells_outside_the_training_values_are_told_with_their_column_count_and_range():
    """The network was trained on 0 and 1, deviation 0.5: 5 is 9 deviations from the mean, 15 and 1000 are clipped."""
    encoder = Encoder.fit(panel_of([4], future_promo=[0, 1, 0, 1], future_wind=[2.5, 3.1, 2.7, 2.9]))
    panel = panel_of(
        [4],
        future_promo=[0, 1, 0, 1],
        future_wind=[2.5, 3.1, 2.7, 2.9],
        beyond=[[[5, 3], [15, 3], [1000, 3.12], [1, NAN]]],
    )
    (note,) = encoder.outside_notes(panel)
    assert (note.name, note.value, note.warning) == ("outside", "4 cells of future_promo, future_wind", True)
    assert "future_promo was 0 to 1 in training, 3 outside, such as 1000, 2 of them clipped" in note.reason
    assert "future_wind was 2.5 to 3.1 in training, 1 outside, such as 3.12:" in note.reason
    (near,) = encoder.outside_notes(panel, np.array([1]))  # of one step alone
    assert (near.value, near.warning) == ("1 cell of future_promo", True) and "clipped" not in near.reason
    assert encoder.outside_notes(panel, np.array([0])) == []
    (little,) = encoder.outside_notes(panel_of([2], future_promo=[0, 1], future_wind=[2.5, 3.15]))
    assert not little.warning  # less than a tenth of the range beyond it


def test_clipped_rare_events_of_the_training_rows_are_not_counted():
    flags = np.zeros(1000)
    flags[500] = 1
    panel = panel_of([1000], future_flag=flags)
    encoder = Encoder.fit(panel)
    assert encoder.known(panel).max() == 10 and encoder.outside(panel) == {}


# Categories


def test_categories_are_channels_of_one_and_zero():
    panel = panel_of([6], past_wind=(["NE", "NW", "SE"], [1, 1, 0, NAN, -1, 1]))
    encoder = Encoder.fit(panel)
    assert channel_names(encoder.past_channels) == ("past_wind=NW", "past_wind=NE", "past_wind present")
    assert column(encoder.past(panel), 0) == [1, 1, 0, 0, 0, 1]
    assert column(encoder.past(panel), 1) == [0, 0, 1, 0, 0, 0]
    newer = panel_of([2], past_wind=(["NE", "NW", "SE"], [2, 0]))
    assert encoder.past(newer)[:, :2].tolist() == [[0, 0], [0, 1]]  # never seen in training: nothing


def test_only_the_most_frequent_categories_are_channels():
    codes = np.repeat(np.arange(30), np.arange(1, 31))
    encoder = Encoder.fit(panel_of([len(codes)], future_kind=([f"k{i}" for i in range(30)], codes)))
    assert channel_names(encoder.known_channels) == tuple(f"future_kind=k{i}" for i in range(29, 9, -1))
    assert encoder.needed == ("future_kind",)


# What belongs to a series


def test_static_numbers_and_categories():
    static = {"area": [1, NAN, 3], "kind": (["a", "b", "c"], [2, 0, NAN]), "same": (["x"], [0, 0, 0]), "one": [5, 5, 5]}
    panel = panel_of([1, 1, 1], static)
    encoder = Encoder.fit(panel)
    assert column(encoder.static(panel)) == [-1, 0, 1]
    assert channel_names(encoder.static_channels) == ("area",)
    assert [channel.name for channel in encoder.static_categories] == ["kind"]
    assert encoder.left_out == ("same", "one")
    kinds = encoder.categories(panel)
    assert encoder.sizes == (3,) and kinds.dtype == np.int32
    assert sorted(column(kinds)) == [0, 1, 2] and column(kinds)[2] == 0
    newer = panel_of(
        [1] * 4, {"area": [2] * 4, "kind": (["a", "b", "c"], [0, 1, 2, -1]), "same": (["x"], [0] * 4), "one": [9] * 4}
    )
    first, unseen, third, unknown = column(encoder.categories(newer))
    assert (unseen, unknown) == (0, 0) and {first, third} == {1, 2}
    assert (first, third) == (column(kinds)[1], column(kinds)[0])


# The horizon, other rows, JSON


def test_future_cells_ahead_are_encoded_as_those_of_the_rows():
    labels = ["no", "yes"]
    panel = panel_of(
        [3, 3], past_x=[1, 2, 3, 4, 5, 6], future_a=[0, 2, 4, 0, 2, 4], future_b=(labels, [0, 1, 0, 1, 1, 0])
    )
    encoder = Encoder.fit(panel)
    known = encoder.known(panel)
    again = encoder.ahead(panel.covariates[:, 1:].reshape(2, 3, 2))
    np.testing.assert_array_equal(again.reshape(6, 3), known)
    holes = encoder.ahead(np.array([[[NAN, 0], [4, NAN], [NAN, 1]], [[0, 0], [NAN, 1], [2, -1]]], np.float32))
    spread = math.sqrt(8 / 3)
    np.testing.assert_allclose(holes[:, :, 0], [[0, 2 / spread, 2 / spread], [-2 / spread, -2 / spread, 0]], rtol=1e-6)
    assert holes[0, 1, 1:].tolist() == [0, 0]
    assert encoder.ahead(np.zeros((2, 0, 2), np.float32)).shape == (2, 0, 3)


@pytest.mark.parametrize("cut", [3, 5])
def test_empty_first_steps_take_the_value_before_the_cutoff_as_in_training(cut):
    """Row 2 is empty in both series, and at the cutoff 3 the newest row before the horizon is empty itself."""
    cells = np.array([1, 2, NAN, NAN, 5, NAN, 7, 3, 4, NAN, 6, NAN, NAN, 9], np.float32)
    labels = np.array([1, 0, NAN, NAN, 1, NAN, 0, 1, 0, NAN, 1, NAN, NAN, 0], np.float32)
    panel = panel_of([7, 7], past_x=np.arange(14), future_a=cells, future_b=(["no", "yes"], labels))
    encoder = Encoder.fit(panel)
    known = encoder.known(panel).reshape(2, 7, -1)
    before = panel.drop_newest(7 - cut)
    beyond = panel.keep_newest(7 - cut).covariates[:, 1:].reshape(2, 7 - cut, 2)
    np.testing.assert_array_equal(encoder.ahead(beyond, before), known[:, cut:])
    assert (encoder.ahead(beyond)[0, 0] != known[0, cut]).any()  # the mean, where the rows before are not given


def test_a_column_with_an_offset_is_told_as_it_was_written():
    panel = panel_of([4], future_z=[-1.5, 0, 0.25, 1])
    panel = replace(panel, columns=(Column("z", "future", offset=1e9),))
    newer = replace(panel, beyond=np.array([[[7.125]]], np.float32))
    (note,) = Encoder.fit(panel).outside_notes(newer)
    assert "z was 999999998.5 to 1000000001 in training, 1 outside, such as 1000000007.12" in note.reason


def test_a_panel_without_covariates_has_no_channel():
    panel = panel_of([3, 2])
    encoder = Encoder.fit(panel)
    assert encoder.past(panel).shape == encoder.known(panel).shape == (5, 0)
    assert encoder.static(panel).shape == encoder.categories(panel).shape == (2, 0)
    assert encoder.ahead(np.zeros((2, 4, 0), np.float32)).shape == (2, 4, 0)
    assert (encoder.past_width, encoder.known_width, encoder.static_width, encoder.sizes) == (0, 0, 0, ())
    assert encoder.outside(panel) == {} and encoder.outside_notes(panel) == encoder.notes() == []


def rich_panel(lengths, seed=0):
    random, rows = np.random.default_rng(seed), sum(lengths)
    holed = np.where(random.random(rows) < 0.3, NAN, random.normal(50, 10, rows))
    return panel_of(
        lengths,
        {"size": random.lognormal(0, 3, len(lengths)), "type": (list("abcd"), random.integers(-1, 4, len(lengths)))},
        past_temp=holed,
        past_rain=random.lognormal(0, 4, rows),
        future_price=np.where(random.random(rows) < 0.5, NAN, random.normal(size=rows)),
        future_promo=(list("xyz"), np.where(random.random(rows) < 0.2, NAN, random.integers(-1, 3, rows))),
    )


def encoded(encoder, panel):
    return [encoder.past(panel), encoder.known(panel), encoder.static(panel), encoder.categories(panel)]


def test_survives_json():
    panel = rich_panel([30, 40, 20])
    encoder = Encoder.fit(panel)
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    for a, b in zip(encoded(encoder, panel), encoded(again, panel), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_covariates_are_refused():
    encoder = Encoder.fit(panel_of([3], past_x=[1, 2, 3]))
    for other in (panel_of([3], past_y=[1, 2, 3]), panel_of([3])):
        for use in (encoder.past, encoder.known, encoder.static, encoder.categories, encoder.outside):
            with pytest.raises(ModelError, match=r"the covariates are \w+, but the model was fitted on past_x"):
                use(other)


def test_rows_after_the_training_rows_change_nothing():
    panel = rich_panel([30, 30, 30])
    late = np.tile(np.arange(30) >= 20, 3)
    cells = panel.covariates.copy()
    cells[late] = np.array([1e9, NAN, -1e9, 2], np.float32)
    changed = Panel(**{**{k: getattr(panel, k) for k in panel.__dataclass_fields__}, "covariates": cells})
    a, b = (Encoder.fit(p.drop_newest(10)) for p in (panel, changed))
    assert a == b
    np.testing.assert_array_equal(a.past(panel)[~late], b.past(changed)[~late])
    np.testing.assert_array_equal(a.known(panel)[~late], b.known(changed)[~late])


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 25), min_size=1, max_size=6), st.integers(0, 10_000))
def test_channels_equal_a_loop_over_the_cells(lengths, seed):
    random = np.random.default_rng(seed)
    cells = np.where(random.random(sum(lengths)) < 0.5, NAN, random.uniform(1, 5, sum(lengths))).astype(np.float32)
    panel = panel_of(lengths, past_x=cells)
    encoder = Encoder.fit(panel)
    known = [float(x) for x in cells if x == x]
    if len(set(known)) < 2:
        assert encoder.left_out == ("past_x",)
        return
    expected, row = [], 0
    for length in lengths:
        last = np.mean(known)
        for _ in range(length):
            last = float(cells[row]) if cells[row] == cells[row] else last
            expected.append((last - np.mean(known)) / np.std(known))
            row += 1
    np.testing.assert_allclose(encoder.past(panel)[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_memory_is_that_of_the_channels():
    rows = 6_000_000
    cells = np.where(np.arange(rows) % 7, np.arange(rows) % 100, NAN).astype(np.float32)
    panel = panel_of([rows // 1000] * 1000, past_a=cells, past_b=cells + 1)
    encoder = Encoder.fit(panel)
    tracemalloc.start()
    encoded = encoder.past(panel)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * encoded.nbytes


def test_parts_of_a_large_panel_are_encoded_as_the_whole(monkeypatch):
    panel = rich_panel([30, 1, 40, 20, 7])
    encoder = Encoder.fit(panel)
    whole = encoded(encoder, panel)
    for size in (1, 33, 64):
        monkeypatch.setattr(segments, "CHUNK", size)
        monkeypatch.setattr("forecaster.features.covariate_channels.CHUNK", size)
        for a, b in zip(whole, encoded(encoder, panel), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(Encoder.fit(panel).past_channels, encoder.past_channels, strict=True):
            assert (type(a), a.name) == (type(b), b.name)
            if hasattr(a, "center"):
                assert (a.center, a.scale) == pytest.approx((b.center, b.scale), rel=1e-9)
