"""The words of seed 004: what a model is doing, the state of a connection, the default session."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Any, Final


class ModelStatus(str, Enum):
    """What the model is doing; equal to its string."""

    IDLE = "idle"
    LISTENING = "listening"
    """The user speaks."""
    THINKING = "thinking"
    """A response was begun and is not heard yet."""
    SPEAKING = "speaking"
    """Its audio is being played."""

    def __str__(self) -> str:
        return self.value


ModelStatusEnum = ModelStatus


class ReadyState(IntEnum):
    """The state of the WebSocket, numbered as browsers do."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


DEFAULT_SESSION_CONFIG: Final[Mapping[str, Any]] = {
    "voice": "alloy",
    "instructions": "Call provided tools if appropriate for the user's input.",
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 600},
}
"""Asked for when no configuration is given."""
