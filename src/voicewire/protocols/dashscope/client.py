"""The client side of the DashScope realtime wire: Qwen-Omni, Qwen-ASR, Qwen-TTS."""

from __future__ import annotations

from voicewire.errors import SessionClosed, UnsupportedError
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
from voicewire.events.model import ModelSessionCreatedEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import OPENED, Frame
from voicewire.protocols.dashscope import client_requests as requests
from voicewire.protocols.dashscope import wire_client as client_wire
from voicewire.protocols.dashscope import wire_server as wire
from voicewire.protocols.dashscope.client_families import listening_frames, speech_frames
from voicewire.protocols.dashscope.client_reader import DashScopeReader
from voicewire.protocols.dashscope.session_config import change_body, config_from_session, session_body
from voicewire.protocols.dashscope.traits import WireTraits
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.client_core import OPENING_COMMAND_ID, OVER, ClientCore
from voicewire.protocols.openai.client_requests import frame_of
from voicewire.protocols.openai.sequencer import Request
from voicewire.protocols.openai.wire_client import ResponseCancel
from voicewire.protocols.openai.wire_response import ErrorBody

_BUSY = "already has an active response"
_IDLE = "none active response"
"""Parts of the messages by which services of this wire refuse a second response, and a cancel without one; there are
no codes of their own for that."""


class DashScopeClientCodec(ClientCore):
    """Commands to frames, frames to model events. Implements `ClientCodec`.

    When responses may be asked for, and what becomes of their pieces, is decided by the parts of the OpenAI wire.

    Args:
        config: The configuration to ask for.
        traits: The family of the model.

    Concurrency: one caller at a time.
    """

    def __init__(self, config: SessionConfig, *, traits: WireTraits | None = None) -> None:
        super().__init__(
            config,
            decode=wire.decode_server_event,
            audio_delta=wire.AudioDelta,
            event_types=wire.SERVER_EVENT_TYPES,
        )
        self._traits = traits or WireTraits()
        self._is_finished = False
        self._handlers = {
            **DashScopeReader(self._responses, self._deltas, self._sequencer).handlers,
            ga.SessionCreated: self._session_created,
            ga.SessionUpdated: self._session_updated,
            wire.SessionFinished: self._session_finished,
            ga.ErrorEvent: self._error,
        }

    # ------------------------------------------------------------------ what is known

    @property
    def is_finished(self) -> bool:
        """True once the provider said that everything is done."""
        return self._is_finished

    # ------------------------------------------------------------------ commands

    def opening(self) -> list[Frame]:
        """The configuration.

        Raises:
            UnsupportedError: The wire has no way to say it.
        """
        body = session_body(self._config, self._traits)
        self._updates.append((OPENING_COMMAND_ID, OPENED))
        return [requests.encoded(client_wire.SessionUpdate(event_id=OPENING_COMMAND_ID, session=body))]

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
        return self._with_request(command, self._encode(command))

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
        response_id = self._sequencer.cancel(command.response_id)
        return [] if response_id is None else [self._cancel_frame(response_id, command.command_id)]

    def _update(self, command: UpdateSession) -> list[Frame]:
        config = self._config.updated(command)
        body = change_body(command, config, self._traits)
        event_id = command.command_id or self._new_id()
        self._updates.append((event_id, command.command_id))
        return [requests.encoded(client_wire.SessionUpdate(event_id=event_id, session=body))]

    def _response_frame(self, request: Request) -> Frame:
        return requests.response_frame(request.command, request.event_id, self._traits)

    def _cancel_frame(self, response_id: str, command_id: str = "") -> Frame:
        return requests.encoded(ResponseCancel(event_id=command_id or None))

    # ------------------------------------------------------------------ session and errors

    def _session_created(self, event: ga.SessionCreated) -> list[EventBase]:
        session = event.session or {}
        self._session_id = str(session.get("id") or self._session_id)
        # What the service begins with is not what was asked for: only the answer to that is in force.
        return [ModelSessionCreatedEvent(session_id=self._session_id, config=self._config)]

    def _session_updated(self, event: ga.SessionUpdated) -> list[EventBase]:
        session = event.session or {}
        return self._confirmed(session, config_from_session(session, self._config))

    def _session_finished(self, event: wire.SessionFinished) -> list[EventBase] | None:
        self._is_finished = True
        return []

    def _known_code(self, error: ErrorBody) -> str:
        message = (error.message or "").lower()
        if _BUSY in message:
            return codes.CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE
        return codes.RESPONSE_CANCEL_NOT_ACTIVE if _IDLE in message else super()._known_code(error)

    def _is_fatal(self, error: ErrorBody) -> bool:
        return error.type == codes.SERVER_ERROR or super()._is_fatal(error)

    def response_created(self, response_id: str, *, names_no_conversation: bool) -> bool:
        """A response begins; none is ever out of band on this wire."""
        return super().response_created(response_id, names_no_conversation=False)
