"""The networks, a file each, or a file for those that differ in a word.

To add one, write its file, with its core and a dict ``FAMILIES`` of its :class:`~forecaster.families.family.Family`,
and its line in :data:`MODULES`. Settings, help, memory checks and tests follow from there. Keras is imported inside
functions: settings and help read the cards without it.
"""

from __future__ import annotations

from importlib import import_module

from forecaster.families.family import Family

#: The files, in the order of the help.
MODULES = (
    "recurrent",
    "cnn_lstm",
    "attention_lstm",
    "encoder_decoder",
    "transformer",
    "tcn",
    "nbeats",
    "nhits",
    "tide",
    "linear",
)

#: Keys are the choices of ``Config.network``, but for ``auto``.
NETWORKS: dict[str, Family] = {
    name: family for module in MODULES for name, family in import_module(f"{__name__}.{module}").FAMILIES.items()
}
