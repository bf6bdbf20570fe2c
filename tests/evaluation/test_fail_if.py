"""Conditions of ``--fail-if``: what they say, and what a person can write wrong."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from forecaster.errors import GateError, SettingError
from forecaster.evaluation.fail_if import OPERATORS, FailIf, measure_names

NAMES = measure_names((80, 95), ("naive", "AutoETS", "seasonal-naive"))
VALUES = dict.fromkeys(NAMES, math.nan) | {"skill": -0.1, "mase": 1.2, "coverage-80": 0.7, "skill:AutoETS": 0.05}


def holds(text: str) -> bool:
    try:
        FailIf.of(text, NAMES).check(VALUES)
    except GateError as error:
        assert error.exit_code == 7
        return True
    return False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("skill<0", True),
        (" skill < 0 ", True),
        ("skill>0", False),
        ("skill >= -0.1", True),
        ("skill==-1e-1", True),
        ("skill!=-.1", False),
        ("coverage-80<75%", True),
        ("coverage-80<70%", False),
        ("coverage-80<=70%", True),
        ("skill:AutoETS<0.1", True),
        ("skill<0 and mase>1", True),
        ("skill<0 and mase>2", False),
        ("skill>0 or mase>1", True),
        ("skill>0 or mase>2", False),
        ("skill>0 and mase>1 or mase>1.1 and coverage-80<1", True),
        ("mase>1 or skill>0 and mase>2", True),
        ("skill>0 and rmse<1", False),  # rmse is not known, and does not matter
    ],
)
def test_what_holds(text, expected):
    assert holds(text) == expected


@pytest.mark.parametrize("sign", OPERATORS)
def test_every_operator_compares_as_in_python(sign):
    for number in ("-0.2", "-0.1", "0"):
        assert holds(f"skill{sign}{number}") == eval(f"-0.1 {sign} {number}")


def test_the_message_says_what_was_measured():
    with pytest.raises(GateError, match=r"^the gate failed: skill<0 and mase>1, measured skill -0.1, mase 1.2$"):
        FailIf.of("mase>5 or skill<0 and mase>1", NAMES).check(VALUES)


def test_what_was_not_measured_does_not_pass():
    with pytest.raises(GateError, match="the gate cannot be checked: skill:naive is not defined"):
        FailIf.of("skill:naive<0", NAMES).check({"skill": 1.0})


def test_skill_and_owa_alone_need_their_references():
    assert "skill" in NAMES and "owa" not in NAMES
    names = measure_names((80,), ("naive", "Naive2"))
    assert "owa" in names and "skill:naive" in names and not {"skill", "p-value"} & set(names)


@pytest.mark.parametrize(("name", "needed"), [("owa", "Naive2"), ("skill", "seasonal-naive"), ("p-value", "seasonal")])
def test_the_baseline_that_a_measure_needs_is_named(name, needed):
    with pytest.raises(SettingError, match=f"^{name} needs the baseline {needed}") as caught:
        FailIf.of(f"{name}<1", measure_names((80,), ("naive",)))
    assert caught.value.hint == "add it to baselines"


@pytest.mark.parametrize("other", ["x/m", "my model", "b-2.csv", "C:\\m"])
def test_other_models_may_be_named_by_any_path(other):
    gate = FailIf.of(f"skill:{other} <= 5% and mase>1", measure_names((), (other,)))
    assert [c.name for c in gate.clauses[0]] == [f"skill:{other}", "mase"]


def test_rows_of_the_training_do_not_pass():
    table = pd.DataFrame({"model": ["network"] * 3 + ["b"] * 2, "seen": [True, False, True, False, True]})
    gate = FailIf.of("mase>1", NAMES)
    with pytest.raises(GateError, match=r"^the gate cannot be checked: the network was trained on 2 of the 3 rows$"):
        gate.check_unseen(table, "network")
    fresh = table.assign(seen=table["seen"] & (table["model"] == "b"))
    gate.check_unseen(fresh, "network")
    with pytest.raises(GateError, match="b was trained on 1 of the 2 rows"):
        FailIf.of("skill:b<0", measure_names((), ("b",))).check_unseen(fresh, "network")


@pytest.mark.parametrize("text", ["rmse<1", "rmse>1", "skill<0 and rmse<1", "mase>2 or rmse==0"])
def test_what_is_not_defined_does_not_pass(text):
    with pytest.raises(GateError, match="the gate cannot be checked: rmse is not defined on these forecasts"):
        FailIf.of(text, NAMES).check(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "skill", "<0", "skill<", "skill<x", "skill=0", "skill<0 and", "skill<0, mase>1", "0>skill"),
        *("(skill<0)", "skill<0 mase>1", "skill<0 xor mase>1", "__import__('os').system('x')<0"),
        *("skill<1e", "skill<<0", "skill<0%%"),
    ],
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(SettingError, match=r"the condition '.*' cannot be read") as caught:
        FailIf.of(text, NAMES)
    assert caught.value.exit_code == 2 and "skill<0" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"), [("skil<0", "did you mean 'skill'?"), ("coverage-8<1", "did you mean 'coverage-80'?")]
)
def test_an_unknown_measure_is_refused(text, hint):
    with pytest.raises(SettingError, match=r"names no measure: '.*', expected one of mae, ") as caught:
        FailIf.of(text, NAMES)
    assert caught.value.hint == hint
