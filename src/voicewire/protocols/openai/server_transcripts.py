"""Partial transcripts for a wire whose deltas can only add."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.events.model import ModelInputTranscriptionDeltaEvent

_MAX_OPEN = 256


@dataclass(slots=True)
class _Transcript:
    sent: str = ""
    latest: str = ""


class TranscriptDeltas:
    """Turns partials that may be revised into deltas that stay true.

    Of a partial that replaces another one only what both agree on is sent, in whole words. What was sent and
    turned out wrong cannot be taken back; the completed transcript says how it is.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Transcript] = {}

    def delta(self, event: ModelInputTranscriptionDeltaEvent) -> str:
        """What to add now; empty when nothing is certain."""
        transcript = self._open.setdefault(event.item_id, _Transcript())
        if len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]
        before = transcript.latest
        transcript.latest = event.delta if event.is_revision else before + event.delta
        if event.is_revision:
            certain = agreed_words(before, transcript.latest)
        elif transcript.sent == before:
            certain = transcript.latest
        else:
            certain = before
        return self._grow(transcript, certain)

    def rest(self, item_id: str, text: str) -> str:
        """What the final text adds to what was sent; empty when they disagree."""
        transcript = self._open.pop(item_id, _Transcript())
        sent = transcript.sent.lstrip()
        return text[len(sent) :] if text.startswith(sent) else ""

    def forget(self, item_id: str) -> None:
        """There will be no final text."""
        self._open.pop(item_id, None)

    @staticmethod
    def _grow(transcript: _Transcript, certain: str) -> str:
        sent = transcript.sent
        if len(certain) <= len(sent) or not certain.startswith(sent):
            return ""
        transcript.sent = certain
        return certain[len(sent) :]


def agreed_words(one: str, other: str) -> str:
    """The longest common beginning of two texts that ends where a word ends in both."""
    length = 0
    for left, right in zip(one, other):  # noqa: B905  the shorter one ends the comparison
        if left != right:
            break
        length += 1
    while length and (_continues(one, length) or _continues(other, length)):
        length -= 1
    return one[:length].rstrip()


def _continues(text: str, at: int) -> bool:
    """Whether a word goes on across this place."""
    return at < len(text) and text[at].isalnum() and text[at - 1].isalnum()
