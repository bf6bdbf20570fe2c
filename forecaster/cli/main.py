"""The command line: finds the command, and turns every error into one message and its exit code."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import Any, NoReturn

import click

#: Arrow's own allocator keeps the memory of a large table for later; the one of the system gives it back.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
#: Pictures are drawn into files, whatever a notebook or a person wants for windows.
os.environ.pop("MPLBACKEND", None)

#: Command: (module in forecaster.cli, line of help). A table, so that ``--help`` imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "inspect": ("inspect", "Report what a table holds, what is wrong with it, and how to fix it."),
    "fit": ("fit", "Train a network on a table of readings."),
    "predict": ("predict", "Forecast a table with no fit, or from a trained model."),
    "make-future": ("make_future", "Write the table of future covariates to fill in."),
    "evaluate": ("evaluate", "Backtest against the baselines, with no fit or a model."),
    "compare": ("compare", "Compare models, or saved backtests, on the same windows."),
    "plot": ("plot", "Draw a forecast to PNG or SVG."),
    "datasets": ("datasets", "List or copy the bundled data sets."),
}
ALIASES = {"forecast": "predict"}

#: The exit code that a shell gives to a program that SIGPIPE ended.
READER_GONE = 141

EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 usage or setting, 3 missing package, 4 file,
column or model not found, 5 bad data or model, 6 training diverged,
7 a gate failed; 128 and the number of a signal where one ended the command:
129 terminal closed, 130 interrupted, 141 reader of the output gone,
143 terminated."""


def _told_of_reader(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of click exit with :data:`READER_GONE` where the reader of its output is gone."""

    def called(*args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except BrokenPipeError:
            raise click.exceptions.Exit(READER_GONE) from None

    return called


class Commands(click.Group):
    """The commands of the table, each imported when it is run or its help is shown."""

    make_context = _told_of_reader(click.Group.make_context)
    invoke = _told_of_reader(click.Group.invoke)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        name = ALIASES.get(name, name)
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"forecaster.cli.{COMMANDS[name][0]}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; the error for an unknown one names the nearest."""
        from forecaster.errors import SettingError, nearest
        from forecaster.system.limits import READING, refuse_without_addresses, refuse_without_threads

        if args and args[0] not in {*COMMANDS, *ALIASES} and not args[0].startswith("-"):
            hint = nearest(args[0], (*COMMANDS, *ALIASES)) or "see: forecaster --help"
            raise SettingError(f"unknown command '{args[0]}', expected one of {', '.join(COMMANDS)}", hint)
        refuse_without_addresses()
        refuse_without_threads(*READING)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=Commands,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context, traceback: bool, version: bool) -> None:
    """Forecast a table of readings: stock prices, weather, sales, load.

    \b
    forecaster predict data.csv
    forecaster fit data.csv
    forecaster predict --horizon 10
    forecaster plot
    """
    if version:
        from forecaster import __version__

        click.echo(f"forecaster {__version__}")
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line, keep native log lines off the terminal, and exit with the documented code."""
    from forecaster.system.native import separate_native
    from forecaster.system.signals import redeliver_dropped_stops

    args, codes = sys.argv[1:] if args is None else args, list[int]()
    atexit.register(_end, codes)  # what is registered first is called last
    if sys.stdout is not None:
        _open_output_again()
    _open_closed_streams()
    if "--traceback" in args:
        sys.excepthook = _show_traceback
    else:
        separate_native()
    redeliver_dropped_stops(show="--traceback" in args)
    codes.append(_run_stoppable(args))
    sys.exit(codes[0])


def _run_stoppable(args: list[str]) -> int:
    """Run one command, which signals stop, and return its exit code; while Python ends nothing does."""
    from forecaster.system.signals import ignore_stops, install_stop_handlers, stopped_code

    try:
        install_stop_handlers()
        code = run(args)
        ignore_stops()
    except KeyboardInterrupt:  # outside of what run explains, such as a second one while the first is reported
        ignore_stops()
        if "--traceback" in args:
            raise
        code = 130
    return stopped_code(code)


def _end(codes: list[int]) -> None:
    """Exit at once: at a normal exit Python unloads libraries whose threads sometimes abort the process.

    Arrow's do, of a file that they have read for Python: https://github.com/apache/arrow/issues/34314.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if codes:
        os._exit(codes[0])


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback with secrets redacted, as people share it."""
    from traceback import format_exception

    from forecaster.cli.output import redact_arguments

    sys.stderr.write(redact_arguments("".join(format_exception(kind, error, trace))))


def _open_closed_streams() -> None:
    """Replace standard streams that the caller closed (``2>&-``) by the null device."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (kept open to the end)


def _open_output_again() -> None:
    """Reopen stdout buffered, also with ``PYTHONUNBUFFERED``, escaping characters its encoding lacks."""
    encoding, number = sys.stdout.encoding, sys.stdout.fileno()
    sys.stdout = open(number, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115


def run(args: list[str]) -> int:
    """Run one command and return its exit code; an error is printed on stderr."""
    from forecaster.words import settings_as_flags

    with settings_as_flags():
        return _run(args)


def _run(args: list[str]) -> int:
    try:
        _refuse_nul(args)
        code = cli.main(args, prog_name="forecaster", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        if "--traceback" in args:
            raise
        try:
            if _drop_unwritable_output() and isinstance(error, OSError) and not error.filename:
                return _say(f"cannot write the output: {error.strerror}", "choose another place, or free some space", 1)
            return _explain(KeyboardInterrupt() if _is_of_a_signal(error) else error, "fit" in args)
        except (ImportError, MemoryError, SystemError):  # building the message takes memory too
            os.write(sys.stderr.fileno(), b"forecaster: error: out of memory\n")
            return 1
    return code if isinstance(code, int) else 0


def _refuse_nul(args: list[str]) -> None:
    from forecaster.errors import SettingError

    for word in args:
        if "\0" in word:
            raise SettingError(f"the argument '{word}' holds a NUL character")


def _is_of_a_signal(error: BaseException) -> bool:
    """Return True for an error that a library raised because of Ctrl-C."""
    from forecaster.errors import ForecasterError
    from forecaster.system.signals import was_stopped

    return (
        was_stopped()
        and isinstance(error, Exception)
        and not isinstance(error, (ForecasterError, click.ClickException))
    )


def _drop_unwritable_output() -> bool:
    """Drop output that stdout could not take, so that Python does not retry and complain at exit.

    Returns:
        bool: True if there was some, and its reader is not gone.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return not isinstance(error, BrokenPipeError)
    return False


def _explain(error: BaseException, trains: bool) -> int:
    """Print one message for an error and return its exit code.

    Args:
        error: the exception that ended the command.
        trains: True if the command trains a network.
    """
    from forecaster.errors import ForecasterError
    from forecaster.system.limits import is_out_of_memory

    if isinstance(error, ForecasterError):
        return _say(error.message, error.hint, error.exit_code)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        command = getattr(getattr(error, "ctx", None), "command_path", "forecaster")
        return _say(error.format_message().rstrip("."), f"see: {command} --help", error.exit_code)
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return _say("interrupted", "what was not finished was not written", 130)
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if is_out_of_memory(error):
        smaller = "use smaller --units, a shorter --lookback or a smaller --batch-size, " if trains else ""
        return _say("out of memory", f"{smaller}free some memory, or raise the limit (ulimit -v)", 1)
    if isinstance(error, OSError):
        place = f"'{error.filename}': " if error.filename else ""
        return _say(f"{place}{error.strerror or error}", "", 1)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _say(
        f"a bug in forecaster: {what}", "run it again as 'forecaster --traceback ...' and report what it shows", 1
    )


def _say(message: str, hint: str, code: int) -> int:
    from forecaster.cli.output import say

    say(f"forecaster: error: {message}")
    if hint:
        say(f"  {hint}")
    return code
