"""The pretrained network beside the trained one: fine-tuned if validation rows favour that, and averaged with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.artifact.model import PretrainedPart
from forecaster.data.panel.panel import Panel
from forecaster.engines.combined import CombinedEngine
from forecaster.engines.keras import calibration_engine
from forecaster.features.gain_test import STEADY_BEST, gain_t_statistic, needed_gain
from forecaster.features.inputs import with_causal_placeholders
from forecaster.features.windows import Windows
from forecaster.fitting.ensemble import Ensemble, errors_of
from forecaster.intervals.calibration import is_not_constant, score_validation
from forecaster.intervals.uncertainty import error_units
from forecaster.notes import Note
from forecaster.pretrained.inputs import LEAST
from forecaster.pretrained.outside import Outside, cutoffs_before
from forecaster.pretrained.stored import engine_of_bytes, onnx_of, pretrained_bytes, read_manifest
from forecaster.pretrained.windows import Cutoffs, rows_before
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import retry_once_after_interrupt
from forecaster.training.phases import Progress
from forecaster.words import plural, setting

if TYPE_CHECKING:
    from forecaster.intervals.conformal import Conformal
    from forecaster.pretrained.tune import Tuning

#: Training windows that it is fine-tuned on: at least, and at most, beyond which they are thinned; and validation
#: windows that choose the epoch.
LEAST_TUNED, MOST_TUNED, CHOOSING = 300, 3_000, 500
#: Shares of the pretrained network that are compared.
SHARES = np.linspace(0.0, 1.0, 41).tolist()
#: Validation windows that the average is found and scored on; more are thinned.
SCORED = 2_000
#: Share of the gain that training needs, which is enough here: what is tuned by luck stays near what it was tuned from.
EASIER = 0.5
#: Epochs of a training for each epoch of fine-tuning.
SLOWER = 2


def join_pretrained(ensemble: Ensemble, progress: FitProgress, kept: bytes | None = None) -> None:
    """Average trained networks with the pretrained one; the validation rows find its share.

    Where there are :data:`LEAST_TUNED` training windows it is fine-tuned first, and that is kept where it lowers the
    validation loss by half of what training has to, see :func:`forecaster.features.gain_test.needed_gain`.

    Args:
        ensemble: the trained networks; its scores and intervals become those of the average.
        progress: of the fit.
        kept: the ONNX file of the network of a model that is trained further, which stays as it is.
    """
    data, split = ensemble.data, ensemble.data.split
    panel, runs = with_causal_placeholders(split.panel), [fit.run for fit in ensemble.fits]
    content, tuned = kept or pretrained_bytes(), None
    if kept is None and not ensemble.interrupted:
        try:
            tuned = _tune(ensemble, panel, progress)
            runs[0].interrupted |= bool(tuned and tuned.interrupted)
            if tuned and tuned.epoch:
                manifest = read_manifest()
                content = onnx_of(tuned.network, manifest.units, manifest.width)[1]
        except KeyboardInterrupt:
            tuned, runs[0].interrupted = None, True
    outside = Outside(engine_of_bytes(content), panel, split.padding, data.scaler, data.plan)
    share = retry_once_after_interrupt(lambda: _average(ensemble, outside, content), runs)
    progress.notes.append(_note(ensemble, share, tuned, kept is not None))


def _tune(ensemble: Ensemble, panel: Panel, progress: FitProgress) -> Tuning | None:
    """Return the fine-tuned network, with the pretrained weights where its gain may be luck; None for few windows."""
    from forecaster.pretrained.tune import tune, tuning_windows

    data, plan = ensemble.data, ensemble.data.plan
    config = data.config

    def windows_of(windows: Windows, most: int) -> tuple[Windows, Cutoffs]:
        """Return at most so many windows, those with the rows before them that the network needs."""
        some = windows.thinned(most)
        cutoffs = cutoffs_before(panel, data.split.padding, some.starts)
        long = np.flatnonzero(cutoffs.lengths >= LEAST)
        return some.only(long), cutoffs.only(long)

    def report(epoch: int, loss: float) -> None:
        if progress.report:
            left = (time.monotonic() - began) / epoch * (epochs - epoch)
            progress.report(Progress("fine-tuning", epoch, epochs, loss, None, left))

    began, epochs = time.monotonic(), -(-config.epochs // SLOWER)
    training, learned = windows_of(data.split.training, MOST_TUNED)
    choosing, held = windows_of(data.split.validation, CHOOSING)
    if len(training) < LEAST_TUNED or not len(choosing):
        return None
    arrays, apart = (tuning_windows(cutoffs, plan.season, plan.steps) for cutoffs in (learned, held))
    found = tune(arrays, apart, epochs, config.seed, report)
    before, after = found.before.mean(), found.after.mean()
    needed = EASIER * needed_gain(config, plan, data.panel)
    lucky = gain_t_statistic(found.before, found.after, choosing) < STEADY_BEST
    if not after < before * (1 - needed) and lucky:
        found.epoch = 0
    return found


def _average(ensemble: Ensemble, outside: Outside, content: bytes) -> float:
    """Find and return the share of the pretrained network, and score the average."""
    data, plan, config = ensemble.data, ensemble.data.plan, ensemble.data.config
    split = data.split.reading(ensemble.lookback).with_outside(outside)
    split.validation, split.scored = split.validation.thinned(SCORED), split.scored.thinned(SCORED)
    units = error_units(data.scaler)[split.validation.series()][:, None]
    trained, pretrained = (
        errors_of(CombinedEngine(ensemble.engine, share), split.validation).reshape(-1, plan.steps) / units
        for share in (0.0, 1.0)
    )
    alive = is_not_constant(split.panel, split.padding, plan.validation)[split.validation.series()]
    share = find_share(trained[alive], pretrained[alive], split.validation.only(np.flatnonzero(alive)))
    ensemble.pretrained = PretrainedPart(content, share, rows_before(plan.season))
    calibrating = calibration_engine(ensemble.engine, ensemble.network, config)

    def score(share: float) -> tuple[dict[str, Any], Conformal]:
        return score_validation(config, CombinedEngine(calibrating, share), split, data.scaler, plan)

    alone = {"trained": score(0.0), "pretrained": score(1.0)}
    ensemble.alone = {name: found[0]["mase"]["network"] for name, found in alone.items()}
    ensemble.scores, ensemble.conformal = score(share)
    return share


def find_share(trained: np.ndarray, pretrained: np.ndarray, windows: Windows) -> float:
    """Return the weight of the pretrained network from errors on validation windows.

    It is the one of the least mean absolute error, which few far readings do not decide as they would the least
    squares, drawn towards a half, which few errors seldom improve on, by ``1 / (1 + t^2)``: ``t`` is the gain over a
    half in standard errors, of separate spans, see :func:`forecaster.features.gain_test.gain_t_statistic`. So much is
    the part of a squared gain that its variance explains (Stein 1956; Efron & Morris 1973, JASA 68(341)).

    Args:
        trained: errors of the trained networks in units of each series, ``(windows, steps)``; 0 where nothing was
            observed.
        pretrained: likewise, of the pretrained one.
        windows: the windows.
    """

    def losses(share: float) -> np.ndarray:
        return np.asarray(np.abs(trained + share * (pretrained - trained)).mean(axis=1))

    if not len(windows):
        return 0.5
    best = float(min(SHARES, key=lambda share: losses(share).mean()))
    square = max(0.0, gain_t_statistic(losses(0.5), losses(best), windows)) ** 2
    return 0.5 + (best - 0.5) * square / (1 + square)


def _note(ensemble: Ensemble, share: float, tuned: Tuning | None, kept: bool) -> Note:
    mase = ensemble.scores["mase"]["network"]
    if tuned is None:
        why = "the training was interrupted" if ensemble.interrupted else "few windows to tune it on"
        how = "as the model has it" if kept else f"as it comes: {why}"
    elif tuned.epoch:
        gain = 1 - tuned.after.mean() / tuned.before.mean()
        how = f"fine-tuned for {plural(tuned.epoch, 'epoch')}, validation loss {gain:.1%} lower"
    else:
        how = "as it comes: fine-tuning did not help"
    alone = f"{ensemble.alone['trained']:.3f} the trained network alone, {ensemble.alone['pretrained']:.3f} this one"
    reason = f"{how}; validation MASE {mase:.3f} together, {alone}; {setting('start')}"
    return Note("pretrained", f"share {share:.2f}", reason)
