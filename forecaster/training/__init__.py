"""Networks trained on the rows before validation, and scored on those."""
