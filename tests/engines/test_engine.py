"""Rolling forward, against a slow loop; no TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.engines.engine import CHUNK
from forecaster.engines.onnx import OnnxEngine
from forecaster.engines.rolling import roll_forward
from forecaster.errors import ModelError


class Fibonacci:
    """Forecasts the sum of the last two values and the first calendar feature of each step."""

    def __init__(self, steps):
        self.steps = steps

    def run(self, inputs):
        past, future = inputs["past"], inputs["future"]
        assert future.shape[1] == self.steps
        values, found = past[:, :, 0], []
        for step in range(self.steps):
            ahead = values[:, -1] + values[:, -2] + future[:, step, 0]
            values = np.column_stack([values, ahead])
            found.append(ahead)
        return np.stack(found, axis=1).astype(np.float32)[:, :, None]


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("horizon", [1, 2, 4, 7])
def test_rolling_equals_step_by_step(steps, horizon):
    random = np.random.default_rng(0)
    past = random.normal(size=(3, 4, 2)).astype(np.float32)
    future = random.normal(size=(3, horizon, 1)).astype(np.float32)
    expected = np.zeros((3, horizon))
    for i in range(3):
        values = past[i, :, 0].astype(float).tolist()
        for step in range(horizon):
            values.append(values[-1] + values[-2] + future[i, step, 0])
        expected[i] = values[4:]
    found = roll_forward(Fibonacci(steps), {"past": past, "future": future}, horizon, steps)
    np.testing.assert_allclose(found, expected[:, :, None], rtol=1e-5)


def test_rolled_windows_carry_the_calendar_of_their_steps():
    seen = []

    class Spy:
        def run(self, inputs):
            seen.append(inputs["past"][0, :, 1].tolist())
            return np.zeros((len(inputs["past"]), 2, 1), np.float32)

    past = np.array([[[0, 1], [0, 2], [0, 3]]], np.float32)
    future = np.array([[[4], [5], [6], [7], [8]]], np.float32)
    roll_forward(Spy(), {"past": past, "future": future}, 5, 2)
    assert seen == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]


def test_many_windows_are_run_in_chunks_and_keep_their_order():
    past = np.arange(2 * CHUNK + 7, dtype=np.float32)[:, None, None].repeat(2, axis=1)

    class Last:
        def run(self, inputs):
            assert len(inputs["past"]) <= CHUNK
            return inputs["past"][:, -1:, :1]

    found = roll_forward(Last(), {"past": past[:, :, :1]}, 1, 1)
    np.testing.assert_array_equal(found[:, 0, 0], past[:, 0, 0])


def test_no_windows_no_forecasts():
    assert roll_forward(Fibonacci(1), {"past": np.zeros((0, 3, 1))}, 4, 1).shape == (0, 4, 1)


def test_channels_known_until_the_cutoff_repeat_their_last_value_and_a_forecast_counts_as_observed():
    seen = []

    class Spy:
        def run(self, inputs):
            seen.append({name: array.copy() for name, array in inputs.items()})
            return np.full((len(inputs["past"]), 2, 3), [7 + len(seen), -1, -2], np.float32)

    past = np.array([[[0, 1, 50, 1], [0, 2, 60, 0]]], np.float32)  # target, calendar, past covariate, indicator
    future = np.array([[[3], [4], [5]]], np.float32)
    inputs = {"past": past, "future": future, "static": np.array([[9.0]]), "categories": np.array([[2]], np.int32)}
    found = roll_forward(Spy(), inputs, 3, 2, indicator=True)
    assert found.tolist() == [[[8, -1, -2], [8, -1, -2], [9, -1, -2]]]  # only the point forecast is fed back
    assert seen[1]["past"].tolist() == [[[8, 3, 60, 1], [8, 4, 60, 1]]]
    assert seen[1]["future"].tolist() == [[[5], [5]]]  # beyond the horizon, the last step known
    assert [(s["static"].tolist(), s["categories"].tolist()) for s in seen] == [([[9.0]], [[2]])] * 2
    assert inputs["past"] is past and set(inputs) == {"past", "future", "static", "categories"}
    roll_forward(Spy(), inputs, 3, 2)
    assert seen[-1]["past"][0, :, 3].tolist() == [0, 0]  # no indicator: a covariate like any other


def test_not_a_network():
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the network"):
        OnnxEngine(b"not onnx")
