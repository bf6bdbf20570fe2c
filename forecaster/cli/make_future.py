"""``forecaster make-future``: the table of future covariates to fill in, without TensorFlow."""

from __future__ import annotations

from contextlib import AbstractContextManager

import click

from forecaster.cli.options import force_option, horizon_option, model_option, quiet_option, read_source, source_options
from forecaster.cli.output import check_table, say, say_notes, write_table
from forecaster.data.writers import format_names


def hints_of(model: str, data: str | None) -> AbstractContextManager[None]:
    """Name the model and the data, if given, wherever a hint tells to run this command."""
    from forecaster.system.redaction import redact_address
    from forecaster.words import command_arguments

    given = None if model == "forecaster-model" else model
    return command_arguments("make-future", model=given, data=redact_address(data) if data else None)


@click.command("make-future")
@model_option
@horizon_option("How far to forecast: 10, 30d, 2027-01-31. [default: as trained]")
@click.option("--data", metavar="FILE", help="Newer rows of the same series, or other series. [default: the model's]")
@click.option("--output", metavar="FILE", default="-", help=f"{format_names()} file; - prints CSV. [default: -]")
@force_option
@quiet_option
@source_options
def command(
    model: str, horizon: str | None, data: str | None, output: str, force: bool, quiet: bool, **source: str | None
) -> None:
    """Write the table that predict --future reads: a row for each series and future timestamp, a column a covariate.

    \b
    forecaster make-future --horizon 10 --output future.csv
    forecaster make-future --data newer.csv --output future.parquet
    forecaster predict --horizon 10 --future future.csv

    Cells that the table of readings knew already are filled in; fill in the others.
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.data.panel.future_table import future_template
    from forecaster.data.readers.sources import read_table
    from forecaster.errors import SettingError
    from forecaster.words import plural

    check_table(output, force)
    forecaster = Forecaster.load(model)
    panel, notes = forecaster.panel(read_table(read_source(data, **source)) if data else None)
    covariates = panel.of_role("future")
    if not covariates:
        raise SettingError(
            f"the model '{model}' uses no future covariates: there is nothing to fill in",
            "forecast with: forecaster predict; or fit with --future-columns COLUMN, or --future FILE",
        )
    table = future_template(panel, forecaster.steps_ahead(panel, horizon))
    say_notes(notes, quiet)
    write_table(table, output, force)
    if output != "-" and not quiet:
        cells = int(table[[column.name for column in covariates]].isna().sum().sum())
        say(f"future: {output}, {plural(len(table), 'row')}, {plural(cells, 'cell')} to fill in")
