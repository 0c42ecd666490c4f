"""Messages that a server of the Gemini Live wire sends, typed."""

from __future__ import annotations

from typing import Any

import msgspec

from voicewire.errors import RemoteProtocolError
from voicewire.protocols.gemini.keys import read_object


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Blob(_Message, frozen=True):
    """Bytes with their media type."""

    mime_type: str = ""
    data: str = ""
    """Base64, of either alphabet."""


class Part(_Message, frozen=True):
    """One part of what the model says."""

    text: str | None = None
    thought: bool = False
    """Whether the text is thinking, which nobody hears."""
    inline_data: Blob | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None


class Content(_Message, frozen=True):
    """Parts of one speaker."""

    role: str = ""
    parts: list[Part] = []


class Transcription(_Message, frozen=True):
    """More words of somebody's audio."""

    text: str = ""
    finished: bool = False
    language_code: str = ""


class ServerContent(_Message, frozen=True):
    """What the model says, and where its turn stands. Several of these may come in one message."""

    model_turn: Content | None = None
    generation_complete: bool = False
    turn_complete: bool = False
    turn_complete_reason: str = ""
    interrupted: bool = False
    waiting_for_input: bool = False
    input_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None
    interaction_status: str = ""


class FunctionCall(_Message, frozen=True):
    """A call of a function."""

    id: str = ""
    name: str = ""
    args: dict[str, Any] = {}
    partial_args: list[Any] | None = None
    will_continue: bool = False


class ToolCall(_Message, frozen=True):
    """Functions that the client is to run."""

    function_calls: list[FunctionCall] = []


class ToolCallCancellation(_Message, frozen=True):
    """Calls that are not to be answered any more."""

    ids: list[str] = []


class ModalityCount(_Message, frozen=True):
    """Tokens of one modality."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(_Message, frozen=True):
    """Token counts."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    response_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[ModalityCount] = []
    cache_tokens_details: list[ModalityCount] = []
    response_tokens_details: list[ModalityCount] = []


class SetupComplete(_Message, frozen=True):
    """The configuration is in force."""

    session_id: str = ""


class GoAway(_Message, frozen=True):
    """The server will end the connection soon."""

    time_left: str = ""
    """A duration, such as ``50s``."""


class SessionResumptionUpdate(_Message, frozen=True):
    """By what handle the session could be taken up again."""

    new_handle: str = ""
    resumable: bool = False


class VoiceActivitySignal(_Message, frozen=True):
    """The detector's word, first spelling."""

    vad_signal_type: str = ""


class VoiceActivity(_Message, frozen=True):
    """The detector's word, second spelling."""

    type: str = ""
    voice_activity_type: str = ""
    audio_offset: str = ""
    """Position in the input, a duration such as ``1.2s``."""


class ServerMessage(_Message, frozen=True):
    """One message; usually one of these is set, with the usage beside it."""

    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: GoAway | None = None
    session_resumption_update: SessionResumptionUpdate | None = None
    voice_activity_detection_signal: VoiceActivitySignal | None = None
    voice_activity: VoiceActivity | None = None
    error: dict[str, Any] | None = None
    code: int | str | None = None
    """With ``message`` and ``status``: an error without a wrapper."""
    message: str = ""
    status: str = ""


def known_fields(struct: type[msgspec.Struct]) -> frozenset[str]:
    """The keys of a struct as the wire spells them."""
    return frozenset(struct.__struct_encode_fields__)


_MESSAGE_KEYS = known_fields(ServerMessage)
_CONTENT_KEYS = known_fields(ServerContent)
_PART_KEYS = known_fields(Part)


class Unknown(msgspec.Struct, frozen=True):
    """Something in a message that this codec has never heard of."""

    name: str
    raw: dict[str, Any]
    """As much of the message as holds it."""


def read_server_message(
    frame: str | bytes | memoryview,
) -> tuple[ServerMessage, dict[str, Any], list[Unknown]]:
    """Reads one message.

    Returns:
        The message, its normalised JSON, and what is unknown in it.

    Raises:
        RemoteProtocolError: Not JSON, or a field is of the wrong type; the error names it.
    """
    data = read_object(frame)
    try:
        message = msgspec.convert(data, ServerMessage, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"the server sent a malformed message: {error}") from error
    return message, data, _unknown(data)


def _unknown(data: dict[str, Any]) -> list[Unknown]:
    found = [Unknown(key, {key: data[key]}) for key in data if key not in _MESSAGE_KEYS]
    content: dict[str, Any] = data.get("serverContent") or {}
    found += [
        Unknown(f"serverContent.{key}", {"serverContent": {key: content[key]}})
        for key in content
        if key not in _CONTENT_KEYS
    ]
    for part in content.get("modelTurn", {}).get("parts", ()):
        if not _PART_KEYS.issuperset(part):
            name = next(key for key in part if key not in _PART_KEYS)
            raw = {"serverContent": {"modelTurn": {"parts": [part]}}}
            found.append(Unknown(f"serverContent.modelTurn.{name}", raw))
    return found


class _OnlyBlob(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    data: str
    mimeType: str = ""


class _OnlyPart(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    inlineData: _OnlyBlob


class _OnlyTurn(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    parts: list[_OnlyPart]
    role: str = ""


class _OnlyContent(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    modelTurn: _OnlyTurn


class OnlyAudio(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A message with nothing but inline data in it: almost every message of a reply."""

    serverContent: _OnlyContent


decode_only_audio = msgspec.json.Decoder(OnlyAudio).decode
"""Reads a message of nothing but audio; raises ``msgspec.DecodeError`` for any other."""
