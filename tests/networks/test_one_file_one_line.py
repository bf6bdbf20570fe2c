"""A network or a loss is added by one file and one line: tried in a copy of the package, from settings to forecast."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples import OFFLINE, environment

import forecaster
from forecaster.config import Config
from forecaster.errors import SettingError

EXAMPLES = Path(__file__).parent / "examples"

FIT = """
import json, sys
import numpy as np, pandas as pd
from forecaster import Forecaster
from forecaster.cli.fit import EPILOG
from forecaster.config import FIELDS

steps = np.arange(120)
times = pd.date_range("2024-01-01", periods=120, freq="h")
frame = pd.DataFrame({"time": times, "y": np.sin(steps * np.pi / 12) + 5})
bare = [name for name in ("keras", "tensorflow") if name in sys.modules]
fitted = Forecaster(
    network="mlp", loss="laplace", units=(4,), lookback=24, horizon=6, epochs=1, final=False, head="segments"
).fit(frame)
notes = [note.name for note in fitted.notes]
found = fitted.predict()
print(json.dumps({
    "bare": bare,
    "help": [line for line in EPILOG.splitlines() if line.startswith("  mlp")],
    "choices": [FIELDS[name].metadata["choices"][-2:] for name in ("network", "loss")],
    "layers": [layer.name for layer in fitted.network().layers],
    "outputs": fitted.network().output_shape[-1],
    "rows": len(found),
    "notes": notes,
    "finite": bool(np.isfinite(found.select_dtypes("number")).all(axis=None)),
}))
"""


def add_line(path: Path, before: str, line: str) -> None:
    """Put a line of its own before another."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, line + before))


@pytest.mark.tensorflow
def test_a_network_and_a_loss_are_a_file_and_a_line_each(tmp_path):
    package = tmp_path / "forecaster"
    shutil.copytree(Path(forecaster.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLES / "mlp.py", package / "families")
    shutil.copy(EXAMPLES / "laplace.py", package / "losses")
    add_line(package / "families/__init__.py", ")\n\n#: Keys are", '    "mlp",\n')
    add_line(package / "losses/__init__.py", ")\n\n#: Keys are", '    "laplace",\n')
    done = subprocess.run(
        [sys.executable, "-c", FIT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(PYTHONPATH=os.pathsep.join([str(OFFLINE), str(tmp_path)])),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["bare"] == []
    assert found["help"] == ["  mlp             MLP: dense layers over the whole window"]
    assert found["choices"] == [["mlp", "auto"], ["negative-binomial", "laplace"]]
    assert "hidden_1" in found["layers"] and found["outputs"] == 2
    assert "head" in found["notes"]  # not read by this network
    assert found["rows"] == 6 and found["finite"]


@pytest.mark.parametrize("setting", [{"network": "mlp"}, {"loss": "laplace"}])
def test_without_a_card_a_name_is_refused(setting):
    [(name, value)] = setting.items()
    with pytest.raises(SettingError, match=f"unknown {name} '{value}'"):
        Config.of(**setting)
