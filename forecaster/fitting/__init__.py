"""From a panel and settings to a model."""
