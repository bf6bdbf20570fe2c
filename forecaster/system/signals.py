"""Handle signals that end a command as Ctrl-C does: trained weights are kept, nothing half-written stays."""

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
#: Seconds after which a stop that Python dropped is raised again.
MOMENT = 0.05

_received: list[int] = []


def install_stop_handlers() -> None:
    """Stop the command at :data:`STOPS` as at Ctrl-C, except at those that its caller ignores (``nohup``)."""
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
    """Re-raise a stop signal whose KeyboardInterrupt Python swallowed, as in ``__del__`` of any library.

    Args:
        show: print the other errors that Python swallows, as it does by default.
    """

    def dropped(error: sys.UnraisableHookArgs) -> None:
        if _received and issubclass(error.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, MOMENT)
        elif show:
            sys.__unraisablehook__(error)

    sys.unraisablehook = dropped


def was_stopped() -> bool:
    """Return True if a stop signal arrived; libraries turn the error that it raises into others."""
    return bool(_received)


def ignore_stops() -> None:
    """Ignore all stop signals from now on, Ctrl-C too."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def stopped_code(code: int) -> int:
    """Return the exit code of a command: if a signal stopped it, 128 plus its number, which is 2 for Ctrl-C."""
    return 128 + _received[0] if code and _received else code


@contextmanager
def defer_signals() -> Iterator[Callable[[], None]]:
    """Hold back stop signals until the end of the block, as native code would turn them into other errors or lose them.

    A second signal delivers the first at once.

    Yields:
        Delivers the first signal held back, when called.
    """
    waiting: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in STOPS}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}

    def later(number: int, frame: FrameType | None) -> None:
        waiting.append((number, frame))
        if len(waiting) > 1:
            now()

    def now() -> None:
        if waiting:
            number, frame = waiting.pop(0)
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
