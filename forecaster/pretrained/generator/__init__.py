"""Series made up from random numbers alone, by kind, that the pretrained network learns from; nothing real is in them.

Many rows are made at once, ``(rows, steps)``; every function takes the generator of random numbers first.
"""
