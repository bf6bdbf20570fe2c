"""``python -m forecaster`` is the command ``forecaster``."""

from __future__ import annotations

from forecaster.cli.main import main

if __name__ == "__main__":
    main()
