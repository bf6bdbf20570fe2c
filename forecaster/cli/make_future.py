"""``forecaster make-future``: the table of future covariates to fill in, without TensorFlow."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.no_fit import load_forecaster, table_alone, table_argument
from forecaster.cli.options import (
    force_option,
    horizon_option,
    model_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
    split_options,
)
from forecaster.cli.output import check_table, say, say_notes, write_table
from forecaster.data.writers import format_names

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from forecaster.data.panel.panel import Panel
    from forecaster.notes import Note


def hints_of(model: str, data: str | None) -> AbstractContextManager[None]:
    """Name the model and the data, if given, wherever a hint tells to run this command."""
    from forecaster.system.redaction import redact_address
    from forecaster.words import command_arguments

    given = None if model == "forecaster-model" else model
    return command_arguments("make-future", model=given, data=redact_address(data) if data else None)


@click.command("make-future")
@table_argument
@model_option
@horizon_option("How far to forecast: 10, 30d, 2027-01-31. [default: as trained, or usual for the freq]")
@click.option("--data", metavar="FILE", help="Newer rows of the same series, or other series. [default: the model's]")
@click.option("--output", metavar="FILE", default="-", help=f"{format_names()} file; - prints CSV. [default: -]")
@force_option
@quiet_option
@source_options
@setting_options("table")
def command(
    table: str | None,
    model: str,
    horizon: str | None,
    data: str | None,
    output: str,
    force: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the table that predict --future reads: a row for each series and future timestamp, a column a covariate.

    \b
    forecaster make-future sales.csv --output plan.csv
    forecaster make-future --horizon 10 --output future.csv
    forecaster make-future --data newer.csv --output future.parquet
    forecaster predict --horizon 10 --future future.csv

    Cells that the table of readings knew already are filled in; fill in the others.

    DATA alone needs no model: the table has every column of DATA that may be a future covariate, for fit --future;
    leave out those that will not be known. The flags from --time on say how DATA is read then.
    """
    from forecaster.data.panel.future_table import future_template
    from forecaster.data.readers.sources import read_table
    from forecaster.errors import SettingError
    from forecaster.words import plural

    check_table(output, force)
    source, settings = split_options(options)
    alone, place = table_alone(table, data, settings, {}), table if data is None else data
    frame = None if place is None else read_table(read_source(place, **source))
    if alone is not None and frame is not None:
        panel, ahead, notes = _read_alone(frame, alone, settings, horizon)
    else:
        forecaster = load_forecaster(model)
        panel, notes = forecaster.panel(frame)
        if not panel.of_role("future"):
            raise SettingError(
                f"the model '{model}' uses no future covariates: there is nothing to fill in",
                "forecast with: forecaster predict; or fit with --future-columns COLUMN, or --future FILE",
            )
        ahead = forecaster.steps_ahead(panel, horizon)
    template = future_template(panel, ahead)
    say_notes(notes, quiet)
    write_table(template, output, force)
    if output != "-" and not quiet:
        cells = int(template[[column.name for column in panel.of_role("future")]].isna().sum().sum())
        say(f"future: {output}, {plural(len(template), 'row')}, {plural(cells, 'cell')} to fill in")


def _read_alone(
    frame: pd.DataFrame, place: str, settings: dict[str, Any], horizon: str | None
) -> tuple[Panel, np.ndarray, list[Note]]:
    """Return the panel of a table, every covariate that changes over time a future one; steps ahead; and notes.

    Raises:
        DataError: there is no such covariate.
    """
    from forecaster.config import Config
    from forecaster.data.columns.find_covariates import COVARIATE_NOTES
    from forecaster.data.panel.build import build_panel
    from forecaster.data.panel.future_table import expect_future
    from forecaster.errors import DataError
    from forecaster.notes import Note
    from forecaster.prediction.steps_ahead import choose_steps_ahead
    from forecaster.words import first_few

    panel, notes = build_panel(frame, Config.of(**settings))
    panel = expect_future(panel)
    names = [column.name for column in panel.of_role("future")]
    if not names:
        hint = f"it can be forecast without: forecaster predict {place}"
        raise DataError(f"'{place}' has no column beside '{panel.roles.target}' that may be a future covariate", hint)
    ahead, note = choose_steps_ahead(panel, horizon)
    columns = Note("future", first_few(names), "to fill in, and for fit --future; leave out what will not be known")
    return panel, ahead, [*(one for one in notes if one.name not in COVARIATE_NOTES), columns, note]
