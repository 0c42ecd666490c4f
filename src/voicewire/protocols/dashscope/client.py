"""The client side of the DashScope realtime wire: Qwen-Omni, Qwen-ASR, Qwen-TTS."""

from __future__ import annotations

from voicewire.errors import RemoteProtocolError, SessionClosed, UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
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
from voicewire.protocols.dashscope import client_requests as requests
from voicewire.protocols.dashscope import wire_client as client_wire
from voicewire.protocols.dashscope import wire_server as wire
from voicewire.protocols.dashscope.client_families import listening_frames, speech_frames
from voicewire.protocols.dashscope.client_reader import DashScopeReader, check_unread
from voicewire.protocols.dashscope.session_config import change_body, config_from_session, session_body
from voicewire.protocols.dashscope.traits import WireTraits
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.client_deltas import DeltaReader
from voicewire.protocols.openai.client_reader import provider_event
from voicewire.protocols.openai.client_requests import frame_of
from voicewire.protocols.openai.client_responses import Handler, ResponseReader
from voicewire.protocols.openai.sequencer import Absorption, Request, ResponseSequencer, ToolRounds
from voicewire.protocols.openai.wire_client import ResponseCancel

OVER = "the session is over; open a new one"
_BUSY = "already has an active response"
_IDLE = "none active response"
"""Parts of the messages by which services of this wire refuse a second response, and a cancel without one; there are
no codes of their own for that."""
_GENERATED_PREFIX = "voicewire_"
_OPENING_ID = "voicewire_opening"
_decode = wire.decode_server_event


class DashScopeClientCodec:
    """Commands to frames, frames to model events. Implements `ClientCodec`.

    When responses may be asked for, and what becomes of their pieces, is decided by the parts of the OpenAI wire.

    Args:
        config: The configuration to ask for.
        traits: The family of the model.

    Concurrency: one caller at a time.
    """

    def __init__(self, config: SessionConfig, *, traits: WireTraits | None = None) -> None:
        self._config = config
        self._traits = traits or WireTraits()
        self._session_id = ""
        self._is_ready = False
        self._closed_by = ""
        self._is_ended = False
        self._is_over = False
        self._is_finished = False
        self._end_reason = ""
        self._outbox: list[Frame] = []
        self._ids = 0
        self._updates: list[tuple[str, str]] = []
        self._absorption = Absorption()
        self._sequencer = ResponseSequencer()
        self._tools = ToolRounds()
        self._responses = ResponseReader(self)
        self._deltas = DeltaReader(self._responses, config.output_format)
        self._handlers: dict[type, Handler] = {
            **DashScopeReader(self._responses, self._deltas, self._sequencer).handlers,
            ga.SessionCreated: self._session_created,
            ga.SessionUpdated: self._session_updated,
            wire.SessionFinished: self._session_finished,
            ga.ErrorEvent: self._error,
        }

    # ------------------------------------------------------------------ what is known

    @property
    def is_ready(self) -> bool:
        """True once the provider confirmed the configuration."""
        return self._is_ready

    @property
    def is_finished(self) -> bool:
        """True once the provider said that everything is done."""
        return self._is_finished

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
        """The configuration.

        Raises:
            UnsupportedError: The wire has no way to say it.
        """
        body = session_body(self._config, self._traits)
        self._updates.append((_OPENING_ID, OPENED))
        return [requests.encoded(client_wire.SessionUpdate(event_id=_OPENING_ID, session=body))]

    def finishing(self) -> list[Frame]:
        """What ends the session in order: services count one that is only closed as failed."""
        if self._is_over or self._is_finished or not self._traits.has_finish:
            return []
        return [requests.encoded(client_wire.SessionFinish(event_id=self._new_id()))]

    def encode(self, command: Command) -> list[Frame]:
        """The frames of one command, in order; none when it is absorbed or has to wait.

        Raises:
            UnsupportedError: The wire has no way to say it.
            SessionClosed: The session is over.
        """
        if self._is_over:
            raise SessionClosed(self._closed_by or OVER)
        if type(command) is AppendAudio:
            return requests.append(command, self._config.input_format, self._traits)
        if self._traits.family != "omni":
            return self._encode_for_family(command)
        frames = self._encode(command)
        if self._absorption.absorbs(command):
            return []
        if isinstance(command, CreateResponse):
            return self._request(Request(command, "", self._absorption.ask))
        if isinstance(command, SendToolResult):
            request = self._tools.answered(command.call_id, respond=command.respond, ask=self._absorption.ask)
            return frames + ([] if request is None else self._request(request))
        if isinstance(command, (SendText, SendImage, CommitAudio)) and command.respond:
            frames += self._request(Request(CreateResponse(), "", self._absorption.ask))
        return frames

    def _encode_for_family(self, command: Command) -> list[Frame]:
        if isinstance(command, UpdateSession):
            return self._update(command)
        if isinstance(command, CancelResponse):
            return self._cancel(command)
        is_speech = self._traits.family == "tts"
        return speech_frames(command, self._absorption) if is_speech else listening_frames(command)

    def _encode(self, command: Command) -> list[Frame]:
        """The frames of a command apart from the request for a response."""
        match command:
            case CommitAudio() | ClearAudio() | DeleteItem() | RetrieveItem():
                return [frame_of(command)]
            case SendText() | SendToolResult() | CreateItem():
                return [requests.item_frame(command)]
            case SendImage():
                frames: list[Frame] = [requests.image_frame(command)]
                if command.respond and self._config.turn_detection is None:
                    frames.append(frame_of(CommitAudio()))  # an image is answered as part of a turn
                return frames
            case CancelResponse():
                return self._cancel(command)
            case UpdateSession():
                return self._update(command)
            case CreateResponse():
                requests.response_frame(command, "", self._traits)  # refuses what cannot be said
                return []
            case TruncateItem():
                raise UnsupportedError("this wire cannot cut an item to what was heard")
            case AppendAudio():
                return []

    def _cancel(self, command: CancelResponse) -> list[Frame]:
        if self._sequencer.cancel(command.response_id) is None:
            return []
        return [requests.encoded(ResponseCancel(event_id=command.command_id or None))]

    def _update(self, command: UpdateSession) -> list[Frame]:
        config = self._config.updated(command)
        body = change_body(command, config, self._traits)
        event_id = command.command_id or self._new_id()
        self._updates.append((event_id, command.command_id))
        return [requests.encoded(client_wire.SessionUpdate(event_id=event_id, session=body))]

    def _request(self, request: Request) -> list[Frame]:
        request.event_id = request.command.command_id or self._new_id()
        ready = self._sequencer.request(request)
        return [] if ready is None else [requests.request_frame(ready, self._traits)]

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
        try:
            if type(frame) is bytes:
                raise RemoteProtocolError(
                    f"the server sent a binary frame of {len(frame)} bytes; this wire has text frames only"
                )
            try:
                event = _decode(frame)
            except wire.UNREADABLE as error:
                check_unread(frame, error)
                return [provider_event(frame, is_known=False)]
            if type(event) is wire.AudioDelta:  # the hot path: two calls of ours, as on the OpenAI wire
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
        ended = ModelSessionEndedEvent(
            session_id=self._session_id,
            reason=self._end_reason or reason,
            code=code,
            is_expected=is_expected,
        )
        return [*events, ended]

    # ------------------------------------------------------------------ session and errors

    def _session_created(self, event: ga.SessionCreated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        # What the service begins with is not what was asked for: only the answer to that is in force.
        return [ModelSessionCreatedEvent(session_id=self._session_id, config=self._config)]

    def _session_updated(self, event: ga.SessionUpdated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        self._config = config_from_session(session, self._config)
        self._deltas.output_format = self._config.output_format
        self._is_ready = True
        _, command_id = self._updates.pop(0) if self._updates else ("", "")
        return [
            ModelSessionUpdatedEvent(session_id=self._session_id, config=self._config, command_id=command_id)
        ]

    def _session_finished(self, event: wire.SessionFinished) -> list[EventBase] | None:
        self._is_finished = True
        return []

    def _error(self, event: ga.ErrorEvent) -> list[EventBase]:
        error = event.error
        event_id, code, message = error.event_id or None, error.code or "", error.message or ""
        if error.type == codes.SERVER_ERROR or code in codes.FATAL_CODES:
            self._end_reason = code or codes.SERVER_ERROR
        self._updates = [update for update in self._updates if update[0] != event_id]
        is_busy = _BUSY in message.lower()
        refusal = self._sequencer.refused(
            event_id, codes.CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE if is_busy else code
        )
        self._send_next()
        # A cancel that crossed the end of its response did no harm: the response is over, as was wanted.
        is_late_cancel = code == codes.RESPONSE_CANCEL_NOT_ACTIVE or _IDLE in message.lower()
        if refusal.is_absorbed or is_late_cancel:
            return []
        command_id = refusal.command_id
        if command_id is None:
            is_generated = (event_id or "").startswith(_GENERATED_PREFIX)
            command_id = "" if is_generated else event_id or ""
        return [
            ModelErrorEvent(
                error_type=error.type or codes.INVALID_REQUEST_ERROR,
                code=code,
                message=message,
                param=error.param,
                command_id=command_id,
            )
        ]

    # ------------------------------------------------------------------ told by the responses

    def response_created(self, response_id: str, *, names_no_conversation: bool) -> bool:
        """A response begins; none is ever out of band on this wire."""
        if self._sequencer.created(response_id, is_out_of_band=False) is not None:
            self._outbox.append(requests.encoded(ResponseCancel()))
        return False

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
            self._outbox.append(requests.request_frame(request, self._traits))
