"""The client side of the OpenAI Realtime wire (GA): OpenAI, Azure OpenAI ``/openai/v1``, xAI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicewire.errors import RemoteProtocolError, SessionClosed, UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.model import (
    ModelErrorEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import OPENED, Frame
from voicewire.protocols.openai import client_requests as requests
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_deltas import DeltaReader
from voicewire.protocols.openai.client_reader import ConversationReader, check_unread, provider_event
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.sequencer import Absorption, Request, ResponseSequencer, ToolRounds
from voicewire.protocols.openai.session_config import (
    DEFAULT_TRANSCRIPTION_MODEL,
    change_body,
    config_from_session,
    session_body,
)
from voicewire.protocols.openai.wire_client import (
    ResponseCancel,
)

OPENING_COMMAND_ID = "voicewire_opening"
"""The command id of an error that refuses the opening configuration."""
_ENCODINGS = {"audio/pcm": "pcm16", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}
_GENERATED_PREFIX = "voicewire_"
_decode = wire.decode_server_event


OVER = "the session is over; open a new one"


class OpenAIClientCodec:
    """Commands to frames, frames to model events. Implements `ClientCodec`.

    Requests for responses never collide on the wire: they wait for the active response, several become one,
    and those that follow tool results wait until every call of that response is answered (`sequencer`).

    Args:
        config: The configuration to ask for.
        transcription_model: Transcribes the user when the configuration names no model.
        shape_session: Rewrites the session object for a provider that spells it otherwise.
        passed_events: Events that this provider has besides those of the wire.

    Concurrency: one caller at a time.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        transcription_model: str = DEFAULT_TRANSCRIPTION_MODEL,
        shape_session: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        passed_events: frozenset[str] = frozenset(),
    ) -> None:
        self._passed_events = passed_events
        self._config = config
        self._transcription_model = transcription_model
        self._shape_session: Callable[[dict[str, Any]], dict[str, Any]] = shape_session or (lambda body: body)
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
        self._handlers: dict[type, Handler] = {
            **self._responses.handlers,
            **self._deltas.handlers,
            **ConversationReader(self._responses).handlers,
            wire.SessionCreated: self._session_created,
            wire.SessionUpdated: self._session_updated,
            wire.ErrorEvent: self._error,
        }
        self._note_input_format()

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

    # ------------------------------------------------------------------ commands

    def opening(self) -> list[Frame]:
        """The configuration, sent without waiting for ``session.created``, as the official clients do."""
        body = session_body(self._config, transcription_model=self._transcription_model)
        self._updates.append((OPENING_COMMAND_ID, OPENED))
        return [requests.session_update(self._shape_session(body), OPENING_COMMAND_ID)]

    def encode(self, command: Command) -> list[Frame]:
        """The frames of one command, in order; none when it is absorbed or has to wait.

        Raises:
            UnsupportedError: The wire has no way to say it.
            SessionClosed: The session is over.
        """
        if type(command) is AppendAudio:
            return self._append(command)
        if self._is_over:
            raise SessionClosed(self._closed_by or OVER)
        if self._config.is_transcription_only:
            _check_transcription_only(command)
        frames = self._encode(command)
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

    def _append(self, command: AppendAudio) -> list[Frame]:
        if self._is_over:
            raise SessionClosed(self._closed_by or OVER)
        if command.sample_rate_hz != self._input_rate_hz or command.encoding != self._input_encoding:
            raise UnsupportedError(
                f"the session takes {self._input_encoding} at {self._input_rate_hz} Hz, this is "
                f"{command.encoding} at {command.sample_rate_hz} Hz; convert it first"
            )
        return requests.append_frames(command)

    def _encode(self, command: Command) -> list[Frame]:
        """The frames of a command apart from the request for a response."""
        match command:
            case TruncateItem():
                return self._truncate(command)
            case CancelResponse():
                response_id = self._sequencer.cancel(command.response_id)
                return [] if response_id is None else [_cancel(response_id, command.command_id)]
            case UpdateSession():
                return self._update(command)
            case CreateResponse():
                requests.response_create(command, "")  # refuses what cannot be said, also when it has to wait
                return []
            case AppendAudio():
                return []
            case _:
                return [requests.frame_of(command)]

    def _truncate(self, command: TruncateItem) -> list[Frame]:
        """Cuts to what was generated; deletes what was not heard at all: the wire cannot cut to nothing."""
        end_ms = command.audio_end_ms
        generated_ms = self._deltas.generated_ms(command.item_id, command.content_index)
        if generated_ms is not None:
            end_ms = min(end_ms, generated_ms)
        elif command.item_id in self._responses.made_by and end_ms > 0:
            return []
        return [requests.truncation(command, end_ms)]

    def _update(self, command: UpdateSession) -> list[Frame]:
        config = self._config.updated(command)
        body = change_body(command, config, transcription_model=self._transcription_model)
        event_id = command.command_id or self._new_id()
        self._updates.append((event_id, command.command_id))
        return [requests.session_update(self._shape_session(body), event_id)]

    def _request(self, request: Request) -> list[Frame]:
        request.event_id = request.command.command_id or self._new_id()
        ready = self._sequencer.request(request)
        return [] if ready is None else [requests.response_create(ready.command, ready.event_id)]

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
        # would cost a fiftieth of what a hand-written loop spends on the whole delta.
        try:
            if type(frame) is bytes:
                raise RemoteProtocolError(
                    f"the server sent a binary frame of {len(frame)} bytes; this wire has text frames only"
                )
            try:
                event = _decode(frame)
            except wire.UNREADABLE as error:
                check_unread(frame, error)
                return [provider_event(frame, is_known=False, known=self._passed_events)]
            if type(event) is wire.OutputAudioDelta:
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
        is_expired = code == codes.EXPIRY_CLOSE and codes.EXPIRY_CLOSE_TEXT in reason
        ended_by = codes.SESSION_EXPIRED if is_expired else self._end_reason or reason
        if is_expected:
            events = self._responses.end_all("cancelled", codes.CLIENT_CANCELLED, "")
        else:
            message = "the connection ended before the response did"
            events = self._responses.end_all("failed", self._end_reason or "connection_lost", message)
        events.append(
            ModelSessionEndedEvent(
                session_id=self._session_id, reason=ended_by, code=code, is_expected=is_expected
            )
        )
        return events

    # ------------------------------------------------------------------ session and errors

    def _session_created(self, event: wire.SessionCreated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        config = config_from_session(session, self._config) if session else self._config
        return [ModelSessionCreatedEvent(session_id=self._session_id, config=config)]

    def _session_updated(self, event: wire.SessionUpdated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        self._config = config_from_session(session, self._config)
        self._deltas.output_format = self._config.output_format
        self._note_input_format()
        self._is_ready = True
        _, command_id = self._updates.pop(0) if self._updates else ("", "")
        return [
            ModelSessionUpdatedEvent(session_id=self._session_id, config=self._config, command_id=command_id)
        ]

    def _error(self, event: wire.ErrorEvent) -> list[EventBase]:
        error = event.error
        event_id, code = error.event_id or None, error.code or ""
        if code in codes.FATAL_CODES:
            self._end_reason = code
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
                code=code,
                message=error.message or "",
                param=error.param,
                command_id=command_id,
            )
        ]

    def _note_input_format(self) -> None:
        media = self._config.input_format
        self._input_rate_hz = media.rate
        self._input_encoding = _ENCODINGS.get(media.type, "pcm16")

    # ------------------------------------------------------------------ told by the responses

    def response_created(self, response_id: str, *, names_no_conversation: bool) -> bool:
        """A response begins; tells whether it is out of band."""
        is_out_of_band = names_no_conversation and self._sequencer.may_be_out_of_band
        cancelled_id = self._sequencer.created(response_id, is_out_of_band=is_out_of_band)
        if cancelled_id is not None:
            self._outbox.append(_cancel(cancelled_id))
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
            self._outbox.append(requests.response_create(request.command, request.event_id))


def _cancel(response_id: str, command_id: str = "") -> Frame:
    return requests.encoded(ResponseCancel(event_id=command_id or None, response_id=response_id))


def _check_transcription_only(command: Command) -> None:
    allowed = (CommitAudio, ClearAudio, UpdateSession, RetrieveItem, DeleteItem, CancelResponse)
    if not isinstance(command, allowed):
        raise UnsupportedError(
            f"this session only transcribes; {type(command).__name__} needs a session that responds"
        )
