"""The project files agree with the package they describe."""

from __future__ import annotations

import ast
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import forecaster

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted([*(ROOT / "forecaster").rglob("*.py"), *(ROOT / "datasets").glob("*.py")])


@pytest.fixture(scope="module")
def settings() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_one_version(settings: ConfigParser) -> None:
    assert settings["metadata"]["version"] == forecaster.__version__
    assert f"## [{forecaster.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_holds(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or (module.name == "__init__.py" and not tree.body)


def test_every_package_is_installed(settings: ConfigParser) -> None:
    folders = {path.parent.relative_to(ROOT) for path in MODULES if path.is_relative_to(ROOT / "forecaster")}
    packages = {".".join(folder.parts) for folder in folders} | {"forecaster.datasets"}
    assert set(settings["options"]["packages"].split()) == packages


def test_the_data_sets_are_built_into_the_package(tmp_path: Path) -> None:
    code = "import setuptools; setuptools.setup()"
    build = [sys.executable, "-c", code, "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    built = {path.name: path.read_bytes() for path in (tmp_path / "forecaster" / "datasets").iterdir()}
    shipped = [path for path in (ROOT / "datasets").iterdir() if path.suffix in {".csv", ".md", ".py"}]
    assert built == {path.name: path.read_bytes() for path in shipped}
    assert (tmp_path / "forecaster" / "__init__.py").is_file()
