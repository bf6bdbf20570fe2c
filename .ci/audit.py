"""Ask the Python Package Index for known vulnerabilities of pinned packages.

Where its advisories cannot be reached, that is said and nothing fails; exit code 1 where a package has one.

    python .ci/audit.py requirements-ci.txt
"""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.request import urlopen

#: A version that has a known vulnerability: an index that tells of it tells of others.
KNOWN = "https://pypi.org/pypi/pip/23.2.1/json"
#: Seconds for one answer, and for all.
PATIENCE, MOST = 5, 120


def reachable() -> bool:
    """Return whether the index tells of vulnerabilities here; some mirrors do not."""
    try:
        with urlopen(KNOWN, timeout=PATIENCE) as answer:
            return bool(json.load(answer).get("vulnerabilities"))
    except (OSError, ValueError):
        return False


def audited(lock: str) -> dict[str, list[str]] | None:
    """Return the vulnerabilities of each package that has some; None where there was no answer."""
    argv = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip", "--require-hashes"]
    argv += ["--format", "json", "--progress-spinner", "off", "--timeout", str(PATIENCE)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=MOST)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return {f"{p['name']} {p['version']}": [v["id"] for v in p["vulns"]] for p in packages if p.get("vulns")}


def main() -> int:
    """Print what is known, and return the exit code."""
    found = audited(sys.argv[1]) if reachable() else None
    if found is None:
        print("audit: skipped, the advisories of the Python Package Index cannot be reached")
        return 0
    for package, vulnerabilities in found.items():
        print(f"audit: {package}: {', '.join(vulnerabilities)}")
    print(f"audit: {len(found)} packages with known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
