"""The summary of a forecaster, as text and as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any, TypedDict

from forecaster.artifact.model import Model
from forecaster.config import FIELDS, Config
from forecaster.system.files import json_text
from forecaster.system.typed_json import as_type
from forecaster.words import plural

#: What a summary says of a forecaster that is not trained.
UNTRAINED = "not trained yet: call fit() or Forecaster.load()"


class _ValueScores(TypedDict):
    """Validation scores of forecasts of values; a skill is None where a baseline makes no error."""

    windows: int
    mase: dict[str, float | None]
    skill: dict[str, float | None]


class _Interval(TypedDict):
    coverage: float | None
    width: float | None
    msis: float | None


class _Intervals(TypedDict):
    intervals: dict[str, _Interval]


class _DirectionScore(TypedDict):
    model: str
    accuracy: float | None
    log_loss: float | None
    brier: float | None


class _DirectionScores(TypedDict):
    windows: int
    models: tuple[_DirectionScore, ...]


@dataclass(frozen=True)
class Section:
    """A table of a summary.

    Attributes:
        title: above it.
        columns: headings of all columns but the first; empty for none.
        rows: cells, the name of the row first.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def constructor_text(config: Config) -> str:
    """Return the call that makes a forecaster: ``Forecaster(horizon='12', epochs=2)``, other settings by default."""
    return f"Forecaster({', '.join(f'{name}={value!r}' for name, value in _changed_settings(config).items())})"


def summary_sections(config: Config, model: Model | None) -> tuple[str, list[Section]]:
    """Return the title and the tables of a summary.

    Args:
        config: the settings.
        model: what was trained; None where nothing was yet.
    """
    if model is None:
        return f"{constructor_text(config)}, {UNTRAINED}", []
    scores = json.loads(json_text(model.record.get("scores")))
    title = f"Forecaster of '{model.history.roles.target}', {plural(model.plan.horizon, 'step')} ahead"
    facts = Section("", (), [(name, value) for name, value in _facts(config, model) if value])
    return title, [facts, *_score_sections(scores, model.plan.season)]


def summary_text(config: Config, model: Model | None) -> str:
    """Return a summary as lines of text."""
    title, sections = summary_sections(config, model)
    return "\n".join([title, *(line for section in sections for line in _section_lines(section))])


def summary_html(config: Config, model: Model | None) -> str:
    """Return a summary as HTML, in which nothing of the data is markup."""
    title, sections = summary_sections(config, model)
    return f"<div><strong>{escape(title)}</strong>{''.join(map(_section_html, sections))}</div>"


def _changed_settings(config: Config) -> dict[str, Any]:
    """Return the settings that have another value than by default."""
    found = {name: getattr(config, name) for name in FIELDS}
    return {name: value for name, value in found.items() if value != FIELDS[name].default}


def _facts(config: Config, model: Model) -> Iterator[tuple[str, str]]:
    plan, panel, record = model.plan, model.history, model.record
    roles, began = panel.roles, str(record.get("trained_from", ""))[:19]
    span = f"{began} to {record['trained_until'][:19]}" if began else f"up to {record['trained_until'][:19]}"
    series = "" if panel.ids == ("",) else f" of {len(panel):,} series"
    yield "rows", f"{record['rows']:,}{series}, {span.replace('T00:00:00', '')}"
    yield "time", roles.time
    yield "series", roles.series or ""
    for role in ("past", "future", "static"):
        yield role, ", ".join(column.name for column in panel.of_role(role))
    yield "freq", panel.freq + (f" in {panel.zone}" if panel.zone else "")
    yield "season", plural(plan.season, "step") if plan.season > 1 else "none"
    yield "lookback", plural(plan.lookback, "step")
    yield "validation", f"newest {plural(plan.validation, 'row')} of each series"
    count = sum(weight.size for weight in model.weights.values())
    yield "network", f"{model.network}, {count:,} weights{_training_state(record)}"
    if part := model.pretrained:
        yield "pretrained", f"averaged with it, share {part.share:.2f}"
    yield "settings", ", ".join(f"{name}={value!r}" for name, value in _changed_settings(config).items())


def _training_state(record: Mapping[str, Any]) -> str:
    """Return a clause on a training that was interrupted or improved nothing; empty otherwise."""
    if record.get("interrupted"):
        return ", interrupted"
    return "" if record.get("trained", True) else ", not improved by training"


def _score_sections(scores: Any, season: int) -> Iterator[Section]:
    """Yield the tables of validation scores; none where the record, which may be anything, has no such numbers."""
    with suppress(ValueError):
        yield _value_section(as_type(_ValueScores, scores), season)
    with suppress(ValueError):
        yield _direction_section(as_type(_DirectionScores, scores))
    with suppress(ValueError):
        if levels := as_type(_Intervals, scores)["intervals"]:
            yield _interval_section(levels)


def _value_section(scores: _ValueScores, season: int) -> Section:
    rows = [
        (name, _format_number(mase, ".3f"), _format_number(scores["skill"].get(name), ".1%"))
        for name, mase in scores["mase"].items()
        if season > 1 or name != "seasonal-naive"  # it is naive
    ]
    return Section(f"validation, {plural(scores['windows'], 'forecast')}", ("MASE", "skill of the network"), rows)


def _direction_section(scores: _DirectionScores) -> Section:
    rows = [
        (
            one["model"],
            _format_number(one["accuracy"], ".1%"),
            _format_number(one["log_loss"], ".4f"),
            _format_number(one["brier"], ".4f"),
        )
        for one in scores["models"]
    ]
    return Section(f"validation, {plural(scores['windows'], 'forecast')}", ("accuracy", "log loss", "Brier"), rows)


def _interval_section(levels: dict[str, _Interval]) -> Section:
    rows = [
        (
            f"{level} %",
            _format_number(one["coverage"], ".1%"),
            _format_number(one["width"], ".3g"),
            _format_number(one["msis"], ".3g"),
        )
        for level, one in levels.items()
    ]
    return Section("intervals, in seasonal scales", ("coverage", "width", "MSIS"), rows)


def _format_number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _section_lines(section: Section) -> Iterator[str]:
    """Yield the lines of a table, numbers to the right."""
    if section.title:
        yield f"{section.title}:"
    first = max(len(row[0]) for row in section.rows)
    if not section.columns:
        yield from (f"  {name:<{first}}  {value}" for name, value in section.rows)
        return
    table = [("", *section.columns), *section.rows]
    widths = [max(len(row[i]) for row in table) for i in range(1, len(table[0]))]
    for name, *cells in table:
        line = f"  {name:<{first}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield line.rstrip()


def _section_html(section: Section) -> str:
    title = f"<caption>{escape(section.title)}</caption>" if section.title else ""
    heading = "".join(f"<th>{escape(name)}</th>" for name in ("", *section.columns)) if section.columns else ""
    rows = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in section.rows
    )
    return f"<table>{title}{f'<tr>{heading}</tr>' if heading else ''}{rows}</table>"
