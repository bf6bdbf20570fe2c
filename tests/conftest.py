"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data: ``$FORECASTER_DATA``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("FORECASTER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set FORECASTER_DATA")
    return folder
