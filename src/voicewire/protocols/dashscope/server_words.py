"""Partial transcripts as this wire tells them: all words so far, each time, the certain ones apart from the guess."""

from __future__ import annotations

from voicewire.events.model import ModelInputTranscriptionDeltaEvent
from voicewire.protocols.openai.server_transcripts import agreed_words

_MAX_OPEN = 256


class PartialTexts:
    """Remembers the newest text of each item that is being transcribed."""

    def __init__(self) -> None:
        self._latest: dict[str, str] = {}

    def told(self, event: ModelInputTranscriptionDeltaEvent) -> tuple[str, str]:
        """What is certain, and the guess at what follows: two partials are believed where they agree."""
        before = self._latest.get(event.item_id, "")
        latest = event.delta if event.is_revision else before + event.delta
        self._latest[event.item_id] = latest
        if len(self._latest) > _MAX_OPEN:
            del self._latest[next(iter(self._latest))]
        certain = agreed_words(before, latest) if event.is_revision else latest
        return certain, latest[len(certain) :]

    def forget(self, item_id: str) -> None:
        """The final text is there, or never comes."""
        self._latest.pop(item_id, None)
