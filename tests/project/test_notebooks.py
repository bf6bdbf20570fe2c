from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PYTHON_WARNING = re.compile(r"\b\w*Warning: .*")  # what Python's warnings print; TensorFlow's log lines do not match


def _sources(notebook: Path) -> Iterator[dict[str, object]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return (cell for cell in cells if cell["cell_type"] == "code")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a kernel that is this interpreter with this checkout, whatever kernels the machine has."""
    folder = tmp_path / "jupyter" / "kernels" / "this"
    folder.mkdir(parents=True)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    data = os.environ.get("FORECASTER_DATA", str(ROOT.parent / "shared" / "data"))
    specification = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "this interpreter",
        "language": "python",
        "env": {"PYTHONPATH": path, "FORECASTER_DATA": data},
    }
    (folder / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return "this"


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(notebook: Path) -> None:
    for cell in _sources(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.tensorflow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_errors_and_warnings(notebook: Path, kernel: str, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    work = tmp_path / "work"
    work.mkdir()
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    NotebookClient(
        content, kernel_name=kernel, timeout=120, resources={"metadata": {"path": str(work)}}
    ).execute()  # raises CellExecutionError with the cell and its traceback
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    printed = [output.text for cell in cells for output in cell.outputs if output.output_type == "stream"]
    assert PYTHON_WARNING.findall("".join(printed)) == []


def test_a_failing_cell_fails_the_run(kernel: str) -> None:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cell = nbformat.v4.new_code_cell("import sys, warnings\nwarnings.warn('look')\nassert sys.executable == ''")
    content = nbformat.v4.new_notebook(cells=[cell])
    with pytest.raises(CellExecutionError, match="AssertionError"):
        NotebookClient(content, kernel_name=kernel, timeout=60).execute()
    printed = "".join(output.text for output in content.cells[0].outputs if output.output_type == "stream")
    assert PYTHON_WARNING.findall(printed) == ["UserWarning: look"]
