"""Session objects on the OpenAI wire: what a client may send, and what a server says is in force.

What a client sends is read strictly: an unknown key refuses the whole update, as the provider does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from voicewire.protocols.openai.limits import MAX_OUTPUT_TOKENS, PCM_RATE_HZ

Probability: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=3_600_000)]
Speed: TypeAlias = Annotated[float, Meta(ge=0.25, le=1.5)]
OutputTokens: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
Effort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]
Modalities: TypeAlias = Annotated[list[Literal["audio", "text"]], Meta(min_length=1, max_length=1)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class PcmFormat(_Strict, frozen=True, tag_field="type", tag="audio/pcm"):
    """16-bit little-endian mono at 24 kHz."""

    rate: Literal[24000] | UnsetType = UNSET


class PcmuFormat(_Strict, frozen=True, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law at 8 kHz."""


class PcmaFormat(_Strict, frozen=True, tag_field="type", tag="audio/pcma"):
    """G.711 A-law at 8 kHz."""


AudioFormatBody: TypeAlias = PcmFormat | PcmuFormat | PcmaFormat


class NoiseReductionBody(_Strict, frozen=True):
    """Cleaning of the input before turn detection and model."""

    type: Literal["near_field", "far_field"]
    strength: float | UnsetType = UNSET


class TranscriptionBody(_Strict, frozen=True):
    """Transcription of the input."""

    model: str | UnsetType = UNSET
    language: str | None | UnsetType = UNSET
    languages: list[str] | None | UnsetType = UNSET
    prompt: str | None | UnsetType = UNSET
    keywords: list[str] | None | UnsetType = UNSET
    delay: Effort | None | UnsetType = UNSET


class ServerVadBody(_Strict, frozen=True, tag_field="type", tag="server_vad"):
    """Turns end after a stretch of silence."""

    threshold: Probability | UnsetType = UNSET
    prefix_padding_ms: Milliseconds | UnsetType = UNSET
    silence_duration_ms: Milliseconds | UnsetType = UNSET
    idle_timeout_ms: Milliseconds | None | UnsetType = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class SemanticVadBody(_Strict, frozen=True, tag_field="type", tag="semantic_vad"):
    """Turns end when the words sound finished."""

    eagerness: Literal["low", "medium", "high", "auto"] | UnsetType = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class NoTurnDetectionBody(_Strict, frozen=True, tag_field="type", tag="none"):
    """Manual turns as the Azure preview spells them; the same as null."""


TurnDetectionBody: TypeAlias = ServerVadBody | SemanticVadBody | NoTurnDetectionBody


class AudioInputBody(_Strict, frozen=True):
    """The input half of ``session.audio``."""

    format: AudioFormatBody | UnsetType = UNSET
    noise_reduction: NoiseReductionBody | None | UnsetType = UNSET
    transcription: TranscriptionBody | None | UnsetType = UNSET
    turn_detection: TurnDetectionBody | None | UnsetType = UNSET


class VoiceIdBody(_Strict, frozen=True):
    """A custom voice."""

    id: str


class AudioOutputBody(_Strict, frozen=True):
    """The output half of ``session.audio``."""

    format: AudioFormatBody | UnsetType = UNSET
    voice: str | VoiceIdBody | UnsetType = UNSET
    speed: Speed | UnsetType = UNSET


class AudioBody(_Strict, frozen=True):
    """Audio settings of a realtime session."""

    input: AudioInputBody | UnsetType = UNSET
    output: AudioOutputBody | UnsetType = UNSET


class TranscriptionAudioBody(_Strict, frozen=True):
    """Audio settings of a transcription session, which has no output."""

    input: AudioInputBody | UnsetType = UNSET


class FunctionToolBody(_Strict, frozen=True, tag_field="type", tag="function"):
    """A function that the client runs."""

    name: str
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET
    """Sent by agent SDKs; it has no effect on this wire."""


class McpToolBody(_Strict, frozen=True, tag_field="type", tag="mcp"):
    """Tools of an MCP server that the provider calls."""

    server_label: str
    server_url: str | UnsetType = UNSET
    connector_id: str | UnsetType = UNSET
    tunnel_id: str | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    headers: dict[str, str] | None | UnsetType = UNSET
    allowed_tools: list[str] | dict[str, Any] | None | UnsetType = UNSET
    require_approval: Literal["always", "never"] | dict[str, Any] | None | UnsetType = UNSET
    server_description: str | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    allowed_callers: list[str] | None | UnsetType = UNSET


ToolBody: TypeAlias = FunctionToolBody | McpToolBody


class FunctionChoiceBody(_Strict, frozen=True, tag_field="type", tag="function"):
    """The model must call this function."""

    name: str


class McpChoiceBody(_Strict, frozen=True, tag_field="type", tag="mcp"):
    """The model must call a tool of this MCP server."""

    server_label: str
    name: str | None | UnsetType = UNSET


ToolChoiceBody: TypeAlias = Literal["none", "auto", "required"] | FunctionChoiceBody | McpChoiceBody


class ReasoningBody(_Strict, frozen=True):
    """How much a reasoning model thinks first."""

    effort: Effort | UnsetType = UNSET


class TracingBody(_Strict, frozen=True):
    """Where traces of the session go."""

    workflow_name: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class TokenLimitsBody(_Strict, frozen=True):
    """Token limits of context truncation."""

    post_instructions: int | UnsetType = UNSET


class RetentionRatioBody(_Strict, frozen=True, tag_field="type", tag="retention_ratio"):
    """Context truncation that keeps a share of the conversation."""

    retention_ratio: Probability
    token_limits: TokenLimitsBody | UnsetType = UNSET


class PromptBody(_Strict, frozen=True):
    """A stored prompt."""

    id: str
    version: str | None | UnsetType = UNSET
    variables: dict[str, Any] | None | UnsetType = UNSET


Include: TypeAlias = list[Literal["item.input_audio_transcription.logprobs"]]


class RealtimeSessionBody(_Strict, frozen=True, tag_field="type", tag="realtime"):
    """A conversation's session, as far as it is to change."""

    model: str | UnsetType = UNSET
    """Accepted and not applied: the model of a session cannot change."""
    instructions: str | UnsetType = UNSET
    output_modalities: Modalities | UnsetType = UNSET
    audio: AudioBody | UnsetType = UNSET
    tools: list[ToolBody] | UnsetType = UNSET
    tool_choice: ToolChoiceBody | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: ReasoningBody | None | UnsetType = UNSET
    max_output_tokens: OutputTokens | UnsetType = UNSET
    tracing: Literal["auto"] | TracingBody | None | UnsetType = UNSET
    truncation: Literal["auto", "disabled"] | RetentionRatioBody | UnsetType = UNSET
    prompt: PromptBody | None | UnsetType = UNSET
    include: Include | None | UnsetType = UNSET


class TranscriptionSessionBody(_Strict, frozen=True, tag_field="type", tag="transcription"):
    """A session that only transcribes, as far as it is to change."""

    audio: TranscriptionAudioBody | UnsetType = UNSET
    include: Include | None | UnsetType = UNSET


SessionBody: TypeAlias = RealtimeSessionBody | TranscriptionSessionBody


class ResponseAudioOutputBody(_Strict, frozen=True):
    """Output format and voice of one response."""

    format: AudioFormatBody | UnsetType = UNSET
    voice: str | VoiceIdBody | UnsetType = UNSET


class ResponseAudioBody(_Strict, frozen=True):
    """Audio settings of one response."""

    output: ResponseAudioOutputBody | UnsetType = UNSET


def format_body(media_type: str) -> dict[str, Any]:
    """The wire object of a format; only PCM names its rate."""
    return {"type": media_type, "rate": PCM_RATE_HZ} if media_type == "audio/pcm" else {"type": media_type}
