"""Text on its way to be spoken: when a piece of it is complete enough (Qwen-TTS, server side)."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_END: Final = re.compile(r"(?:[.!?;]+[\"')\]]*(?=\s)|[\u3002\uff01\uff1f\uff1b]+|\n)")
"""The end of a sentence: a stop with white space after it, or a full-width stop, which needs none."""


class TextBuffer:
    """What was appended and not yet handed on. In the mode ``server_commit`` whole sentences leave it at once."""

    def __init__(self) -> None:
        self._text = ""

    def append(self, text: str) -> None:
        """More text."""
        self._text += text

    def sentences(self) -> str:
        """Takes every whole sentence; empty when there is none."""
        end = 0
        for match in _SENTENCE_END.finditer(self._text):
            end = match.end()
        found, self._text = self._text[:end], self._text[end:]
        if not found.strip():
            return ""
        return found.strip()

    def rest(self) -> str:
        """Takes everything."""
        found, self._text = self._text, ""
        return found.strip()
