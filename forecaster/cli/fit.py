"""``forecaster fit``: train a network on a table of readings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.direction_output import HALF_TRAINED, echo_fit
from forecaster.cli.options import (
    force_option,
    json_option,
    model_option,
    quiet_option,
    read_source,
    setting_options,
    source_options,
)
from forecaster.cli.output import check_picture, command_line, echo_json, say, say_notes
from forecaster.config import FAMILIES, RECIPES

if TYPE_CHECKING:
    from forecaster.api.session import FitSession
    from forecaster.artifact.model import Model
    from forecaster.training.phases import Progress


#: Separate spans of one horizon below which the coverage of intervals is mostly luck.
ENOUGH_STRETCHES = 4
#: Width of an interval, in seasonal scales, from which it is printed in powers of ten.
WRITTEN_OUT = 1e6
#: What ``--network`` chooses among.
EPILOG = "\b\nNetworks:\n" + "\n".join(f"  {name:<16}{says}" for name, says in FAMILIES.items())


@click.command("fit", epilog=EPILOG)
@click.argument("data", metavar="DATA")
@model_option
@click.option(
    "--recipe",
    metavar="|".join(RECIPES),
    envvar="FORECASTER_RECIPE",
    help="Named settings: textbook and stacked are the tutorials' networks.",
)
@click.option(
    "--config", "config_file", metavar="FILE", help="TOML file with any of the settings below; flags win over it."
)
@click.option(
    "--from",
    "further",
    metavar="MODEL",
    help="Continue to train this model on DATA: newer rows, with its settings and weights.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue from the last checkpoint of the same fit; start over where there is none.",
)
@click.option("--future", metavar="FILE", help="Table of covariates known beyond the cutoff; - for standard input.")
@source_options
@click.option("--plot", metavar="FILE", help="Draw the learning curve to a PNG or SVG.")
@force_option
@json_option
@quiet_option
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@setting_options()
def command(
    data: str,
    model: str,
    recipe: str | None,
    config_file: str | None,
    further: str | None,
    resume: bool,
    future: str | None,
    sql: str | None,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    sheet: str | None,
    plot: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Train a network on DATA: a file or folder of CSV, Parquet, Arrow, JSON lines or Excel, a database, or -.

    \b
    forecaster fit sales.csv
    forecaster fit sales.csv --target units --series shop --horizon 30d
    forecaster fit prices.csv --target close --recipe textbook --model textbook-model
    forecaster fit shops.parquet --series shop,item --future plan.csv
    forecaster fit postgresql://me@host/db --sql "select day, sold from sales"
    forecaster fit dataset:airline --units 128,64 --dropout 0.3 --seed 7
    forecaster fit sales.csv --network auto --budget 10m
    forecaster fit sales.csv --members 5
    forecaster fit newer.csv --from forecaster-model
    forecaster fit sales.csv --resume
    forecaster fit prices.csv --target close --task direction --horizon 5

    Time column, target, series, covariates, freq, season, lookback and horizon are inferred and printed; every one has
    a flag. To see what is wrong with a table: forecaster inspect DATA
    """
    from forecaster.api.forecaster import Forecaster
    from forecaster.api.session import FitSession
    from forecaster.config import read_toml

    check_picture(plot, force)
    given = {k: v for k, v in settings.items() if v is not None}
    merged = {**(read_toml(config_file) if config_file else {}), **({"recipe": recipe} if recipe else {}), **given}
    forecaster = Forecaster(**merged)
    source = read_source(data, sql=sql, delimiter=delimiter, decimal=decimal, encoding=encoding, sheet=sheet)
    session, tell = FitSession(model, resume, {"command": command_line()}), lambda note: say_notes([note], quiet)
    with _resumable(session), _progress(quiet or no_progress or not sys.stderr.isatty()) as report:
        session.fit(forecaster, source, report=report, tell=tell, future=future, further=further)
    if plot:
        _plot_curve(forecaster.model, plot, force, quiet)
    echo = echo_fit if forecaster.config.task == "direction" else _echo_scores
    (_echo_document if as_json else echo)(forecaster.model, model)
    if forecaster.model.record["interrupted"]:
        raise _interrupted(session)
    if not quiet and not as_json:
        say(_next(forecaster.model, model))


def _next(model: Model, directory: str) -> str:
    """Return the commands to run next."""
    flag, horizon = _model_flag(directory), f"--horizon {model.plan.horizon}"
    if model.config.task == "direction":
        return f"next: forecaster predict{flag}"
    if not model.history.of_role("future"):
        return f"next: forecaster predict{flag} {horizon} --plot forecast.png"
    fill = f"next: forecaster make-future{flag} {horizon} --output future.csv, fill it in, then"
    return f"{fill} forecaster predict{flag} {horizon} --future future.csv"


@contextmanager
def _resumable(session: FitSession) -> Iterator[None]:
    """Say, where Ctrl-C ends the block, that neither what a checkpoint has nor an older model is lost."""
    from forecaster.errors import InterruptError

    try:
        yield
    except KeyboardInterrupt:
        if not session.resumable:
            raise
        kept = f"'{session.place}' is as it was; " if session.holds_model else ""
        raise InterruptError("interrupted", f"{kept}the same command with --resume goes on") from None


def _interrupted(session: FitSession) -> Exception:
    from forecaster.errors import InterruptError

    kept = f"the best weights so far are kept in '{session.place}'"
    return InterruptError(
        "interrupted", f"{kept}; the same command with --resume goes on" if session.resumable else kept
    )


def _model_flag(model: str) -> str:
    return "" if model == "forecaster-model" else f" --model {model}"


def _echo_document(model: Model, directory: str) -> None:
    from dataclasses import asdict

    echo_json(
        {"model": directory, "plan": asdict(model.plan), **{k: v for k, v in model.record.items() if k != "epochs"}}
    )


def _echo_scores(model: Model, directory: str) -> None:
    """Print the validation scores and the verdict."""
    from forecaster.words import plural

    scores, record = model.record["scores"], model.record
    click.echo(
        f"model: {directory}, {record['rows']:,} time steps up to {record['trained_until'][:19]}, {record['seconds']} s"
    )
    _echo_networks("tried", record.get("tried", []), _TRIED)
    _echo_networks("members", record.get("members", []), _MEMBERS)
    click.echo(f"validation, {plural(scores['windows'], 'forecast')} of {plural(model.plan.horizon, 'step')}:")
    click.echo(f"  {'':<16}{'MASE':>7}{'skill of the network':>23}")
    for name, mase in scores["mase"].items():
        if name == "seasonal-naive" and model.plan.season == 1:
            continue  # it is naive
        click.echo(f"  {name:<16}{mase:>7.3f}" + (f"{scores['skill'][name]:>22.1%}" if name in scores["skill"] else ""))
    _echo_intervals(scores.get("intervals", {}))
    click.echo(HALF_TRAINED if record["interrupted"] else _verdict(scores, model.plan.season, record["trained"]))


def _echo_intervals(levels: dict[str, dict[str, float]]) -> None:
    """Print the scores on the newer half of the validation rows of intervals learned on the older half."""
    if not levels:
        return
    few = _too_few(*(int(next(iter(levels.values()))[name]) for name in ("windows", "stretches")))
    click.echo(f"intervals, in seasonal scales{few}:\n  {'':<16}{'coverage':>9}{'width':>7}{'MSIS':>8}")
    for level, found in levels.items():
        numbers = f"{found['coverage']:>9.1%} {_shown(found['width']):>6} {_shown(found['msis']):>7}"
        click.echo(f"  {f'{level} %':<16}{numbers}")


def _shown(size: float) -> str:
    return f"{size:.2f}" if size < WRITTEN_OUT else f"{size:.3g}"


def _too_few(windows: int, stretches: int) -> str:
    """Return a caveat where coverage is measured on few separate spans of time."""
    if stretches >= ENOUGH_STRETCHES:
        return ""
    apart = "span" if stretches == 1 else "spans"
    of = f"{windows:,} overlapping windows of {stretches} separate {apart}" if windows > 1 else "1 window"
    return f" ({of}: too few to tell)"


def _echo_networks(heading: str, rows: list[dict[str, Any]], columns: dict[str, tuple[int, str]]) -> None:
    """Print one line for each network trained, if any.

    Args:
        heading: of the table.
        rows: of each network its ``name``, and ``chosen`` or ``diverged`` where not all were kept.
        columns: the width and the format of each number.
    """
    if not rows:
        return
    width = max(len(row["name"]) for row in rows)
    click.echo(f"{heading}:\n  {'':<{width}}" + "".join(f"{_HEADINGS.get(n, n):>{w}}" for n, (w, _) in columns.items()))
    for row in rows:
        cells = (f"{'' if row[n] is None else format(row[n], form):>{w}}" for n, (w, form) in columns.items())
        end = "  kept" if row.get("chosen") else "  diverged" if row.get("diverged") else ""
        click.echo(f"  {row['name']:<{width}}" + "".join(cells) + end)


_HEADINGS = {"mase": "MASE"}
#: The numbers of the candidates of ``--network auto``, and of the members of an ensemble.
_TRIED = {"mase": (8, ".3f"), "loss": (9, ".4f"), "seconds": (9, ".1f"), "parameters": (12, ",")}
_MEMBERS = {"share": (7, ".2f"), "seed": (6, "d"), "lookback": (10, "d"), "mase": (8, ".3f"), "seconds": (9, ".1f")}


def _verdict(scores: dict[str, Any], season: int, trained: bool) -> str:
    """Return one sentence: does the network beat the baselines."""
    what = "The network" if trained else "The forecast it started from, which training did not improve,"
    simple = {"seasonal-naive": "repeating the last season", "naive": "repeating the last value"}
    if season == 1:
        simple.pop("seasonal-naive")
    undefined = [words for name, words in simple.items() if scores["skill"][name] != scores["skill"][name]]
    if undefined:
        return f"{what} cannot be compared with {' or '.join(undefined)}, which makes no error on the training rows."
    lost = [words for name, words in simple.items() if not round(scores["skill"][name], 3) > 0]  # as it is printed
    if lost:
        return f"{what} does NOT beat {' or '.join(lost)} on the validation rows: use that baseline instead."
    beaten = " and ".join(simple.values())
    return f"{what} beats {beaten} on the validation rows, which also chose when training stopped."


def _plot_curve(model: Model, path: str, force: bool, quiet: bool) -> None:
    from forecaster.plotting import plot_learning_curve, save_figure

    figure = plot_learning_curve(model.record["epochs"], model.record["best_epoch"] or None, title="learning curve")
    save_figure(figure, path, force)
    if not quiet:
        say(f"picture: {path}")


class _progress:
    """A progress bar on stderr with loss, validation skill and time left; nothing if ``hidden``."""

    def __init__(self, hidden: bool) -> None:
        self.hidden = hidden

    def __enter__(self) -> Callable[[Progress], None] | None:
        if self.hidden:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
        self._bar = Progress(*columns, console=Console(file=sys.stderr), transient=True)
        self._bar.start()
        self._tasks: dict[str, Any] = {}
        return self._report

    def __exit__(self, *error: object) -> None:
        if not self.hidden:
            self._bar.stop()

    def _report(self, progress: Progress) -> None:
        if progress.phase not in self._tasks:
            task = self._bar.add_task(progress.phase, total=progress.epochs, state="")
            self._tasks[progress.phase] = task
        skill = "" if progress.skill is None else f"  skill {progress.skill:.1%}"
        state = f"loss {progress.loss:.4f}{skill}  {progress.eta:.0f} s left at most"
        self._bar.update(self._tasks[progress.phase], completed=progress.epoch, state=state)
