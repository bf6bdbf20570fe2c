"""The model directory: written whole or not at all, read without running anyone's code.

::

    forecaster-model/
        manifest.json      format, versions, configuration, plan, roles, scores, sha256 of all four
        weights.npz        the Keras weights, the interval scores and the scaling of each series; read with
                           ``allow_pickle=False``
        network.onnx       what predict runs
        history.parquet    the newest rows of each series, in groups of whole series

Digests tell damage, not malice: whoever changes a file can write a new one. So what is behind them is read as if it
came from a stranger. ``opening`` takes regular files inside the directory only; ``manifest`` reads types, not whatever
is there; ``arrays`` and ``history`` make nothing that is not in the file; ``agreement`` bounds what is computed by what
is there; and :mod:`forecaster.engines.onnx_check.graph` lets nothing be run but plain arithmetic on arrays of known
shape.
"""
