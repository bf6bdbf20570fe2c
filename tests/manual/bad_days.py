"""Bad days that a test cannot have: full and read-only disks, terminals that close, a watched network.

``python tests/manual/bad_days.py`` runs every one in a new folder, with real processes, mounts and limits, and prints
what each came to; ``python tests/manual/bad_days.py disk home`` only those whose names hold one of these words. Disks
are mounted and capabilities dropped as root only, and the network is watched with strace: what is not possible here is
said. Exit code 1 where one came to something else than it should.
"""

# ruff: noqa: E501 (a table of lines for a shell)
from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIT = "forecaster fit dataset:airline --epochs 2 --units 8 -q"
LONG = "forecaster fit dataset:airline --epochs 100000 --patience 100000 --units 8 -q"
MODEL = {"manifest.json", "weights.npz", "network.onnx", "history.parquet"}
#: As root, but bound by permissions as everybody else is.
BOUND = "setpriv --bounding-set=-dac_override,-dac_read_search"
#: As another user, whose processes and threads are counted, but who may read what root may.
NOBODY = "setpriv --reuid=65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override"
#: Every address of the network that is not of this machine.
WATCHED = "strace -f -e trace=connect,sendto,sendmsg -o net.txt"


@dataclass(frozen=True)
class Day:
    """A line for bash, the exit codes that it may end with, and patterns of what it prints on stderr and leaves."""

    line: str
    codes: tuple[int, ...] = (0,)
    says: str = ""
    leaves: str = ""
    needs: str = ""


DAYS = {
    "disk full: model": Day(
        f"{FIT} --model full/m", (1,), "No space left.*\n.*put into 'm-", r"^m-\w+/manifest.json$", "full"
    ),
    "disk full: CSV": Day(
        "dd if=/dev/zero of=full/x 2>&-; forecaster predict --output full/f.csv", (1,), "No space left", "", "full"
    ),
    "disk full: JSON": Day(
        "dd if=/dev/zero of=full/x 2>&-; forecaster predict --output full/f.json", (1,), "No space left", "", "full"
    ),
    "disk full: PNG": Day(
        "dd if=/dev/zero of=full/x 2>&-; forecaster plot --output full/f.png", (1,), "No space left", "", "full"
    ),
    "disk full: stdout": Day("forecaster predict -q > /dev/full", (1,), "No space left"),
    "disk full: stdout, JSON": Day("forecaster predict -q --json > /dev/full", (1,), "No space left"),
    "disk full: stderr": Day("forecaster predict 2> /dev/full"),
    "disk full: stderr of a fit": Day(
        f"{FIT.replace(' -q', '')} --model m 2> /dev/full", (0,), "", "^m/manifest.json$"
    ),
    "disk full: temporary files": Day(
        f"dd if=/dev/zero of=full/x 2>&-; TMPDIR=$PWD/full {FIT} --model m", (0,), "", "^m/", "full"
    ),
    "file limit: model": Day(f"ulimit -f 4; {FIT} --model m", (1,), "File too large"),
    "file limit: CSV": Day("ulimit -f 1; forecaster predict --horizon 100 --output f.csv", (1,), "File too large"),
    "read-only disk: predict": Day(
        "cp -r forecaster-model ro/m; mount -o remount,ro ro; forecaster predict -q --model ro/m", needs="ro"
    ),
    "read-only disk: model": Day(
        f"mount -o remount,ro ro; {FIT} --model ro/m", (1,), "Read-only file system", "", "ro"
    ),
    "read-only disk: CSV": Day(
        "mount -o remount,ro ro; forecaster predict --output ro/f.csv", (1,), "Read-only file system", "", "ro"
    ),
    "read-only folder: model": Day(f"chmod a-w .; {BOUND} {FIT} --model m", (1,), "Permission denied", "", "setpriv"),
    "read-only folder: while training": Day(
        f"mkdir d; (sleep 3; chmod a-w d) & {BOUND} {FIT} --model d/m",
        (1,),
        "Permission denied.*\n.*put into",
        r"^m-\w+/manifest.json$",
        "setpriv",
    ),
    "read-only home: fit": Day(
        f"mkdir h; chmod a-w h; HOME=$PWD/h {BOUND} {FIT} --model m", (0,), "", "^m/", "setpriv"
    ),
    "read-only home: plot": Day(
        "mkdir h; chmod a-w h; HOME=$PWD/h " + BOUND + " forecaster plot --output f.png -q",
        (0,),
        "",
        "^f.png$",
        "setpriv",
    ),
    "no home: fit": Day(f"env -u HOME {FIT} --model m", (0,), "", "^m/"),
    "absent home: plot": Day("HOME=/proc/none forecaster plot --output f.png -q", (0,), "", "^f.png$"),
    "home with a hostile keras.json": Day(
        'mkdir -p h/.keras; echo \'{"backend": "torch", "floatx": "float16"}\' > h/.keras/keras.json; '
        f"HOME=$PWD/h {FIT} --model m; find h -type f | grep -v keras.json && exit 9; exit 0",
        (0,),
        "",
        "^m/",
    ),
    "folder removed while training": Day(
        f"mkdir -p a/b; (sleep 3; rm -r a) & {FIT} --model a/b/m", (0,), "", "^a/b/m/manifest.json$"
    ),
    "current folder removed while training": Day(
        f"mkdir c; cd c; (sleep 3; rm -r ../c) & {FIT}", (0,), "", "^c/forecaster-model/manifest.json$"
    ),
    "current folder removed before": Day(f"mkdir c; cd c; rmdir ../c; {FIT}", (4,), "current folder.*was removed"),
    "no temporary folder": Day(f"TMPDIR=/none {FIT} --model m", (0,), "", "^m/"),
    "16 files open at most": Day(f"ulimit -n 16; {FIT} --model m", (0,), "", "^m/"),
    "few threads: predict": Day(
        f"ulimit -u 4; exec {NOBODY} forecaster predict", (1,), "only 3 of .* threads", needs="setpriv"
    ),
    "few threads: fit": Day(
        f"ulimit -u 12; exec {NOBODY} {FIT} --model m", (1,), "only .* of .* threads", needs="setpriv"
    ),
    "umask 077": Day(
        f"umask 077; {FIT} --model m; stat -c %a m m/* | grep -v '[67]00' && exit 9; forecaster predict --model m -q",
        (0,),
        "",
        "^m/",
    ),
    "umask 000": Day(f"umask 000; {FIT} --model m; forecaster predict --model m -q", (0,), "", "^m/"),
    "reader gone": Day("forecaster predict --horizon 1200 --json -q | head -1", (141,)),
    "stdout closed": Day(f"{FIT} --model m >&-", (0,), "", "^m/"),
    "stdin closed": Day("forecaster predict --data - <&-", (5,), "standard input is empty"),
    "stdin without end": Day(
        "yes a,b | (ulimit -v 6000000; forecaster fit -)", (1, 5), "error: (standard input gave|out of memory|.*)"
    ),
    "terminal unknown": Day(
        "TERM=nonsense COLUMNS=0 script -qec 'forecaster predict' /dev/null | grep -c Traceback", (1,), "", "", "script"
    ),
    "terminal dumb, one column": Day(
        f"TERM=dumb COLUMNS=1 script -qec '{FIT.replace(' -q', '')} --model m' /dev/null > seen; grep -c Traceback seen",
        (1,),
        "",
        "^m/",
        "script",
    ),
    "terminal without a name": Day(
        f"env -u TERM script -qec '{FIT.replace(' -q', '')} --model m' /dev/null > seen; grep -c Traceback seen",
        (1,),
        "",
        "^m/",
        "script",
    ),
    "locale C": Day(
        f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 PYTHONIOENCODING=ascii {FIT} --model mö", (0,), "", "^mö/"
    ),
    "SIGTERM": Day(
        f"{LONG} --model m & sleep 40; kill -TERM $!; wait $!",
        (143,),
        "best weights so far are kept",
        "^m/manifest.json$",
    ),
    "SIGHUP": Day(
        f"{LONG} --model m & sleep 40; kill -HUP $!; wait $!",
        (129,),
        "best weights so far are kept",
        "^m/manifest.json$",
    ),
    "nohup": Day(
        f"(trap '' HUP; {FIT} --model m & p=$!; sleep 4; kill -HUP $p; wait $p)", (0,), "", "^m/manifest.json$"
    ),
    "network: fit": Day(
        f"{WATCHED} {FIT} --model m; grep -E 'AF_INET' net.txt && exit 9; exit 0", (0,), "", "^m/", "strace"
    ),
    "network: the other commands": Day(
        f"for c in 'predict' 'inspect dataset:airline' 'evaluate --baselines all' 'plot --output p.png' 'datasets'; do "
        f"{WATCHED} forecaster $c || exit 8; grep AF_INET net.txt && exit 9; done; exit 0",
        needs="strace",
    ),
    "network: a process that stays": Day(
        f'{WATCHED} python -c "from forecaster import Forecaster; Forecaster.load().predict(); import time; time.sleep(45)"; '
        "grep -E 'AF_INET' net.txt && exit 9; exit 0",
        needs="strace",
    ),
}


def possible(need: str) -> bool:
    """Return whether a mount or a tool is to be had."""
    if need not in ("full", "ro"):
        return not need or (shutil.which(need) is not None and (need != "setpriv" or os.geteuid() == 0))
    if os.geteuid():
        return False
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True).returncode == 0
        return mounted and subprocess.run(["umount", folder]).returncode == 0


def left(folder: Path) -> list[str]:
    """Return the files that a day left, without those that it began with, and a lock that nobody may remove."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(
        name for name in names if not re.match(r"forecaster-model/|net\.txt|seen|full/x|ro/|d/\.m\.lock", name)
    )


def live(day: Day, trained: Path) -> str:
    """Run a day in a new folder; return what was wrong, or nothing."""
    folder = Path(tempfile.mkdtemp(prefix="bad-day-"))
    shutil.copytree(trained, folder / "forecaster-model")
    mounted = folder / day.needs if day.needs in ("full", "ro") else None
    if mounted:
        mounted.mkdir()
        size = "64k" if day.needs == "full" else "8m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(mounted)], check=True)
    line = re.sub(r"\bforecaster (?=[a-z$])", f"{sys.executable} -m forecaster ", day.line)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": ""}
    try:
        argv = ["bash", "-c", f"set -o pipefail; {line}"]
        done = subprocess.run(
            argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, errors="replace"
        )
        files = left(folder)
    finally:
        if mounted:
            subprocess.run(["umount", str(mounted)], check=True)
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
        shutil.rmtree(folder)
    if done.returncode not in day.codes:
        return f"exit code {done.returncode}: {done.stderr[-300:]}"
    if "Traceback" in done.stderr or "a bug in" in done.stderr or not re.search(day.says, done.stderr):
        return f"said: {done.stderr[-300:]}"
    if not any(re.search(day.leaves, name) for name in ["", *files]):
        return f"left {files}"
    cut_off = done.returncode == 1 or done.returncode > 128  # a fit that can go on
    kept = (".keras", ".checkpoint/") if cut_off else (".keras",)
    litter = [name for name in files if "/." in f"/{name}" and not any(part in name for part in kept)]
    return f"litter: {litter}" if litter else ""


def closed_terminal() -> str:
    """Close the terminal of a fit; it ends with its best weights."""
    folder = Path(tempfile.mkdtemp(prefix="bad-day-"))
    number, side = pty.fork()
    if not number:
        os.chdir(folder)
        argv = [sys.executable, "-m", "forecaster", *LONG.replace(" -q", "").split()[1:]]
        os.execve(sys.executable, argv, {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"})
    seen, end = b"", time.monotonic() + 120
    while seen.count(b"skill") < 5 and time.monotonic() < end:
        seen += os.read(side, 65536)
    os.close(side)
    _, status = os.waitpid(number, 0)
    names = {path.name for path in (folder / "forecaster-model").glob("*")}
    shutil.rmtree(folder)
    code = os.waitstatus_to_exitcode(status)
    return "" if code == 128 + signal.SIGHUP and names == MODEL else f"exit code {code}, left {sorted(names)}"


def main() -> int:
    """Run the days that were asked for."""
    words, failed = sys.argv[1:], 0
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder, "model")
        argv = [sys.executable, "-m", *FIT.split(), "--model", str(trained)]
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        for name, day in DAYS.items():
            if words and not any(word in name for word in words):
                continue
            wrong = live(day, trained) if possible(day.needs) else None
            failed += bool(wrong)
            print(f"{name:<40}{'not possible here' if wrong is None else wrong or 'as it should'}", flush=True)
    if not words or "terminal" in words:
        wrong = closed_terminal()
        failed += bool(wrong)
        print(f"{'terminal closed while training':<40}{wrong or 'as it should'}")
    print(f"{failed} not as they should")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
