"""The events that a server of this wire sends.

The wire is a flat cousin of OpenAI's first dialect. Where an event means the same, it is the same struct, under
its own name here; only what differs is new. Read leniently: services leave fields out and add keys of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.wire_items import ServerItem
from voicewire.protocols.openai.wire_response import (
    InputTokens,
    OutputTokenCounts,
    StatusDetails,
    Usage,
)


class AudioDelta(ga.OutputAudioDelta, frozen=True, kw_only=True, tag="response.audio.delta", gc=False):
    """More audio, in base64 of the output format."""


class AudioDone(ga.OutputAudioDone, frozen=True, kw_only=True, tag="response.audio.done"):
    """The part's audio is complete."""


class TranscriptDelta(
    ga.OutputTranscriptDelta, frozen=True, kw_only=True, tag="response.audio_transcript.delta"
):
    """More words of the part's audio."""


class TranscriptDone(
    ga.OutputTranscriptDone, frozen=True, kw_only=True, tag="response.audio_transcript.done"
):
    """All words of the part's audio."""


class TextDelta(ga.OutputTextDelta, frozen=True, kw_only=True, tag="response.text.delta"):
    """More text."""


class TextDone(ga.OutputTextDone, frozen=True, kw_only=True, tag="response.text.done"):
    """All text of the part."""


class _Snapshot(ga.ServerEvent, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    text: str = ""
    """All that is certain so far."""
    stash: str = ""
    """A guess at what follows."""


class TranscriptSnapshot(_Snapshot, frozen=True, kw_only=True, tag="response.audio_transcript.text"):
    """The words of the part's audio so far (live translation)."""


class TextSnapshot(_Snapshot, frozen=True, kw_only=True, tag="response.text.text"):
    """The text so far (live translation)."""


class InputTranscriptionText(
    ga.ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.text"
):
    """The words of the user so far: all of them, each time."""

    item_id: str
    content_index: int | None = 0
    text: str | None = ""
    """What is certain."""
    stash: str | None = ""
    """A guess at what follows."""
    language: str | None | UnsetType = UNSET
    emotion: str | None | UnsetType = UNSET


class InputTranscriptionCompleted(
    ga.InputTranscriptionCompleted,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.completed",
    omit_defaults=True,
):
    """All words of the user."""

    language: str | None | UnsetType = UNSET
    emotion: str | None | UnsetType = UNSET


class SessionFinished(ga.ServerEvent, frozen=True, kw_only=True, tag="session.finished"):
    """Everything that was asked for is done; the connection is about to close."""


class InputTextBufferCommitted(ga.ServerEvent, frozen=True, kw_only=True, tag="input_text_buffer.committed"):
    """The text buffer is about to be spoken."""

    item_id: str | None = ""


class InputTextBufferCleared(ga.ServerEvent, frozen=True, kw_only=True, tag="input_text_buffer.cleared"):
    """The text buffer is empty."""


class DashScopeUsage(Usage, frozen=True, kw_only=True, omit_defaults=True):
    """What a response cost; the details are in the plural here."""

    input_tokens_details: InputTokens | None = None
    output_tokens_details: OutputTokenCounts | None = None
    characters: int | None = None
    """Characters spoken (Qwen-TTS)."""


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """A response."""

    id: str
    object: str | None = "realtime.response"
    conversation_id: str | None | UnsetType = UNSET
    status: str | None = None
    status_details: StatusDetails | str | None | UnsetType = UNSET
    modalities: list[str] | None | UnsetType = UNSET
    voice: str | None | UnsetType = UNSET
    output_audio_format: str | None | UnsetType = UNSET
    output: list[ServerItem] | None = None
    usage: DashScopeUsage | None | UnsetType = UNSET


class ResponseCreated(ga.ServerEvent, frozen=True, kw_only=True, tag="response.created"):
    """A response begins."""

    response: ResponseBody


class ResponseDone(ga.ServerEvent, frozen=True, kw_only=True, tag="response.done"):
    """A response ended."""

    response: ResponseBody
    usage: DashScopeUsage | None | UnsetType = UNSET


TWINS: dict[type[ga.ServerEvent], type[ga.ServerEvent]] = {
    ga.OutputAudioDelta: AudioDelta,
    ga.OutputAudioDone: AudioDone,
    ga.OutputTranscriptDelta: TranscriptDelta,
    ga.OutputTranscriptDone: TranscriptDone,
    ga.OutputTextDelta: TextDelta,
    ga.OutputTextDone: TextDone,
    ga.InputTranscriptionCompleted: InputTranscriptionCompleted,
    ga.ConversationItemAdded: ga.ConversationItemCreated,
}
"""OpenAI's event, and the one of the same fields that this wire has for it."""

ServerEvent: TypeAlias = (
    AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | TranscriptSnapshot
    | TextDelta
    | TextDone
    | TextSnapshot
    | InputTranscriptionText
    | InputTranscriptionCompleted
    | ga.InputTranscriptionDelta
    | ga.InputTranscriptionFailed
    | ga.FunctionArgumentsDelta
    | ga.FunctionArgumentsDone
    | ga.ContentPartAdded
    | ga.ContentPartDone
    | ga.OutputItemAdded
    | ga.OutputItemDone
    | ResponseCreated
    | ResponseDone
    | ga.ConversationItemCreated
    | ga.ConversationItemRetrieved
    | ga.ConversationItemDeleted
    | ga.InputAudioBufferCommitted
    | ga.InputAudioBufferCleared
    | ga.SpeechStarted
    | ga.SpeechStopped
    | InputTextBufferCommitted
    | InputTextBufferCleared
    | ga.SessionCreated
    | ga.SessionUpdated
    | SessionFinished
    | ga.ErrorEvent
)

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ServerEvent)
decode_server_event: Callable[[str | bytes | memoryview], ServerEvent] = _decoder.decode
"""Reads one frame; raises one of ``UNREADABLE``."""
UNREADABLE = ga.UNREADABLE
"""What a frame that is no known event makes ``decode_server_event`` raise."""

SERVER_EVENT_CLASSES: tuple[type[ga.ServerEvent], ...] = tuple(getattr(ServerEvent, "__args__", ()))
SERVER_EVENT_TYPES: frozenset[str] = frozenset(str(c.__struct_config__.tag) for c in SERVER_EVENT_CLASSES)
"""The ``type`` of every server event."""
