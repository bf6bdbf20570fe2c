"""Tables of many fits, made in several sittings: what --output holds is not run again, and N fits run side by side.

A result is known where the file holds a row of the same benchmark, settings and key, made by the same version of the
code. A row that failed is run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from common import record

Item = TypeVar("Item")

ROOT = Path(__file__).resolve().parents[1]
#: Folders whose files can change a number.
CODE = ("forecaster", "benchmarks", "datasets")
#: What keeps a process to one thread, where several run side by side.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--table`` and ``--jobs``."""
    parser.add_argument("--table", action="store_true", help="run nothing, print what --output holds")
    help = "fits side by side, of one thread each; their seconds are not those of a fit alone"
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=help)


def version() -> str | None:
    """Return the commit that last changed the code, with a digest of what was changed since; None without git.

    Modules that git does not know yet are code too; other new files there may be results.
    """
    try:
        commit, changes, others = (
            subprocess.run(["git", "-C", str(ROOT), *words, "--", *CODE], capture_output=True, check=True).stdout
            for words in (("log", "-1", "--format=%h"), ("diff", "HEAD"), ("ls-files", "-zo", "--exclude-standard"))
        )
        for name in others.decode().split("\0"):
            if name.endswith(".py"):
                changes += name.encode() + (ROOT / name).read_bytes()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.decode().strip() + (f"+{hashlib.sha256(changes).hexdigest()[:7]}" if changes else "") or None


class Sittings:
    """The rows of one benchmark, those of a file and those that are added to it.

    Args:
        benchmark: its name in the file.
        output: the file, if any.
        key: the columns that tell one fit from another.
        same: what a row of the file must hold to belong here: the settings, the split.
    """

    def __init__(self, benchmark: str, output: Path | None, key: Sequence[str], same: dict[str, Any]) -> None:
        self.benchmark, self.output, self.key, self.same = benchmark, output, list(key), same
        self.version = version()
        plain = json.loads(json.dumps({"benchmark": benchmark, **same}))
        text = output.read_text(encoding="utf-8") if output is not None and output.exists() else ""
        rows = [json.loads(line) for line in text.splitlines()]
        self.rows = [row for row in rows if all(row.get(name) == value for name, value in plain.items())]

    def missing(self, wanted: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return the keys of which no row of this version is known."""
        done = {
            tuple(row[name] for name in self.key)
            for row in self.rows
            if row.get("version") == self.version and not isinstance(row.get("failed"), str)
        }
        return [key for key in wanted if key not in done]

    def add(self, key: tuple[Any, ...], found: dict[str, Any]) -> None:
        """Print a row and write it to the file."""
        row = {**dict(zip(self.key, key, strict=True)), **found, "version": self.version, **self.same}
        record(self.output, self.benchmark, row)
        self.rows.append(row)

    def table(self) -> pd.DataFrame:
        """Return the newest row of each key; says so where they are of several versions of the code.

        Raises:
            SystemExit: there are none.
        """
        if not self.rows:
            raise SystemExit("nothing to show: no row of these settings")
        found = pd.DataFrame(self.rows).drop_duplicates(self.key, keep="last")
        versions = found["version"].fillna("unknown").value_counts() if "version" in found else []
        if len(versions) > 1:
            print("\nrows of several versions: " + ", ".join(f"{n} of {name}" for name, n in versions.items()))
        return found


def side_by_side(
    function: Callable[[Item], dict[str, Any]], items: Sequence[Item], jobs: int
) -> Iterator[tuple[Item, dict[str, Any]]]:
    """Yield each item and what a function, which runs it in a process of its own, returned: as soon as it is known."""
    if jobs > 1:
        os.environ.update(ONE_THREAD)
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {pool.submit(function, item): item for item in items}
        for future in as_completed(running):
            yield running[future], {**future.result(), "jobs": jobs}
    finally:
        pool.shutdown(cancel_futures=True)
