"""The model directory: written whole or not at all, read without running anyone's code.

::

    forecaster-model/
        manifest.json      format, versions, configuration, plan, roles, scores, sha256 of all four
        weights.npz        the Keras weights, the interval scores and the scaling of each series; read with
                           ``allow_pickle=False``
        network.onnx       the network that predict runs
        history.parquet    the newest rows of each series, in groups of whole series

Digests detect damage, not malice: whoever changes a file can write a new digest. So all files are read as if they came
from a stranger. ``open_files`` takes regular files inside the directory only; ``manifest`` reads declared types only;
``npz`` and ``history`` allocate no more than the file holds; ``consistency`` bounds what is computed by what is stored;
and :mod:`forecaster.engines.onnx_check.graph` lets nothing run but plain arithmetic on arrays of known shape.
"""
