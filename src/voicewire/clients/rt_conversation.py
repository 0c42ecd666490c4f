"""What an ``RTClient`` knows of its conversation: who each message is for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from voicewire.clients import server_models as m
from voicewire.clients.requests import Requests
from voicewire.clients.rt_items import RTInputAudioItem, RTResponse, closed_error
from voicewire.errors import SessionClosed
from voicewire.streams import BoundedStream

_log = logging.getLogger("rtclient.client")

MAX_WAITING_EVENTS: Final = 1000
_MAX_KEPT: Final = 256

RTEvent = RTInputAudioItem | RTResponse


class RTConversation:
    """One connection's turns and responses; each message goes to the request, turn or response that it belongs to.

    Args:
        cancel: Cancels a response by its id.
        on_error: Called with errors that belong to no request; they are logged when None.

    Concurrency: one event loop.
    """

    def __init__(
        self, cancel: Callable[[str], Awaitable[None]], on_error: Callable[[m.RealtimeError], None] | None
    ) -> None:
        self._cancel = cancel
        self._on_error = on_error
        self._inputs: dict[str, RTInputAudioItem] = {}
        self._responses: dict[str, RTResponse] = {}
        self.requests = Requests()
        self.events: BoundedStream[RTEvent] = BoundedStream(
            "events of a client", policy="drop_oldest", max_items=MAX_WAITING_EVENTS
        )
        self.session: m.Session | None = None
        """The settings in force; None before the session began."""
        self.end: Exception | None = None
        """Why it is over; None while it is not."""

    def turn(self, item_id: str) -> RTInputAudioItem:
        """A turn of the user that has begun."""
        return self._inputs[item_id]

    def response(self, response_id: str) -> RTResponse:
        """A response that has begun."""
        return self._responses[response_id]

    def is_commit_by_hand(self, message: m.ServerMessageBase) -> bool:
        """Whether it is the end of a turn, and not one that the server has found by itself."""
        if not isinstance(message, m.InputAudioBufferCommittedMessage):
            return False
        known = self._inputs.get(message.item_id)
        return known is None or known.audio_end_ms is None

    def take(self, message: m.ServerMessageBase) -> None:
        """Takes a message of the server. One about what has ended already changes nothing."""
        try:
            self._take(message)
        except SessionClosed:
            _log.debug("a message came too late", extra={"type": message.type})

    def _take(self, message: m.ServerMessageBase) -> None:
        if type(message) is m.ResponseAudioDeltaMessage:
            # Nearly all of the traffic takes the short way.
            response = self._responses.get(message.response_id)
            part = None if response is None else response.audio_part(message.item_id, message.content_index)
            if part is not None:
                part.hear(message.delta)
                return
        match message:
            case m.ErrorMessage():
                self._refused(message.error)
                return
            case m.SessionCreatedMessage() | m.SessionUpdatedMessage():
                self.session = message.session
            case m.ResponseCreatedMessage():
                self._begin_response(message)
                return
            case m.InputAudioBufferSpeechStartedMessage():
                self.events.put_nowait(self._add_input(message.item_id, message.audio_start_ms))
            case m.InputAudioBufferCommittedMessage() if message.item_id not in self._inputs:
                self.requests.answer(message)
                self._add_input(message.item_id, None).take(message)
                return
            case _:
                pass
        self.requests.answer(message)
        self._route(message)

    def finish(self, error: Exception | None) -> None:
        """The connection is over: whatever is waited for ends. Only the first call counts."""
        if self.end is not None:
            return
        self.end = closed_error(error)
        self.requests.fail(self.end)
        for response in self._responses.values():
            response.end(self.end)
        for item in self._inputs.values():
            item.fail(self.end)
        self.events.close(error)

    def _begin_response(self, message: m.ResponseCreatedMessage) -> None:
        response = RTResponse(message.response, self._cancel)
        self._responses[response.id] = response
        _forget_oldest(self._responses)
        if not self.requests.answer(message):
            self.events.put_nowait(response)

    def _add_input(self, item_id: str, audio_start_ms: int | None) -> RTInputAudioItem:
        has_transcript = self.session is not None and self.session.input_audio_transcription is not None
        item = RTInputAudioItem(item_id, audio_start_ms, has_transcript=has_transcript)
        self._inputs[item_id] = item
        _forget_oldest(self._inputs)
        return item

    def _refused(self, error: m.RealtimeError) -> None:
        if self.requests.refuse(error):
            return
        if self._on_error is not None:
            try:
                self._on_error(error)
            # The boundary to the application's own code: its failure is reported, the conversation goes on.
            except Exception:
                _log.exception("on_error failed", extra={"code": error.code})
            return
        _log.warning("the server reports an error", extra={"code": error.code, "pii_message": error.message})

    def _route(self, message: m.ServerMessageBase) -> None:
        response_id: str = getattr(message, "response_id", "")
        if isinstance(message, m.ResponseDoneMessage):
            response_id = message.response.id
        item_id: str = getattr(message, "item_id", "")
        if isinstance(message, m.ItemCreatedMessage):
            item_id = message.item.id or ""
            owner = next((one for one in self._responses.values() if one.has_item(item_id)), None)
            response_id = "" if owner is None else owner.id
        if response_id in self._responses:
            self._responses[response_id].take(message)
        elif item_id in self._inputs:
            self._inputs[item_id].take(message)


def _forget_oldest(kept: dict[str, Any]) -> None:
    """Ids that nobody will hear of any more."""
    while len(kept) > _MAX_KEPT:
        del kept[next(iter(kept))]
