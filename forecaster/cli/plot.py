"""``forecaster plot``: draw a forecast table, a model's forecast, or one with no fit, to PNG or SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.make_future import hints_of
from forecaster.cli.no_fit import is_model_named, load_forecaster, say_unused_model, table_alone
from forecaster.cli.options import (
    force_option,
    horizon_option,
    level_option,
    model_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
    split_options,
)
from forecaster.cli.output import check_picture, say, say_notes

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.api.pretrained import PretrainedForecaster, ReadTable
    from forecaster.data.readers.sources import Source
    from forecaster.errors import DataError


@click.command("plot")
@click.argument("place", metavar="[FORECAST|DATA]", required=False)
@model_option
@horizon_option("How far to forecast, where no forecast is given. [default: as trained, or usual for the freq]")
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
@source_options
@quiet_option
@setting_options("table", without="series")
def command(
    place: str | None,
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
    **options: Any,
) -> None:
    """Draw FORECAST, a table that predict wrote, or the forecast of DATA with no fit, or else the model's own.

    \b
    forecaster plot
    forecaster plot sales.csv
    forecaster plot --horizon 30d --output next-month.svg
    forecaster plot forecast.csv --data newer.csv --output check.png

    History and actuals come from --data, or from the model named with --model; a forecast alone is drawn alone.

    A table without the columns series and forecast is DATA: it is forecast with no fit, or by the model named with
    --model. The flags from --time on say how it is read with no fit; where its series columns have to be named, use
    predict DATA --series COLUMN --plot FILE.
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.data.readers.sources import read_table
    from forecaster.direction.settings import refuse_drawing
    from forecaster.notes import Note
    from forecaster.plotting import plot_forecast, save_figure

    check_picture(output, force)
    source, settings = split_options(options)
    given = read_table(read_source(place, **({} if data else source))) if place is not None else None
    forecast, rows = (given, None) if given is None or _is_forecast(given, str(place)) else (None, given)
    if rows is not None and data:
        raise _refusal(str(place))
    alone = table_alone(None if rows is None else place, None, settings, {"future": future})
    newer = read_source(data, **source) if data else None
    style: dict[str, Any] = {"title": title, "max_series": most}
    if alone is not None and rows is not None:
        pretrained = Forecaster.pretrained(horizon, **settings)
        readings = _read_as_readings(pretrained, rows, "" if settings else alone)
        forecast = pretrained.predict(readings, levels=levels)
        say_notes([Note("forecast", "with no fit", f"'{alone}' holds readings, and is no forecast")], quiet)
        say_notes(pretrained.notes, quiet)
        say_unused_model(model, quiet)
        figure = pretrained.plot(readings, forecast, **style)
    elif forecast is not None and not is_model_named():
        figure = plot_forecast(forecast, None if newer is None else _read_readings(newer, forecast, quiet), **style)
    else:
        forecaster = load_forecaster(model)
        refuse_drawing(forecaster.config)
        if forecast is None:
            with hints_of(model, None if rows is None else place):
                forecast = forecaster.predict(horizon, rows, levels, future)
        say_notes(forecaster.notes, quiet)
        figure = forecaster.plot(forecast, rows if newer is None else newer, **style)
    save_figure(figure, output, force)
    if not quiet:
        say(f"picture: {output}")


def _read_as_readings(forecaster: PretrainedForecaster, rows: pd.DataFrame, path: str) -> ReadTable:
    """Read a table as readings; where it cannot be read as these either, say that ``path`` is no forecast.

    Raises:
        DataError: it cannot be read as readings.
        NotFoundError: a column that is named is absent.
    """
    from forecaster.errors import DataError, NotFoundError

    try:
        return forecaster.read(rows)
    except (DataError, NotFoundError) as error:
        if not path:
            raise
        raise DataError(f"{_refusal(path).message}; as readings: {error.message}", error.hint) from None


def _read_readings(data: Source, forecast: pd.DataFrame, quiet: bool) -> pd.DataFrame:
    """Return the readings of a table that has the time column of the forecast."""
    from forecaster.config import Config
    from forecaster.data.panel.build import build_panel
    from forecaster.data.readers.sources import read_table
    from forecaster.prediction.table import readings_table

    time = next(name for name in forecast.columns if name != "series")
    panel, notes = build_panel(read_table(data), Config.of(time=str(time)))
    say_notes(notes, quiet)
    return readings_table(panel)


def _is_forecast(table: pd.DataFrame, path: str) -> bool:
    """Return True if predict wrote a table.

    Raises:
        SettingError: it holds directions.
    """
    from forecaster.errors import SettingError

    if {"series", "direction", "engine"} <= {*table.columns} and "forecast" not in table.columns:
        raise SettingError(
            f"'{path}' holds directions, which have no curve to draw",
            "draw their reliability with: forecaster evaluate --plot reliability.png",
        )
    return {"series", "forecast"} <= {*table.columns}


def _refusal(path: str) -> DataError:
    from forecaster.errors import DataError

    return DataError(
        f"'{path}' is not a forecast: it has no columns 'series' and 'forecast'",
        "make one with: forecaster predict --output forecast.csv",
    )
