"""Rolling forward, against a slow loop; no TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.errors import ModelError
from forecaster.inference import CHUNK, OnnxEngine, roll_forward


class Fibonacci:
    """Forecasts the sum of the last two values and the first calendar feature of each step."""

    def __init__(self, steps):
        self.steps = steps

    def run(self, past, future):
        assert future.shape[1] == self.steps
        values, found = past[:, :, 0], []
        for step in range(self.steps):
            ahead = values[:, -1] + values[:, -2] + future[:, step, 0]
            values = np.column_stack([values, ahead])
            found.append(ahead)
        return np.stack(found, axis=1).astype(np.float32)


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
    np.testing.assert_allclose(roll_forward(Fibonacci(steps), past, future, steps), expected, rtol=1e-5)


def test_rolled_windows_carry_the_calendar_of_their_steps():
    seen = []

    class Spy:
        def run(self, past, future):
            seen.append(past[0, :, 1].tolist())
            return np.zeros((len(past), 2), np.float32)

    past = np.array([[[0, 1], [0, 2], [0, 3]]], np.float32)
    future = np.array([[[4], [5], [6], [7], [8]]], np.float32)
    roll_forward(Spy(), past, future, 2)
    assert seen == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]


def test_many_windows_are_run_in_chunks_and_keep_their_order():
    past = np.arange(2 * CHUNK + 7, dtype=np.float32)[:, None, None].repeat(2, axis=1)

    class Last:
        def run(self, past, future):
            assert len(past) <= CHUNK
            return past[:, -1:, 0]

    found = roll_forward(Last(), past, np.zeros((len(past), 1, 0), np.float32), 1)
    np.testing.assert_array_equal(found[:, 0], past[:, 0, 0])


def test_no_windows_no_forecasts():
    assert roll_forward(Fibonacci(1), np.zeros((0, 3, 1)), np.zeros((0, 4, 0)), 1).shape == (0, 4)


def test_not_a_network():
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the network"):
        OnnxEngine(b"not onnx")
