"""A fit into a model directory by the library: its lock, Ctrl-C, resume, and a place that vanishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import environment

from forecaster import Forecaster
from forecaster.api.session import FitSession
from forecaster.artifact.load import load_model
from forecaster.artifact.lock import lock_directory
from forecaster.artifact.model import Model
from forecaster.artifact.place import ModelPlace
from forecaster.errors import ForecasterError, SettingError
from forecaster.fitting import fit as fitting
from forecaster.training import checkpoint

#: Fits in a process of its own, which writes a line after each epoch and waits for one before the next.
PROGRAM = """
import sys
from forecaster import Forecaster
from forecaster.errors import ForecasterError

def report(progress):
    if progress.epoch in (1, 3):
        print(progress.epoch, flush=True)
        sys.stdin.readline()

forecaster = Forecaster(12, units=(4,), epochs=9, patience=9, epoch_steps=2, final=False)
try:
    forecaster.fit_into(sys.argv[1], "dataset:airline", report=report)
except ForecasterError as error:
    print(error, "/", error.hint)
print(forecaster.model.record["interrupted"])
"""


class Fit:
    """A process that fits, stopped after its first and third epoch."""

    def __init__(self, model: str) -> None:
        argv = [sys.executable, "-c", PROGRAM, model]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )

    def wait_for(self, epoch: int) -> None:
        assert self.process.stdout and self.process.stdout.readline() == f"{epoch}\n"

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> list[str]:
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return out.splitlines()


@pytest.fixture
def fitting_into(folder: Path) -> Any:
    begun: list[Fit] = []

    def begin(model: str) -> Fit:
        begun.append(Fit(model))
        return begun[-1]

    yield begin
    for fit in begun:
        fit.process.kill()
        fit.process.communicate()


@pytest.mark.tensorflow
def test_ctrl_c_keeps_the_best_weights_and_nobody_else_may_fit_there_meanwhile(folder, fitting_into):
    fit = fitting_into("model")
    fit.wait_for(1)
    with pytest.raises(ForecasterError, match="another fit is writing 'model' right now"):
        Forecaster(12).fit_into("model", "dataset:airline")
    fit.go_on()
    fit.wait_for(3)
    fit.process.send_signal(signal.SIGINT)
    fit.go_on()
    assert fit.end() == ["True"]
    model = load_model(folder / "model")
    assert model.record["interrupted"] and len(model.record["epochs"]["loss"]) == 3
    assert sorted(os.listdir(folder)) == [".model.checkpoint", "model"] and FitSession("model").resumable
    assert len(Forecaster.load("model").predict()) == 12


@pytest.mark.tensorflow
def test_a_model_whose_folder_vanishes_while_it_is_trained_is_saved_all_the_same(folder, fitting_into):
    fit = fitting_into("deep/er/model")
    fit.wait_for(1)
    os.rename("deep", "away")
    Path("deep").write_text("in the way")
    fit.go_on()
    fit.wait_for(3)
    fit.go_on()
    message, interrupted = fit.end()
    assert message.startswith("cannot write the model") and interrupted == "False"
    refuge = message.rpartition("the model was put into '")[2].rstrip("'")
    assert len(Forecaster.load(refuge).predict()) == 12


@pytest.fixture
def trains(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that plants what comes of training instead of it."""
    monkeypatch.setattr(checkpoint, "INTERVAL", 0)

    def plant(comes: BaseException | None = None, **record: Any) -> None:
        def fit_panel(*given: Any) -> Model:
            given[-1].begin_run().save_epoch(5, 9, dict)
            if comes:
                raise comes
            model = load_model(trained)
            model.record |= record
            return model

        monkeypatch.setattr(fitting, "fit_panel", fit_panel)

    return plant


def test_a_fit_is_resumed_and_its_model_replaces_the_older_one(folder, model, trains):
    before = load_model(model)
    trains(KeyboardInterrupt())
    session = FitSession(model)
    with pytest.raises(KeyboardInterrupt):
        session.fit(Forecaster(12), "dataset:airline")
    assert session.resumable and session.holds_model and load_model(model).record == before.record
    trains(newer=True)
    forecaster, told = Forecaster(12), []
    assert forecaster.fit_into(model, "dataset:airline", resume=True, tell=told.append) is forecaster
    assert "run 1 after epoch 5" in str(next(note for note in told if note.name == "resume"))
    assert load_model(model).record["newer"] and os.listdir(folder) == [model.name]
    assert not session.resumable


@pytest.mark.tensorflow
def test_what_is_recorded_is_saved(folder, trains):
    trains()
    session = FitSession("m", record={"command": "mine"})
    assert not session.holds_model
    session.fit(Forecaster(12), "dataset:airline")
    assert session.holds_model and load_model(Path("m")).record["command"] == "mine"


@pytest.mark.tensorflow
def test_a_place_that_is_no_model_is_refused_before_training(folder, trains):
    trains(AssertionError("trained"))
    Path("thesis").mkdir()
    Path("thesis/text").write_text("years")
    with pytest.raises(SettingError, match="'thesis' exists and is not a model"):
        Forecaster(12).fit_into("thesis", "dataset:airline")
    assert sorted(os.listdir(folder)) == ["thesis"]


def test_a_place_is_found_once(folder):
    Path("real").mkdir()
    os.symlink("real", "link")
    place = ModelPlace.of("link/model")
    assert (str(place), place.real) == ("link/model", folder / "real" / "model") and not place.moved
    assert ModelPlace.of(place) is place
    assert {place.lock, place.checkpoint} == {folder / "real" / f".model.{name}" for name in ("lock", "checkpoint")}
    with lock_directory(place):
        staging = place.make_staging()
        assert list(place.staging_folders()) == [staging] and staging.parent == folder / "real"
        os.unlink("link")
        assert place.moved
