"""From a panel and settings to a trained model: plan, scale, train, calibrate, score, export."""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata

import numpy as np

from forecaster.artifact.model import FitRecord, Model, rows_to_read, why_not_pretrained
from forecaster.config import FIELDS, Config
from forecaster.data.panel.packed import pack_panel, time_index
from forecaster.data.panel.panel import Panel
from forecaster.data.readers.arrow import return_memory
from forecaster.engines.engine import Engine
from forecaster.engines.onnx import OnnxEngine
from forecaster.errors import ForecasterError
from forecaster.features.plan import make_plan
from forecaster.fitting.auto_network import rows_with_pretrained, try_shortlist
from forecaster.fitting.choices import drop_past_covariates, try_first_network
from forecaster.fitting.ensemble import (
    COMPARED_WINDOWS,
    Ensemble,
    forecast_scale,
    refuse_unreasonable_network,
    train_members,
)
from forecaster.fitting.pretrained_part import join_pretrained
from forecaster.fitting.trainable import refuse_untrainable, trainable_series
from forecaster.networks.ensemble import weights_by_path
from forecaster.networks.factory import unread_settings
from forecaster.networks.keras import start_keras
from forecaster.networks.onnx_export import export_onnx
from forecaster.networks.optimizers import LOWERED
from forecaster.networks.outputs import refuse_unlike_counts
from forecaster.notes import Note
from forecaster.training.checkpoint import Checkpoints
from forecaster.training.determinism import fix_threads
from forecaster.training.device import device_name
from forecaster.training.fit_progress import FitProgress, no_checkpoints
from forecaster.training.member_fit import BATCH, MemberFit
from forecaster.training.memory import refuse_beyond_memory
from forecaster.training.phases import Report
from forecaster.words import plural, setting

#: Largest difference between the two engines, in deviations of the target and as a share of larger outputs, with which
#: a model is written.
ENGINE_TOLERANCE = 1e-4
#: Settings that a likelihood of counts ignores.
COUNTS_UNREAD = ("scaling", "window_norm")
#: Newest rows of each series that the model keeps, for evaluate and plot; predict needs only the lookback.
HISTORY_ROWS = 5_000


def fit_panel(
    panel: Panel,
    config: Config,
    notes: list[Note],
    report: Report | None,
    checkpoints: Checkpoints | None = None,
    *,
    keep_interrupted: bool = True,
) -> Model:
    """Train on all rows of a panel.

    Args:
        panel: the training rows.
        config: the settings.
        notes: decisions are appended.
        report: called after each epoch.
        checkpoints: of this fit, begun; none by default.
        keep_interrupted: return the best weights so far if Ctrl-C ends training, instead of raising.

    Raises:
        KeyboardInterrupt: Ctrl-C; with ``keep_interrupted`` only before there are weights to keep.
        DataError: a constant target, or too few rows.
        DivergedError: training ended in NaN, or in forecasts beyond reason.
        ForecasterError: there is too little memory; or the exported network does not agree with Keras.
    """
    progress = FitProgress(notes, report, checkpoints or no_checkpoints())
    panel = pack_panel(panel)  # its times are freed if the caller does not hold them
    plan, found = make_plan(panel, config)
    refuse_untrainable(panel)
    refuse_unlike_counts(config, panel)
    notes.extend(found)
    notes.extend(_unread_notes(config))
    learned = trainable_series(panel, plan, notes)
    return_memory()
    notes.extend(refuse_beyond_memory(config, plan, learned, new=True))
    start_keras()
    fix_threads(config)
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    began = progress.checkpoints.replayed_seconds()
    tried = try_first_network(learned, config, plan, progress)
    [first], about = tried.fits, FitRecord()
    if config.network == "auto":
        ensemble, about["tried"] = try_shortlist(tried, began, progress)
    else:
        ensemble = train_members(first.data, progress, tried)
    if config.start == "pretrained":
        if reason := why_not_pretrained(config):
            notes.append(Note("start", "scratch", f"the pretrained network is not used: {reason}"))
        else:
            join_pretrained(ensemble, progress)
            if "tried" in about:
                about["tried"] = rows_with_pretrained(about["tried"], ensemble)
    del tried  # the networks that were not chosen
    notes.extend(first.data.encoder.notes())
    if len(first.data.panel.columns) < len(panel.columns):
        panel = drop_past_covariates(panel)
    return finish_model(panel, ensemble, progress, about, keep_interrupted=keep_interrupted)


def finish_model(
    panel: Panel, ensemble: Ensemble, progress: FitProgress, about: FitRecord, *, keep_interrupted: bool = True
) -> Model:
    """Train on all rows, export, and compare the two engines.

    Args:
        panel: the training rows, with those of series too short for training.
        ensemble: the networks, trained on the rows before validation.
        progress: of the fit.
        about: further entries of the record of the model.
        keep_interrupted: see :func:`fit_panel`.

    Raises:
        KeyboardInterrupt: Ctrl-C ended training, and its result is not kept.
        DivergedError: training ended in NaN, or in forecasts beyond reason.
        ForecasterError: the exported network does not agree with Keras.
    """
    data, plan, interrupted, pretrained = ensemble.data, ensemble.plan, ensemble.interrupted, ensemble.pretrained
    config, notes = data.config, progress.notes
    if config.final and not interrupted:
        interrupted = not ensemble.final_run(progress)
    if interrupted and not keep_interrupted:
        raise KeyboardInterrupt
    notes.extend([*ensemble.notes(), *_training_notes(ensemble, interrupted)])
    windows = data.split.everything.thinned(COMPARED_WINDOWS).reading(plan.lookback)
    refuse_unreasonable_network(ensemble.engine, windows, config.counts, ensemble.fits[0].trainer.advice)
    compared = windows.batch()
    del windows, data.split  # as large as the panel, and so is what TensorFlow made of it
    gc.collect()
    return_memory()
    onnx = export_onnx(ensemble.network)
    _check_outputs(ensemble.engine, onnx, compared, config.counts)
    return Model(
        config=config,
        plan=plan,
        ids=data.panel.ids,
        scaler=data.scaler,
        encoder=data.encoder,
        conformal=ensemble.conformal,
        onnx=onnx,
        weights={path: variable.numpy() for path, variable in weights_by_path(ensemble.network).items()},
        history=panel.keep_newest(max(HISTORY_ROWS, rows_to_read(plan, pretrained))),
        pretrained=pretrained,
        record=_record(panel, ensemble, interrupted, notes) | about,
    )


def _unread_notes(config: Config) -> Iterator[Note]:
    """Yield a note for each setting that differs from its default, but is not read by the network or the loss."""
    if config.network != "auto":
        yield from (Note(name, "not read", f"by the network {config.network}") for name in unread_settings(config))
    for name in COUNTS_UNREAD if config.counts else ():
        if getattr(config, name) != FIELDS[name].default:
            yield Note(name, "not read", f"by the loss {config.loss}, which divides counts by the mean of each window")


def _training_notes(ensemble: Ensemble, interrupted: bool) -> Iterator[Note]:
    """Yield notes on the training of each network and on the weights that are kept."""
    first, several = ensemble.fits[0], len(ensemble.fits) > 1
    size = first.trainer.batch_size
    if ensemble.data.config.batch_size is None and size > BATCH:
        steps = first.run.epoch_steps * size // BATCH
        reason = f"with {BATCH} an epoch would be {steps:,} steps; {setting('batch_size')}"
        yield Note("batch", f"{size:,} windows", reason)
    for fit in ensemble.fits:
        name = fit.member.name
        final = name in ensemble.finished
        note = _training_note(fit, final, interrupted and not final)
        yield replace(note, value=f"{name}: {note.value}") if several else note
        if fit.run.lowered:
            rate = fit.config.learning_rate
            lowered = f"lowered from {rate:g} to {LOWERED * rate:g}"
            yield Note("learning rate", f"{name}: {lowered}" if several else lowered, fit.run.lowered, warning=True)
    for name, error in ensemble.unfinished.items():
        kept = "the weights of its validation run are kept"
        yield Note("final run", f"{name}: {kept}" if several else kept, error.message, warning=True)


def _training_note(fit: MemberFit, final: bool, interrupted: bool) -> Note:
    run, effect = fit.run, bool(fit.data.panel.of_role("future"))
    ended = " until it was interrupted" if interrupted else ""
    epochs = f"of {plural(len(run.history['loss']), 'epoch')} of {plural(run.epoch_steps, 'step')}{ended}"
    if not run.best_epoch and fit.warm_started:
        return Note("training", "the weights of the model are kept", f"none {epochs} lowered the validation loss")
    if not run.best_epoch:
        simple = "the regression on future covariates" if effect else "the simple forecast"
        if fit.config.task == "direction":
            simple = "the plain frequency of each direction"
        kept = f"{simple} it starts from" if run.gain < run.needed_gain else "the untrained network"
        required = f"{run.needed_gain:.1%}, or a steady gain, is required"
        why = f"the best {epochs} lowered its validation loss by {run.gain:.1%}; {required}"
        return Note("training", f"{kept} is kept", why, warning=not effect)
    more = "as many once more" if run.starts_over else f"{run.final_epochs} more"
    then = f"; then {more} on all rows" if final else "; not trained again on the validation rows"
    return Note("training", f"{fit.config.keep} epoch {run.best_epoch}", epochs + then, warning=interrupted)


def _check_outputs(engine: Engine, onnx: bytes, inputs: dict[str, np.ndarray], counts: bool) -> None:
    """Refuse a network whose outputs in the two engines differ."""
    found = engine.run(inputs)
    size = forecast_scale(inputs, counts)
    apart = float((np.abs(OnnxEngine(onnx).run(inputs) - found) / np.maximum(size, np.abs(found))).max())
    if not apart <= ENGINE_TOLERANCE:
        raise ForecasterError(
            f"the exported network differs from Keras by {apart:.2g} deviations, more than {ENGINE_TOLERANCE:g}",
            "this is a bug worth reporting; nothing was written",
        )


def _record(panel: Panel, ensemble: Ensemble, interrupted: bool, notes: list[Note]) -> FitRecord:
    axis, places = time_index(ensemble.data.panel)
    run, runs = ensemble.fits[0].run, [fit.run for fit in ensemble.fits]
    record = FitRecord(
        trained_from=str(axis[places.min()]),
        trained_until=str(axis[places.max()]),
        rows=len(panel.values),
        smallest=float(panel.values.min()),
        scores=ensemble.scores,
        epochs={**run.history, "val_loss": run.history["val_loss"][1:]},
        untrained_val_loss=run.history["val_loss"][0],
        best_epoch=run.best_epoch,
        trained=any(run.best_epoch for run in runs),
        steps=sum(run.best_epoch * run.epoch_steps for run in runs),
        final=len(ensemble.finished) == len(runs),
        interrupted=interrupted,
    )
    if len(runs) > 1:
        record["members"] = ensemble.record()
    if part := ensemble.pretrained:
        record["pretrained"] = {"share": round(part.share, 4), "mase": ensemble.alone}
    record["notes"] = [note.to_dict() for note in notes]
    record["versions"] = {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("tensorflow", "keras", "numpy", "onnx")},
    }
    return record
