"""Real processes: what they import, what reaches the terminal, signals, pipes, and the same bytes twice."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, snapshot
from samples import environment

from forecaster.artifact.load import load_model
from forecaster.artifact.save import save_model

HEAVY = {"tensorflow", "keras", "onnxruntime", "matplotlib", "pandas", "pyarrow", "scipy", "statsforecast", "rich"}
TRAINERS = {"tensorflow", "keras", "tf2onnx", "torch", "jax"}

#: Runs commands in one process and prints, as JSON, how each ended and which packages it had imported by then.
PROGRAM = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from forecaster.cli.main import run
seen = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments.split())
    seen.append((arguments, code, err.getvalue(), sorted({name.split(".")[0] for name in sys.modules})))
print(json.dumps(seen))
"""


def imported_by(commands: list[str]) -> dict[str, tuple[int, str, set[str]]]:
    """Return exit code, stderr and packages imported so far, for each command of one fresh process."""
    argv = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment())
    return {name: (code, err, set(modules)) for name, code, err, modules in json.loads(done.stdout)}


def forecaster(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "forecaster", *arguments]
    env = environment(PYTHONWARNINGS="default", **variables)
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=env)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("forecaster ", f"{sys.executable} -m forecaster ")
    argv = ["bash", "-c", f"set -o pipefail; {line}"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment())


def test_a_call_of_the_network_would_end_a_process():
    for call in (
        "import urllib.request; urllib.request.urlopen('https://example.invalid')",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
    ):
        assert subprocess.run([sys.executable, "-c", call], env=environment(), capture_output=True).returncode == 97


def test_help_imports_nothing_heavy(folder):
    commands = ("fit", "predict", "evaluate", "compare", "plot", "datasets")
    helps = ["--help", "--version", *(f"{name} --help" for name in commands)]
    for name, (code, err, modules) in imported_by(helps).items():
        assert (code, err) == (0, ""), name
        assert not modules & (HEAVY | TRAINERS), name


def test_mistakes_in_the_grammar_import_nothing_heavy(folder):
    for name, (code, _, modules) in imported_by(["zzz", "--zzz", "fit", "fit a.csv --zzz", "datasets"]).items():
        assert code == (0 if name == "datasets" else 2)
        assert not modules & (HEAVY | TRAINERS), name


def test_predict_imports_neither_what_trains_nor_what_draws(model):
    code, _, modules = imported_by(["predict --horizon 24 --level 90"])["predict --horizon 24 --level 90"]
    assert code == 0 and "onnxruntime" in modules
    assert not modules & (TRAINERS | {"scipy", "statsmodels", "statsforecast", "rich", "matplotlib", "holidays"})


def test_a_forecast_with_no_fit_imports_neither_what_trains_nor_what_draws(folder):
    name = "predict dataset:airline"
    code, err, modules = imported_by([name])[name]
    assert code == 0, err
    assert not modules & (TRAINERS | {"statsmodels", "statsforecast", "rich", "matplotlib", "holidays"})


def test_predict_leaves_nothing_behind_and_reports_to_nobody(model, folder):
    """ONNX Runtime would write an identifier of the machine, and report each model, were it not told not to."""
    for name in ("home", "temporary"):
        (folder / name).mkdir()
    env = environment(HOME=str(folder / "home"), TMPDIR=str(folder / "temporary"))
    env = {name: text for name, text in env.items() if not name.startswith(("ORT_", "XDG_")) and name != "CI"}
    argv = [sys.executable, "-m", "forecaster", "predict", "-q"]
    subprocess.run(argv, check=True, capture_output=True, env=env, timeout=60)
    assert not [*(folder / "home").iterdir(), *(folder / "temporary").iterdir()]


def test_no_command_but_fit_imports_what_trains(model, folder):
    (folder / "empty.csv").write_text("")
    (folder / "text.csv").write_text("date,sales\n2020-01-01,1\n2020-01-02,x\n2020-01-03,2\n2020-01-04,3\n")
    (folder / "short.csv").write_text("date,sales\n" + "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 20)))
    (folder / "constant.csv").write_text("date,sales\n" + "".join(f"{year}-01-01,1\n" for year in range(1900, 1990)))
    (folder / "broken").mkdir()
    (folder / "broken" / "manifest.json").write_text("{")
    done = {
        "predict --json": 0,
        "plot --output a.png": 0,
        "evaluate --origins 1": 0,
        "datasets copy airline": 0,
        "predict --horizon soon": 2,
        "predict --level 0": 2,
        "predict --model none": 4,
        "predict --model broken": 5,
        "predict --data empty.csv": 5,
        "predict --output /dev/full": 1,
        "predict airline.csv --plot b.png": 0,
        "evaluate airline.csv --baselines naive": 0,
        "plot airline.csv --output c.png": 0,
        "make-future dataset:synthetic_stock": 0,
        "predict short.csv": 0,
        "predict constant.csv": 0,
        "predict empty.csv": 5,
        "predict text.csv": 5,
        "evaluate airline.csv --refit": 2,
        "plot --model none": 4,
        "plot none.csv": 4,
        "evaluate --model none": 4,
        "fit none.csv": 4,
        "fit empty.csv": 5,
        "fit text.csv": 5,
        "fit short.csv": 5,
        "fit constant.csv": 5,
        "fit airline.csv --horizon 0": 2,
        "fit airline.csv --horizon 5000": 2,
        "fit airline.csv --network cnn": 2,
        "fit airline.csv --target none": 4,
        "fit airline.csv --config none.toml": 4,
        "fit airline.csv --model empty.csv": 2,
        "fit airline.csv --model /proc/model": 1,
    }
    for name, (code, err, modules) in imported_by(list(done)).items():
        assert code == done[name], (name, err)
        assert not modules & TRAINERS, name


#: Settings of others, no folder for temporary files, no UTF-8, a terminal that nobody knows.
BAD_DAY = {
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "MPLBACKEND": "none",
    "TMPDIR": "/none",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
    "TERM": "unknown",
    "COLUMNS": "0",
}


@pytest.mark.tensorflow
def test_real_fits_are_quiet_and_repeat_byte_for_byte(folder):
    """Two trainings of one seed, the second on a bad day; all that reaches stderr is ours, no warning of a library."""
    (folder / "home" / ".keras").mkdir(parents=True)
    (folder / "home" / ".keras" / "keras.json").write_text(
        '{"backend": "torch", "floatx": "float16", "epsilon": 0.5, "image_data_format": "channels_first"}'
    )
    tables, home = [], snapshot(folder / "home")
    for model, variables in (("one", {}), ("zw\u00f6", BAD_DAY | {"HOME": str(folder / "home")})):
        arguments = f"fit dataset:airline --model {model} --epochs 2 --units 8 --dropout 0.2 --seed 3".split()
        done = forecaster(*arguments, *(["--plot", "curve.svg"] if model == "one" else []), **variables)
        assert done.returncode == 0, done.stderr
        for line in done.stderr.splitlines():
            assert re.match(r"  [a-z]+ +\S|note: |picture: |next: forecaster predict ", line), done.stderr
        for text in (done.stderr, done.stdout):
            assert "\x1b" not in text and "\r" not in text and "━" not in text
        assert re.match(r"model: (one|zw\S+), 144 time steps", done.stdout), done.stdout
        printed = forecaster("predict", "--model", model, "-q")
        assert (printed.returncode, printed.stderr) == (0, "")
        tables.append(printed.stdout)
    assert tables[0] == tables[1] and len(tables[0].splitlines()) == 13
    for name in ("weights.npz", "history.parquet"):
        assert (folder / "one" / name).read_bytes() == (folder / "zw\u00f6" / name).read_bytes()
    assert sorted(os.listdir(folder)) == ["curve.svg", "home", "one", "zw\u00f6"]
    assert snapshot(folder / "home") == home


class Terminal:
    """A command whose stderr is a terminal; stdout is a pipe."""

    def __init__(self, *arguments: str) -> None:
        self.side, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "forecaster", *arguments],
            stdout=subprocess.PIPE,
            stderr=other,
            env=environment(COLUMNS="100", TERM="xterm"),
        )
        os.close(other)
        self.text = ""

    def read_until(self, found: Callable[[str], object], seconds: float) -> None:
        """Read the terminal until its text is as wanted."""
        end = time.monotonic() + seconds
        while not found(self.text) and time.monotonic() < end:
            if select.select([self.side], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.side, 65536).decode("utf-8", "replace")
                except OSError:  # the other side was closed
                    return

    def ended(self, seconds: float) -> tuple[int, str]:
        """Return exit code and stdout; what comes meanwhile is added to the text."""
        self.read_until(lambda _: False if self.process.poll() is None else "ended", seconds)
        out = self.process.communicate(timeout=seconds)[0].decode()
        self.read_until(lambda _: False, 0.3)
        os.close(self.side)
        return self.process.returncode, out


@pytest.mark.tensorflow
def test_the_bar_shows_skill_and_time_left_and_ctrl_c_keeps_the_best_weights(folder):
    terminal = Terminal("fit", "dataset:airline", "--units", "8", "--epochs", "5000", "--patience", "5000")
    try:
        terminal.read_until(lambda text: text.count(" skill ") >= 5, 60)
        assert re.search(r"skill -?\d+\.\d%", terminal.text) and re.search(r"\d+ s left", terminal.text), terminal.text
        assert "━" in terminal.text
        terminal.process.send_signal(signal.SIGINT)
        code, out = terminal.ended(60)
    finally:
        terminal.process.kill()
    assert code == 130, terminal.text
    assert re.search("note: training: .* until it was interrupted", terminal.text) and "Traceback" not in terminal.text
    kept = "the best weights so far are kept in 'forecaster-model'; the same command with --resume goes on"
    assert f"forecaster: error: interrupted\r\n  {kept}\r\n" in terminal.text
    assert out.startswith("model: forecaster-model, 144 time steps")
    assert sorted(os.listdir(folder)) == [".forecaster-model.checkpoint", "forecaster-model"]
    assert len(forecaster("predict").stdout.splitlines()) == 13


@pytest.mark.parametrize(
    ("moment", "sent"),
    [("importing", signal.SIGINT), ("reading", signal.SIGINT), ("reading", signal.SIGTERM), ("reading", signal.SIGHUP)],
)
def test_a_signal_before_the_first_epoch_writes_nothing(model, folder, moment, sent):
    before = snapshot(folder)
    source = "-" if moment == "reading" else "dataset:airline"
    process = subprocess.Popen(
        [sys.executable, "-m", "forecaster", "fit", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=str(ROOT)),  # a signal within what watches the network would end TensorFlow's import
    )
    try:
        assert process.stdin and process.stderr
        if moment == "reading":
            while not (folder / ".forecaster-model.lock").exists():
                time.sleep(0.02)
        else:
            while "validation" not in process.stderr.readline():
                pass
        time.sleep(0.3)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (128 + sent, ""), err
    assert err.strip() == "forecaster: error: interrupted\n  what was not finished was not written"
    assert snapshot(folder) == before


def test_signals_are_minded_before_anything_heavy_is_imported():
    program = "import sys; before = {*sys.modules}; import forecaster.__main__; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    imported = set(done.stdout.split())
    assert {name for name in imported if name.startswith("forecaster")} == {"forecaster", "forecaster.__main__"}
    assert not imported & {"click", "logging", "pathlib", "re", "typing", *HEAVY}


def minds_signals(process: subprocess.Popen[str]) -> bool:
    """Return whether a process has its handlers, of which that for SIGHUP is the last."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (signal.SIGHUP - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process minds")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("later", [0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_a_signal_while_a_command_starts_ends_it_without_a_traceback(model, folder, later, sent):
    """Before that Python itself starts: there a signal ends it in Python's own way."""
    before = snapshot(folder)
    argv = [sys.executable, "-m", "forecaster", "predict", "--output", "f.csv"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        while not minds_signals(process):
            time.sleep(0.001)
        time.sleep(later)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (128 + sent, ""), err
    assert err.strip() == "forecaster: error: interrupted\n  what was not finished was not written"
    assert snapshot(folder) == before


#: Runs a command, and sends its process a signal after the second epoch of a training.
STOPPED = """
import os, sys
from forecaster.cli.main import main
from forecaster.training.phases import ValidationPhase
watch = ValidationPhase.watch
def stopped(self, epoch, loss):
    if epoch == 2:
        os.kill(os.getpid(), int(sys.argv[1]))
    return watch(self, epoch, loss)
ValidationPhase.watch = stopped
main(sys.argv[2:])
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_refit_ends_evaluate_without_a_verdict(model, folder, sent):
    loaded = load_model(model)
    loaded.config = loaded.config.replace(epochs=100_000, patience=100_000)
    save_model(loaded, model)
    before = snapshot(folder)
    command = "evaluate --refit --output f.csv --plot f.png"
    argv = [sys.executable, "-c", STOPPED, str(int(sent)), *command.split()]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment(PYTHONPATH=str(ROOT)))
    told, said = done.stderr.split("\n", 1)
    assert (done.returncode, done.stdout) == (128 + sent, ""), done.stderr
    assert told.startswith("  training on the rows up to ")
    assert said.strip() == "forecaster: error: interrupted\n  what was not finished was not written"
    assert snapshot(folder) == before


def test_stdout_closed_early_is_no_error(model):
    for line, codes in (
        ("forecaster predict --horizon 1200 -q | head -1", (0, 141)),  # a pipe holds some of it
        ("forecaster predict --horizon 1200 --json -q | head -1", (141,)),
        ("forecaster --help | true", (0, 141)),
        ("forecaster datasets | true", (0, 141)),
    ):
        done = shell(line)
        assert done.returncode in codes and "Traceback" not in done.stderr and "error" not in done.stderr, done


def test_standard_streams_that_cannot_be_used(model, folder):
    before = snapshot(folder)
    why = "forecaster: error: cannot write the output: No space left on device"
    full = f"{why}\n  choose another place, or free some space\n"
    for line, code, err in (
        ("forecaster predict -q > /dev/full", 1, full),
        ("forecaster datasets > /dev/full", 1, full),
        ("ulimit -n 16; forecaster predict -q >&-", 0, ""),
        ("forecaster predict 2>&-", 0, ""),
        ("forecaster predict 2> /dev/full", 0, ""),
        ("forecaster predict --model none 2> /dev/full", 4, ""),
        ("forecaster predict --model none 2>&-", 4, ""),
        ("forecaster predict --data - <&-", 5, "forecaster: error: standard input is empty\n"),
    ):
        done = shell(line)
        assert (done.returncode, done.stderr) == (code, err), line
    assert snapshot(folder) == before


def test_too_few_addresses_are_said_in_a_line(model):
    """Libraries that cannot be loaded are no bug, nor does the message need memory."""
    for limit, line in ((60_000, "predict"), (150_000, "inspect dataset:airline"), (300_000, "predict --plot a.png")):
        done = shell(f"ulimit -v {limit}; forecaster {line}")
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"forecaster: error: out of memory\n(  free some memory.*\n)?", done.stderr), done.stderr


def test_commands_in_a_pipe(model, folder):
    shutil.copy(ROOT / "datasets" / "airline.csv", folder)
    parse = f"{sys.executable} -c 'import json, sys; json.load(sys.stdin)'"
    done = shell(f"cat airline.csv | forecaster predict --data - --json | {parse}")
    assert done.returncode == 0, done.stderr


def test_names_that_are_not_ascii_in_any_locale(folder):
    """JSON is UTF-8 wherever it is printed; text shows as escapes what the terminal has no character for."""
    rows = "".join(f"2020-01-{day:02},{day * 7 % 13}.5,S\u00fcd\n" for day in range(1, 32))
    for name in (b"gr\xc3\xb6\xc3\x9fe.csv", b"caf\xe9.csv"):
        Path(os.fsdecode(name)).write_text(f"datum,gr\u00f6\u00dfe,laden\n{rows}", encoding="utf-8")
    for encoding, locale in (("latin-1", "POSIX"), ("ascii", "C")):
        bad = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
        done = forecaster("inspect", "gr\u00f6\u00dfe.csv", "--series", "laden", "--json", **bad)
        assert done.returncode == 0, done.stderr
        assert "gr\u00f6\u00dfe" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    done = forecaster("inspect", os.fsdecode(b"caf\xe9.csv"), "--series", "laden", **bad)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_native_lines_are_kept_off_the_terminal(folder):
    """What C code writes to descriptor 2 disappears; our own lines, and with --traceback everything, come through."""
    program = """
import os, sys
from forecaster.cli import main
def run(args):
    os.write(2, b"native line\\n")
    print("our line", file=sys.stderr)
    return 0
main.run = run
main.main(sys.argv[1:])
"""
    for arguments, expected in (([], "our line\n"), (["--traceback"], "native line\nour line\n")):
        argv = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, env=environment(), cwd=folder)
        assert (done.returncode, done.stderr) == (0, expected)


def test_a_missing_package_says_how_to_install_it(folder):
    (folder / "tensorflow.py").write_text("raise ImportError('no module of that name here')\n")
    path = os.pathsep.join([str(folder), str(Path(ROOT))])
    argv = [sys.executable, "-m", "forecaster", "fit", "dataset:airline", "-q"]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(PYTHONPATH=path), timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("forecaster: error: training needs TensorFlow: ")
    assert done.stderr.endswith("\n  pip install tensorflow\n")
