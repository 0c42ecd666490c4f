"""Frames of the server side: the shared tellers speak OpenAI's events, this writer says them in this wire's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.events.model import ModelResponseAudioDeltaEvent
from voicewire.protocols.dashscope.traits import Family
from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.flat import FLAT_NAMES, item_to_flat
from voicewire.protocols.openai.server_frames import FrameWriter

_UNSAID: Final = (
    ga.ConversationItemDone,
    ga.ConversationItemTruncated,
    ga.RateLimitsUpdated,
    ga.InputTranscriptionDelta,
)
"""What this wire has no event for; partial transcripts are whole texts here, told elsewhere."""
_UNSAID_IN_SPEECH: Final = (
    *_UNSAID,
    ga.ConversationItemAdded,
    ga.OutputTranscriptDelta,
    ga.OutputTranscriptDone,
    ga.OutputTextDelta,
    ga.OutputTextDone,
    ga.InputAudioBufferCommitted,
    ga.InputAudioBufferCleared,
    ga.SpeechStarted,
    ga.SpeechStopped,
    ga.InputTranscriptionCompleted,
    ga.InputTranscriptionFailed,
)
"""Text to speech says nothing of words or input."""
_encoder = msgspec.json.Encoder()


class DashScopeFrameWriter(FrameWriter):
    """Encodes events and numbers them. A frame that this wire does not have is an empty text, to be left out.

    Args:
        tag: Makes the event ids of this session different from those of others.
    """

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.family: Family = "omni"
        self.response_fields: dict[str, Any] = {}
        """Modalities, voice and format, as every response shows them."""
        self.characters = 0
        """Characters that the next response to end has spoken (text to speech)."""

    def frame(self, event: ga.ServerEvent) -> str:
        """One event as a frame; empty when this wire has none for it."""
        if isinstance(event, _UNSAID_IN_SPEECH if self.family == "tts" else _UNSAID):
            return ""
        fields = cast("dict[str, Any]", msgspec.to_builtins(event))
        fields["type"] = FLAT_NAMES.get(fields["type"], fields["type"])
        if "item" in fields:
            fields["item"] = item_to_flat(fields["item"])
        if "response" in fields:
            fields["response"] = self._response(fields["response"])
        return _encoder.encode(fields).decode()

    def audio(self, event: ModelResponseAudioDeltaEvent) -> str | None:
        """One audio delta; None when its part is not the one that ``open_audio`` prepared."""
        if (event.response_id, event.item_id, event.content_index) != self._audio_key:
            return None
        self._count += 1
        return (
            f'{{"type":"response.audio.delta","event_id":"{self._prefix}{self._count:06d}'
            f'{self._audio_rest}{event.delta}"}}'
        )

    def _response(self, body: Mapping[str, Any]) -> dict[str, Any]:
        kept = ("object", "id", "conversation_id", "status", "status_details", "output")
        told = {key: body[key] for key in kept if key in body}
        told["output"] = [item_to_flat(item) for item in body.get("output") or ()]
        told.update(self.response_fields)
        if body.get("output_modalities") == ["text"]:
            told["modalities"] = ["text"]
        told["usage"] = self._usage(body.get("usage"))
        return told

    def _usage(self, usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if usage is None:
            return None
        told = {key: usage[key] for key in ("total_tokens", "input_tokens", "output_tokens")}
        if self.family == "tts":
            return {**told, "characters": self.characters}
        return {
            **told,
            "input_tokens_details": usage["input_token_details"],
            "output_tokens_details": usage["output_token_details"],
        }
