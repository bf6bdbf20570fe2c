"""Who may write a model directory, and where: one process at a time, over nothing but a model."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from forecaster.artifact.layout import FILES, FORMAT, LIMITS, MANIFEST, lock_of, real
from forecaster.errors import ForecasterError, SettingError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the right to write ``directory`` while the block runs; folders above it are made, and kept if used.

    Raises:
        ForecasterError: another process holds it, or the folder above cannot be written.
        SettingError: ``directory`` holds something else than a model, or cannot be replaced as a whole.
    """
    place = _replaceable(directory)
    made = [folder for folder in place.parents if not folder.exists()]
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = lock_of(place).open("a")
        except OSError as error:
            raise cannot_write(directory, error) from None
        with handle:
            _lock(handle, directory)
            try:
                yield
            finally:
                with suppress(OSError):  # a folder that was removed, or may not be written any more
                    lock_of(place).unlink()
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _replaceable(directory: Path) -> Path:
    """Return the real place of ``directory``, where there is nothing, an empty folder or a model.

    Raises:
        SettingError: there is something else, or the folder cannot be renamed.
    """
    place = real(directory)
    if place.is_symlink() or (place.exists() and not (place.is_dir() and _ours(place))):  # a link in a circle
        raise SettingError(f"'{directory}' exists and is not a model of forecaster", "name another one with --model")
    if (place.exists() and place.samefile(os.curdir)) or place.is_mount():
        kind = "a mount point" if place.is_mount() else "the current folder"
        raise SettingError(f"'{directory}' is {kind}, which no model can replace", "name a folder in it with --model")
    return place


def _ours(directory: Path) -> bool:
    """Return True for an empty directory and for a model, damaged or not; a lone file of such a name is not enough."""
    names = {entry.name for entry in directory.iterdir()}
    if not names <= {MANIFEST, *FILES}:
        return False
    manifest = directory / MANIFEST
    written = manifest.is_file() and manifest.stat().st_size <= LIMITS[MANIFEST]
    return not names or len(names) > len(FILES) - 1 or (written and FORMAT.encode() in manifest.read_bytes())


def _lock(handle: IO[str], directory: Path) -> None:
    """Lock an open file that is still the one of its name, so that two processes never hold it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = os.path.samestat(os.fstat(handle.fileno()), os.stat(handle.name))
    except (BlockingIOError, FileNotFoundError):
        alone = False
    except OSError as error:
        raise cannot_write(directory, error) from None
    if not alone:
        raise ForecasterError(
            f"another fit is writing '{directory}' right now", "wait for it, or name another directory with --model"
        )


def cannot_write(directory: Path, error: OSError) -> ForecasterError:
    """Return what is said where the system refuses to write a model."""
    hint = (
        "free some space"
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        else "choose another place with --model"
    )
    return ForecasterError(f"cannot write the model '{directory}': {error.strerror}", hint)
