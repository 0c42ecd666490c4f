"""How the families of this wire differ, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Family = Literal["omni", "asr", "tts"]
"""What a session is for: a conversation, transcripts of audio, or speech from text."""

PCM_NAMES: Final = frozenset({"pcm", "pcm16", "pcm24"})
"""Every name that this wire has given to 16-bit little-endian mono; the digits never were its rate or width."""
INPUT_RATE_HZ: Final = 16000
OUTPUT_RATE_HZ: Final = 24000
MAX_APPEND_BYTES: Final = 15 * 1024 * 1024
"""Audio in one ``input_audio_buffer.append``, in bytes before base64."""
TTS_RATES_HZ: Final = (8000, 16000, 22050, 24000, 44100, 48000)
NESTED_RATES_HZ: Final = (8000, 16000, 24000, 48000)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTraits:
    """One family of models on this wire."""

    family: Family = "omni"
    is_audio_nested: bool = False
    """Whether formats and voice lie in ``session.audio`` (from qwen3.8 on) or beside the rest."""
    pcm_name: str = "pcm"
    """What the flat format fields say; the documents went from ``pcm16`` to ``pcm``."""
    has_finish: bool = True
    """Whether the family knows ``session.finish``."""
    transcription_model: str | None = "qwen3-asr-flash-realtime"
    """Transcribes the user when the configuration names no model."""
    is_always_create_empty: bool = False
    """Whether ``response.create`` has no ``response`` when there is nothing to say (qwen3.8)."""
