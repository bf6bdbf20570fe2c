"""What a released version wrote is read by every later one, and forecasts the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forecaster import Forecaster
from forecaster.artifact.names import FILES, MANIFEST

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = sorted(path.parent for path in GOLDEN.glob(f"*/*/{MANIFEST}"))


def test_no_golden_model_is_lost():
    expected = [place.with_suffix("") for place in sorted(GOLDEN.glob("*/*.csv"))]
    assert expected == MODELS and len(MODELS) >= 2
    assert all({file.name for file in place.iterdir()} == {MANIFEST, *FILES} for place in MODELS)


@pytest.mark.parametrize("place", MODELS, ids=lambda place: f"{place.parent.name}-{place.name}")
@pytest.mark.parametrize("newest_only", [True, False])
def test_a_golden_model_forecasts_what_it_did(place, newest_only):
    found = Forecaster.load(place, newest_only).predict()
    expected = pd.read_csv(place.with_suffix(".csv"))
    assert found.iloc[:, 1].astype(str).tolist() == expected.iloc[:, 1].tolist()
    rounding = 1e-4 if "p-rises" in found else 1e-5
    others = expected.columns.drop(expected.columns[1])
    pd.testing.assert_frame_equal(found[others], expected[others], rtol=1e-5, atol=rounding, check_dtype=False)
