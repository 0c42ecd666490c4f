"""How the application's side reads what a provider says of its responses, their items and tool calls."""

from __future__ import annotations

import msgspec

from voicewire.conversation.heard import Stretch
from voicewire.conversation.session_core import HeardResponse, SessionCore
from voicewire.conversation.session_outputs import PlayAudio, RunTool
from voicewire.conversation.tools import ToolCall
from voicewire.events import model as m
from voicewire.events.items import Item, ItemStatus


class ReplyReader:
    """Follows responses: one at a time, one end for each, nothing after it."""

    def __init__(self, core: SessionCore) -> None:
        self._core = core

    # ------------------------------------------------------------------ responses

    def response_created(self, event: m.ModelResponseCreatedEvent, now_ms: int) -> None:
        """A response begins; one that was active and never ended is ended first."""
        core = self._core
        if core.responses.get(event.response_id) is not None or event.response_id in core.ended_ids:
            core.dropped_events += 1
            return
        active = core.responses.active
        if active is not None and not event.is_out_of_band:
            core.emit_end(
                active,
                m.ModelResponseDoneEvent(
                    response_id=active.response_id,
                    input_tokens=0,
                    output_tokens=0,
                    metadata=active.metadata,
                    status="incomplete",
                    reason="superseded",
                ),
            )
        core.responses.begin(
            HeardResponse(event.response_id, core.generation, event.is_out_of_band, event.metadata)
        )
        core.is_awaiting = core.is_awaiting and event.is_out_of_band
        core.emit(event)

    def response_done(self, event: m.ModelResponseDoneEvent, now_ms: int) -> None:
        """A response ends; once."""
        core = self._core
        response = core.responses.get(event.response_id)
        if response is None:
            core.dropped_events += 1
            return
        core.emit_end(response, event)
        if event.reason == "turn_detected" and response.generation == core.generation:
            core.interrupt(now_ms, by_application=False)

    def audio_delta(self, event: m.ModelResponseAudioDeltaEvent, now_ms: int) -> None:
        """The first audio of a content part; the session itself takes the others."""
        response = self._current(event.response_id, event.item_id)
        if response is None:
            return
        response.bytes_per_sample = 2 if event.format.type == "audio/pcm" else 1
        response.is_sounding = True
        stretch = self._stretch(response, event.item_id, event.content_index, now_ms)
        if not stretch.generated:
            stretch.rate_hz, stretch.first_ms = event.format.rate, now_ms
        stretch.generated += event.payload.size_bytes // response.bytes_per_sample
        stretch.sent = stretch.generated
        response.stretch = stretch
        self._core.emit(PlayAudio(event.item_id, event.content_index, response.generation, event))

    def audio_done(self, event: m.ModelResponseAudioDoneEvent, now_ms: int) -> None:
        """The audio of a content part is complete."""
        stretch = self._core.ledger.get(event.item_id, event.content_index)
        if stretch is not None:
            stretch.end(is_complete=True)
        self.closing(event, now_ms)

    def transcript_delta(self, event: m.ModelResponseAudioTranscriptDeltaEvent, now_ms: int) -> None:
        """Words of the audio."""
        response = self._current(event.response_id, event.item_id)
        if response is not None:
            stretch = self._stretch(response, event.item_id, event.content_index, now_ms)
            start_ms = event.audio_start_ms
            stretch.add_text(event.delta, None if start_ms is None else stretch.samples_of_ms(start_ms))
            response.texts.setdefault(event.item_id, []).append(event.delta)
            self._core.emit(event)

    def transcript_done(self, event: m.ModelResponseAudioTranscriptDoneEvent, now_ms: int) -> None:
        """The words are complete; taken as they are when none came before."""
        response = self._core.responses.get(event.response_id)
        if response is not None and event.transcript:
            stretch = self._stretch(response, event.item_id, event.content_index, now_ms)
            if not stretch.text_parts:
                stretch.add_text(event.transcript)
                response.texts.setdefault(event.item_id, []).append(event.transcript)
        self.closing(event, now_ms)

    def text_delta(self, event: m.ModelResponseTextDeltaEvent, now_ms: int) -> None:
        """Words of a text answer."""
        response = self._current(event.response_id, event.item_id)
        if response is not None:
            self._ensure_item(response, event.item_id)
            response.texts.setdefault(event.item_id, []).append(event.delta)
            self._core.emit(event)

    def closing(
        self,
        event: m.ModelResponseAudioDoneEvent
        | m.ModelResponseAudioTranscriptDoneEvent
        | m.ModelResponseTextDoneEvent,
        now_ms: int,
    ) -> None:
        """A part of a response is complete: told even of an interrupted one, so that whoever opened it can close it."""
        if self._core.responses.get(event.response_id) is None:
            self._core.dropped_events += 1
        else:
            self._core.emit(event)

    def _current(self, response_id: str, item_id: str) -> HeardResponse | None:
        """The open response that a delta belongs to; None, and counted, when the delta must not go on."""
        response = self._core.responses.get(response_id)
        is_late = response is None or response.generation != self._core.generation
        if is_late or self._core.known.get(item_id, False):
            self._core.dropped_deltas += 1
            return None
        return response

    def _stretch(self, response: HeardResponse, item_id: str, content_index: int, now_ms: int) -> Stretch:
        self._ensure_item(response, item_id)
        found = self._core.ledger.get(item_id, content_index)
        if found is None:
            found = self._core.ledger.begin(
                item_id,
                content_index,
                generation=response.generation,
                rate_hz=self._core.config.output_format.rate,
                now_ms=now_ms,
            )
            response.stretches.append(found)
        return found

    # ------------------------------------------------------------------ tools

    def tool_delta(self, event: m.ModelResponseToolUseDeltaEvent, now_ms: int) -> None:
        """A piece of a call's arguments."""
        if self._current(event.response_id, event.item_id) is not None:
            self._core.emit(event)

    def tool_done(self, event: m.ModelResponseToolUseDoneEvent, now_ms: int) -> None:
        """A call is complete: it is to be run, or cancelled at once when its response was interrupted."""
        core, use = self._core, event.tool_use
        response = core.responses.get(event.response_id)
        call = ToolCall(use["id"], use["name"], event.response_id)
        if response is None or not core.tools.opened(call):
            core.dropped_events += 1
            return
        if response.generation != core.generation:
            core.dropped_events += 1
            core.cancel_tool(call.call_id)
            return
        core.emit(event)
        arguments = use.get("raw_input") or msgspec.json.encode(use["input"]).decode()
        core.emit(RunTool(call.call_id, call.name, arguments, event.response_id))

    # ------------------------------------------------------------------ items

    def _ensure_item(self, response: HeardResponse, item_id: str) -> None:
        """A provider may let an item speak that it never announced: it is announced here."""
        if item_id not in self._core.known:
            self._announce(Item(id=item_id, role="assistant", status="in_progress"), response, None)

    def item_added(self, event: m.ModelItemAddedEvent, now_ms: int) -> None:
        """An item enters the conversation; once."""
        core = self._core
        response = core.responses.get(event.response_id or "")
        if event.item.id in core.known or (event.response_id and response is None):
            core.dropped_events += 1
        else:
            self._announce(event.item, response, event)

    def _announce(
        self, item: Item, response: HeardResponse | None, event: m.ModelItemAddedEvent | None
    ) -> None:
        """Puts an item into the order and emits that it was added, by the provider's own event if there is one."""
        core = self._core
        previous_id = core.items.last_id if event is None else event.previous_item_id
        if response is not None:
            response.announced.add(item.id)
        elif item.status == "in_progress":
            # Only a response keeps an item open; any other item is as complete as it will be.
            item, event = msgspec.structs.replace(item, status="completed"), None
        core.known[item.id] = False
        if response is None or not response.is_out_of_band:
            after = previous_id if previous_id in core.items else None
            core.items.add(core.with_transcript(item), after=after)
        core.emit(
            event
            or m.ModelItemAddedEvent(
                item=item,
                previous_item_id=previous_id,
                response_id=None if response is None else response.response_id,
            )
        )

    def item_done(self, event: m.ModelItemDoneEvent, now_ms: int) -> None:
        """An item is complete; once, and announced first if it never was."""
        core, item = self._core, event.item
        response = next((r for r in core.responses.open if item.id in r.announced), None)
        if response is None:
            response = core.responses.get(event.response_id or "")
            is_late = response is None and event.response_id is not None
            if is_late or core.known.get(item.id, False):
                core.dropped_events += 1
                return
        if item.id not in core.known:
            opened = item if response is None else msgspec.structs.replace(item, status="in_progress")
            self._announce(opened, response, None)
        if response is not None:
            core.finish_item(response, item)
        else:
            core.known[item.id] = True
            if item.id in core.items:
                core.items.replace(core.with_transcript(msgspec.structs.replace(item, status=_final(item))))
        if item.kind == "function_call_output":
            core.tools.answered(item.call_id or "")
        if response is not None and event.response_id not in (None, response.response_id):
            # The response that announced the item owns it, whatever the event says.
            event = msgspec.structs.replace(event, response_id=response.response_id)
        if item.status == "in_progress":
            event = msgspec.structs.replace(event, item=msgspec.structs.replace(item, status="incomplete"))
        core.emit(event)

    def item_truncated(self, event: m.ModelItemTruncatedEvent, now_ms: int) -> None:
        """The provider says what it keeps of an item."""
        stretch = self._core.ledger.get(event.item_id, event.content_index)
        if stretch is not None:
            self._core.ledger.cut(stretch, stretch.samples_of_ms(event.audio_end_ms), is_estimated=False)
        self._core.emit(event)

    def item_deleted(self, event: m.ModelItemDeletedEvent, now_ms: int) -> None:
        """An item is gone."""
        core = self._core
        item = core.items.remove(event.item_id)
        core.ledger.forget(event.item_id)
        if not core.is_open_item(event.item_id):
            core.known.pop(event.item_id, None)
        if item is not None and item.kind == "function_call":
            # The call is not forgotten: a provider that repeats it must not have the tool run again.
            core.cancel_locally(item.call_id or "")
        core.emit(event)


def _final(item: Item) -> ItemStatus:
    return "incomplete" if item.status == "in_progress" else item.status
