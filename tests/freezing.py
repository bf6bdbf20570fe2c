"""What other people's scripts, models and shells rely on, as texts: ``tests/project/test_frozen.py`` compares them
with those in ``tests/frozen``, and ``python tests/manual/frozen.py`` writes them anew.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
from click.testing import CliRunner
from manual.golden import MODELS, SMALL, sales

import forecaster
from forecaster import Forecaster, plotting
from forecaster.artifact.manifest import Manifest
from forecaster.artifact.names import HISTORY, MANIFEST, NETWORK, WEIGHTS
from forecaster.cli.main import COMMANDS, cli
from forecaster.config import FAMILIES, Config

FROZEN = Path(__file__).parent / "frozen"
#: Characters of a line of help.
WIDTH = 100
#: What is fitted: the golden models, and what they have nothing of: members, intervals of them, every part of a scaler.
FITS: dict[str, dict[str, Any]] = {
    **MODELS,
    "members": {
        **{**SMALL, "covariates": False, "calendar": False, "network": "nlinear", "final": True},
        **{"members": 2, "intervals": "ensemble", "transform": "box-cox"},
    },
}
#: Networks beside each family with the default settings: what else has a name of its own in ``weights.npz``.
VARIANTS: dict[str, dict[str, Any]] = {
    "mix, batch norm": {"base": "mix", "layer_norm": "batch"},
    "direction, layer norm": {"task": "direction", "layer_norm": "layer"},
    "student-t, segments": {"loss": "student-t", "head": "segments"},
    "negative-binomial": {"loss": "negative-binomial"},
}


@dataclass(frozen=True)
class Fits:
    """The models of :data:`FITS`.

    Attributes:
        place: the folder that they were saved in, by name.
        fitted: by name.
        checkpoints: names of the files that each fit had kept before it was saved, in the order in which they were
            written last.
    """

    place: Path
    fitted: dict[str, Forecaster]
    checkpoints: dict[str, list[str]]


def fit_all(place: Path) -> Fits:
    """Train and save the models in a folder, beside the table that they were fitted on."""
    fits = Fits(place, {}, {})
    sales().to_csv(place / "sales.csv", index=False)
    for name, settings in FITS.items():
        model = place / name
        fits.fitted[name] = Forecaster(**settings).fit(sales(), directory=model)
        files = sorted((place / f".{name}.checkpoint").iterdir(), key=lambda file: (file.stat().st_mtime_ns, file.name))
        fits.checkpoints[name] = [file.name for file in files]
        fits.fitted[name].save(model)
    return fits


def printed(*arguments: str) -> str:
    """Return what a command prints on stdout, in lines of :data:`WIDTH` characters at most."""
    ended = CliRunner().invoke(cli, arguments, prog_name="forecaster", terminal_width=WIDTH, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def environment() -> str:
    """Return every flag that has an environment variable, by command."""
    context, lines = cli.make_context("forecaster", ["datasets"], resilient_parsing=True), []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        lines += [f"{name} {one.opts[0]} {one.envvar}" for one in command.params if getattr(one, "envvar", None)]
    return _lines(lines)


def interface() -> str:
    """Return what is exported: functions and classes with the names and defaults of parameters, and public members."""
    lines = []
    for module in (forecaster, plotting):
        lines += [module.__name__, *(f"    {name}" for name in module.__all__), ""]
        for name in sorted(module.__all__):
            found = getattr(module, name)
            lines += [
                f"{module.__name__}.{name}{_signature(found)}",
                *(_members(found) if inspect.isclass(found) else []),
            ]
        lines.append("")
    return _lines(lines[:-1])


def _members(kind: type) -> Iterator[str]:
    """Yield the public methods and properties that a class has of this project."""
    for name in sorted(dir(kind)):
        found = inspect.getattr_static(kind, name)
        own = any(name in vars(base) for base in kind.__mro__ if base.__module__.startswith("forecaster"))
        if name.startswith("_") or not own:
            continue
        if isinstance(found, property):
            yield f"    .{name}"
        elif callable(getattr(kind, name)):
            how = f"@{type(found).__name__} " if isinstance(found, (classmethod, staticmethod)) else ""
            yield f"    {how}.{name}{_signature(getattr(kind, name))}"


def _signature(function: Callable[..., Any]) -> str:
    """Return names, kinds and defaults of parameters; a line each where there are many."""
    found = inspect.signature(function)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    text = str(found.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return text if len(plain) < 20 else "(\n" + "".join(f"    {parameter},\n" for parameter in plain) + ")"


def manifest_types() -> str:
    """Return every key that a manifest may have, with its type; what a dataclass is called makes no difference."""
    return _lines(sorted(_typed_keys(Manifest, "")))


def _typed_keys(kind: Any, path: str) -> Iterator[str]:
    """Yield the keys below one: ``[]`` of a list, ``{}`` of a dictionary, ``?`` of what may be null, ``<kind>``."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind) or is_typeddict(kind):
        tag, hints = getattr(kind, "kind", None), get_type_hints(kind, include_extras=True)
        path += f"<{tag}>" if isinstance(tag, str) else ""
        for name in [field.name for field in fields(kind)] if is_dataclass(kind) else hints:
            yield from _typed_keys(hints[name], f"{path}.{name}")
    elif origin in (tuple, dict):
        yield from _typed_keys(parts[origin is dict], path + ("{}" if origin is dict else "[]"))
    elif origin in (Union, UnionType):
        for part in parts:
            if part is not NoneType:
                yield from _typed_keys(part, path + "?" * (NoneType in parts))
    elif origin is Annotated:
        yield f"{path}: {parts[0].__name__}, {parts[1]} or more"
    else:
        yield f"{path}: {kind.__name__}"


def keys_of(document: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every value of JSON: ``[]`` of any place in a list, ``<kind>`` of a channel of an encoder."""
    if isinstance(document, dict) and document:
        path += f"<{document['kind']}>" if path.startswith(".encoder.") else ""
        for name, part in document.items():
            yield from keys_of(part, f"{path}.{name}")
    elif isinstance(document, list) and document:
        for part in document:
            yield from keys_of(part, f"{path}[]")
    else:
        yield path


def manifest_keys(model: Path) -> set[str]:
    """Return every path of keys in the manifest of a model directory."""
    return set(keys_of(json.loads((model / MANIFEST).read_text())))


def weight_names(model: Path) -> list[str]:
    """Return the names in the weights of a model directory, in order."""
    with np.load(model / WEIGHTS, allow_pickle=False) as stored:
        return list(stored.files)


def network_names(model: Path) -> dict[str, set[str]]:
    """Return what inputs, outputs and open dimensions of the ONNX network of a model directory are called."""
    import onnx

    graph = onnx.load(model / NETWORK).graph
    dimensions = {value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.input, *graph.output)}
    names = {kind: {value.name for value in values} for kind, values in (("in", graph.input), ("out", graph.output))}
    return {**names, "open": dimensions}


def history_columns(model: Path) -> list[str]:
    """Return the names of the columns of the history of a model directory."""
    import pyarrow.parquet as pq

    return list(pq.read_schema(model / HISTORY).names)


def weights() -> str:
    """Return the paths of the weights of each network, as they are in the weights of a model."""
    from forecaster.families.shapes import Shapes
    from forecaster.networks.ensemble import weights_by_path
    from forecaster.networks.factory import build_network
    from forecaster.networks.outputs import outputs_of

    known = {"calendar": 2, "known": 1, "past": 2, "static": 1, "categories": (2,), "indicator": True}
    networks = {name: {"network": name} for name in FAMILIES} | VARIANTS
    lines = []
    for name, settings in networks.items():
        config = Config.of(**{"units": (4, 4), "segment": 2, **settings})
        shapes = Shapes(lookback=14, steps=4, seasons=(7,), outputs=outputs_of(config), **known)
        lines += [name, *(f"    {path}" for path in weights_by_path(build_network(config, shapes)))]
    return _lines(lines)


def members(fits: Fits) -> str:
    """Return what the golden models have nothing of: the keys of members in a manifest, and the names of weights."""
    model = fits.place / "members"
    return _lines([*sorted(key for key in manifest_keys(model) if "members[]" in key), *weight_names(model)])


def columns(fits: Fits) -> str:
    """Return the columns of every table that a forecast or a backtest gives, and the names of measures."""
    lines = []
    for name in ("rnn", "direction"):
        fitted = fits.fitted[name]
        found = fitted.evaluate(origins=2, **({} if name == "direction" else {"baselines": ("naive",)}))
        tables = {"predict": fitted.predict(), "evaluate": found.table, "summary": found.summary}
        if name == "direction":
            tables |= {"reliability": found.assessment.reliability}
        else:
            tables |= {"tests": found.tests, "residuals": found.residuals()}
            tables |= {f"by {split}": found.by(split) for split in ("series", "step", "level")}
            lines += ["measures", *(f"    {measure}" for measure in found.measures)]
        for table, frame in tables.items():
            lines += [f"{name}: {table}", *(f"    {column}" for column in frame.columns)]
    return _lines(lines)


def documents(fits: Fits) -> str:
    """Return the keys of what each command prints with ``--json``."""
    table, model, direction, other = (str(fits.place / name) for name in ("sales.csv", "rnn", "direction", "members"))
    rolled = ("--origins", "2", "--json")
    lines = []
    for name, arguments in {
        "inspect": (table, "--json"),
        "datasets": ("--json",),
        "predict": ("--model", model, "--json"),
        "predict, direction": ("--model", direction, "--json"),
        "evaluate": ("--model", model, "--baselines", "naive", *rolled),
        "evaluate, direction": ("--model", direction, *rolled),
        "compare": (model, other, "--baselines", "naive", *rolled),
    }.items():
        document = json.loads(printed(name.partition(",")[0], *arguments))
        lines += [name, *sorted(f"    {path}" for path in set(keys_of(document)))]
    return _lines(lines)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join([*lines, ""])


#: Files of :data:`FROZEN`, and what they hold: of the code alone, or of models that it fits.
TEXTS: dict[str, Callable[[], str]] = {
    "help/forecaster.txt": partial(printed, "--help"),
    **{f"help/{name}.txt": partial(printed, name, "--help") for name in COMMANDS},
    "help/datasets-copy.txt": partial(printed, "datasets", "copy", "--help"),
    "environment.txt": environment,
    "interface.txt": interface,
    "manifest.txt": manifest_types,
    "weights.txt": weights,
}
FITTED_TEXTS: dict[str, Callable[[Fits], str]] = {
    "members.txt": members,
    "columns.txt": columns,
    "documents.txt": documents,
}
