"""Signals that end a command as Ctrl-C does: what was trained is kept, nothing half-written stays."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

#: Signals that end a command: Ctrl-C, what a service manager or ``kill`` sends, and a terminal that is closed.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds after which a stop that Python dropped comes again.
MOMENT = 0.05

_received: list[int] = []


def install_stop_handlers() -> None:
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


def redeliver_dropped_stops(show: bool) -> None:
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


def was_stopped() -> bool:
    """Return whether such a signal came; libraries make other errors of the one that it raises."""
    return bool(_received)


def ignore_stops() -> None:
    """Let nothing stop the command any more, Ctrl-C neither."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def stopped_code(code: int) -> int:
    """Return the exit code of a command: where a signal stopped it, 128 and its number, which is 2 for Ctrl-C."""
    return 128 + _received[0] if code and _received else code


@contextmanager
def defer_signals() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and its like wait for the end of the block: native code would make another error of it, or lose it.

    A second one lets the first wait no longer.

    Yields:
        Does what the first that waits asks for, where it is called.
    """
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in STOPS}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}

    def later(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        if len(came) > 1:
            now()

    def now() -> None:
        if came:
            number, frame = came.pop(0)
            handlers[signal.Signals(number)](number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield now  # signals come to the main thread only
        return
    for number in handlers:
        signal.signal(number, later)
    try:
        yield now
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        now()
