"""Figures of forecasts, learning curves and backtests; the only importer of matplotlib.

Every function returns a :class:`matplotlib.figure.Figure` built without pyplot: no display is needed, no window opens
and no global setting of matplotlib changes. Lines differ by colour (the palette of Okabe and Ito, safe for the
colour-blind), by dash, by width and by marker, and bands by lightness, so that a grey print keeps everything apart.
"""

from __future__ import annotations

from forecaster.plotting.backtest import plot_backtest
from forecaster.plotting.comparison import plot_comparison
from forecaster.plotting.files import save_figure
from forecaster.plotting.forecast import plot_forecast
from forecaster.plotting.learning_curve import plot_learning_curve
from forecaster.plotting.reliability import plot_reliability
from forecaster.plotting.residuals import plot_residuals

__all__ = [
    "plot_backtest",
    "plot_comparison",
    "plot_forecast",
    "plot_learning_curve",
    "plot_reliability",
    "plot_residuals",
    "save_figure",
]
