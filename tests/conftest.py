"""Shared fixtures."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

if TYPE_CHECKING:
    from forecaster.families.shapes import Shapes

# Processes that share out the tests ignore Ctrl-C, nohup has them ignore SIGHUP, and whatever they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The modules of TensorFlow are a heap to search: less often than every 700 objects.
gc.set_threshold(20_000, 10, 10)

ROOT = Path(__file__).resolve().parent.parent

#: A line of a test module that imports TensorFlow with the module.
IMPORTS_TENSORFLOW = re.compile(
    r"^(start_keras\(\)|import (keras|tensorflow)|from (keras|forecaster\.(families|networks)\.layers))", re.MULTILINE
)
#: Fixtures that train.
TRAINS = {"trained", "model"}


class NoTensorFlow:
    """Refuses to import TensorFlow and Keras: a test that ``--quick`` runs must not need them."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for one of their modules."""
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ImportError(f"--quick runs without {name}: mark the test with pytest.mark.tensorflow")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", action="store_true", help="run only tests that need no TensorFlow and are not slow")


def pytest_configure(config: pytest.Config) -> None:
    """Keep TensorFlow out of a quick run."""
    if config.getoption("--quick"):
        sys.meta_path.insert(0, NoTensorFlow())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules out of a quick run that import TensorFlow themselves."""
    if not config.getoption("--quick") or collection_path.suffix != ".py":
        return None
    return True if IMPORTS_TENSORFLOW.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests out of a quick run that train, or are marked to need TensorFlow or to be slow."""
    if not config.getoption("--quick"):
        return
    left_out = {item for item in items if not _is_quick(item)}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_quick(item: pytest.Item) -> bool:
    trains = TRAINS & set(getattr(item, "fixturenames", ()))
    return not trains and not any(item.get_closest_marker(name) for name in ("tensorflow", "slow"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data: ``$FORECASTER_DATA``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("FORECASTER_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set FORECASTER_DATA")
    return folder


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command: TypeAlias = Callable[..., Ended]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model directory of the airline data, trained once; copy it before changing it."""
    from forecaster import Forecaster

    directory = tmp_path_factory.mktemp("trained") / "forecaster-model"
    return Forecaster(units=(8,), epochs=2).fit("dataset:airline").save(directory)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder, with no setting in the environment."""
    for name in list(os.environ):
        if name.startswith("FORECASTER_") and name != "FORECASTER_DATA":
            monkeypatch.delenv(name)
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def model(folder: Path, trained: Path) -> Path:
    """Return a copy of the trained model, at the default place in the current folder."""
    return Path(shutil.copytree(trained, folder / "forecaster-model"))


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs the command line in this process and in the current folder."""
    from forecaster.cli.main import run

    def call(*args: str) -> Ended:
        capsys.readouterr()
        code = run(list(args))
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def plant_losses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that plants validation losses: before training, then after each epoch; again for each run."""
    from forecaster.training import phases

    def call(*losses: float) -> None:
        coming = cycle(losses)
        monkeypatch.setattr(
            phases, "window_losses", lambda network, engine, windows: np.full(len(windows), next(coming))
        )

    return call


def snapshot(place: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, hidden ones too; folders with None."""
    return {str(p.relative_to(place)): p.read_bytes() if p.is_file() else None for p in sorted(place.rglob("*"))}


def inputs(shapes: Shapes, batch: int = 6) -> dict[str, np.ndarray]:
    """Return pseudo-random inputs of a network, of every kind that its shapes have."""
    rng = np.random.default_rng(1)
    found = {"past": rng.normal(size=(batch, shapes.lookback, shapes.channels)).astype("float32")}
    if shapes.indicator:
        found["past"][:, :, -1] = rng.random((batch, shapes.lookback)) > 0.3
    if shapes.features:
        found["future"] = rng.normal(size=(batch, shapes.steps, shapes.features)).astype("float32")
    if shapes.static:
        found["static"] = rng.normal(size=(batch, shapes.static)).astype("float32")
    if shapes.categories:
        codes = [rng.integers(0, n + 1, batch) for n in shapes.categories]
        found["categories"] = np.stack(codes, axis=1).astype("int32")
    return found
