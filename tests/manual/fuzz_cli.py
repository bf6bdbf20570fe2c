"""Ten thousand command lines at random: python tests/manual/fuzz_cli.py [RUNS] [SEED]."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis.configuration import set_hypothesis_home_dir

sys.path.insert(0, str(Path(__file__).parent.parent))

import fuzzing

#: Command lines of one round; each has another seed.
ROUND = 500
#: What Python reports of a process that writes, makes or removes something: event, and which of its arguments is where.
WRITES = {"os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.rmdir": 0, "os.symlink": 1}


def watch(folder: Path) -> Counter[str]:
    """Count what is written outside a folder from now on, by its name."""
    outside: Counter[str] = Counter()

    def seen(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            place = arguments[0]
        elif event in WRITES and arguments[-1] in (-1, None):  # else a name in a folder that is open already
            place = arguments[WRITES[event]]
        else:
            return
        name = os.path.abspath(os.fsdecode(place)) if isinstance(place, (str, bytes, os.PathLike)) else ""
        if name and not name.startswith((str(folder), "/dev/", "/proc/self/")):
            outside[name] += 1

    sys.addaudithook(seen)
    return outside


def main() -> None:
    """Run them and print what was wrong, each kind once."""
    runs, seed = (*map(int, sys.argv[1:]), 10_000, 0)[:2] if len(sys.argv) < 3 else map(int, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        set_hypothesis_home_dir(name)
        place = Path(name, "prepared")
        place.mkdir()
        fuzzing.prepare(place)
        sandbox, began, codes = fuzzing.Sandbox(place, Path(name, "fuzz")), time.monotonic(), Counter()
        outside = watch(Path(name))
        wrong: dict[str, list] = {}
        for first in range(0, runs, ROUND):
            for kind, (count, *rest) in fuzzing.fuzz(sandbox, min(ROUND, runs - first), seed + first, codes).items():
                if kind not in wrong:
                    print(*reversed(rest), sep="\n    ", file=sys.stderr)
                wrong.setdefault(kind, [0, *rest])[0] += count
            print(f"{sum(codes.values()):,} runs, {sum(w[0] for w in wrong.values())} wrong", file=sys.stderr)
        seconds = time.monotonic() - began
    for count, line, found in wrong.values():
        print(f"{count} times: {found}\n    {line}")
    for path, count in outside.items():
        print(f"{count} times written outside: {path}")
    told = ", ".join(f"{code}: {count:,}" for code, count in sorted(codes.items()))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{sum(codes.values()):,} command lines, {seconds:.0f} s, {most:,} MB; by exit code {told}")
    print(f"{sum(w[0] for w in wrong.values())} wrong of {len(wrong)} kinds, {sum(outside.values())} writes outside")
    sys.exit(bool(wrong or outside))


if __name__ == "__main__":
    main()
