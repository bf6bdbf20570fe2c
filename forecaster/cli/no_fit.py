"""A table given by position, which is forecast with no fit unless a model is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from forecaster.cli.output import say_notes

if TYPE_CHECKING:
    from forecaster.api.forecaster import Forecaster

table_argument = click.argument("table", metavar="[DATA]", required=False)


def is_model_named() -> bool:
    """Return True if the command line or the environment names a model."""
    return click.get_current_context().get_parameter_source("model") is not ParameterSource.DEFAULT


def table_alone(
    table: str | None, data: str | None, settings: Mapping[str, Any], fitted: Mapping[str, Any]
) -> str | None:
    """Return the table given by position if no model is named: it is forecast with no fit. Otherwise None.

    Args:
        table: the table given by position, if any.
        data: the one given with ``--data``, if any.
        settings: how to read a table, as given; a model has settings of its own.
        fitted: values of flags that need a fitted model, by the name of the flag; empty ones were not given.

    Raises:
        SettingError: the readings are given twice, or a flag does not apply.
    """
    from forecaster.errors import SettingError

    context = click.get_current_context()
    if table is not None and data is not None:
        raise SettingError(f"the readings are given twice: '{table}' and --data '{data}'", "leave one of them out")
    if table is None or is_model_named():
        for name in settings:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise SettingError(
                    f"--{name} is for readings given by position and forecast with no fit: a model has its own",
                    f"leave it out; or, with no model: forecaster predict DATA --{name} ...",
                )
        return None
    for name, value in fitted.items():
        if value:
            raise SettingError(
                f"--{name} needs a fitted model, and '{table}' alone is forecast with no fit",
                f"leave it out, or fit a model: forecaster fit DATA, then forecaster {context.info_name} --{name} ...",
            )
    return table


def say_unused_model(model: str, quiet: bool) -> None:
    """Say that the model at the default place is not used, if there is one."""
    from forecaster.notes import Note

    if Path(model).exists():
        say_notes(
            [Note("model", "none", f"a table alone is forecast with no fit; --model {model} uses that one")], quiet
        )


def load_forecaster(model: str, **options: bool) -> Forecaster:
    """Read a model, with options of ``Forecaster.load``; where there is none, the hint names the way that needs none.

    Raises:
        NotFoundError: there is no model.
        ModelError: it is damaged, altered, incomplete or newer than this version.
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.errors import NotFoundError

    try:
        return Forecaster.load(model, **options)
    except NotFoundError as error:
        with_none = f"with no model: forecaster {click.get_current_context().info_name} DATA"
        raise NotFoundError(error.message, f"{error.hint}; or {with_none}") from None
