"""``forecaster predict`` (alias ``forecast``): forecast from a trained model or with no fit, without TensorFlow."""

from __future__ import annotations

from typing import Any

import click

from forecaster.cli.make_future import hints_of
from forecaster.cli.no_fit import load_forecaster, say_unused_model, table_alone, table_argument
from forecaster.cli.options import (
    force_option,
    horizon_option,
    json_option,
    level_option,
    model_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
    split_options,
)
from forecaster.cli.output import check_picture, check_table, echo_json, say, say_notes, write_table
from forecaster.data.writers import format_names, text_time


@click.command("predict")
@table_argument
@model_option
@horizon_option("How far to forecast: 10, 30d, 2027-01-31. [default: as trained, or usual for the freq]")
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
@setting_options("table")
def command(
    table: str | None,
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
    **options: Any,
) -> None:
    """Forecast from the end of each series, with intervals: of DATA with no fit, or with a trained model.

    \b
    forecaster predict sales.csv
    forecaster predict sales.csv --target units --series shop --horizon 30d
    forecaster predict --horizon 10
    forecaster predict --horizon 2027-01-31 --level 90 --output forecast.csv
    forecaster predict --data newer.csv --plot forecast.png
    forecaster predict --future plan.csv
    cat newer.csv | forecaster predict --data - --json

    DATA alone needs no model: a network that comes along forecasts it, and what was inferred is printed, as by fit.
    With --model M it is the same as --data DATA. The flags from --time on say how DATA is read with no fit; a model
    reads tables as it was fitted.
    """
    from forecaster.data.readers.sources import read_table
    from forecaster.plotting import save_figure
    from forecaster.words import plural

    check_table(output, force)
    check_picture(plot, force)
    source, settings = split_options(options)
    alone, rows = table_alone(table, data, settings, {"future": future}), table if data is None else data
    if alone is not None:
        from forecaster.api.pretrained import PretrainedForecaster  # what a trained model needs takes a third more time
        from forecaster.data.readers.arrow import return_memory

        pretrained = PretrainedForecaster(**settings)
        readings = pretrained.read(read_table(read_source(alone, **source)))  # which frees the table
        forecast = pretrained.predict(readings, horizon, levels)
        say_notes(pretrained.notes, quiet)
        say_unused_model(model, quiet)
        figure = pretrained.plot(readings, forecast) if plot else None
        del readings
        return_memory()  # for writing
    else:
        forecaster = load_forecaster(model, newest_only=rows is None and plot is None)
        if plot:
            from forecaster.direction.settings import refuse_drawing

            refuse_drawing(forecaster.config)
        needed = forecaster.model.history.roles.needed()
        newer = read_table(read_source(rows, **source), needed) if rows is not None else None
        with hints_of(model, rows):
            forecast = forecaster.predict(horizon, newer, levels, future)
        say_notes(forecaster.notes, quiet)
        figure = forecaster.plot(forecast, newer) if plot else None
    if plot and figure:
        save_figure(figure, plot, force)
        if not quiet:
            say(f"picture: {plot}")
    if output != "-" or not as_json:
        write_table(forecast, output, force)
    if output != "-" and not quiet:
        say(f"forecast: {output}, {plural(len(forecast), 'row')}")
    if as_json:
        document = {
            "model": None if alone is not None else model,
            "forecast": text_time(forecast).to_dict(orient="records"),
        }
        echo_json(document)
