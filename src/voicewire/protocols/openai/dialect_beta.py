"""OpenAI's beta and the Azure preview, as data. Both ended in 2026; their clients go on here."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from voicewire.protocols.openai.flat import CORE_EVENTS, FlatDialect

BETA_PREVIEW_VERSION: Final = "2024-10-01-preview"
"""The Azure API version whose clients know `CORE_EVENTS` only."""
_BETA_VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse")

BETA: Final = FlatDialect(
    name="the beta dialect",
    server_events=CORE_EVENTS
    | {
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.delta",
        "transcription_session.created",
        "transcription_session.updated",
    },
    has_transcription_sessions=True,
    response_keys={"max_output_tokens": "max_response_output_tokens"},
    session_defaults={"temperature": 0.8},
)
"""The beta of 2025, and the later Azure previews."""

FIRST_BETA: Final = replace(
    BETA,
    name="the beta dialect of 2024",
    server_events=CORE_EVENTS,
    has_transcription_sessions=False,
    voices=_BETA_VOICES,
    transcription_models=("whisper-1",),
)
"""The beta of October 2024, for clients that read nothing that came later."""
