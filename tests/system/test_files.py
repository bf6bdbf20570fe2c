"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from forecaster.errors import ForecasterError, SettingError
from forecaster.system.files import json_text, write_file


def test_writes_and_refuses_to_overwrite(tmp_path):
    path = write_file(tmp_path / "a.csv", b"one")
    with pytest.raises(SettingError, match=r"'.*a.csv' exists already") as error:
        write_file(path, b"two")
    assert "force=True" in error.value.hint
    assert path.read_bytes() == b"one"
    assert write_file(path, b"two", force=True).read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(SettingError, match="is a folder"):
        write_file(tmp_path, b"")
    with pytest.raises(ForecasterError, match="there is no folder") as error:
        write_file(tmp_path / "none" / "a.csv", b"")
    assert error.value.hint.startswith("make it with: mkdir -p")
    with pytest.raises(ForecasterError, match="No space left on device"):
        write_file("/dev/full", b"a" * 100_000)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, code, step):
    path = tmp_path / "a.png"
    path.write_text("old")

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ForecasterError, match=f"cannot write '.*a.png': {os.strerror(code)}"):
        write_file(path, b"new", force=True)
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.read_text() == "old"


def test_a_name_too_long_is_told(tmp_path):
    with pytest.raises(ForecasterError, match="too long"):
        write_file(tmp_path / ("a" * 300 + ".png"), b"")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"old")
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from forecaster.errors import ForecasterError
from forecaster.system.files import write_file
try:
    write_file({str(tmp_path / "a.csv")!r}, b"x" * 5000, force=True)
except ForecasterError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout and "File too large" in done.stdout
    assert (tmp_path / "a.csv").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_json_is_strict_and_holds_numpy_values():
    document = {"a": np.float32(1.5), "b": [np.nan, np.inf, np.int64(3)], "c": (True, None, "x"), 4: np.bool_(False)}
    assert json.loads(json_text(document)) == {"a": 1.5, "b": [None, None, 3], "c": [True, None, "x"], "4": False}


@pytest.mark.parametrize(("mask", "mode"), [(0o027, 0o640), (0o077, 0o600), (0o000, 0o666)])
def test_files_get_the_permissions_that_the_user_asks_for(mask, mode, tmp_path):
    before = os.umask(mask)
    try:
        assert write_file(tmp_path / "a", b"").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
