"""Everything a server says, as a client of the OpenAI wire reads it."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from voicewire.errors import RemoteProtocolError
from voicewire.events.base import EventBase
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelInputClearedEvent,
    ModelInputCommittedEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelInputTranscriptionFailedEvent,
    ModelItemAddedEvent,
    ModelItemDeletedEvent,
    ModelItemDoneEvent,
    ModelItemRetrievedEvent,
    ModelItemTruncatedEvent,
    ModelProviderEvent,
)
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.client_state import remember
from voicewire.protocols.openai.wire_items import item_from_server

_MAX_SHOWN_CHARS = 60


def check_unread(frame: Frame | memoryview, error: Exception, known: frozenset[str]) -> None:
    """Judges a frame that could not be read as an event; returns when its type is only unknown.

    Args:
        frame: The frame.
        error: What reading it has raised.
        known: The types that can be read.

    Raises:
        RemoteProtocolError: The frame is no JSON object, has no type, or a field of the wrong type.
    """
    if not isinstance(error, msgspec.ValidationError):
        raise RemoteProtocolError(f"the server sent a frame that is not JSON: {error}") from error
    if _event_type(frame, error) in known:
        raise RemoteProtocolError(f"the server sent an event with a field at fault: {error}") from error


def raw_event(frame: Frame | memoryview) -> dict[str, Any]:
    """The whole object of a frame that was read as an event before."""
    try:
        return cast("dict[str, Any]", msgspec.json.decode(frame))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"the server sent a frame that is not JSON: {error}") from error


def _event_type(frame: Frame | memoryview, cause: msgspec.ValidationError) -> str:
    found = cast("object", raw_event(frame))
    if not isinstance(found, dict):
        raise RemoteProtocolError(f"the server sent {_shown(found)} where an event object is due") from cause
    event_type = cast("dict[str, Any]", found).get("type")
    if not isinstance(event_type, str) or not event_type:
        raise RemoteProtocolError(f"the server sent an event whose type is {_shown(event_type)}") from cause
    return event_type


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}..."


class ConversationReader:
    """Maps what a server says of the user's input and of the conversation's items.

    Args:
        responses: The open responses; their items are theirs to report.
    """

    def __init__(self, responses: ResponseReader) -> None:
        self._responses = responses
        self._finished: dict[str, None] = {}
        self._cuts: dict[str, int] = {}
        self.handlers: dict[type, Handler] = {
            wire.ConversationItemAdded: self._item_added,
            wire.ConversationItemCreated: self._item_created,
            wire.ConversationItemDone: self._item_done,
            wire.ConversationItemRetrieved: self._item_retrieved,
            wire.ConversationItemTruncated: self._item_truncated,
            wire.ConversationItemDeleted: self._item_deleted,
            wire.InputTranscriptionDelta: self._transcription_delta,
            wire.InputTranscriptionCompleted: self._transcription_completed,
            wire.InputTranscriptionFailed: self._transcription_failed,
            wire.InputAudioBufferCommitted: self._committed,
            wire.InputAudioBufferCleared: self._cleared,
            wire.SpeechStarted: self._speech_started,
            wire.SpeechStopped: self._speech_stopped,
        }

    def expect_cut(self, item_id: str, content_index: int) -> None:
        """An item is being deleted because nothing of it was heard; its deletion is reported as a truncation."""
        remember(self._cuts, item_id, content_index)

    def _item_added(self, event: wire.ConversationItemAdded) -> list[EventBase] | None:
        item = item_from_server(event.item)
        return None if item is None else self._added(item, event.previous_item_id, is_final=False)

    def _item_created(self, event: wire.ConversationItemCreated) -> list[EventBase] | None:
        item = item_from_server(event.item)
        return None if item is None else self._added(item, event.previous_item_id, is_final=True)

    def _added(self, item: Item, previous_item_id: str | None, *, is_final: bool) -> list[EventBase]:
        responses = self._responses
        is_appended = previous_item_id in (None, responses.last_item_id)
        if is_appended or item.id in responses.made_by:
            responses.last_item_id = item.id
        if item.id in responses.announced:
            return []
        remember(responses.announced, item.id, None)
        events: list[EventBase] = [ModelItemAddedEvent(item=item, previous_item_id=previous_item_id)]
        # An item that is complete when it is added is reported done at once: not every provider of this wire
        # says so again, and those that do say the same.
        if item.status != "in_progress" and (is_final or not item.kind.startswith("mcp_")):
            remember(self._finished, item.id, None)
            events.append(ModelItemDoneEvent(item=item, previous_item_id=previous_item_id))
        return events

    def _item_done(self, event: wire.ConversationItemDone) -> list[EventBase] | None:
        item = item_from_server(event.item)
        if item is None:
            return None
        if item.id in self._responses.made_by or item.id in self._finished:
            return []
        remember(self._finished, item.id, None)
        return [ModelItemDoneEvent(item=item, previous_item_id=event.previous_item_id)]

    def _item_retrieved(self, event: wire.ConversationItemRetrieved) -> list[EventBase] | None:
        item = item_from_server(event.item)
        return None if item is None else [ModelItemRetrievedEvent(item=item)]

    def _item_truncated(self, event: wire.ConversationItemTruncated) -> list[EventBase]:
        return [
            ModelItemTruncatedEvent(
                item_id=event.item_id, audio_end_ms=event.audio_end_ms, content_index=event.content_index
            )
        ]

    def _item_deleted(self, event: wire.ConversationItemDeleted) -> list[EventBase]:
        if self._responses.last_item_id == event.item_id:
            self._responses.last_item_id = None
        self._responses.announced.pop(event.item_id, None)
        self._finished.pop(event.item_id, None)
        if (content_index := self._cuts.pop(event.item_id, None)) is not None:
            return [
                ModelItemTruncatedEvent(item_id=event.item_id, audio_end_ms=0, content_index=content_index)
            ]
        return [ModelItemDeletedEvent(item_id=event.item_id)]

    def _transcription_delta(self, event: wire.InputTranscriptionDelta) -> list[EventBase]:
        if not event.delta:
            return []
        return [ModelInputTranscriptionDeltaEvent(item_id=event.item_id, delta=event.delta)]

    def _transcription_completed(self, event: wire.InputTranscriptionCompleted) -> list[EventBase]:
        usage = event.usage
        return [
            ModelInputTranscriptionDoneEvent(
                item_id=event.item_id,
                transcript=event.transcript or "",
                input_tokens=(usage.input_tokens or None) if usage else None,
                output_tokens=(usage.output_tokens or None) if usage else None,
                duration_s=(usage.seconds or None) if usage else None,
            )
        ]

    def _transcription_failed(self, event: wire.InputTranscriptionFailed) -> list[EventBase]:
        error = event.error
        return [
            ModelInputTranscriptionFailedEvent(
                item_id=event.item_id,
                code=(error.code or error.type or "") if error else "",
                message=(error.message or "") if error else "",
            )
        ]

    def _committed(self, event: wire.InputAudioBufferCommitted) -> list[EventBase]:
        return [ModelInputCommittedEvent(item_id=event.item_id, previous_item_id=event.previous_item_id)]

    def _cleared(self, event: wire.InputAudioBufferCleared) -> list[EventBase]:
        return [ModelInputClearedEvent()]

    def _speech_started(self, event: wire.SpeechStarted) -> list[EventBase]:
        return [ModelInputStartedEvent(item_id=event.item_id, audio_start_ms=event.audio_start_ms)]

    def _speech_stopped(self, event: wire.SpeechStopped) -> list[EventBase]:
        return [ModelInputDoneEvent(item_id=event.item_id, audio_end_ms=event.audio_end_ms)]


def provider_event(
    frame: Frame | memoryview, *, is_known: bool, known: frozenset[str] = frozenset()
) -> ModelProviderEvent:
    """The frame as it came; known, too, where its type is one of ``known``."""
    raw = raw_event(frame)
    name = str(raw.get("type", ""))
    return ModelProviderEvent(name=name, raw=raw, is_known=is_known or name in known)
