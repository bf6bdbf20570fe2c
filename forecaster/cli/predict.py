"""``forecaster predict`` (alias ``forecast``): forecast from a trained model, without TensorFlow."""

from __future__ import annotations

import click

from forecaster.cli.make_future import hints_of
from forecaster.cli.options import (
    force_option,
    horizon_option,
    json_option,
    level_option,
    model_option,
    quiet_option,
    read_source,
    source_options,
)
from forecaster.cli.output import check_picture, check_table, echo_json, say, say_notes, write_table
from forecaster.data.writers import format_names, text_time


@click.command("predict")
@model_option
@horizon_option("How far to forecast: 10, 30d, 2027-01-31. [default: as trained]")
@click.option("--data", metavar="FILE", help="Newer rows of the same series, or other series; - for standard input.")
@click.option(
    "--future", metavar="FILE", help="Future covariates, as make-future writes the table; - for standard input."
)
@source_options
@level_option
@click.option("--output", metavar="FILE", default="-", help=f"{format_names()} file; - prints CSV. [default: -]")
@click.option("--plot", metavar="FILE", help="Draw the forecast to a PNG or SVG.")
@force_option
@json_option
@quiet_option
def command(
    model: str,
    horizon: str | None,
    data: str | None,
    future: str | None,
    levels: tuple[int, ...],
    output: str,
    plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **source: str | None,
) -> None:
    """Forecast from the end of each series, with intervals.

    \b
    forecaster predict --horizon 10
    forecaster predict --horizon 2027-01-31 --level 90 --output forecast.csv
    forecaster predict --data newer.csv --plot forecast.png
    forecaster predict --future plan.csv
    cat newer.csv | forecaster predict --data - --json
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.data.readers.sources import read_table
    from forecaster.direction.settings import refuse_drawing
    from forecaster.plotting import save_figure
    from forecaster.words import plural

    check_table(output, force)
    check_picture(plot, force)
    forecaster = Forecaster.load(model, newest_only=data is None and plot is None)
    if plot:
        refuse_drawing(forecaster.config)
    needed = forecaster.model.history.roles.needed()
    frame = read_table(read_source(data, **source), needed) if data else None
    with hints_of(model, data):
        table = forecaster.predict(horizon, frame, levels, future)
    say_notes(forecaster.notes, quiet)
    if plot:
        save_figure(forecaster.plot(table, frame), plot, force)
        if not quiet:
            say(f"picture: {plot}")
    if output != "-" or not as_json:
        write_table(table, output, force)
    if output != "-" and not quiet:
        say(f"forecast: {output}, {plural(len(table), 'row')}")
    if as_json:
        echo_json({"model": model, "forecast": text_time(table).to_dict(orient="records")})
