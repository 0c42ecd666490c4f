"""The states of a speech client, and which may follow which."""

from __future__ import annotations

from enum import Enum
from typing import Final


class RealtimeState(str, Enum):
    """Where a client stands."""

    IDLE = "idle"
    """Nothing under way; it may be started."""
    STARTING = "starting"
    """Connecting or loading; what is sent waits in the buffer."""
    RUNNING = "running"
    """The other side has taken the session."""
    STOPPING = "stopping"
    """No more input; the last results are awaited."""
    CLOSED = "closed"
    """Closed by the application; it may be started again."""
    FAILED = "failed"
    """Ended by an error; it may be started again."""


class RealtimeType(str, Enum):
    """What a client does."""

    TTS = "tts"
    ASR = "asr"
    VOICE_CHAT = "voice_chat"
    VIDEO_CHAT = "video_chat"


TRANSITIONS: Final[dict[RealtimeState, frozenset[RealtimeState]]] = {
    RealtimeState.IDLE: frozenset({RealtimeState.STARTING, RealtimeState.CLOSED}),
    RealtimeState.STARTING: frozenset(
        {
            RealtimeState.RUNNING,
            RealtimeState.STOPPING,
            RealtimeState.IDLE,
            RealtimeState.FAILED,
            RealtimeState.CLOSED,
        }
    ),
    RealtimeState.RUNNING: frozenset(
        {RealtimeState.STOPPING, RealtimeState.IDLE, RealtimeState.FAILED, RealtimeState.CLOSED}
    ),
    RealtimeState.STOPPING: frozenset({RealtimeState.IDLE, RealtimeState.FAILED, RealtimeState.CLOSED}),
    RealtimeState.CLOSED: frozenset({RealtimeState.STARTING}),
    RealtimeState.FAILED: frozenset({RealtimeState.STARTING, RealtimeState.CLOSED}),
}
"""From each state, the states that may come next."""
LIVE: Final = frozenset({RealtimeState.STARTING, RealtimeState.RUNNING, RealtimeState.STOPPING})
"""A session is under way."""
