"""The client side of the Gemini Live wire (BidiGenerateContent)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec

from voicewire.errors import RemoteProtocolError, SessionClosed, UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command
from voicewire.events.model import (
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini import client_requests as requests
from voicewire.protocols.gemini import codes
from voicewire.protocols.gemini import wire_server as wire
from voicewire.protocols.gemini.client_reader import MessageReader
from voicewire.protocols.gemini.client_responses import ResponseReader
from voicewire.protocols.gemini.client_sending import Sender
from voicewire.protocols.gemini.client_state import ClientState, WireTraits
from voicewire.protocols.gemini.client_turns import UserTurns
from voicewire.protocols.gemini.setup import setup_body


class GeminiClientCodec:
    """Commands to frames, frames to model events. Implements `ClientCodec`.

    The wire has no ids and few boundaries: responses, items and the user's turns are given their ids, beginnings and
    ends here, so that events mean what they mean on every other wire. A function call ends the response that makes it.

    Args:
        config: The configuration to ask for. Audio goes in at 16 kHz and comes out at 24 kHz, whatever it says.
        ids: Makes a new id from a prefix (``resp``, ``item``, ``call``, ``sess``).
        traits: How the model family behaves.
        can_reopen: Whether the transport begins a new connection when it is given another ``setup``.

    Concurrency: one caller at a time.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        ids: Callable[[str], str] | None = None,
        traits: WireTraits | None = None,
        can_reopen: bool = False,
    ) -> None:
        self._state = ClientState(config, ids or _counting_ids(), traits or WireTraits(), can_reopen)
        self._state.configure(config)
        self._turns = UserTurns(self._state)
        self._responses = ResponseReader(self._state)
        self._sender = Sender(self._state, self._turns, self._responses)
        self._report: Callable[[EventBase], None] | None = None
        self._closed_by = ""
        self._is_ended = False
        self._reader = MessageReader(self._state, self._turns, self._responses, self._sender)

    # ------------------------------------------------------------------ what is known

    @property
    def is_ready(self) -> bool:
        """True once the provider confirmed the configuration."""
        return self._state.is_ready

    @property
    def session_id(self) -> str:
        """The id of the session; empty before it is set up."""
        return self._state.session_id

    @property
    def config(self) -> SessionConfig:
        """What was asked for."""
        return self._state.config

    @property
    def resumption_handle(self) -> str:
        """By what a new connection can go on with this session; empty while there is nothing to go on with."""
        return self._state.resumption_handle

    @property
    def resumption(self) -> Mapping[str, Any]:
        """``SessionConfig.extra`` of a connection that goes on with this session; empty while there is no handle."""
        handle = self._state.resumption_handle
        if not handle:
            return {}
        extra = {**self._state.traits.setup_defaults, **self._state.config.extra}
        return {"sessionResumption": {**(extra.get("sessionResumption") or {}), "handle": handle}}

    @property
    def time_left_ms(self) -> int | None:
        """How long the connection lasts by the server's ``goAway``; None before one came."""
        return codes.duration_ms(self._state.time_left)

    def report_to(self, report: Callable[[EventBase], None]) -> None:
        """From now on, events that sending brings about go there; else they come with the next frame."""
        self._report = report
        self._hand_over()

    # ------------------------------------------------------------------ sending

    def opening(self) -> list[Frame]:
        """The ``setup``.

        Raises:
            UnsupportedError: The wire cannot say what the configuration asks for.
        """
        defaults = self._state.traits.setup_defaults
        return [requests.setup_frame(setup_body(self._state.config, defaults=defaults))]

    def reopen(self) -> list[Frame]:
        """The ``setup`` of a new connection that goes on with this session, by its handle or by its history."""
        return [self._sender.reopening()]

    def encode(self, command: Command) -> list[Frame]:
        """The frames of one command, in order; none when it is absorbed or has to wait.

        Raises:
            UnsupportedError: The wire has no way to say it.
            SessionClosed: The session is over.
        """
        if self._state.is_over:
            raise SessionClosed(self._closed_by or "the session is over; open a new one")
        if type(command) is AppendAudio and (
            command.encoding != "pcm16" or command.sample_rate_hz != codes.INPUT_RATE_HZ
        ):
            raise UnsupportedError(
                f"the session takes pcm16 at {codes.INPUT_RATE_HZ} Hz, this is {command.encoding} at "
                f"{command.sample_rate_hz} Hz; convert it first"
            )
        frames = self._sender.encode(command)
        self._hand_over()
        return frames

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        if not self._state.outbox:
            return []
        frames, self._state.outbox = self._state.outbox, []
        return frames

    def _hand_over(self) -> None:
        if self._report is not None and self._state.events:
            for event in self._taken():
                self._report(event)

    def _taken(self) -> list[EventBase]:
        events, self._state.events = self._state.events, []
        return events

    # ------------------------------------------------------------------ receiving

    def receive(self, frame: Frame | memoryview) -> list[EventBase]:
        """The model events of one frame, in order; text and binary frames are the same here.

        Raises:
            RemoteProtocolError: The frame breaks the protocol; the codec is closed for good.
        """
        if self._closed_by:
            raise RemoteProtocolError(self._closed_by)
        try:
            message = wire.decode_only_audio(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            self._read(frame)
        else:
            for part in message.serverContent.modelTurn.parts:
                blob = part.inlineData
                self._reader.inline(blob.mimeType, blob.data)
        return self._taken()

    def _read(self, frame: Frame | memoryview) -> None:
        try:
            self._reader.read(frame)
        except RemoteProtocolError as error:
            self._closed_by = f"the codec is closed since {error}"
            self._state.is_over = True
            raise

    # ------------------------------------------------------------------ the end

    def connection_lost(self, code: int, reason: str, *, is_expected: bool) -> list[EventBase]:
        """The socket is gone: terminal events for everything open, then the one session-ended event.

        Args:
            code: Close code.
            reason: Close reason; on this wire the only detail there is.
            is_expected: Whether our own side asked for the end.
        """
        if self._is_ended:
            return []
        self._is_ended = self._state.is_over = True
        self._state.outbox.clear()
        ended_by = codes.end_reason(reason)
        self._turns.stopped()
        self._turns.final()
        if is_expected:
            self._responses.end("cancelled", codes.CLIENT_CANCELLED)
        else:
            message = reason or "the connection ended before the response did"
            why = ended_by if ended_by == codes.SESSION_EXPIRED else codes.CONNECTION_LOST
            self._responses.end("failed", why, message)
        self._state.events.append(
            ModelSessionEndedEvent(
                session_id=self._state.session_id, reason=ended_by, code=code, is_expected=is_expected
            )
        )
        return self._taken()


def _counting_ids() -> Callable[[str], str]:
    numbers = count(1)
    return lambda prefix: f"{prefix}_{next(numbers):04d}"
