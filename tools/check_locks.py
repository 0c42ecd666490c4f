"""Fails when a lock file names an address, or a tracked file names a folder of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LOCK_NAME = re.compile(r"(^|/)(package-lock\.json|.*\.lock)$")


def main() -> int:
    """Prints every place at fault; the exit code says whether there was one."""
    root = Path.cwd()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    found: list[str] = []
    for name in listed.stdout.splitlines():
        path = root / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if LOCK_NAME.search(name) and "://" in text:
            found.append(f"{name}: a lock file names an address")
        if f"{root}/" in text or f"{Path.home()}/" in text:
            found.append(f"{name}: names a folder of this machine")
    print("\n".join(found) if found else "locks: no addresses, no machine paths")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
