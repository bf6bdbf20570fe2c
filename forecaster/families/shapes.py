"""The shapes a network is built for, and the tensors its core reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shapes:
    """The shapes of the inputs and outputs of a network.

    The channels of a window are, in this order: the target, the calendar, covariates known beyond the cutoff, and
    covariates known until it, of which the last is the indicator where there is one.

    Attributes:
        lookback: input steps.
        steps: output steps of one run.
        calendar: calendar features per step.
        known: covariates known beyond the cutoff.
        past: channels known until the cutoff only, including the indicator.
        static: static numbers of each series.
        categories: number of categories of each group; codes run from 1 to that number, 0 is an unknown category.
        seasons: seasonal periods in steps, the main one first; 1 for none.
        indicator: the last channel is 1 where the target was observed and 0 where it is a placeholder.
        outputs: numbers forecast for each step: the point forecast, and any further parameters of the loss.
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
        """Numbers known of each step ahead: calendar and known covariates."""
        return self.calendar + self.known

    @property
    def channels(self) -> int:
        """Numbers known of each step up to the cutoff, including the target."""
        return 1 + self.features + self.past

    @property
    def season(self) -> int:
        """The main seasonal period."""
        return self.seasons[0]


@dataclass(frozen=True)
class Read:
    """The tensors a core reads.

    Attributes:
        window: the normalised target, ``(batch, lookback, 1)``.
        sequence: the window with calendar, covariates and indicator, ``(batch, lookback, channels)``.
        future: calendar and known covariates of the steps ahead, ``(batch, steps, features)``; None without any.
        context: static numbers and embedded categories of the series, ``(batch, numbers)``; None without any.
    """

    window: Any
    sequence: Any
    future: Any
    context: Any
