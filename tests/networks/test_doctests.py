"""The examples in docstrings of losses and networks run."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

from forecaster import losses

pytestmark = pytest.mark.tensorflow

MODULES = (
    "forecaster.losses",
    "forecaster.losses.card",
    *(f"forecaster.losses.{module}" for module in losses.MODULES),
    "forecaster.networks.factory",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    found = doctest.testmod(import_module(name))
    assert found.attempted and not found.failed
