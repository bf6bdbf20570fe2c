"""``forecaster plot``: draw a forecast table, or a model's forecast, to PNG or SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from forecaster.cli.make_future import hints_of
from forecaster.cli.options import force_option, horizon_option, level_option, model_option, quiet_option
from forecaster.cli.output import check_picture, say, say_notes

if TYPE_CHECKING:
    import pandas as pd


@click.command("plot")
@click.argument("forecast", metavar="[FORECAST]", required=False)
@model_option
@horizon_option("How far to forecast, where no table is given. [default: as trained]")
@click.option(
    "--data",
    metavar="FILE",
    help="Readings to draw: history, and actuals where the forecast is. [default: the model's]",
)
@click.option("--future", metavar="FILE", help="Future covariates, where the model has some.")
@level_option
@click.option("--output", metavar="FILE", default="plot.png", show_default=True, help="PNG or SVG file.")
@click.option("--title", metavar="TEXT", default="", help="Title of the picture.")
@click.option(
    "--series", "most", metavar="N", type=click.IntRange(1), default=12, show_default=True, help="Series drawn at most."
)
@force_option
@quiet_option
def command(
    forecast: str | None,
    model: str,
    horizon: str | None,
    data: str | None,
    future: str | None,
    levels: tuple[int, ...],
    output: str,
    title: str,
    most: int,
    force: bool,
    quiet: bool,
) -> None:
    """Draw FORECAST, a table that predict wrote, or else the model's own forecast.

    \b
    forecaster plot
    forecaster plot --horizon 30d --output next-month.svg
    forecaster plot forecast.csv --data newer.csv --output check.png

    History and actuals come from --data, or from the model named with --model; a table alone is drawn alone.
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.direction.settings import refuse_drawing
    from forecaster.plotting import plot_forecast, save_figure

    check_picture(output, force)
    chosen = click.get_current_context().get_parameter_source("model") is not ParameterSource.DEFAULT
    if forecast and not chosen:
        table = _read_forecast(forecast)
        readings = _read_readings(data, table, quiet) if data else None
        figure = plot_forecast(table, readings, title=title, max_series=most)
    else:
        forecaster = Forecaster.load(model)
        refuse_drawing(forecaster.config)
        with hints_of(model, None):
            table = _read_forecast(forecast) if forecast else forecaster.predict(horizon, levels=levels, future=future)
        say_notes(forecaster.notes, quiet)
        figure = forecaster.plot(table, data, title=title, max_series=most)
    save_figure(figure, output, force)
    if not quiet:
        say(f"picture: {output}")


def _read_readings(data: str, forecast: pd.DataFrame, quiet: bool) -> pd.DataFrame:
    """Return the readings of a table that has the time column of the forecast."""
    from forecaster.config import Config
    from forecaster.data.panel.build import build_panel
    from forecaster.data.readers.sources import read_table
    from forecaster.prediction.table import readings_table

    time = next(name for name in forecast.columns if name != "series")
    panel, notes = build_panel(read_table(data), Config.of(time=str(time)))
    say_notes(notes, quiet)
    return readings_table(panel)


def _read_forecast(path: str) -> pd.DataFrame:
    """Read a table that predict wrote."""
    from forecaster.data.readers.sources import read_table
    from forecaster.errors import DataError, SettingError

    table = read_table(path)
    if "direction" in table.columns and "forecast" not in table.columns:
        raise SettingError(
            f"'{path}' holds directions, which have no curve to draw",
            "draw their reliability with: forecaster evaluate --plot reliability.png",
        )
    if "forecast" not in table.columns or "series" not in table.columns:
        raise DataError(
            f"'{path}' is not a forecast: it has no columns 'series' and 'forecast'",
            "make one with: forecaster predict --output forecast.csv",
        )
    return table
