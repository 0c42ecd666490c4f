"""Fails when a file, function, class or ``__init__`` is longer than the house limits."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 60
CLASS_LINES = 300
INIT_LINES = 40


def tracked_files() -> list[Path]:
    """Python files that git knows or would add, under src, benchmarks and tools."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src", "benchmarks", "tools"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listed.stdout.split() if name.endswith(".py") and Path(name).is_file()]


def too_long(path: Path) -> Iterator[str]:
    """A sentence for everything in the file that is over its limit."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines, limit {FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        limit = FUNCTION_LINES
        if isinstance(node, ast.ClassDef):
            limit = CLASS_LINES
        elif node.name == "__init__":
            limit = INIT_LINES
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > limit:
            yield f"{path}:{node.lineno}: {node.name} has {size} lines, limit {limit}"


def main() -> int:
    """Prints what is too long; the exit code says whether anything was."""
    found = [line for path in tracked_files() for line in too_long(path)]
    print("\n".join(found) if found else "lengths: within the limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
