"""What the clients of OpenAI's wire and its descendants share: reading frames, asking for responses, the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from voicewire.errors import RemoteProtocolError
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    Command,
    CommitAudio,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
)
from voicewire.events.model import ModelErrorEvent, ModelSessionEndedEvent, ModelSessionUpdatedEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_deltas import DeltaReader
from voicewire.protocols.openai.client_reader import check_unread, provider_event
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.sequencer import Absorption, Request, ResponseSequencer, ToolRounds
from voicewire.protocols.openai.wire_response import ErrorBody

OPENING_COMMAND_ID = "voicewire_opening"
"""The command id of an error that refuses the opening configuration."""
OVER = "the session is over; open a new one"
_GENERATED_PREFIX = "voicewire_"


class ClientCore(ABC):
    """Reads frames and keeps count of what was asked for; a wire adds how it spells things, and what else it has.

    Args:
        config: The configuration to ask for.
        decode: Reads one frame; raises one of ``wire.UNREADABLE``.
        audio_delta: The class of a piece of audio.
        event_types: The types that ``decode`` knows.
        passed_events: Types that it does not know and that are the provider's own.

    Concurrency: one caller at a time.
    """

    _handlers: dict[type, Handler]
    """What becomes of each event other than a piece of audio."""

    def __init__(
        self,
        config: SessionConfig,
        *,
        decode: Callable[[Frame | memoryview], wire.ServerEvent],
        audio_delta: type[wire.OutputAudioDelta],
        event_types: frozenset[str],
        passed_events: frozenset[str] = frozenset(),
    ) -> None:
        self._config = config
        self._decode = decode
        self._audio_delta = audio_delta
        self._event_types = event_types
        self._passed_events = passed_events
        self._session_id = self._closed_by = self._end_reason = ""
        self._is_ready = self._is_ended = self._is_over = False
        self._outbox: list[Frame] = []
        self._ids = 0
        self._updates: list[tuple[str, str]] = []
        self._absorption = Absorption()
        self._sequencer = ResponseSequencer()
        self._tools = ToolRounds()
        self._responses = ResponseReader(self)
        self._deltas = DeltaReader(self._responses, config.output_format)

    # ------------------------------------------------------------------ how a wire spells it

    @abstractmethod
    def _response_frame(self, request: Request) -> Frame:
        """The frame of a request whose turn it is."""

    @abstractmethod
    def _cancel_frame(self, response_id: str, command_id: str = "") -> Frame:
        """The frame that cancels a response."""

    def _known_code(self, error: ErrorBody) -> str:
        """The code of an error, as OpenAI has it."""
        return error.code or ""

    def _is_fatal(self, error: ErrorBody) -> bool:
        """Whether the provider closes the connection after this."""
        return error.code in codes.FATAL_CODES

    def _end_of(self, code: int, reason: str) -> str:
        """Why the session is over, by the closing of its connection."""
        return self._end_reason or reason

    # ------------------------------------------------------------------ what is known

    @property
    def is_ready(self) -> bool:
        """True once the provider confirmed the configuration."""
        return self._is_ready

    @property
    def session_id(self) -> str:
        """The provider's id of the session; empty before the first event."""
        return self._session_id

    @property
    def config(self) -> SessionConfig:
        """What was asked for, with what the provider made of it."""
        return self._config

    # ------------------------------------------------------------------ requests

    def _with_request(self, command: Command, frames: list[Frame]) -> list[Frame]:
        """The frames of a command, and those of the response that it asks for, when its turn has come."""
        if self._absorption.absorbs(command):
            return []
        if isinstance(command, CreateResponse):
            return self._request(Request(command, "", self._absorption.ask))
        if isinstance(command, SendToolResult):
            request = self._tools.answered(command.call_id, respond=command.respond, ask=self._absorption.ask)
            return frames + ([] if request is None else self._request(request))
        if isinstance(command, (SendText, SendImage, CommitAudio)) and command.respond:
            if not self._config.is_transcription_only:
                frames += self._request(Request(CreateResponse(), "", self._absorption.ask))
        return frames

    def _request(self, request: Request) -> list[Frame]:
        request.event_id = request.command.command_id or self._new_id()
        ready = self._sequencer.request(request)
        return [] if ready is None else [self._response_frame(ready)]

    def _new_id(self) -> str:
        self._ids += 1
        return f"{_GENERATED_PREFIX}{self._ids}"

    # ------------------------------------------------------------------ frames

    def receive(self, frame: Frame | memoryview) -> list[EventBase]:
        """The model events of one frame, in order.

        Args:
            frame: Text as ``str`` or as a view of its UTF-8 bytes (read during the call only). ``bytes`` are
                a binary frame, which this wire does not have.

        Raises:
            RemoteProtocolError: The frame breaks the protocol; the codec is closed for good.
        """
        if self._closed_by:
            raise RemoteProtocolError(self._closed_by)
        # An audio delta passes through two calls of ours, this one and `DeltaReader.audio_delta`; one more
        # would cost a fiftieth of what a hand-written loop spends on the whole delta. Called as `self._decode`,
        # it would be looked for among the methods first, each time.
        decode = self._decode
        try:
            if type(frame) is bytes:
                raise RemoteProtocolError(
                    f"the server sent a binary frame of {len(frame)} bytes; this wire has text frames only"
                )
            try:
                event = decode(frame)
            except wire.UNREADABLE as error:
                check_unread(frame, error, self._event_types)
                return [provider_event(frame, is_known=False, known=self._passed_events)]
            if type(event) is self._audio_delta:
                return self._deltas.audio_delta(event)
            handler = self._handlers.get(type(event))
            if handler is None:
                return [provider_event(frame, is_known=True)]
            events = handler(event)
            return [provider_event(frame, is_known=False)] if events is None else events
        except RemoteProtocolError as error:
            self._closed_by = f"the codec is closed since {error}"
            self._is_over = True
            raise

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        if not self._outbox:
            return []
        frames, self._outbox = self._outbox, []
        return frames

    def connection_lost(self, code: int, reason: str, *, is_expected: bool) -> list[EventBase]:
        """The socket is gone: terminal events for everything open, then the one session-ended event.

        Args:
            code: Close code.
            reason: Close reason.
            is_expected: Whether our own side asked for the end.
        """
        if self._is_ended:
            return []
        self._is_ended = self._is_over = True
        self._outbox.clear()
        if is_expected:
            events = self._responses.end_all("cancelled", codes.CLIENT_CANCELLED, "")
        else:
            message = "the connection ended before the response did"
            events = self._responses.end_all("failed", self._end_reason or "connection_lost", message)
        ended_by = self._end_of(code, reason)
        events.append(
            ModelSessionEndedEvent(
                session_id=self._session_id, reason=ended_by, code=code, is_expected=is_expected
            )
        )
        return events

    # ------------------------------------------------------------------ session and errors

    def _confirmed(self, session: dict[str, Any], config: SessionConfig) -> list[EventBase]:
        """The provider has confirmed a configuration: that of the opening, or the oldest change."""
        self._session_id = str(session.get("id") or self._session_id)
        self._config = config
        self._deltas.output_format = config.output_format
        self._is_ready = True
        _, command_id = self._updates.pop(0) if self._updates else ("", "")
        return [ModelSessionUpdatedEvent(session_id=self._session_id, config=config, command_id=command_id)]

    def _error(self, event: wire.ErrorEvent) -> list[EventBase]:
        error = event.error
        event_id, code = error.event_id or None, self._known_code(error)
        if self._is_fatal(error):
            self._end_reason = error.code or codes.SERVER_ERROR
        self._updates = [update for update in self._updates if update[0] != event_id]
        refusal = self._sequencer.refused(event_id, code)
        self._send_next()
        # A cancel that crossed the end of its response did no harm: the response is over, as was wanted.
        if refusal.is_absorbed or code == codes.RESPONSE_CANCEL_NOT_ACTIVE:
            return []
        command_id = refusal.command_id
        if command_id is None:
            is_generated = (event_id or "").startswith(_GENERATED_PREFIX) and event_id != OPENING_COMMAND_ID
            command_id = "" if is_generated else event_id or ""
        return [
            ModelErrorEvent(
                error_type=error.type or codes.INVALID_REQUEST_ERROR,
                code=error.code or "",
                message=error.message or "",
                param=error.param,
                command_id=command_id,
            )
        ]

    # ------------------------------------------------------------------ told by the responses

    def response_created(self, response_id: str, *, names_no_conversation: bool) -> bool:
        """A response begins; tells whether it is out of band."""
        is_out_of_band = names_no_conversation and self._sequencer.may_be_out_of_band
        cancelled_id = self._sequencer.created(response_id, is_out_of_band=is_out_of_band)
        if cancelled_id is not None:
            self._outbox.append(self._cancel_frame(cancelled_id))
        return is_out_of_band

    def call_completed(self, response_id: str, call_id: str) -> None:
        """A function call of a response is complete."""
        self._tools.called(response_id, call_id)

    def response_done(self, response_id: str) -> None:
        """A response ended: what waited for that is sent."""
        if ask := self._sequencer.done(response_id):
            self._absorption.answered(ask)
        request = self._tools.response_done(response_id)
        if request is not None:
            self._outbox += self._request(request)
        self._send_next()

    def _send_next(self) -> None:
        if (request := self._sequencer.next_request()) is not None:
            self._outbox.append(self._response_frame(request))
