"""The lock of a model directory: one process writes it at a time, and over nothing but a model."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from forecaster.artifact.names import FILES, FORMAT, LIMITS, MANIFEST
from forecaster.artifact.place import ModelPlace
from forecaster.errors import ForecasterError, SettingError
from forecaster.words import setting

#: Times that a lock is tried for: its holder removes the file before letting go.
ATTEMPTS = 3


@contextmanager
def lock_directory(directory: str | Path | ModelPlace) -> Iterator[ModelPlace]:
    """Hold the lock of a directory while the block runs; folders above it are made, and kept if used.

    Yields:
        ModelPlace: its place, where the model is to be written whatever becomes of links to it meanwhile.

    Raises:
        ForecasterError: another process holds it, the folder above cannot be written, or the model there not replaced.
        SettingError: ``directory`` holds something else than a model, or cannot be replaced as a whole.
    """
    place = ModelPlace.of(directory)
    refuse_foreign(place)
    made = [folder for folder in place.real.parents if not folder.exists()]
    try:
        try:
            place.real.parent.mkdir(parents=True, exist_ok=True)
            handle = _lock(place)
        except OSError as error:
            raise write_refusal(place, error) from None
        with handle:
            try:
                _refuse_unwritable(place)
                yield place
            finally:
                with suppress(OSError):  # a folder that was removed, or may not be written any more
                    place.lock.unlink()
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def refuse_foreign(place: ModelPlace) -> None:
    """Refuse a place that holds anything but an empty folder or a model, or that cannot be renamed.

    Raises:
        SettingError: saying what is there.
    """
    real = place.real
    if real.is_symlink() or (real.exists() and not (real.is_dir() and _is_own(real))):  # a link in a circle
        hint = f"name another one with {setting('directory')}"
        raise SettingError(f"'{place}' exists and is not a model of forecaster", hint)
    if (real.exists() and real.samefile(os.curdir)) or real.is_mount():
        kind = "a mount point" if real.is_mount() else "the current folder"
        hint = f"name a folder in it with {setting('directory')}"
        raise SettingError(f"'{place}' is {kind}, which no model can replace", hint)


def _refuse_unwritable(place: ModelPlace) -> None:
    """Refuse, before training, a place where no model can be made, or an older one cannot be moved away and removed.

    Raises:
        ForecasterError: with the reason.
    """
    try:
        if place.real.exists() and not _replaceable(place.real):
            raise PermissionError(errno.EACCES, "this user may not replace the one that is there")
        place.make_staging().rmdir()
    except OSError as error:
        raise write_refusal(place, error) from None


def _replaceable(directory: Path) -> bool:
    """Return True if this user may rename a directory, also in a folder such as ``/tmp``, and empty it."""
    above, user = directory.parent.stat(), os.geteuid()
    sticky = bool(above.st_mode & stat.S_ISVTX) and user not in (0, above.st_uid, directory.stat().st_uid)
    return not sticky and os.access(directory, os.W_OK | os.X_OK)


def _is_own(directory: Path) -> bool:
    """Return True for an empty directory and for a model, damaged or not; a lone file of such a name is not enough."""
    names = {entry.name for entry in directory.iterdir()}
    if not names <= {MANIFEST, *FILES}:
        return False
    manifest = directory / MANIFEST
    written = manifest.is_file() and manifest.stat().st_size <= LIMITS[MANIFEST]
    return not names or len(names) > len(FILES) - 1 or (written and FORMAT.encode() in manifest.read_bytes())


def _lock(place: ModelPlace) -> IO[str]:
    """Open and lock the lock file of a place; if it has its name afterwards, no other process holds it.

    Raises:
        OSError: the system refuses it.
        ForecasterError: another process holds it, or something else has the name of the file.
    """
    path = place.lock
    for _ in range(ATTEMPTS):
        with ExitStack() as stack:
            handle = stack.enter_context(open(path, "a", opener=_open_lock_file))
            with suppress(BlockingIOError, FileNotFoundError):  # held, or removed by its holder
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle.fileno()), os.lstat(path)):
                    stack.pop_all()
                    return handle
    raise ForecasterError(
        f"another fit is writing '{place}' right now", f"wait for it, or name another one with {setting('directory')}"
    )


def _open_lock_file(path: str, flags: int) -> int:
    """Open a lock file, following no link and waiting for no pipe."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise ForecasterError(f"'{path}' is in the way, where the lock of a model is to be", "remove it") from None
        raise


def write_refusal(place: ModelPlace, error: OSError) -> ForecasterError:
    """Return the error for a model that the system refuses to write."""
    hint = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EFBIG: "raise the limit of a file's size (ulimit -f), or train a smaller network",
    }.get(error.errno or 0, f"choose another place with {setting('directory')}")
    file = next((folder for folder in place.asked.parents if folder.is_file()), None)
    reason = f"'{file}' is a file, not a folder" if file else error.strerror
    return ForecasterError(f"cannot write the model '{place}': {reason}", hint)
