"""Features: from a panel to the windows that a network reads."""
