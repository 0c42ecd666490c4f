"""Words of the Gemini Live wire that several parts use."""

from __future__ import annotations

import re
from typing import Final

INPUT_RATE_HZ: Final = 16000
OUTPUT_RATE_HZ: Final = 24000

START_OF_SPEECH: Final = frozenset({"VAD_SIGNAL_TYPE_SOS", "ACTIVITY_START"})
END_OF_SPEECH: Final = frozenset({"VAD_SIGNAL_TYPE_EOS", "ACTIVITY_END"})

MALFORMED_FUNCTION_CALL: Final = "MALFORMED_FUNCTION_CALL"
_NORMAL_REASONS: Final = frozenset({"", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})
CONTENT_FILTER: Final = "content_filter"
SESSION_EXPIRED: Final = "session_expired"
CONNECTION_LOST: Final = "connection_lost"
CLIENT_CANCELLED: Final = "client_cancelled"
TURN_DETECTED: Final = "turn_detected"

IN_PROGRESS: Final = frozenset({"IN_PROGRESS", "REQUIRES_ACTION"})
"""Interaction states in which the end of a turn is not the end of the answer."""

NON_BLOCKING: Final = "NON_BLOCKING"
SCHEDULINGS: Final = frozenset({"INTERRUPT", "WHEN_IDLE", "SILENT"})

_DEADLINE: Final = "deadline expired"
_DURATION: Final = re.compile(r"\s*(\d{1,12}(?:\.\d{1,12})?)s\s*")

_ERROR_TYPES: Final = {
    "INVALID_ARGUMENT": "invalid_request_error",
    "FAILED_PRECONDITION": "invalid_request_error",
    "NOT_FOUND": "invalid_request_error",
    "OUT_OF_RANGE": "invalid_request_error",
    "UNAUTHENTICATED": "authentication_error",
    "PERMISSION_DENIED": "permission_error",
    "RESOURCE_EXHAUSTED": "rate_limit_error",
    "UNAVAILABLE": "server_error",
    "INTERNAL": "server_error",
    "DEADLINE_EXCEEDED": "server_error",
}


def error_type(status: str) -> str:
    """The kind of an error in the words of all wires."""
    return _ERROR_TYPES.get(status, "provider_error")


def outcome(turn_complete_reason: str) -> tuple[str, str]:
    """Status and reason of a response whose turn ended with this ``turnCompleteReason``."""
    if turn_complete_reason in _NORMAL_REASONS:
        return "completed", ""
    if turn_complete_reason == MALFORMED_FUNCTION_CALL:
        return "failed", turn_complete_reason.lower()
    return "incomplete", CONTENT_FILTER


def end_reason(reason: str) -> str:
    """The reason of a session's end; the wire's own text but for a session that got too old."""
    return SESSION_EXPIRED if _DEADLINE in reason.lower() else reason


def duration_ms(text: str) -> int | None:
    """Milliseconds of a protobuf duration such as ``1.25s``; None for anything else."""
    match = _DURATION.fullmatch(text)
    return None if match is None else round(float(match[1]) * 1000)
