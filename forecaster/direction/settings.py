"""Refuse settings and commands that do not apply to forecasts of direction."""

from __future__ import annotations

from forecaster.config import FIELDS, Config
from forecaster.errors import SettingError
from forecaster.words import command, setting

#: Settings that must keep their defaults, and why.
_FIXED = {
    "loss": "a direction has its own loss, the cross-entropy of its classes",
    "intervals": "a direction has probabilities instead of intervals",
    "output_steps": "a direction cannot be rolled forward, all steps are forecast at once",
    "members": "directions are forecast by one network",
    "lookbacks": "directions are forecast by one network",
}
#: Transformations that learn changes between rows, which would have to be summed to a direction.
_CHANGES = ("difference", "return", "validate")


def check_settings(config: Config) -> None:
    """Refuse settings that do not apply to the task.

    Raises:
        SettingError: names the setting.
    """
    if config.task == "value":
        if config.stay is not None:
            hint = f"add {setting('task', 'direction')}, or leave it out"
            raise SettingError(f"{setting('stay')} is for {setting('task', 'direction')}", hint)
        return
    for name, reason in _FIXED.items():
        if getattr(config, name) != FIELDS[name].default:
            hint = f"leave it out, and a {setting('recipe')} that sets it"
            raise SettingError(f"{setting(name)} does not go with {setting('task', 'direction')}: {reason}", hint)
    if config.network == "auto":
        hint = f"name one, such as {setting('network', 'lstm')}"
        raise SettingError(f"{setting('network', 'auto')} chooses by errors of values", hint)
    if config.transform in _CHANGES:
        raise SettingError(
            f"{setting('transform', config.transform)} does not go with {setting('task', 'direction')}: it learns "
            "changes between rows, but a direction compares levels",
            f"{setting('transform', 'auto')}, none, log or box-cox",
        )


def refuse_drawing(config: Config) -> None:
    """Refuse to draw a forecast of directions.

    Raises:
        SettingError: the model forecasts directions; the hint says what to draw instead.
    """
    if config.task == "direction":
        raise SettingError(
            "a model of directions has no curve to draw, only probabilities: 'forecaster predict' prints them",
            f"draw their reliability with: {command('evaluate', plot='reliability.png')}",
        )


def refuse_comparing(name: str, config: Config) -> None:
    """Refuse to compare a model of directions with others by errors of values.

    Raises:
        SettingError: the model forecasts directions; the hint says how to evaluate it.
    """
    if config.task == "direction":
        raise SettingError(
            f"'{name}' forecasts directions, which have no errors to compare",
            f"compare its accuracy with majority, persistence and a coin: {command('evaluate', model=name)}",
        )
