"""Training a model further on newer rows: the same settings, plan, scaling and network, other weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact.model import Model
from forecaster.config import Config
from forecaster.data.panel.packed import pack_panel
from forecaster.data.panel.panel import Panel
from forecaster.errors import DataError, SettingError
from forecaster.features.plan import Plan, validation_rows
from forecaster.fitting.ensemble import train_members
from forecaster.fitting.fit import finish_model
from forecaster.fitting.pretrained_part import join_pretrained
from forecaster.fitting.rebuild import member_networks
from forecaster.fitting.trainable import trainable_series
from forecaster.networks.keras import start_keras
from forecaster.notes import Note
from forecaster.training.checkpoint import Checkpoints
from forecaster.training.determinism import fix_threads
from forecaster.training.device import device_name
from forecaster.training.fit_progress import FitProgress, no_checkpoints
from forecaster.training.member_fit import TrainingData
from forecaster.training.memory import refuse_beyond_memory
from forecaster.training.phases import Report
from forecaster.words import first_few, plural, setting

if TYPE_CHECKING:
    import keras

#: Defaults of further training: maximum epochs, and learning rate as a share of the model's; no rows are held out.
EPOCHS, SLOWER = 5, 0.2
#: Settings that may differ from the model's: those of the training, not of the architecture.
MAY_DIFFER = (
    *("epochs", "epoch_steps", "patience", "keep", "learning_rate", "schedule", "clipnorm", "averaging", "batch_size"),
    *("validation", "holdout", "final", "deterministic"),
)


def settings_for_warm_start(
    config: Config, given: Mapping[str, Any], decided: Mapping[str, Any] | None = None
) -> Config:
    """Return the settings for training a model further: its own, with those that are given.

    Args:
        config: the settings of the model.
        given: settings by name; those not among :data:`MAY_DIFFER` must be the model's own.
        decided: values that the model has inferred for settings left open, see :func:`decided_settings`; by default
            those are not compared.

    Raises:
        SettingError: naming the first one that contradicts the model.
    """
    wanted = config.replace(**given)
    for name in given:
        own, other = getattr(config, name), getattr(wanted, name)
        if own is None:
            own = other if decided is None else decided.get(name)
        if name not in MAY_DIFFER and own != other:
            raise SettingError(
                f"{setting(name)} {other} contradicts the model, which has {own}",
                f"leave {setting(name)} out, or fit anew without {setting('further')}",
            )
    usual = {"epochs": EPOCHS, "learning_rate": SLOWER * config.learning_rate, "validation": None, "holdout": 0}
    usual |= {"deterministic": False}  # BLAS has been limited to one thread only if that is given
    return config.replace(**{**usual, **{name: given[name] for name in given if name in MAY_DIFFER}})


def decided_settings(model: Model) -> dict[str, Any]:
    """Return the values that a model has inferred for settings left open, by name, as in :class:`forecaster.Config`."""
    plan, roles = model.plan, model.history.roles
    found = {name: getattr(plan, name) for name in ("lookback", "segment")}
    columns = {
        "target": ",".join(roles.targets) or roles.target,
        "time": ",".join(roles.time_columns) or roles.time,
        "series": ",".join(roles.series_columns) or roles.series,
    }
    return {**found, **columns, "horizon": str(plan.horizon), "season": plan.seasons, "freq": model.history.freq}


def fit_further(
    model: Model,
    panel: Panel,
    given: Mapping[str, Any],
    notes: list[Note],
    report: Report | None,
    checkpoints: Checkpoints | None = None,
) -> Model:
    """Train a model further on newer rows, and keep its old weights if that does not lower the validation loss.

    With ``keep="last"``, which may be the model's own setting, those of the last epoch are kept anyway.

    The newest half of the newer rows, at least one horizon and at most what a fit of all rows would take, is for
    validation, which the old weights have not seen either; the intervals are calibrated on it anew. A new series is
    scaled by its rows before those.

    Args:
        model: the model.
        panel: the newer rows, joined to its history.
        given: see :func:`settings_for_warm_start`.
        notes: decisions are appended.
        report: called after each epoch.
        checkpoints: of this fit, begun; none by default.

    Raises:
        SettingError: a setting contradicts the model.
        DataError: too few newer rows.
        DivergedError: training ended in NaN.
        ForecasterError: there is too little memory.
    """
    config = settings_for_warm_start(model.config, given, decided_settings(model))
    newer = newer_rows(panel, model.history)
    plan, fresh = _further_plan(model, config, panel, newer)
    notes.extend(_newer_notes(panel, model, newer, fresh, plan))
    panel = pack_panel(panel)
    learned = trainable_series(panel.take_series(fresh), plan, notes)
    if not len(learned):
        raise DataError("no series has enough rows to be trained further", "give more rows of each series")
    scaler = model.scaler.matched(model.ids, _before_validation(panel, learned, plan), plan.season)
    places = {name: i for i, name in enumerate(panel.ids)}
    notes.extend(refuse_beyond_memory(config, plan, learned))
    start_keras()
    fix_threads(config)
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    own = scaler.take(np.array([places[name] for name in learned.ids]))
    progress = FitProgress(notes, report, checkpoints or no_checkpoints())
    data = TrainingData(learned, config, plan, (own, model.encoder))
    weights = [_initial_weights(network, config) for network in member_networks(model)]
    ensemble = train_members(data, progress, weights=weights)
    origin = {"trained_until": model.record["trained_until"], "newer_rows": int(newer.sum())}
    smallest = min(model.record["smallest"], float(panel.values.min()))
    if model.pretrained:
        join_pretrained(ensemble, progress, model.pretrained.onnx)
    trained = finish_model(panel, ensemble, progress, {"continued": origin, "smallest": smallest})
    own_config = model.config.replace(deterministic=config.deterministic)
    return replace(trained, config=own_config, ids=panel.ids, scaler=scaler)


def newer_rows(panel: Panel, history: Panel) -> np.ndarray:
    """Return the number of rows of each series newer than a history, ``(series,)`` int64: all rows of a new series."""
    last = dict(zip(history.ids, history.last, strict=True))
    counts = [
        int((panel.times[panel.rows(i)] > last[name]).sum()) if name in last else int(panel.lengths[i])
        for i, name in enumerate(panel.ids)
    ]
    return np.array(counts, np.int64)


def _further_plan(model: Model, config: Config, panel: Panel, newer: np.ndarray) -> tuple[Plan, np.ndarray]:
    """Return the plan with the validation rows that newer rows allow, and a mask of the series with enough of them."""
    plan, whole = model.plan, model.plan.whole_runs(model.plan.horizon)
    fresh = newer >= (config.validation or whole)
    if not fresh.any():
        raise DataError(
            f"{int(newer.max(initial=0))} newer rows are too few to train further on: {config.validation or whole} are "
            f"needed to validate forecasts of {plan.horizon} steps",
            f"wait for more; a prediction with {setting('data')} uses them without training",
        )
    # not the validation rows of the plan, which earlier newer rows may have halved
    usual, _ = validation_rows(panel, model.config, whole)
    half = max(whole, min(usual, int(newer[fresh].min()) // 2))
    return replace(plan, validation=config.validation or half), fresh


def _before_validation(panel: Panel, learned: Panel, plan: Plan) -> Panel:
    """Return the panel without the validation rows of the training series."""
    held = np.where(np.isin(panel.ids, learned.ids), plan.validation, 0)
    return panel.take(np.arange(len(panel.values)) < np.repeat(panel.offsets[1:] - held, panel.lengths))


def _initial_weights(network: keras.Model, config: Config) -> list[np.ndarray]:
    """Return the weights that further training starts from; for directions with the temperature reset to 1."""
    if config.task == "direction":
        network.get_layer("directions").temperature.assign(1.0)
    return list(network.get_weights())


def _newer_notes(panel: Panel, model: Model, newer: np.ndarray, fresh: np.ndarray, plan: Plan) -> list[Note]:
    until = model.record["trained_until"][:19]
    notes = [
        Note("continued", plural(int(newer.sum()), "newer row"), f"the model was trained on rows up to {until}"),
        Note("validation", f"newest {plural(plan.validation, 'row')} of each series", "the model has not seen them"),
    ]
    if not fresh.all():
        names = [panel.ids[i] for i in np.flatnonzero(~fresh)]
        reason = f"fewer newer rows than validation takes: {first_few(names)}"
        notes.append(Note("not newer", f"{len(names):,} of {len(panel):,} series not trained on", reason))
    gone = sorted(set(model.history.ids) - set(panel.ids))
    if gone:
        reason = f"no newer rows of {first_few(gone)}; the new model does not know them"
        notes.append(Note("left out", f"{len(gone):,} of {len(model.history):,} series", reason, warning=True))
    return notes
