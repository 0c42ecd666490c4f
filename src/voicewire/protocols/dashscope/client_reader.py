"""What only this wire says, as its client reads it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from voicewire.events.base import EventBase
from voicewire.events.model import ModelInputTranscriptionDeltaEvent
from voicewire.protocols.dashscope import wire_server as wire
from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.client_deltas import DeltaReader
from voicewire.protocols.openai.client_reader import ConversationReader
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.client_state import remember
from voicewire.protocols.openai.sequencer import ResponseSequencer
from voicewire.protocols.openai.wire_response import ResponseBody, Usage


class DashScopeReader:
    """Maps this wire's events to OpenAI's handlers where they mean the same, and the rest here.

    Args:
        responses: The open responses.
        deltas: Maps their pieces.
        sequencer: Knows the request that the next response answers.
    """

    def __init__(self, responses: ResponseReader, deltas: DeltaReader, sequencer: ResponseSequencer) -> None:
        self._sequencer = sequencer
        shared: dict[type, Handler] = {
            **responses.handlers,
            **deltas.handlers,
            **ConversationReader(responses).handlers,
        }
        self._shared = shared
        self._told: dict[tuple[str, int], str] = {}
        self.handlers: dict[type, Handler] = {
            **shared,
            **{ours: shared[theirs] for theirs, ours in wire.TWINS.items() if theirs in shared},
            wire.ResponseCreated: self._response_created,
            wire.ResponseDone: self._response_done,
            ga.ConversationItemCreated: self._item_created,
            wire.InputTranscriptionText: self._input_text,
            wire.TranscriptSnapshot: self._transcript_snapshot,
            wire.TextSnapshot: self._text_snapshot,
        }

    def _response_created(self, event: wire.ResponseCreated) -> list[EventBase] | None:
        # The wire has no metadata: what the request carried comes back from here.
        request = self._sequencer.awaited
        metadata = request.command.metadata if request is not None else {}
        body = msgspec.structs.replace(_ga_body(event), metadata=dict(metadata))
        return self._shared[ga.ResponseCreated](ga.ResponseCreated(response=body))

    def _response_done(self, event: wire.ResponseDone) -> list[EventBase] | None:
        return self._shared[ga.ResponseDone](ga.ResponseDone(response=_ga_body(event)))

    def _item_created(self, event: ga.ConversationItemCreated) -> list[EventBase] | None:
        # The input is complete when it is told of, whatever status the service shows: nothing else of it follows.
        if event.item.role == "user" and event.item.status == "in_progress":
            event.item.status = "completed"
        return self._shared[ga.ConversationItemCreated](event)

    def _input_text(self, event: wire.InputTranscriptionText) -> list[EventBase]:
        text = (event.text or "") + (event.stash or "")
        if not text:
            return []
        return [ModelInputTranscriptionDeltaEvent(item_id=event.item_id, delta=text, is_revision=True)]

    def _transcript_snapshot(self, event: wire.TranscriptSnapshot) -> list[EventBase] | None:
        return self._grown(event.item_id, event.content_index, event.text, ga.OutputTranscriptDelta, event)

    def _text_snapshot(self, event: wire.TextSnapshot) -> list[EventBase] | None:
        return self._grown(event.item_id, event.content_index, event.text, ga.OutputTextDelta, event)

    def _grown(
        self,
        item_id: str,
        content_index: int,
        text: str,
        kind: type[ga.OutputTranscriptDelta] | type[ga.OutputTextDelta],
        event: wire.TranscriptSnapshot | wire.TextSnapshot,
    ) -> list[EventBase] | None:
        """A snapshot as what it adds; one that takes something back waits for the final text."""
        told = self._told.get((item_id, content_index), "")
        if not text.startswith(told) or len(text) == len(told):
            return []
        remember(self._told, (item_id, content_index), text)
        delta = kind(
            response_id=event.response_id,
            item_id=item_id,
            output_index=event.output_index,
            content_index=content_index,
            delta=text[len(told) :],
        )
        return self._shared[kind](delta)


def _ga_body(event: wire.ResponseCreated | wire.ResponseDone) -> ResponseBody:
    """The response as the shared readers take it; a response of this wire is always of the conversation."""
    body = event.response
    usage = body.usage or (event.usage if isinstance(event, wire.ResponseDone) else None) or None
    details: Any = None if body.status_details is UNSET else body.status_details
    return ResponseBody(
        id=body.id, status=body.status, status_details=details, output=body.output, usage=_ga_usage(usage)
    )


def _ga_usage(usage: wire.DashScopeUsage | None) -> Usage | None:
    if usage is None:
        return None
    return Usage(
        total_tokens=usage.total_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_token_details=usage.input_tokens_details or usage.input_token_details,
        output_token_details=usage.output_tokens_details or usage.output_token_details,
    )
