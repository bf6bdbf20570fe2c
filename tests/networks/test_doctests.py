"""The examples in docstrings of losses, engines and networks run."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

MODULES = (
    "forecaster.losses",
    "forecaster.losses.card",
    "forecaster.losses.point",
    "forecaster.losses.quantile",
    "forecaster.losses.gaussian",
    "forecaster.losses.student_t",
    "forecaster.losses.negative_binomial",
    "forecaster.networks.factory",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    found = doctest.testmod(import_module(name))
    assert found.attempted and not found.failed
