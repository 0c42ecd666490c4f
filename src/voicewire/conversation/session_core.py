"""What the parts of a conversation session share: items, ledgers, open responses, state, outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from voicewire.conversation.heard import HeardLedger, Stretch
from voicewire.conversation.history import valid_history
from voicewire.conversation.items import ItemLog
from voicewire.conversation.responses import Response, ResponseSequencer
from voicewire.conversation.session_outputs import (
    CancelTool,
    ConversationState,
    FlushPlayout,
    SendCommand,
    SessionOutput,
    StateChanged,
)
from voicewire.conversation.tools import CANCELLED_OUTPUT, ToolLedger
from voicewire.conversation.turns import TurnTracker
from voicewire.events.commands import CancelResponse, SendToolResult, TruncateItem
from voicewire.events.items import ContentPart, Item, ItemStatus
from voicewire.events.model import ModelItemDoneEvent, ModelResponseDoneEvent
from voicewire.events.session import SessionConfig

_REMEMBERED_ENDS = 512
"""Ids of finished responses that are remembered, so that a late repetition is not taken for a new response."""


@dataclass(slots=True, eq=False)
class HeardResponse(Response):
    """A response as the application's side follows it."""

    stretch: Stretch | None = None
    """The stretch that grows at the moment."""
    bytes_per_sample: int = 2
    stretches: list[Stretch] = field(default_factory=list[Stretch])
    """All its stretches."""
    announced: set[str] = field(default_factory=set[str])
    """Items that were added and are not done."""
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Text of items, for a provider that never says what they became."""
    is_sounding: bool = False
    """Whether any audio has come."""


class SessionCore:
    """State that more than one part of a session needs. Only the session's own caller changes it."""

    def __init__(
        self,
        config: SessionConfig,
        *,
        has_playout: bool,
        interrupts_by_itself: bool,
        supports_truncation: bool,
        cancels_tools: bool,
    ) -> None:
        self.config = config
        self.has_playout = has_playout
        self.interrupts_by_itself = interrupts_by_itself
        self.supports_truncation = supports_truncation
        self.cancels_tools = cancels_tools
        self.session_id = ""
        self.items = ItemLog()
        self.tools = ToolLedger()
        self.turns = TurnTracker()
        self.ledger = HeardLedger(has_playout=has_playout)
        self.responses: ResponseSequencer[HeardResponse] = ResponseSequencer()
        self.known: dict[str, bool] = {}
        """Every item that was ever announced, and whether it is done."""
        self.transcripts: dict[str, str] = {}
        """Final transcripts of the user's turns; one may come before its item does."""
        self.ended_ids: dict[str, None] = {}
        self.generation = 0
        self.flush_generation = 0
        """The generation of a flush that is ordered and not yet confirmed; 0 for none."""
        self.is_awaiting = False
        """Whether something was said that a response should follow."""
        self.is_closed = False
        self.state: ConversationState = "idle"
        self.dropped_deltas = 0
        self.dropped_events = 0
        self._outputs: list[SessionOutput] = []

    def emit(self, output: SessionOutput) -> None:
        """Appends to what the current input returns."""
        self._outputs.append(output)

    def take(self) -> list[SessionOutput]:
        """The outputs of the current input, a change of state last; nothing once the session was over before."""
        self._update_state()
        outputs, self._outputs = self._outputs, []
        return outputs

    def remember_end(self, response_id: str) -> None:
        """Remembers that a response had its terminal event."""
        self.ended_ids[response_id] = None
        if len(self.ended_ids) > _REMEMBERED_ENDS:
            del self.ended_ids[next(iter(self.ended_ids))]

    def history(self) -> tuple[Item, ...]:
        """Valid input for a next request."""
        items = list(self.items)
        for response in self.responses.open:
            items = [_with_text(item, response, "in_progress") for item in items]
        return valid_history(items, self.ledger, with_open=True)

    def with_transcript(self, item: Item) -> Item:
        """A user's item with the transcript that is known already."""
        text = self.transcripts.get(item.id)
        return item if text is None else transcribed(item, text)

    # ------------------------------------------------------------------ ends

    def finish_item(self, response: HeardResponse, item: Item) -> None:
        """An item of a response is done; its last version stays in the log."""
        response.announced.discard(item.id)
        self.known[item.id] = True
        if response.stretch is not None and response.stretch.item_id == item.id:
            response.stretch = None
        if item.status == "in_progress":
            item = msgspec.structs.replace(item, status="incomplete")
        if not item.content and item.id in response.texts:
            item = _with_text(msgspec.structs.replace(item, status="in_progress"), response, item.status)
        if item.id in self.items:
            self.items.replace(item)

    def emit_end(self, response: HeardResponse, event: ModelResponseDoneEvent) -> None:
        """Ends a response: the missing ends of its items, then its one terminal event."""
        for item_id in sorted(response.announced):
            item = self.items.get(item_id) or Item(id=item_id, role="assistant")
            status: ItemStatus = "completed" if event.status == "completed" else "incomplete"
            item = _with_text(item, response, status)
            self.finish_item(response, item)
            self.emit(ModelItemDoneEvent(item=item, response_id=response.response_id))
        for stretch in response.stretches:
            stretch.end(is_complete=event.status in ("completed", "incomplete"))
        self.responses.finish(response.response_id)
        self.remember_end(response.response_id)
        self.emit(event)

    # ------------------------------------------------------------------ interruption

    def interrupt(self, now_ms: int, *, by_application: bool) -> None:
        """Stops what is being said: flush, cancel where it is ours to do, truncate what was not heard."""
        self.confirm_flush(now_ms)
        active = self.responses.active
        if not self.has_playout:
            self.ledger.settle(now_ms)
        unheard = [s for s in self.ledger.current if not s.is_whole and s.generation <= self.generation]
        beside = [response for response in self.responses.open if response.is_out_of_band]
        if active is None and not unheard and not any(response.is_sounding for response in beside):
            return
        self.generation += 1
        for response in beside:
            # What runs beside the conversation in silence has nothing to do with who is speaking.
            if not response.is_sounding:
                response.generation = self.generation
        if unheard or not self.has_playout:
            self.emit(FlushPlayout(self.generation))
        if active is not None and (by_application or not self.interrupts_by_itself):
            self.emit(SendCommand(CancelResponse(active.response_id)))
        self.flush_generation = self.generation
        if not self.has_playout or not unheard:
            self.confirm_flush(now_ms)
        if self.cancels_tools:
            for call in self.tools.open_calls:
                self.cancel_tool(call.call_id)

    def confirm_flush(self, now_ms: int) -> None:
        """What the listener had heard when the playout was flushed is known now: truncates the rest."""
        if not self.flush_generation:
            return
        lost = self.ledger.interrupt(now_ms, before_generation=self.flush_generation)
        self.flush_generation = 0
        for stretch in lost:
            is_worth_it = stretch.generated > 0 and stretch.item_id in self.items
            if self.supports_truncation and is_worth_it and not self.is_closed:
                heard_ms = stretch.ms_of(stretch.heard)
                self.emit(SendCommand(TruncateItem(stretch.item_id, heard_ms, stretch.content_index)))
            if stretch.heard == 0 and not self.is_open_item(stretch.item_id):
                self.items.remove(stretch.item_id)

    def cancel_tool(self, call_id: str) -> None:
        """Gives a call its explicit cancelled result."""
        if self.tools.answered(call_id) is not None:
            self.emit(CancelTool(call_id))
            self.emit(SendCommand(SendToolResult(call_id, CANCELLED_OUTPUT, respond=False)))

    def cancel_locally(self, call_id: str) -> None:
        """Nobody waits for this call any more: the session is over, or the call was deleted."""
        if self.tools.answered(call_id) is not None:
            self.emit(CancelTool(call_id))

    def is_open_item(self, item_id: str) -> bool:
        """Whether an open response is still making this item."""
        return any(item_id in response.announced for response in self.responses.open)

    # ------------------------------------------------------------------ state

    def announce_idle(self) -> None:
        """The session ends: the last change of state, before the session-ended event."""
        if self.state != "idle":
            self.state = "idle"
            self.emit(StateChanged("idle"))

    def _update_state(self) -> None:
        if self.is_closed:
            return
        state = self._state()
        if state != self.state:
            self.state = state
            self.emit(StateChanged(state))

    def _state(self) -> ConversationState:
        if self.turns.is_speaking:
            return "listening"
        if self._is_audible():
            return "speaking"
        is_due = self.responses.active is not None or self.is_awaiting or bool(self.tools.open_calls)
        return "thinking" if is_due or self._is_queued() else "idle"

    def _is_audible(self) -> bool:
        if not self.has_playout:
            return any(r.is_sounding and r.generation == self.generation for r in self.responses.open)
        playing = [s for s in self.ledger.current if s.generation >= self.generation and not s.is_whole]
        if any(stretch.played for stretch in playing):
            return True
        return self.state == "speaking" and self._is_queued()

    def _is_queued(self) -> bool:
        return self.has_playout and any(
            s.generation >= self.generation and s.generated > s.played and s.cut is None
            for s in self.ledger.current
        )

    def verify(self) -> None:
        """Asserts the invariants of the parts."""
        self.items.verify()
        self.turns.verify()
        self.ledger.verify()
        self.responses.verify()
        announced = {item_id for response in self.responses.open for item_id in response.announced}
        assert all(item.id in announced for item in self.items if item.status == "in_progress")


def _with_text(item: Item, response: HeardResponse, status: ItemStatus) -> Item:
    """An item that is still being made, with the text it has so far, in another status."""
    if item.status != "in_progress":
        return item
    text = "".join(response.texts.get(item.id, ()))
    part = ContentPart(kind="audio" if response.is_sounding else "text", text=text)
    content = (part,) if text else item.content
    return msgspec.structs.replace(item, content=content, status=status)


def transcribed(item: Item, text: str) -> Item:
    """A user's item with its final transcript."""
    parts = tuple(
        msgspec.structs.replace(part, text=text, is_transcribed=True) if part.kind == "audio" else part
        for part in item.content
    )
    return msgspec.structs.replace(item, content=parts or (ContentPart(kind="audio", text=text),))
