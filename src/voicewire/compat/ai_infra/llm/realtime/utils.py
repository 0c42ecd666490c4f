"""``ai_infra.llm.realtime.utils`` (seed 003)."""

from __future__ import annotations

from voicewire.voice.utils import (
    calculate_duration_ms,
    chunk_audio,
    float32_to_pcm16,
    pcm16_to_float32,
    resample_pcm16,
    silence_pcm16,
)

__all__ = [
    "calculate_duration_ms",
    "chunk_audio",
    "float32_to_pcm16",
    "pcm16_to_float32",
    "resample_pcm16",
    "silence_pcm16",
]
