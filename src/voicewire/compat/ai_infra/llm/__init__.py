"""``ai_infra.llm``, as far as its realtime voice goes (seed 003)."""

from __future__ import annotations

from voicewire.voice import (
    AudioChunk,
    RealtimeConfig,
    RealtimeError,
    RealtimeVoice,
    TranscriptDelta,
    VADMode,
    VoiceSession,
    realtime_voice,
)

__all__ = [
    "AudioChunk",
    "RealtimeConfig",
    "RealtimeError",
    "RealtimeVoice",
    "TranscriptDelta",
    "VADMode",
    "VoiceSession",
    "realtime_voice",
]
