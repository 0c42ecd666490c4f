"""How the application's side reads model events, from a careful provider or a sloppy one.

Whatever comes in, what goes out keeps the invariants: missing ends are supplied, repeated ones dropped, late
deltas dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicewire.conversation.session_core import SessionCore, transcribed
from voicewire.conversation.session_replies import ReplyReader
from voicewire.events import model as m
from voicewire.events.base import EventBase


class EventReader:
    """Takes events one by one; ``handlers`` is the table of those that are more than passed on."""

    def __init__(self, core: SessionCore, replies: ReplyReader) -> None:
        self._core = core
        self.handlers: dict[type[EventBase], Callable[[Any, int], None]] = {
            m.ModelSessionCreatedEvent: self._session_created,
            m.ModelSessionUpdatedEvent: self._session_updated,
            m.ModelSessionEndedEvent: self.session_ended,
            m.ModelResponseCreatedEvent: replies.response_created,
            m.ModelResponseDoneEvent: replies.response_done,
            m.ModelResponseAudioDoneEvent: replies.audio_done,
            m.ModelResponseAudioTranscriptDeltaEvent: replies.transcript_delta,
            m.ModelResponseAudioTranscriptDoneEvent: replies.transcript_done,
            m.ModelResponseTextDeltaEvent: replies.text_delta,
            m.ModelResponseTextDoneEvent: replies.closing,
            m.ModelResponseToolUseDeltaEvent: replies.tool_delta,
            m.ModelResponseToolUseDoneEvent: replies.tool_done,
            m.ModelItemAddedEvent: replies.item_added,
            m.ModelItemDoneEvent: replies.item_done,
            m.ModelItemTruncatedEvent: replies.item_truncated,
            m.ModelItemDeletedEvent: replies.item_deleted,
            m.ModelInputStartedEvent: self._input_started,
            m.ModelInputDoneEvent: self._input_done,
            m.ModelInputCommittedEvent: self._input_committed,
            m.ModelInputClearedEvent: self._input_cleared,
            m.ModelInputTranscriptionDeltaEvent: self._input_words,
            m.ModelInputTranscriptionDoneEvent: self._input_final,
            m.ModelErrorEvent: self._error,
            m.WebsocketDisconnectEvent: self._disconnected,
        }

    def read(self, event: EventBase, now_ms: int) -> None:
        """Takes any event but an audio delta."""
        handler = self.handlers.get(type(event))
        if handler is None:
            self._core.emit(event)
        else:
            handler(event, now_ms)

    # ------------------------------------------------------------------ session

    def _session_created(self, event: m.ModelSessionCreatedEvent, now_ms: int) -> None:
        self._core.session_id = event.session_id
        self._core.config = event.config or self._core.config
        self._core.emit(event)

    def _session_updated(self, event: m.ModelSessionUpdatedEvent, now_ms: int) -> None:
        self._core.config = event.config
        self._core.emit(event)

    def session_ended(self, event: m.ModelSessionEndedEvent, now_ms: int) -> None:
        """Ends everything that is open, then the session."""
        self._end_open(now_ms, is_expected=event.is_expected, message=event.reason)
        for call in self._core.tools.open_calls:
            self._core.cancel_locally(call.call_id)
        self._core.is_awaiting = False
        self._core.announce_idle()
        self._core.emit(event)
        self._core.is_closed = True

    def _disconnected(self, event: m.WebsocketDisconnectEvent, now_ms: int) -> None:
        self._end_open(now_ms, is_expected=False, message="the connection was lost")
        self._core.emit(event)

    def _end_open(self, now_ms: int, *, is_expected: bool, message: str) -> None:
        self._close_speech()
        self._core.turns.take(0)
        for response in self._core.responses.open:
            self._core.emit_end(
                response,
                m.ModelResponseDoneEvent(
                    response_id=response.response_id,
                    input_tokens=0,
                    output_tokens=0,
                    metadata=response.metadata,
                    status="cancelled" if is_expected else "failed",
                    reason="client_cancelled" if is_expected else "connection_lost",
                    message="" if is_expected else message,
                ),
            )

    def _error(self, event: m.ModelErrorEvent, now_ms: int) -> None:
        if event.code != "response_cancel_not_active":
            self._core.is_awaiting = False
        self._core.emit(event)

    # ------------------------------------------------------------------ the user's audio

    def _input_started(self, event: m.ModelInputStartedEvent, now_ms: int) -> None:
        core = self._core
        turn = core.turns.turn
        if core.turns.is_speaking and turn is not None and turn.item_id == event.item_id:
            core.dropped_events += 1
            return
        self._close_speech()
        if turn is not None and turn.item_id != event.item_id:
            core.turns.take(0)
        core.turns.start(event.item_id, event.audio_start_ms, core.config)
        core.is_awaiting = False
        core.emit(event)
        detection = core.config.turn_detection
        if detection is None or detection.interrupt_response:
            core.interrupt(now_ms, by_application=False)

    def _input_done(self, event: m.ModelInputDoneEvent, now_ms: int) -> None:
        core = self._core
        turn = core.turns.stop(event.audio_end_ms)
        if turn is None:
            core.dropped_events += 1
            return
        detection = turn.config.turn_detection
        core.is_awaiting = detection is not None and detection.create_response
        core.emit(event)

    def _input_committed(self, event: m.ModelInputCommittedEvent, now_ms: int) -> None:
        if not self._core.turns.is_speaking:
            self._core.turns.take(0)
        self._core.emit(event)

    def _input_cleared(self, event: m.ModelInputClearedEvent, now_ms: int) -> None:
        self._close_speech()
        self._core.turns.take(0)
        self._core.is_awaiting = False
        self._core.emit(event)

    def _close_speech(self) -> None:
        """Supplies the end of speech that was never reported."""
        turn = self._core.turns.turn
        if self._core.turns.is_speaking and turn is not None:
            at_ms = self._core.turns.floor_sample
            self._core.turns.stop(at_ms)
            self._core.emit(m.ModelInputDoneEvent(item_id=turn.item_id, audio_end_ms=at_ms))

    def _input_words(self, event: m.ModelInputTranscriptionDeltaEvent, now_ms: int) -> None:
        if event.item_id in self._core.transcripts:
            self._core.dropped_deltas += 1
        else:
            self._core.emit(event)

    def _input_final(self, event: m.ModelInputTranscriptionDoneEvent, now_ms: int) -> None:
        if event.item_id in self._core.transcripts:
            self._core.dropped_events += 1
            return
        self._core.transcripts[event.item_id] = event.transcript
        item = self._core.items.get(event.item_id)
        if item is not None:
            self._core.items.replace(transcribed(item, event.transcript))
        self._core.emit(event)
