"""Responses as the server side of the OpenAI wire tells of them (section 8 of its specification).

Model events say what happened; the wire wants the frame around it: output items and content parts that open
and close, with their indices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from voicewire.events.commands import CreateResponse
from voicewire.events.model import (
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDeltaEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_response as body
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server_frames import FrameWriter
from voicewire.protocols.openai.server_items import ItemTeller
from voicewire.protocols.openai.server_session import ServerSession
from voicewire.protocols.openai.server_state import OpenResponse, OutputItem, Part, with_words
from voicewire.protocols.openai.wire_items import item_to_server_event
from voicewire.protocols.openai.wire_session import format_body


class ResponseTeller:
    """Frames of the open responses.

    Args:
        writer: Makes the frames.
        session: What a response inherits.
        conversation_id: The conversation that responses belong to.
        server_limits: What is announced after a response.
    """

    def __init__(
        self,
        writer: FrameWriter,
        session: ServerSession,
        conversation_id: str,
        server_limits: ServerLimits,
    ) -> None:
        self._writer = writer
        self._session = session
        self._conversation_id = conversation_id
        self._limits = server_limits
        self._items = ItemTeller(writer)
        self._open: dict[str, OpenResponse] = {}
        self._asked: list[CreateResponse] = []
        self.tellers: dict[type, Callable[[Any], list[str] | None]] = {
            ModelResponseCreatedEvent: self.created,
            ModelResponseDoneEvent: self.done,
            ModelResponseAudioDoneEvent: self.audio_done,
            ModelResponseAudioTranscriptDeltaEvent: self.words_delta,
            ModelResponseAudioTranscriptDoneEvent: self.words_done,
            ModelResponseTextDeltaEvent: self.words_delta,
            ModelResponseTextDoneEvent: self.words_done,
            ModelResponseToolUseDeltaEvent: self.call_delta,
            ModelResponseToolUseDoneEvent: self.call_done,
        }

    @property
    def active_id(self) -> str | None:
        """The open response of the conversation."""
        return next((r.response_id for r in self._open.values() if not r.is_out_of_band), None)

    def is_open(self, response_id: str) -> bool:
        """Whether a response is open."""
        return response_id in self._open

    @property
    def is_asked(self) -> bool:
        """Whether a client's request was handed on and not answered."""
        return bool(self._asked)

    def asked(self, command: CreateResponse) -> None:
        """A client's request for a response is handed on."""
        self._asked.append(command)

    def refused(self, command_id: str) -> None:
        """The model refused a command."""
        for command in self._asked:
            if command.command_id == command_id:
                self._asked.remove(command)
                return

    # ------------------------------------------------------------------ the response itself

    def created(self, event: ModelResponseCreatedEvent) -> list[str]:
        """A response begins."""
        if event.response_id in self._open:
            return []
        params = next((p for p in self._asked if p.is_out_of_band == event.is_out_of_band), None)
        if params is not None:
            self._asked.remove(params)
        response = OpenResponse(
            event.response_id, event.is_out_of_band, event.metadata, params or CreateResponse()
        )
        self._open[event.response_id] = response
        told = self._body(response, "in_progress")
        return [self._writer.frame(wire.ResponseCreated(event_id=self._writer.new_id(), response=told))]

    def done(self, event: ModelResponseDoneEvent) -> list[str]:
        """A response ended: everything still open of it is closed first."""
        response = self._open.get(event.response_id)
        if response is None:
            return []
        status = "completed" if event.status == "completed" else "incomplete"
        frames: list[str] = []
        for output in response.items.values():
            if not output.is_done:
                item = msgspec.structs.replace(with_words(output), status=status)
                frames += self._items.finish(response, output, item)
        del self._open[event.response_id]
        items = event.output or tuple(output.item for output in response.items.values())
        told = msgspec.structs.replace(
            self._body(response, event.status),
            status_details=_status_details(event),
            output=[item_to_server_event(item) for item in items],
            usage=_usage(event),
            metadata=event.metadata or response.metadata or None,
        )
        used = event.input_tokens + event.output_tokens
        left = wire.RateLimit(
            name="tokens",
            limit=self._limits.tokens_limit,
            remaining=max(0, self._limits.tokens_limit - used),
            reset_seconds=self._limits.tokens_reset_s,
        )
        writer = self._writer
        frames.append(writer.frame(wire.ResponseDone(event_id=writer.new_id(), response=told)))
        frames.append(writer.frame(wire.RateLimitsUpdated(event_id=writer.new_id(), rate_limits=[left])))
        return frames

    def _body(self, response: OpenResponse, status: str) -> body.ResponseBody:
        fields, params = self._session.fields, response.params
        output: dict[str, Any] = fields["audio"].get("output", {})
        media_type = params.extra.get("output_format")
        return body.ResponseBody(
            id=response.response_id,
            status=status,
            status_details=None,
            output=[],
            conversation_id=None if response.is_out_of_band else self._conversation_id,
            output_modalities=[params.modality] if params.modality else fields.get("output_modalities"),
            max_output_tokens=params.max_output_tokens or fields.get("max_output_tokens"),
            audio={
                "output": {
                    "format": format_body(media_type) if media_type else output.get("format"),
                    "voice": params.voice or _voice_name(output.get("voice")),
                }
            },
            usage=None,
            metadata=response.metadata or None,
        )

    # ------------------------------------------------------------------ items

    def item_added(self, event: ModelItemAddedEvent) -> list[str] | None:
        """An item of a response begins; None when the item is of no open response."""
        response = self._open.get(event.response_id or "")
        if response is None:
            return None
        if event.item.id in response.items:
            return []
        return self._items.begin(response, event.item, event.previous_item_id)[1]

    def item_done(self, event: ModelItemDoneEvent) -> list[str] | None:
        """An item of a response is complete; None when the item is of no open response."""
        response = self._open.get(event.response_id or "")
        if response is None:
            return None
        frames: list[str] = []
        output = response.items.get(event.item.id)
        if output is None:
            output, frames = self._items.begin(response, event.item, event.previous_item_id)
        return frames + self._items.finish(response, output, event.item)

    # ------------------------------------------------------------------ audio and words

    def audio_delta(self, event: ModelResponseAudioDeltaEvent) -> list[str]:
        """A piece of audio, when its part is not the one that was prepared last."""
        response = self._open.get(event.response_id)
        if response is None:
            return []
        output, frames = self._items.message(response, event.item_id)
        if output.is_done:
            return []
        part, opened = self._items.part(response, output, event.content_index, "audio")
        if part.is_audio_done:
            return []
        part.has_audio = True
        self._writer.open_audio(event, output.index)
        frame = self._writer.audio(event)
        return [*frames, *opened, *([frame] if frame else [])]

    def audio_done(self, event: ModelResponseAudioDoneEvent) -> list[str]:
        """The audio of a part is complete."""
        found = self._find(event.response_id, event.item_id, event.content_index)
        if found is None or found[2].is_audio_done:
            return []
        response, output, part = found
        frames = [self._items.audio_done(response, output, event.content_index, part)]
        return frames + self._items.part_done(response, output, event.content_index, part)

    def words_delta(
        self, event: ModelResponseAudioTranscriptDeltaEvent | ModelResponseTextDeltaEvent
    ) -> list[str]:
        """More words of a part, spoken or written."""
        response = self._open.get(event.response_id)
        if response is None or not event.delta:
            return []
        is_text = isinstance(event, ModelResponseTextDeltaEvent)
        output, frames = self._items.message(response, event.item_id)
        if output.is_done:
            return []
        part, opened = self._items.part(response, output, event.content_index, "text" if is_text else "audio")
        part.text.append(event.delta)
        kind = wire.OutputTextDelta if is_text else wire.OutputTranscriptDelta
        delta = kind(
            event_id=self._writer.new_id(),
            response_id=event.response_id,
            item_id=event.item_id,
            output_index=output.index,
            content_index=event.content_index,
            delta=event.delta,
        )
        return [*frames, *opened, self._writer.frame(delta)]

    def words_done(
        self, event: ModelResponseAudioTranscriptDoneEvent | ModelResponseTextDoneEvent
    ) -> list[str]:
        """All words of a part; those of audio wait for the end of the audio."""
        response = self._open.get(event.response_id)
        if response is None:
            return []
        is_text = isinstance(event, ModelResponseTextDoneEvent)
        output, frames = self._items.message(response, event.item_id)
        part, opened = self._items.part(response, output, event.content_index, "text" if is_text else "audio")
        words = event.text if isinstance(event, ModelResponseTextDoneEvent) else event.transcript
        if words:
            part.text[:] = [words]
        part.is_text_done = True
        return [*frames, *opened, *self._items.part_done(response, output, event.content_index, part)]

    def _find(
        self, response_id: str, item_id: str, content_index: int
    ) -> tuple[OpenResponse, OutputItem, Part] | None:
        response = self._open.get(response_id)
        output = response.items.get(item_id) if response else None
        part = output.parts.get(content_index) if output else None
        return (response, output, part) if response and output and part else None

    # ------------------------------------------------------------------ function calls

    def call_delta(self, event: ModelResponseToolUseDeltaEvent) -> list[str]:
        """More of a call's arguments."""
        response = self._open.get(event.response_id)
        if response is None:
            return []
        output, frames = self._items.call(response, event.item_id, event.tool_use)
        if event.delta and not output.is_call_done:
            frames.append(self._items.arguments(response, output, event.tool_use, event.delta))
        return frames

    def call_done(self, event: ModelResponseToolUseDoneEvent) -> list[str]:
        """A call is complete."""
        response = self._open.get(event.response_id)
        if response is None:
            return []
        output, frames = self._items.call(response, event.item_id, event.tool_use)
        return frames + self._items.call_done(response, output, event.tool_use)


def _voice_name(voice: Any) -> Any:
    """A voice as a response shows it: a custom one by its bare id."""
    return cast("dict[str, Any]", voice)["id"] if isinstance(voice, dict) else voice


def _status_details(event: ModelResponseDoneEvent) -> body.StatusDetails | None:
    if event.status == "completed":
        return None
    if event.status == "failed":
        error = body.StatusError(
            type=codes.SERVER_ERROR, code=event.reason or None, message=event.message or None
        )
        return body.StatusDetails(type="failed", error=error)
    return body.StatusDetails(type=event.status, reason=event.reason or None)


def _usage(event: ModelResponseDoneEvent) -> body.Usage:
    usage = event.usage
    return body.Usage(
        total_tokens=event.input_tokens + event.output_tokens,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        input_token_details=body.InputTokens(
            text_tokens=usage.input_text_tokens,
            audio_tokens=usage.input_audio_tokens,
            image_tokens=usage.input_image_tokens,
            cached_tokens=usage.cached_tokens,
            cached_tokens_details=body.CachedTokens(text_tokens=usage.cached_tokens),
        ),
        output_token_details=body.OutputTokenCounts(
            text_tokens=usage.output_text_tokens, audio_tokens=usage.output_audio_tokens
        ),
    )
