"""What a wire frame is, on whatever wire, as far as an order of frames can be repeated by it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.transport.cassette_scrub import base64_bytes, is_audio

BINARY: Final = "binary"
TEXT: Final = "text"
_SNAKE = re.compile(r"_([a-z])")


class FrameFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a frame without its wire's codec."""

    kind: str
    """Such as ``response.create``, ``conversation.item.create:message``, ``realtimeInput.audio``, ``run-task``."""
    value: Mapping[str, Any] | None = None
    """The JSON object, None when it is none."""
    audio_bytes: int = 0
    """Bytes of audio in it."""


def facts_of(frame: str | bytes) -> FrameFacts:
    """Looks at a frame.

    Args:
        frame: As it went over the wire.
    """
    try:
        value: object = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        is_text = isinstance(frame, str)
        return FrameFacts(kind=TEXT if is_text else BINARY, audio_bytes=0 if is_text else len(frame))
    members = cast("dict[str, Any]", value)
    return FrameFacts(kind=_kind_of(members), value=members, audio_bytes=_audio_in(members))


def members_of(value: object) -> Mapping[str, Any]:
    """The members of a JSON object; none of what is no object."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _kind_of(frame: Mapping[str, Any]) -> str:
    kind = frame.get("type")
    if isinstance(kind, str):
        item = members_of(frame.get("item"))
        return f"{kind}:{item.get('type')}" if kind == "conversation.item.create" else kind
    if header := members_of(frame.get("header")):
        return str(header.get("action") or header.get("event") or "header")
    return "+".join(sorted(_part_of(key, member) for key, member in frame.items())) or "{}"


def _part_of(key: str, member: object) -> str:
    """A member of a combined message, such as Gemini's, in one spelling."""
    name = _camel(key)
    if name == "realtimeInput":
        inside = sorted(_camel(inner) for inner in members_of(member))
        parts = ["audio" if part == "mediaChunks" else part for part in inside]
        return f"{name}.{'+'.join(parts)}"
    return name


def _camel(key: str) -> str:
    return _SNAKE.sub(lambda match: match[1].upper(), key)


def _audio_in(value: object) -> int:
    total = 0
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        for key, member in members.items():
            if isinstance(member, str):
                total += base64_bytes(member) if is_audio(key, members) else 0
            else:
                total += _audio_in(member)
    elif isinstance(value, list):
        total = sum(_audio_in(member) for member in cast("list[object]", value))
    return total
