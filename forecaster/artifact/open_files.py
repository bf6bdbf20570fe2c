"""The files of a model directory, opened at once: all of one model, though another process replaces it meanwhile."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from forecaster.artifact.names import FILES, LIMITS, MANIFEST
from forecaster.artifact.place import ModelPlace
from forecaster.errors import ModelError, NotFoundError

#: What to do about a model that cannot be read.
AGAIN = "make it again with: forecaster fit DATA"
#: Times that a directory is opened anew while it is being replaced, and seconds between two of them.
ATTEMPTS, PAUSE = 100, 0.01


@contextmanager
def open_model_files(directory: Path) -> Iterator[dict[str, BufferedReader]]:
    """Open the files of a model for the block, each at its start; :func:`refuse_absent` says whether all are there.

    They are found through one open directory. Where that was moved away and is being deleted, those of the one in its
    place are taken instead.

    Raises:
        NotFoundError: there is no model.
        ModelError: a file is no regular file inside the directory, too large, or cannot be opened.
    """
    for _ in range(ATTEMPTS):
        with ExitStack() as stack:
            try:
                files, settled = _found(directory, stack)
            except OSError as error:
                what = f"{error.filename} of " if error.filename in LIMITS else ""
                hint = _hint(error, directory)
                raise ModelError(f"cannot read {what}the model at '{directory}': {error.strerror}", hint) from None
            if len(files) > len(FILES) or (files and settled):
                yield files
                return
        if settled:
            break
        time.sleep(PAUSE)
    raise NotFoundError(f"no model at '{directory}'", "make one with: forecaster fit DATA, or name one with --model")


def _hint(error: OSError, directory: Path) -> str:
    """Return what to do about a model that the system does not open; only a damaged one is to be made again."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"let this user read it, such as with: chmod -R u+rX {shlex.quote(str(directory))}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files (ulimit -n)"
    return AGAIN


def refuse_absent(files: dict[str, BufferedReader], names: Iterable[str], directory: Path) -> None:
    """Refuse a model of which one of the files of these names is absent.

    Raises:
        ModelError: naming it.
    """
    for name in names:
        if name not in files:
            raise ModelError(f"the model at '{directory}' has no {name}", AGAIN)


def _found(directory: Path, stack: ExitStack) -> tuple[dict[str, BufferedReader], bool]:
    """Return the files that a directory has, and whether it still is the one of its name."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return {}, not ModelPlace.of(directory).lock.exists()  # where names cannot be exchanged, it comes back
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.ENAMETOOLONG) in (errno.ENAMETOOLONG, errno.ELOOP):
            return {}, True  # no name that a directory can have
        raise
    stack.callback(os.close, folder)
    files = {}
    for name in (MANIFEST, *FILES):
        with suppress(FileNotFoundError):
            files[name] = stack.enter_context(open_regular_file(name, folder))
    try:
        return files, os.path.samestat(os.fstat(folder), os.stat(directory))
    except FileNotFoundError:
        return files, False


def open_regular_file(name: str, folder: int) -> BufferedReader:
    """Open a file of a model, which is a regular file and no link; a pipe is not waited for.

    Args:
        name: of the file.
        folder: descriptor of the directory that it is in.

    Raises:
        OSError: it cannot be opened, is something else, or is too large.
    """

    def opener(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)

    try:
        handle = open(name, "rb", opener=opener)  # noqa: SIM115 (kept open by the caller)
    except OSError as error:
        words = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise type(error)(error.errno, words, name) from None
    found = os.fstat(handle.fileno())
    problem = "" if stat.S_ISREG(found.st_mode) else "it is no regular file"
    problem = problem or ("it is too large" if found.st_size > LIMITS[name] else "")
    if problem:
        handle.close()
        raise OSError(errno.EINVAL, problem, name)
    return handle
