"""``RealtimeVoice``: talk with a model by decorators (seed 003).

Names load on first use, so that importing the package loads no model and no schema library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.errors import RealtimeConnectionError, RealtimeError
    from voicewire.voice.config import RealtimeConfig, VADMode
    from voicewire.voice.realtime import RealtimeVoice, realtime_voice
    from voicewire.voice.session import VoiceSession
    from voicewire.voice.utils import (
        calculate_duration_ms,
        chunk_audio,
        float32_to_pcm16,
        pcm16_to_float32,
        resample_pcm16,
        silence_pcm16,
    )
    from voicewire.voice.values import (
        AudioChunk,
        ToolCallRequest,
        ToolCallResult,
        ToolDefinition,
        TranscriptDelta,
        VoiceResponse,
    )

_HOME = {
    "AudioChunk": "voice.values",
    "RealtimeConfig": "voice.config",
    "RealtimeConnectionError": "errors",
    "RealtimeError": "errors",
    "RealtimeVoice": "voice.realtime",
    "ToolCallRequest": "voice.values",
    "ToolCallResult": "voice.values",
    "ToolDefinition": "voice.values",
    "TranscriptDelta": "voice.values",
    "VADMode": "voice.config",
    "VoiceResponse": "voice.values",
    "VoiceSession": "voice.session",
    "calculate_duration_ms": "voice.utils",
    "chunk_audio": "voice.utils",
    "float32_to_pcm16": "voice.utils",
    "pcm16_to_float32": "voice.utils",
    "realtime_voice": "voice.realtime",
    "resample_pcm16": "voice.utils",
    "silence_pcm16": "voice.utils",
}

__all__ = [
    "AudioChunk",
    "RealtimeConfig",
    "RealtimeConnectionError",
    "RealtimeError",
    "RealtimeVoice",
    "ToolCallRequest",
    "ToolCallResult",
    "ToolDefinition",
    "TranscriptDelta",
    "VADMode",
    "VoiceResponse",
    "VoiceSession",
    "calculate_duration_ms",
    "chunk_audio",
    "float32_to_pcm16",
    "pcm16_to_float32",
    "realtime_voice",
    "resample_pcm16",
    "silence_pcm16",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"voicewire.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
