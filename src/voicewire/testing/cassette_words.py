"""What a client's frame says, on whatever wire, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast

from voicewire.transport.frame_kinds import FrameFacts, members_of

_SILENT: Final = frozenset(
    {"input_audio_buffer.append", "input_image_buffer.append", "realtimeInput.audio", "binary"}
)
_SHOWN_CHARS: Final = 200

Told = tuple[Literal["you", "tool", "link"], str, str]
"""Who, what, and what it may be the cause of: ``text``, ``tool result``, ``speech``, ``request``, or nothing."""


def told_by_client(facts: FrameFacts) -> Told | None:
    """What the frame says; None for media, which are told by their amount.

    Args:
        facts: The frame.
    """
    kind, frame = facts.kind, facts.value or {}
    if kind in _SILENT:
        return None
    match kind:
        case "conversation.item.create:message":
            return "you", _words(frame.get("item")), "text"
        case "conversation.item.create:function_call_output":
            return "tool", f"result: {_shown(_at(frame, 'item', 'output'))}", "tool result"
        case "response.create":
            return "link", "", "request"
        case "input_audio_buffer.commit" | "realtimeInput.activityEnd" | "realtimeInput.audioStreamEnd":
            return "link", "", "speech"
        case "response.cancel":
            return "you", "(interrupts)", ""
        case "conversation.item.truncate":
            return "link", f"heard up to {frame.get('audio_end_ms', 0)} ms", ""
        case "clientContent":
            return "you", _words(frame), "text"
        case "realtimeInput.text":
            return "you", _words(frame), "text"
        case "toolResponse":
            return "tool", f"result: {_shown(_responses(frame))}", "tool result"
        case "session.update" | "setup" | "session.finish":
            return "link", "", ""
        case "continue-task":
            return "you", _words(_at(frame, "payload", "input")), "text"
        case _:
            return "link", f"{kind} sent", ""


def _words(value: object) -> str:
    words = " ".join(text for text in _texts(value) if text.strip())
    return _shown(words) if words else "(no words)"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, member in cast("Mapping[str, object]", value).items():
            if key == "text" and isinstance(member, str):
                yield member
            else:
                yield from _texts(member)
    elif isinstance(value, list):
        for member in cast("list[object]", value):
            yield from _texts(member)


def _responses(frame: Mapping[str, Any]) -> object:
    members = members_of(next(iter(frame.values()), None))
    found: object = members.get("functionResponses", members.get("function_responses", []))
    if not isinstance(found, list):
        return found
    return [_at(members_of(each), "response") for each in cast("list[object]", found)]


def _at(frame: Mapping[str, Any], *path: str) -> object:
    value: object = frame
    for key in path:
        value = members_of(value).get(key)
    return value


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
