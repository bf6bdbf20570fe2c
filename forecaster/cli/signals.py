"""Signals that end a command as Ctrl-C does: what was trained is kept, nothing half-written stays."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from forecaster.quiet import STOPS

#: Seconds after which a stop that Python dropped comes again.
MOMENT = 0.05

_received: list[int] = []


def stop_like_ctrl_c() -> None:
    """Let a command be stopped by these signals as by Ctrl-C, but those that its caller has it ignore (``nohup``)."""
    for number in STOPS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _stop)
    signal.signal(signal.SIGALRM, _stop_again)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt


def _stop_again(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(_received[-1])


def mind_dropped_errors(show: bool) -> None:
    """Let a stop come again that fell into what Python drops the errors of, such as ``__del__`` of any library.

    Args:
        show: print the other errors that Python drops, as it does by itself.
    """

    def dropped(error: sys.UnraisableHookArgs) -> None:
        if _received and issubclass(error.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, MOMENT)
        elif show:
            sys.__unraisablehook__(error)

    sys.unraisablehook = dropped


def stopped() -> bool:
    """Return whether such a signal came; libraries make other errors of the one that it raises."""
    return bool(_received)


def ignore_stops() -> None:
    """Let nothing stop the command any more, Ctrl-C neither."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def stopped_code(code: int) -> int:
    """Return the exit code of a command: where a signal stopped it, 128 and its number, which is 2 for Ctrl-C."""
    return 128 + _received[0] if code and _received else code
