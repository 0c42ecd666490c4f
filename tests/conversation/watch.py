"""An observer that knows nothing of the core: it sees events in order and asserts what must hold of them."""

from __future__ import annotations

from voicewire.events import model as m
from voicewire.events.base import EventBase

ALL = frozenset(range(1, 14))


class Watch:
    """Asserts the invariants that can be seen in the events alone; ``watched`` says which."""

    def __init__(self, watched: frozenset[int] = ALL) -> None:
        self.watched = watched
        self.active: str | None = None
        self.open: dict[str, bool] = {}
        self.ended: set[str] = set()
        self.statuses: dict[str, str] = {}
        self.finished: set[str] = set()
        self.orphans: set[str] = set()
        self.order: list[str] = []
        self.undone: dict[str, str | None] = {}
        self.is_speaking = False
        self.last_input_ms = 0
        self.texts: dict[str, str] = {}
        self.audio_bytes: dict[str, int] = {}
        self.closed_parts: set[str] = set()
        self.session_ends: list[m.ModelSessionEndedEvent] = []
        self.events = 0

    def see(self, event: EventBase) -> None:
        self.events += 1
        if 13 in self.watched or 12 in self.watched:
            assert not self.session_ends, f"{event!r} after the session's end"
        response_id = getattr(event, "response_id", None)
        if 3 in self.watched and response_id:
            assert response_id not in self.ended, f"{event!r} after the end of its response"
        match event:
            case m.ModelResponseCreatedEvent():
                self._created(event)
            case m.ModelResponseDoneEvent():
                self._done(event)
            case m.ModelItemAddedEvent():
                self._added(event)
            case m.ModelItemDoneEvent():
                self._item_done(event)
            case m.ModelItemDeletedEvent():
                self._deleted(event.item_id)
            case m.ModelInputStartedEvent():
                self._started(event)
            case m.ModelInputDoneEvent():
                self._stopped(event)
            case m.ModelSessionEndedEvent():
                self.session_ends.append(event)
            case _:
                self._parts(event)

    def _created(self, event: m.ModelResponseCreatedEvent) -> None:
        if 1 in self.watched and not event.is_out_of_band:
            assert self.active is None, f"{event.response_id} while {self.active} is active"
        if 2 in self.watched:
            assert event.response_id not in self.open
            assert event.response_id not in self.ended
        self.open[event.response_id] = event.is_out_of_band
        if not event.is_out_of_band:
            self.active = event.response_id

    def _done(self, event: m.ModelResponseDoneEvent) -> None:
        if 2 in self.watched:
            assert event.response_id in self.open, f"the end of {event.response_id}, which is not open"
            assert event.status in ("completed", "cancelled", "incomplete", "failed")
        if 4 in self.watched:
            left = [item for item, response in self.undone.items() if response == event.response_id]
            assert not left, f"items {left} of {event.response_id} were left open"
        self.open.pop(event.response_id, None)
        self.ended.add(event.response_id)
        if self.active == event.response_id:
            self.active = None

    def _added(self, event: m.ModelItemAddedEvent) -> None:
        item = event.item
        is_aside = event.response_id is not None and self.open.get(event.response_id, False)
        if 4 in self.watched:
            assert item.id, "an item without an id"
            assert item.id not in self.statuses, f"{item.id} was added twice"
            if item.status == "in_progress":
                assert event.response_id in self.open, "an open item without an open response"
        self.statuses[item.id] = item.status
        if item.status == "in_progress" or event.response_id is not None:
            self.undone[item.id] = event.response_id
        if is_aside:
            self.orphans.add(item.id)
        elif event.previous_item_id in self.order:
            self.order.insert(self.order.index(event.previous_item_id or "") + 1, item.id)
        else:
            self.order.insert(0, item.id)

    def _item_done(self, event: m.ModelItemDoneEvent) -> None:
        item = event.item
        if 4 in self.watched:
            assert item.id in self.statuses, f"{item.id} is done and was never added"
            assert item.id not in self.finished, f"{item.id} is done twice"
            assert item.status in ("completed", "incomplete")
        self.finished.add(item.id)
        self.statuses[item.id] = item.status
        self.undone.pop(item.id, None)

    def _deleted(self, item_id: str) -> None:
        """The id of an item that is gone may be used again, as clients do that rewrite their history."""
        if item_id in self.order:
            self.order.remove(item_id)
        if item_id not in self.undone:
            self.statuses.pop(item_id, None)
            self.finished.discard(item_id)

    def _started(self, event: m.ModelInputStartedEvent) -> None:
        if 5 in self.watched:
            assert not self.is_speaking, "speech started twice"
        if 10 in self.watched:
            assert event.audio_start_ms >= self.last_input_ms, "input went back"
        self.last_input_ms = max(self.last_input_ms, event.audio_start_ms)
        self.is_speaking = True

    def _stopped(self, event: m.ModelInputDoneEvent) -> None:
        if 5 in self.watched:
            assert self.is_speaking, "speech stopped without a start"
        if 10 in self.watched:
            assert event.audio_end_ms >= self.last_input_ms, "input went back"
        self.last_input_ms = max(self.last_input_ms, event.audio_end_ms)
        self.is_speaking = False

    def _parts(self, event: EventBase) -> None:
        item_id = getattr(event, "item_id", "")
        match event:
            case m.ModelResponseAudioDeltaEvent():
                if 11 in self.watched:
                    assert f"audio {item_id}" not in self.closed_parts, "audio after its end"
                    assert item_id in self.undone, "audio outside its item"
                self.audio_bytes[item_id] = self.audio_bytes.get(item_id, 0) + event.payload.size_bytes
            case m.ModelResponseAudioTranscriptDeltaEvent() | m.ModelResponseTextDeltaEvent():
                if 11 in self.watched:
                    assert f"text {item_id}" not in self.closed_parts, "text after its end"
                    assert item_id in self.undone, "text outside its item"
                self.texts[item_id] = self.texts.get(item_id, "") + event.delta
            case m.ModelResponseAudioDoneEvent():
                self.closed_parts.add(f"audio {item_id}")
            case (
                m.ModelResponseAudioTranscriptDoneEvent(transcript=text)
                | m.ModelResponseTextDoneEvent(text=text)
            ):
                if 11 in self.watched:
                    assert text == self.texts.get(item_id, ""), "text that was not what the deltas said"
                self.closed_parts.add(f"text {item_id}")
            case _:
                pass

    def at_the_end(self) -> None:
        if 13 in self.watched:
            assert len(self.session_ends) == 1
            assert self.session_ends[0].reason
        if 2 in self.watched:
            assert not self.open, f"responses {sorted(self.open)} never ended"
        if 4 in self.watched:
            assert not self.undone, f"items {sorted(self.undone)} were never done"
        if 5 in self.watched:
            assert not self.is_speaking, "speech never stopped"
