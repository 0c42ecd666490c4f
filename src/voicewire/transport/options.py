"""How a WebSocket connects and behaves."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from voicewire.transport.frames import FrameReceiver, FrameTransport

if TYPE_CHECKING:
    from voicewire.transport.recorder import CassetteRecorder

Connect = Callable[[FrameReceiver], Awaitable[FrameTransport]]
"""Opens a transport whose messages go to the receiver."""
Wrap = Callable[[Connect], Connect]
"""Puts something between a transport and its receiver, such as a recorder or faults."""


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Makes it never happen."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]
"""``call_later(delay_s, callback)``, as the event loop has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """How to connect and how to behave."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Further headers of the handshake; may hold secrets, so they are never printed."""
    subprotocols: tuple[str, ...] = field(default=(), repr=False)
    """Offered in this order; may hold secrets as well."""
    connect_timeout_s: float = 10.0
    """For name resolution, TCP, TLS and the handshake together."""
    close_timeout_s: float = 2.0
    """How long a closing handshake may take before the connection is cut."""
    ping_interval_s: float | None = 15.0
    """A ping goes out after this long without a frame from the peer (at most twice as long); None: never."""
    ping_timeout_s: float = 10.0
    """The connection counts as lost when nothing at all came this long after a ping."""
    max_message_bytes: int = 64 * 1024 * 1024
    """Larger messages end the connection with code 1009."""
    write_high_water_bytes: int = 256 * 1024
    """Unsent bytes above which the transport is congested; it recovers at a quarter."""
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    """TLS settings for ``wss``; the system's certificates by default."""
    call_later: CallLater | None = field(default=None, repr=False)
    """Clock of the keepalive; the event loop's by default."""
    wrap: Wrap | None = field(default=None, repr=False)
    """Stands between the connection and its receiver."""
    recorder: CassetteRecorder | None = None
    """Writes what passes, as the receiver sees it, into a cassette."""
    provider: str = ""
    """Short provider name for errors."""
