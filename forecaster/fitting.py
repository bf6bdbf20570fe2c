"""From a panel and a configuration to a trained model: plan, scale, train, calibrate, score, export."""

from __future__ import annotations

import gc
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact import Model
from forecaster.attempt import BATCH, Attempt, moving, resolved, shapes_of
from forecaster.config import Config
from forecaster.data.packed import clock, packed
from forecaster.data.panel import Panel
from forecaster.data.tables.arrays import release
from forecaster.errors import DataError, DivergedError, ForecasterError, ModelError
from forecaster.features import READ_LOOKBACKS
from forecaster.inference import Engine, OnnxEngine
from forecaster.networks.factory import build_network
from forecaster.networks.start import find_start
from forecaster.notes import Note, some
from forecaster.planning import Plan, make_plan
from forecaster.prediction import SMALLEST
from forecaster.quiet import quiet_native, start_keras
from forecaster.training import Report, Run, device_name

if TYPE_CHECKING:
    import keras

#: Windows that engines are compared on.
COMPARED_WINDOWS = 256
#: Disagreement of the two engines, in deviations of the target, above which no model is written.
ENGINE_TOLERANCE = 1e-4
#: Deviations of the target that no forecast is away from its mean unless training diverged.
BEYOND_REASON = 1e4
#: Newest rows of each series that the model keeps, for evaluate and plot; predict needs only the lookback.
HISTORY_ROWS = 5_000


def fit_panel(panel: Panel, config: Config, notes: list[Note], report: Report | None) -> Model:
    """Train on all rows of a panel.

    Args:
        panel: the rows that may be learned from.
        config: the settings.
        notes: what is decided is appended.
        report: called after each epoch.

    Raises:
        DataError: a constant target, or too few rows.
        DivergedError: training ended in NaN, or in forecasts beyond reason.
        ForecasterError: the exported network does not agree with Keras.
    """
    panel = packed(panel)  # its times are freed where the caller does not hold them
    plan, found = make_plan(panel, config)
    _refuse_unusable(panel)
    notes.extend(found)
    learned = _learned(panel, plan, notes)
    release()
    start_keras()
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    attempt = _best_attempt(learned, config, plan, notes, report)
    notes.extend(attempt.encoder.notes())
    run, plan, split, learned = attempt.run, attempt.plan, attempt.split, attempt.panel
    if len(learned.columns) < len(panel.columns):
        panel = _without_past(panel)
    final = config.final and not run.interrupted
    if final:
        start = find_start(config, shapes_of(plan, attempt.encoder, split.panel), split.everything)
        final = attempt.trainer.final_run(split.everything, run, start, report)
        run.interrupted = not final
    notes.extend(
        [
            *_batch_note(config, attempt.trainer.batch_size, run),
            _training_note(run, final, bool(learned.of_role("future"))),
        ]
    )
    compared = split.everything.thinned(COMPARED_WINDOWS).batch()
    del split, attempt.split  # as large as the panel, and so is what TensorFlow made of it
    gc.collect()
    release()
    onnx = export_onnx(attempt.trainer.network)
    _check_outputs(attempt.trainer.engine, onnx, compared)
    return Model(
        config=config,
        plan=plan,
        ids=learned.ids,
        scaler=attempt.scaler,
        encoder=attempt.encoder,
        conformal=attempt.conformal,
        onnx=onnx,
        weights={v.path: v.numpy() for v in attempt.trainer.network.weights},
        history=panel.keep_newest(max(HISTORY_ROWS, READ_LOOKBACKS * plan.lookback + 1)),
        record=_record(panel, learned, run, attempt.scores, final, notes),
    )


def _best_attempt(panel: Panel, config: Config, plan: Plan, notes: list[Note], report: Report | None) -> Attempt:
    """Return the one attempt, or the best where the past covariates or the transformation are to be chosen."""
    validate = config.transform == "validate"
    first = replace(plan, transform="none") if validate else plan
    best = Attempt(panel, config, first, report)
    if config.past is None and panel.of_role("past") and not best.run.interrupted:
        try:
            without = Attempt(_without_past(panel), config, first, report)
        except KeyboardInterrupt:
            best.run.interrupted = True
            return best
        tried = f"smallest validation loss {best.loss:.4f} with them, {without.loss:.4f} without; --past a,b uses a,b"
        kept = best.loss < without.loss * (1 - best.run.needed_gain) or without.run.interrupted
        notes.append(Note("past", "used" if kept else "not used, they do not help", tried))
        best = best if kept else without
    if validate and not best.run.interrupted:
        best = _best_transform(best, config, notes, report)
    return best


def _best_transform(first: Attempt, config: Config, notes: list[Note], report: Report | None) -> Attempt:
    """Return the attempt with the smallest validation MASE over all transformations; ``first`` learned none."""
    attempts, positive = [first], ("log", "box-cox", "return") if float(first.panel.values.min()) > 0 else ()
    for transform in ("difference", *positive):
        try:
            attempts.append(Attempt(first.panel, config, replace(first.plan, transform=transform), report))
        except KeyboardInterrupt:
            attempts[-1].run.interrupted = True
        if attempts[-1].run.interrupted:
            break
    best = min(attempts, key=lambda attempt: attempt.scores["mase"]["network"])
    best.run.interrupted = attempts[-1].run.interrupted
    tried = ", ".join(f"{a.plan.transform} {a.scores['mase']['network']:.3f}" for a in attempts)
    notes.append(Note("transform", best.plan.transform, f"smallest validation MASE: {tried}"))
    return best


def _without_past(panel: Panel) -> Panel:
    """Return the panel without its past covariates, which come first among those of each row."""
    past = len(panel.of_role("past"))
    return replace(
        panel,
        columns=panel.columns[past:],
        covariates=panel.covariates[:, past:],
        roles=replace(panel.roles, past=()),
    )


def rebuild(model: Model) -> keras.Model:
    """Return the trained Keras network, built from the configuration and given the stored weights.

    Raises:
        ModelError: a weight is missing, unknown or of another shape.
    """
    start_keras()
    network = build_network(resolved(model.config, model.plan), shapes_of(model.plan, model.encoder, model.history))
    expected = {v.path: tuple(v.shape) for v in network.weights}
    stored = {path: value.shape for path, value in model.weights.items()}
    for path in sorted(expected.keys() | stored.keys()):
        if expected.get(path) != stored.get(path):
            raise ModelError(
                f"weight {path}: expected {expected.get(path)}, found {stored.get(path)}", "fit the model again"
            )
    for variable in network.weights:
        variable.assign(model.weights[variable.path])
    return network


def export_onnx(network: keras.Model) -> bytes:
    """Return the network as an ONNX file; recurrent layers are traced without cuDNN, which ONNX has no word for."""
    with tempfile.TemporaryDirectory() as folder, quiet_native(), _without_cudnn(network):
        path = Path(folder, "network.onnx")
        network.export(str(path), format="onnx", verbose=False)
        return path.read_bytes()


@contextmanager
def _without_cudnn(network: keras.Model) -> Iterator[None]:
    layers = [layer for layer in network._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    for layer in layers:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value


def _refuse_unusable(panel: Panel) -> None:
    largest = float(np.abs(panel.values).max())
    if not moving(panel).any():
        what = (
            f"'{panel.roles.target}' is {panel.values[0]:g} in every row"
            if len(panel) == 1
            else "no series ever changes"
        )
        raise DataError(f"nothing to learn: {what}", "choose another column with --target")
    if not SMALLEST < largest < 1 / SMALLEST:
        raise DataError(f"the largest value of '{panel.roles.target}' is {largest:g}", "write it in another unit")


def _learned(panel: Panel, plan: Plan, notes: list[Note]) -> Panel:
    """Return the series with at least one window to learn from and one to validate on."""
    dead = int((~moving(panel)).sum())
    if dead:
        reason = "no change in any row: they do not count for the intervals, and are given none"
        notes.append(Note("constant", f"{dead:,} of {len(panel):,} series", reason, warning=True))
    ahead = plan.horizon + plan.validation
    long, padded = panel.lengths >= plan.least + ahead, panel.lengths < plan.lookback + ahead
    if (long & padded).any():
        count = f"{int((long & padded).sum()):,} of {len(panel):,} series"
        reason = f"shorter than {plan.lookback + ahead} rows, rows that count as missing are put before them"
        notes.append(Note("padded", count, reason))
    if not long.all():
        names = [panel.ids[i] for i in np.flatnonzero(~long).tolist()]
        reason = f"not learned from, fewer than {plan.least + ahead} rows: {some(names)}"
        notes.append(Note("short", f"{len(names):,} of {len(panel):,} series", reason, warning=True))
    return packed(panel.take_series(long))


def _batch_note(config: Config, size: int, run: Run) -> list[Note]:
    if config.batch_size is not None or size <= BATCH:
        return []
    reason = f"with {BATCH} an epoch would be {run.epoch_steps * size // BATCH:,} steps; --batch-size"
    return [Note("batch", f"{size:,} windows", reason)]


def _training_note(run: Run, final: bool, effect: bool) -> Note:
    how = f"{'Ctrl-C after' if run.interrupted else 'of'} {len(run.history['loss'])} epochs of {run.epoch_steps} steps"
    if not run.best_epoch:
        simple = "the regression on future covariates" if effect else "the simple forecast"
        kept = f"{simple} it starts from" if run.gain < run.needed_gain else "the untrained network"
        why = f"the best {how} lowered its validation loss by {run.gain:.1%}, {run.needed_gain:.1%} is asked"
        return Note("training", f"{kept} is kept", why, warning=not effect)
    then = "; then as many once more on all rows" if final else "; not trained again on the validation rows"
    return Note("training", f"best epoch {run.best_epoch}", how + then, warning=run.interrupted)


def _check_outputs(engine: Engine, onnx: bytes, inputs: dict[str, np.ndarray]) -> None:
    """Refuse a network whose forecasts are beyond reason, or whose two engines disagree."""
    found = engine.run(inputs)
    largest = float(np.abs(found).max())
    if not largest <= BEYOND_REASON:
        raise DivergedError(
            f"training diverged: the network forecasts up to {largest:.2g} deviations from the mean of the readings",
            "try --activation tanh, a smaller --learning-rate, --clipnorm 1, or a shorter --lookback",
        )
    apart = float(np.abs(OnnxEngine(onnx).run(inputs) - found).max())
    if not apart <= ENGINE_TOLERANCE:
        raise ForecasterError(
            f"the exported network differs from Keras by {apart:.2g} deviations, more than {ENGINE_TOLERANCE:g}",
            "this is a bug worth reporting; nothing was written",
        )


def _record(
    panel: Panel, learned: Panel, run: Run, scores: dict[str, Any], final: bool, notes: list[Note]
) -> dict[str, Any]:
    axis, places = clock(learned)
    return {
        "trained_from": str(axis[places.min()]),
        "trained_until": str(axis[places.max()]),
        "rows": len(panel.values),
        "scores": scores,
        "epochs": {**run.history, "val_loss": run.history["val_loss"][1:]},
        "untrained_val_loss": run.history["val_loss"][0],
        "best_epoch": run.best_epoch,
        "steps": run.best_epoch * run.epoch_steps,
        "final": final,
        "interrupted": run.interrupted,
        "notes": [note.to_dict() for note in notes],
        "versions": {
            "python": platform.python_version(),
            **{n: metadata.version(n) for n in ("tensorflow", "keras", "numpy", "onnx")},
        },
    }
