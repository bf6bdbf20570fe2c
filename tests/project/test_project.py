"""The project files agree with the package they describe."""

from __future__ import annotations

import ast
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import forecaster

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "forecaster").rglob("*.py"), *(ROOT / "datasets").glob("*.py")])


@pytest.fixture(scope="module")
def settings() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_one_version(settings: ConfigParser) -> None:
    assert settings["metadata"]["version"] == forecaster.__version__
    heading = "Unreleased" if ".dev" in forecaster.__version__ else forecaster.__version__
    assert f"## [{heading}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


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


def test_what_the_tests_run_with_is_pinned_with_hashes(settings: ConfigParser) -> None:
    """Every package that setup.cfg asks for is in the file that make installs, in a version that it allows."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    written = (ROOT / "requirements-ci.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in written.splitlines() if line and not line.lstrip().startswith("#")]
    assert all(" --hash=sha256:" in line for line in lines)
    pins = [Requirement(line.partition(" --hash=")[0]) for line in lines]
    here = {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate()}
    extras = settings["options.extras_require"]
    asked = "\n".join([settings["options"]["install_requires"], extras["test"], extras["sql"], extras["excel"]])
    for requirement in map(Requirement, asked.split()):
        (version,) = here[canonicalize_name(requirement.name)].specifier
        assert version.operator == "==" and requirement.specifier.contains(version.version), requirement


def test_an_index_that_cannot_be_reached_fails_no_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    audit = [sys.executable, str(ROOT / ".ci" / "audit.py"), str(ROOT / "requirements-ci.txt")]
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    done = subprocess.run(audit, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "") and "skipped" in done.stdout
