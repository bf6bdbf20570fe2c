"""What a network must fit, and what its core reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shapes:
    """What a network must fit.

    The channels of a window are, in this order: the target, the calendar, covariates known beyond the cutoff, and
    covariates known until it, of which the last is the indicator where there is one.

    Attributes:
        lookback: input steps.
        steps: output steps of one run.
        calendar: calendar features per step.
        known: covariates known beyond the cutoff.
        past: channels known until the cutoff only, the indicator among them.
        static: numbers known of each series.
        categories: how many categories each group has; codes run from 1 to that number, and 0 is an unknown one.
        seasons: seasonal periods in steps, the main one first; 1 for none.
        indicator: the last channel is 1 where the target was observed and 0 where it is a placeholder.
        outputs: numbers forecast for each step: the point forecast, and what else the loss asks for.
    """

    lookback: int
    steps: int
    calendar: int = 0
    known: int = 0
    past: int = 0
    static: int = 0
    categories: tuple[int, ...] = ()
    seasons: tuple[int, ...] = (1,)
    indicator: bool = False
    outputs: int = 1

    @property
    def features(self) -> int:
        """What is known of each step to come: calendar and known covariates."""
        return self.calendar + self.known

    @property
    def channels(self) -> int:
        """What is known of each step until the cutoff, the target included."""
        return 1 + self.features + self.past

    @property
    def season(self) -> int:
        """The main seasonal period."""
        return self.seasons[0]


@dataclass(frozen=True)
class Read:
    """What a core reads.

    Attributes:
        window: the normalised target, ``(batch, lookback, 1)``.
        sequence: the same, the calendar, the covariates and the indicator, ``(batch, lookback, channels)``.
        future: calendar and known covariates of the steps to come, ``(batch, steps, features)``; None without any.
        context: what is known of the series as a whole, ``(batch, numbers)``; None without any.
    """

    window: Any
    sequence: Any
    future: Any
    context: Any
