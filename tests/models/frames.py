"""Frames of the OpenAI wire for tests of connections."""

from __future__ import annotations

import base64
import json
from typing import Any

from voicewire.events.session import SessionConfig
from voicewire.models.profiles import openai_profile
from voicewire.testing.transport import MemoryPeer
from voicewire.transport.frames import Frame

CAPABILITIES = openai_profile("gpt-realtime").capabilities
CONFIG = SessionConfig(turn_detection=None, transcription=None, voice="alloy")


def session(kind: str, *, input_format: dict[str, Any] | None = None) -> str:
    """A ``session.created`` or ``session.updated``."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    body = {
        "type": "realtime",
        "id": "sess_1",
        "model": "m",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": input_format or pcm, "transcription": None, "turn_detection": None},
            "output": {"format": pcm, "voice": "alloy"},
        },
    }
    return json.dumps({"type": f"session.{kind}", "event_id": "e1", "session": body})


CREATED = session("created")
UPDATED = session("updated")
RESPONSE_CREATED = json.dumps(
    {
        "type": "response.created",
        "event_id": "e2",
        "response": {"id": "resp_1", "status": "in_progress", "output": []},
    }
)
COMMITTED = json.dumps({"type": "input_audio_buffer.committed", "event_id": "e3", "item_id": "item_1"})


def delta(pcm: bytes) -> str:
    """An audio delta."""
    return json.dumps(
        {
            "type": "response.output_audio.delta",
            "event_id": "e4",
            "response_id": "resp_1",
            "item_id": "item_2",
            "output_index": 0,
            "content_index": 0,
            "delta": base64.b64encode(pcm).decode(),
        }
    )


def error(code: str, message: str = "no", kind: str = "invalid_request_error", **fields: Any) -> str:
    """An error event."""
    return json.dumps(
        {
            "type": "error",
            "event_id": "e5",
            "error": {"type": kind, "code": code, "message": message, **fields},
        }
    )


def answering_peer(**options: Any) -> MemoryPeer:
    """A peer that confirms the session by itself."""

    def answer(peer: MemoryPeer, frame: Frame) -> None:
        if isinstance(frame, str) and '"session.update"' in frame:
            peer.say(UPDATED)

    return MemoryPeer(answer, greeting=(CREATED,), **options)
