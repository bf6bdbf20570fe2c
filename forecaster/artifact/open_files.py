"""Open the files of a model directory: all of one model, even if another process replaces it meanwhile."""

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
from forecaster.words import setting

#: Hint for a model that is damaged.
AGAIN = "make it again with: forecaster fit DATA"
#: Times that a directory is opened anew while it is being replaced, and seconds between two of them.
ATTEMPTS, PAUSE = 100, 0.01


@contextmanager
def open_model_files(directory: Path) -> Iterator[dict[str, BufferedReader]]:
    """Open the files of a model for the block, each at its start; :func:`refuse_absent` refuses missing ones.

    They are found through one open directory. Where that was moved away and is being deleted, the files of the
    directory in its place are opened instead.

    Raises:
        NotFoundError: there is no model.
        ModelError: a file is no regular file inside the directory, too large, or cannot be opened.
    """
    for _ in range(ATTEMPTS):
        with ExitStack() as stack:
            try:
                files, settled = _open_present(directory, stack)
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
    hint = f"make one with: forecaster fit DATA, or name one with {setting('directory')}"
    raise NotFoundError(f"no model at '{directory}'", hint)


def _hint(error: OSError, directory: Path) -> str:
    """Return a hint for a model that the system does not open; only a damaged one has to be made again."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"let this user read it, such as with: chmod -R u+rX {shlex.quote(str(directory))}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files (ulimit -n)"
    return AGAIN


def refuse_absent(files: dict[str, BufferedReader], names: Iterable[str], directory: Path) -> None:
    """Refuse a model without one of the named files.

    Raises:
        ModelError: naming the first that is absent.
    """
    for name in names:
        if name not in files:
            raise ModelError(f"the model at '{directory}' has no {name}", AGAIN)


def _open_present(directory: Path, stack: ExitStack) -> tuple[dict[str, BufferedReader], bool]:
    """Return the files of a directory, and True if it still has its name."""
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
    """Open a file of a model, which must be a regular file and no link; a pipe is not waited for.

    Args:
        name: of the file.
        folder: descriptor of its directory.

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
