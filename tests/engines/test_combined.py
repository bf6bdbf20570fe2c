"""The average of a network's forecast and one made outside it."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.engines.combined import CombinedEngine
from forecaster.engines.rolling import roll_forward

RANDOM = np.random.default_rng(0)


class LastValue:
    """Repeats the last value over two steps; the second output is the number of the step."""

    def run(self, inputs):
        point = np.repeat(inputs["past"][:, -1:, :1], 2, axis=1)
        return np.concatenate([point, np.broadcast_to(np.arange(2.0)[:, None], point.shape)], axis=2).astype("float32")


def inputs(steps):
    past, outside = RANDOM.normal(size=(3, 4, 1)), RANDOM.normal(size=(3, steps, 1))
    return {"past": past.astype("float32"), "outside": outside.astype("float32")}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_only_the_point_forecast_moves_and_by_its_share(share):
    given = inputs(2)
    alone, found = LastValue().run(given), CombinedEngine(LastValue(), share).run(given)
    wanted = (1 - share) * alone[:, :, 0] + share * given["outside"][:, :, 0]
    np.testing.assert_allclose(found[:, :, 0], wanted, rtol=1e-6)
    np.testing.assert_array_equal(found[:, :, 1], alone[:, :, 1])


def test_rolled_forward_each_run_takes_its_own_steps_of_the_outside_forecast():
    given = inputs(5)
    found = roll_forward(CombinedEngine(LastValue(), 0.25), given, 5, 2)
    last, wanted = given["past"][:, -1, 0], []
    for step in range(5):  # the last value of a run is the average at its second step
        wanted.append(0.75 * last + 0.25 * given["outside"][:, step, 0])
        last = wanted[-1] if step % 2 else last
    np.testing.assert_allclose(found[:, :, 0], np.stack(wanted, axis=1), rtol=1e-5, atol=1e-6)
