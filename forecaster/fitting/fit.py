"""From a panel and a configuration to a trained model: plan, scale, train, calibrate, score, export."""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact.model import Model
from forecaster.config import FIELDS, Config
from forecaster.data.panel.packed import pack_panel, time_index
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.arrow import return_memory
from forecaster.engines.engine import Engine
from forecaster.engines.keras import DropoutEngine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import DataError, ForecasterError, ModelError
from forecaster.features.plan import Plan, make_plan, padded_series
from forecaster.fitting.auto_network import Row, try_shortlist
from forecaster.fitting.choices import best_member_fit, drop_past_covariates
from forecaster.fitting.ensemble import (
    COMPARED_WINDOWS,
    Ensemble,
    forecast_scale,
    refuse_unreasonable_network,
    train_members,
)
from forecaster.fitting.onnx_export import export_onnx
from forecaster.intervals.calibration import is_not_constant
from forecaster.networks.ensemble import build_ensemble, weights_by_path
from forecaster.networks.factory import build_network, unread_settings
from forecaster.networks.keras import start_keras
from forecaster.networks.optimizers import LOWERED
from forecaster.networks.outputs import outputs_of, refuse_unlike_counts
from forecaster.networks.weight_limit import limit_weights
from forecaster.notes import Note
from forecaster.prediction.forecast import SMALLEST
from forecaster.training.checkpoint import replayed_elapsed_time
from forecaster.training.determinism import fix_threads
from forecaster.training.device import device_name
from forecaster.training.member_fit import BATCH, MemberFit, members_of, shapes_of
from forecaster.training.memory import refuse_beyond_memory
from forecaster.training.phases import Report
from forecaster.words import first_few, plural

if TYPE_CHECKING:
    import keras

#: Disagreement of the two engines, in deviations of the target and as a share of larger outputs, above which no model
#: is written.
ENGINE_TOLERANCE = 1e-4
#: Settings that a likelihood of counts does not read.
COUNTS_UNREAD = ("scaling", "window_norm")
#: Newest rows of each series that the model keeps, for evaluate and plot; predict needs only the lookback.
HISTORY_ROWS = 5_000


def fit_panel(
    panel: Panel, config: Config, notes: list[Note], report: Report | None, *, keep_interrupted: bool = True
) -> Model:
    """Train on all rows of a panel.

    Args:
        panel: the rows that may be learned from.
        config: the settings.
        notes: what is decided is appended.
        report: called after each epoch.
        keep_interrupted: return the best weights so far where Ctrl-C ends training, rather than nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C; with ``keep_interrupted`` only before there are weights to keep.
        DataError: a constant target, or too few rows.
        DivergedError: training ended in NaN, or in forecasts beyond reason.
        ForecasterError: there is too little memory; or the exported network does not agree with Keras.
    """
    panel = pack_panel(panel)  # its times are freed where the caller does not hold them
    plan, found = make_plan(panel, config)
    _refuse_unusable(panel)
    refuse_unlike_counts(config, panel)
    notes.extend(found)
    notes.extend(_unread_notes(config))
    learned = trainable_series(panel, plan, notes)
    return_memory()
    notes.extend(refuse_beyond_memory(config, plan, learned, new=True))
    start_keras()
    fix_threads(config)
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    began = replayed_elapsed_time()
    first, diverged = best_member_fit(learned, config, plan, notes, report)
    tried: list[Row] = []
    if config.network == "auto":
        together, tried = try_shortlist(first, diverged, config, began, notes, report)
    else:
        together = train_members(first.ready, config, members_of(config, first.ready.plan), report, first, diverged)
    notes.extend(first.ready.encoder.notes())
    if len(first.ready.panel.columns) < len(panel.columns):
        panel = drop_past_covariates(panel)
    about = {"tried": tried} if tried else {}
    return finish_model(panel, together, config, notes, report, about, keep_interrupted=keep_interrupted)


def finish_model(
    panel: Panel,
    together: Ensemble,
    config: Config,
    notes: list[Note],
    report: Report | None,
    record: dict[str, Any],
    *,
    keep_interrupted: bool = True,
) -> Model:
    """Train on with all rows, export, and compare the two engines.

    Args:
        panel: the rows that may be learned from, those of series too short to be learned from too.
        together: the networks, trained on the rows before validation.
        config: the settings of the model.
        notes: what is decided is appended.
        report: called after each epoch.
        record: what else is to be known of the fit.
        keep_interrupted: as of :func:`fit_panel`.

    Raises:
        KeyboardInterrupt: Ctrl-C ended training, and what it had reached is not kept.
        DivergedError: training ended in NaN, or in forecasts beyond reason.
        ForecasterError: the exported network does not agree with Keras.
    """
    ready, plan, interrupted = together.ready, together.plan, together.interrupted
    if config.final and not interrupted:
        interrupted = not together.final_run(report)
    if interrupted and not keep_interrupted:
        raise KeyboardInterrupt
    notes.extend([*together.notes(), *_training_notes(together, config, interrupted)])
    windows = ready.split.everything.thinned(COMPARED_WINDOWS).reading(plan.lookback)
    refuse_unreasonable_network(together.engine, windows, config.counts, together.attempts[0].trainer)
    compared = windows.batch()
    del windows, ready.split  # as large as the panel, and so is what TensorFlow made of it
    gc.collect()
    return_memory()
    onnx = export_onnx(together.network)
    _check_outputs(together.engine, onnx, compared, config.counts)
    return Model(
        config=config,
        plan=plan,
        ids=ready.panel.ids,
        scaler=ready.scaler,
        encoder=ready.encoder,
        conformal=together.conformal,
        onnx=onnx,
        weights={path: variable.numpy() for path, variable in weights_by_path(together.network).items()},
        history=panel.keep_newest(max(HISTORY_ROWS, plan.read_rows)),
        record=_record(panel, together, interrupted, notes) | record,
    )


def engine_of(model: Model) -> Engine:
    """Return what runs the network of a model: ONNX Runtime; Keras, rebuilt, where intervals come from dropout.

    Raises:
        ModelError: the network is not one that forecasts what the model says.
    """
    if model.config.intervals == "dropout":
        start_keras()
        fix_threads(model.config)
        return DropoutEngine(rebuild_network(model), model.config.seed)
    steps, count = model.plan.steps, outputs_of(model.config)
    return OnnxEngine(model.onnx, [(steps, count), (steps, count + 1)])


def rebuild_network(model: Model) -> keras.Model:
    """Return the trained Keras network, built from the configuration and given the stored weights.

    Raises:
        ModelError: a weight is missing, unknown or of another shape.
    """
    return _rebuilt(model)[0]


def member_networks(model: Model) -> list[keras.Model]:
    """Return the trained networks of the members of a model, in order, see :func:`rebuild_network`."""
    return _rebuilt(model)[1]


def _rebuilt(model: Model) -> tuple[keras.Model, list[keras.Model]]:
    start_keras()
    config, shapes, networks = model.config, shapes_of(model.config, model.plan, model.encoder, model.history), {}
    with limit_weights(model.weights):
        for member in members_of(config, model.plan):
            own = replace(shapes, lookback=member.lookback)
            networks[member.name] = build_network(member.applied(config), own)
    parts = list(networks.values())
    whole = parts[0] if len(parts) == 1 else build_ensemble(networks, spread=config.intervals == "ensemble")
    variables = weights_by_path(whole)
    expected = {path: tuple(variable.shape) for path, variable in variables.items()}
    stored = {path: value.shape for path, value in model.weights.items()}
    for path in sorted(expected.keys() | stored.keys()):
        if expected.get(path) != stored.get(path):
            raise ModelError(
                f"weight {path}: expected {expected.get(path)}, found {stored.get(path)}", "fit the model again"
            )
    for path, variable in variables.items():
        variable.assign(model.weights[path])
    return whole, parts


def _unread_notes(config: Config) -> Iterator[Note]:
    """Yield the settings that have another value than by default, but which network or loss does not read."""
    if config.network != "auto":
        yield from (Note(name, "not read", f"by the network {config.network}") for name in unread_settings(config))
    for name in COUNTS_UNREAD if config.counts else ():
        if getattr(config, name) != FIELDS[name].default:
            yield Note(name, "not read", f"by the loss {config.loss}, which divides counts by the mean of each window")


def _refuse_unusable(panel: Panel) -> None:
    largest = float(np.abs(panel.values).max())
    if not is_not_constant(panel).any():
        what = (
            f"'{panel.roles.target}' is {panel.values[0]:g} in every row"
            if len(panel) == 1
            else "no series ever changes"
        )
        raise DataError(f"nothing to learn: {what}", "choose another column with --target")
    if not SMALLEST < largest < 1 / SMALLEST:
        raise DataError(f"the largest value of '{panel.roles.target}' is {largest:g}", "write it in another unit")


def trainable_series(panel: Panel, plan: Plan, notes: list[Note]) -> Panel:
    """Return the series with at least one window to learn from and one to validate on.

    Raises:
        DataError: none of them changes in the rows to learn from.
    """
    dead = int((~is_not_constant(panel)).sum())
    if dead:
        reason = (
            "no change in any row: their forecasts and intervals repeat it, and they do not count for those of others"
        )
        notes.append(Note("constant", f"{dead:,} of {len(panel):,} series", reason, warning=True))
    ahead = plan.horizon + plan.validation
    long = panel.lengths >= (plan.least if plan.padded else plan.lookback) + ahead
    if plan.padded:
        padded = padded_series(panel.lengths, plan.least, plan.lookback, ahead)
        count = f"{int(padded.sum()):,} of {len(panel):,} series"
        reason = f"too short for windows of {plan.lookback} rows: rows that count as missing are put before all series"
        notes.append(Note("padded", count, reason))
    if not long.all():
        names = [panel.ids[i] for i in np.flatnonzero(~long).tolist()]
        fewest = plan.least + ahead  # are enough for a model whose windows may be padded
        enough = fewest if (panel.lengths[~long] < fewest).all() else plan.lookback + ahead
        reason = f"not learned from, fewer than {enough} rows: {first_few(names)}"
        notes.append(Note("short", f"{len(names):,} of {len(panel):,} series", reason, warning=True))
    learned = pack_panel(panel.take_series(long))
    if len(learned) and not is_not_constant(learned, newest=plan.validation).any():
        raise DataError(
            f"nothing to learn: '{panel.roles.target}' never changes before the newest {plan.validation} rows, those "
            "for validation",
            "a smaller --validation leaves more to learn from",
        )
    return learned


def _training_notes(together: Ensemble, config: Config, interrupted: bool) -> Iterator[Note]:
    """Yield how each network was trained, and what was kept of it."""
    size = together.attempts[0].trainer.batch_size
    if config.batch_size is None and size > BATCH:
        steps = together.attempts[0].run.epoch_steps * size // BATCH
        yield Note("batch", f"{size:,} windows", f"with {BATCH} an epoch would be {steps:,} steps; --batch-size")
    several = len(together.attempts) > 1
    for attempt in together.attempts:
        name = attempt.member.name
        final = name in together.finished
        note = _training_note(attempt, final, interrupted and not final)
        yield replace(note, value=f"{name}: {note.value}") if several else note
        if attempt.run.lowered:
            rate = attempt.config.learning_rate
            lowered = f"lowered from {rate:g} to {LOWERED * rate:g}"
            yield Note("learning rate", f"{name}: {lowered}" if several else lowered, attempt.run.lowered, warning=True)
    for name, error in together.unfinished.items():
        kept = "the weights of its validation run are kept"
        yield Note("final run", f"{name}: {kept}" if several else kept, error.message, warning=True)


def _training_note(attempt: MemberFit, final: bool, interrupted: bool) -> Note:
    run, effect = attempt.run, bool(attempt.ready.panel.of_role("future"))
    ended = " until it was interrupted" if interrupted else ""
    how = f"of {plural(len(run.history['loss']), 'epoch')} of {plural(run.epoch_steps, 'step')}{ended}"
    if not run.best_epoch and attempt.further:
        return Note("training", "the weights of the model are kept", f"none {how} lowered the validation loss")
    if not run.best_epoch:
        simple = "the regression on future covariates" if effect else "the simple forecast"
        if attempt.config.task == "direction":
            simple = "the mere frequency of each direction"
        kept = f"{simple} it starts from" if run.gain < run.needed_gain else "the untrained network"
        asked = f"{run.needed_gain:.1%}, or a steady gain, is asked"
        why = f"the best {how} lowered its validation loss by {run.gain:.1%}, {asked}"
        return Note("training", f"{kept} is kept", why, warning=not effect)
    more = "as many once more" if run.starts_over else f"{run.final_epochs} more"
    then = f"; then {more} on all rows" if final else "; not trained again on the validation rows"
    return Note("training", f"{attempt.config.keep} epoch {run.best_epoch}", how + then, warning=interrupted)


def _check_outputs(engine: Engine, onnx: bytes, inputs: dict[str, np.ndarray], counts: bool) -> None:
    """Refuse a network whose two engines disagree."""
    found = engine.run(inputs)
    size = forecast_scale(inputs, counts)
    apart = float((np.abs(OnnxEngine(onnx).run(inputs) - found) / np.maximum(size, np.abs(found))).max())
    if not apart <= ENGINE_TOLERANCE:
        raise ForecasterError(
            f"the exported network differs from Keras by {apart:.2g} deviations, more than {ENGINE_TOLERANCE:g}",
            "this is a bug worth reporting; nothing was written",
        )


def _record(panel: Panel, together: Ensemble, interrupted: bool, notes: list[Note]) -> dict[str, Any]:
    axis, places = time_index(together.ready.panel)
    run, runs = together.attempts[0].run, [attempt.run for attempt in together.attempts]
    return {
        "trained_from": str(axis[places.min()]),
        "trained_until": str(axis[places.max()]),
        "rows": len(panel.values),
        "smallest": float(panel.values.min()),
        "scores": together.scores,
        "epochs": {**run.history, "val_loss": run.history["val_loss"][1:]},
        "untrained_val_loss": run.history["val_loss"][0],
        "best_epoch": run.best_epoch,
        "trained": any(run.best_epoch for run in runs),
        "steps": sum(run.best_epoch * run.epoch_steps for run in runs),
        "final": len(together.finished) == len(runs),
        "interrupted": interrupted,
        **({"members": together.record()} if len(runs) > 1 else {}),
        "notes": [note.to_dict() for note in notes],
        "versions": {
            "python": platform.python_version(),
            **{n: metadata.version(n) for n in ("tensorflow", "keras", "numpy", "onnx")},
        },
    }
