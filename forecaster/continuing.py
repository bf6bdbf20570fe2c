"""A trained model trained further on newer rows: same settings, plan, scaling and network, other weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from forecaster.artifact.model import Model
from forecaster.attempt import Prepared, members_of
from forecaster.combining import trained
from forecaster.config import Config
from forecaster.data.packed import packed
from forecaster.data.panel import Panel
from forecaster.errors import DataError, SettingError
from forecaster.fitting import finished, learned_series, member_networks
from forecaster.notes import Note, some
from forecaster.planning import Plan
from forecaster.quiet import start_keras
from forecaster.training import Report, device_name

#: Epochs at most, and learning rate as a share of the model's, where they are not given; nor are rows left out.
EPOCHS, SLOWER = 5, 0.2
#: Settings that may differ from the model's: how it is trained further, not what it is.
MAY_DIFFER = (
    *("epochs", "epoch_steps", "patience", "learning_rate", "schedule", "clipnorm", "averaging", "batch_size"),
    *("validation", "holdout", "final"),
)


def continued(config: Config, given: Mapping[str, Any], decided: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of a model with those given for training it further.

    Args:
        config: the settings of the model.
        given: settings by name; what is not among :data:`MAY_DIFFER` must be the model's own.
        decided: what the model has where its settings leave it open, see :func:`decided_by`; by default what they leave
            open is not looked at.

    Raises:
        SettingError: naming the first one that contradicts the model; or it forecasts directions.
    """
    if config.task == "direction":
        raise SettingError("a model of directions cannot be trained further", "fit anew without --from")
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
    return config.replace(**{**usual, **{name: given[name] for name in given if name in MAY_DIFFER}})


def decided_by(model: Model) -> dict[str, Any]:
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

    The newest half of the newer rows, but one horizon at least and the plan's validation rows at most, is for
    validation, which the old weights have not seen either; the intervals are learned from it anew.

    Args:
        model: what is trained further.
        panel: the newer rows, joined to its history.
        given: see :func:`continued`.
        notes: what is decided is appended.
        report: called after each epoch.

    Raises:
        SettingError: a setting contradicts the model.
        DataError: too few newer rows.
        DivergedError: training ended in NaN.
    """
    config = continued(model.config, given, decided_by(model))
    newer = newer_rows(panel, model.history)
    plan, fresh = _further_plan(model.plan, config, newer)
    notes.extend(_newer_notes(panel, model, newer, fresh, plan))
    panel = packed(panel)
    scaler = model.scaler.matched(model.ids, panel, plan.season)
    learned = learned_series(panel.take_series(fresh), plan, notes)
    if not len(learned):
        raise DataError("no series has rows enough to be trained further", "bring more rows of each series")
    places = {name: i for i, name in enumerate(panel.ids)}
    start_keras()
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    own = scaler.take(np.array([places[name] for name in learned.ids]))
    ready = Prepared(learned, config, plan, (own, model.encoder))
    weights = [network.get_weights() for network in member_networks(model)]
    together = trained(ready, config, members_of(config, plan), report, weights=weights)
    origin = {"trained_until": model.record["trained_until"], "newer_rows": int(newer.sum())}
    smallest = min(model.record["smallest"], float(panel.values.min()))
    record = {"continued": origin, "smallest": smallest}
    found = finished(panel, together, config, notes, report, record)
    return replace(found, config=model.config, ids=panel.ids, scaler=scaler)


def newer_rows(panel: Panel, history: Panel) -> np.ndarray:
    """Return how many rows of each series are newer than those of a history, ``(series,)`` int64: all of a new one."""
    last = dict(zip(history.ids, history.last, strict=True))
    counts = [
        int((panel.times[panel.rows(i)] > last[name]).sum()) if name in last else int(panel.lengths[i])
        for i, name in enumerate(panel.ids)
    ]
    return np.array(counts, np.int64)


def _further_plan(plan: Plan, config: Config, newer: np.ndarray) -> tuple[Plan, np.ndarray]:
    """Return the plan with the validation rows that newer ones allow, and which series have enough of those."""
    whole = plan.whole_runs(plan.horizon)
    fresh = newer >= (config.validation or whole)
    if not fresh.any():
        raise DataError(
            f"{int(newer.max(initial=0))} newer rows are too few to train further on: {config.validation or whole} are "
            f"needed to validate forecasts of {plan.horizon} steps",
            "wait for more; forecaster predict --data FILE forecasts from them without training",
        )
    half = max(whole, min(plan.validation, int(newer[fresh].min()) // 2))
    return replace(plan, validation=config.validation or half), fresh


def _newer_notes(panel: Panel, model: Model, newer: np.ndarray, fresh: np.ndarray, plan: Plan) -> list[Note]:
    until = model.record["trained_until"][:19]
    notes = [
        Note("continued", f"{int(newer.sum()):,} newer rows", f"the model was trained on rows up to {until}"),
        Note("validation", f"newest {plan.validation} rows of each series", "the model has not seen them"),
    ]
    if not fresh.all():
        names = [panel.ids[i] for i in np.flatnonzero(~fresh)]
        reason = f"fewer newer rows than validation takes: {some(names)}"
        notes.append(Note("not newer", f"{len(names):,} of {len(panel):,} series not learned from", reason))
    gone = sorted(set(model.history.ids) - set(panel.ids))
    if gone:
        reason = f"no newer rows of {some(gone)}; the new model does not know them"
        notes.append(Note("left out", f"{len(gone):,} of {len(model.history):,} series", reason, warning=True))
    return notes
