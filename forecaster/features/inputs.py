"""Make the inputs of the network from a panel: scaled target, calendar, covariates, and the indicator of gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from forecaster.data.panel.packed import empty_aligned, select_rows, select_series, time_index
from forecaster.data.panel.panel import Panel
from forecaster.data.panel.placeholders import causal_values
from forecaster.data.time.calendar import calendar_features, default_season, distinct_times, future_times
from forecaster.data.time.public_holidays import holiday_features
from forecaster.data.time.zones import local_times
from forecaster.features.covariate_encoder import Encoder
from forecaster.features.plan import Plan
from forecaster.features.scaling import Scaler
from forecaster.features.series_sums import series_chunks
from forecaster.features.windows import Windows, allowed_window_starts


def padded_panel(panel: Panel, length: int | np.ndarray, season: int) -> tuple[Panel, np.ndarray]:
    """Pad short series with unobserved rows before their start, so that a window fits.

    The rows repeat the first season of their series backwards, or its first value if it is shorter than a season. They
    use causal placeholders, so that a window whose cutoff lies in a gap reads nothing after it.

    Args:
        panel: the series.
        length: fewest rows of each series, an int or ``(series,)``.
        season: seasonal period in steps.

    Returns:
        The panel, and the rows added before each series, ``(series,)`` int64.
    """
    padding = np.maximum(length - panel.lengths, 0)
    if not padding.any():
        return panel, padding
    lengths = panel.lengths + padding
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1] + padding, lengths)  # negative in the padding
    source = np.where(np.repeat(panel.lengths >= season, lengths), place % season, 0)
    row = np.repeat(panel.offsets[:-1], lengths) + np.where(place < 0, source, place)
    padded = select_rows(panel, row, offsets, panel.observed[row] & (place >= 0))
    if panel.bridged:
        padded = replace(padded, values=np.where(place < 0, with_causal_placeholders(panel).values[row], padded.values))
    return padded, padding


def calendar_table(times: np.ndarray, panel: Panel, plan: Plan) -> np.ndarray:
    """Return the calendar features of some times of a panel, ``(times, features)`` float32, in local time."""
    if times.dtype.kind != "M":
        return np.zeros((len(times), 0), np.float32)
    local = local_times(times, panel.zone, panel.freq)
    parts = [calendar_features(local, plan.cycles)]
    if plan.holidays:
        parts.append(holiday_features(local, plan.holidays, panel.freq))
    return np.concatenate(parts, axis=1)


def window_maker(
    panel: Panel, padding: np.ndarray, scaler: Scaler, encoder: Encoder, plan: Plan
) -> Callable[[int, tuple[int | None, int]], Windows]:
    """Return a function that makes windows of a panel from ``horizon`` and ``newest``, see :class:`Windows`.

    Args:
        panel: the series, padded.
        padding: rows added before each series.
        scaler: fitted on training rows.
        encoder: likewise.
        plan: the sizes and inputs of the network.
    """
    axis, places = time_index(panel)
    calendar = calendar_table(axis, panel, plan)
    values = _make_channels(panel, scaler, encoder, plan)
    learned = scaler.learned_rows(panel)
    usable = allowed_window_starts(
        panel.observed, panel.offsets, plan.lookback, plan.max_missing_run, plan.least, padding
    )
    causal = latest = None
    if panel.bridged:
        causal, latest = scaler.transform(with_causal_placeholders(panel)), latest_readings(panel)

    def windows(steps: int, newest: tuple[int | None, int]) -> Windows:
        return Windows(
            values,
            plan.lookback,
            steps,
            panel.offsets,
            learned,
            newest,
            known=encoder.known_width,
            calendar=calendar,
            places=places,
            static=encoder.static(panel),
            categories=encoder.categories(panel),
            usable=usable,
            indicator=plan.indicator,
            causal=causal,
            latest=latest,
        )

    return windows


def with_causal_placeholders(panel: Panel) -> Panel:
    """Return the panel with each placeholder after the first reading of its series made from the rows before it."""
    if not panel.bridged:
        return panel
    values = causal_values(panel.values, panel.observed, panel.offsets, default_season(panel.freq))
    return replace(panel, values=values, bridged=False)


def latest_readings(panel: Panel) -> np.ndarray:
    """Return the newest observed row up to each row, ``(rows,)`` int64; the row before its series if there is none."""
    rows = np.where(panel.observed, np.arange(len(panel.values)), -1)
    rows[panel.offsets[:-1]] = np.where(panel.observed[panel.offsets[:-1]], panel.offsets[:-1], panel.offsets[:-1] - 1)
    return np.maximum.accumulate(rows)


def inputs_ahead(panel: Panel, scaler: Scaler, encoder: Encoder, plan: Plan, steps: int) -> dict[str, np.ndarray]:
    """Return the inputs of the network to forecast from the end of each series.

    Args:
        panel: the series, with ``beyond`` if the model has future covariates.
        scaler: of these series.
        encoder: of the model.
        plan: the sizes and inputs of the network.
        steps: the horizon; rounded up to whole runs of the network.

    Returns:
        ``past`` ``(series, lookback, channels)``, ``future`` ``(series, steps, known)``, ``static``, ``categories``.
    """
    whole, count = plan.whole_runs(steps), len(panel)
    newest = panel.keep_newest(plan.read_rows)
    newest, _ = padded_panel(newest, plan.lookback, plan.season)
    rows = (newest.offsets[1:, None] - plan.lookback + np.arange(plan.lookback)).ravel()
    channels = _make_channels(newest, scaler, encoder, plan)[rows]
    calendar = _calendar_at(newest.times[rows], panel, plan)
    past = np.concatenate([channels[:, :1], calendar, channels[:, 1:]], axis=1).reshape(count, plan.lookback, -1)
    times = future_times(panel.last, panel.freq, whole)
    ahead = [_calendar_at(times.ravel(), panel, plan).reshape(count, whole, -1)]
    if encoder.known_width:
        ahead.append(encoder.ahead(_extend_steps(panel.beyond, whole), newest))
    inputs = {
        "past": past,
        "future": np.concatenate(ahead, axis=2),
        "static": encoder.static(panel),
        "categories": encoder.categories(panel),
    }
    return {name: array for name, array in inputs.items() if name == "future" or array.shape[-1]}


def _calendar_at(times: np.ndarray, panel: Panel, plan: Plan) -> np.ndarray:
    """Return :func:`calendar_table`, computed once for each distinct time."""
    axis, places = distinct_times(times, panel.freq)
    return calendar_table(axis, panel, plan)[places]


def _extend_steps(beyond: np.ndarray | None, steps: int) -> np.ndarray:
    """Return the future covariates of exactly ``steps`` steps, the last one repeated if there are fewer."""
    assert beyond is not None  # checked before a forecast
    more = max(0, steps - beyond.shape[1])
    return np.pad(beyond, ((0, 0), (0, more), (0, 0)), mode="edge")[:, :steps]


def _make_channels(panel: Panel, scaler: Scaler, encoder: Encoder, plan: Plan) -> np.ndarray:
    """Return the scaled target, future covariates, past ones and the indicator, ``(rows, channels)`` float32."""
    channels = empty_aligned((len(panel.values), 1 + encoder.known_width + encoder.past_width + plan.indicator))
    past = 1 + encoder.known_width
    for series, rows, _ in series_chunks(panel.offsets):
        part = select_series(panel, series.start, series.stop)
        channels[rows, 0] = scaler.take(series).transform(part)
        if encoder.known_width:
            channels[rows, 1:past] = encoder.known(part)
        if encoder.past_width:
            channels[rows, past : past + encoder.past_width] = encoder.past(part)
        if plan.indicator:
            channels[rows, -1] = part.observed
    return channels
