"""Words for people."""

from __future__ import annotations

import doctest

import pytest

from forecaster import words
from forecaster.words import collect_settings, command, command_arguments, join_with_or, setting, settings_as_flags


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
        ("further", "MODEL", 'further="MODEL"', "--from MODEL"),
        ("sql", 'SELECT "y"', "sql='SELECT \"y\"'", "--sql 'SELECT \"y\"'"),
        ("levels", 80, "levels=80", "--level 80"),
    ],
)
def test_a_setting_is_written_as_its_reader_writes_it(name, value, python, shell):
    assert setting(name, value) == python
    with settings_as_flags():
        assert setting(name, value) == shell
    assert setting(name, value) == python


def test_settings_that_are_written_are_collected():
    setting("season")
    with settings_as_flags(), collect_settings() as outer:
        setting("gaps", "mask")
        with pytest.raises(ZeroDivisionError), collect_settings() as inner:
            setting("freq")
            raise ZeroDivisionError
        setting("final", False)
    setting("zone")
    assert (outer, inner) == (["--gaps mask", "--no-final"], ["--freq"])


def test_ways_are_joined_with_or():
    assert join_with_or("a", None, "b", "c") == "a, b, or c"
    assert join_with_or("a") == "a"


def test_a_command_has_the_arguments_of_the_block_around_it_before_its_own():
    bare = "forecaster make-future --horizon 5"
    assert command("make-future", horizon=5) == bare
    with command_arguments("make-future", model="my model", data=None):
        assert command("make-future", horizon=5) == "forecaster make-future --model 'my model' --horizon 5"
        assert command("predict", horizon=5) == "forecaster predict --horizon 5"
    assert command("make-future", horizon=5) == bare
