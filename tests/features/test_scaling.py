"""Scaling per series: fitted on the rows it is given, undone exactly, levels and anchors of changes."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.errors import DataError
from forecaster.features import series_sums as segments
from forecaster.features.scaling import Scaler
from forecaster.features.transforms import CHANGES, POSITIVE, TRANSFORMS

PARTS = ("center", "scale", "spread", "moves", "power", "unit")


def panel_of(*series, observed=None, dtype=float):
    values = np.concatenate([np.asarray(s, dtype) for s in series])
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])])
    times = np.concatenate([np.arange(len(s)) for s in series])
    seen = np.ones(len(values), bool) if observed is None else np.asarray(observed)
    return Panel(values, seen, times, offsets, tuple(f"s{i}" for i in range(len(series))), "step", Roles("t", "y"))


def growing(rows=60, seed=0, size=100.0):
    """Return a positive series with a season of 6 whose swings grow with its level."""
    steps, noise = np.arange(rows), np.random.default_rng(seed).normal(size=rows)
    return size * np.exp(steps / 50 + 0.2 * np.sin(2 * np.pi * steps / 6) + 0.05 * noise)


def assert_same(a: Scaler, b: Scaler, tolerance=0.0):
    assert (a.kind, a.scaling) == (b.kind, b.scaling)
    for part in PARTS:
        np.testing.assert_allclose(getattr(a, part), getattr(b, part), rtol=tolerance, atol=tolerance, err_msg=part)


# What is fitted


def test_each_series_by_its_own_mean_and_deviation():
    scaler = Scaler.fit(panel_of([1, 2, 3], [100, 300]), "none", 1)
    assert scaler.center.tolist() == [2.0, 200.0]
    assert scaler.scale == pytest.approx([np.sqrt(2 / 3), 100.0])
    assert scaler.transform(panel_of([2, 2, 2], [100, 300])).tolist() == [0.0, 0.0, 0.0, -1.0, 1.0]


def test_robust_is_the_median_and_the_quartiles():
    scaler = Scaler.fit(panel_of([0, 1, 2, 3, 1000], [5, 7]), "none", 1, "robust")
    assert scaler.center.tolist() == [2.0, 6.0]
    assert scaler.scale == pytest.approx([2 / 1.349, 1 / 1.349])


def test_seasonal_is_the_mean_and_the_mean_seasonal_change():
    scaler = Scaler.fit(panel_of([1, 10, 3, 14, 5, 12], [4, 4, 4, 7]), "none", 2, "seasonal")
    assert scaler.center.tolist() == [7.5, 4.75]
    assert scaler.scale.tolist() == [2.5, 1.5]
    assert scaler.spread.tolist() == [1.0, 1.0]


def test_seasonal_falls_back_to_the_deviation_where_the_season_repeats_exactly():
    scaler = Scaler.fit(panel_of([1, 3, 1, 3, 1, 3]), "none", 2, "seasonal")
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([2.0], [1.0])


def test_robust_falls_back_to_the_deviation_where_the_quartiles_are_equal():
    scaler = Scaler.fit(panel_of([0, 0, 0, 0, 0, 0, 0, 0, 0, 10]), "none", 1, "robust")
    assert (scaler.center.tolist(), scaler.scale.tolist()) == ([0.0], [3.0])


def test_readings_that_were_not_observed_do_not_count():
    observed = [True, True, True, False]
    scaler = Scaler.fit(panel_of([1, 2, 3, 99], observed=observed), "none", 1)
    assert scaler.center.tolist() == [2.0]
    assert scaler.spread == pytest.approx([1 / np.sqrt(2 / 3)])
    robust = Scaler.fit(panel_of([1, 2, 3, 99], observed=observed), "none", 1, "robust")
    assert (robust.center.tolist(), robust.scale.tolist()) == ([2.0], [1 / 1.349])


def test_changes_to_and_from_a_placeholder_do_not_count():
    observed = [True, True, True, False, True, True]
    scaler = Scaler.fit(panel_of([1, 2, 5, 99, 7, 8], observed=observed), "difference", 1)
    assert scaler.center == pytest.approx([(1 + 3 + 1) / 3])  # of 1 to 2, 2 to 5 and 7 to 8


def test_spread_is_the_mean_seasonal_difference_of_the_level_in_units_of_scale():
    panel = panel_of([0, 10, 2, 12, 4, 14])
    for transform in ("none", "difference"):
        scaler = Scaler.fit(panel, transform, 2)
        assert scaler.spread * scaler.scale == pytest.approx([2.0])
    doubling = panel_of([1, 2, 4, 8, 16])
    for transform in ("log", "return"):
        scaler = Scaler.fit(doubling, transform, 2)
        assert scaler.spread * scaler.scale == pytest.approx([2 * math.log(2)])


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_constant_series_are_scaled_by_one_and_have_no_spread(transform, scaling):
    scaler = Scaler.fit(panel_of([5.0] * 10, [0.1] * 10, [1e9] * 100), transform, 1, scaling)
    assert (scaler.scale.tolist(), scaler.spread.tolist()) == ([1.0] * 3, [0.0] * 3)


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_one_row_is_enough(transform, scaling):
    panel = panel_of([7.0], [3.0, 4.0])
    scaler = Scaler.fit(panel, transform, 12, scaling)
    assert scaler.scale[0] == 1 and scaler.transform(panel)[0] == 0
    found = scaler.inverse(
        np.zeros((1, 2), np.float32), np.array([0]), np.array([7.0 if transform != "return" else np.log(7)])
    )
    np.testing.assert_allclose(found, 7.0)


def test_a_straight_line_has_changes_without_a_scale_but_a_spread():
    scaler = Scaler.fit(panel_of(1e6 + 0.1 * np.arange(50)), "difference", 1)
    assert scaler.scale.tolist() == [1.0]
    assert scaler.center == pytest.approx([0.1]) and scaler.spread == pytest.approx([0.1])


def test_a_series_that_repeats_itself_exactly_has_a_spread_of_one():
    assert Scaler.fit(panel_of([1, 2] * 6), "none", 2).spread.tolist() == [1.0]


def test_a_series_without_any_reading_is_scaled_by_its_placeholders():
    panel = panel_of([1, 3, 2, 4], observed=[False] * 4)
    for transform in TRANSFORMS:
        scaler = Scaler.fit(panel, transform, 1)
        assert np.isfinite(scaler.center).all() and (scaler.scale > 0).all()
    assert Scaler.fit(panel, "none", 1).center.tolist() == [2.5]


def by_hand(values, observed, transform, season, scaling):
    """Fit one series the slow and obvious way."""
    z = [math.log(v) if transform in ("log", "return") else v for v in values]
    if transform in CHANGES:
        learned = [z[t] - z[t - 1] for t in range(1, len(z)) if observed[t] and observed[t - 1]]
        learned = learned or [z[t] - z[t - 1] for t in range(1, len(z))]
    else:
        learned = [v for v, o in zip(z, observed, strict=True) if o] or z
    center = np.median(learned) if scaling == "robust" else np.mean(learned)
    scale = np.std(learned)
    if scaling == "robust":
        low, high = np.percentile(learned, [25, 75])
        scale = (high - low) / 1.349 if high > low else scale
    lag = season if len(z) > season else 1
    jumps = [abs(z[t] - z[t - lag]) for t in range(lag, len(z)) if observed[t] and observed[t - lag]]
    kept = [v for v, o in zip(z, observed, strict=True) if o] or z
    scale = scale if scale > 1e-9 else 1.0
    spread = (np.mean(jumps) if jumps else 0.0) / scale or float(max(kept) > min(kept))
    moves = [abs(z[t] - z[t - 1]) for t in range(1, len(z)) if observed[t] and observed[t - 1]]
    return center, scale, spread, np.mean(moves or [0.0]) / scale


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=6),
    st.sampled_from(["none", "log", "difference", "return"]),
    st.sampled_from(["standard", "robust"]),
    st.integers(1, 7),
    st.sampled_from([0.0, 0.3]),
    st.integers(0, 1000),
)
def test_statistics_equal_a_loop_over_the_series(lengths, transform, scaling, season, missing, seed):
    random = np.random.default_rng(seed)
    rows = [np.exp(random.normal(3, 1, size=n + 1)) for n in lengths]
    seen = [random.random(n + 1) >= missing for n in lengths]
    scaler = Scaler.fit(panel_of(*rows, observed=np.concatenate(seen)), transform, season, scaling)
    for i, (values, observed) in enumerate(zip(rows, seen, strict=True)):
        found = [getattr(scaler, part)[i] for part in ("center", "scale", "spread", "moves")]
        expected = by_hand(values, observed, transform, season, scaling)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_parts_of_a_large_panel_are_fitted_and_scaled_as_the_whole(transform, monkeypatch):
    panel = panel_of(*(growing(rows, seed) for seed, rows in enumerate((50, 60, 1, 200, 7, 70, 55))))
    whole = Scaler.fit(panel, transform, 6)
    scaled = whole.transform(panel)
    for size in (1, 64, 130):
        monkeypatch.setattr("forecaster.features.scaling.CHUNK", size)
        monkeypatch.setattr(segments, "CHUNK", size)
        again = Scaler.fit(panel, transform, 6)
        assert_same(again, whole, 1e-12)
        np.testing.assert_array_equal(whole.transform(panel), scaled)


@pytest.mark.parametrize("transform", ["box-cox", "return"])
def test_memory_is_that_of_the_result(transform):
    values = np.tile(growing(100), 60_000).astype(np.float32)
    offsets = np.arange(60_001) * 100
    ids = tuple(map(str, range(60_000)))
    panel = Panel(values, np.ones(len(values), bool), np.arange(len(values)), offsets, ids, "step", Roles("t", "y"))
    peaks = []
    for work in (lambda: Scaler.fit(panel, transform, 6), lambda: Scaler.fit(panel, transform, 6).transform(panel)):
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 2.5 * values.nbytes and peaks[1] < 3 * values.nbytes


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_rows_after_the_training_rows_change_nothing(transform, scaling):
    series = [growing(80, seed) for seed in range(3)]
    changed = [np.concatenate([s[:60], s[60:] * 1e3 + 5]) for s in series]
    a, b = (Scaler.fit(panel_of(*s).drop_newest(20), transform, 6, scaling) for s in (series, changed))
    assert_same(a, b)
    x, y = (a.transform(panel_of(*s)).reshape(3, 80)[:, :60] for s in (series, changed))
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_series_is_scaled_alone_as_it_is_among_others(transform):
    series = [growing(60 + i, i, 10.0**i) for i in range(4)]
    together = Scaler.fit(panel_of(*series), transform, 6, "robust")
    for i, values in enumerate(series):
        assert_same(Scaler.fit(panel_of(values), transform, 6, "robust"), together.take(np.array([i])), 1e-12)


def test_single_precision_is_worked_on_in_double():
    values = 16_000_000 + np.arange(40.0)
    single, double = (Scaler.fit(panel_of(values, dtype=t), "difference", 1) for t in (np.float32, np.float64))
    assert_same(single, double)
    panel = panel_of(values + 0.0, dtype=np.float32)
    assert single.transform(panel).dtype == np.float32
    assert Scaler.fit(panel, "log", 1).scale == pytest.approx(np.log(values).std(), rel=1e-9)


# There and back


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.sampled_from(TRANSFORMS),
    st.sampled_from(["standard", "robust"]),
    st.integers(0, 1000),
    st.floats(-6, 9),
)
def test_scaled_targets_come_back(transform, scaling, seed, size):
    panel = panel_of(*(growing(70 + i, seed + i, 10.0**size) for i in range(3)))
    scaler = Scaler.fit(panel, transform, 6, scaling)
    scaled, horizon = scaler.transform(panel), 8
    starts = np.concatenate(
        [
            np.arange(first + 1, last - horizon + 1)
            for first, last in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
        ]
    )
    rows = starts[:, None] + np.arange(horizon)
    series = np.searchsorted(panel.offsets, starts, side="right") - 1
    anchors = scaler.anchors(panel, starts)
    back = scaler.inverse(scaled[rows], series, anchors)
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, panel.values[rows], rtol=2e-5)
    several = scaler.inverse(np.repeat(scaled[rows][:, :, None], 3, axis=2), series, anchors)
    np.testing.assert_array_equal(several, np.repeat(back[:, :, None], 3, axis=2))


def test_inverse_is_in_double_precision_even_for_tiny_changes_at_a_high_level():
    panel = panel_of(1e9 + np.arange(50.0), np.exp(np.linspace(0, 5, 40)))
    for transform in ("none", "log"):
        scaler = Scaler.fit(panel, transform, 1)
        scaled = scaler.transform(panel)
        assert scaled.dtype == np.float32 and np.abs(scaled).max() < 5
        back = scaler.inverse(scaled[:, None], np.repeat([0, 1], [50, 40]))[:, 0]
        np.testing.assert_allclose(np.diff(back[:50]), 1.0, atol=2e-5 if transform == "none" else 2e-4)


def test_differences_by_hand():
    panel = panel_of([10, 11, 13, 16], [5, 4, 5])
    scaler = Scaler.fit(panel, "difference", 1)
    assert scaler.center.tolist() == [2.0, 0.0]
    assert scaler.scale == pytest.approx([np.sqrt(2 / 3), 1.0])
    assert scaler.transform(panel) * np.repeat(scaler.scale, [4, 3]) == pytest.approx([0, -1, 0, 1, 0, -1, 1])
    assert scaler.anchors(panel).tolist() == [16.0, 5.0]
    steps = np.array([[0.0, 0.0, 1 / scaler.scale[0]], [1.0, 1.0, -3.0]])
    assert scaler.inverse(steps, np.array([0, 1]), scaler.anchors(panel)).tolist() == [
        [18.0, 20.0, 23.0],
        [6.0, 7.0, 4.0],
    ]


def test_returns_by_hand():
    panel = panel_of([1, 2, 8, 16])  # doubles, doubles twice, doubles
    scaler = Scaler.fit(panel, "return", 1)
    assert scaler.center == pytest.approx([4 / 3 * math.log(2)])
    assert scaler.anchors(panel, np.array([2])) == pytest.approx([math.log(2)])
    flat = (np.full((1, 2), 0.0) - scaler.center) / scaler.scale
    assert scaler.inverse(flat, np.array([0]), scaler.anchors(panel)) == pytest.approx(np.full((1, 2), 16.0))
    average = scaler.inverse(np.zeros((1, 3)), np.array([0]), scaler.anchors(panel))
    assert average[0, 2] == pytest.approx(16 * 2**4)


def test_anchors_are_the_level_of_the_row_before_or_its_placeholder():
    panel = panel_of([1, 2, 3], [7, 8, 9], observed=[True, True, False, True, True, True])
    scaler = Scaler.fit(panel, "difference", 1)
    assert scaler.anchors(panel, np.array([1, 2, 3, 4])).tolist() == [1, 2, 3, 7]
    assert scaler.anchors(panel).tolist() == scaler.anchors(panel, panel.offsets[1:]).tolist() == [3.0, 9.0]
    assert Scaler.fit(panel, "log", 1).anchors(panel) is None


def test_a_change_is_learned_where_both_of_its_ends_were_observed():
    panel = panel_of([1, 2, 3, 4, 5], [6, 7], observed=[True, True, False, True, True, True, True])
    assert Scaler.fit(panel, "none", 1).learned_rows(panel).tolist() == panel.observed.tolist()
    for transform in CHANGES:
        learned = Scaler.fit(panel, transform, 1).learned_rows(panel)
        assert learned.tolist() == [False, True, False, False, True, False, True]
    assert panel.observed.sum() == 6  # the panel is as it was


def test_changes_over_a_placeholder_add_up_to_the_true_change():
    panel = panel_of([1, 2, 50, 4, 6], observed=[True, True, False, True, True])
    scaler = Scaler.fit(panel, "difference", 1)
    steps = scaler.transform(panel)[None, 1:]
    back = scaler.inverse(steps, np.array([0]), scaler.anchors(panel, np.array([1])))
    np.testing.assert_allclose(back, [[2, 50, 4, 6]], rtol=1e-5)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_errors_of_levels_are_errors_of_the_target_in_units_of_scale(transform):
    panel = panel_of(growing(60))
    scaler = Scaler.fit(panel, transform, 6)
    scaled, rows = scaler.transform(panel), np.arange(40, 50)
    forecast = scaled[rows] + np.linspace(-1, 1, 10)
    anchor = scaler.anchors(panel, rows[:1])
    errors = scaler.level(scaled[rows][None]) - scaler.level(forecast[None])
    made = scaler.inverse_level(scaler.level(forecast[None]) + errors, np.array([0]), anchor)
    np.testing.assert_allclose(made[0], panel.values[rows], rtol=1e-5)
    if transform in ("none", "difference"):
        found = scaler.inverse(forecast[None], np.array([0]), anchor)[0]
        np.testing.assert_allclose(errors[0] * scaler.scale[0], panel.values[rows] - found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_ends_of_intervals_keep_their_order_and_are_never_nan(transform):
    panel = panel_of(growing(60), growing(80, 1))
    scaler = Scaler.fit(panel, transform, 6)
    level = np.broadcast_to(np.concatenate([-np.logspace(6, -2, 20), np.logspace(-2, 6, 20)]), (2, 1, 40))
    anchor = scaler.anchors(panel)
    found = scaler.inverse_level(level, np.array([0, 1]), anchor)
    assert np.isfinite(found).all() and (np.diff(found, axis=2) >= 0).all()
    if transform in POSITIVE:
        assert (found >= 0).all()


# Other series, and JSON


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_survives_json(transform, scaling):
    scaler = Scaler.fit(panel_of(growing(60), growing(80, 1)), transform, 6, scaling)
    assert_same(Scaler.from_dict(json.loads(json.dumps(scaler.to_dict()))), scaler)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_known_series_keep_their_scale_and_new_ones_get_their_own(transform):
    known, new = [growing(60, i) for i in range(3)], growing(90, 9, 1e4)
    trained = Scaler.fit(panel_of(*known), transform, 6)
    panel = panel_of(known[2] * 7, new, known[0] * 7)
    panel = Panel(panel.values, panel.observed, panel.times, panel.offsets, ("s2", "new", "s0"), "step", panel.roles)
    found = trained.matched(("s0", "s1", "s2"), panel, 6)
    assert_same(found.take(np.array([True, False, True])), trained.take(np.array([2, 0])))
    assert_same(found.take(np.array([1])), Scaler.fit(panel_of(new), transform, 6), 1e-12)


def test_a_new_series_too_short_for_a_power_gets_the_usual_one():
    trained = Scaler.fit(panel_of(*(growing(120, i) for i in range(5))), "box-cox", 6)
    panel = panel_of([4.0, 5.0], [8.0])
    panel = Panel(panel.values, panel.observed, panel.times, panel.offsets, ("a", "b"), "step", panel.roles)
    found = trained.matched(tuple(f"s{i}" for i in range(5)), panel, 6)
    assert found.power.tolist() == [np.median(trained.power)] * 2
    assert found.unit == pytest.approx([math.sqrt(20), 8])


@pytest.mark.parametrize(("transform", "what"), [("log", "logarithms"), ("box-cox", "a power"), ("return", "returns")])
def test_no_logarithm_of_zero(transform, what):
    scaler = Scaler.fit(panel_of([1, 2, 4], [1, 2, 4]), transform, 1)
    with pytest.raises(DataError, match=rf"the model learned {what}.*'y' is -3 at 1 of series s1") as error:
        scaler.transform(panel_of([1, 2, 4], [1, -3, 4]))
    assert 'transform="none"' in error.value.hint
    with pytest.raises(DataError, match=rf"the model learned {what}.*'y' is 0 at 2 of series s0"):
        Scaler.fit(panel_of([1, 2, 0], [1, 3, 4]), transform, 1)


def test_a_reading_too_far_from_the_training_is_refused():
    scaler = Scaler.fit(panel_of([1, 2, 4], [1, 2, 4]), "none", 1)
    with pytest.raises(DataError, match=r"'y' is 1e\+50 at 1 of series s1, too far from the readings of the training"):
        scaler.transform(panel_of([1, 2, 4], [1, 1e50, 4]))
