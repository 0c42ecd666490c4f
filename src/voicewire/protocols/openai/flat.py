"""The flat dialects of the OpenAI wire as tables over its GA form: names of events, and what each dialect has.

OpenAI's beta, the Azure preview and Azure Voice Live say the same things with a flat session object and older
names of events. Nothing here knows a session's state; `flat_client` and `flat_server` apply the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

EVENT_NAMES: Final[Mapping[str, str]] = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
"""Server events by flat name, with their GA name; all others have one name."""

FLAT_NAMES: Final[Mapping[str, str]] = {
    **{ga: flat for flat, ga in EVENT_NAMES.items() if ga.startswith("response.")},
    "conversation.item.added": "conversation.item.created",
}
"""Server events by GA name, with their flat name."""

CONTENT_NAMES: Final[Mapping[str, str]] = {"text": "output_text", "audio": "output_audio"}
"""Content parts of the assistant by flat name."""
_FLAT_CONTENT: Final = {ga: flat for flat, ga in CONTENT_NAMES.items()}

CORE_EVENTS: Final = frozenset(
    {
        "error",
        "session.created",
        "session.updated",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "conversation.item.created",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.failed",
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.text.delta",
        "response.text.done",
        "response.audio_transcript.delta",
        "response.audio_transcript.done",
        "response.audio.delta",
        "response.audio.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "rate_limits.updated",
    }
)
"""The events of October 2024: clients of that time close the connection at any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatDialect:
    """One flat dialect."""

    name: str
    """For messages."""
    server_events: frozenset[str]
    """The allow-list: what a server of this dialect sends."""
    passed_events: frozenset[str] = frozenset()
    """Those of them that have no GA counterpart; they are handed on as they come."""
    voices: tuple[str, ...] = ()
    """The only voices that its clients can read; empty when they read any."""
    transcription_models: tuple[str, ...] = ()
    """The only transcription models that its clients can read; empty when they read any."""
    has_transcription_sessions: bool = False
    """Whether sessions that only transcribe have events of their own name."""
    has_voice_objects: bool = False
    """Whether a voice is an object with type and name."""
    has_images: bool = False
    """Whether messages may hold images."""
    has_mcp: bool = False
    """Whether items of MCP servers exist."""
    response_keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """Parameters of ``response.create`` by GA name that are called otherwise."""
    openai_voices: frozenset[str] = frozenset()
    """With voice objects: the names whose type is ``openai``."""
    rates_hz: tuple[int, ...] = (24000,)
    """Input rates of ``pcm16``, told in ``input_audio_sampling_rate`` when there are several."""
    turn_kinds: frozenset[str] = frozenset()
    """Kinds of turn detection besides ``server_vad`` and ``semantic_vad``."""
    options: frozenset[str] = frozenset()
    """Keys of the session that only this dialect has; kept in ``SessionConfig.extra``."""
    effects: frozenset[str] = frozenset()
    """Those options that show in what the server sends; a model without them is told of in a warning."""
    refused_options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options that no server or client here has, each with the reason."""
    session_defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keys of the session object that GA lacks, as a server shows them at the beginning."""


def item_to_flat(item: dict[str, Any]) -> dict[str, Any]:
    """A GA item with the content names of the flat dialects."""
    return _with_content(item, _FLAT_CONTENT)


def item_to_ga(item: dict[str, Any]) -> dict[str, Any]:
    """A flat item with the content names of GA."""
    names = CONTENT_NAMES if item.get("role", "assistant") == "assistant" else _INPUT_NAMES
    return _with_content(item, names)


_INPUT_NAMES: Final = {"text": "input_text", "audio": "input_audio"}


def _with_content(item: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {**item, "content": [_renamed(part, names) for part in cast("list[object]", content)]}


def _renamed(part: object, names: Mapping[str, str]) -> object:
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    kind = fields.get("type")
    return {**fields, "type": names.get(kind, kind)} if isinstance(kind, str) else fields
