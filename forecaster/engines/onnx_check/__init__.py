"""Checks that an ONNX file may be run: its graph, its shapes and its bytes."""
