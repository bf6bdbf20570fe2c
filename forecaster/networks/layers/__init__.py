"""Keras layers of the networks; importing one imports Keras."""
