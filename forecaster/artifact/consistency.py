"""Check that the parts of a loaded model fit one another, before anything is computed with them.

Numbers that determine how much is computed are bounded by what the files hold: the lookback by the longest series of
the history, the horizon by the steps that intervals were learned for.
"""

from __future__ import annotations

import numpy as np

from forecaster.artifact.manifest import Manifest
from forecaster.config import Config
from forecaster.data.panel.panel import Panel
from forecaster.data.schema import COVARIATE_ROLES, Column
from forecaster.data.time.calendar import CYCLE_DAYS
from forecaster.data.time.freq import Freq
from forecaster.data.time.public_holidays import check_country
from forecaster.data.time.zones import check_zone
from forecaster.features.covariate_channels import Category, Channel, Number
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.direction_rule import Rule
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.intervals.conformal import Conformal

#: Largest cell of a covariate.
LARGEST = float(np.finfo(np.float32).max)


def check_plan(plan: Plan, config: Config, longest: int) -> None:
    """Refuse an invalid plan.

    Args:
        plan: of the model.
        config: likewise.
        longest: rows of the longest series of the history.

    Raises:
        ValueError: naming the invalid value.
        SettingError: likewise.
    """
    members = plan.members
    _check(bool(plan.seasons), "no season")
    _check(plan.steps <= plan.horizon, f"{plan.steps} steps of a horizon of {plan.horizon}")
    _check(plan.lookback <= longest, f"a lookback of {plan.lookback}, but {longest} rows")
    _check(plan.segment <= longest, f"segments of {plan.segment} steps, but {longest} rows")
    _check(plan.least <= plan.lookback, f"{plan.least} rows at least of a lookback of {plan.lookback}")
    _check(set(plan.cycles) <= CYCLE_DAYS.keys(), f"cycles {plan.cycles}")
    reach = max((member.lookback for member in members), default=plan.lookback)
    _check(reach == plan.lookback and len({m.name for m in members}) == len(members), "members of another lookback")
    for member in members:
        _check(member.segment <= member.lookback, f"segments of {member.segment} of {member.lookback} steps")
        member.applied(config)
    if plan.holidays:
        check_country(plan.holidays)


def check_parts(
    manifest: Manifest, scaler: Scaler, conformal: Conformal, weights: dict[str, np.ndarray], known: int
) -> None:
    """Refuse fitted parts that do not fit the plan or one another.

    Args:
        manifest: of the model.
        scaler: of ``known`` series.
        conformal: of the horizon.
        weights: of the network.
        known: series of the history that were trained on.

    Raises:
        ValueError: naming the part that does not fit.
        ModelError: likewise.
    """
    plan = manifest.plan
    _check(len(scaler.center) == known and scaler.kind == plan.transform, f"the scaling is of {len(scaler.center)}")
    _check(len(conformal.profile) == plan.horizon, f"intervals of {len(conformal.profile)} steps")
    _check(len(plan.members) <= len(weights), "members without weights")
    if manifest.config.task == "direction":
        _check(len(Rule.of_weights(weights).thresholds) == plan.horizon, "directions of another horizon")


def check_panel(panel: Panel, encoder: Encoder) -> None:
    """Refuse a history whose covariates are not those of the encoder, or whose freq or zone is invalid.

    Raises:
        ValueError: naming the invalid part.
        SettingError: likewise.
    """
    roles = [COVARIATE_ROLES.index(column.role) for column in panel.columns]
    past, future, static = (panel.of_role(role) for role in COVARIATE_ROLES)
    dated = Freq.of(panel.freq).pace.unit != "step"
    _check(dated == (panel.times.dtype.kind == "M"), f"freq {panel.freq} of times that are none")
    _check(not panel.zone or check_zone(panel.zone) == panel.zone, f"zone {panel.zone}")
    _check(roles == sorted(roles), "covariates in no order")
    _check(tuple(column.name for column in panel.columns) == encoder.columns, "covariates of another name")
    _check(panel.static.shape == (len(panel), len(static)), f"static covariates {panel.static.shape}")
    if panel.beyond is not None:
        _check(panel.beyond.ndim == 3 and panel.beyond.shape[::2] == (len(panel), len(future)), "future covariates")
    for channels, columns in (
        (encoder.past_channels, past),
        (encoder.known_channels, future),
        (encoder.static_channels, static),
        (encoder.static_categories, static),
    ):
        for channel in channels:
            _check(channel.place < len(columns) and _fits(channel, columns[channel.place]), f"channel {channel.name}")


def _fits(channel: Channel, column: Column) -> bool:
    """Return True if a channel may have been fitted on such a column."""
    if isinstance(channel, Number):
        held = -LARGEST <= channel.low <= channel.high <= LARGEST
        return column.categories is None and channel.scale > 0 and channel.unit >= 0 and held
    if isinstance(channel, Category):
        return column.categories is not None and max(channel.codes, default=0) < max(1, len(column.categories))
    return True


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"{what}: this is invalid")
