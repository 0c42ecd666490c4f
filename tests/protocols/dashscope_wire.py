"""Frames of the DashScope realtime wire, and what a codec makes of them, for the tests of both sides."""

from __future__ import annotations

import base64
import json
from typing import Any

from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope.client import DashScopeClientCodec
from voicewire.protocols.dashscope.server import DashScopeServerCodec
from voicewire.protocols.dashscope.traits import Family, WireTraits

PCM_16K = MediaFormat("audio/pcm", 16000)
PCM_24K = MediaFormat("audio/pcm", 24000)
OMNI = SessionConfig(model="m", voice="Cherry", input_format=PCM_16K, output_format=PCM_24K)
CREATED: dict[str, Any] = {"type": "session.created", "session": {"id": "sess_1", "voice": "Tina"}}
UPDATED: dict[str, Any] = {"type": "session.updated", "session": {"id": "sess_1", "voice": "Cherry"}}
IDS = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
ITEM: dict[str, Any] = {
    "id": "i1",
    "type": "message",
    "role": "assistant",
    "status": "in_progress",
    "content": [],
}
USAGE: dict[str, Any] = {
    "total_tokens": 377,
    "input_tokens": 336,
    "output_tokens": 41,
    "input_tokens_details": {"text_tokens": 228, "audio_tokens": 108},
    "output_tokens_details": {"text_tokens": 9, "audio_tokens": 32},
}
RESPONSE_CREATED: dict[str, Any] = {
    "type": "response.created",
    "response": {"id": "r1", "object": "realtime.response", "conversation_id": "", "status": "in_progress"},
}
ITEM_ADDED: dict[str, Any] = {"type": "response.output_item.added", "response_id": "r1", "item": ITEM}


def audio(pcm: bytes = b"\x01\x02" * 4) -> dict[str, Any]:
    return {"type": "response.audio.delta", **IDS, "delta": base64.b64encode(pcm).decode()}


def words(text: str) -> dict[str, Any]:
    return {"type": "response.audio_transcript.delta", **IDS, "delta": text}


def done(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": "r1", "status": status, "usage": USAGE, **fields}}


def error(
    code: str, message: str = "no", kind: str = "invalid_request_error", **fields: Any
) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "code": code, "message": message, **fields}}


def client(config: SessionConfig = OMNI, *, is_ready: bool = True, **traits: Any) -> DashScopeClientCodec:
    """A codec that is set up."""
    codec = DashScopeClientCodec(config, traits=WireTraits(**traits))
    codec.opening()
    if is_ready:
        receive(codec, CREATED, UPDATED)
    return codec


def receive(codec: DashScopeClientCodec, *events: dict[str, Any]) -> list[EventBase]:
    """The model events of the wire's events."""
    return [found for event in events for found in codec.receive(json.dumps(event))]


def read(frames: list[Frame]) -> list[dict[str, Any]]:
    """Frames as objects, without the ids of events."""
    found: list[dict[str, Any]] = []
    for frame in frames:
        event = json.loads(frame)
        event.pop("event_id", None)
        found.append(event)
    return found


def server(family: Family = "omni", **options: Any) -> DashScopeServerCodec:
    """A server side that has greeted."""
    numbers = iter(range(1, 1000))
    codec = DashScopeServerCodec(
        ids=lambda prefix: f"{prefix}_{next(numbers)}", model="m", family=family, **options
    )
    codec.data_to_send()
    return codec
