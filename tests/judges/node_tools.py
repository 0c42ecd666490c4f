"""Where the npm judges are, and how they are run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent.parent / "tools" / "node"


def command(script: str, *arguments: str) -> list[str]:
    """The command line of a script in ``tools/node``.

    A machine without the npm packages skips these judges; in CI, where ``make test`` has installed them,
    their absence is a failure.
    """
    if not (HOME / "node_modules").is_dir() or shutil.which("node") is None:
        reason = "tools/node has no node_modules; run `npm ci` in tools/node"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return ["node", str(HOME / script), *arguments]
