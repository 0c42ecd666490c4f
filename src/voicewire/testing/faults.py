"""Faults on demand, on the connections of any model behind a wire, at whatever point a session has come to."""

from __future__ import annotations

import asyncio
import json
from typing import Literal, get_args

import anyio

from voicewire.errors import AuthError, ConfigError, ConnectFailed, QuotaExceeded, RemoteProtocolError
from voicewire.testing.transport import GARBAGE, Faults, FaultyTransport
from voicewire.transport.frames import TOO_BIG_CLOSE, CloseInfo, Frame, FrameReceiver, FrameTransport
from voicewire.transport.options import Connect

Fault = Literal[
    "cut",
    "half_open",
    "silence",
    "garbage",
    "oversize",
    "duplicate",
    "reorder",
    "unknown_event",
    "error_event",
    "auth",
    "quota",
    "slow_reader",
]
"""What can go wrong with an open connection.

* ``cut``: no closing handshake.
* ``half_open``: nothing passes either way, and nobody says so until the keepalive would, after ``found_out_s``.
* ``silence``: no message comes any more; what is sent still arrives.
* ``garbage``: a text frame that stops in the middle.
* ``oversize``: a frame that is larger than the transport takes; it closes with 1009.
* ``duplicate``: the next frame twice.
* ``reorder``: the next two frames the wrong way round; one that nothing follows is only ``found_out_s`` late.
* ``unknown_event``: an event that no codec has heard of.
* ``error_event``: the provider refuses something; no harm comes of it.
* ``auth``, ``quota``: the provider says that the key, or what it may use, is not good any more, and closes with 1008.
* ``slow_reader``: the peer takes nothing, so writing backs up.
"""
Refusal = Literal["unreachable", "auth", "quota", "hang"]
"""What can go wrong with the handshake."""

FAULTS: tuple[Fault, ...] = get_args(Fault)
"""Every `Fault`."""
UNKNOWN_EVENT = '{"type": "voicewire.unheard_of", "event_id": "e0"}'
_POLICY_CLOSE = 1008
_SAYINGS = {
    "error_event": ("invalid_value", "fault injector: that is not possible"),
    "auth": ("invalid_api_key", "fault injector: the key is not valid any more"),
    "quota": ("insufficient_quota", "fault injector: the quota is used up"),
}
_OVERSIZE_BYTES = 8 * 1024 * 1024


class FaultInjector:
    """Makes the connections of a model fail when told to.

    ::

        faults = FaultInjector()
        model = create_model("openai:gpt-realtime", base_url=gateway.ws_url + "/v1", wrap=faults.wrap)
        async with model.open() as connection:
            ...
            faults.inject("cut")

    Args:
        oversize_bytes: What the transport takes, as ``oversize`` reports it.
        found_out_s: How long a half-open connection goes unnoticed, and a frame that was reordered may be late.
    """

    def __init__(self, *, oversize_bytes: int = _OVERSIZE_BYTES, found_out_s: float = 0.05) -> None:
        self._oversize_bytes = oversize_bytes
        self._found_out_s = found_out_s
        self._refusals: list[Refusal] = []
        self._first_faults: list[Fault] = []
        self.connections: list[FaultLink] = []
        """Every connection that was opened, in order."""

    @property
    def attempts(self) -> int:
        """How many connections were opened."""
        return len(self.connections)

    def wrap(self, connect: Connect) -> Connect:
        """Give this to ``WebSocketOptions(wrap=...)``, ``create_model(..., wrap=...)`` or ``set_link``."""

        async def connect_with_faults(receiver: FrameReceiver) -> FrameTransport:
            if self._refusals:
                await _refuse(self._refusals.pop(0))
            link = FaultLink(receiver, self._oversize_bytes, self._found_out_s)
            if self._first_faults:
                link.inject(self._first_faults.pop(0))
            await connect(link)
            self.connections.append(link)
            return link

        return connect_with_faults

    def refuse_next(self, refusal: Refusal, *, times: int = 1) -> None:
        """The next connections are refused, or their handshake never ends."""
        self._refusals.extend(refusal for _ in range(times))

    def fail_next(self, fault: Fault, *, times: int = 1) -> None:
        """The next connections have this fault at their first frame."""
        self._first_faults.extend(fault for _ in range(times))

    def inject(self, fault: Fault, *, after: str = "") -> None:
        """The newest connection has this fault, now or at a point that its frames tell.

        Args:
            fault: What goes wrong.
            after: A text; the fault happens right after the next frame that holds it was delivered. Now when empty.

        Raises:
            ConfigError: There is no connection yet.
        """
        if not self.connections:
            raise ConfigError("there is no connection to break yet; use fail_next or refuse_next")
        self.connections[-1].inject(fault, after=after)


async def _refuse(refusal: Refusal) -> None:
    match refusal:
        case "unreachable":
            raise ConnectFailed("fault injector: nothing listens there")
        case "auth":
            raise AuthError("fault injector: the key was refused", http_status=401)
        case "quota":
            raise QuotaExceeded("fault injector: the quota is used up", http_status=429)
        case "hang":
            await anyio.sleep_forever()


class FaultLink(FaultyTransport):
    """One connection that can be broken at any moment."""

    def __init__(self, receiver: FrameReceiver, oversize_bytes: int, found_out_s: float) -> None:
        super().__init__(receiver, Faults())
        self._found_out_s = found_out_s
        self._oversize_bytes = oversize_bytes
        self._is_silent = False
        self._is_stalled = False
        self._room = anyio.Event()
        self._next: Fault | None = None
        self._armed: tuple[bytes, Fault] | None = None
        self._struck = anyio.Event()
        self._kept: Frame | None = None

    @property
    def is_congested(self) -> bool:
        """Whether the transport inside is, or the peer takes nothing."""
        return self._is_stalled or super().is_congested

    def inject(self, fault: Fault, *, after: str = "") -> None:
        """Breaks it now, or after a frame with this text; while it is still being opened, at the first frame."""
        if after:
            self._armed = (after.encode(), fault)
            return
        match fault:
            case "half_open":
                self._is_half_open = True
                # Pings pass beneath this link, so the keepalive of the transport inside notices nothing.
                asyncio.get_running_loop().call_later(self._found_out_s, self._cut)
            case "silence":
                self._is_silent = True
            case "slow_reader":
                self._is_stalled = True
            case "duplicate" | "reorder":
                self._next = fault
            case _ if self._inner is None:
                self._next = fault
            case _:
                self._strike(fault)

    async def wait_struck(self) -> None:
        """Waits until the fault that was to come after a frame has happened."""
        await self._struck.wait()

    def resume(self) -> None:
        """A peer that took nothing takes everything again."""
        self._is_stalled = False
        self._room.set()

    async def drain(self) -> None:
        """Waits while the peer takes nothing."""
        while self._is_stalled and self._closed is None:
            await self._room.wait()
        await super().drain()

    def on_message(self, message: memoryview | Frame) -> None:
        """One message, on its way through the faults."""
        armed = self._armed
        if armed is not None and armed[0] in (
            message.encode() if isinstance(message, str) else bytes(message)
        ):
            self._armed = None
            self._pass(message)
            self.inject(armed[1])
            self._struck.set()
            return
        self._pass(message)

    def _pass(self, message: memoryview | Frame) -> None:
        if self._is_silent:
            return
        fault, self._next = self._next, None
        if fault == "reorder":
            self._kept = str(message, "utf-8") if isinstance(message, memoryview) else message
            asyncio.get_running_loop().call_later(self._found_out_s, self._deliver_kept)
            return
        if fault is not None and fault != "duplicate":
            self._strike(fault)
        super().on_message(message)
        if fault == "duplicate":
            super().on_message(message)
        self._deliver_kept()

    def _deliver_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            super().on_message(kept)

    def on_closed(self, info: CloseInfo) -> None:
        """The transport inside ended."""
        self._room.set()
        super().on_closed(info)

    def _strike(self, fault: Fault) -> None:
        if fault == "cut":
            self._cut()
        elif fault == "oversize":
            what = f"a message is larger than {self._oversize_bytes} bytes"
            error = RemoteProtocolError(
                f"fault injector: {what}; the connection was closed ({TOO_BIG_CLOSE})"
            )
            self.on_closed(
                CloseInfo(code=TOO_BIG_CLOSE, reason=what, is_local=True, is_clean=False, error=error)
            )
            self.abort()
        elif self._closed is None and not self._is_half_open:
            if fault in _SAYINGS:
                self._say(*_SAYINGS[fault], ends=fault != "error_event")
            else:
                self._receiver.on_message(GARBAGE if fault == "garbage" else UNKNOWN_EVENT)

    def _say(self, code: str, message: str, *, ends: bool) -> None:
        """An error in words that every wire has for it."""
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        self._receiver.on_message(json.dumps({"type": "error", "event_id": "e0", "error": error}))
        if ends:
            self.on_closed(CloseInfo(code=_POLICY_CLOSE, reason=f"{code}: {message}"))
            self.abort()
