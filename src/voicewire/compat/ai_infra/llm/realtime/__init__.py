"""``ai_infra.llm.realtime`` (seed 003)."""

from __future__ import annotations

from voicewire.voice import (
    AudioChunk,
    RealtimeConfig,
    RealtimeConnectionError,
    RealtimeError,
    RealtimeVoice,
    ToolCallRequest,
    ToolCallResult,
    ToolDefinition,
    TranscriptDelta,
    VADMode,
    VoiceSession,
    realtime_voice,
)
from voicewire.voice.values import (
    AudioFormat,
    InterruptedEvent,
    RealtimeEvent,
    ResponseDoneEvent,
    SessionCreatedEvent,
    SessionErrorEvent,
)

__all__ = [
    "AudioChunk",
    "AudioFormat",
    "InterruptedEvent",
    "RealtimeConfig",
    "RealtimeConnectionError",
    "RealtimeError",
    "RealtimeEvent",
    "RealtimeVoice",
    "ResponseDoneEvent",
    "SessionCreatedEvent",
    "SessionErrorEvent",
    "ToolCallRequest",
    "ToolCallResult",
    "ToolDefinition",
    "TranscriptDelta",
    "VADMode",
    "VoiceSession",
    "realtime_voice",
]
