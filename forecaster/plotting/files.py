"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.errors import SettingError
from forecaster.system.files import check_free, write_file
from forecaster.system.warning_filters import own_warning_filters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METADATA: dict[str, dict[str, None]] = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


def save_figure(figure: Figure, path: str | Path, force: bool = False) -> Path:
    """Write a figure as PNG or SVG, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: what to write; its layout stays as it is from then on.
        path: the file; its suffix, ``.png`` or ``.svg``, is the format.
        force: replace a file that exists.

    Returns:
        The path written.

    Raises:
        SettingError: another suffix, or the file exists and ``force`` is False.
        ForecasterError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _METADATA:
        raise SettingError(f"cannot tell the format of the figure '{path}', expected a name ending in .png or .svg")
    check_free(path, force)
    return write_file(path, _rendered(figure, path.suffix.lower()), force)


def _rendered(figure: Figure, suffix: str) -> bytes:
    import warnings
    from io import BytesIO

    import matplotlib

    buffer = BytesIO()
    with own_warning_filters():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it is drawn as a box
        if figure.get_layout_engine() is not None:
            # Laid out once: each further layout moves things by a rounding error, and with them the bytes of an SVG.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        with matplotlib.rc_context({"svg.hashsalt": "forecaster", "svg.fonttype": "none", "savefig.bbox": None}):
            figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=_METADATA[suffix])
    return buffer.getvalue()
