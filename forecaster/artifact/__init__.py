"""The model directory: written whole or not at all, read without running anyone's code.

::

    forecaster-model/
        manifest.json      format, versions, configuration, plan, roles, scores, sha256 of all four
        weights.npz        the Keras weights, the interval scores and the scaling of each series; read with
                           ``allow_pickle=False``
        network.onnx       what predict runs
        history.parquet    the newest rows of each series, in groups of whole series
"""
