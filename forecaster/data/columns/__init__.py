"""From a DataFrame to readings: which column is what, and what its cells say."""
