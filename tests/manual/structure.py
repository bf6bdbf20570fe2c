"""Print the figures of the structure of the package, and where it falls short: python tests/manual/structure.py [ROOT].

Counted are: files at the root of the package, layers of the import contract, public functions named by a bare
participle or adverb, functions of more than six arguments (commands aside), lines of the library that name a flag of
the command line (but in words.py, which writes flags), and the length of functions. The limits are in
``tests/project/test_structure.py``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

#: Participles that do not end in -ed or -ing, and adverbs and the like that are no better as names.
IRREGULAR = frozenset(
    {
        "apart",
        "begun",
        "beside",
        "best",
        "beyond",
        "built",
        "busiest",
        "chosen",
        "cut",
        "either",
        "else",
        "found",
        "given",
        "held",
        "hidden",
        "hiding",
        "kept",
        "known",
        "laid",
        "left",
        "listed",
        "made",
        "met",
        "moved",
        "real",
        "said",
        "seen",
        "shown",
        "small",
        "some",
        "spread",
        "steady",
        "stood",
        "taken",
        "told",
        "usable",
        "where",
        "without",
        "worst",
        "written",
    }
)
#: Words in -ed or -ing that are nouns or verbs.
NOUNS = frozenset({"embed", "feed", "need", "seed", "setting", "speed", "string"})
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
MOST_ARGUMENTS = 6


@dataclass
class Figures:
    """What was counted; lists hold ``file:line name``."""

    root_files: list[str] = field(default_factory=list)
    layers: int = 0
    participles: list[str] = field(default_factory=list)
    many_arguments: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)


def measure(root: Path) -> Figures:
    """Return the figures of a checkout.

    Args:
        root: the folder that holds ``forecaster/`` and ``setup.cfg``.
    """
    package, found = root / "forecaster", Figures()
    found.root_files = sorted(path.name for path in package.glob("*.py"))
    parser = ConfigParser(interpolation=None)
    parser.read(root / "setup.cfg", encoding="utf-8")
    found.layers = len(parser["importlinter:contract:layers"]["layers"].split("\n")) - 1
    for path in sorted(package.rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        tree, library = ast.parse(text), "cli" not in path.relative_to(package).parts
        found.participles += [f"{name}:{n.lineno} {n.name}" for n in _public_functions(tree) if is_participle(n.name)]
        for node in _functions(tree):
            found.lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
            if library and _arguments(node) > MOST_ARGUMENTS:
                found.many_arguments.append(f"{name}:{node.lineno} {node.name} ({_arguments(node)})")
        if library and path.name != "words.py":
            found.flags += [
                f"{name}:{i} {line.strip()}" for i, line in enumerate(text.split("\n"), 1) if FLAG.search(line)
            ]
    return found


def is_participle(name: str) -> bool:
    """Return True for a name of one word that is a participle or an adverb, which hides verb, actor and object."""
    if "_" in name or name in NOUNS:
        return False
    return name in IRREGULAR or name.endswith(("ed", "ing"))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))


def _arguments(node: ast.FunctionDef) -> int:
    found = node.args
    return sum(a.arg not in ("self", "cls") for a in (*found.posonlyargs, *found.args, *found.kwonlyargs))


def main(root: Path) -> None:
    """Print the figures, a line each, and below them what they count."""
    found = measure(root)
    print(f"files at the root of the package     {len(found.root_files):>4}")
    print(f"layers of the import contract        {found.layers:>4}")
    print(f"public functions named by participle {len(found.participles):>4}")
    print(f"functions of more than 6 arguments   {len(found.many_arguments):>4}")
    print(f"library lines that name a flag       {len(found.flags):>4}")
    print(f"functions                            {len(found.lengths):>4}")
    print(f"  mean lines                         {sum(found.lengths) / len(found.lengths):>6.1f}")
    print(f"  longest                            {max(found.lengths):>4}")
    for lines in (found.participles, found.many_arguments, found.flags):
        print("\n".join(["", *lines]) if lines else "", end="\n" if lines else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
