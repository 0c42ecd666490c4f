"""The user's input and the conversation's items, as the server side of the OpenAI wire tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
)
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.server_frames import FrameWriter
from voicewire.protocols.openai.server_responses import ResponseTeller
from voicewire.protocols.openai.server_transcripts import TranscriptDeltas
from voicewire.protocols.openai.wire_items import item_to_server_event
from voicewire.protocols.openai.wire_response import ErrorBody


class ConversationTeller:
    """Frames of input and items.

    Args:
        writer: Makes the frames.
        responses: Tells of the items that responses make.
    """

    def __init__(self, writer: FrameWriter, responses: ResponseTeller) -> None:
        self._writer = writer
        self._responses = responses
        self._transcripts = TranscriptDeltas()
        self._cut_to_nothing: dict[str, int] = {}
        self.tellers: dict[type, Callable[[Any], list[str]]] = {
            ModelItemAddedEvent: self._item_added,
            ModelItemDoneEvent: self._item_done,
            ModelItemRetrievedEvent: self._item_retrieved,
            ModelItemTruncatedEvent: self._item_truncated,
            ModelItemDeletedEvent: self._item_deleted,
            ModelInputStartedEvent: self._speech_started,
            ModelInputDoneEvent: self._speech_stopped,
            ModelInputCommittedEvent: self._committed,
            ModelInputClearedEvent: self._cleared,
            ModelInputTranscriptionDeltaEvent: self._transcription_delta,
            ModelInputTranscriptionDoneEvent: self._transcription_completed,
            ModelInputTranscriptionFailedEvent: self._transcription_failed,
        }

    def cut_to_nothing(self, item_id: str, content_index: int) -> None:
        """A client cuts an item to nothing: a model deletes it then, the wire says that it was cut."""
        self._cut_to_nothing[item_id] = content_index

    def _item_added(self, event: ModelItemAddedEvent) -> list[str]:
        frames = self._responses.item_added(event)
        if frames is not None:
            return frames
        return self._one(
            wire.ConversationItemAdded(
                event_id=self._writer.new_id(),
                previous_item_id=event.previous_item_id,
                item=item_to_server_event(event.item),
            )
        )

    def _item_done(self, event: ModelItemDoneEvent) -> list[str]:
        frames = self._responses.item_done(event)
        if frames is not None:
            return frames
        return self._one(
            wire.ConversationItemDone(
                event_id=self._writer.new_id(),
                previous_item_id=event.previous_item_id,
                item=item_to_server_event(event.item),
            )
        )

    def _item_retrieved(self, event: ModelItemRetrievedEvent) -> list[str]:
        item = item_to_server_event(event.item, has_audio=True)
        return self._one(wire.ConversationItemRetrieved(event_id=self._writer.new_id(), item=item))

    def _item_truncated(self, event: ModelItemTruncatedEvent) -> list[str]:
        self._cut_to_nothing.pop(event.item_id, None)
        return self._one(
            wire.ConversationItemTruncated(
                event_id=self._writer.new_id(),
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        )

    def _item_deleted(self, event: ModelItemDeletedEvent) -> list[str]:
        frames: list[str] = []
        content_index = self._cut_to_nothing.pop(event.item_id, None)
        if content_index is not None:
            frames += self._one(
                wire.ConversationItemTruncated(
                    event_id=self._writer.new_id(),
                    item_id=event.item_id,
                    content_index=content_index,
                    audio_end_ms=0,
                )
            )
        deleted = wire.ConversationItemDeleted(event_id=self._writer.new_id(), item_id=event.item_id)
        return frames + self._one(deleted)

    def _speech_started(self, event: ModelInputStartedEvent) -> list[str]:
        return self._one(
            wire.SpeechStarted(
                event_id=self._writer.new_id(),
                audio_start_ms=event.audio_start_ms,
                item_id=event.item_id,
            )
        )

    def _speech_stopped(self, event: ModelInputDoneEvent) -> list[str]:
        return self._one(
            wire.SpeechStopped(
                event_id=self._writer.new_id(), audio_end_ms=event.audio_end_ms, item_id=event.item_id
            )
        )

    def _committed(self, event: ModelInputCommittedEvent) -> list[str]:
        return self._one(
            wire.InputAudioBufferCommitted(
                event_id=self._writer.new_id(),
                previous_item_id=event.previous_item_id,
                item_id=event.item_id,
            )
        )

    def _cleared(self, event: ModelInputClearedEvent) -> list[str]:
        return self._one(wire.InputAudioBufferCleared(event_id=self._writer.new_id()))

    def _transcription_delta(self, event: ModelInputTranscriptionDeltaEvent) -> list[str]:
        return self._words(event.item_id, self._transcripts.delta(event))

    def _transcription_completed(self, event: ModelInputTranscriptionDoneEvent) -> list[str]:
        frames = self._words(event.item_id, self._transcripts.rest(event.item_id, event.transcript))
        completed = wire.InputTranscriptionCompleted(
            event_id=self._writer.new_id(),
            item_id=event.item_id,
            content_index=0,
            transcript=event.transcript,
            usage=_transcription_usage(event),
        )
        return frames + self._one(completed)

    def _transcription_failed(self, event: ModelInputTranscriptionFailedEvent) -> list[str]:
        self._transcripts.forget(event.item_id)
        error = ErrorBody(
            type=codes.SERVER_ERROR, code=event.code or None, message=event.message or None, param=None
        )
        return self._one(
            wire.InputTranscriptionFailed(
                event_id=self._writer.new_id(), item_id=event.item_id, content_index=0, error=error
            )
        )

    def _words(self, item_id: str, delta: str) -> list[str]:
        if not delta:
            return []
        return self._one(
            wire.InputTranscriptionDelta(
                event_id=self._writer.new_id(), item_id=item_id, content_index=0, delta=delta
            )
        )

    def _one(self, event: wire.ServerEvent) -> list[str]:
        return [self._writer.frame(event)]


def _transcription_usage(event: ModelInputTranscriptionDoneEvent) -> wire.TranscriptionUsage:
    """Typed clients demand a usage: tokens where the model counts them, else the duration."""
    if event.input_tokens is None and event.output_tokens is None:
        return wire.TranscriptionUsage(type="duration", seconds=event.duration_s or 0.0)
    given, made = event.input_tokens or 0, event.output_tokens or 0
    return wire.TranscriptionUsage(
        type="tokens",
        input_tokens=given,
        output_tokens=made,
        total_tokens=given + made,
        # What is transcribed is audio; @openai/agents-realtime refuses token counts without the split.
        input_token_details={"text_tokens": 0, "audio_tokens": given},
    )
