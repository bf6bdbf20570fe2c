"""Every setting of a forecast: name, default, meaning and allowed values, in one table.

The same names (``learning_rate``) are the flags of ``forecaster fit``, the keys of a TOML file of settings, the keyword
arguments of :class:`forecaster.Forecaster`, and the ``config`` of a model's manifest. ``None`` means "inferred from the
data"; what was inferred is printed and stored.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecaster.errors import NotFoundError, SettingError, nearest
from forecaster.families import NETWORKS
from forecaster.losses import LOSSES
from forecaster.words import setting

#: A line of help for each network.
FAMILIES = {name: family.says for name, family in NETWORKS.items()}


def _setting(default: Any, group: str, help: str, **rules: Any) -> Any:
    return field(default=default, metadata={"group": group, "help": help, **rules})


@dataclass(frozen=True)
class Config:
    """The settings of one fit. Build it with :meth:`Config.of`, which validates and applies a recipe.

    Raises:
        SettingError: a value is of the wrong type, outside its range, or not among its choices.

    Example:
        >>> config = Config.of("stacked", horizon=12, units="64,32")
        >>> config.network, config.units, config.horizon, config.learning_rate
        ('lstm', (64, 32), '12', 0.001)
        >>> config.replace(network="tcn").to_dict()["network"]
        'tcn'
        >>> Config.of(lookback=1)
        Traceback (most recent call last):
        forecaster.errors.SettingError: lookback must be 2 or more, got 1
    """

    # How the table is read, which a forecast with no fit uses too; and, in the group data, what a fit makes of it
    time: str | None = _setting(
        None, "table", "Time column, or the columns it is split over: year,month,day,hour.", several=True
    )
    target: str | None = _setting(
        None, "table", "Column to forecast; several, a,b, become series of a panel.", several=True
    )
    series: str | None = _setting(
        None, "table", "Column or columns that identify the series of a long table; '' for one series.", several=True
    )
    wide: str = _setting(
        "auto",
        "table",
        "Layout of a wide table: a series per column, or per row.",
        choices=("auto", "no", "columns", "rows"),
    )
    dates: str = _setting("auto", "table", "How to read 1/4/1999.", choices=("auto", "day-first", "month-first"))
    zone: str | None = _setting(None, "table", "Time zone of times written without one: Europe/Berlin, UTC.")
    past: str | None = _setting(None, "data", "Covariates known up to the cutoff: a,b; none for none.", several=True)
    future_columns: str | None = _setting(
        None, "data", "Covariates also known after the cutoff: a,b; none for none.", several=True
    )
    static: str | None = _setting(
        None, "data", "Covariates that are constant over a series: a,b; none for none.", several=True
    )
    covariates: bool = _setting(True, "data", "Use the other columns as covariates.")
    holidays: str | None = _setting(None, "data", "Country whose public holidays the network reads: DE, US, US-CA.")
    freq: str | None = _setting(
        None,
        "table",
        "Time step as a pandas frequency: h, D, B, W-SAT, MS, 15min; row where each row is a step.",
    )
    season: tuple[int, ...] | None = _setting(
        None, "table", "Seasonal period in steps, or several: 24,168; 1 for none.", low=1
    )
    horizon: str | None = _setting(
        None, "data", "How far to forecast: steps (10), a span (30d) or a date (2027-01-31)."
    )
    task: str = _setting(
        "value",
        "data",
        "What to forecast: the value of the target, or whether it falls, stays or rises after the cutoff.",
        choices=("value", "direction"),
    )
    stay: float | None = _setting(
        None,
        "data",
        "Share of training windows counted as staying, for directions: a third by default, 0 for none.",
        low=0.0,
        below=1.0,
    )
    lookback: int | None = _setting(None, "data", "Input window in steps.", low=2)
    transform: str = _setting(
        "auto",
        "data",
        "Transformation of the target; validate tries all of them on the validation rows.",
        choices=("auto", "none", "log", "box-cox", "difference", "return", "validate"),
    )
    scaling: str = _setting(
        "standard",
        "data",
        "Center and scale of each series: mean and standard deviation, median and quartiles, mean and mean seasonal "
        "change, or 0 and 1.",
        choices=("standard", "robust", "seasonal", "none"),
    )
    gaps: str = _setting(
        "mask",
        "table",
        "Missing time steps: mask them for the network, fill them from the past unmasked, or stop.",
        choices=("mask", "fill", "error"),
    )
    missing: str = _setting(
        "mask",
        "table",
        "Empty target cells: mask them for the network, interpolate, repeat the last season, or stop.",
        choices=("mask", "interpolate", "seasonal", "error"),
    )
    duplicates: str = _setting(
        "error",
        "table",
        "Several readings of one series at one time.",
        choices=("error", "first", "last", "mean", "sum"),
    )

    # What the network is
    start: str = _setting(
        "pretrained",
        "network",
        "Average the trained network with the pretrained one, fine-tuned where that helps; or only train from scratch.",
        choices=("pretrained", "scratch"),
    )
    network: str = _setting(
        "lstm",
        "network",
        "Network family; auto tries several and keeps the one that validates best.",
        choices=(*FAMILIES, "auto"),
    )
    units: tuple[int, ...] = _setting((64, 64), "network", "Units of each hidden layer, first to last: 128,64.", low=1)
    bidirectional: bool = _setting(False, "network", "Read the window in both directions.")
    activation: str = _setting(
        "tanh",
        "network",
        "Activation of the recurrent cells (cuDNN needs tanh).",
        choices=("tanh", "relu", "sigmoid", "elu"),
    )
    dropout: float = _setting(
        0.2, "network", "Share of activations dropped after each hidden layer.", low=0.0, below=1.0
    )
    recurrent_dropout: float = _setting(
        0.0, "network", "Share of the recurrent state dropped inside the cells (not with cuDNN).", low=0.0, below=1.0
    )
    l1: float = _setting(0.0, "network", "L1 penalty on the weights of the hidden layers.", low=0.0)
    l2: float = _setting(0.0, "network", "L2 penalty on the weights of the hidden layers.", low=0.0)
    layer_norm: str = _setting(
        "none", "network", "Normalisation after each hidden layer.", choices=("none", "batch", "layer")
    )
    window_norm: str = _setting(
        "last",
        "network",
        "Normalisation of each input window, undone on the output.",
        choices=("none", "last", "mean-std"),
    )
    segment: int | None = _setting(
        None, "network", "Steps read at once, as one segment or patch of the window; 1 for step by step.", low=1
    )
    calendar: bool = _setting(True, "network", "Give the network sines and cosines of the calendar, past and future.")
    head: str = _setting(
        "dense",
        "network",
        "Output head: one Dense layer for all steps, or segments decoded in parallel.",
        choices=("dense", "segments"),
    )
    base: str = _setting(
        "gate",
        "network",
        "What the head's output is added to: nothing, the last value, the seasonal naive forecast, a learned mix of "
        "simple forecasts, or one whose weights depend on the window.",
        choices=("none", "last", "seasonal", "mix", "gate"),
    )
    output_steps: int | None = _setting(
        None,
        "network",
        "Steps forecast in one run of the network; a longer horizon is rolled forward. All by default.",
        low=1,
    )
    members: int = _setting(
        1,
        "network",
        "Networks in the ensemble, trained with seeds seed, seed+1, ...",
        low=1,
        below=1001,
    )
    lookbacks: tuple[int, ...] | None = _setting(
        None, "network", "Lookbacks of an ensemble, each with one network, or with members of them: 96,168,336.", low=2
    )

    # How it is trained
    loss: str = _setting(
        "mse",
        "training",
        "Loss of the point forecast or of quantiles, or likelihood of a distribution; the last is for counts.",
        choices=tuple(LOSSES),
    )
    intervals: str = _setting(
        "conformal",
        "training",
        "Measure of each window's uncertainty, before validation errors set the width: from the loss, from passes with "
        "dropout (predict then needs TensorFlow), or from the spread of the members of an ensemble.",
        choices=("conformal", "dropout", "ensemble"),
    )
    optimizer: str = _setting("rmsprop", "training", "Optimiser.", choices=("rmsprop", "adam", "sgd", "nadam"))
    learning_rate: float = _setting(2e-3, "training", "Initial learning rate.", above=0.0)
    schedule: str = _setting(
        "cosine", "training", "Schedule of the learning rate.", choices=("constant", "cosine", "exponential")
    )
    clipnorm: float | None = _setting(1.0, "training", "Norm to clip gradients to.", above=0.0)
    averaging: float = _setting(
        0.8,
        "training",
        "Decay of the moving average of the weights over epochs; 0 for none.",
        low=0.0,
        below=1.0,
    )
    batch_size: int | None = _setting(
        None, "training", "Windows per batch: 128 by default, more where an epoch would take many steps.", low=1
    )
    epochs: int = _setting(12, "training", "Maximum number of epochs.", low=1)
    epoch_steps: int | None = _setting(
        None,
        "training",
        "Optimisation steps per epoch; by default one pass over the windows, fewer where they overlap much.",
        low=1,
    )
    patience: int = _setting(6, "training", "Epochs without a better validation loss before training stops.", low=1)
    keep: str = _setting(
        "best",
        "training",
        "Epoch whose weights are kept: the best on the validation rows, or the last, for validation rows too few to "
        "choose by.",
        choices=("best", "last"),
    )
    needed_gain: float = _setting(
        0.2,
        "training",
        "Share by which training must lower the validation loss of the simple forecast it starts from to be accepted, "
        "where the validation rows span one horizon; less where they span more; 0 accepts any gain. Likewise for a mix "
        "of simple forecasts over the last value, on the training rows.",
        low=0.0,
    )
    validation: int | None = _setting(None, "training", "Newest rows of each series kept for validation.", low=1)
    holdout: int = _setting(0, "training", "Newest rows of each series held out of the fit, for evaluate.", low=0)
    final: bool = _setting(
        True,
        "training",
        "Train once more on all rows, for as many steps as validation chose; fewer where windows are many.",
    )
    budget: str = _setting("5m", "training", "Time for trying the networks of auto: 90 seconds (90), 10m or 1.5h.")
    seed: int = _setting(0, "training", "Seed of the weights, dropout and shuffling.", low=0, below=2**31)

    deterministic: bool = _setting(
        False,
        "training",
        "Compute in one thread: the same model to the byte on any number of cores, slower by up to that factor.",
    )

    @classmethod
    def of(cls, recipe: str = "default", **settings: Any) -> Config:
        """Return a validated configuration: defaults, then a recipe's values, then ``settings``.

        Args:
            recipe: a key of :data:`RECIPES`.
            settings: values by field name; lists and ``"128,64"`` are accepted for ``units``.

        Raises:
            SettingError: also if ``budget`` is given for a single network, ``deterministic`` for ``network="auto"``, or
                ``intervals="dropout"`` without any dropout or with batch normalisation.
        """
        if recipe not in RECIPES:
            raise SettingError(
                f"unknown recipe '{recipe}', expected one of {_join_names(RECIPES)}", nearest(recipe, tuple(RECIPES))
            )
        config = cls(**_validate({**RECIPES[recipe], **settings}))
        if "budget" in settings and config.network != "auto":
            budget, auto = setting("budget"), setting("network", "auto")
            raise SettingError(f"{budget} is for {auto}", f"leave {budget} out, or add {auto}")
        if config.deterministic and config.network == "auto":
            auto, exact = setting("network", "auto"), setting("deterministic")
            raise SettingError(f"{auto} tries networks by the clock, which {exact} excludes", "name one")
        if config.intervals == "dropout":
            if not (config.dropout or config.recurrent_dropout):
                raise SettingError("intervals by dropout need something that is dropped", setting("dropout", 0.2))
            if config.layer_norm == "batch":
                normalised = "intervals by dropout do not go with batch normalisation"
                raise SettingError(normalised, setting("layer_norm", "layer"))
        return config

    def replace(self, **settings: Any) -> Config:
        """Return a copy with some settings changed, validated."""
        return dataclasses.replace(self, **_validate(settings))

    @property
    def counts(self) -> bool:
        """True if the target is learned as counts, in its own unit: neither shifted nor scaled."""
        return LOSSES[self.loss].for_counts

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and TOML can hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Config:
        """Return the configuration that :meth:`to_dict` wrote."""
        return cls(**_validate(settings))


#: Settings shared by the networks of the tutorials: standardised values in, no normalisation of a window, no base.
_TUTORIAL: dict[str, Any] = {
    "start": "scratch",
    "window_norm": "none",
    "base": "none",
    "transform": "none",
    "segment": 1,
    "calendar": False,
    "clipnorm": None,
    "optimizer": "rmsprop",
    "loss": "mse",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "averaging": 0.0,
    "epochs": 100,
    "patience": 20,
}

#: Named sets of settings. ``textbook`` and ``stacked`` are the networks of the LSTM tutorials, kept for comparison.
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "textbook": {**_TUTORIAL, "units": (50,), "activation": "relu", "dropout": 0.2, "output_steps": 1},
    "stacked": {**_TUTORIAL, "units": (128, 64), "dropout": 0.0},
}

#: Largest TOML file, in bytes; and the bound of whole numbers, which native code can hold.
MOST_BYTES, TOO_LARGE = 1_000_000, 2**31

FIELDS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(Config)}


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return the settings of a TOML file: the fields of :class:`Config` and ``recipe``.

    Raises:
        NotFoundError: there is no such file.
        SettingError: it is not TOML, or a key is unknown.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        settings = tomllib.loads(content.decode())
    except OSError as error:
        raise NotFoundError(f"cannot read the configuration file '{path}': {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingError(
            f"'{path}' is not TOML: {error}", "one setting a line, such as: learning_rate = 0.001"
        ) from None
    recipe = {"recipe": str(settings.pop("recipe"))} if "recipe" in settings else {}
    return {**recipe, **_validate({k.replace("-", "_"): v for k, v in settings.items()})}


def _validate(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _validate_value(name, value) for name, value in settings.items()}


def _validate_value(name: str, value: Any) -> Any:
    if name not in FIELDS:
        if isinstance(value, Mapping):
            raise SettingError(f"settings belong at the top level, not in a table: [{name}]", "leave that line out")
        raise SettingError(f"unknown setting '{name}'", nearest(name, tuple(FIELDS)))
    kind = str(FIELDS[name].type).replace(" | None", "")
    if value is None:
        if "None" in str(FIELDS[name].type):
            return None
        raise SettingError(f"{name} needs a value")
    value = _convert(name, kind, value)
    rules = FIELDS[name].metadata
    if "choices" in rules and value not in rules["choices"]:
        hint = nearest(str(value), rules["choices"])
        raise SettingError(f"unknown {name} '{value}', expected one of {_join_names(rules['choices'])}", hint)
    for number in value if isinstance(value, tuple) else (value,):
        _check_range(name, number, rules)
    return value


def _convert(name: str, kind: str, value: Any) -> Any:
    wrong = SettingError(f"{name} must be {_KINDS[kind]}, got {value!r}")
    if kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool):
        raise wrong
    try:
        if kind == "tuple[int, ...]":
            parts = (
                value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
            )
            if not parts:
                raise wrong
            return tuple(_to_int(part) for part in parts)
        if kind == "str" and isinstance(value, (list, tuple, Mapping)):
            if isinstance(value, Mapping) or not FIELDS[name].metadata.get("several"):
                raise wrong
            return ",".join(map(str, value))
        converters: dict[str, Callable[[Any], Any]] = {"int": _to_int, "float": float, "str": str}
        return converters[kind](value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or (not isinstance(value, str) and int(value) != value):
        raise ValueError
    return int(value)


def _check_range(name: str, value: Any, rules: Mapping[str, Any]) -> None:
    if isinstance(value, float) and value - value != 0:
        raise SettingError(f"{name} must be a finite number, got {value}")
    if isinstance(value, int) and abs(value) >= TOO_LARGE:
        raise SettingError(f"{name} is out of range, expected less than {TOO_LARGE:,}")
    if "low" in rules and value < rules["low"]:
        raise SettingError(f"{name} must be {rules['low']} or more, got {value}")
    if "above" in rules and not value > rules["above"]:
        raise SettingError(f"{name} must be above {rules['above']:g}, got {value}")
    if "below" in rules and not value < rules["below"]:
        raise SettingError(f"{name} must be below {rules['below']:g}, got {value}")


def _join_names(names: Any) -> str:
    return ", ".join(str(name) for name in names)


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "tuple[int, ...]": "whole numbers separated by commas",
}
