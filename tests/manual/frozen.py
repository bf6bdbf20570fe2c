"""Write the texts of ``tests/frozen`` anew, where they were changed on purpose: ``python tests/manual/frozen.py``.

Read what ``git diff`` says of them before it is committed: each line is one that scripts, models or people may rely on.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from freezing import FITTED_TEXTS, FROZEN, TEXTS, fit_all


def main() -> int:
    """Write all of them, and nothing else into their folder."""
    with tempfile.TemporaryDirectory() as folder:
        fits = fit_all(Path(folder))
        texts = {name: text() for name, text in TEXTS.items()}
        texts |= {name: text(fits) for name, text in FITTED_TEXTS.items()}
    shutil.rmtree(FROZEN)
    for name, text in texts.items():
        (FROZEN / name).parent.mkdir(parents=True, exist_ok=True)
        (FROZEN / name).write_text(text)
    print(f"written: {len(texts)} files in {FROZEN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
