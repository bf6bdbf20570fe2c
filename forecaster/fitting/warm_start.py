"""A trained model trained further on newer rows: same settings, plan, scaling and network, other weights."""

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
from forecaster.fitting.fit import finish_model, member_networks, trainable_series
from forecaster.networks.keras import start_keras
from forecaster.notes import Note
from forecaster.training.determinism import fix_threads
from forecaster.training.device import device_name
from forecaster.training.member_fit import TrainingData, members_of
from forecaster.training.memory import refuse_beyond_memory
from forecaster.training.phases import Report
from forecaster.words import first_few, plural

if TYPE_CHECKING:
    import keras

#: Epochs at most, and learning rate as a share of the model's, where they are not given; nor are rows left out.
EPOCHS, SLOWER = 5, 0.2
#: Settings that may differ from the model's: how it is trained further, not what it is.
MAY_DIFFER = (
    *("epochs", "epoch_steps", "patience", "keep", "learning_rate", "schedule", "clipnorm", "averaging", "batch_size"),
    *("validation", "holdout", "final", "deterministic"),
)


def settings_for_warm_start(
    config: Config, given: Mapping[str, Any], decided: Mapping[str, Any] | None = None
) -> Config:
    """Return the settings of a model with those given for training it further.

    Args:
        config: the settings of the model.
        given: settings by name; what is not among :data:`MAY_DIFFER` must be the model's own.
        decided: what the model has where its settings leave it open, see :func:`decided_settings`; by default what
            they leave
            open is not looked at.

    Raises:
        SettingError: naming the first one that contradicts the model.
    """
    wanted = config.replace(**given)
    for name in given:
        own, other = getattr(config, name), getattr(wanted, name)
        if own is None:
            own = other if decided is None else decided.get(name)
        if name not in MAY_DIFFER and own != other:
            flag = "--" + name.replace("_", "-")
            raise SettingError(
                f"{flag} {other} contradicts the model, which has {own}",
                f"leave {flag} out, or fit anew without --from",
            )
    usual = {"epochs": EPOCHS, "learning_rate": SLOWER * config.learning_rate, "validation": None, "holdout": 0}
    usual |= {"deterministic": False}  # BLAS has been held to one thread only where it is asked for
    return config.replace(**{**usual, **{name: given[name] for name in given if name in MAY_DIFFER}})


def decided_settings(model: Model) -> dict[str, Any]:
    """Return what a model has of the settings that may be left open, by name, as :class:`forecaster.Config` has it."""
    plan, roles = model.plan, model.history.roles
    found = {name: getattr(plan, name) for name in ("lookback", "segment")}
    columns = {
        "target": ",".join(roles.targets) or roles.target,
        "time": ",".join(roles.time_columns) or roles.time,
        "series": ",".join(roles.series_columns) or roles.series,
    }
    return {**found, **columns, "horizon": str(plan.horizon), "season": plan.seasons, "freq": model.history.freq}


def fit_further(
    model: Model, panel: Panel, given: Mapping[str, Any], notes: list[Note], report: Report | None
) -> Model:
    """Train a model further on newer rows, and keep its weights where that does not lower the validation loss.

    With ``keep="last"``, which may be the model's own setting, those of the last epoch are kept all the same.

    The newest half of the newer rows, but one horizon at least and what a fit of all rows would take at most, is for
    validation, which the old weights have not seen either; the intervals are learned from it anew. A series that is new
    is scaled by its rows before those.

    Args:
        model: what is trained further.
        panel: the newer rows, joined to its history.
        given: see :func:`settings_for_warm_start`.
        notes: what is decided is appended.
        report: called after each epoch.

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
        raise DataError("no series has rows enough to be trained further", "bring more rows of each series")
    scaler = model.scaler.matched(model.ids, _before_validation(panel, learned, plan), plan.season)
    places = {name: i for i, name in enumerate(panel.ids)}
    notes.extend(refuse_beyond_memory(config, plan, learned))
    start_keras()
    fix_threads(config)
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    own = scaler.take(np.array([places[name] for name in learned.ids]))
    ready = TrainingData(learned, config, plan, (own, model.encoder))
    weights = [_start_of(network, config) for network in member_networks(model)]
    together = train_members(ready, config, members_of(config, plan), report, weights=weights)
    origin = {"trained_until": model.record["trained_until"], "newer_rows": int(newer.sum())}
    smallest = min(model.record["smallest"], float(panel.values.min()))
    record = {"continued": origin, "smallest": smallest}
    found = finish_model(panel, together, config, notes, report, record)
    own_config = model.config.replace(deterministic=config.deterministic)
    return replace(found, config=own_config, ids=panel.ids, scaler=scaler)


def newer_rows(panel: Panel, history: Panel) -> np.ndarray:
    """Return how many rows of each series are newer than those of a history, ``(series,)`` int64: all of a new one."""
    last = dict(zip(history.ids, history.last, strict=True))
    counts = [
        int((panel.times[panel.rows(i)] > last[name]).sum()) if name in last else int(panel.lengths[i])
        for i, name in enumerate(panel.ids)
    ]
    return np.array(counts, np.int64)


def _further_plan(model: Model, config: Config, panel: Panel, newer: np.ndarray) -> tuple[Plan, np.ndarray]:
    """Return the plan with the validation rows that newer ones allow, and which series have enough of those."""
    plan, whole = model.plan, model.plan.whole_runs(model.plan.horizon)
    fresh = newer >= (config.validation or whole)
    if not fresh.any():
        raise DataError(
            f"{int(newer.max(initial=0))} newer rows are too few to train further on: {config.validation or whole} are "
            f"needed to validate forecasts of {plan.horizon} steps",
            "wait for more; forecaster predict --data FILE forecasts from them without training",
        )
    usual, _ = validation_rows(panel, model.config, whole)  # not the plan's, which the last newer rows may have halved
    half = max(whole, min(usual, int(newer[fresh].min()) // 2))
    return replace(plan, validation=config.validation or half), fresh


def _before_validation(panel: Panel, learned: Panel, plan: Plan) -> Panel:
    """Return the panel without the validation rows of the series that are learned from."""
    held = np.where(np.isin(panel.ids, learned.ids), plan.validation, 0)
    return panel.take(np.arange(len(panel.values)) < np.repeat(panel.offsets[1:] - held, panel.lengths))


def _start_of(network: keras.Model, config: Config) -> list[np.ndarray]:
    """Return the weights that further training starts from: of directions those before they were made as sure."""
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
        notes.append(Note("not newer", f"{len(names):,} of {len(panel):,} series not learned from", reason))
    gone = sorted(set(model.history.ids) - set(panel.ids))
    if gone:
        reason = f"no newer rows of {first_few(gone)}; the new model does not know them"
        notes.append(Note("left out", f"{len(gone):,} of {len(model.history):,} series", reason, warning=True))
    return notes
