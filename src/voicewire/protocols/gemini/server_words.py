"""The user's words for a wire whose transcripts can only add, from models whose partials may be revised."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.events.model import ModelInputTranscriptionDeltaEvent, ModelInputTranscriptionDoneEvent
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import server_frames as frames
from voicewire.protocols.openai.server_transcripts import agreed_words

_MAX_OPEN = 256


@dataclass(slots=True)
class _Words:
    sent: str = ""
    """What the client was told for certain."""
    unsure: str = ""
    """The last addition; the next one confirms it."""
    latest: str = ""


class InputWords:
    """``inputTranscription`` adds up to the final text; every guess goes out as ``interimInputTranscription``.

    An addition counts as certain when another one follows it. A model that has ever revised a partial is not
    believed again: its partials are guesses only.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Words] = {}
        self._is_revised = False

    def partial(self, event: ModelInputTranscriptionDeltaEvent) -> list[Frame]:
        """More words, or other ones."""
        words = self._open.setdefault(event.item_id, _Words())
        if len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]
        told: list[Frame] = []
        if event.is_revision:
            self._is_revised = True
            words.unsure, words.latest = "", event.delta
        else:
            if words.unsure and not self._is_revised:
                told.append(_certain(words.unsure))
                words.sent += words.unsure
            words.unsure = event.delta
            words.latest += event.delta
        guess = words.latest
        if guess.startswith(words.sent):
            guess = guess[len(words.sent) :]
        if guess:
            told.append(frames.content({"interimInputTranscription": {"text": guess}}))
        return told

    def final(self, event: ModelInputTranscriptionDoneEvent) -> list[Frame]:
        """The text that is certain: what of it was not told yet."""
        words = self._open.pop(event.item_id, _Words())
        known = (
            words.sent
            if event.transcript.startswith(words.sent)
            else agreed_words(words.sent, event.transcript)
        )
        rest = event.transcript[len(known) :]
        if not self._is_revised and words.unsure and rest.startswith(words.unsure) and rest != words.unsure:
            return [_certain(words.unsure), _certain(rest[len(words.unsure) :], is_finished=True)]
        return [_certain(rest, is_finished=True)]


def _certain(text: str, *, is_finished: bool = False) -> Frame:
    body: frames.Json = {"text": text, "finished": True} if is_finished else {"text": text}
    return frames.content({"inputTranscription": body})
