"""Write files whole or not at all, and values as JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from forecaster.errors import ForecasterError, SettingError
from forecaster.words import setting


def write_file(path: str | Path, content: bytes | Iterable[bytes | memoryview], force: bool = False) -> Path:
    """Write a file through a temporary sibling that is renamed once it is complete.

    Args:
        path: its place; a device such as ``/dev/stdout`` is written directly.
        content: all of it, or its pieces.
        force: replace an existing file.

    Returns:
        Path: the path written.

    Raises:
        SettingError: the file exists and ``force`` is False, or it is a folder.
        ForecasterError: it cannot be written; an older file stays as it was.
    """
    path = Path(path)
    check_free(path, force)
    pieces = [content] if isinstance(content, bytes) else content
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with path.open("wb") as handle:
                handle.writelines(pieces)
        else:
            _replace(path, pieces)
    except OSError as error:
        raise ForecasterError(
            f"cannot write '{path}': {error.strerror}", "choose another place, or free some space"
        ) from None
    return path


def check_free(path: str | Path, force: bool = False, suffixes: Collection[str] = ()) -> None:
    """Refuse a path that :func:`write_file` would refuse, before work is spent on its content.

    Args:
        path: the file.
        force: an existing file may be replaced.
        suffixes: those that the file may have; any by default.

    Raises:
        SettingError: the suffix is another, the file exists and ``force`` is False, or it is a folder.
        ForecasterError: its folder does not exist or is a file, or the system has no such names.
    """
    if suffixes and Path(path).suffix.lower() not in suffixes and not os.path.isdir(path):
        hint = f"name a file that ends in {' or '.join(suffixes)}"
        raise SettingError(f"cannot tell the format from the name '{path}'", hint)
    path = Path(path)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # reported below
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ForecasterError(f"cannot write '{path}': {reason}", "choose another name") from None
    if os.path.isdir(path):
        raise SettingError(f"'{path}' is a folder", "name a file in it")
    if os.path.isfile(path) and not force:
        advice = f"replace it with {setting('force', True)}, or name another file"
        raise SettingError(f"'{path}' exists already", advice)
    if os.path.isfile(path.parent):
        raise ForecasterError(f"cannot write '{path}': '{path.parent}' is a file, not a folder", "choose another place")
    if not os.path.isdir(path.parent):
        raise ForecasterError(
            f"cannot write '{path}': there is no folder '{path.parent}'", f"make it with: mkdir -p {path.parent}"
        )


def _replace(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.writelines(pieces)
            handle.flush()
            os.fsync(descriptor)
        os.chmod(name, 0o666 & ~current_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_through_pipe(write: Callable[[str], object]) -> bytes:
    """Return the bytes that a function writes to a path: a pipe, for which no disk and no file limit is too small.

    Args:
        write: opens the given path once and writes it from start to end.
    """
    from concurrent.futures import ThreadPoolExecutor

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, ThreadPoolExecutor(1) as thread:
        content = thread.submit(pipe.read)
        try:
            write(f"{'/proc/self/fd' if sys.platform == 'linux' else '/dev/fd'}/{writing}")
        finally:
            os.close(writing)
        return content.result()


def current_umask() -> int:
    """Return the umask of this process: the permissions that its new files do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def json_text(document: Any) -> str:
    """Return a document of plain and NumPy values as strict, encodable JSON; NaN and infinity become null."""
    text = json.dumps(_plain(document), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()  # half a character, as in the name of a file


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_sealed(path: Path, content: bytes | memoryview) -> None:
    """Write a file that begins with the sha256 of its content, flushed to the disk before it replaces an older one.

    Raises:
        OSError: it cannot be written; an older file stays as it was.
    """
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("wb") as handle:
            handle.write(hashlib.sha256(content).digest())
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk.

    Raises:
        OSError: the system does not support that.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_sealed(path: Path) -> bytes | None:
    """Return the content of a file of :func:`write_sealed`; None if it is absent, unreadable or damaged."""
    try:
        written = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    return written[size:] if hashlib.sha256(written[size:]).digest() == written[:size] else None
