"""The one loop over candidates: order, budget, Ctrl-C, divergence, and the table of what was tried."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Config
from forecaster.data.panel.build import build_panel
from forecaster.direction.member_fit import fit_member
from forecaster.errors import DivergedError
from forecaster.features.plan import make_plan
from forecaster.fitting.candidates import Budget, Candidate, Tried, row_of, try_candidates, validation_mase
from forecaster.training.fit_progress import FitProgress
from forecaster.training.member_fit import TrainingData


def fit_of(mase=1.0, interrupted=False):
    network = SimpleNamespace(count_params=lambda: 7)
    return SimpleNamespace(
        scores={"mase": {"network": mase}},
        run=SimpleNamespace(interrupted=interrupted),
        loss=mase / 10,
        seconds=1.26,
        trainer=SimpleNamespace(network=network),
    )


@pytest.fixture
def begun():
    """Return the names of the candidates that were begun."""
    return []


@pytest.fixture
def candidates(begun):
    """Return a function that makes candidates from outcomes: a fit, or an error to raise."""

    def make(**outcomes):
        def run(name, outcome):
            begun.append(name)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return [Candidate(name, lambda name=name, out=out: run(name, out)) for name, out in outcomes.items()]

    return make


def test_candidates_are_fitted_in_order_and_divergence_leaves_one_out(candidates, begun):
    first, last = fit_of(), fit_of()
    tried = try_candidates(candidates(a=first, b=DivergedError("NaN"), c=last))
    assert begun == ["a", "b", "c"] and tried.fits == [first, last] and not tried.skipped and not tried.interrupted
    [note] = tried.notes("networks")
    assert (note.value, note.reason, note.warning) == ("1 of 3 networks left out", "b: NaN", True)


def test_an_error_says_that_all_diverged(candidates):
    with pytest.raises(DivergedError, match=r"none of 2 is left; a: NaN") as error:
        try_candidates(candidates(a=DivergedError("NaN", "try less"), b=DivergedError("inf")))
    assert error.value.hint == "try less"


def test_other_errors_end_the_loop(candidates, begun):
    with pytest.raises(ZeroDivisionError):
        try_candidates(candidates(a=fit_of(), b=ZeroDivisionError(), c=fit_of()))
    assert begun == ["a", "b"]


def test_ctrl_c_keeps_the_fits_so_far_and_skips_the_rest(candidates, begun):
    first = fit_of()
    tried = try_candidates(candidates(a=first, b=KeyboardInterrupt(), c=fit_of()))
    assert tried.fits == [first] and first.run.interrupted and tried.interrupted
    assert begun == ["a", "b"] and tried.skipped == ["c"] and list(tried.outcomes) == ["a"]


def test_ctrl_c_within_a_fit_that_keeps_its_best_epoch_is_the_last(candidates, begun):
    cut = fit_of(interrupted=True)
    tried = try_candidates(candidates(a=fit_of(), b=cut, c=fit_of()))
    assert tried.fits[-1] is cut and tried.interrupted and begun == ["a", "b"] and tried.skipped == ["c"]


@pytest.mark.parametrize("before", [{}, {"a": DivergedError("NaN")}])
def test_ctrl_c_before_there_is_a_fit_ends_it(candidates, before):
    with pytest.raises(KeyboardInterrupt):
        try_candidates(candidates(**before, b=KeyboardInterrupt(), c=fit_of()))


def test_what_was_tried_before_is_not_tried_again(candidates, begun):
    tried = Tried({"a": DivergedError("NaN"), "b": fit_of()})
    assert try_candidates(candidates(a=fit_of(), b=fit_of(), c=fit_of()), tried) is tried
    assert begun == ["c"] and list(tried.outcomes) == ["a", "b", "c"] and list(tried.diverged) == ["a"]


def test_enough_fits_end_the_loop_and_those_that_diverge_do_not_count(candidates, begun):
    tried = try_candidates(candidates(a=DivergedError("NaN"), b=fit_of(), c=fit_of()), enough=1)
    assert begun == ["a", "b"] and tried.skipped == ["c"]


@pytest.mark.parametrize(("seconds", "fitted"), [(10, 1), (20, 2), (29, 2), (30, 3), (99, 4)])
def test_no_candidate_begins_once_less_time_is_left_than_the_last_took(seconds, fitted):
    clock = [100.0]

    def work():
        clock[0] += 10
        return fit_of()

    budget = Budget(seconds, clock[0], lambda: clock[0])
    tried = try_candidates([Candidate(name, work) for name in "abcd"], budget=budget)
    assert list(tried.outcomes) == list("abcd")[:fitted] and tried.skipped == list("abcd")[fitted:]


def test_a_budget_counts_what_was_tried_before_it(candidates, begun):
    tried = Tried({"a": fit_of()})
    budget = Budget(50, 0.0, lambda: 26.0)  # the first took 26 seconds, so that 24 are left
    try_candidates(candidates(a=fit_of(), b=fit_of()), tried, budget=budget)
    assert begun == [] and tried.skipped == ["b"]


def test_the_table_has_a_row_for_each():
    tried = Tried({"a": DivergedError("NaN"), "b": fit_of(0.5)})
    empty = dict.fromkeys(("mase", "loss", "seconds", "parameters")) | {"chosen": False, "diverged": False}
    assert tried.rows() == [
        empty | {"diverged": True, "name": "a"},
        empty | {"mase": 0.5, "loss": 0.05, "seconds": 1.3, "parameters": 7, "name": "b"},
    ]
    assert row_of("naive", mase=2.0) == empty | {"mase": 2.0, "name": "naive"}


@pytest.mark.tensorflow
def test_settings_can_be_tuned_without_another_loop():
    """As a tuner would: a panel and settings are a candidate, and training knows nothing of it."""
    steps = np.arange(120)
    values = 20 + 5 * np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.5, 120)
    table = pd.DataFrame({"month": pd.date_range("2000-01-01", periods=120, freq="MS"), "y": values})
    config = Config.of(network="nlinear", horizon=3, epochs=1)
    panel, _ = build_panel(table, config)
    seen = []
    progress = FitProgress(report=seen.append)

    def candidate(rate):
        own = config.replace(learning_rate=rate)
        data = TrainingData(panel, own, make_plan(panel, own)[0])
        return Candidate(f"{rate:g}", lambda: fit_member(data, data.members[0], progress))

    tried = try_candidates([candidate(rate) for rate in (0.01, 0.001)])
    assert [fit.config.learning_rate for fit in tried.fits] == [0.01, 0.001] and len(seen) == 2
    assert [row["mase"] for row in tried.rows()] == [validation_mase(fit) for fit in tried.fits]
    assert all(row["parameters"] > 0 and row["name"] in ("0.01", "0.001") for row in tried.rows())
