"""The line to one client: its socket while a session lasts, whatever wire it speaks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc

from voicewire.errors import ConsumerTooSlow
from voicewire.gateway.admission import Admission
from voicewire.gateway.inbox import Inbox
from voicewire.gateway.outbox import Outbox
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientGone, ClientSocket
from voicewire.protocols.codec import Frame

_LOG = logging.getLogger("voicewire.gateway")

NORMAL = 1000
GOING_AWAY = 1001
POLICY = 1008
INTERNAL = 1011
TRY_LATER = 1013
_ABNORMAL = 1006


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended, as the client is to be told."""

    code: int
    reason: str = ""
    is_client_gone: bool = False
    is_client_stuck: bool = False
    """The client does not read: what still waits for it is thrown away."""


_CLIENT_GONE = SessionEnd(NORMAL, is_client_gone=True)
_FAULT = SessionEnd(INTERNAL, "internal error")

Work = Callable[[anyio.abc.TaskGroup], Coroutine[Any, Any, None]]


class ClientLine:
    """Frames both ways within their byte budgets, the drain of the gateway, and one end.

    Resources and their owners: the socket belongs to the caller, the two tasks that watch for the end to
    ``serve``, the one that writes and the works to ``pump``; all are gone when these return or raise. The client
    is read from the beginning, so that one that leaves is noticed while a model opens, or is slow.

    Args:
        socket: An accepted WebSocket.
        settings: Budgets and times.
        admission: Tells when the gateway is about to stop.
        on_end: Called once when the end is known, before anything is cancelled.
    """

    def __init__(
        self,
        socket: ClientSocket,
        settings: GatewaySettings,
        admission: Admission,
        *,
        on_end: Callable[[SessionEnd], None] | None = None,
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._admission = admission
        self._on_end = on_end
        self._inbox = Inbox(settings.receive_budget_bytes)
        self._outbox = Outbox(settings.send_budget_bytes)
        self._scope: anyio.CancelScope | None = None
        self._end: SessionEnd | None = None
        self._active_ids: set[str] = set()
        self._quiet = anyio.Event()
        self._quiet.set()

    async def serve(self, talk: Callable[[], Awaitable[SessionEnd]]) -> None:
        """Talks until the end, then closes the client's socket with its reason.

        Args:
            talk: Opens what it needs, runs ``pump`` inside of it and returns the end.
        """
        end: SessionEnd | None = None
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._read)
            tasks.start_soon(self._watch_for_drain)
            end = await talk()
            tasks.cancel_scope.cancel()
        await self._close(end or self._end or _FAULT)

    async def pump(self, *works: Work) -> SessionEnd:
        """Runs the works, and sends what was put, until ``finish``; each work is given their task group."""
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._write)
            for work in works:
                tasks.start_soon(work, tasks)
        return self._end or _FAULT

    def finish(self, end: SessionEnd) -> None:
        """Ends the pump, or what ``talk`` waits for before it; the first end counts."""
        if self._end is None:
            self._end = end
            if self._on_end is not None:
                self._on_end(end)
        if self._scope is not None:
            self._scope.cancel()

    async def receive(self, refuse: Callable[[str, str], None]) -> Frame:
        """The next message of the client. Cancellation: safe; no message is lost.

        Args:
            refuse: Told, with a code and a message, of one that is too large; it is passed over.
        """
        limit_bytes = self._settings.max_message_bytes
        while True:
            frame = await self._inbox.take()
            if len(frame) <= limit_bytes:
                return frame
            message = f"the message has {len(frame)} bytes; at most {limit_bytes} are allowed"
            refuse("message_too_large", message)

    def put(self, frames: Iterable[Frame]) -> None:
        """Sends frames, in order and without waiting; a client that is too slow for them is ended."""
        if self._end is not None and self._end.is_client_stuck:
            return
        try:
            for frame in frames:
                self._outbox.put(frame)
        except ConsumerTooSlow as error:
            _LOG.warning("client too slow", extra={"pending_bytes": self._outbox.pending_bytes})
            self.finish(SessionEnd(POLICY, str(error), is_client_stuck=True))

    def response_began(self, response_id: str) -> None:
        """A drain waits for this response."""
        if not self._active_ids:
            self._quiet = anyio.Event()
        self._active_ids.add(response_id)

    def response_ended(self, response_id: str) -> None:
        """A drain waits for it no longer."""
        self._active_ids.discard(response_id)
        if not self._active_ids:
            self._quiet.set()

    async def _read(self) -> None:
        try:
            while True:
                await self._inbox.put(await self._socket.receive())
        except ClientGone:
            self.finish(_CLIENT_GONE)

    async def _write(self) -> None:
        try:
            while True:
                await self._socket.send(await self._outbox.first())
                self._outbox.pop()
        except ClientGone:
            self.finish(_CLIENT_GONE)

    async def _watch_for_drain(self) -> None:
        await self._admission.draining.wait()
        with anyio.move_on_after(self._settings.drain_s):
            await self._quiet.wait()
        self.finish(SessionEnd(GOING_AWAY, "the server is shutting down"))

    async def _close(self, end: SessionEnd) -> None:
        """Delivers what still waits, then closes; cuts a client that accepts neither in time."""
        if end.is_client_gone:
            return
        with anyio.move_on_after(self._settings.close_grace_s) as grace:
            try:
                while len(self._outbox) and not end.is_client_stuck:
                    await self._socket.send(await self._outbox.first())
                    self._outbox.pop()
                if end.code == _ABNORMAL and self._socket.abort():
                    return
                await self._socket.close(end.code, end.reason)
            except ClientGone:
                return
        if grace.cancelled_caught:
            self._socket.abort()
