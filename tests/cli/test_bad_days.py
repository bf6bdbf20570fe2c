"""Bad days: stopped by a signal, folders that vanish, tables that change while they are read, pipes that never end."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import re
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT, snapshot

from forecaster import Forecaster
from forecaster.artifact import rescue
from forecaster.artifact import save as writing
from forecaster.artifact.load import load_model
from forecaster.artifact.model import Model
from forecaster.artifact.names import BEGUN
from forecaster.artifact.place import ModelPlace
from forecaster.artifact.rescue import save_or_rescue
from forecaster.artifact.siblings import fit_id
from forecaster.cli import fit
from forecaster.data.readers import compression as streams
from forecaster.data.readers import csv, sources
from forecaster.data.readers.sources import Source, read_table
from forecaster.errors import DataError, ForecasterError
from forecaster.fitting import fit as fitting
from forecaster.system import signals
from forecaster.system.files import json_text, read_through_pipe, write_sealed
from forecaster.system.native import _LenientFile
from forecaster.system.signals import STOPS, defer_signals

AIRLINE = ROOT / "datasets" / "airline.csv"


@pytest.fixture
def stopped() -> Iterator[Callable[[int], int]]:
    """Let signals stop commands in this process; give the exit code of one that was interrupted."""
    before = {number: signal.getsignal(number) for number in (*STOPS, signal.SIGALRM)}
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    signals.install_stop_handlers()
    yield signals.stopped_code
    for number, handler in before.items():
        signal.signal(number, handler)
    signals._received.clear()


@pytest.mark.tensorflow
def test_a_signal_ends_training_and_keeps_the_best_weights(command, folder, stopped, monkeypatch):
    class Stopping(fit._progress):
        def __init__(self, hidden: bool) -> None:
            super().__init__(hidden=True)

        def __enter__(self) -> Callable[[Any], None]:
            return lambda progress: os.kill(os.getpid(), signal.SIGTERM) if progress.epoch == 3 else None

    monkeypatch.setattr(fit, "_progress", Stopping)
    ended = command("fit", "dataset:airline", "--units", "4", "--epochs", "5000", "--patience", "5000", "-q")
    assert stopped(ended.code) == 143, ended.err
    assert "the best weights so far are kept in 'forecaster-model'" in ended.err
    assert len(load_model(folder / "forecaster-model").record["epochs"]["loss"]) == 3
    assert command("predict", "-q").code == 0


def test_a_second_signal_while_the_model_is_written_leaves_the_older_one(model, command, folder, stopped, monkeypatch):
    """Nothing of the new model stays, half-written."""
    trained, synced = load_model(model), writing.os.fsync

    def training(*_: Any) -> Model:
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        return trained

    def sync(number: int) -> None:
        synced(number)
        os.kill(os.getpid(), signal.SIGHUP)

    before = snapshot(folder)
    monkeypatch.setattr(fitting, "fit_panel", training)
    monkeypatch.setattr(writing.os, "fsync", sync)
    ended = command("fit", "dataset:airline", "-q")
    assert stopped(ended.code) == 143 and "interrupted" in ended.err
    assert snapshot(folder) == before


def test_a_signal_waits_for_the_end_of_a_block_and_a_second_one_for_nothing(stopped):
    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    reached = []
    for presses in ([], [press], [press, press]):
        with suppress(KeyboardInterrupt), defer_signals():
            for each in presses:
                each()
            reached.append(presses)
        reached.append("after")
    assert reached == [[], "after", [press], "after", "after"]
    with pytest.raises(KeyboardInterrupt), defer_signals():  # what native code makes of it is no error of its own
        press()
        raise ZeroDivisionError


class Stopped:
    """Is sent a signal while it is destroyed, when Python drops what the signal raises."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_falls_into_a_destructor_is_not_lost(stopped, monkeypatch, capfd):
    monkeypatch.setattr(sys, "unraisablehook", None)
    signals.redeliver_dropped_stops(show=False)
    with pytest.raises(KeyboardInterrupt):
        Stopped()
        time.sleep(5)
    assert stopped(1) == 143
    assert capfd.readouterr().err == ""


def test_what_destructors_raise_is_shown_with_a_traceback_only(stopped, monkeypatch, capfd):
    class Broken:
        def __del__(self) -> None:
            raise AttributeError("gone")

    for show in (False, True):
        monkeypatch.setattr(sys, "unraisablehook", None)
        signals.redeliver_dropped_stops(show)
        Broken()
        assert ("AttributeError: gone" in capfd.readouterr().err) == show


def test_a_signal_that_is_ignored_stays_ignored(stopped):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    signals.install_stop_handlers()
    os.kill(os.getpid(), signal.SIGHUP)
    assert (stopped(0), stopped(5), stopped(130)) == (0, 5, 130)


def test_notes_to_a_terminal_that_is_gone_are_dropped():
    side, other = pty.openpty()
    os.close(side)
    stream = io.TextIOWrapper(io.BufferedWriter(_LenientFile(other, "w")), line_buffering=True)
    print("a note", file=stream)
    assert not stream.closed
    stream.close()


def test_folders_that_were_removed_are_made_again(folder, trained):
    model = load_model(trained)
    save_or_rescue(model, ModelPlace.of("a/b/model"))
    assert load_model(folder / "a" / "b" / "model").record == model.record


@pytest.mark.parametrize("again", [False, True])
def test_a_current_folder_that_was_removed_is_made_again(folder, trained, again):
    """Where a checkpoint has not made it again before."""
    here = folder / "gone"
    here.mkdir()
    os.chdir(here)
    place = ModelPlace.of("model")
    here.rmdir()
    if again:
        here.mkdir()
    save_or_rescue(load_model(trained), place)
    assert load_model(here / "model").record
    os.chdir(folder)


def test_a_model_that_cannot_be_written_is_put_elsewhere(folder, trained, monkeypatch):
    model, place = load_model(trained), ModelPlace.of("/proc/model")
    with pytest.raises(ForecasterError, match="cannot write the model '/proc/model'") as error:
        save_or_rescue(model, place)
    refuge = re.search(r"the model was put into '(.*)'", error.value.hint)
    assert refuge and Path(refuge[1]).resolve().parent == folder
    assert len(Forecaster.load(refuge[1]).predict()) == 12
    (folder / "home").mkdir()
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setattr(rescue.os, "curdir", "/proc")
    with pytest.raises(ForecasterError, match="cannot write the model"):
        save_or_rescue(model, place)
    assert len(list((folder / "home").iterdir())) == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_put_elsewhere_leaves_a_checkpoint_only_to_go_on_with(folder, trained, monkeypatch, interrupted):
    model, checkpoint = load_model(trained), folder / ".m.checkpoint"
    begun = json.dumps({"settings": {}})
    model.record |= {"fit": fit_id(begun), "interrupted": interrupted}
    checkpoint.mkdir()
    write_sealed(checkpoint / BEGUN, begun.encode())
    swap = writing._swap

    def refused(staging: Path, place: ModelPlace) -> None:
        if place.real == folder / "m":
            raise PermissionError(errno.EACCES, "Permission denied")
        swap(staging, place)

    monkeypatch.setattr(writing, "_swap", refused)
    with pytest.raises(ForecasterError, match="cannot write the model 'm': Permission denied") as error:
        save_or_rescue(model, ModelPlace.of("m"))
    refuge = re.search(r"the model was put into '(?:\./)?(.*)'", error.value.hint)[1]
    assert sorted(os.listdir(folder)) == sorted([refuge, *([".m.checkpoint"] if interrupted else [])])


def test_a_model_that_nothing_takes_says_why(folder, trained, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    monkeypatch.setenv("HOME", str(folder))
    with pytest.raises(ForecasterError, match="cannot write the model 'm': No space left") as error:
        save_or_rescue(load_model(trained), ModelPlace.of("m"))
    assert error.value.hint == "free some space"
    assert os.listdir(folder) == []


def test_a_removed_current_folder_is_told(command, tmp_path, model):
    gone = tmp_path / "gone"
    for arguments in (["fit", "dataset:airline"], ["fit", "t.csv"], ["predict"], ["inspect", "t.csv"], ["plot"]):
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        ended = command(*arguments)
        assert ended.code == 4 and "Errno" not in ended.err, (arguments, ended.err)
        assert command("--help").code == 0
        assert command("predict", "--model", str(model), "-q").code == 0


def test_a_name_that_is_too_long_is_told(command, folder):
    for path in ("a" * 300, "/".join(["a" * 200] * 30)):
        for arguments in (["fit", "dataset:airline", "--model", path], ["fit", path], ["predict", "--model", path]):
            ended = command(*arguments)
            assert ended.code in (1, 4) and "a bug" not in ended.err, ended.err
            assert len(ended.err) < 1000
    assert os.listdir(folder) == []


def test_what_is_exported_needs_no_disk_and_knows_no_limit(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("TMPDIR", "/none")
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        assert read_through_pipe(lambda path: Path(path).write_bytes(b"x" * 1_000_000)) == b"x" * 1_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(ZeroDivisionError):
        read_through_pipe(lambda path: 1 / 0)


def test_a_model_in_a_file_is_told(command, folder):
    (folder / "table").write_text("")
    for place in ("table/x", "table/x/y"):
        ended = command("fit", "dataset:airline", "--model", place)
        said = f"forecaster: error: cannot write the model '{place}': 'table' is a file, not a folder"
        assert (ended.code, ended.err.splitlines()[0]) == (1, said)


def _append(path: Path) -> None:
    with path.open("ab") as handle:
        handle.write(path.read_bytes()[-20:])


def _rewrite(path: Path) -> None:
    content = path.read_bytes()
    time.sleep(0.02)  # the clock of files goes in steps
    path.write_bytes(content[:-2] + b"9\n")


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


CHANGES = {
    "appended": _append,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "written anew": _rewrite,
    "replaced": _replace,
    "removed": os.unlink,
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_is_changed_while_it_is_read_is_refused(change, moment, tmp_path, monkeypatch):
    """Whatever reading it came to: a table of both, an error of half of it, or the older one."""
    path = Path(shutil.copy(AIRLINE, tmp_path / "t.csv"))
    whole = read_table(path)
    reader = csv.read_csv

    def read(*arguments: Any) -> pd.DataFrame:
        if moment == "before":
            CHANGES[change](path)
        frame = reader(*arguments)
        if moment == "after":
            CHANGES[change](path)
        return frame

    monkeypatch.setattr(csv, "read_csv", read)
    with pytest.raises(DataError, match=r"'.*t.csv' was changed while it was read") as error:
        read_table(path)
    assert error.value.hint == "wait until it is complete, or read a copy of it"
    monkeypatch.undo()
    shutil.copy(AIRLINE, path)
    pd.testing.assert_frame_equal(read_table(path), whole)


@pytest.mark.parametrize("change", ["added", "removed", "appended"])
def test_a_folder_that_is_changed_while_it_is_read_is_refused(change, tmp_path, monkeypatch):
    frame = pd.read_csv(AIRLINE)
    for name in "abc":
        frame.to_parquet(tmp_path / f"{name}.parquet")
    assert len(read_table(tmp_path)) == 3 * len(frame)
    reader = sources._read_folder

    def read(*arguments: Any) -> pd.DataFrame:
        found = reader(*arguments)
        if change == "added":
            shutil.copy(tmp_path / "a.parquet", tmp_path / "d.parquet")
        else:
            CHANGES[change](tmp_path / "b.parquet")
        return found

    monkeypatch.setattr(sources, "_read_folder", read)
    with pytest.raises(DataError, match="was changed while it was read"):
        read_table(tmp_path)


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(AIRLINE.read_bytes()))
    writer.start()
    frame = read_table(path)
    writer.join()
    pd.testing.assert_frame_equal(frame, read_table(AIRLINE))


def test_a_pipe_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(streams, "MOST_MEMORY", 1e-4)
    with open("/dev/zero") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(DataError, match=r"gave 0\.\d GB and has not ended"):
            read_table("-")


def test_what_a_library_makes_of_ctrl_c_is_ctrl_c(command, folder, monkeypatch):
    def traced(*_: Any) -> None:
        raise TypeError("Exception encountered when calling LSTM.call().")

    monkeypatch.setattr(fitting, "fit_panel", traced)
    assert "a bug in forecaster: TypeError" in command("fit", "dataset:airline").err
    monkeypatch.setattr(signals, "_received", [signal.SIGINT])
    ended = command("fit", "dataset:airline", "-q")
    assert (ended.code, ended.err.splitlines()[0]) == (130, "forecaster: error: interrupted")


def test_a_device_and_a_folder_of_all_there_is_are_no_tables(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="'/dev/zero' is a device"):
        read_table("/dev/zero")
    for number in range(4):
        (tmp_path / f"{number}.csv").write_bytes(AIRLINE.read_bytes())
    monkeypatch.setattr(sources, "MOST_ENTRIES", 3)
    with pytest.raises(DataError, match="holds more than 3 files and folders") as error:
        read_table(tmp_path)
    assert "a folder that holds the tables only" in error.value.hint


def test_a_clock_that_jumps_changes_nothing(model, command, monkeypatch):
    """No duration is read off the clock of the day."""
    sober = command("predict").out
    hours = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    assert command("predict").out == sober
    for module in (ROOT / "forecaster").rglob("*.py"):
        assert not re.search(r"\btime\.time\(|datetime\.now\(|utcnow\(", module.read_text(encoding="utf-8")), module


def test_half_a_character_is_written_as_json_writes_it():
    """Such as a name of a file holds that is not UTF-8."""
    text = json_text({"command": "fit caf\udce9.csv", "é": 1})
    assert text.encode() and '"fit caf\\udce9.csv"' in text and "é" in text


def test_a_source_is_shown_without_what_is_secret():
    assert "pw" not in repr(Source("postgresql://me:pw@host/db"))
