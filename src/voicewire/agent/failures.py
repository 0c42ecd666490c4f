"""Errors as an agent's error events tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voicewire.errors import (
    AudioError,
    BackpressureError,
    ConfigError,
    ConnectionLost,
    ConsumerTooSlow,
    EngineError,
    InvalidEventError,
    OutOfCapacity,
    ProtocolError,
    ProviderError,
    SessionClosed,
    TransportError,
    UnsupportedError,
    VoicewireError,
)

INTERNAL_ERROR_CLOSE: Final = 1011
_TOO_SLOW_CLOSE: Final = 1008
_INVALID: Final = "invalid_request_error"

_KINDS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (UnsupportedError, _INVALID, "unsupported"),
    (InvalidEventError, _INVALID, "invalid_event"),
    (AudioError, _INVALID, "invalid_audio"),
    (ConfigError, _INVALID, "invalid_configuration"),
    (ConsumerTooSlow, "slow_consumer", "consumer_too_slow"),
    (OutOfCapacity, "server_error", "out_of_capacity"),
    (BackpressureError, "server_error", "overloaded"),
    (ConnectionLost, "connection_error", "connection_lost"),
    (SessionClosed, "connection_error", "session_closed"),
    (TransportError, "connection_error", "connect_failed"),
    (ProviderError, "provider_error", "provider_error"),
    (ProtocolError, "protocol_error", "protocol_error"),
    (EngineError, "server_error", "engine_failed"),
    (VoicewireError, "server_error", "failed"),
    (ValueError, _INVALID, "invalid_value"),
)
"""The first class that fits decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailure:
    """One error."""

    error_type: str
    code: str
    message: str
    close_code: int = INTERNAL_ERROR_CLOSE
    """Close code of the session that it ends."""
    reason: str = ""


def failure_of(error: Exception) -> AgentFailure:
    """How an error is told. One that is not ours shows nothing of itself: its place is the log."""
    found = next((kind for kind in _KINDS if isinstance(error, kind[0])), None)
    if found is None:
        return AgentFailure(
            error_type="server_error",
            code="internal_error",
            message="the agent failed; the log says why",
            reason="internal error",
        )
    _, error_type, code = found
    close_code = INTERNAL_ERROR_CLOSE
    if isinstance(error, ConnectionLost | SessionClosed):
        close_code = error.code or INTERNAL_ERROR_CLOSE
    elif isinstance(error, ConsumerTooSlow):
        close_code = _TOO_SLOW_CLOSE
    elif isinstance(error, ProviderError):
        code = error.code or code
    return AgentFailure(
        error_type=error_type,
        code=code,
        message=str(error),
        close_code=close_code,
        reason=getattr(error, "reason", "") or str(error),
    )
