"""``agentscope.realtime._gemini_realtime_model`` (seed 002)."""

from __future__ import annotations

from typing import cast

import msgspec

from voicewire import models
from voicewire.compat.agentscope.realtime._single_messages import (
    Block,
    Json,
    SingleMessages,
    data_of,
    error_event,
    object_in,
    text_in,
)
from voicewire.compat.agentscope.realtime._single_messages import (
    get_bytes_from_web_url as _get_bytes_from_web_url,
)
from voicewire.events import ModelEvents as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.protocols.openai.client_state import tool_use

_RESPONSE_ID = "resp_gemini"


class GeminiRealtimeModel(SingleMessages, models.GeminiRealtimeModel):
    """`voicewire.models.GeminiRealtimeModel`, with what AgentScope has below it."""

    _response_id: str | None = None

    async def _frame_of(self, kind: str, block: Block) -> Json:
        if kind == "text":
            turn = {"role": "user", "parts": [{"text": block.get("text", "")}]}
            return {"clientContent": {"turns": [turn], "turnComplete": True}}
        if kind == "tool_result":
            answer = {
                "id": block.get("id"),
                "name": block.get("name"),
                "response": {"result": block.get("output")},
            }
            return {"toolResponse": {"functionResponses": [answer]}}
        data = await data_of(block, _get_bytes_from_web_url)
        if kind == "audio":
            media_type = f"audio/pcm;rate={self.input_sample_rate}"
            return {"realtimeInput": {"audio": {"mimeType": media_type, "data": data}}}
        media_type = text_in(object_in(block, "source"), "media_type") or "image/jpeg"
        return {"realtimeInput": {"video": {"mimeType": media_type, "data": data}}}

    def _event_of(self, fields: Json) -> EventBase | list[EventBase] | None:
        if "setupComplete" in fields:
            return m.ModelSessionCreatedEvent(session_id="gemini_session")
        if "serverContent" in fields:
            return self._content(object_in(fields, "serverContent"))
        if "toolCall" in fields:
            return self._calls(object_in(fields, "toolCall"))
        if "toolCallCancellation" in fields:
            return self._done()
        if "error" in fields:
            return error_event(fields, "status")
        return None

    def _content(self, content: Json) -> EventBase | None:
        """The first of what a message holds, as the original reads it."""
        for part in _objects(object_in(content, "modelTurn"), "parts"):
            inline = object_in(part, "inlineData")
            if text_in(inline, "mimeType").startswith("audio/"):
                return m.ModelResponseAudioDeltaEvent(
                    response_id=self._begun(),
                    item_id="",
                    delta=text_in(inline, "data"),
                    format=MediaFormat("audio/pcm", self.output_sample_rate),
                )
            if part.get("text"):
                return self._words(text_in(part, "text"))
        if "outputTranscription" in content:
            return self._words(text_in(object_in(content, "outputTranscription"), "text"))
        if "inputTranscription" in content:
            words = text_in(object_in(content, "inputTranscription"), "text")
            return m.ModelInputTranscriptionDoneEvent(transcript=words, item_id="") if words else None
        if content.get("generationComplete") or (content.get("turnComplete") and self._response_id):
            return self._done()
        return None

    def _words(self, words: str) -> EventBase | None:
        if not words:
            return None
        return m.ModelResponseAudioTranscriptDeltaEvent(response_id=self._begun(), item_id="", delta=words)

    def _calls(self, call: Json) -> list[EventBase]:
        found: list[EventBase] = []
        for each in _objects(call, "functionCalls"):
            raw = msgspec.json.encode(object_in(each, "args")).decode()
            use = tool_use(text_in(each, "id"), text_in(each, "name"), raw, is_complete=True)
            found.append(
                m.ModelResponseToolUseDoneEvent(response_id=self._response_id or "", item_id="", tool_use=use)
            )
        return found

    def _begun(self) -> str:
        self._response_id = self._response_id or _RESPONSE_ID
        return self._response_id

    def _done(self) -> EventBase:
        response_id, self._response_id = self._response_id or "", None
        return m.ModelResponseDoneEvent(response_id=response_id, input_tokens=0, output_tokens=0)


def _objects(fields: Json, name: str) -> list[Json]:
    """The objects of a list; none where there is no list."""
    found: object = fields.get(name)
    if not isinstance(found, list):
        return []
    return [cast("Json", each) for each in cast("list[object]", found) if isinstance(each, dict)]
