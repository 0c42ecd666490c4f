"""The code blocks of the documentation.

The words after the language in a fence say how a block runs:

==============  ==============================================================================
word            the block
==============  ==============================================================================
(none)          runs as it is, in a process of its own clean folder, without network or keys
``gateway``     runs with a gateway of the echo model in place of ``127.0.0.1:8080`` and keys set
``engine``      runs with the embedded engine; skipped where its files are missing
``compile``     is only compiled: it needs a key, a device or a server of its own
==============  ==============================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.make_docs import ROOT, pages

MODES = ("", "gateway", "engine", "compile")
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    """Line of the page on which its code begins."""
    language: str
    mode: str
    code: str

    @property
    def id(self) -> str:
        """Page and line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Every block of these languages in the readme and the documentation."""
    found: list[Block] = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            language, _, mode = match["info"].strip().partition(" ")
            if language in languages:
                line = text.count("\n", 0, match.start("code")) + 1
                found.append(Block(page, line, language, mode.strip(), match["code"]))
    return found
