"""The model directory: whole or not at all, refused where damaged, and never taken for someone else's folder."""

from __future__ import annotations

import errno
import fcntl
import gc
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import snapshot

from forecaster import Forecaster
from forecaster.artifact import history
from forecaster.artifact import load as reading
from forecaster.artifact import lock as locking
from forecaster.artifact import open_files as opening
from forecaster.artifact import save as writing
from forecaster.artifact.load import load_model
from forecaster.artifact.lock import lock_directory
from forecaster.artifact.model import Model
from forecaster.artifact.names import FORMAT_VERSION, own_digest
from forecaster.artifact.parquet_footer import rows_of_groups
from forecaster.artifact.rescue import save_or_rescue
from forecaster.artifact.save import save_model
from forecaster.data.schema import Column
from forecaster.errors import ForecasterError, ModelError, NotFoundError, SettingError
from forecaster.fitting.rebuild import rebuild_network
from forecaster.networks.weight_limit import limit_weights
from forecaster.system.npz import read_arrays

FILES = ["history.parquet", "manifest.json", "network.onnx", "weights.npz"]


def same(one: Model, other: Model) -> bool:
    """Return whether two models are the same in every number."""
    arrays = [one.weights, other.weights]
    return (
        (one.config, one.plan, one.ids, one.onnx) == (other.config, other.plan, other.ids, other.onnx)
        and one.scaler.to_dict() == other.scaler.to_dict()
        and json.dumps(one.record) == json.dumps(other.record)
        and list(arrays[0]) == list(arrays[1])
        and all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
        and np.array_equal(one.history.values, other.history.values)
        and np.array_equal(one.history.times, other.history.times)
    )


def rewrite(directory: Path, change, sign: bool = False) -> None:
    """Change the manifest; with ``sign`` as a careful forger would, its digests corrected."""
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if sign:
        manifest["sha256"] = {
            name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
            for name in FILES
            if name != "manifest.json"
        }
        manifest["sha256"]["manifest.json"] = own_digest(manifest)
    path.write_text(json.dumps(manifest))


def test_what_is_saved_is_what_is_loaded(model, folder):
    loaded = load_model(model)
    save_model(loaded, folder / "again")
    assert same(loaded, load_model(folder / "again"))
    assert sorted(os.listdir(folder / "again")) == FILES
    assert sorted(os.listdir(folder)) == ["again", "forecaster-model"]
    before, after = Forecaster.load(model).predict(30), Forecaster.load(folder / "again").predict(30)
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_the_offsets_of_covariates_are_kept(model, folder):
    loaded = load_model(model)
    columns = (Column("price", "past", offset=1e9), Column("kind", "static", ("a", "b")))
    rows, series = len(loaded.history.values), len(loaded.history)
    cells, static = np.ones((rows, 1), np.float32), np.zeros((series, 1), np.float32)
    loaded.history = replace(loaded.history, columns=columns, covariates=cells, static=static)
    loaded.encoder = replace(loaded.encoder, columns=("price", "kind"))
    save_model(loaded, folder / "again")
    assert load_model(folder / "again").history.columns == columns


def test_a_manifest_rewritten_with_other_blanks_is_the_same(model):
    before = load_model(model)
    rewrite(model, lambda manifest: None)
    assert same(before, load_model(model))


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_is_refused_or_changes_nothing(model, name):
    before, content = load_model(model), (model / name).read_bytes()
    for position in np.unique(np.linspace(0, len(content) - 1, 60).astype(int)):
        for bit in (1, 32):
            damaged = bytearray(content)
            damaged[position] ^= bit
            (model / name).write_bytes(damaged)
            try:
                assert same(before, load_model(model)), f"byte {position} of {name}"
            except ModelError as error:
                assert name in error.message


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_a_cut_off_file_is_refused(model, name, kept):
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: int(len(content) * kept) if 0 < kept < 1 else kept])
    with pytest.raises(ModelError, match=name) as error:
        load_model(model)
    assert error.value.hint == "make it again with: forecaster fit DATA"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(model, name):
    (model / name).unlink()
    with pytest.raises(ModelError, match=f"'forecaster-model' has no {name}"):
        load_model(Path("forecaster-model"))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["plan"].update(lookback=23),
        lambda m: m["plan"].update(log=False),
        lambda m: m["scaler"].update(log=False),
        lambda m: m["config"].update(seed=1),
        lambda m: m["panel"].update(freq="D"),
        lambda m: m["panel"]["roles"].update(target="other"),
        lambda m: m.update(series=["a"]),
        lambda m: m["record"]["scores"]["mase"].update(network=0.1),
        lambda m: m["sha256"].update({"weights.npz": "0" * 64}),
        lambda m: m["sha256"].pop("network.onnx"),
        lambda m: m.update(more=1),
        lambda m: m.pop("record"),
    ],
)
def test_an_altered_manifest_is_refused(model, change):
    rewrite(model, change)
    with pytest.raises(ModelError, match=r"is damaged: manifest.json: it was altered"):
        load_model(model)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("format"), "damaged"),
        (lambda m: m.update(format="other"), "not a manifest of forecaster-model"),
        (lambda m: m.update(version="1"), "not a manifest of forecaster-model"),
        (lambda m: m.pop("sha256"), "damaged"),
        (lambda m: m.update(sha256=5), "damaged"),
        (lambda m: m["sha256"].pop("manifest.json"), "damaged"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(model, change, words):
    rewrite(model, change)
    with pytest.raises(ModelError, match=words):
        load_model(model)


@pytest.mark.parametrize("change", [lambda m: m["sha256"].pop("network.onnx"), lambda m: m["sha256"].update(more="")])
def test_digests_of_other_files_are_refused_though_their_own_digest_is_right(model, change):
    def signed(manifest):
        change(manifest)
        manifest["sha256"]["manifest.json"] = own_digest(manifest)

    rewrite(model, signed)
    with pytest.raises(ModelError, match=r"is damaged: manifest.json"):
        load_model(model)


@pytest.mark.parametrize("text", ["[]", "5", "null", "{}", "not json", '{"format": "forecaster-model"}', "\ud800"])
def test_other_text_in_place_of_the_manifest_is_refused(model, text):
    (model / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError, match=r"is damaged: manifest.json"):
        load_model(model)


def test_a_newer_format_says_how_to_upgrade(model):
    newer = FORMAT_VERSION + 1
    rewrite(model, lambda m: m.update(version=newer, sha256={"tree": "of another kind"}))
    with pytest.raises(ModelError, match=f"has format {newer}, this version reads up to {newer - 1}") as error:
        load_model(model)
    assert error.value.hint == "upgrade with: pip install -U forecaster"


class Payload:
    """What a hostile file would run when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickled_object_in_the_weights_is_not_run(model, folder, wrapped):
    hostile = Payload(folder / "was-run")
    sink = io.BytesIO()
    if wrapped:
        np.savez(sink, weight=np.array([hostile], dtype=object))
    else:
        pickle.dump(hostile, sink)
    (model / "weights.npz").write_bytes(sink.getvalue())
    rewrite(model, lambda m: None, sign=True)
    with pytest.raises(ModelError, match="damaged"):
        load_model(model)
    assert not (folder / "was-run").exists()


@pytest.mark.parametrize("name", ["history.parquet", "weights.npz", "network.onnx"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"PAR1 not parquet PAR1"])
def test_a_forged_file_with_right_digests_is_refused_all_the_same(model, name, content):
    (model / name).write_bytes(content)
    rewrite(model, lambda m: None, sign=True)
    with pytest.raises(ModelError):
        Forecaster.load(model).predict()


def test_no_model_where_there_is_none(folder):
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "notes.txt").write_text("mine")
    (folder / "file").write_text("")
    for place in ("none", "empty", "other", "file", "."):
        with pytest.raises(NotFoundError, match=f"no model at '{place}'") as error:
            load_model(Path(place))
        assert error.value.hint == "make one with: forecaster fit DATA, or name one with directory"


def test_an_older_model_is_replaced_as_a_whole(model, folder):
    new = load_model(model)
    new.record["command"] = "the new one"
    with lock_directory(model):
        save_model(new, model)
    assert load_model(model).record["command"] == "the new one"
    assert sorted(os.listdir(model)) == FILES
    assert os.listdir(folder) == ["forecaster-model"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("file", [1, 3, 4])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_the_older_model(model, folder, monkeypatch, existing, file, failure):
    loaded, place = load_model(model), model if existing else folder / "new"
    before, write, calls = snapshot(folder), writing._write, []

    def failing(path, content):
        calls.append(path)
        if len(calls) == file:
            write(path, [b"".join(content)[:100]])
            raise failure
        write(path, content)

    monkeypatch.setattr(writing, "_write", failing)
    with (
        pytest.raises(ForecasterError if isinstance(failure, OSError) else KeyboardInterrupt) as error,
        lock_directory(place),
    ):
        save_model(loaded, place)
    if isinstance(failure, OSError):
        assert f"cannot write the model '{place}': No space left on device" in str(error.value)
        assert error.value.hint == "free some space"  # type: ignore[attr-defined]
    assert snapshot(folder) == before


@pytest.mark.parametrize("which", ["the older model", "the new model"])
def test_a_failure_while_renaming_puts_the_older_model_back(model, folder, monkeypatch, which):
    """Where the system has no exchange of two names."""
    loaded, before, rename = load_model(model), snapshot(folder), Path.rename
    calls = []
    monkeypatch.setattr(writing, "_exchange", lambda one, other: False)

    def failing(self, target):
        calls.append(self)
        if len(calls) == (1 if which == "the older model" else 2):
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ForecasterError, match="Device or resource busy"), lock_directory(model):
        save_model(loaded, model)
    monkeypatch.undo()
    assert snapshot(folder) == before


def test_a_disk_that_fills_up(model, folder):
    before = snapshot(folder)
    program = """
import resource, signal
from forecaster import Forecaster
from forecaster.errors import ForecasterError
forecaster = Forecaster.load()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for place in ("forecaster-model", "new"):
    try:
        forecaster.save(place)
    except ForecasterError as error:
        print(error, "/", error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_env())
    why = "File too large / raise the limit of a file's size (ulimit -f), or train a smaller network"
    assert done.stdout.splitlines() == [f"cannot write the model '{n}': {why}" for n in ("forecaster-model", "new")]
    assert snapshot(folder) == before


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(writing.__file__).parents[2])}


@pytest.mark.parametrize(
    "names",
    [
        ["notes.txt"],
        [*FILES, "notes.txt"],
        [*FILES, ".git"],
        ["manifest.json"],
        ["weights.npz"],
        ["network.onnx", "manifest.json"],
    ],
)
def test_a_folder_of_other_files_is_never_replaced(folder, names):
    (folder / "site").mkdir()
    for name in names:
        (folder / "site" / name).write_text('{"name": "a web page"}')
    before = snapshot(folder)
    with pytest.raises(SettingError, match="'site' exists and is not a model") as error, lock_directory(Path("site")):
        pytest.fail("locked")
    assert error.value.hint == "name another one with directory"
    assert snapshot(folder) == before


@pytest.mark.parametrize("others", ["a folder", "a file"])
def test_what_came_to_the_place_while_training_stays(model, folder, others):
    """The model is put beside it, where a rescue finds a place; what is there is not deleted unseen."""
    loaded = load_model(model)
    with lock_directory(Path("site")) as place:
        if others == "a folder":
            place.real.mkdir()
            (place.real / "thesis.txt").write_text("years")
        else:
            place.real.write_text("years")
        before = snapshot(folder)
        with pytest.raises(SettingError, match="site' exists and is not a model"):
            save_model(loaded, place)
        assert snapshot(folder) == before
        with pytest.raises(ForecasterError, match="site' exists and is not a model") as error:
            save_or_rescue(loaded, place)
    refuge = re.search("the model was put into '(.*)'", error.value.hint)
    assert refuge and same(load_model(Path(refuge[1])), loaded)


def test_a_link_that_is_turned_elsewhere_while_training_leaves_the_model_where_it_was_locked(model, folder):
    loaded, link = load_model(model), folder / "current"
    link.symlink_to("forecaster-model")
    with lock_directory(link) as place:
        link.unlink()
        link.symlink_to("another")
        loaded.record["command"] = "the new one"
        save_or_rescue(loaded, place)
    assert load_model(model).record["command"] == "the new one"
    assert sorted(os.listdir(folder)) == ["current", "forecaster-model"]


def test_what_comes_to_the_place_at_the_moment_of_the_exchange_is_not_deleted(model, folder, monkeypatch):
    loaded, exchanged = load_model(model), writing._exchange

    def late(one, other):
        (other / "thesis.txt").write_text("years")
        return exchanged(one, other)

    monkeypatch.setattr(writing, "_exchange", late)
    with lock_directory(model):
        save_model(loaded, model)
    assert [path.read_text() for path in folder.glob("**/thesis.txt")] == ["years"]


def test_a_backup_of_a_persons_own_naming_is_no_leftover(model, folder):
    loaded = load_model(model)
    names = [".forecaster-model.20240101", ".forecaster-model.a_backup", ".forecaster-model.original"]
    for name in names:
        shutil.copytree(model, folder / name)
    with lock_directory(model):
        save_model(loaded, model)
    assert sorted(os.listdir(folder)) == [*names, "forecaster-model"]


def test_a_history_that_is_overwritten_between_its_check_and_its_reading_is_refused(model, monkeypatch):
    digest, path = hashlib.file_digest, model / "history.parquet"
    content = path.read_bytes()

    def late(handle, name):
        found = digest(handle, name)
        path.write_bytes(content)  # the same file, and the same content even: it could be another
        return found

    os.utime(path, (1, 1))
    monkeypatch.setattr(hashlib, "file_digest", late)
    with pytest.raises(ModelError, match=r"history\.parquet of the model .* was changed while it was read"):
        load_model(model)


def test_a_model_that_is_removed_while_it_is_read_is_read(model, monkeypatch):
    expected, digest = load_model(model), hashlib.file_digest

    def late(handle, name):
        found = digest(handle, name)
        shutil.rmtree(model)
        return found

    monkeypatch.setattr(hashlib, "file_digest", late)
    assert same(load_model(model), expected)


@pytest.mark.parametrize("missing", [None, *FILES])
def test_an_empty_folder_and_a_damaged_model_may_be_replaced(model, missing):
    loaded = load_model(model)
    if missing:
        (model / missing).unlink()
    else:
        shutil.rmtree(model)
        model.mkdir()
    with lock_directory(model):
        save_model(loaded, model)
    assert same(load_model(model), loaded)


def test_a_file_the_current_folder_and_a_mount_point_are_refused(model, folder, monkeypatch):
    (folder / "file").write_text("mine")
    (folder / "empty").mkdir()
    with pytest.raises(SettingError, match="'file' exists and is not a model"), lock_directory(Path("file")):
        pytest.fail("locked")
    monkeypatch.chdir(model)
    with pytest.raises(SettingError, match=r"'\.' is the current folder"), lock_directory(Path(".")):
        pytest.fail("locked")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "empty")
    with pytest.raises(SettingError, match="'empty' is a mount point"), lock_directory(Path("empty")):
        pytest.fail("locked")


def test_a_link_to_a_model_stays_a_link(model, folder):
    (folder / "current").symlink_to("forecaster-model")
    loaded = load_model(folder / "current")
    loaded.record["command"] = "the new one"
    with lock_directory(Path("current")):
        save_model(loaded, Path("current"))
    assert (folder / "current").is_symlink()
    assert load_model(model).record["command"] == "the new one"
    assert sorted(os.listdir(folder)) == ["current", "forecaster-model"]


@pytest.mark.parametrize("place", ["/proc/model", "/proc/none/model", "file/model", "file/a/model"])
def test_a_place_that_cannot_be_written(folder, place):
    (folder / "file").write_text("mine")
    with (
        pytest.raises(ForecasterError, match=f"cannot write the model '{place}': ") as error,
        lock_directory(Path(place)),
    ):
        pytest.fail("locked")
    assert error.value.hint == "choose another place with directory"
    assert snapshot(folder) == {"file": b"mine"}


def test_the_lock_is_held_by_one_and_leaves_nothing(folder):
    with lock_directory(Path("model")), lock_directory(Path("another")):
        assert sorted(os.listdir(folder)) == [".another.lock", ".model.lock"]
        message = "another fit is writing 'model' right now"
        with pytest.raises(ForecasterError, match=message) as error, lock_directory(Path("model")):
            pytest.fail("locked twice")
        assert "wait for it" in error.value.hint
        assert sorted(os.listdir(folder)) == [".another.lock", ".model.lock"]
    assert os.listdir(folder) == []


def test_a_lock_whose_file_was_removed_meanwhile_is_that_of_a_new_file(folder, monkeypatch):
    """The holder removes its file between our opening and our locking: another process may lock a new one."""
    flock, files = fcntl.flock, list[int]()

    def removing(handle, operation):
        files.append(os.fstat(handle.fileno()).st_ino)
        if len(files) == 1:
            Path(".model.lock").rename("kept")
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", removing)
    with lock_directory(Path("model")):
        assert os.stat(".model.lock").st_ino == files[1] != files[0]
        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(ForecasterError, match="another fit is writing"), lock_directory(Path("model")):
            pytest.fail("locked")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_lock_is_neither_followed_nor_waited_for(folder, kind):
    lock = folder / ".model.lock"
    {"link": lambda: lock.symlink_to("mine"), "pipe": lambda: os.mkfifo(lock), "folder": lock.mkdir}[kind]()
    with pytest.raises(ForecasterError, match=r"\.model\.lock' is in the way") as error, lock_directory(Path("model")):
        pytest.fail("locked")
    assert error.value.hint == "remove it"
    assert os.listdir(folder) == [".model.lock"]


@pytest.mark.parametrize("problem", ["read-only", "sticky", "name"])
def test_a_place_that_cannot_take_the_model_is_refused_before_it_is_trained(model, folder, monkeypatch, problem):
    place, message = model, "this user may not replace the one that is there"
    if problem == "read-only":
        monkeypatch.setattr(locking.os, "access", lambda path, mode: Path(path) != model.resolve())  # root may do all
    elif problem == "sticky":
        folder.chmod(0o1777)
        monkeypatch.setattr(locking.os, "geteuid", lambda: folder.stat().st_uid + 12_345)
    else:
        place, message = folder / ("m" * 240), "File name too long"  # only with what is put before and after it
    before = snapshot(folder)
    with pytest.raises(ForecasterError, match=message) as error, lock_directory(place):
        pytest.fail("locked")
    assert error.value.hint == "choose another place with directory"
    assert snapshot(folder) == before


def test_a_place_that_takes_the_model_is_left_as_it_was(model, folder):
    before = snapshot(folder)
    with lock_directory(model):
        assert {name for name in snapshot(folder) if name not in before} == {".forecaster-model.lock"}
    assert snapshot(folder) == before


def test_a_lock_left_behind_by_a_killed_process_does_no_harm(folder):
    (folder / ".model.lock").write_text("")
    with lock_directory(Path("model")):
        pass
    assert os.listdir(folder) == []


def test_folders_above_are_made_and_kept_only_if_used(model, folder):
    loaded = load_model(model)
    with pytest.raises(ZeroDivisionError), lock_directory(Path("a/b/model")):
        assert (folder / "a" / "b").is_dir()
        raise ZeroDivisionError
    assert os.listdir(folder) == ["forecaster-model"]
    with lock_directory(Path("a/b/model")):
        save_model(loaded, Path("a/b/model"))
    assert same(load_model(folder / "a" / "b" / "model"), loaded)


def test_errors_of_the_work_itself_pass_through_the_lock(folder):
    with pytest.raises(FileNotFoundError, match="readings"), lock_directory(Path("model")):
        raise FileNotFoundError("readings")


def test_the_plan_in_the_manifest_can_be_read_by_people(model):
    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["plan"] == json.loads(json.dumps(asdict(load_model(model).plan)))
    assert list(manifest["sha256"]) == ["weights.npz", "network.onnx", "history.parquet", "manifest.json"]


# A hostile directory, all of whose digests are right


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_inside_the_directory_are_read(model, folder, name, kind):
    place = model / name
    place.rename(folder / "elsewhere")
    if kind == "link":
        place.symlink_to(folder / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(ModelError, match=f"cannot read {name} of the model at 'forecaster-model': "):
        load_model(Path("forecaster-model"))


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "let this user read it, such as with: chmod -R u+rX forecaster-model"),
        (errno.EPERM, "let this user read it, such as with: chmod -R u+rX forecaster-model"),
        (errno.EMFILE, "raise the limit of open files (ulimit -n)"),
        (errno.EIO, opening.AGAIN),
    ],
)
@pytest.mark.parametrize("name", [None, "weights.npz"])
def test_only_a_model_that_is_damaged_is_to_be_made_again(model, monkeypatch, number, hint, name):
    def refused(path, *rest, **options):
        if path == (name or Path("forecaster-model")):
            raise OSError(number, os.strerror(number), str(path))
        return system_open(path, *rest, **options)

    system_open = os.open
    monkeypatch.setattr(opening.os, "open", refused)
    what = f"{name} of " if name else ""
    with pytest.raises(ModelError, match=f"cannot read {what}the model at 'forecaster-model': ") as error:
        load_model(Path("forecaster-model"))
    assert error.value.hint == hint


def test_a_file_too_large_to_be_one_of_ours_is_not_read(model):
    os.truncate(model / "manifest.json", 1 << 40)
    with pytest.raises(ModelError, match=r"cannot read manifest.json .*: it is too large"):
        load_model(model)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"version": 2', '"version": 2, "version": 2', "a key comes twice"),
        ('"lookback": ', '"lookback": NaN, "x": ', "NaN is no number"),
        ('"record": {', '"record": {"deep": ' + "[" * 90_000 + "]" * 90_000 + ",", "nested too deeply"),
        ('"record": {', '"record": {"wide": [' + "[]," * 250_000 + "0],", "too many lists"),
        ('"record": {', '"record": {"long": [' + "0," * 1_250_000 + "0],", "too many values"),
    ],
)
def test_json_that_is_not_ours_is_refused(model, old, new, words):
    path = model / "manifest.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ModelError, match=words):
        load_model(model)


def test_nothing_of_a_refused_manifest_stays_in_memory(model):
    (model / "manifest.json").write_bytes(bytes(4 << 20))
    gc.disable()
    tracemalloc.start()
    try:
        with suppress(ModelError):
            load_model(model)
        assert tracemalloc.get_traced_memory()[0] < 1 << 20
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["plan"].update(lookback=10**12), "a lookback of 1000000000000, but 144 rows"),
        (lambda m: m["plan"].update(lookback=0), "plan.lookback should be 1 or more"),
        (lambda m: m["plan"].update(lookback=24.0), "plan.lookback should be a whole number"),
        (lambda m: m["plan"].update(lookback=True), "plan.lookback should be a whole number"),
        (lambda m: m["plan"].update(horizon=10**9), "intervals of 12 steps"),
        (lambda m: m["plan"].update(seasons=[]), "no season"),
        (lambda m: m["plan"].update(cycles=["moon"]), "cycles"),
        (lambda m: m["plan"].update(more=1), "plan should be without 'more'"),
        (lambda m: m["plan"].pop("steps"), "plan should be with steps"),
        (lambda m: m.update(more=1), "should be without 'more'"),
        (lambda m: m["config"].update(units=[64, "64"]), r"config.units\[1\] should be a whole number"),
        (lambda m: m["config"].update(dropout=7), "dropout must be below 1"),
        (lambda m: m["config"].update(network="../lstm"), "unknown network"),
        (lambda m: m["panel"].update(freq="9" * 5000 + "h"), "damaged"),
        (lambda m: m["panel"].update(zone="../../etc/passwd"), "unknown time zone"),
        (lambda m: m["panel"]["roles"].update(target="\ud800"), "roles.target should be text"),
        (lambda m: m["record"].update(smallest=None), "record.smallest should be a number"),
        (lambda m: m["encoder"]["columns"].append("none"), "covariates of another name"),
        (
            lambda m: m["encoder"]["past_channels"].append({"kind": "present", "name": "x", "place": 7}),
            "channel x",
        ),
        (
            lambda m: m["encoder"]["past_channels"].append({"kind": "evil", "name": "x", "place": 0}),
            "should be of a known kind",
        ),
        (lambda m: m["scaler"].update(transform="return"), "damaged"),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_refused_though_its_digests_are_right(model, change, words):
    rewrite(model, change, sign=True)
    with pytest.raises(ModelError, match=words) as error:
        load_model(model)
    assert "\n" not in error.value.message


def archive(method: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    """Return an archive of members named ``scaler/center.npy`` for ``scaler__center``."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as writer:
        for name, content in members.items():
            writer.writestr(name.replace("__", "/") + ".npy", content)
    return sink.getvalue()


def npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def test_arrays_are_read_back_as_numpy_wrote_them():
    sink = io.BytesIO()
    arrays = {
        "a/b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "c": np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        "d": np.array(True),
        "e": np.zeros((0, 3), np.int32),
    }
    np.savez(sink, **arrays)
    found = read_arrays(sink.getvalue())
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(zipfile.ZIP_DEFLATED, a=npy(np.zeros(10**6))), "compressed"),
        (archive(a=npy(np.zeros(3)).replace(b"(3,)", b"(9" + b"9" * 2 + b",)")), "another size"),
        (archive(a=npy(np.zeros(3)).replace(b"(3,)", b"-3,)")), "no array of numbers"),
        (archive(a=npy(np.zeros(3)).replace(b"(3,)", b"(" + b"1, " * 8 + b"3)")), "no array of numbers"),
        (archive(a=npy(np.zeros(0)).replace(b"(0,)", b"(0, " + b"1" * 20 + b")")), "no array of numbers"),
        (archive(a=npy(np.array(["text"]))), "no array of numbers"),
        (archive(a=npy(np.zeros(3)).replace(b"'<f8'", b"'|O8'")), "no array of numbers"),
        (archive(a=npy(np.zeros(3))).replace(b"a.npy", b"a.txt"), "no arrays"),
    ],
)
def test_an_archive_of_anything_but_plain_arrays_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        read_arrays(content)


def test_members_of_one_name_or_of_the_same_bytes_are_refused():
    both = archive(a=npy(np.zeros(3)), b=npy(np.zeros(3)))
    with pytest.raises(ValueError, match="repeated"):
        read_arrays(both.replace(b"b.npy", b"a.npy"))
    many = archive(**{f"member{i}": npy(np.zeros(999)) for i in range(3)})
    first, directory = many[: many.index(b"PK\x03\x04", 4)], many.index(b"PK\x01\x02")
    entry = many[directory : many.index(b"PK\x01\x02", directory + 4)]
    names = [entry.replace(b"member0", b"member%d" % i) for i in range(3)]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, 3 * len(entry), len(first), 0)
    with pytest.raises(ValueError, match="larger than it"):
        read_arrays(first + b"".join(names) + end)


def test_members_are_counted_before_python_keeps_any_of_them():
    one = archive(a=npy(np.zeros(3)))
    entry = one[one.index(b"PK\x01\x02") : one.index(b"PK\x05\x06")]
    count = 10_001
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, count * len(entry), 0, 0)
    with pytest.raises(ValueError, match="more than 10,000 members"):
        read_arrays(count * entry + end)


def rewritten_history(directory: Path, change, **settings) -> None:
    table = change(pq.read_table(directory / "history.parquet"))
    pq.write_table(table, directory / "history.parquet", **settings)
    rewrite(directory, lambda m: None, sign=True)


def with_last_times(table: pa.Table, *last: int) -> pa.Table:
    times = table["time"].cast("int64").to_pylist()[: -len(last)]
    return table.set_column(1, "time", pa.array([*times, *last]).cast(table["time"].type))


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        (lambda t: t.drop_columns(["observed"]), {}, "columns of the history"),
        (lambda t: t.set_column(2, "value", t["value"].cast("string")), {}, "columns of the history"),
        (lambda t: t, {"compression": "zstd"}, "a column of the history"),
        (lambda t: t.slice(0, 0), {}, "rows of the history"),
        (lambda t: t.slice(0, 1).take(np.zeros(10**6, np.int64)), {}, "rows of the history"),
        (lambda t: t.take(list(range(len(t)))[::-1]), {}, "out of order"),
        (lambda t: pa.concat_tables([t, t]), {}, "out of order"),
        (lambda t: t, {"row_group_size": 50}, "rows of the history"),
        (lambda t: t.slice(0, 1).take(np.zeros(200_000, np.int64)), {"use_dictionary": False}, "rows of the history"),
        (lambda t: with_last_times(t, 0, 2**63 - 1, -(2**63)), {}, "out of order"),
        (lambda t: t.set_column(2, "value", pa.array([np.inf, *t["value"].to_pylist()[1:]])), {}, "infinite"),
    ],
)
def test_a_history_that_was_not_written_here_is_refused(model, change, settings, words):
    rewritten_history(model, change, **settings)
    with pytest.raises(ModelError, match=words):
        load_model(model)


def test_a_series_in_two_groups_is_refused(model, monkeypatch):
    monkeypatch.setattr(history, "GROUP", 49)
    rewritten_history(model, lambda t: t, row_group_size=50)
    with pytest.raises(ModelError, match="twice"):
        load_model(model)


@pytest.mark.parametrize("covariates", [0, 2])
@pytest.mark.parametrize("lengths", [(history.GROUP + 1,), (1000,) * 140], ids=["one group", "many series"])
def test_the_smallest_file_that_a_history_makes_is_read(model, folder, lengths, covariates):
    """Its numbers are all the same, and its times what Snappy makes least of."""
    series, rows = len(lengths), sum(lengths)
    panel = replace(
        load_model(model).history,
        **{"values": np.zeros(rows, np.float32), "observed": np.ones(rows, bool)},
        times=np.concatenate([np.arange(length) << 32 for length in lengths]).view("M8[ns]"),
        offsets=np.cumsum([0, *lengths]),
        ids=tuple(map(str, range(series))),
        columns=tuple(Column(f"c{i}", "past") for i in range(covariates)),
        **{"covariates": np.zeros((rows, covariates), np.float32), "static": np.zeros((series, 0), np.float32)},
    )
    Path("history").write_bytes(b"".join(history.history_pieces(panel)))
    with open("history", "rb") as handle:
        found, _ = history.read_history(handle, panel, panel.static, None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.times, panel.times)


@pytest.mark.parametrize(
    ("groups", "numbers", "size"),
    [
        ([100_000], 1, 18_000),
        ([100_000], 100, 1_800_000),
        ([200_000], 1, 600_000),
        ([1] * 3, 1, 1000),
        ([100_000, 0], 1, 10**6),
        ([], 1, 1000),
    ],
)
def test_more_rows_than_a_file_holds_are_refused(groups, numbers, size):
    with pytest.raises(ValueError, match="rows of the history"):
        history._check_rows(groups, numbers, size)


@pytest.mark.parametrize(
    ("footer", "words"),
    [(b"\x35" + b"\xff" * 20_000 + b"\x01\0", "more than 64 bits"), (b"\0" * (5 << 20), "at most 4,194,304 are read")],
)
def test_a_footer_that_would_take_long_or_much_memory_is_refused(footer, words):
    with pytest.raises(ValueError, match=words):
        rows_of_groups(io.BytesIO(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"))


# Readers while it is replaced


def test_readers_see_one_model_or_the_other_while_it_is_replaced(folder):
    from manual.readers import in_threads

    replaced, wrong = in_threads(folder / "model", readers=3, rounds=4)
    assert not wrong and replaced
    assert os.listdir(folder) == ["model"]


def test_a_reader_that_finds_a_model_half_deleted_takes_the_one_in_its_place(model, folder, monkeypatch):
    """The directory is moved away and loses a file after it was opened, before its files were."""
    new = load_model(model)
    new.record["command"] = "the new one"
    save_model(new, folder / "new")
    regular, calls = opening.open_regular_file, []

    def late(name, descriptor):
        calls.append(name)
        if calls == ["manifest.json", "weights.npz"]:
            model.rename(folder / "old")
            (folder / "new").rename(model)
            (folder / "old" / "weights.npz").unlink()
        return regular(name, descriptor)

    monkeypatch.setattr(opening, "open_regular_file", late)
    assert load_model(model).record["command"] == "the new one"
    assert calls.count("weights.npz") == 2


def test_a_reader_keeps_the_model_that_it_opened(model, folder, monkeypatch):
    """It is replaced and deleted once its files are open, before they are read."""
    before, read = load_model(model), reading.read_manifest

    def late(handle, directory):
        shutil.rmtree(model)
        return read(handle, directory)

    monkeypatch.setattr(reading, "read_manifest", late)
    assert same(load_model(model), before)


@pytest.mark.slow
def test_changed_directories_are_refused_or_forecast_the_same():
    """A few of the many that ``python tests/manual/tamper.py`` tries."""
    from manual.tamper import run

    ends, wrong, most = run(80, seed=7, say=lambda line: None)
    assert not wrong and ends.total() == 80 and most < 1 << 30


def test_keras_builds_no_larger_network_than_is_stored(model):
    import keras

    loaded, add_weight = load_model(model), keras.Layer.add_weight
    loaded.config = loaded.config.replace(units=(10**6, 10**6))
    with pytest.raises(ModelError, match="a larger network than is stored"):
        rebuild_network(loaded)
    assert keras.Layer.add_weight is add_weight


@pytest.mark.tensorflow
def test_weights_that_other_threads_make_are_not_counted_and_their_blocks_wait():
    import keras

    add_weight, begun = keras.Layer.add_weight, threading.Event()

    def build():
        keras.layers.Dense(1).build((None, 4))

    def build_within():
        with limit_weights({"kernel": np.zeros(4), "bias": np.zeros(1)}):
            begun.set()
            build()

    other, within = threading.Thread(target=build), threading.Thread(target=build_within)
    with limit_weights({"bias": np.zeros(1)}):
        other.start()
        other.join()
        within.start()
        assert not begun.wait(0.1)
        with pytest.raises(ModelError, match="a larger network than is stored"):
            build()
    within.join()
    assert begun.is_set() and keras.Layer.add_weight is add_weight


def test_a_footer_that_would_end_the_interpreter_is_refused_before_pyarrow_is_asked():
    """It does where a codec is none that it knows, and somebody asks which it is."""
    table, sink, other, refused = pa.table({"a": [1, 2], "b": [0.5, 1.5]}), io.BytesIO(), io.BytesIO(), 0
    pq.write_table(table, sink, compression="snappy")
    pq.write_table(table, other, compression="gzip")
    with pytest.raises(ValueError, match="not as it was written"):
        rows_of_groups(other)
    content = sink.getvalue()
    assert rows_of_groups(sink) == [2]
    for place in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), len(content)):
        changed = bytearray(content)
        changed[place] = 74
        try:
            rows_of_groups(io.BytesIO(changed))
        except ValueError:
            refused += 1
            continue
        with suppress(Exception):  # what is let through may be refused by pyarrow, but ends nothing
            pq.ParquetFile(io.BytesIO(changed)).read_row_group(0, use_threads=False)
    assert refused > 20
