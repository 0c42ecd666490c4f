"""The pieces of a response - audio, words, arguments of calls - as a client of the OpenAI wire reads them."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.events.audio_delta import delta_from_wire
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDeltaEvent,
)
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.client_state import OpenItem, OpenResponse, remember, tool_use


@dataclass(slots=True, eq=False)
class _AudioPart:
    """The audio of one content part."""

    item_id: str
    content_index: int
    response: OpenResponse
    length_bytes: int = 0
    """What came so far, decoded."""


class DeltaReader:
    """Maps the pieces of the open responses, and counts the audio that came.

    Args:
        responses: The open responses.
        output_format: The format of their audio; may be replaced.
    """

    def __init__(self, responses: ResponseReader, output_format: MediaFormat) -> None:
        self.output_format = output_format
        self._responses = responses
        self._parts: dict[tuple[str, int], _AudioPart] = {}
        self._current = _AudioPart("", -1, OpenResponse("", is_over=True))
        self.handlers: dict[type, Handler] = {
            wire.OutputAudioDelta: self.audio_delta,
            wire.OutputAudioDone: self._audio_done,
            wire.OutputTranscriptDelta: self._transcript_delta,
            wire.OutputTranscriptDone: self._transcript_done,
            wire.OutputTextDelta: self._text_delta,
            wire.OutputTextDone: self._text_done,
            wire.FunctionArgumentsDelta: self._arguments_delta,
            wire.FunctionArgumentsDone: self._arguments_done,
            wire.ContentPartAdded: self._part,
            wire.ContentPartDone: self._part,
        }

    def generated_ms(self, item_id: str, content_index: int) -> int | None:
        """Audio of a content part that came so far, in whole milliseconds; None when there was none."""
        part = self._parts.get((item_id, content_index))
        if part is None:
            return None
        bytes_per_second = self.output_format.rate * (2 if self.output_format.type == "audio/pcm" else 1)
        return part.length_bytes * 1000 // bytes_per_second

    def audio_delta(self, event: wire.OutputAudioDelta) -> list[EventBase]:
        """A piece of audio: the hot path, some ten to fifty a second in every session."""
        part = self._current
        # Nearly every delta goes on with the part of the one before it: four comparisons in place of three
        # look-ups, and the queued events share the ids of the first instead of holding a copy each.
        if (
            event.item_id != part.item_id
            or event.response_id != part.response.response_id
            or event.content_index != part.content_index
            or part.response.is_over
        ):
            events: list[EventBase] = []
            response = self._responses.find(event.response_id, events)
            if response is None:
                return events
            self._current = self._part_of(event, response)
            return events + self.audio_delta(event)
        delta = event.delta
        length_bytes = len(delta) * 3 >> 2
        if delta and delta[-1] == "=":
            length_bytes -= 2 if delta[-2:] == "==" else 1
        part.length_bytes += length_bytes
        return [
            delta_from_wire(
                part.response.response_id, part.item_id, self.output_format, part.content_index, delta
            )
        ]

    def _part_of(self, event: wire.OutputAudioDelta, response: OpenResponse) -> _AudioPart:
        """The content part that a delta goes on with; new when this is its first audio."""
        key = (event.item_id, event.content_index)
        part = self._parts.get(key)
        if part is None:
            part = _AudioPart(event.item_id, event.content_index, response)
            remember(self._parts, key, part)
        part.response = response
        return part

    def _audio_done(self, event: wire.OutputAudioDone) -> list[EventBase]:
        events: list[EventBase] = []
        if self._responses.find(event.response_id, events) is not None:
            events.append(
                ModelResponseAudioDoneEvent(
                    response_id=event.response_id, item_id=event.item_id, content_index=event.content_index
                )
            )
        return events

    def _transcript_delta(self, event: wire.OutputTranscriptDelta) -> list[EventBase]:
        return self._more_words(event, "audio", ModelResponseAudioTranscriptDeltaEvent)

    def _text_delta(self, event: wire.OutputTextDelta) -> list[EventBase]:
        return self._more_words(event, "text", ModelResponseTextDeltaEvent)

    def _more_words(
        self,
        event: wire.OutputTranscriptDelta | wire.OutputTextDelta,
        kind: str,
        told: type[ModelResponseAudioTranscriptDeltaEvent | ModelResponseTextDeltaEvent],
    ) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None and event.delta:
            if item := response.items.get(event.item_id):
                item.add(event.content_index, kind, event.delta)
            events.append(
                told(
                    response_id=event.response_id,
                    item_id=event.item_id,
                    delta=event.delta,
                    content_index=event.content_index,
                )
            )
        return events

    def _transcript_done(self, event: wire.OutputTranscriptDone) -> list[EventBase]:
        told = ModelResponseAudioTranscriptDoneEvent(
            response_id=event.response_id,
            item_id=event.item_id,
            transcript=event.transcript,
            content_index=event.content_index,
        )
        return self._all_words(told, "audio", event.transcript)

    def _text_done(self, event: wire.OutputTextDone) -> list[EventBase]:
        told = ModelResponseTextDoneEvent(
            response_id=event.response_id,
            item_id=event.item_id,
            text=event.text,
            content_index=event.content_index,
        )
        return self._all_words(told, "text", event.text)

    def _all_words(
        self, told: ModelResponseAudioTranscriptDoneEvent | ModelResponseTextDoneEvent, kind: str, words: str
    ) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(told.response_id, events)
        if response is not None:
            if item := response.items.get(told.item_id):
                item.replace(told.content_index, kind, words)
            events.append(told)
        return events

    def _part(self, event: wire.ContentPartAdded | wire.ContentPartDone) -> list[EventBase]:
        # The deltas and their ends say all that a content part says.
        events: list[EventBase] = []
        self._responses.find(event.response_id, events)
        return events

    def _arguments_delta(self, event: wire.FunctionArgumentsDelta) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is None or not event.delta:
            return events
        item = _call_item(response, event.item_id, event.call_id)
        item.arguments.append(event.delta)
        call_id, name = item.item.call_id or event.call_id, item.item.name or ""
        call = tool_use(call_id, name, "".join(item.arguments), is_complete=False)
        events.append(
            ModelResponseToolUseDeltaEvent(
                response_id=event.response_id, item_id=event.item_id, tool_use=call, delta=event.delta
            )
        )
        return events

    def _arguments_done(self, event: wire.FunctionArgumentsDone) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None:
            item = _call_item(response, event.item_id, event.call_id)
            item.arguments[:] = [event.arguments]
            call_id, name = event.call_id or item.item.call_id or "", event.name or item.item.name or ""
            self._responses.report_call(response, item, call_id, name, events)
        return events


def _call_item(response: OpenResponse, item_id: str, call_id: str) -> OpenItem:
    """The item of a call; made up when the provider did not announce it."""
    item = response.items.get(item_id)
    if item is None:
        announced = Item(id=item_id, kind="function_call", status="in_progress", call_id=call_id)
        item = response.items[item_id] = OpenItem(announced)
    return item
