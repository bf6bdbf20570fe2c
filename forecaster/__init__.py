"""Forecast a table of readings with recurrent networks, honest intervals, and a comparison with repeating last season.

>>> from forecaster import Forecaster
>>> forecaster = Forecaster(horizon=12).fit("readings.csv")  # doctest: +SKIP
>>> forecaster.predict()  # doctest: +SKIP
"""

from __future__ import annotations

TYPE_CHECKING = False  # the command is to mind signals before it imports even ``typing``
if TYPE_CHECKING:
    from typing import Any

    from forecaster.api.evaluation import Evaluation
    from forecaster.api.forecast import Forecast
    from forecaster.api.forecaster import Forecaster
    from forecaster.api.pretrained import PretrainedForecaster
    from forecaster.config import Config
    from forecaster.data.readers.sources import Source
    from forecaster.data.writers import save_table
    from forecaster.direction.backtest import DirectionEvaluation
    from forecaster.errors import ForecasterError
    from forecaster.features.windows import Windows, make_windows
    from forecaster.inspection.inspect import Inspection, inspect_table

__version__ = "0.2.0.dev0"

_HOMES = {
    "Config": "forecaster.config",
    "DirectionEvaluation": "forecaster.direction.backtest",
    "Evaluation": "forecaster.api.evaluation",
    "Forecast": "forecaster.api.forecast",
    "Forecaster": "forecaster.api.forecaster",
    "ForecasterError": "forecaster.errors",
    "Inspection": "forecaster.inspection.inspect",
    "PretrainedForecaster": "forecaster.api.pretrained",
    "Source": "forecaster.data.readers.sources",
    "Windows": "forecaster.features.windows",
    "inspect_table": "forecaster.inspection.inspect",
    "make_windows": "forecaster.features.windows",
    "save_table": "forecaster.data.writers",
}

__all__ = [
    "Config",
    "DirectionEvaluation",
    "Evaluation",
    "Forecast",
    "Forecaster",
    "ForecasterError",
    "Inspection",
    "PretrainedForecaster",
    "Source",
    "Windows",
    "inspect_table",
    "make_windows",
    "save_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'forecaster' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
