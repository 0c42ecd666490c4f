"""What every transport is: frames out by a call that does not wait, frames in by a callback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicewire.errors import VoicewireError

Frame = str | bytes
"""One message: text or binary."""

NORMAL_CLOSE = 1000
PROTOCOL_ERROR_CLOSE = 1002
NO_CODE_CLOSE = 1005
ABNORMAL_CLOSE = 1006
TOO_BIG_CLOSE = 1009
INTERNAL_ERROR_CLOSE = 1011


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseInfo:
    """How a transport ended; reported exactly once."""

    code: int
    """WebSocket close code; 1005 when the peer closed without one, 1006 without a closing handshake."""
    reason: str = ""
    """The reason the closing side gave, or what was noticed; possibly empty."""
    is_local: bool = False
    """Whether our side began to close."""
    is_clean: bool = True
    """Whether there was a closing handshake."""
    error: VoicewireError | None = None
    """Set when the transport itself found the reason: a lost connection, a rule broken by the peer."""


class FrameReceiver(Protocol):
    """Takes what a transport delivers. All three are called on the loop and may not block or raise."""

    def on_open(self, transport: FrameTransport) -> None:
        """The transport is open, nothing was received yet; writing is allowed."""
        ...

    def on_message(self, message: memoryview | Frame) -> None:
        """One whole message.

        Args:
            message: Text as ``str``, or as a ``memoryview`` of its UTF-8 bytes; binary as ``bytes``. A
                memoryview shows the transport's own buffer: it is valid during this call only, and so is
                everything that points into it (``msgspec.Raw``, slices).
        """
        ...

    def on_closed(self, info: CloseInfo) -> None:
        """The transport ended; called once, and nothing after it."""
        ...


class FrameTransport(Protocol):
    """One open duplex connection that carries whole messages."""

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        ...

    @property
    def is_congested(self) -> bool:
        """Whether the peer takes frames more slowly than they are written (above the high-water mark)."""
        ...

    def write(self, frame: Frame) -> None:
        """Sends one message without waiting; what the network does not take yet is kept in memory.

        Raises:
            SessionClosed: The transport is closing or closed.
        """
        ...

    async def drain(self) -> None:
        """Waits while the transport is congested.

        Raises:
            SessionClosed: It closed meanwhile.

        Cancellation: safe.
        """
        ...

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Begins to close without waiting; nothing is delivered after it but ``on_closed``; idempotent."""
        ...

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes with a closing handshake, bounded in time; idempotent. ``on_closed`` ran when it returns.

        Cancellation: cuts the connection at once, then is raised again.
        """
        ...

    def abort(self) -> None:
        """Cuts the connection at once, without a handshake; idempotent."""
        ...
