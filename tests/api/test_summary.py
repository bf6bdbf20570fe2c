"""What ``print(forecaster)`` and a notebook show. No TensorFlow is imported."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from manual.golden import GOLDEN

from forecaster import Config, Forecaster


def golden(name: str, **record: Any) -> Forecaster:
    """Return a loaded forecaster, with other values in the record of its model."""
    found = Forecaster.load(GOLDEN / "0.2.0" / name)
    found.model.record |= record
    return found


def test_before_training_it_is_the_call_that_makes_it():
    found = Forecaster(12, network="tcn", units=(8, 4))
    assert repr(found) == "Forecaster(horizon='12', network='tcn', units=(8, 4))"
    assert eval(repr(found)).config == found.config
    assert str(found) == f"{found!r}, not trained yet: call fit() or Forecaster.load()"
    assert "not trained yet" in found._repr_html_()
    textbook = Forecaster(recipe="textbook")
    assert eval(repr(textbook)).config == textbook.config


def test_a_trained_one_says_what_it_was_trained_on_and_how_well_it_did():
    lines = str(golden("rnn")).splitlines()
    assert lines[0] == "Forecaster of 'sold', 4 steps ahead"
    facts = dict(line.split(maxsplit=1) for line in lines[1 : lines.index("validation, 20 forecasts:")])
    assert facts["rows"] == "172 of 2 series, 2024-01-01 to 2024-03-26"
    assert (facts["time"], facts["series"], facts["freq"], facts["season"]) == ("day", "shop", "D", "7 steps")
    assert (facts["past"], facts["future"], facts["static"]) == ("visitors", "open", "kind")
    assert facts["network"] == "rnn, 1,224 weights, not improved by training"
    assert lines[-9:] == [
        "validation, 20 forecasts:",
        "                   MASE  skill of the network",
        "  network         1.366",
        "  seasonal-naive  1.255                 -8.8%",
        "  naive           4.075                 66.5%",
        "intervals, in seasonal scales:",
        "        coverage  width  MSIS",
        "  80 %     83.3%   5.86  6.93",
        "  95 %    100.0%    9.6   9.6",
    ]


def test_a_model_of_directions_has_other_scores():
    lines = str(golden("direction")).splitlines()
    assert lines[-5].split() == ["accuracy", "log", "loss", "Brier"]
    assert lines[-4].split() == ["network", "30.0%", "1.0994", "0.6672"]
    assert lines[-2].split() == ["persistence", "15.0%"]


def test_an_interrupted_training_is_told():
    assert ", interrupted\n" in str(golden("rnn", interrupted=True))


@pytest.mark.parametrize("scores", [None, "none", {}, {"mase": 3}, {"windows": 1, "mase": {"network": "x"}}, [1]])
def test_a_record_that_may_be_anything_is_left_out(scores):
    assert "validation," not in str(golden("rnn", scores=scores))


def test_a_skill_that_is_undefined_is_empty():
    scores = {"windows": 1, "mase": {"network": 1.0, "naive": float("nan")}, "skill": {"naive": float("nan")}}
    assert str(golden("rnn", scores=scores)).splitlines()[-1].split() == ["naive"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in ("div", "strong", "table", "caption", "tr", "th", "td") and not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_whole_and_nothing_of_the_data_is_markup():
    found = golden("rnn")
    name = "<script>alert(1)</script>"
    found.model.history = replace(found.model.history, roles=replace(found.model.history.roles, target=name, time=name))
    tags = _Tags()
    tags.feed(found._repr_html_())
    assert not tags.open and name in tags.texts and f"Forecaster of '{name}', 4 steps ahead" in tags.texts
    assert {"172 of 2 series, 2024-01-01 to 2024-03-26", "-8.8%", "83.3%"} <= set(tags.texts)


def test_settings_by_default_are_left_out():
    assert repr(Forecaster()) == repr(Forecaster(epochs=Config().epochs)) == "Forecaster()"
