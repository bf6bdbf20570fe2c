"""Options of evaluate and compare, and how they print measures and tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from forecaster.cli.options import F
from forecaster.cli.output import say

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from forecaster.data.readers.sources import Source
    from forecaster.evaluation.fail_if import FailIf

#: Measures printed by default; the second group is printed for each level.
SHOWN, SHOWN_OF_LEVELS = ("mae", "rmse", "mase", "smape", "owa"), ("coverage", "msis")
#: Rows of a table of measures printed at most.
MOST_ROWS = 200

metrics_option = click.option(
    "--metrics",
    metavar="a,b|all",
    help=f"Measures to print. [default: {','.join([*SHOWN, *SHOWN_OF_LEVELS, 'skill'])}]",
)
fail_if_option = click.option(
    "--fail-if", metavar="EXPR", help='Exit with code 7 where this holds: "skill<0", "mase>1 and coverage-80<75%".'
)

stride_option = click.option(
    "--stride", type=click.IntRange(1), metavar="N", help="Steps between origins. [default: the horizon]"
)
gap_option = click.option(
    "--gap",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Rows between the cutoff and the first step that is scored.",
)


def origins_option(others: str = "") -> Callable[[F], F]:
    """Return the ``--origins`` option; ``others`` is appended to its default."""
    return click.option(
        "--origins",
        type=click.IntRange(1),
        metavar="N",
        help=f"Rolling origins, counted from the end. [default: those after the training, 5 at most{others}]",
    )


def baselines_option(default: str) -> Callable[[F], F]:
    """Return the ``--baselines`` option: ``all``, ``usual``, ``none`` or names."""
    return click.option(
        "--baselines",
        metavar="a,b|usual|all|none",
        default=default,
        show_default=True,
        help="Baselines to compare with; usual is all but the slow AutoARIMA.",
    )


def baselines_of(text: str) -> tuple[str, ...]:
    """Return the baselines named on the command line.

    Raises:
        SettingError: unknown name.
    """
    from forecaster.evaluation.baselines import BASELINES, USUAL_BASELINES, find_baseline

    groups = {"all": tuple(BASELINES), "usual": USUAL_BASELINES, "none": ()}
    if text in groups:
        return groups[text]
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        find_baseline(name)
    return names


def measures_of(text: str | None, levels: tuple[int, ...]) -> list[str]:
    """Return the columns of the measures named on the command line, one for each level where a measure has levels.

    Raises:
        SettingError: an unknown one.
    """
    from forecaster.errors import SettingError, nearest
    from forecaster.evaluation.metrics import METRICS, OF_LEVELS

    known = [*(name for name in METRICS if name not in OF_LEVELS), "owa", *OF_LEVELS, "skill"]
    asked = [part.strip() for part in text.split(",") if part.strip()] if text else [*SHOWN, *SHOWN_OF_LEVELS, "skill"]
    of_levels = [f"{name}-{level}" for name in OF_LEVELS for level in levels]
    for name in asked:
        if name not in (*known, *of_levels, "all"):
            raise SettingError(f"unknown measure '{name}', expected one of {', '.join(known)}", nearest(name, known))
    found: list[str] = []
    for name in known if "all" in asked else asked:
        found += [f"{name}-{level}" for level in levels] if name in OF_LEVELS else [name]
    return list(dict.fromkeys(found))


def fail_if_of(text: str | None, levels: tuple[int, ...], others: Sequence[str]) -> FailIf | None:
    """Return the parsed ``--fail-if``; None without one.

    Raises:
        SettingError: it cannot be parsed, or names a measure that will not be computed.
    """
    if text is None:
        return None
    from forecaster.evaluation.fail_if import FailIf, measure_names

    return FailIf.of(text, measure_names(levels, others))


def echo_measures(table: pd.DataFrame, shown: list[str]) -> None:
    """Print a table of measures, one line a model; measures that the table lacks are skipped."""
    names = [name for name in ("rank", *shown) if name in table.columns]
    _echo_table(table, ["model"], names)


def echo_split(table: pd.DataFrame, split: str, asked: str | None, shown: list[str]) -> None:
    """Print one measure by ``series`` or ``step`` (a column a model), or all measures by ``level``.

    Args:
        table: of :func:`forecaster.evaluation.summary.summarise`.
        split: what it is split by.
        asked: ``--metrics`` as given; the first is printed. By default MASE, or MAE where there is no scale.
        shown: the columns of these measures.
    """
    if split == "level":
        click.echo("by level:")
        return _echo_table(
            table, ["model", "level"], [name for name in table.columns if name not in ("model", "level")]
        )
    name = shown[0] if asked else "mase" if table["mase"].notna().any() else "mae"
    click.echo(f"{name} by {split}:")
    models = list(dict.fromkeys(table["model"]))
    wide = table.pivot(index=split, columns="model", values=name)[models]
    _echo_table(wide.reindex(dict.fromkeys(table[split])).reset_index(), [split], models, _form(name))


def _echo_table(table: pd.DataFrame, keys: list[str], names: list[str], form: str | None = None) -> None:
    texts = {key: [str(value)[:30] for value in table[key].head(MOST_ROWS)] for key in keys}
    widths = {key: max(map(len, [*texts[key], key])) + 2 for key in keys}
    columns = {name: max(10, len(name) + 2) for name in names}
    heading = "".join(f"{'' if key == 'model' else key:<{width}}" for key, width in widths.items())
    click.echo("  " + heading + "".join(f"{name:>{width}}" for name, width in columns.items()))
    for place, row in enumerate(table.head(MOST_ROWS).to_dict(orient="records")):
        cells = "".join(f"{number_text(row[name], form or _form(name)):>{width}}" for name, width in columns.items())
        click.echo("  " + "".join(f"{texts[key][place]:<{width}}" for key, width in widths.items()) + cells)
    if len(table) > MOST_ROWS:
        from forecaster.words import plural

        click.echo(f"  {plural(len(table) - MOST_ROWS, 'more row')}: --json prints all")


def echo_tests(tests: pd.DataFrame, heading: str) -> None:
    """Print the tests of pairs of models, one line a pair."""
    if not len(tests):
        return
    single = tests["model"].nunique() == 1
    names = [row["against"] if single else f"{row['model']} over {row['against']}" for _, row in tests.iterrows()]
    width = max(len(heading), *map(len, names)) + 2
    click.echo(f"  {heading:<{width}}{'skill':>9}{'95 % interval':>20}{'p':>8}")
    for name, (_, row) in zip(names, tests.iterrows(), strict=True):
        interval = f"{row['skill-lo']:.1%} to {row['skill-hi']:.1%}" if math.isfinite(row["skill-lo"]) else "-"
        skill, p_value = number_text(row["skill"], ".1%"), number_text(row["p-value"], ".3f")
        click.echo(f"  {name:<{width}}{skill:>9}{interval:>20}{p_value:>8}  {row['verdict']}")


def picture_title(what: str, model: str, rows: Source | None) -> str:
    """Return the title of a picture: its subject, the model, and the data unless they are the model's own."""
    return f"{what} of {model}" + (f" on {rows.shown}" if rows else "")


def save_picture(figure: Figure, path: str, force: bool, quiet: bool) -> None:
    """Write a figure and report its path."""
    from forecaster.plotting import save_figure

    save_figure(figure, path, force)
    if not quiet:
        say(f"picture: {path}")


def number_text(value: float, form: str) -> str:
    """Return a formatted number; ``-`` for NaN and infinity."""
    return f"{value:{form}}" if math.isfinite(value) else "-"


def _form(name: str) -> str:
    if name == "rank":
        return ".2f"
    return ".1%" if name.startswith("coverage") or name == "skill" else ".4g"
