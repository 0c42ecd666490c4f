"""Frames of the server side of the OpenAI wire: unique event ids, and the short way for audio."""

from __future__ import annotations

from typing import Any

import msgspec

from voicewire.events.model import ModelResponseAudioDeltaEvent
from voicewire.protocols.openai.wire_response import ErrorBody
from voicewire.protocols.openai.wire_server import ErrorEvent, ServerEvent

_encoder = msgspec.json.Encoder()


class FrameWriter:
    """Encodes events and numbers them.

    Args:
        tag: Makes the event ids of this session different from those of others.
    """

    def __init__(self, tag: str) -> None:
        self._prefix = f"event_{tag}"
        self._count = 0
        self._audio_key: tuple[str, str, int] | None = None
        self._audio_rest = ""

    def new_id(self) -> str:
        """A new event id."""
        self._count += 1
        return f"{self._prefix}{self._count:06d}"

    def frame(self, event: ServerEvent) -> str:
        """One event as a frame."""
        return _encoder.encode(event).decode()

    def error(self, error: ErrorBody) -> str:
        """An error as a frame."""
        if error.event_id is msgspec.UNSET:
            error = msgspec.structs.replace(error, event_id=None)
        return self.frame(ErrorEvent(event_id=self.new_id(), error=error))

    def passed(self, raw: dict[str, Any]) -> str:
        """A provider's event as it came, with an id of this session."""
        return _encoder.encode({**raw, "event_id": self.new_id()}).decode()

    def open_audio(self, event: ModelResponseAudioDeltaEvent, output_index: int) -> None:
        """Prepares the frames of the audio of one content part."""
        part = {
            "response_id": event.response_id,
            "item_id": event.item_id,
            "output_index": output_index,
            "content_index": event.content_index,
        }
        self._audio_rest = f'","{_encoder.encode(part).decode()[2:-1]},"delta":"'
        self._audio_key = (event.response_id, event.item_id, event.content_index)

    def close_audio(self) -> None:
        """The content part is over; ``audio`` needs ``open_audio`` again."""
        self._audio_key = None

    def audio(self, event: ModelResponseAudioDeltaEvent) -> str | None:
        """One audio delta; None when its part is not the one that ``open_audio`` prepared.

        The base64 text is copied once; nothing else of the frame is built anew but the number of its id.
        """
        if (event.response_id, event.item_id, event.content_index) != self._audio_key:
            return None
        self._count += 1
        return (
            f'{{"type":"response.output_audio.delta","event_id":"{self._prefix}{self._count:06d}'
            f'{self._audio_rest}{event.delta}"}}'
        )
