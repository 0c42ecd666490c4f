"""Error types and codes of the OpenAI Realtime wire, as constants."""

from __future__ import annotations

from typing import Final

# Values of ``error.type``.
INVALID_REQUEST_ERROR: Final = "invalid_request_error"
SERVER_ERROR: Final = "server_error"

# Values of ``error.code``: what is wrong with one client event.
INVALID_EVENT: Final = "invalid_event"
INVALID_JSON: Final = "invalid_json"
INVALID_TYPE: Final = "invalid_type"
INVALID_VALUE: Final = "invalid_value"
MISSING_REQUIRED_PARAMETER: Final = "missing_required_parameter"
UNKNOWN_PARAMETER: Final = "unknown_parameter"
UNSUPPORTED_CONTENT_TYPE: Final = "unsupported_content_type"

# Values of ``error.code``: the event is well formed, the conversation is not in the state for it.
BAD_RESPONSE_CREATE: Final = "bad_response_create"
CANNOT_UPDATE_VOICE: Final = "cannot_update_voice"
CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE: Final = "conversation_already_has_active_response"
INPUT_AUDIO_BUFFER_COMMIT_EMPTY: Final = "input_audio_buffer_commit_empty"
RESPONSE_CANCEL_NOT_ACTIVE: Final = "response_cancel_not_active"

# Values of ``error.code``: the session cannot start or cannot go on.
BETA_API_SHAPE_DISABLED: Final = "beta_api_shape_disabled"
INSUFFICIENT_QUOTA: Final = "insufficient_quota"
INVALID_API_KEY: Final = "invalid_api_key"
MODEL_NOT_FOUND: Final = "model_not_found"
RATE_LIMIT_EXCEEDED: Final = "rate_limit_exceeded"
SESSION_EXPIRED: Final = "session_expired"

REQUEST_CODES: Final = frozenset(
    {
        INVALID_EVENT,
        INVALID_JSON,
        INVALID_TYPE,
        INVALID_VALUE,
        MISSING_REQUIRED_PARAMETER,
        UNKNOWN_PARAMETER,
        UNSUPPORTED_CONTENT_TYPE,
        CANNOT_UPDATE_VOICE,
        CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE,
        RESPONSE_CANCEL_NOT_ACTIVE,
    }
)
"""Every code that the server side of the codec gives by itself."""

FATAL_CODES: Final = frozenset(
    {BETA_API_SHAPE_DISABLED, INSUFFICIENT_QUOTA, INVALID_API_KEY, MODEL_NOT_FOUND, SESSION_EXPIRED}
)
"""Codes after which the provider closes the connection; they become the reason of the session's end."""

# Values of ``response.status_details.reason``.
TURN_DETECTED: Final = "turn_detected"
CLIENT_CANCELLED: Final = "client_cancelled"

# Close codes.
EXPIRY_CLOSE: Final = 1001
EXPIRY_CLOSE_TEXT: Final = "maximum duration"
"""Part of the close reason when a session reached its time limit."""
