"""``deterministic``: the same bytes on any number of threads, or an error; and what holds the threads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import ROOT
from threadpoolctl import threadpool_info

from forecaster import Config, Forecaster
from forecaster.errors import DependencyError, SettingError
from forecaster.networks.keras import start_keras
from forecaster.training import determinism as threads

#: Fits in a process of its own, and prints which threads there were and what came of them.
PROGRAM = """
import hashlib, json, sys
from forecaster import Forecaster
from forecaster.api.forecaster import fitting
from threadpoolctl import threadpool_info
def blas():
    return [part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"]
before, during, fit_panel = blas(), [], fitting.fit_panel
fitting.fit_panel = lambda *rest: (during.extend(blas()), fit_panel(*rest))[1]
settings = {"network": "tide", "units": (32, 32), "keep": "last", "epochs": 1, "epoch_steps": 4, "final": False}
model = Forecaster(12, deterministic=True, **settings)
model.fit("dataset:sea_temperature").save(sys.argv[1])
import tensorflow as tf
found = [getattr(tf.config.threading, f"get_{kind}_op_parallelism_threads")() for kind in ("intra", "inter")]
table = hashlib.sha256(model.predict().to_csv().encode()).hexdigest()
print(json.dumps({"before": before, "during": during, "after": blas(), "tensorflow": found, "forecast": table}))
"""


@pytest.mark.tensorflow
def test_a_deterministic_fit_is_the_same_on_any_number_of_threads(tmp_path: Path) -> None:
    """Of this network, two numbers of threads give two sums otherwise."""
    found, weights = [], []
    for count in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        env = {**os.environ, **dict.fromkeys(names, count), "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-c", PROGRAM, str(tmp_path / count)]
        done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=120, check=True)
        found.append(json.loads(done.stdout))
        weights.append(hashlib.sha256((tmp_path / count / "weights.npz").read_bytes()).hexdigest())
    assert found[0]["forecast"] == found[1]["forecast"] and weights[0] == weights[1]
    for each in found:
        assert each["tensorflow"] == [1, 1] and each["during"] == [1] * len(each["during"]) != []
        assert each["before"] == each["after"][: len(each["before"])]
    assert max(found[1]["before"]) == min(4, os.cpu_count() or 1)


def test_threads_that_cannot_be_fixed_any_more_are_an_error() -> None:
    start_keras()
    import tensorflow as tf

    tf.constant(0.0) + 1.0
    assert tf.config.threading.get_intra_op_parallelism_threads() != 1, "the tests run with the default"
    with pytest.raises(SettingError, match="which this process has used before"):
        Forecaster(12, deterministic=True, epochs=1).fit("dataset:airline")


def test_a_blas_that_cannot_be_held_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadpoolctl.ThreadpoolController.select", lambda self, **kind: ())
    with pytest.raises(DependencyError, match="BLAS can be limited to one thread"):
        Forecaster(12, deterministic=True).fit("dataset:airline")


@pytest.mark.parametrize("deterministic", [True, False])
def test_numpy_has_one_thread_within_and_as_many_as_before_afterwards(deterministic: bool) -> None:
    class Fitting:
        config = Config.of(deterministic=deterministic)

        @threads.one_thread
        def fit(self, fails: bool) -> list[int]:
            if fails:
                raise ValueError
            return _blas()

    before = _blas()
    assert Fitting().fit(fails=False) == ([1] * len(before) if deterministic else before)
    with pytest.raises(ValueError):
        Fitting().fit(fails=True)
    assert _blas() == before


def test_deterministic_calls_of_several_threads_take_turns() -> None:
    class Fitting:
        config = Config.of(deterministic=True)
        calls: ClassVar[list[str]] = []

        @threads.one_thread
        def fit(self, name: str) -> list[int]:
            self.calls.append(name)
            time.sleep(0.05)
            self.calls.append(name)
            return _blas()

    before = _blas()
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(Fitting().fit, "abc")) == 3 * [[1] * len(before)]
    assert Fitting.calls[::2] == Fitting.calls[1::2] and sorted(Fitting.calls[::2]) == ["a", "b", "c"]
    assert _blas() == before


def _blas() -> list[int]:
    return [part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"]


def test_what_the_clock_decides_is_refused() -> None:
    with pytest.raises(SettingError, match='network="auto" tries networks by the clock'):
        Config.of(deterministic=True, network="auto")
