"""The events that a client of this wire sends. Settings are read leniently: every family has keys of its own."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.protocols.openai import wire_client as ga


class SessionUpdate(ga.ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Changes the session."""

    session: dict[str, Any]


class InputImageBufferAppend(
    ga.ClientEvent, frozen=True, kw_only=True, tag="input_image_buffer.append", gc=False
):
    """A JPEG in base64; it becomes part of the item that the audio buffer makes."""

    image: str


class ConversationItemCreate(ga.ClientEvent, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Adds an item."""

    item: dict[str, Any]
    previous_item_id: str | None = None


class ResponseParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one response does differently from the session."""

    instructions: str | None | UnsetType = UNSET
    modalities: list[str] | None | UnsetType = UNSET


class ResponseCreate(ga.ClientEvent, frozen=True, kw_only=True, tag="response.create"):
    """Asks for a response."""

    response: ResponseParams | None | UnsetType = UNSET


class SessionFinish(ga.ClientEvent, frozen=True, kw_only=True, tag="session.finish"):
    """No more input; the server answers ``session.finished`` when everything is done."""


class InputTextBufferAppend(ga.ClientEvent, frozen=True, kw_only=True, tag="input_text_buffer.append"):
    """Text to be spoken (Qwen-TTS)."""

    text: str


class InputTextBufferCommit(ga.ClientEvent, frozen=True, kw_only=True, tag="input_text_buffer.commit"):
    """The text so far is to be spoken now."""


class InputTextBufferClear(ga.ClientEvent, frozen=True, kw_only=True, tag="input_text_buffer.clear"):
    """Throws away the text that is not spoken yet."""


ClientEvent: TypeAlias = (
    SessionUpdate
    | ga.InputAudioBufferAppend
    | ga.InputAudioBufferCommit
    | ga.InputAudioBufferClear
    | InputImageBufferAppend
    | ConversationItemCreate
    | ga.ConversationItemRetrieve
    | ga.ConversationItemDelete
    | ResponseCreate
    | ga.ResponseCancel
    | SessionFinish
    | InputTextBufferAppend
    | InputTextBufferCommit
    | InputTextBufferClear
)

CLIENT_EVENT_CLASSES: tuple[type[ga.ClientEvent], ...] = tuple(getattr(ClientEvent, "__args__", ()))
CLIENT_EVENT_TYPES: tuple[str, ...] = tuple(str(c.__struct_config__.tag) for c in CLIENT_EVENT_CLASSES)
"""The ``type`` of every client event."""

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ClientEvent)


def decode_client_event(frame: str | bytes | memoryview) -> ClientEvent:
    """Reads one frame.

    Raises:
        msgspec.DecodeError: Not JSON, an unknown type, or fields at fault (``msgspec.ValidationError``).
        RecursionError: Nested too deeply.
        UnicodeError: Not valid Unicode.
    """
    event: ClientEvent = _decoder.decode(frame)
    return event
