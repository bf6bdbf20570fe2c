"""From what people have to a regular panel."""
