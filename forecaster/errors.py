"""Errors that people can cause, each with its exit code.

::

    ForecasterError            1   forecasting failed
    ├── SettingError           2   a flag, key or argument is wrong
    ├── DependencyError        3   an optional package is missing
    ├── NotFoundError          4   no such file, column, data set or model
    ├── DataError              5   the data cannot be used as they are
    ├── ModelError             5   the model directory cannot be used as it is
    ├── DivergedError          6   training ended in NaN or infinity
    ├── GateError              7   a condition on an evaluation (``fail_if``) held
    └── InterruptError       130   Ctrl-C; 129 and 143 where SIGHUP or SIGTERM took its place

This module imports nothing of the project and nothing heavy.
"""

from __future__ import annotations


class ForecasterError(Exception):
    """An error with a message (what is wrong, where, what was expected) and a hint.

    Args:
        message: one sentence.
        hint: the next step, often a setting or a command; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingError(ForecasterError):
    """A flag, a configuration key or an argument has a wrong value."""

    exit_code = 2


class DependencyError(ForecasterError):
    """An optional package is not installed; the hint is the install line."""

    exit_code = 3


class NotFoundError(ForecasterError):
    """A file, a column, a data set or a model does not exist."""

    exit_code = 4


class DataError(ForecasterError):
    """The data cannot be used as they are."""

    exit_code = 5


class ModelError(ForecasterError):
    """A model directory is damaged, altered, incomplete or too new."""

    exit_code = 5


class DivergedError(ForecasterError):
    """The training loss became NaN or infinite."""

    exit_code = 6


class GateError(ForecasterError):
    """A condition on an evaluation (``fail_if``) held."""

    exit_code = 7


class InterruptError(ForecasterError):
    """Ctrl-C, or a signal in its place."""

    exit_code = 130


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return the hint ``"did you mean 'x'?"`` for the closest known name, or ``""``.

    Args:
        name: the unknown name.
        known: the names that exist.
    """
    import difflib

    found = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    for candidate in known:
        if found and candidate.lower() == found[0]:
            return f"did you mean '{candidate}'?"
    return ""
