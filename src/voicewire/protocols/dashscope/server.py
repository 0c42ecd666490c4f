"""The server side of the DashScope realtime wire, as gateway and tests speak it to clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from voicewire.events.base import EventBase
from voicewire.events.commands import (
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    DeleteItem,
    RetrieveItem,
    SendText,
)
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputClearedEvent,
    ModelInputCommittedEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelInputTranscriptionFailedEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope import server_requests as requests
from voicewire.protocols.dashscope import wire_client as client
from voicewire.protocols.dashscope import wire_server as wire
from voicewire.protocols.dashscope.server_frames import DashScopeFrameWriter
from voicewire.protocols.dashscope.server_session import DashScopeSession
from voicewire.protocols.dashscope.server_speech import TextBuffer
from voicewire.protocols.dashscope.server_words import PartialTexts
from voicewire.protocols.dashscope.traits import Family
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_client as ga_client
from voicewire.protocols.openai import wire_server as ga
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server_conversation import ConversationTeller
from voicewire.protocols.openai.server_requests import append_command, error_of, named, request_error
from voicewire.protocols.openai.server_responses import ResponseTeller
from voicewire.protocols.openai.server_session import ServerSession
from voicewire.protocols.openai.wire_response import ErrorBody

_SPEECH_ID: Final = "speech_"
"""Begins the ids of commands that the codec itself makes of text."""
_ANY_FAMILY: Final = (client.SessionUpdate, client.SessionFinish, ga_client.ResponseCancel)
_SPEECH_EVENTS: Final = (
    client.InputTextBufferAppend,
    client.InputTextBufferCommit,
    client.InputTextBufferClear,
)
_LISTENING_EVENTS: Final = (
    ga_client.InputAudioBufferAppend,
    ga_client.InputAudioBufferCommit,
    ga_client.InputAudioBufferClear,
)


class DashScopeServerCodec:
    """Client frames to commands, model events to frames. Implements `ServerCodec`.

    A client's mistakes are answered with errors and never end the session. ``session.created`` is ready at once.

    Args:
        ids: Makes a new id from a prefix (``sess``, ``conv``).
        model: The name that the client is shown.
        family: What the session is for, until `settle` says so.
        voices: Voices of the served model; a client's other voice is shown and not asked for.
        passes_settings: Whether the served model knows the settings that only this wire has.
        is_told_to_speak: Whether the served model has to be told to say a text instead of answering it.
        limits: What the server allows.

    Concurrency: one caller at a time.
    """

    def __init__(
        self,
        *,
        ids: Callable[[str], str],
        model: str,
        family: Family = "omni",
        voices: tuple[str, ...] = (),
        passes_settings: bool = False,
        is_told_to_speak: bool = True,
        limits: ServerLimits | None = None,
    ) -> None:
        self._limits = limits or ServerLimits()
        self._outbox: list[Frame] = []
        self._session = DashScopeSession(
            session_id=ids("sess"),
            model=model,
            voices=voices,
            passes_settings=passes_settings,
            is_told_to_speak=is_told_to_speak,
        )
        self._writer = DashScopeFrameWriter(self._session.session_id.rpartition("_")[2])
        # Responses inherit modality and voice from a session in OpenAI's form.
        self._inherited = ServerSession(
            session_id=self._session.session_id, model=model, expires_at=0, config=self._session.config
        )
        self._responses = ResponseTeller(self._writer, self._inherited, ids("conv"), self._limits)
        self._tellers = self._make_tellers()
        self._text = TextBuffer()
        self._owed: dict[str, int] = {}
        self._partials = PartialTexts()
        self._open_transcripts: set[str] = set()
        self._is_turn_open = False
        self._awaits_response = False
        self._is_finishing = False
        self._last_frame: Frame | None = None
        self._count = 0
        self.settle(family)
        self._answer(ga.SessionCreated(event_id=self._writer.new_id(), session=self._session.shown()))

    def _make_tellers(self) -> dict[type, Callable[[Any], list[str] | None]]:
        return {
            **ConversationTeller(self._writer, self._responses).tellers,
            **self._responses.tellers,
            ModelResponseDoneEvent: self._response_done,
            ModelInputTranscriptionDeltaEvent: self._partial,
            ModelSessionUpdatedEvent: self._session_updated,
            ModelErrorEvent: self._error,
        }

    @property
    def session_id(self) -> str:
        """The id that the client is shown."""
        return self._session.session_id

    @property
    def family(self) -> Family:
        """What the session is for."""
        return self._session.family

    @property
    def config(self) -> SessionConfig:
        """The configuration in force."""
        return self._session.config

    @property
    def last_frame(self) -> Frame | None:
        """``session.finished`` as it was said, None before it; the server closes after it."""
        return self._last_frame

    def settle(self, family: Family) -> SessionConfig:
        """The session is for this; gives what is in force at its beginning."""
        config = self._session.config if family == self.family else self._session.first_config(family)
        self._writer.family = family
        self._refresh()
        return config

    def _refresh(self) -> None:
        self._inherited.begin(self._session.config)
        self._writer.response_fields = self._session.response_fields()

    # ------------------------------------------------------------------ from the client

    def receive(self, frame: Frame) -> list[Command]:
        """The commands of one client frame; errors for bad frames are queued for ``data_to_send``."""
        event = requests.read_client_frame(frame, self._limits)
        if event is None:
            return []
        result = event if isinstance(event, ErrorBody) else self._checked(event)
        if not isinstance(result, ErrorBody):
            return [] if result is None else [result]
        self._outbox.append(self._writer.error(result))
        return []

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        frames, self._outbox = self._outbox, []
        return frames

    def _checked(self, event: client.ClientEvent) -> Command | ErrorBody | None:
        if self._is_finishing:
            message = "The session is finishing; it takes no more events."
            return request_error(codes.INVALID_EVENT, message, param="type", event_id=event.event_id)
        is_text = isinstance(event, _SPEECH_EVENTS)
        is_wrong = is_text if self.family != "tts" else not is_text
        if self.family == "asr":
            is_wrong = not isinstance(event, _LISTENING_EVENTS)
        if is_wrong and not isinstance(event, _ANY_FAMILY):
            tag = type(event).__struct_config__.tag
            message = f"{tag!r} is not an event of this session, which is for {_PURPOSE[self.family]}."
            return request_error(codes.INVALID_EVENT, message, param="type", event_id=event.event_id)
        return self._command(event)

    def _command(self, event: client.ClientEvent) -> Command | ErrorBody | None:
        command_id = event.event_id or ""
        match event:
            case ga_client.InputAudioBufferAppend():
                return append_command(event, self._session.config, self._limits)
            case ga_client.InputAudioBufferCommit():
                return CommitAudio(respond=False, command_id=command_id)
            case ga_client.InputAudioBufferClear():
                return ClearAudio(command_id=command_id)
            case client.InputImageBufferAppend():
                return requests.image_command(event)
            case client.ConversationItemCreate():
                return requests.item_command(event)
            case ga_client.ConversationItemRetrieve():
                return RetrieveItem(event.item_id, command_id)
            case ga_client.ConversationItemDelete():
                return DeleteItem(event.item_id, command_id)
            case client.ResponseCreate():
                return self._create_response(event)
            case ga_client.ResponseCancel():
                return self._cancel(event, command_id)
            case client.SessionUpdate():
                result = self._session.change(event.session, command_id)
                return named(result, event.event_id) if isinstance(result, ErrorBody) else result
            case client.SessionFinish():
                return self._finish()
            case client.InputTextBufferAppend():
                self._text.append(event.text)
                return self._spoken(self._text.sentences() if self._session.mode == "server_commit" else "")
            case client.InputTextBufferCommit():
                self._answer(wire.InputTextBufferCommitted(event_id=self._writer.new_id()))
                return self._spoken(self._text.rest())
            case client.InputTextBufferClear():
                self._text.rest()
                self._answer(wire.InputTextBufferCleared(event_id=self._writer.new_id()))
                return None

    def _answer(self, event: ga.ServerEvent) -> None:
        self._outbox.append(self._writer.frame(event))

    def _create_response(self, event: client.ResponseCreate) -> Command | ErrorBody:
        command = requests.response_command(event)
        if isinstance(command, ErrorBody):
            return command
        if (active_id := self._responses.active_id) is not None:
            message = f"Conversation already has an active response: {active_id}. Wait until it is done."
            return request_error(codes.INVALID_VALUE, message, event_id=event.event_id)
        self._responses.asked(command)
        return command

    def _cancel(self, event: ga_client.ResponseCancel, command_id: str) -> Command | ErrorBody:
        if self._responses.active_id is not None or self._responses.is_asked or self._owed:
            # Texts that wait for their turn are never said: they go with the one that is being said.
            self._owed = dict(list(self._owed.items())[:1])
            return CancelResponse(command_id=command_id)
        message = "Conversation has none active response."
        return request_error(codes.RESPONSE_CANCEL_NOT_ACTIVE, message, event_id=event.event_id)

    def _spoken(self, text: str) -> Command | None:
        """The command that has a piece of text spoken."""
        if not text:
            return None
        self._count += 1
        command_id = f"{_SPEECH_ID}{self._count}"
        self._owed[command_id] = len(text)
        return SendText(text, command_id=command_id)

    def _finish(self) -> Command | None:
        """No more input: what is open is closed, and the goodbye waits for everything that is still to come."""
        self._is_finishing = True
        command: Command | None = self._spoken(self._text.rest())
        if self._is_turn_open:
            command = CommitAudio(respond=self.family == "omni")
            self._awaits_response |= self.family == "omni"
        if command is None:
            self._outbox += self._goodbye()
        return command

    # ------------------------------------------------------------------ to the client

    def encode(self, event: EventBase) -> list[Frame]:
        """The frames that tell the client of one model event, in the order the wire demands."""
        if type(event) is ModelResponseAudioDeltaEvent:
            frame = self._writer.audio(event)
            if frame is not None:
                return [frame]
            return [found for found in self._responses.audio_delta(event) if found]
        teller = self._tellers.get(type(event))
        found = None if teller is None else teller(event)
        self._note(event)
        frames: list[Frame] = [frame for frame in found or () if frame]
        return frames + self._goodbye() if self._is_finishing else frames

    def _note(self, event: EventBase) -> None:
        """Keeps what the end of the session waits for."""
        match event:
            case ModelInputStartedEvent():
                self._is_turn_open = True
            case ModelInputClearedEvent():
                self._is_turn_open = False
            case ModelInputCommittedEvent():
                config = self._session.config
                self._is_turn_open = False
                if config.transcription is not None or config.is_transcription_only:
                    self._open_transcripts.add(event.item_id)
                turns = config.turn_detection
                responds = turns is not None and turns.create_response and not config.is_transcription_only
                self._awaits_response |= responds
            case ModelInputTranscriptionDoneEvent() | ModelInputTranscriptionFailedEvent():
                self._open_transcripts.discard(event.item_id)
                self._partials.forget(event.item_id)
            case ModelResponseCreatedEvent():
                self._awaits_response = False
            case ModelErrorEvent():
                # What was to end the turn, or to answer it, may be what was refused: the goodbye waits for neither.
                self._awaits_response = False
                self._is_turn_open = self._is_turn_open and not self._is_finishing
            case _:
                return

    def _goodbye(self) -> list[Frame]:
        """``session.finished``, once nothing is open any more."""
        responses = self._responses
        is_busy = self._is_turn_open or self._awaits_response or bool(self._open_transcripts or self._owed)
        is_over = self._last_frame is not None
        if is_over or is_busy or responses.is_asked or responses.active_id is not None:
            return []
        self._last_frame = self._writer.frame(wire.SessionFinished(event_id=self._writer.new_id()))
        return [self._last_frame]

    def _response_done(self, event: ModelResponseDoneEvent) -> list[str]:
        if self._owed:
            self._writer.characters = self._owed.pop(next(iter(self._owed)))
        return self._responses.done(event)

    def _partial(self, event: ModelInputTranscriptionDeltaEvent) -> list[str]:
        certain, guess = self._partials.told(event)
        told = wire.InputTranscriptionText(
            event_id=self._writer.new_id(), item_id=event.item_id, text=certain, stash=guess
        )
        return [self._writer.frame(told)]

    def _session_updated(self, event: ModelSessionUpdatedEvent) -> list[str]:
        was_asked = self._session.confirmed(event.config, event.command_id)
        self._refresh()
        if not was_asked:
            return []
        writer, shown = self._writer, self._session.shown()
        return [writer.frame(ga.SessionUpdated(event_id=writer.new_id(), session=shown))]

    def _error(self, event: ModelErrorEvent) -> list[str]:
        self._session.refused(event.command_id)
        self._responses.refused(event.command_id)
        self._owed.pop(event.command_id, None)
        error = error_of(event)
        # What it has the engine say piece by piece was no event of the client's.
        return [self._writer.error(named(error, None) if event.command_id.startswith(_SPEECH_ID) else error)]


_PURPOSE: Final[dict[Family, str]] = {
    "omni": "conversation",
    "asr": "transcription",
    "tts": "speech from text",
}
