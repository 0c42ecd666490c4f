"""The client side of the OpenAI Realtime wire (GA): OpenAI, Azure OpenAI ``/openai/v1``, xAI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicewire.errors import SessionClosed, UnsupportedError
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
    TruncateItem,
    UpdateSession,
)
from voicewire.events.model import ModelSessionCreatedEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import OPENED, Frame
from voicewire.protocols.openai import client_requests as requests
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.client_core import OPENING_COMMAND_ID as OPENING_COMMAND_ID
from voicewire.protocols.openai.client_core import OVER, ClientCore
from voicewire.protocols.openai.client_reader import ConversationReader
from voicewire.protocols.openai.sequencer import Request
from voicewire.protocols.openai.session_config import (
    DEFAULT_TRANSCRIPTION_MODEL,
    change_body,
    config_from_session,
    session_body,
)
from voicewire.protocols.openai.wire_client import ResponseCancel

_ENCODINGS = {"audio/pcm": "pcm16", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}


class OpenAIClientCodec(ClientCore):
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
        super().__init__(
            config,
            decode=wire.decode_server_event,
            audio_delta=wire.OutputAudioDelta,
            event_types=wire.SERVER_EVENT_TYPES,
            passed_events=passed_events,
        )
        self._transcription_model = transcription_model
        self._shape_session: Callable[[dict[str, Any]], dict[str, Any]] = shape_session or (lambda body: body)
        self._reader = ConversationReader(self._responses)
        self._handlers = {
            **self._responses.handlers,
            **self._deltas.handlers,
            **self._reader.handlers,
            wire.SessionCreated: self._session_created,
            wire.SessionUpdated: self._session_updated,
            wire.ErrorEvent: self._error,
        }
        self._note_input_format()

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
        return self._with_request(command, self._encode(command))

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
                return [] if response_id is None else [self._cancel_frame(response_id, command.command_id)]
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
        if end_ms <= 0:
            self._reader.expect_cut(command.item_id, command.content_index)
        return [requests.truncation(command, end_ms)]

    def _update(self, command: UpdateSession) -> list[Frame]:
        config = self._config.updated(command)
        body = change_body(command, config, transcription_model=self._transcription_model)
        event_id = command.command_id or self._new_id()
        self._updates.append((event_id, command.command_id))
        return [requests.session_update(self._shape_session(body), event_id)]

    def _response_frame(self, request: Request) -> Frame:
        return requests.response_create(request.command, request.event_id)

    def _cancel_frame(self, response_id: str, command_id: str = "") -> Frame:
        return requests.encoded(ResponseCancel(event_id=command_id or None, response_id=response_id))

    # ------------------------------------------------------------------ session

    def _session_created(self, event: wire.SessionCreated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        config = config_from_session(session, self._config) if session else self._config
        return [ModelSessionCreatedEvent(session_id=self._session_id, config=config)]

    def _session_updated(self, event: wire.SessionUpdated) -> list[EventBase]:
        session = event.session or {}
        events = self._confirmed(session, config_from_session(session, self._config))
        self._note_input_format()
        return events

    def _note_input_format(self) -> None:
        media = self._config.input_format
        self._input_rate_hz = media.rate
        self._input_encoding = _ENCODINGS.get(media.type, "pcm16")

    def _end_of(self, code: int, reason: str) -> str:
        if code == codes.EXPIRY_CLOSE and codes.EXPIRY_CLOSE_TEXT in reason:
            return codes.SESSION_EXPIRED
        return super()._end_of(code, reason)


def _check_transcription_only(command: Command) -> None:
    allowed = (CommitAudio, ClearAudio, UpdateSession, RetrieveItem, DeleteItem, CancelResponse)
    if not isinstance(command, allowed):
        raise UnsupportedError(
            f"this session only transcribes; {type(command).__name__} needs a session that responds"
        )
