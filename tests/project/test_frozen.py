"""What must stay as it is, whatever the code behind it is called and wherever it lies: command line, Python and files.

Long texts are in ``tests/frozen``; ``python tests/manual/frozen.py`` writes them anew after a change on purpose.

Names in the code that are a format, so that renaming them changes files or tables: fields of the dataclasses of a
manifest, of ``Hinges`` and ``Scaler`` (weights), of ``Conformal`` (intervals), of problems and data sets (JSON), and
the functions that are measures in :mod:`forecaster.evaluation.metrics` (columns).
"""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import pytest
from freezing import (
    FITS,
    FITTED_TEXTS,
    FROZEN,
    TEXTS,
    Fits,
    fit_all,
    history_columns,
    manifest_keys,
    network_names,
    printed,
    weight_names,
)
from manual.golden import GOLDEN

from forecaster import errors
from forecaster.artifact.names import FORMAT_VERSION
from forecaster.config import Config, read_toml
from forecaster.features.covariate_channels import Channel
from forecaster.intervals.conformal import KINDS

#: Keys that manifests have had only since 0.2.0; and the one of a fit that kept checkpoints, which those did not.
SINCE = {".config.deterministic", ".config.start", ".record.fit"}
EXIT_CODES = {
    "ForecasterError": 1,
    "SettingError": 2,
    "DependencyError": 3,
    "NotFoundError": 4,
    "DataError": 5,
    "ModelError": 5,
    "DivergedError": 6,
    "GateError": 7,
    "InterruptError": 130,
}


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Fits:
    return fit_all(tmp_path_factory.mktemp("frozen"))


def test_every_frozen_text_is_compared():
    found = {str(file.relative_to(FROZEN)) for file in FROZEN.rglob("*") if file.is_file()}
    assert found == {*TEXTS, *FITTED_TEXTS}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_of_the_code_is_what_it_was(folder, name):
    assert TEXTS[name]() == (FROZEN / name).read_text()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FITTED_TEXTS)
def test_a_text_of_models_is_what_it_was(folder, fits, name):
    assert FITTED_TEXTS[name](fits) == (FROZEN / name).read_text()


def test_forecast_is_predict(folder):
    own, other = (printed(name, "--help").splitlines()[1:] for name in ("predict", "forecast"))
    assert own == other


def test_the_command_is_where_it_was():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].strip() == "forecaster = forecaster.__main__:main"


def test_exit_codes():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert {kind.__name__: kind.exit_code for kind in kinds} == EXIT_CODES


def test_keys_of_a_toml_file_are_the_settings(tmp_path):
    settings = {name: value for name, value in Config().to_dict().items() if value is not None}
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"recipe": "default", **settings}.items()]
    (tmp_path / "settings.toml").write_text("\n".join(lines))
    found = read_toml(tmp_path / "settings.toml")
    assert found.pop("recipe") == "default" and Config(**found) == Config() and found.keys() == settings.keys()


def test_numbers_and_tags_in_models():
    """Of intervals a model stores the place of the kind; of a channel what is neither its class nor its module."""
    assert FORMAT_VERSION == 2
    assert KINDS[:5] == ("none", "volatility", "loss", "members", "rare")
    assert [channel.kind for channel in Channel.__args__] == ["number", "category", "present"]


@pytest.mark.tensorflow
@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("0.2.0/*/")), ids=lambda golden: golden.name)
def test_a_model_is_written_like_the_golden_one(fits, golden):
    model = fits.place / golden.name
    assert manifest_keys(model) - SINCE == manifest_keys(golden) - SINCE
    assert manifest_keys(golden).isdisjoint(SINCE) and manifest_keys(model) >= SINCE
    assert weight_names(model) == weight_names(golden)
    inputs = network_names(golden)["in"]  # of 0.2.0 the output and the open dimension had no name yet
    assert network_names(model) == {"in": inputs, "out": {"forecast"}, "open": {"windows"}}
    assert history_columns(model) == history_columns(golden)
    assert {file.name for file in model.iterdir()} == {file.name for file in golden.iterdir()}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FITS)
def test_checkpoints_are_numbered_in_the_order_of_the_runs(fits, name):
    runs = {"rnn": 1, "direction": 1, "members": 4}[name]
    assert fits.checkpoints[name] == ["fit", *(f"run-{number}" for number in range(1, runs + 1))]
