"""Limits of the OpenAI Realtime wire, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_APPEND_BYTES: Final = 15 * 1024 * 1024
"""Audio in one ``input_audio_buffer.append``, in bytes before base64."""
MAX_OUTPUT_TOKENS: Final = 4096
MAX_METADATA_PAIRS: Final = 16
MAX_METADATA_KEY_CHARS: Final = 64
MAX_METADATA_VALUE_CHARS: Final = 512
PCM_RATE_HZ: Final = 24000
"""The only rate of ``audio/pcm``."""
G711_RATE_HZ: Final = 8000
"""The rate of ``audio/pcmu`` and ``audio/pcma``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What one emulated server allows and announces."""

    max_append_bytes: int = MAX_APPEND_BYTES
    max_text_chars: int = 32 * 1024 * 1024
    """Length of one text frame; 15 MiB of audio are 20 MiB of base64."""
    session_length_s: int = 3600
    """Time until ``expires_at``."""
    tokens_limit: int = 40_000
    """What ``rate_limits.updated`` announces as the limit of tokens."""
    tokens_reset_s: float = 0.0
