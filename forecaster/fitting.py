"""From a panel and a configuration to a trained model: plan, scale, train, calibrate, score, export."""

from __future__ import annotations

import math
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact import Model
from forecaster.config import Config
from forecaster.data.calendar import calendar_features
from forecaster.data.panel import Panel
from forecaster.errors import DataError, DivergedError, ForecasterError, ModelError
from forecaster.evaluation.intervals import Conformal
from forecaster.evaluation.metrics import seasonal_scale, skill
from forecaster.inference import Engine, OnnxEngine, roll_forward
from forecaster.networks.candidates import initial_mix
from forecaster.networks.factory import build_network
from forecaster.networks.shapes import Shapes
from forecaster.notes import Note, some
from forecaster.planning import Plan, make_plan
from forecaster.quiet import quiet_native, start_keras
from forecaster.scaling import Scaler
from forecaster.training import Report, Run, Trainer, device_name, seed_everything, steps_per_epoch
from forecaster.windowing import Windows

if TYPE_CHECKING:
    import keras

#: Windows that the mix starts from, that validation looks at, and that engines are compared on; more are thinned.
MIX_WINDOWS, VALIDATION_WINDOWS, COMPARED_WINDOWS = 5_000, 5_000, 256
#: Size of the largest reading, and its inverse, beyond which float64 arithmetic on squares gives out.
SMALLEST = 1e-100
#: Windows in a batch at least.
LEAST_BATCH = 8
#: Gain over the untrained network that is asked for, for one separate stretch of validation rows; see _needed_gain.
NEEDED_GAIN = 0.2
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
    plan, found = make_plan(panel, config)
    _refuse_unusable(panel)
    notes.extend(found)
    learned = _long_enough(panel, plan, notes)
    scaler = Scaler.fit(learned.drop_newest(plan.validation), plan.log, plan.season)
    values = np.column_stack([scaler.transform(learned), calendar_features(learned.times, plan.cycles)])
    split = _Split(values, learned, plan)
    start_keras()
    seed_everything(config.seed)
    notes.append(Note("device", device_name(), "chosen by TensorFlow"))
    trainer = _trainer(config, plan, split)
    run = trainer.validation_run(
        split.training,
        split.validation,
        config.epochs,
        config.patience,
        needed_gain=_needed_gain(config, plan, learned),
        reference=_reference(config, plan, split.validation),
        report=report,
    )
    if run.interrupted and not run.history["loss"]:
        raise KeyboardInterrupt
    scores, conformal = _score(trainer.engine, split, scaler, learned, plan)
    final = config.final and not run.interrupted
    if final:
        final = trainer.final_run(split.everything, run, _mix(config, plan, split.everything), report)
        run.interrupted = not final
    notes.append(_training_note(run, final))
    onnx = export_onnx(trainer.network)
    _check_outputs(trainer.engine, onnx, split.everything)
    return Model(
        config=config,
        plan=plan,
        ids=learned.ids,
        scaler=scaler,
        conformal=conformal,
        onnx=onnx,
        weights={v.path: v.numpy() for v in trainer.network.weights},
        history=panel.keep_newest(max(HISTORY_ROWS, plan.lookback)),
        record=_record(panel, learned, run, scores, final, notes),
    )


def rebuild(model: Model) -> keras.Model:
    """Return the trained Keras network, built from the configuration and given the stored weights.

    Raises:
        ModelError: a weight is missing, unknown or of another shape.
    """
    start_keras()
    network = build_network(_resolved(model.config, model.plan), _shapes(model.plan))
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


class _Split:
    """Windows by time: to learn from, to choose the epoch by, to score at the whole horizon, and all of them."""

    def __init__(self, values: np.ndarray, panel: Panel, plan: Plan) -> None:
        def windows(steps: int, newest: tuple[int | None, int]) -> Windows:
            return Windows(values, plan.lookback, steps, panel.offsets, panel.observed, newest)

        self.training = windows(plan.steps, (None, plan.validation))
        self.validation = windows(plan.steps, (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.scored = windows(plan.whole_runs(plan.horizon), (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.everything = windows(plan.steps, (None, 0))


def _refuse_unusable(panel: Panel) -> None:
    largest = float(np.abs(panel.values).max())
    if not _moving(panel).any():
        what = (
            f"'{panel.roles.target}' is {panel.values[0]:g} in every row"
            if len(panel) == 1
            else "no series ever changes"
        )
        raise DataError(f"nothing to learn: {what}", "choose another column with --target")
    if not SMALLEST < largest < 1 / SMALLEST:
        raise DataError(f"the largest value of '{panel.roles.target}' is {largest:g}", "write it in another unit")


def _long_enough(panel: Panel, plan: Plan, notes: list[Note]) -> Panel:
    """Return the series with at least one window to learn from and one to validate on."""
    needed = plan.lookback + plan.horizon + plan.validation
    dead = int((~_moving(panel)).sum())
    if dead:
        reason = "no change in any row: they do not count for the intervals, and are given none"
        notes.append(Note("constant", f"{dead} of {len(panel)} series", reason, warning=True))
    long = panel.lengths >= needed
    if long.all():
        return panel
    short = [name for name, ok in zip(panel.ids, long, strict=True) if not ok]
    notes.append(
        Note(
            "short series",
            f"{len(short)} of {len(panel)}",
            f"not learned from, fewer than {needed} rows: {some(short)}",
            True,
        )
    )
    return panel.take(np.repeat(long, panel.lengths))


def _resolved(config: Config, plan: Plan) -> Config:
    return config.replace(segment=plan.segment)


def _shapes(plan: Plan) -> Shapes:
    return Shapes(plan.lookback, plan.steps, plan.features, plan.season)


def _trainer(config: Config, plan: Plan, split: _Split) -> Trainer:
    batch_size = min(config.batch_size, max(LEAST_BATCH, len(split.training)))
    decay = config.epochs * steps_per_epoch(len(split.training), batch_size)
    network = build_network(_resolved(config, plan), _shapes(plan), _mix(config, plan, split.training), decay)
    return Trainer(network, batch_size, config.seed, config.averaging)


def _mix(config: Config, plan: Plan, windows: Windows) -> np.ndarray | None:
    """Return the mix of simple forecasts that fits the windows best; None where the network has none."""
    if config.base != "mix":
        return None
    few = windows.thinned(MIX_WINDOWS)
    return initial_mix(few.inputs()[:, :, 0], few.targets(), plan.season, few.target_weights())


def _needed_gain(config: Config, plan: Plan, panel: Panel) -> float:
    """Return the share by which training must lower the validation loss of the simple forecast it starts from.

    Validation rows hold ``rows / horizon`` separate stretches, and a mean over so many fluctuates by one over their
    root; a gain far inside that is more likely to be luck than skill.
    """
    if config.base == "none":
        return 0.0
    return NEEDED_GAIN * min(1.0, (plan.horizon / (plan.validation * len(panel))) ** 0.5)


def _seasonal_naive(windows: Windows, season: int, horizon: int) -> np.ndarray:
    """Return the value one season before each target step, ``(windows, horizon)``; NaN before the series begins."""
    rows = windows.starts[:, None] - season + np.arange(horizon) % season
    begun = rows >= windows.offsets[windows.series()][:, None]
    return np.where(begun, windows.values[np.maximum(rows, 0), 0], np.float32(np.nan))


def _reference(config: Config, plan: Plan, validation: Windows) -> float:
    """Return the validation loss of the seasonal naive forecast, on the windows that it can forecast."""
    from forecaster.networks.losses import LOSSES

    forecast, target = _seasonal_naive(validation, plan.season, plan.steps), validation.targets()
    weights = validation.target_weights()
    known = np.isfinite(forecast) * (1.0 if weights is None else weights)
    forecast = np.nan_to_num(forecast)
    return float(LOSSES[config.loss]()(target[:, :, None], forecast[:, :, None], sample_weight=known))


def _score(engine: Engine, split: _Split, scaler: Scaler, panel: Panel, plan: Plan) -> tuple[dict[str, Any], Conformal]:
    """Return the scores on validation windows, beside naive and seasonal naive, and the interval scores."""
    windows, series, training = split.scored, split.scored.series(), panel.drop_newest(plan.validation)
    past, target, weights = windows.inputs(), windows.targets()[:, : plan.horizon], windows.target_weights()
    observed = np.ones(target.shape, bool) if weights is None else weights[:, : plan.horizon] > 0
    forecasts = {
        "network": roll_forward(engine, past, windows.known(), plan.steps)[:, : plan.horizon],
        "seasonal-naive": _seasonal_naive(windows, plan.season, plan.horizon),
        "naive": np.repeat(past[:, -1:, 0], plan.horizon, axis=1),
    }
    moving = _moving(training)
    spread = np.where(scaler.spread > 0, scaler.spread, 1.0)
    residuals = (target - forecasts["network"]) / spread[series][:, None]
    counted = observed & moving[series][:, None]
    conformal = Conformal.fit(residuals, counted, _stretches(residuals, counted, windows, plan))
    units = np.array([seasonal_scale(training.values[r], plan.season, training.observed[r]) for r in _rows(training)])
    actual = scaler.inverse(target, series)
    mase = {}
    for name, forecast in forecasts.items():
        errors = np.abs(scaler.inverse(forecast, series) - actual) / units[series][:, None]
        errors = errors[observed & np.isfinite(errors)]
        mase[name] = float(errors.mean()) if errors.size else math.nan
    skills = {name: skill(mase["network"], mase[name]) for name in ("seasonal-naive", "naive")}
    return {"windows": len(windows), "mase": mase, "skill": skills}, conformal


def _stretches(residuals: np.ndarray, counted: np.ndarray, windows: Windows, plan: Plan) -> float:
    """Return how many independent values the errors of each step are worth.

    ``n (1 - r) / (1 + r)`` of ``n`` windows whose neighbours' errors correlate by ``r``, the effective size of an
    autoregressive sample (Bayley & Hammersley 1946, JRSS Supplement 8(2)); no fewer than the separate stretches of one
    horizon that the rows hold. The correlation is about zero, not about the mean, so that a steady bias counts too.
    """
    series = windows.series()
    errors = np.where(counted, residuals, 0.0)
    pairs = (series[1:] == series[:-1])[:, None] & counted[1:] & counted[:-1]
    power = float((errors**2 * counted).sum()) / max(1, counted.sum())
    shared = float((errors[1:] * errors[:-1] * pairs).sum()) / max(1, pairs.sum())
    r = min(max(shared / power, 0.0), 0.999) if power > 0 else 0.0
    alive = len(np.unique(series[counted.any(axis=1)]))
    return max(alive * plan.validation / plan.horizon, counted.any(axis=1).sum() * (1 - r) / (1 + r))


def _rows(panel: Panel) -> list[slice]:
    return [panel.rows(i) for i in range(len(panel))]


def _moving(panel: Panel) -> np.ndarray:
    """Return which series are not constant, ``(series,)`` bool."""
    return np.array([np.ptp(panel.values[r]) > 0 for r in _rows(panel)], bool)


def _training_note(run: Run, final: bool) -> Note:
    how = f"{'Ctrl-C after' if run.interrupted else 'of'} {len(run.history['loss'])} epochs of {run.epoch_steps} steps"
    if not run.best_epoch:
        kept = "the simple forecast it starts from" if run.gain < run.needed_gain else "the untrained network"
        why = f"the best {how} lowered its validation loss by {run.gain:.1%}, {run.needed_gain:.1%} is asked"
        return Note("training", f"{kept} is kept", why, warning=True)
    then = "; then as many once more on all rows" if final else "; not trained again on the validation rows"
    return Note("training", f"best epoch {run.best_epoch}", how + then, warning=run.interrupted)


def _check_outputs(engine: Engine, onnx: bytes, windows: Windows) -> None:
    """Refuse a network whose forecasts are beyond reason, or whose two engines disagree."""
    few = windows.thinned(COMPARED_WINDOWS)
    past, future = few.inputs(), few.known()
    found = engine.run(past, future)
    largest = float(np.abs(found).max())
    if not largest <= BEYOND_REASON:
        raise DivergedError(
            f"training diverged: the network forecasts up to {largest:.2g} deviations from the mean of the readings",
            "try --activation tanh, a smaller --learning-rate, --clipnorm 1, or a shorter --lookback",
        )
    apart = float(np.abs(OnnxEngine(onnx).run(past, future) - found).max())
    if not apart <= ENGINE_TOLERANCE:
        raise ForecasterError(
            f"the exported network differs from Keras by {apart:.2g} deviations, more than {ENGINE_TOLERANCE:g}",
            "this is a bug worth reporting; nothing was written",
        )


def _record(
    panel: Panel, learned: Panel, run: Run, scores: dict[str, Any], final: bool, notes: list[Note]
) -> dict[str, Any]:
    return {
        "trained_from": str(learned.times.min()),
        "trained_until": str(learned.times.max()),
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
