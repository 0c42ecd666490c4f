"""The values that a `RealtimeVoice` gives and takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SpeakerRole = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The audio of a session."""

    encoding: Literal["pcm16"] = "pcm16"
    sample_rate: int = 24_000
    """In Hz."""
    channels: int = 1


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of the model's speech."""

    data: bytes
    """16-bit little-endian mono samples."""
    sample_rate: int = 24_000
    """In Hz."""
    is_final: bool = False
    """Whether the response has no more audio after it; such a chunk may be empty."""


@dataclass(frozen=True, slots=True)
class TranscriptDelta:
    """Words of one party."""

    text: str
    """All of the turn so far."""
    is_final: bool = False
    """Whether it will not change any more."""
    role: SpeakerRole = "assistant"


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool that the model is told of and that an ``on_tool_call`` handler runs."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    """JSON schema of the arguments."""


@dataclass(frozen=True, slots=True)
class ToolCallRequest:
    """A call, as handlers with one argument get it."""

    call_id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ToolCallResult:
    """What a handler may return instead of a plain value."""

    call_id: str
    output: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceResponse:
    """A whole reply."""

    audio: bytes = b""
    """16-bit little-endian mono samples at ``sample_rate``."""
    transcript: str = ""
    """What it says."""
    status: str = "completed"
    """``completed``, ``cancelled`` (interrupted), ``incomplete`` or ``failed``."""
    reason: str = ""
    """Why it is not completed."""
    input_transcript: str = ""
    """What the model understood of the turn, as far as it said so before the reply ended."""
    sample_rate: int = 24_000
    """In Hz."""
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class RealtimeEvent:
    """An event by its wire name; the callbacks are the way to be told."""

    type: str


@dataclass(frozen=True, slots=True)
class SessionCreatedEvent:
    """The session is open."""

    type: Literal["session.created"] = "session.created"
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class SessionErrorEvent:
    """Something is wrong."""

    type: Literal["session.error"] = "session.error"
    error: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseDoneEvent:
    """A reply is complete."""

    type: Literal["response.done"] = "response.done"


@dataclass(frozen=True, slots=True)
class InterruptedEvent:
    """The user interrupted."""

    type: Literal["interrupted"] = "interrupted"
