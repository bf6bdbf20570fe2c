"""Command lines at random, from click's own declarations, and what may come of one.

``tests/cli/test_fuzz_cli.py`` runs some of them, ``tests/manual/fuzz_cli.py`` ten thousand.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import click
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from samples import time_limit

from forecaster import Forecaster
from forecaster.cli.main import cli, run
from forecaster.errors import ForecasterError
from forecaster.evaluation import baselines
from forecaster.fitting import fit as fitting
from forecaster.fitting import warm_start as continuing

#: Of a command line: seconds of the processor and of the clock; bytes beyond what it began with, and beyond the peak.
SECONDS, LIMIT, MEMORY, MOST = 20, 200, 3 << 30, 1 << 30
CODES = (*range(8), 129, 130, 141, 143)


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command, below groups too, with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))


COMMANDS = dict(leaves(cli))
ENVIRONMENT = sorted(
    {str(p.envvar): p for c in COMMANDS.values() for p in c.params if getattr(p, "envvar", None)}.items()
)


def _words(text: str) -> list[str]:
    return text.split()


# What is at hand


def prepare(place: Path) -> None:
    """Put tables, models, folders and links into a folder."""
    days = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d")
    wave = np.round(50 + 10 * np.sin(np.arange(60) * 2 * np.pi / 7) + np.arange(60) * 7 % 5 / 3, 2)
    good = pd.DataFrame({"date": days, "sales": wave})
    shop = good.assign(shop="a", price=np.arange(60) % 4)
    shops = pd.concat([shop, shop.assign(shop="ü b", sales=wave * 2)])
    good.to_csv(place / "good.csv", index=False)
    good.iloc[-20:].assign(date=pd.date_range("2020-03-01", periods=20)).to_parquet(place / "newer.parquet")
    good.drop(range(20, 25)).to_json(place / "gaps.jsonl", orient="records", lines=True)
    shops.to_csv(place / "shops.csv", index=False)
    ahead = pd.date_range("2020-03-01", periods=12).strftime("%Y-%m-%d")
    future = [pd.DataFrame({"date": ahead, "shop": name, "price": np.arange(12) % 4}) for name in ("a", "ü b")]
    pd.concat(future).to_csv(place / "future.csv", index=False)
    tiny: dict[str, Any] = {"network": "dlinear", "epochs": 1, "final": False, "lookback": 7, "validation": 6}
    value = Forecaster(3, **tiny).fit(place / "good.csv")
    value.save(place / "forecaster-model")
    Forecaster(3, series="shop", **tiny).fit(place / "shops.csv", future=place / "future.csv").save(place / "model-b")
    Forecaster(3, task="direction", **tiny).fit(place / "good.csv").save(place / "directions")
    value.predict().to_csv(place / "forecast.csv", index=False)
    value.evaluate(place / "good.csv", baselines=("naive",), origins=2).table.to_csv(place / "run.csv", index=False)
    with sqlite3.connect(place / "base.db") as base:
        good.rename(columns={"date": "day"}).to_sql("readings", base, index=False)
    base.close()
    for name, text in TEXTS.items():
        (place / name).write_text(text)
    (place / "bytes.csv").write_bytes(bytes(range(256)))
    (place / "empty-folder").mkdir()
    (place / "damaged").mkdir()
    (place / "damaged" / "manifest.json").write_text("[]")
    (place / "link.csv").symlink_to("good.csv")
    (place / "dangling.csv").symlink_to("nowhere.csv")
    (place / "loop.csv").symlink_to("loop.csv")
    (place / "linked-model").symlink_to("forecaster-model")


TEXTS = {
    "empty.csv": "",
    "header.csv": "date,sales\n",
    "wrong.json": '{"a": [1, {"b": null}], "c": "x"}',
    "deep.json": "[" * 5_000,
    "good.toml": 'units = [4]\nloss = "mae"\nhorizon = "3"\n',
    "wrong.toml": "units = {a = [1, [2, {}]]}\nseed = 2020-01-01\n",
    "broken.toml": "units 8\n",
}

TABLES = (
    *("good.csv", "good.csv", "base.db", "newer.parquet", "gaps.jsonl", "shops.csv", "future.csv", "forecast.csv"),
    *("run.csv", "link.csv"),
)
MODELS = ("forecaster-model", "model-b", "directions", "linked-model")
PLACES = (
    *TEXTS,
    *_words("bytes.csv empty-folder damaged dangling.csv loop.csv absent.csv absent/x.csv . .. / /dev/null /dev/full"),
    *_words("/dev/zero /proc/self/mem /proc/self/x.csv good.csv/x.csv ~ ~nobody/x.csv dataset:airline dataset:"),
    *_words("dataset:../x é.csv \udcff.csv *.csv good.csv\0 - ./- CON out.csv.gz good.csv/ link.csv/.."),
    *("x" * 300 + ".csv", "é" * 125 + ".csv", "a/" * 3000 + "b.csv", "\n.csv"),
)
ADDRESSES = (
    *_words("sqlite:///absent.db sqlite:// duckdb:///absent.duckdb postgresql://me:secret@127.0.0.1:1/x :// a://b://c"),
    *_words("mysql://127.0.0.1:1/x http://127.0.0.1:1/x.csv s3://x/y file:///x sqlite:///good.csv postgresql://[::1/x"),
    *_words("postgresql://127.0.0.1:99999/x sqlite:///\0 file://good.csv nosuch+driver://x"),
)
OUTPUTS = (
    *_words("out.png out.svg out.csv - out.json out.parquet OUT.CSV out /dev/stdout new/out.csv /dev/full out.csv/"),
    *("x" * 252 + ".csv", "x" * 252 + ".png", "é" * 125 + ".csv", "é" * 125 + ".png", "a\nb.csv", "loop.csv"),
    *_words(".csv .png \udcff.csv \udcff.png"),
)
COLUMNS = ("date", "sales", "shop", "price", *_words("date,sales sales,sales absent none price,shop Sales"), "")
HORIZONS = (
    *_words("3 10 0 -1 10d 2w 1h 1e3 1000000000000000000 99999999999999999999d 0d -3d d 1.5 100000 100001 2020 nan"),
    *_words("2020-03-05 2020-02-30 0001-01-01 9999-12-31 2262-04-12 20000-01-01 1677-09-21 2020-03-05T12 infd 3d4h"),
    *("2020-03-05T00:00:00Z", "1Y", "3MS", "row", "10 parsecs", "9" * 5000),
)
NUMBERS = (
    *_words("0 1 2 3 7 50 100 -1 1.5 0.5 1e3 1e-300 1e400 nan inf -inf -0 0x10 1_000 +3 1,2 1,,2 3,"),
    *(str(10**18), str(-(2**63)), str(2**63), "9" * 400, "9" * 5000, "\N{FULLWIDTH DIGIT ONE}", " 3 "),
)
EXPRESSIONS = (
    *("skill<0", "mase>1 and coverage-80<75%", "skill:naive<1e400", "p-value", "<", "skill<nan", "(("),
    *("skill<0 or " * 300, "__import__('os')", "skill<0%", "coverage-80>0", "mae=1", "skill:absent<0"),
)
ODD = (
    *("", " ", "-", "--", "\0", "a\0b", "\udcff", "é", "\u202e", "\x1b[31m", "\n", "\r", "a,b", ",", ",,", "x" * 5_000),
    *_words("%s%n {0} $HOME `id` true None null [] {} ' \" \\ --json -h 😀 a=b utf-8 utf-7 rot13 base64 idna tab"),
    *_words("; || Europe/Berlin UTC DE US-CA XX h D B W-SAT 15min 0min -1D ns 1ns row 99999999999D 3MS"),
    *("select 1 as date", "select * from absent", "9" * 400 + "D"),
)
#: Values that say little of themselves in a declaration.
WORDS = {
    "sql": ("select * from readings", "select day as date, sales from readings"),
    "delimiter": (",", ";", "tab"),
    "decimal": (".", ","),
    "encoding": ("utf-8", "cp1252"),
    "sheet": ("Sheet1",),
    "name": ("airline", "sunspots"),
    "freq": ("D", "row", "2D"),
    "zone": ("UTC", "Europe/Berlin"),
    "holidays": ("DE", "US-CA"),
    "budget": ("10", "1m"),
    "title": ("é", ""),
}


def _kinds(parameter: click.Parameter) -> tuple[Any, Any]:
    """Return values that a flag or an argument takes, and such as are near to those that it takes."""
    name, shape = str(parameter.name), str(getattr(parameter, "metavar", None) or parameter.type.name)
    if name in ("output", "plot", "residual_plot", "destination"):
        pictures = "plot" in name or parameter.default == "plot.png"
        return OUTPUTS[:2] if pictures else OUTPUTS[2:6], (*OUTPUTS, *TABLES, *MODELS)
    if name in ("model", "start", "places"):
        return (*MODELS, "run.csv") if name == "places" else MODELS, (*PLACES, *TABLES)
    if shape in ("DATA", "[DATA]", "FILE", "[FORECAST|DATA]"):
        return ("drawn.toml", "good.toml") if name == "config_file" else TABLES, (*PLACES, *ADDRESSES, *MODELS)
    if "SPAN" in shape or name == "horizon":
        return ("1", "3", "10", "5d", "2020-03-05"), HORIZONS
    if shape.startswith(("N", "X", "K", "integer")):
        return ("1", "2", "3", "7", *(("0.1", "1e-3") if shape == "X" else ())), NUMBERS
    if shape == "EXPR":
        return EXPRESSIONS[:3], EXPRESSIONS
    if name in WORDS:
        return WORDS[name], ODD
    if "|" in shape:
        words = tuple(word for word in re.split(r"[|,]", shape) if len(word) > 1)
        return words, (*words, ",".join(words), words[0].upper(), f" {words[0]}")
    return COLUMNS[:4], (*COLUMNS, *ODD)


def _usual(parameter: click.Parameter) -> st.SearchStrategy[str]:
    default = parameter.default
    return st.sampled_from((*_kinds(parameter)[0], *([str(default)] if isinstance(default, (str, int)) else [])))


def _odd(parameter: click.Parameter) -> st.SearchStrategy[str]:
    near = st.sampled_from(_kinds(parameter)[1])
    return st.one_of(near, near, near, st.one_of(st.integers(), st.floats()).map(repr), ANY)


_INSIDE = st.text(max_size=20).filter(lambda text: not text.startswith(("/", "~")) and ".." not in text)
ANY = st.one_of(
    *map(st.sampled_from, (ODD, PLACES, ADDRESSES, NUMBERS, HORIZONS, COLUMNS, EXPRESSIONS, OUTPUTS, MODELS)), _INSIDE
)
_PARAMETERS = {(path, str(p.name)): p for path, command in COMMANDS.items() for p in command.params}
USUAL_VALUES = {key: _usual(parameter) for key, parameter in _PARAMETERS.items()}
ODD_VALUES = {key: _odd(parameter) for key, parameter in _PARAMETERS.items()}


# Configuration files

_KEYS = st.sampled_from([*(p.name for p in COMMANDS["fit",].params), "recipe", "", "__class__", "unit", "a.b", "é"])
_PLAIN = st.one_of(
    *map(st.sampled_from, (COLUMNS, HORIZONS, NUMBERS, ODD)),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.none(),
)
_NESTED = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=2), max_leaves=5
)
DOCUMENTS = st.dictionaries(_KEYS, st.one_of(_PLAIN, _NESTED), max_size=4)


def toml(value: Any) -> str:
    """Return a value as TOML writes it; None, which it has no word for, and NUL, which it refuses, as they are."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value.encode("utf-8", "replace").decode())
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def toml_file(document: dict[str, Any]) -> str:
    """Return a document as a file: a setting a line."""
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items())


# Command lines


class Line(NamedTuple):
    """A command line and what is around it.

    Attributes:
        words: the arguments.
        as_json: ``--json`` is among them, and nothing that could make a value of it.
        environment: variables by name.
        config: the content of ``drawn.toml``.
        stdin: what standard input holds.
    """

    words: list[str]
    as_json: bool
    environment: dict[str, str]
    config: str
    stdin: bytes


#: Flags without which few command lines go far.
OFTEN = ("config_file", "horizon", "output", "as_json", "data", "future", "force")


@st.composite
def lines(draw: Callable[..., Any]) -> Line:
    """Draw a command line."""
    path = draw(st.sampled_from([*COMMANDS, ("fit",), ("fit",), ("predict",), ("evaluate",)]))
    odd = draw(st.sampled_from([0, 0, 0, 1, 1, 1, 1, 1, 1, 9]))  # values that are

    def value(name: str, owner: tuple[str, ...] = path) -> str:
        nonlocal odd
        odd -= (strange := odd > 0 and draw(st.booleans()))
        return draw((ODD_VALUES if strange else USUAL_VALUES)[owner, name])

    words, as_json, count = [], False, 0
    options = [p for p in COMMANDS[path].params if isinstance(p, click.Option)]
    often = [p for p in options if p.name in OFTEN and draw(st.integers(0, 2)) == 0]
    chosen = draw(st.lists(st.sampled_from(options), max_size=4)) if options else []
    for option in [*often, *chosen]:
        flag = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        as_json |= option.name == "as_json"
        if option.is_flag:
            words.append(flag)
        elif flag.startswith("--") and draw(st.integers(0, 4)) == 0:
            words.append(f"{flag}={value(str(option.name))}")
        else:
            words += [flag, value(str(option.name))]
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Argument):
            usual = 1 if parameter.required else draw(st.integers(0, 1))
            count = usual if odd <= 0 else draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
            words += [value(str(parameter.name)) for _ in range(count + (parameter.nargs == -1))]
    if odd > 0 and draw(st.integers(0, 4)) == 0:
        flags = sorted({flag for option in options for flag in option.opts})
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from([*flags, "--"]) | ANY))
        as_json = False
    before = draw(st.sampled_from([[]] * 30 + [["--traceback"], ["--version"], ["--help"], ["-h"], ["--zzz"]]))
    names = draw(st.lists(st.sampled_from(ENVIRONMENT), max_size=2)) if draw(st.integers(0, 4)) == 0 else []
    texts = {name: value(str(p.name), _owner(p)) for name, p in names}
    document = toml_file(draw(DOCUMENTS)) if "drawn.toml" in " ".join(words) else ""
    stdin = draw(st.sampled_from([b"", b"\0", b"date,sales\n", b"date,sales\n2020-03-01,50\n2020-03-02,51\n"]))
    environment = {name: text for name, text in texts.items() if "\0" not in text}
    return Line([*before, *path, *words], as_json, environment, document, stdin)


def _owner(parameter: click.Parameter) -> tuple[str, ...]:
    return next(path for path, command in COMMANDS.items() if parameter in command.params)


# What is seen


class Planned(ForecasterError):
    """Raised where training would begin, and no trained model is at hand."""

    exit_code = 0


@contextmanager
def instant_training(place: Path) -> Iterator[None]:
    """Let each training end where TensorFlow would be started, in a model trained before where one is alike."""

    def planned(*_: Any) -> None:
        raise Planned("planned")

    fit_panel, fit_further = fitting.fit_panel, continuing.fit_further

    def fitted(panel: Any, config: Any, *rest: Any, **options: Any) -> Any:
        try:
            return fit_panel(panel, config, *rest, **options)
        except Planned:
            for name in MODELS[:3]:
                model = Forecaster.load(place / name).model
                _not_null(model.record)
                if model.config.task == config.task and model.history.columns == panel.columns:
                    return model
            raise

    def further(model: Any, *rest: Any) -> Any:
        try:
            return fit_further(model, *rest)
        except Planned:
            return model

    with ExitStack() as stack:
        for module in (fitting, continuing):
            stack.enter_context(mock.patch.object(module, "start_keras", planned))
        stack.enter_context(mock.patch.object(fitting, "fit_panel", fitted))
        stack.enter_context(mock.patch("forecaster.api.forecaster.fit_further", further))
        stack.enter_context(mock.patch.object(baselines, "_model_class", _instant))
        yield


def _not_null(document: dict[str, Any]) -> None:
    """Put NaN where JSON has null, as a fit that has just ended has it."""
    for value in (*document.values(), *document.get("models", ())):
        if isinstance(value, dict):
            for name in value:
                value[name] = math.nan if value[name] is None else value[name]
            _not_null(value)


def _instant(name: str) -> Any:
    """Return a class that answers as the slow baselines of statsforecast do, at once."""

    class Repeated:
        def __init__(self, **options: Any) -> None:
            pass

        def forecast(self, y: np.ndarray, h: int, level: list[int] | None) -> dict[str, np.ndarray]:
            names = ["mean", *(f"{side}-{one}" for one in level or () for side in ("lo", "hi"))]
            return {name: np.full(h, y[-1]) for name in names}

    return Repeated


#: A line on stderr of a command that went well, or of its error.
OURS = re.compile(r"forecaster: error: .|note: .|  \S|(picture|forecast|future|next): .")


class Sandbox:
    """A folder in which command lines are run, and put back as it was after each.

    Args:
        place: holds what :func:`prepare` put there, and stays as it is.
        folder: a new one.
    """

    def __init__(self, place: Path, folder: Path) -> None:
        self.place, self.folder, self.here = place, folder, folder / "here"
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        (folder / "home").mkdir()
        shutil.copytree(place, self.here, symlinks=True)
        self.before = self._state()
        self.code = 0  # of the last command line

    def _state(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for path in self.folder.rglob("*"):
            about = path.lstat()
            found[str(path.relative_to(self.folder))] = (about.st_mode, about.st_size, about.st_mtime_ns)
        return {name: about if not (self.folder / name).is_dir() else about[:1] for name, about in found.items()}

    def put_back(self) -> list[str]:
        """Undo what a command line wrote, and return the names of what was new."""
        after = self._state()
        if after == self.before:
            return []
        new = sorted(after.keys() - self.before.keys())
        changed = {name for name in after | self.before if after.get(name) != self.before.get(name)}
        for name in sorted(changed, reverse=True):
            path, kept = self.folder / name, self.place / Path(name).relative_to("here") if "here/" in name else None
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_symlink() or path.exists():
                path.unlink()
            if name in self.before and kept is not None:
                copy = shutil.copytree if kept.is_dir() and not kept.is_symlink() else shutil.copy2
                copy(kept, path, **{"symlinks": True} if copy is shutil.copytree else {"follow_symlinks": False})
        return new

    def complaint(self, line: Line) -> str:
        """Run a command line and return what is wrong with how it ended; empty where nothing is."""
        (self.here / "drawn.toml").write_text(line.config, encoding="utf-8")
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"), io.StringIO()
        stdin = io.TextIOWrapper(io.BytesIO(line.stdin), "utf-8")
        variables = {k: v for k, v in os.environ.items() if not k.startswith("FORECASTER_")}
        variables |= {"HOME": str(self.folder / "home"), "TMPDIR": str(self.temporary), **line.environment}
        before, self.code, raised, began = os.getcwd(), -1, None, time.process_time()
        peak = _peak()
        with ExitStack() as stack:
            for target, name, value in (
                (sys, "argv", ["forecaster", *line.words]),
                *((sys, "stdin", stdin), (sys, "stdout", out), (sys, "stderr", err)),
                (tempfile, "tempdir", str(self.temporary)),
            ):
                stack.enter_context(mock.patch.object(target, name, value))
            stack.enter_context(mock.patch.dict(os.environ, variables, clear=True))
            stack.enter_context(instant_training(self.place))
            stack.enter_context(warnings.catch_warnings(action="error"))
            os.chdir(self.here)
            stack.callback(os.chdir, before)
            stack.enter_context(_limits())
            try:
                self.code = run(list(line.words))
            except BaseException as error:
                raised = error
        out.flush()
        text = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        spent, grown = time.process_time() - began, _peak() - peak
        new = [name for name in self.put_back() if not name.startswith("home/")]
        if spent > SECONDS:
            return f"took {spent:.1f} s"
        if grown > MOST:
            return f"took {grown >> 20:,} MB more than any before"
        return (
            _raised_wrong(raised, line) if raised else _ended_wrong(self.code, text, err.getvalue(), line) or _left(new)
        )


@contextmanager
def _limits() -> Iterator[None]:
    """Hold the block to its seconds and its memory, and file descriptor 1 to nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with time_limit(LIMIT):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _raised_wrong(error: BaseException, line: Line) -> str:
    known = (ForecasterError, click.ClickException, click.exceptions.Exit, click.Abort, SystemExit, OSError)
    if "--traceback" in line.words and isinstance(error, known):
        return ""
    return f"raised {type(error).__name__}: {error}"


def _ended_wrong(code: int, out: str, err: str, line: Line) -> str:
    message = "forecaster: error: " in err
    if "a bug in forecaster" in err or "Traceback" in err + out:
        return err[err.find("a bug in") :][:600]
    if "out of memory" in err or code not in CODES:
        return f"code {code}: {err[-300:]}"
    if code and not message and not (code == 5 and "inspect" in line.words):
        return f"code {code} and no message: {err[-300:]}"
    if not code and message and "error: planned" not in err:
        return f"code 0 and a message: {err[-300:]}"
    for text in err.split("\n"):
        if text and not OURS.match(text):
            return f"a line of somebody else: {text[:300]!r}"
    strange = {c for c in err if unicodedata.category(c) in ("Cc", "Cs")} - {"\n"}
    if strange:
        return f"unprintable {strange}: {err[-300:]!r}"
    if "secret" in err + out:
        return f"a password: {err[-300:]}"
    helped = out.startswith(("Usage: ", "forecaster 0."))
    if line.as_json and not code and not helped and "error: planned" not in err:
        try:
            json.loads(out, parse_constant=_no_json)
        except ValueError as error:
            return f"no JSON, {error}: {out[:300]!r}"
    return ""


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _left(new: list[str]) -> str:
    left = [name for name in new if not name.startswith("here/") or Path(name).name.startswith(".")]
    return f"left behind: {left}" if left else ""


def fuzz(sandbox: Sandbox, runs: int, number: int = 0, codes: Counter[int] | None = None) -> dict[str, list]:
    """Run command lines and return what was wrong: (how many, the first line, the first complaint) by its kind.

    Args:
        sandbox: where to run them.
        runs: how many.
        number: seed; the same command lines come of the same.
        codes: what exit codes are counted in.
    """
    wrong: dict[str, list] = {}

    @seed(number)
    @settings(
        max_examples=runs,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(lines())
    def one(line: Line) -> None:
        if found := sandbox.complaint(line):
            kind = re.sub(r"'.*'|\d+", "_", found.splitlines()[0])[:70]
            wrong.setdefault(kind, [0, line, found])[0] += 1
        if codes is not None:
            codes[sandbox.code] += 1

    one()
    return wrong
