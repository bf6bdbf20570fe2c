"""The command ``forecaster``, also as ``python -m forecaster``: it minds signals before it imports anything else."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Run the command line; a signal ends it while that is imported as it does later on."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end_at_once)
    from forecaster.cli.main import main as run

    run()


def end_at_once(number: int, frame: FrameType | None) -> None:
    """End the process with the exit code of a signal: nothing was begun yet, and no import lets it pass."""
    try:
        os.write(2, b"forecaster: error: interrupted\n  what was not finished was not written\n")
    finally:
        os._exit(128 + number)


if __name__ == "__main__":
    main()
