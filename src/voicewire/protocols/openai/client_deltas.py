"""The pieces of a response - audio, words, arguments of calls - as a client of the OpenAI wire reads them."""

from __future__ import annotations

from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDeltaEvent,
)
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.client_state import MAX_REMEMBERED, OpenItem, OpenResponse, tool_use


class DeltaReader:
    """Maps the pieces of the open responses, and counts the audio that came.

    Args:
        responses: The open responses.
        output_format: The format of their audio; may be replaced.
    """

    def __init__(self, responses: ResponseReader, output_format: MediaFormat) -> None:
        self.output_format = output_format
        self._responses = responses
        self._open = responses.open
        self._generated: dict[tuple[str, int], int] = {}
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
        length = self._generated.get((item_id, content_index))
        if length is None:
            return None
        bytes_per_second = self.output_format.rate * (2 if self.output_format.type == "audio/pcm" else 1)
        return length * 1000 // bytes_per_second

    def audio_delta(self, event: wire.OutputAudioDelta) -> list[EventBase]:
        """A piece of audio: the hot path, some ten to fifty a second in every session."""
        delta, response_id, item_id = event.delta, event.response_id, event.item_id
        content_index = event.content_index
        events: list[EventBase] = []
        if response_id not in self._open and self._responses.find(response_id, events) is None:
            return events
        length = len(delta) * 3 >> 2
        if delta[-1:] == "=":
            length -= 2 if delta[-2:] == "==" else 1
        key = (item_id, content_index)
        try:
            self._generated[key] += length
        except KeyError:
            self._count_new_part(key, length)
        audio = ModelResponseAudioDeltaEvent(
            response_id=response_id,
            item_id=item_id,
            format=self.output_format,
            delta=delta,
            content_index=content_index,
        )
        events.append(audio)
        return events

    def _count_new_part(self, key: tuple[str, int], length: int) -> None:
        self._generated[key] = length
        if len(self._generated) > MAX_REMEMBERED:
            del self._generated[next(iter(self._generated))]

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
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None and event.delta:
            if item := response.items.get(event.item_id):
                item.add(event.content_index, "audio", event.delta)
            events.append(
                ModelResponseAudioTranscriptDeltaEvent(
                    response_id=event.response_id,
                    item_id=event.item_id,
                    delta=event.delta,
                    content_index=event.content_index,
                )
            )
        return events

    def _transcript_done(self, event: wire.OutputTranscriptDone) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None:
            if item := response.items.get(event.item_id):
                item.replace(event.content_index, "audio", event.transcript)
            events.append(
                ModelResponseAudioTranscriptDoneEvent(
                    response_id=event.response_id,
                    item_id=event.item_id,
                    transcript=event.transcript,
                    content_index=event.content_index,
                )
            )
        return events

    def _text_delta(self, event: wire.OutputTextDelta) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None and event.delta:
            if item := response.items.get(event.item_id):
                item.add(event.content_index, "text", event.delta)
            events.append(
                ModelResponseTextDeltaEvent(
                    response_id=event.response_id,
                    item_id=event.item_id,
                    delta=event.delta,
                    content_index=event.content_index,
                )
            )
        return events

    def _text_done(self, event: wire.OutputTextDone) -> list[EventBase]:
        events: list[EventBase] = []
        response = self._responses.find(event.response_id, events)
        if response is not None:
            if item := response.items.get(event.item_id):
                item.replace(event.content_index, "text", event.text)
            events.append(
                ModelResponseTextDoneEvent(
                    response_id=event.response_id,
                    item_id=event.item_id,
                    text=event.text,
                    content_index=event.content_index,
                )
            )
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
