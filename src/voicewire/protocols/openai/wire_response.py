"""The response object of the OpenAI wire, and what is inside it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.protocols.openai.wire_items import ServerItem


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of an error."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None | UnsetType = UNSET


class CachedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Cached tokens by kind."""

    text_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Input tokens by kind."""

    text_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0
    cached_tokens: int | None = 0
    cached_tokens_details: CachedTokens | None = None


class OutputTokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Output tokens by kind."""

    text_tokens: int | None = 0
    audio_tokens: int | None = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a response cost, in tokens."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokenCounts | None = None


class StatusError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a response failed."""

    type: str | None = None
    code: str | None = None
    message: str | None = None


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Why a response ended as it did."""

    type: str | None = None
    reason: str | None | UnsetType = UNSET
    error: StatusError | None | UnsetType = UNSET


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """A response."""

    object: str | None = "realtime.response"
    id: str
    status: str | None = None
    status_details: StatusDetails | str | None = None
    output: list[ServerItem] | None = None
    conversation_id: str | None | UnsetType = UNSET
    output_modalities: list[str] | None | UnsetType = UNSET
    max_output_tokens: int | str | None | UnsetType = UNSET
    audio: dict[str, Any] | None | UnsetType = UNSET
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None
