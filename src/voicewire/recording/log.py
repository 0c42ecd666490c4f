"""Events and marks as the lines of ``events.jsonl``. Pure.

Each line is the event's own JSON with its session time in front; audio and images are replaced by their
sizes, so that a long conversation stays readable.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from voicewire.events.base import EventBase
from voicewire.events.model import ModelResponseAudioDeltaEvent
from voicewire.recording.marks import Mark

_PAYLOAD_KEYS: Final = frozenset({"audio", "image_url", "delta_audio"})
_LONG_PAYLOAD: Final = 256
"""Base64 or data URIs from this length on are replaced."""


def log_line(at_ms: float, what: EventBase | Mark) -> bytes:
    """One line, its line feed included.

    Args:
        at_ms: Session time.
        what: The event or mark.
    """
    return msgspec.json.encode({"t_ms": round(at_ms, 2), **fields_of(what)}) + b"\n"


def fields_of(what: EventBase | Mark) -> dict[str, Any]:
    """The JSON fields, without media."""
    if isinstance(what, ModelResponseAudioDeltaEvent):
        return {
            "type": "model_response_audio_delta",
            "response_id": what.response_id,
            "item_id": what.item_id,
            "content_index": what.content_index,
            "audio_bytes": len(what.pcm),
            "format": {"type": what.format.type, "rate": what.format.rate},
        }
    data = what.model_dump() if isinstance(what, EventBase) else msgspec.to_builtins(what)
    return cast("dict[str, Any]", _without_media(data))


def _without_media(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _size_of(item) if key in _PAYLOAD_KEYS and isinstance(item, str) else _without_media(item)
            for key, item in cast("dict[str, object]", value).items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_media(item) for item in cast("list[object]", value)]
    return value


def _size_of(payload: str) -> str:
    if len(payload) < _LONG_PAYLOAD and not payload.startswith("data:"):
        return payload
    return f"<{len(payload) * 3 // 4} bytes>"
