"""Words for people."""

from __future__ import annotations

import doctest

import pytest

from forecaster import words
from forecaster.words import join_with_or, setting, settings_as_flags


def test_the_examples_of_docstrings_are_true():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("name", "value", "python", "shell"),
    [
        ("horizon", None, "horizon", "--horizon"),
        ("horizon", "30d", 'horizon="30d"', "--horizon 30d"),
        ("future_columns", "price", 'future_columns="price"', "--future-columns price"),
        ("units", (64, 32), "units=(64, 32)", "--units 64,32"),
        ("time", "Größe (m)", 'time="Größe (m)"', "--time 'Größe (m)'"),
        ("time", "größe", 'time="größe"', "--time größe"),
        ("learning_rate", 0.001, "learning_rate=0.001", "--learning-rate 0.001"),
        ("final", True, "final=True", "--final"),
        ("final", False, "final=False", "--no-final"),
        ("start", "MODEL", 'start="MODEL"', "--from MODEL"),
        ("levels", 80, "levels=80", "--level 80"),
    ],
)
def test_a_setting_is_written_as_its_reader_writes_it(name, value, python, shell):
    assert setting(name, value) == python
    with settings_as_flags():
        assert setting(name, value) == shell
    assert setting(name, value) == python


def test_ways_are_joined_with_or():
    assert join_with_or("a", None, "b", "c") == "a, b, or c"
    assert join_with_or("a") == "a"
