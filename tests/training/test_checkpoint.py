"""A fit that was cut off goes on from its checkpoint: the same weights to the bit, or a refusal that says why."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, snapshot
from samples import tiny_network, wave, windows_of

from forecaster import Forecaster
from forecaster.api import forecaster as forecaster_module
from forecaster.artifact import save as writing
from forecaster.artifact.load import load_model
from forecaster.artifact.model import Model
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.siblings import checkpoint_files, fit_id
from forecaster.config import Config
from forecaster.data.panel.packed import pack_panel
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import Roles
from forecaster.errors import DataError, DivergedError, ModelError, SettingError
from forecaster.fitting import fit as fitting
from forecaster.fitting.warm_start import EPOCHS
from forecaster.system import files
from forecaster.system.files import read_sealed, write_sealed
from forecaster.training import checkpoint
from forecaster.training import fingerprint as fingerprint_module
from forecaster.training import trainer as training
from forecaster.training.checkpoint import Checkpoints
from forecaster.training.device import describe_machine, device_name
from forecaster.training.divergence import NonFiniteLossError
from forecaster.training.fingerprint import fingerprint, refuse_other
from forecaster.training.phases import Progress, StoppingRule
from forecaster.training.trainer import Trainer

MODEL = Path("forecaster-model")
TABLES = ["a.csv", "b.csv", "c.csv"]
BEGUN = json.dumps({"data": "d", "settings": {"epochs": 3}, "versions": {"keras": "3"}, "further": None})


class Cut(BaseException):
    """The process dies."""


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Write a checkpoint at the end of every epoch."""
    monkeypatch.setattr(checkpoint, "INTERVAL", 0)


class Sitting:
    """A network that is trained as a fit would train it, and that can be as it was before."""

    def __init__(self):
        values = wave()
        self.training = windows_of(values, 8, 2, newest=(None, 8))
        self.validation = windows_of(values, 8, 2, newest=(8, 0))
        self.everything = windows_of(values, 8, 2)
        network = tiny_network(8, 2, 1, learning_rate=0.01, dropout=0.3, schedule="constant")
        self.trainer = Trainer(network, 32, 6, 7, 0.5)
        network.steps_per_execution = 4  # so that an epoch of 6 steps is two executions
        self.begin = self.trainer.state()
        self.told: list[tuple[str, int]] = []

    def fit(self, place=None, resume=False, cut=None, epochs=3, epoch=lambda epoch: None, within=None, **options):
        """Train, to the end or until the process dies after so many epochs; return all that is found, and the notes."""
        self.trainer.restore(self.begin)
        self.told, notes = [], []

        def report(progress: Progress):
            self.told.append((progress.phase, progress.epoch))
            if len(self.told) == cut:
                raise Cut
            if progress.phase == "validation run":
                epoch(progress.epoch)

        rule = StoppingRule(epochs, epochs, **options)
        with nullcontext(within) if within else Checkpoints(place, notes) as checkpoints:
            if not within:
                checkpoints.begin(lambda: BEGUN, resume)
            run = self.trainer.validation_run(
                self.training, self.validation, rule, report=report, saved=checkpoints.begin_run()
            )
            self.trainer.final_run(self.everything, run, report=report, saved=checkpoints.begin_run())
        return [*vars(run).values(), *self.trainer.state()], notes


@pytest.fixture(scope="module")
def sitting():
    return Sitting()


@pytest.fixture(scope="module")
def whole(sitting):
    """Return what is found where the process does not die."""
    return sitting.fit()[0]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.tensorflow
@pytest.mark.parametrize("options", [{}, {"needed_gain": 0.99}], ids=["trained", "the untrained network is kept"])
def test_a_fit_that_dies_in_every_epoch_goes_on_to_the_same_weights(sitting, folder, options):
    expected, _ = sitting.fit(**options)
    epochs = sitting.told
    assert len(epochs) == 3 if "needed_gain" in options else len(epochs) > 3
    with pytest.raises(Cut):
        sitting.fit(MODEL, cut=2, **options)
    for done in range(1, len(epochs) - 1):
        with pytest.raises(Cut):
            sitting.fit(MODEL, resume=True, cut=2, **options)
        assert sitting.told == epochs[done : done + 2]
    same(sitting.fit(MODEL, resume=True, **options)[0], expected)
    assert sitting.told == epochs[-1:]
    same(sitting.fit(MODEL, resume=True, **options)[0], expected)
    assert sitting.told == []


@pytest.mark.tensorflow
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_run_whose_checkpoint_is_damaged_is_trained_anew(sitting, whole, folder, damage):
    sitting.fit(MODEL)
    first = checkpoint_files(ModelPlace.of(MODEL).checkpoint)[0]
    content = first.read_bytes()
    first.unlink()
    if damage == "changed":
        first.write_bytes(content[:900] + bytes([content[900] ^ 1]) + content[901:])
    found, notes = sitting.fit(MODEL, resume=True)
    same(found, whole)
    assert {phase for phase, _ in sitting.told} == {"validation run"}  # the final run is there
    assert notes[0].value == "run 2 finished"
    assert [str(n) for n in notes[1:]] == ([] if damage == "gone" else ["checkpoint: damaged (run 1 is trained anew)"])


def full(*_):
    """Do as a disk without space."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.tensorflow
def test_a_full_disk_is_told_once_and_training_goes_on(sitting, whole, folder, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", full)
    found, notes = sitting.fit(MODEL)
    same(found, whole)
    assert [str(n) for n in notes] == ["checkpoint: cannot be written (No space left on device; training continues)"]
    assert notes[0].warning and os.listdir(ModelPlace.of(MODEL).checkpoint) == []


@pytest.mark.tensorflow
def test_an_older_checkpoint_outlives_a_disk_that_fills_up(sitting, whole, folder, monkeypatch):
    with pytest.raises(Cut):
        sitting.fit(MODEL, cut=3)
    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(files.os, "fsync", full)
        sitting.fit(MODEL, resume=True, cut=3)
    same(sitting.fit(MODEL, resume=True)[0], whole)
    assert sitting.told[0] == ("validation run", 3)


@pytest.mark.tensorflow
def test_a_disk_that_was_full_only_when_the_fit_began_does_no_harm(sitting, whole, folder, monkeypatch):
    def once(*args):
        monkeypatch.setattr(checkpoint, "write_sealed", write_sealed)
        full(*args)

    monkeypatch.setattr(checkpoint, "write_sealed", lambda path, content: once(path))
    with pytest.raises(Cut):
        sitting.fit(MODEL, cut=3)
    same(sitting.fit(MODEL, resume=True)[0], whole)
    assert sitting.told[0] == ("validation run", 3)


@pytest.mark.tensorflow
def test_folders_above_the_model_are_made(folder):
    with Checkpoints(Path("a/b/model"), notes := []) as checkpoints:
        checkpoints.begin(lambda: BEGUN, False)
        checkpoints.begin_run().save_end({})
    assert checkpoint_files(ModelPlace.of("a/b/model").checkpoint) and not notes


@pytest.fixture
def diverging(sitting, monkeypatch):
    """Return the same, which diverges from the second epoch on until its learning rate was lowered so many times."""
    rate = sitting.trainer.network.optimizer.learning_rate
    usual = float(rate.numpy())
    monkeypatch.setattr(training, "explain_divergence", lambda *_: ("why", "a hint"))

    def fit(*args, times=1, **options):
        def diverge(epoch):
            if epoch >= 2 and float(rate.numpy() < usual) < times:
                raise NonFiniteLossError("training loss", np.nan, epoch, 1)

        rate.assign(usual)
        return sitting.fit(*args, epoch=diverge, **options)

    yield fit
    rate.assign(usual)


@pytest.mark.tensorflow
def test_training_that_diverged_goes_on_with_the_lower_learning_rate(sitting, diverging, folder):
    expected, _ = diverging(epochs=4)
    epochs = sitting.told
    with pytest.raises(Cut):
        diverging(MODEL, cut=4, epochs=4)  # it has diverged in the second, and a checkpoint has the third
    for done in range(3, len(epochs) - 1):
        with pytest.raises(Cut):
            diverging(MODEL, resume=True, cut=2, epochs=4)
        assert sitting.told == epochs[done : done + 2]
    same(diverging(MODEL, resume=True, epochs=4)[0], expected)
    assert sitting.told == epochs[-1:]
    same(diverging(MODEL, resume=True, epochs=4)[0], expected)


@pytest.mark.tensorflow
def test_a_run_that_diverged_twice_diverges_again_without_training(sitting, diverging, folder):
    for resume in (False, True):
        with Checkpoints(MODEL, []) as checkpoints:
            checkpoints.begin(lambda: BEGUN, resume)
            with pytest.raises(DivergedError, match=r"diverged twice.*: why") as error:
                diverging(times=2, within=checkpoints)
            assert error.value.hint == "a hint" and bool(sitting.told) != resume


@pytest.fixture
def clock(monkeypatch):
    """Return the seconds that the clock shows, to be set."""
    shown = [0.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: shown[0]))
    return shown


@pytest.mark.tensorflow
def test_what_the_clock_showed_is_shown_again_and_goes_on_from_there(folder, clock):
    def fit(resume, seconds):
        with Checkpoints(MODEL, []) as checkpoints:
            checkpoints.begin(lambda: BEGUN, resume)
            for number, passed in enumerate(seconds):
                clock[0] += passed
                shown.append(checkpoints.replayed_seconds())
                checkpoints.begin_run().save_end({"number": number})
            return checkpoints.record()["seconds"]

    shown: list[float] = []
    assert fit(False, [5, 60]) == 65
    clock[0] = 1000
    assert fit(True, [1, 1, 30]) == 95
    assert shown == [5, 65, 5, 65, 95]


@pytest.mark.tensorflow
def test_checkpoints_take_a_fiftieth_of_the_time_at_most(folder, clock, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 50)
    written = []

    def slow(path, content):
        clock[0] += 2
        path.touch()
        written.append(clock[0])

    monkeypatch.setattr(checkpoint, "write_sealed", slow)
    with Checkpoints(MODEL, []) as checkpoints:
        checkpoints.begin(lambda: BEGUN, False)
        saved = checkpoints.begin_run()
        for epoch in range(1, 1001):
            clock[0] += 1
            saved.save_epoch(epoch, 1000, dict)
    assert 2 * len(written) <= clock[0] / 50 + 2
    assert len(written) == 1 + 1000 // 100


@pytest.fixture
def begun(folder, command, monkeypatch):
    """Return a function that fits a table by the command line; instead of training it is said what came of it."""
    pd.DataFrame({"day": pd.date_range("2020-01-01", periods=50), "y": np.arange(50.0) % 7}).to_csv(
        "a.csv", index=False
    )
    pd.DataFrame({"day": pd.date_range("2020-01-01", periods=50), "y": np.arange(50.0) % 6}).to_csv(
        "b.csv", index=False
    )
    pd.read_csv("a.csv").head(40).to_csv("c.csv", index=False)

    def call(*args, comes=None, trained=True):
        def fit_panel(panel, config, notes, report, checkpoints):
            saved = checkpoints.begin_run()
            if trained:
                saved.save_epoch(5, 9, dict)
            if isinstance(comes, Model):
                return comes
            raise comes or Cut

        monkeypatch.setattr(fitting, "fit_panel", fit_panel)
        return command("fit", *args)

    return call


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ("a.csv --epochs 5", 2, "the checkpoint is of a fit with --epochs 12, not 5"),
        ("a.csv --units 9,8 --seed 1", 2, "the checkpoint is of a fit with --seed 0, not 1; --units 64,64, not 9,8"),
        ("a.csv --horizon 3", 2, "the checkpoint is of a fit with --horizon not given, not 3"),
        ("b.csv", 5, "the checkpoint is of a fit of other data"),
        (
            "c.csv",
            5,
            "the checkpoint is of a fit of other data: rows 50, not 40; until 2020-02-19, not 2020-02-09",
        ),
    ],
)
def test_another_fit_is_not_resumed(begun, args, code, said):
    begun("a.csv")
    before = snapshot(Path())
    ended = begun(*args.split(), "--resume")
    assert (
        ended.code == code
        and f"forecaster: error: {said}\n  give the same as before, or leave --resume out" in ended.err
    )
    assert snapshot(Path()) == before


def test_another_version_and_another_start_are_not_resumed():
    kept = json.loads(BEGUN)
    for changed, said in (
        ({"versions": {"keras": "4"}}, "of a fit with keras 3, not 4"),
        ({"further": "another"}, "of a fit with another further"),
    ):
        with pytest.raises(SettingError, match=said):
            refuse_other(BEGUN, json.dumps(kept | changed))
    refuse_other(BEGUN, BEGUN)
    with pytest.raises(ModelError, match="the checkpoint is damaged"):
        refuse_other(None, BEGUN)


def test_nothing_to_resume(begun):
    ended = begun("a.csv", "--resume")
    assert re.search(
        r"resume *:? *from the start \(there is no checkpoint of a fit into '.*forecaster-model'\)", ended.err
    )
    begun("a.csv", trained=False)
    assert sorted(os.listdir()) == TABLES
    with pytest.raises(SettingError, match="resume needs the model directory"):
        Forecaster().fit("a.csv", resume=True)


@pytest.mark.tensorflow
def test_a_fit_that_starts_over_says_what_it_discards(begun):
    begun("a.csv")
    assert "resume     run 1 after epoch 5 of 9  (checkpoint of 20" in begun("a.csv", "--resume").err
    said = "note: checkpoint: discarded: run 1 after epoch 5 of 9, of 20"
    ended = begun("a.csv", "-q")
    assert said in ended.err and "(--resume would have continued it)" in ended.err
    ended = begun("b.csv", "-q")
    assert said in ended.err and "(it was of other data or settings)" in ended.err
    (ModelPlace.of(MODEL).checkpoint / "fit").unlink()
    ended = begun("b.csv", "-q", "--resume")
    assert ended.code == 5 and "the checkpoint is damaged" in ended.err
    ended = begun("b.csv", "-q")
    assert said in ended.err and "(its fingerprint is damaged or absent)" in ended.err


@pytest.mark.tensorflow
def test_it_is_said_where_a_fit_goes_on_on_another_machine(begun, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    begun("a.csv")
    assert "may differ" not in begun("a.csv", "--resume").err
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert (
        "note: resume: begun with TF_ENABLE_ONEDNN_OPTS 1, not 0 (the weights may differ from "
        "those of an uninterrupted fit in their last digits)"
    ) in begun("a.csv", "--resume", "-q").err


@pytest.mark.tensorflow
def test_threads_make_no_difference_to_a_deterministic_fit(monkeypatch):
    found = {name: describe_machine(name == "one thread") for name in ("one thread", "several")}
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    monkeypatch.setenv("TF_CPP_MAX_VLOG_LEVEL", "0")
    assert describe_machine(True) == found["one thread"] and "cores" not in describe_machine(True)
    assert describe_machine(False) == found["several"] | {"OMP_NUM_THREADS": "77"}
    assert describe_machine(False)["device"] == device_name() and describe_machine(False)["cores"] > 0


def test_a_fit_that_does_not_come_to_training_discards_nothing(begun, command, monkeypatch):
    begun("a.csv")
    before = snapshot(ModelPlace.of(MODEL).checkpoint)
    monkeypatch.setattr(fitting, "fit_panel", lambda *_: (_ for _ in ()).throw(DataError("too few rows")))
    ended = command("fit", "a.csv")
    assert ended.code == 5 and "discarded" not in ended.err and command("fit", "none.csv").code == 4
    assert command("fit", "b.csv", "--resume").code == 5 and command("fit", "a.csv", "--units", "x").code == 2
    assert snapshot(ModelPlace.of(MODEL).checkpoint) == before


@pytest.mark.tensorflow
def test_runs_that_begin_in_another_thread_have_no_number_and_are_refused(folder):
    with Checkpoints(MODEL, []) as checkpoints, ThreadPoolExecutor(1) as threads:
        checkpoints.begin(lambda: BEGUN, False)
        with pytest.raises(RuntimeError, match="numbered in the order in which they begin"):
            threads.submit(checkpoints.begin_run).result()
        checkpoints.begin_run().save_end({})
    assert [file.name for file in checkpoint_files(ModelPlace.of(MODEL).checkpoint)] == ["run-1"]


@pytest.mark.tensorflow
def test_a_fit_inside_another_does_not_take_its_numbers(folder):
    """As one that a progress report begins: each has checkpoints of its own."""
    with Checkpoints(MODEL, []) as outer:
        outer.begin(lambda: BEGUN, False)
        outer.begin_run().save_end({"number": 1})
        with Checkpoints(Path("inner"), []) as inner:
            inner.begin(lambda: BEGUN, False)
            inner.begin_run().save_end({"number": 1})
        outer.begin_run().save_end({"number": 2})
    kept = {name: [file.name for file in checkpoint_files(ModelPlace.of(name).checkpoint)] for name in (MODEL, "inner")}
    assert kept == {MODEL: ["run-1", "run-2"], "inner": ["run-1"]}


@pytest.mark.tensorflow
def test_a_run_of_another_fit_is_not_taken(folder):
    for fit in (BEGUN, BEGUN.replace("3", "4")):
        with Checkpoints(MODEL, []) as checkpoints:
            checkpoints.begin(lambda fit=fit: fit, False)
            checkpoints.begin_run().save_end({"number": 1})
        if fit == BEGUN:
            kept = checkpoint_files(ModelPlace.of(MODEL).checkpoint)[0].read_bytes()
    checkpoint_files(ModelPlace.of(MODEL).checkpoint)[0].write_bytes(kept)
    with Checkpoints(MODEL, notes := []) as checkpoints:
        checkpoints.begin(lambda: fit, True)
        assert not checkpoints.begin_run().values
    assert notes[-1].name == "checkpoint" and notes[-1].warning


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("save", "change"),
    [
        ("savez", lambda kept: kept.pop("fit")),
        ("savez", lambda kept: kept.update(clock="late")),
        ("savez", lambda kept: kept.update(readings=[None])),
        ("savez_compressed", lambda kept: None),
    ],
)
def test_a_sealed_file_that_is_no_run_is_trained_anew(folder, monkeypatch, save, change):
    """Nothing compressed is read, which could be of any size."""
    with Checkpoints(MODEL, []) as checkpoints:
        checkpoints.begin(lambda: BEGUN, False)
        checkpoints.begin_run().save_end({"number": 1})
    kept = {"fit": fit_id(BEGUN), "clock": 1.0, "readings": []}
    change(kept)
    monkeypatch.setattr(np, "savez", getattr(np, save))
    write_sealed(checkpoint_files(ModelPlace.of(MODEL).checkpoint)[0], checkpoint.pack_values(kept))
    with Checkpoints(MODEL, notes := []) as checkpoints:
        checkpoints.begin(lambda: BEGUN, True)
        assert not checkpoints.begin_run().values
    assert str(notes[-1]) == "checkpoint: damaged (run 1 is trained anew)"


@pytest.mark.tensorflow
def test_ctrl_c_says_that_resume_goes_on(begun):
    ended = begun("a.csv", "-q", comes=KeyboardInterrupt())
    assert (ended.code, ended.err) == (
        130,
        "forecaster: error: interrupted\n  the same command with --resume goes on\n",
    )
    assert checkpoint_files(ModelPlace.of(MODEL).checkpoint)


@pytest.mark.tensorflow
def test_an_error_that_would_come_again_leaves_no_checkpoint(begun):
    assert begun("a.csv", comes=DivergedError("NaN")).code == 6
    assert sorted(os.listdir()) == TABLES


def test_a_finished_fit_leaves_no_checkpoint_and_is_not_done_again(begun, trained):
    model = load_model(trained)
    assert begun("a.csv", "--horizon", "3", comes=model).code == 0
    assert sorted(os.listdir()) == [*TABLES, "forecaster-model"]
    ended = begun("a.csv", "--horizon", "3", "--resume")
    assert ended.code == 0 and "nothing is left to do  (the same fit was finished)" in ended.err
    assert "from the start" in begun("a.csv", "--resume", comes=model).err
    assert sorted(os.listdir()) == [*TABLES, "forecaster-model"]


def test_an_interrupted_fit_keeps_its_checkpoint_and_is_no_finished_one(begun, trained):
    model = load_model(trained)
    model.record["interrupted"] = True
    assert begun("a.csv", comes=model).code == 130
    assert checkpoint_files(ModelPlace.of(MODEL).checkpoint)
    assert "run 1 after epoch 5" in begun("a.csv", "--resume").err


def test_another_model_saved_there_leaves_the_checkpoint(begun, trained):
    begun("a.csv")
    Forecaster.load(trained).save(MODEL)
    assert "run 1 after epoch 5" in begun("a.csv", "--resume").err


@pytest.fixture
def further(model, command, monkeypatch):
    """Return a function that trains a model further by the command line; instead of that a model comes of it."""

    def call(*args, **record):
        def fit_further(old, panel, given, notes, report, checkpoints):
            checkpoints.begin_run().save_epoch(5, 9, dict)
            return replace(old, record=old.record | record)

        monkeypatch.setattr(forecaster_module, "fit_further", fit_further)
        return command("fit", "dataset:airline", "--from", "forecaster-model", "-q", *args)

    return call


def test_ctrl_c_leaves_the_model_that_is_trained_further_in_its_place(further, model):
    before = snapshot(model)
    ended = further(interrupted=True)
    hint = "'forecaster-model' is as it was; the same command with --resume goes on"
    assert (ended.code, ended.err) == (130, f"forecaster: error: interrupted\n  {hint}\n")
    assert snapshot(model) == before and checkpoint_files(ModelPlace.of(model).checkpoint)
    assert further("--resume").code == 0 and os.listdir() == ["forecaster-model"]
    os.symlink("forecaster-model", "link")
    before = snapshot(model)
    assert further("--model", "link", interrupted=True).code == 130 and snapshot(model) == before


def test_ctrl_c_keeps_in_its_place_what_no_checkpoint_could_keep(further, model, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_sealed", full)
    ended = further(interrupted=True)
    assert ended.code == 130 and ended.err.endswith("the best weights so far are kept in 'forecaster-model'\n")
    assert load_model(model).record["interrupted"]


def test_a_fit_in_the_place_of_its_start_that_was_killed_once_it_was_written_is_done(further, model, monkeypatch):
    def killed(*_):
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(writing, "remove_leftovers", killed)
        further(trained_until="2000-01-01")
    assert load_model(model).record["trained_until"] == "2000-01-01" and ModelPlace.of(model).checkpoint.exists()
    ended = further("--resume", "--epochs", "6", trained_until="none")
    assert ended.code == 2 and "--epochs 5, not 6" in ended.err
    assert further("--resume", trained_until="none").code == 0
    assert load_model(model).record["trained_until"] == "2000-01-01" and os.listdir() == ["forecaster-model"]


@pytest.mark.tensorflow
def test_a_default_that_is_given_is_another_setting_of_further_training(further):
    further("--model", "other", interrupted=True)
    ended = further("--model", "other", "--epochs", str(Config.of().epochs), "--resume")
    assert ended.code == 2 and f"--epochs {EPOCHS}, not {Config.of().epochs}" in ended.err


def test_a_fingerprint_is_that_of_all_that_further_training_takes_from_a_model(trained):
    start = load_model(trained)
    known = fingerprint(panel(), Config.of(), start)
    assert known == fingerprint(panel(), Config.of(), load_model(trained))
    other = replace(start.scaler, center=start.scaler.center + 1)
    for changed in ({"scaler": other}, {"record": start.record | {"trained_until": "2000"}}, {"ids": ("b",)}):
        assert fingerprint(panel(), Config.of(), replace(start, **changed)) != known, changed


def test_what_a_killed_process_was_writing_is_removed_by_the_next(trained, folder):
    shutil.copytree(trained, folder / ".forecaster-model.ab12_xyz.writing")
    (folder / ".forecaster-model.00000000.writing").mkdir()
    for name in (
        "forecaster-model.ab12_xyz.writing",
        ".forecaster-model.ab12_xyz9.writing",
        ".forecaster-modelxab12_xyz.writing",
        ".forecaster-model.mine0000.writing",
    ):
        (folder / name).mkdir()
    (folder / ".forecaster-model.mine0000.writing" / "mine").write_text("mine")
    Forecaster.load(trained).save(MODEL)
    assert sorted(os.listdir()) == [
        ".forecaster-model.ab12_xyz9.writing",
        ".forecaster-model.mine0000.writing",
        ".forecaster-modelxab12_xyz.writing",
        "forecaster-model",
        "forecaster-model.ab12_xyz.writing",
    ]


def test_a_sealed_file_is_whole_or_nothing(folder):
    path = Path("sealed")
    write_sealed(path, b"older")
    write_sealed(path, b"newer")
    assert read_sealed(path) == b"newer" and os.listdir() == ["sealed"]
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        assert read_sealed(path) is None
        path.write_bytes(content[:place])
        assert read_sealed(path) is None
    path.unlink()
    assert read_sealed(path) is None


def panel(**changed):
    rows = np.arange(6)
    parts = {
        "values": rows + 0.5,
        "observed": np.ones(6, bool),
        "times": np.concatenate([np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]")] * 2).astype(
            "datetime64[ns]"
        ),
        "offsets": np.array([0, 3, 6]),
        "ids": ("a", "b"),
        "freq": "D",
        "roles": Roles("t", "y", "s"),
        "covariates": np.zeros((6, 1), np.float32),
    }
    return Panel(**parts | changed)


def test_a_fingerprint_is_that_of_every_part_of_the_data(monkeypatch):
    config = Config.of()
    known = fingerprint(pack_panel(panel()), config)
    assert known == fingerprint(pack_panel(panel()), config)
    times = panel().times.copy()
    times[2] += np.timedelta64(1, "D")
    for changed in (
        {"values": np.append(np.arange(5) + 0.5, 5.6)},
        {"observed": np.arange(6) > 0},
        {"times": times},
        {"offsets": np.array([0, 4, 6])},
        {"ids": ("a", "c")},
        {"roles": Roles("t", "x", "s")},
        {"covariates": np.ones((6, 1), np.float32)},
    ):
        assert fingerprint(panel(**changed), config) != fingerprint(panel(), config), changed
    plain = fingerprint(panel(), config)
    monkeypatch.setattr(fingerprint_module, "ROWS_AT_ONCE", 4)
    assert fingerprint(panel(), config) == plain


@pytest.mark.tensorflow
def test_a_fit_killed_at_random_moments_goes_on(folder):
    script = [sys.executable, str(ROOT / "tests/manual/kill.py"), "--kills", "2", "--seed", "286", "--members", "1"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "kills: 2" in done.stdout, done.stdout + done.stderr
