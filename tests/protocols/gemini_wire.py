"""Messages of a Gemini Live server, and what a codec makes of them, for the tests of both sides."""

from __future__ import annotations

import json
from typing import Any

import pybase64

from voicewire.events.base import EventBase, type_name
from voicewire.events.commands import Command
from voicewire.events.session import SessionConfig
from voicewire.protocols.gemini.client import GeminiClientCodec
from voicewire.protocols.gemini.client_state import WireTraits

SETUP_COMPLETE = {"setupComplete": {"sessionId": "s1"}}
GENERATED = {"serverContent": {"generationComplete": True}}
INTERRUPTED = {"serverContent": {"interrupted": True}}
TURN_END: dict[str, Any] = {
    "serverContent": {"turnComplete": True},
    "usageMetadata": {
        "promptTokenCount": 7,
        "responseTokenCount": 5,
        "totalTokenCount": 12,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 3},
            {"modality": "AUDIO", "tokenCount": 4},
        ],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
    },
}


def audio(pcm: bytes = b"\x01\x02" * 4, rate_hz: int = 24000) -> dict[str, Any]:
    data = pybase64.b64encode_as_string(pcm)
    part = {"inlineData": {"mimeType": f"audio/pcm;rate={rate_hz}", "data": data}}
    return {"serverContent": {"modelTurn": {"parts": [part]}}}


def words(text: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def heard(text: str, *, finished: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"text": text}
    if finished:
        body["finished"] = True
    return {"serverContent": {"inputTranscription": body}}


def tool_call(*names: str, **arguments: Any) -> dict[str, Any]:
    calls = [{"id": f"call_{name}", "name": name, "args": arguments} for name in names]
    return {"toolCall": {"functionCalls": calls}}


def client(
    config: SessionConfig | None = None, *, is_ready: bool = True, can_reopen: bool = False, **traits: Any
) -> GeminiClientCodec:
    """A codec that is set up."""
    codec = GeminiClientCodec(config or SessionConfig(), traits=WireTraits(**traits), can_reopen=can_reopen)
    codec.opening()
    if is_ready:
        receive(codec, SETUP_COMPLETE)
    return codec


def receive(codec: GeminiClientCodec, *messages: dict[str, Any]) -> list[EventBase]:
    """The events of the messages."""
    return [event for message in messages for event in codec.receive(json.dumps(message))]


def sent(codec: GeminiClientCodec, *commands: Command) -> list[dict[str, Any]]:
    """The messages of the commands, with what receiving made necessary."""
    frames = [frame for command in commands for frame in codec.encode(command)]
    return [json.loads(frame) for frame in [*frames, *codec.data_to_send()]]


def kinds(events: list[EventBase]) -> list[str]:
    """The types of the events, shortened."""
    return [type_name(event).removeprefix("model_") for event in events]


def of(events: list[EventBase], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]
