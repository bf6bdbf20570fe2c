"""From files, databases and bundled data sets to a DataFrame."""
