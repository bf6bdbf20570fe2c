"""Settings: validated one by one, the same from flags, TOML and the manifest."""

from __future__ import annotations

import doctest
import json

import pytest

from forecaster import config as config_module
from forecaster.config import FIELDS, RECIPES, Config, read_toml
from forecaster.errors import NotFoundError, SettingError


def test_the_examples_of_the_docstrings_run():
    found = doctest.testmod(config_module)
    assert found.attempted and not found.failed


def test_every_setting_says_what_it_is():
    for name, field in FIELDS.items():
        assert field.metadata["help"].endswith((".", ")")), name
        assert field.metadata["group"] in {"table", "data", "network", "training"}, name


@pytest.mark.parametrize("recipe", RECIPES)
def test_survives_json(recipe):
    config = Config.of(recipe, horizon="30d", lookback=24)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_win_over_the_recipe():
    config = Config.of("textbook", units="16")
    assert (config.units, config.activation, config.output_steps) == ((16,), "relu", 1)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"network": "lstmm"}, r"unknown network 'lstmm', expected one of lstm, gru, rnn", "did you mean 'lstm'?"),
        ({"learnin_rate": 0.1}, "unknown setting 'learnin_rate'", "did you mean 'learning_rate'?"),
        ({"units": "64,x"}, r"units must be whole numbers separated by commas, got '64,x'", ""),
        ({"units": ()}, r"units must be whole numbers separated by commas", ""),
        ({"units": (64, 0)}, "units must be 1 or more, got 0", ""),
        ({"lookback": 1}, "lookback must be 2 or more, got 1", ""),
        ({"lookback": 2.5}, "lookback must be a whole number, got 2.5", ""),
        ({"dropout": 1.0}, "dropout must be below 1, got 1.0", ""),
        ({"dropout": "nan"}, "dropout must be a finite number, got nan", ""),
        ({"learning_rate": 0}, "learning_rate must be above 0, got 0.0", ""),
        ({"epochs": True}, "epochs must be a whole number, got True", ""),
        ({"final": "yes"}, "final must be true or false, got 'yes'", ""),
        ({"seed": None}, "seed needs a value", ""),
        (
            {"intervals": "dropout", "dropout": 0},
            "intervals by dropout need something that is dropped",
            "dropout=0.2",
        ),
        (
            {"intervals": "dropout", "recipe": "stacked"},
            "intervals by dropout need something that is dropped",
            "dropout=0.2",
        ),
        (
            {"intervals": "dropout", "layer_norm": "batch"},
            "intervals by dropout do not go with batch normalisation",
            'layer_norm="layer"',
        ),
    ],
)
def test_wrong_settings_are_named(settings, message, hint):
    with pytest.raises(SettingError, match=message) as error:
        Config.of(**settings)
    assert error.value.hint == hint


def test_what_is_dropped_inside_the_cells_makes_intervals_too():
    assert Config.of(intervals="dropout", dropout=0, recurrent_dropout=0.2).intervals == "dropout"


def test_unknown_recipe():
    with pytest.raises(
        SettingError, match="unknown recipe 'texbook', expected one of default, textbook, stacked"
    ) as error:
        Config.of("texbook")
    assert error.value.hint == "did you mean 'textbook'?"


def test_toml_holds_the_same_keys(tmp_path):
    path = tmp_path / "fit.toml"
    path.write_text('recipe = "textbook"\nunits = [32, 16]\nlearning-rate = 0.01\n')
    assert Config.of(**read_toml(path)) == Config.of("textbook", units=(32, 16), learning_rate=0.01)


def test_toml_errors(tmp_path):
    path = tmp_path / "fit.toml"
    with pytest.raises(NotFoundError, match="cannot read the configuration file"):
        read_toml(path)
    path.write_text("units: 32")
    with pytest.raises(SettingError, match="is not TOML"):
        read_toml(path)
    path.write_text("unit = 32")
    with pytest.raises(SettingError, match="unknown setting 'unit'"):
        read_toml(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fit]\nepochs = 2", r"settings belong at the top level, not in a table: \[fit\]"),
        ("horizon = []", r"horizon must be text, got \[\]"),
        ("horizon = {days = 3}", r"horizon must be text, got \{'days': 3\}"),
        ("past = {a = 1}", r"past must be text, got \{'a': 1\}"),
    ],
)
def test_toml_of_another_shape_is_refused_as_it_was_written(tmp_path, text, message):
    path = tmp_path / "fit.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=f"^{message}$"):
        read_toml(path)


def test_columns_may_be_listed(tmp_path):
    path = tmp_path / "fit.toml"
    path.write_text('past = []\ntarget = ["a", "b"]')
    assert read_toml(path) == {"past": "", "target": "a,b"}
