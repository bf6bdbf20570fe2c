"""The simple forecast that a network starts from."""
