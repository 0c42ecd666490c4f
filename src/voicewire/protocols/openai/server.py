"""The server side of the OpenAI Realtime wire (GA), as gateway and tests speak it to clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicewire.events.base import EventBase
from voicewire.events.commands import (
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
)
from voicewire.events.model import (
    ModelErrorEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import server_requests as requests
from voicewire.protocols.openai import wire_client as client
from voicewire.protocols.openai import wire_server as wire
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server_conversation import ConversationTeller
from voicewire.protocols.openai.server_frames import FrameWriter
from voicewire.protocols.openai.server_responses import ResponseTeller
from voicewire.protocols.openai.server_session import ServerSession
from voicewire.protocols.openai.wire_response import ErrorBody

_PASSED_TYPES = frozenset(
    str(event_class.__struct_config__.tag)
    for event_class in wire.PASSED_EVENT_CLASSES
    if event_class is not wire.RateLimitsUpdated
)
"""Provider events that are part of this wire; ``rate_limits.updated`` is the server's own to send."""


class OpenAIServerCodec:
    """Client frames to commands, model events to frames. Implements `ServerCodec`.

    A client's mistakes are answered with the wire's own errors and never end the session. Commands carry the
    client's ``event_id`` as their id and never ask for a response by themselves: here the client does that.

    Args:
        config: What is in force at the beginning; with it ``session.created`` is ready at once, without it
            after `greet`.
        ids: Makes a new id from a prefix (``sess``, ``conv``).
        now_s: The time, in seconds since 1970.
        model: The name that the client is shown.
        limits: What the server allows and announces.

    Concurrency: one caller at a time.
    """

    def __init__(
        self,
        config: SessionConfig | None = None,
        *,
        ids: Callable[[str], str],
        now_s: int,
        model: str,
        limits: ServerLimits | None = None,
    ) -> None:
        self._limits = limits or ServerLimits()
        self._is_greeted = False
        self._speaks_xai = False
        self._outbox: list[Frame] = []
        self._session = ServerSession(
            session_id=ids("sess"),
            model=model,
            expires_at=now_s + self._limits.session_length_s,
            config=config or SessionConfig(),
        )
        self._writer = FrameWriter(self._session.session_id.rpartition("_")[2])
        self._responses = ResponseTeller(self._writer, self._session, ids("conv"), self._limits)
        self._conversation = ConversationTeller(self._writer, self._responses)
        self._tellers = self._make_tellers()
        if config is not None:
            self.greet(config)

    def _make_tellers(self) -> dict[type, Callable[[Any], list[str] | None]]:
        return {
            **self._responses.tellers,
            **self._conversation.tellers,
            ModelSessionCreatedEvent: self._session_created,
            ModelSessionUpdatedEvent: self._session_updated,
            ModelSessionEndedEvent: self._session_ended,
            ModelErrorEvent: self._error,
            ModelProviderEvent: self._provider_event,
        }

    @property
    def session_id(self) -> str:
        """The id that the client is shown."""
        return self._session.session_id

    @property
    def config(self) -> SessionConfig:
        """The configuration in force."""
        return self._session.config

    def greet(self, config: SessionConfig) -> None:
        """Queues ``session.created``; once.

        Args:
            config: What is in force at the beginning.
        """
        if self._is_greeted:
            return
        self._is_greeted = True
        self._session.begin(config)
        self._outbox.append(
            self._writer.frame(
                wire.SessionCreated(event_id=self._writer.new_id(), session=self._session.fields)
            )
        )

    # ------------------------------------------------------------------ from the client

    def receive(self, frame: Frame) -> list[Command]:
        """The commands of one client frame; errors for bad frames are queued for ``data_to_send``."""
        event = requests.read_client_frame(frame, self._limits)
        if isinstance(event, ErrorBody) and event.param == "session.type":
            xai = requests.read_xai_update(frame, is_sure=self._speaks_xai)
            self._speaks_xai = self._speaks_xai or xai is not None
            event = xai or event
        if event is None:
            return []
        result = event if isinstance(event, ErrorBody) else self._command(event)
        if isinstance(result, ErrorBody):
            self._outbox.append(self._writer.error(result))
            return []
        return [result]

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        frames, self._outbox = self._outbox, []
        return frames

    def _command(self, event: client.AnyClientEvent) -> Command | ErrorBody:
        command_id = event.event_id or ""
        match event:
            case client.InputAudioBufferAppend():
                return requests.append_command(event, self._session.config, self._limits)
            case client.InputAudioBufferCommit():
                return CommitAudio(respond=False, command_id=command_id)
            case client.InputAudioBufferClear():
                return ClearAudio(command_id=command_id)
            case client.ConversationItemCreate():
                return requests.create_item_command(event)
            case client.ConversationItemRetrieve():
                return RetrieveItem(event.item_id, command_id)
            case client.ConversationItemDelete():
                return DeleteItem(event.item_id, command_id)
            case client.ConversationItemTruncate():
                return self._truncate(event, command_id)
            case client.ResponseCreate():
                return self._create_response(event)
            case client.ResponseCancel():
                return self._cancel(event, command_id)
            case client.SessionUpdate():
                result = self._session.update(event.session, command_id)
                return requests.named(result, event.event_id) if isinstance(result, ErrorBody) else result
            case client.OutputAudioBufferClear():
                return requests.request_error(
                    codes.INVALID_EVENT,
                    "'output_audio_buffer.clear' is for WebRTC and SIP; over a WebSocket the client plays.",
                    param="type",
                    event_id=event.event_id,
                )

    def _truncate(self, event: client.ConversationItemTruncate, command_id: str) -> Command | ErrorBody:
        for name in ("audio_end_ms", "content_index"):
            if getattr(event, name) < 0:
                return requests.request_error(
                    codes.INVALID_VALUE,
                    f"Invalid value for '{name}': expected an integer >= 0.",
                    param=name,
                    event_id=event.event_id,
                )
        if event.audio_end_ms == 0:
            self._conversation.cut_to_nothing(event.item_id, event.content_index)
        return TruncateItem(event.item_id, event.audio_end_ms, event.content_index, command_id)

    def _create_response(self, event: client.ResponseCreate) -> Command | ErrorBody:
        command = requests.create_response_command(event)
        if isinstance(command, ErrorBody):
            return command
        if self._session.config.is_transcription_only:
            return requests.request_error(
                codes.INVALID_EVENT,
                "A transcription session makes no responses.",
                param="type",
                event_id=event.event_id,
            )
        active_id = self._responses.active_id
        if active_id is not None and not command.is_out_of_band:
            return requests.request_error(
                codes.CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE,
                f"Conversation already has an active response in progress: {active_id}. Wait until the "
                "response is finished before creating a new one.",
                event_id=event.event_id,
            )
        self._responses.asked(command)
        return command

    def _cancel(self, event: client.ResponseCancel, command_id: str) -> Command | ErrorBody:
        named = event.response_id
        is_known = self._responses.is_open(named) if named else self._responses.active_id is not None
        # A response that was asked for and has not begun is the model's to find.
        if is_known or (named is None and self._responses.is_asked):
            return CancelResponse(named, command_id)
        return requests.request_error(
            codes.RESPONSE_CANCEL_NOT_ACTIVE,
            "Cancellation failed: no active response found",
            event_id=event.event_id,
        )

    # ------------------------------------------------------------------ to the client

    def encode(self, event: EventBase) -> list[Frame]:
        """The frames that tell the client of one model event, in the order the wire demands."""
        if type(event) is ModelResponseAudioDeltaEvent:
            frame = self._writer.audio(event)
            if frame is not None:
                return [frame]
            self._session.has_spoken = True
            first: list[Frame] = [*self._responses.audio_delta(event)]
            return first
        teller = self._tellers.get(type(event))
        if teller is None:
            return []
        frames = teller(event)
        return [] if frames is None else [*frames]

    def _session_created(self, event: ModelSessionCreatedEvent) -> list[str]:
        if self._is_greeted:
            return []
        self.greet(event.config or self._session.config)
        return [frame for frame in self.data_to_send() if isinstance(frame, str)]

    def _session_updated(self, event: ModelSessionUpdatedEvent) -> list[str]:
        # Clients take a session.updated for the answer to their own update, so only those are answered.
        if not self._session.confirmed(event.config, event.command_id):
            return []
        updated = wire.SessionUpdated(event_id=self._writer.new_id(), session=self._session.fields)
        return [self._writer.frame(updated)]

    def _session_ended(self, event: ModelSessionEndedEvent) -> list[str]:
        if event.reason != codes.SESSION_EXPIRED:
            return []
        minutes = self._limits.session_length_s // 60
        message = f"Your session hit the maximum duration of {minutes} minutes."
        return [self._writer.error(requests.request_error(codes.SESSION_EXPIRED, message))]

    def _error(self, event: ModelErrorEvent) -> list[str]:
        self._session.refused(event.command_id)
        self._responses.refused(event.command_id)
        return [self._writer.error(requests.error_of(event))]

    def _provider_event(self, event: ModelProviderEvent) -> list[str]:
        return [self._writer.passed(event.raw)] if event.name in _PASSED_TYPES else []
