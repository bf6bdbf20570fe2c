"""Running a trained network."""
