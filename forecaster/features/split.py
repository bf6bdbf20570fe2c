"""Split windows by time: training, validation, scoring over the whole horizon, and all of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from forecaster.data.panel.panel import Panel
from forecaster.errors import DataError
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.direction_rule import known_cutoffs
from forecaster.features.inputs import padded_panel, window_maker
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.features.windows import OutsideForecast, Windows
from forecaster.words import setting

#: Most windows that validation uses; more are thinned.
VALIDATION_WINDOWS = 5_000


class Split:
    """Windows by time: for training, for choosing the epoch, for scoring over the whole horizon, and all of them.

    Args:
        panel: the series.
        scaler: fitted on the rows before validation.
        encoder: likewise.
        plan: the sizes and inputs of the networks.
        from_readings: True leaves out the windows without a reading at the cutoff.
    """

    def __init__(self, panel: Panel, scaler: Scaler, encoder: Encoder, plan: Plan, from_readings: bool = False) -> None:
        before = plan.lookback - plan.least if plan.padded else 0
        self.panel, self.padding = padded_panel(panel, panel.lengths + before, plan.season)
        every = window_maker(self.panel, self.padding, scaler, encoder, plan)

        def windows(steps: int, newest: tuple[int | None, int]) -> Windows:
            return known_cutoffs(every(steps, newest)) if from_readings else every(steps, newest)

        self.training = windows(plan.steps, (None, plan.validation))
        self.validation = windows(plan.steps, (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.scored = windows(plan.whole_runs(plan.horizon), (plan.validation, 0)).thinned(VALIDATION_WINDOWS)
        self.everything = windows(plan.steps, (None, 0))
        for part, what in ((self.training, "for training"), (self.scored, "for validation")):
            if not len(part):
                raise DataError(
                    f"too many readings are missing: no run of {plan.lookback + plan.horizon} rows {what} has gaps "
                    f"of at most {plan.max_missing_run} rows",
                    f"fill them with {setting('gaps', 'fill')}, or use a shorter {setting('lookback')} "
                    f"and {setting('horizon')}",
                )

    def reading(self, lookback: int) -> Split:
        """Return the same windows with only their newest ``lookback`` input steps."""
        return self._each(lambda windows: windows.reading(lookback))

    def with_outside(self, outside: OutsideForecast) -> Split:
        """Return the same windows, whose inputs hold forecasts made outside the network."""
        return self._each(lambda windows: windows.with_outside(outside))

    def _each(self, change: Callable[[Windows], Windows]) -> Split:
        changed = copy(self)
        for name in ("training", "validation", "scored", "everything"):
            setattr(changed, name, change(getattr(self, name)))
        return changed
