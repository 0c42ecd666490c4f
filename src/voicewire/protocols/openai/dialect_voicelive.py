"""Azure Voice Live as data: the flat dialect with voices, turn detection and options of its own."""

from __future__ import annotations

from typing import Final

from voicewire.protocols.openai.flat import CORE_EVENTS, FlatDialect

TURN_KINDS: Final = frozenset(
    {
        "azure_semantic_vad",
        "azure_semantic_vad_en",
        "azure_semantic_vad_multilingual",
    }
)
"""Turn detection that only this service has."""
OPENAI_VOICES: Final = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}
)
PASSED_EVENTS: Final = frozenset(
    {
        "warning",
        "response.animation_blendshapes.delta",
        "response.animation_blendshapes.done",
        "response.animation_viseme.delta",
        "response.animation_viseme.done",
        "response.audio_timestamp.delta",
        "response.audio_timestamp.done",
        "response.audio_transcript.annotation.added",
        "response.web_search_call.searching",
        "response.web_search_call.in_progress",
        "response.web_search_call.completed",
        "response.file_search_call.searching",
        "response.file_search_call.in_progress",
        "response.file_search_call.completed",
        "response.invocation.delta",
    }
)
"""Events without a GA counterpart: visemes, blend shapes, word timestamps, the service's own tools."""
MCP_EVENTS: Final = frozenset(
    {
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
    }
)
EFFECTS: Final = frozenset({"animation", "output_audio_timestamp_types", "interim_response"})
"""Options that add events to a response."""

VOICE_LIVE: Final = FlatDialect(
    name="Azure Voice Live",
    server_events=(CORE_EVENTS - {"rate_limits.updated"})
    | {"conversation.item.retrieved", "conversation.item.input_audio_transcription.delta"}
    | MCP_EVENTS
    | PASSED_EVENTS,
    passed_events=PASSED_EVENTS,
    has_voice_objects=True,
    has_images=True,
    has_mcp=True,
    response_keys={"input": "input_items"},
    openai_voices=OPENAI_VOICES,
    rates_hz=(24000, 16000, 8000),
    turn_kinds=TURN_KINDS,
    options=EFFECTS
    | {
        "avatar",
        "input_audio_echo_cancellation",
        "input_audio_sampling_rate",
        "metadata",
        "reasoning_effort",
        "truncation_strategy",
        "agent",
    },
    effects=EFFECTS,
    refused_options={
        "avatar": "avatars are video over WebRTC, which this library does not carry",
        "agent": "agents are made by the service; give instructions and tools",
    },
    session_defaults={
        "temperature": None,
        "animation": None,
        "avatar": None,
        "input_audio_echo_cancellation": None,
        "input_audio_sampling_rate": 24000,
        "output_audio_timestamp_types": None,
    },
)
