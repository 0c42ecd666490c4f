"""What every codec is: a pure state machine between wire frames and the common vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from voicewire.events.base import EventBase
from voicewire.events.commands import Command

Frame = str | bytes
"""One WebSocket message: text or binary."""
OPENED = "voicewire_opened"
"""The command id of the event that confirms an opening configuration, which no command asked for."""


class ClientCodec(Protocol):
    """Our side is the client of a provider: commands become frames, frames become model events."""

    def opening(self) -> Iterable[Frame]:
        """Frames to send as soon as the socket is open (before anything was received)."""
        ...

    @property
    def is_ready(self) -> bool:
        """True once the provider confirmed the configuration."""
        ...

    def encode(self, command: Command) -> Iterable[Frame]:
        """The frames of one command, in order; may be none when the command is absorbed by rule.

        Raises:
            UnsupportedError: The wire has no way to say it.
        """
        ...

    def receive(self, frame: Frame | memoryview) -> list[EventBase]:
        """The model events of one frame, in order.

        Frames that the codec itself must send for it are queued for ``data_to_send``. A memoryview is the
        UTF-8 of a text frame and is valid during this call only: whatever points into it (``msgspec.Raw``,
        slices) must be copied to be kept. Binary frames come as bytes.

        Raises:
            RemoteProtocolError: The frame breaks the protocol; the codec is closed for good.
        """
        ...

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        ...

    def connection_lost(self, code: int, reason: str, *, is_expected: bool) -> list[EventBase]:
        """The socket is gone: terminal events for everything open, then the one session-ended event."""
        ...


@runtime_checkable
class ResumableCodec(Protocol):
    """What a client codec has besides when its provider says how long a connection lasts, and resumes sessions."""

    @property
    def resumption(self) -> Mapping[str, Any]:
        """``SessionConfig.extra`` of a new connection that goes on with this session; empty when there is no way."""
        ...

    @property
    def time_left_ms(self) -> int | None:
        """How long the connection lasts, as the provider last said; None when it did not."""
        ...


class ServerCodec(Protocol):
    """Our side is the provider: a client's frames become commands, model events become frames."""

    def receive(self, frame: Frame) -> list[Command]:
        """The commands of one client frame, in order.

        Answers that need no model (errors for bad frames) are queued for ``data_to_send``.
        """
        ...

    def encode(self, event: EventBase) -> list[Frame]:
        """The frames that tell the client of one model event, in the order the wire demands."""
        ...

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        ...
