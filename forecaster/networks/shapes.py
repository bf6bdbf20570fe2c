"""What a network must fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shapes:
    """What a network must fit.

    Attributes:
        lookback: input steps.
        steps: output steps of one run.
        features: calendar features per step; 0 for none.
        season: seasonal period in steps; 1 for none.
    """

    lookback: int
    steps: int
    features: int = 0
    season: int = 1
