"""The line to one client: its socket while a session lasts, whatever wire it speaks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from voicewire.errors import ConsumerTooSlow
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio
from voicewire.gateway.admission import Admission
from voicewire.gateway.inbox import Inbox
from voicewire.gateway.limits import LimitHit, Meter, duration_s, json_fault
from voicewire.gateway.observe import GatewayObserver
from voicewire.gateway.outbox import Outbox
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientGone, ClientSocket
from voicewire.protocols.codec import Frame

NORMAL = 1000
GOING_AWAY = 1001
POLICY = 1008
INTERNAL = 1011
TRY_LATER = 1013
_ABNORMAL = 1006
_SAID_NOTHING = frozenset({1005, _ABNORMAL})
"""What ASGI servers report where no close frame came."""
_WHY_WAIT_S = 0.5
_ROUND = 8
"""Frames of one client that are handled before the others have their turn."""
_VIOLATIONS = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Codes with which the WebSocket layer itself ends a connection that breaks its rules."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended, as the client is to be told."""

    code: int
    reason: str = ""
    is_client_gone: bool = False
    is_client_stuck: bool = False
    """The client does not read: what still waits for it is thrown away."""
    cause: str = "ended"
    """Why, as a code for the log."""
    client_code: int = 0
    """The close code that the client sent; 0 when it sent none: a lost network says nothing."""
    is_private: bool = False
    """The reason may repeat what was said: it is for the client alone, not for the log."""


_FAULT = SessionEnd(INTERNAL, "internal error", cause="internal_error")

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
        on_limit: Tells the client, in its wire's words, of the limit that its session ends by.
        observer: Told of what passes, and of a client that is too slow.
    """

    def __init__(
        self,
        socket: ClientSocket,
        settings: GatewaySettings,
        admission: Admission,
        *,
        on_end: Callable[[SessionEnd], None] | None = None,
        on_limit: Callable[[LimitHit], None] | None = None,
        observer: GatewayObserver | None = None,
    ) -> None:
        self._socket = socket
        self._observer = observer or GatewayObserver()
        self._traffic = self._observer.traffic
        self._settings = settings
        self._admission = admission
        self._on_end = on_end
        self._on_limit = on_limit
        self.meter = Meter(settings, time.monotonic())
        """What the session uses."""
        self._taken = 0
        self._inbox = Inbox(settings.receive_budget_bytes)
        self._outbox = Outbox(settings.send_budget_bytes)
        self._scope: anyio.CancelScope | None = None
        self._end: SessionEnd | None = None
        self._active_ids: set[str] = set()
        self._quiet = anyio.Event()
        self._quiet.set()

    @property
    def told(self) -> tuple[int, str] | None:
        """Code and reason of the end; None before it is known."""
        end = self._end
        return None if end is None else (end.code, "" if end.is_private else end.reason)

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
            tasks.start_soon(self._watch_the_time)
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

    async def receive(self, refuse: Callable[[str, str], None], *, binary_is_audio: bool = False) -> Frame:
        """The next message of the client. Cancellation: safe; no message is lost.

        Args:
            refuse: Told, with a code and a message, of one that is too large or too deep; it is passed over.
            binary_is_audio: Whether binary messages are never JSON, whatever they look like.
        """
        limit_bytes = self._settings.max_message_bytes
        while True:
            # Frames that wait are taken without waiting: a client that sends many must not keep the loop.
            self._taken += 1
            if self._taken % _ROUND == 0:
                await anyio.lowlevel.checkpoint()
            frame = await self._inbox.take()
            if len(frame) > limit_bytes:
                message = f"the message has {len(frame)} bytes; at most {limit_bytes} are allowed"
                refuse("message_too_large", message)
            elif binary_is_audio and isinstance(frame, bytes):
                return frame
            elif fault := json_fault(frame, self._settings):
                refuse("invalid_json", fault)
            else:
                return frame

    def heard(self, command: object) -> None:
        """Counts what a command of the client costs."""
        if isinstance(command, AppendAudio):
            self.heard_audio(duration_s(command))

    def heard_audio(self, duration_s: float) -> None:
        """Counts audio of the client."""
        self._count(self.meter.audio_in(duration_s, time.monotonic()))

    def heard_recording(self, duration_s: float, took_s: float) -> None:
        """Counts audio of the client whose length became known when it was whole, after ``took_s``."""
        self._count(self.meter.recording_in(duration_s, took_s, time.monotonic()))

    def spoke(self, duration_s: float) -> None:
        """Counts audio for the client that no event of a model tells of."""
        self._count(self.meter.audio_out(duration_s))

    def said(self, event: EventBase) -> None:
        """Counts what an event of the model costs."""
        self._count(self.meter.event(event))

    def _count(self, hit: LimitHit | None) -> None:
        if hit is None or self._end is not None:
            return
        self._observer.limit_hit(hit.kind)
        if self._on_limit is not None:
            self._on_limit(hit)
        self.finish(SessionEnd(hit.close_code, hit.message, cause=hit.kind))

    def put(self, frames: Iterable[Frame]) -> None:
        """Sends frames, in order and without waiting; a client that is too slow for them is ended."""
        if self._end is not None and self._end.is_client_stuck:
            return
        try:
            for frame in frames:
                self._outbox.put(frame)
        except ConsumerTooSlow as error:
            self._cut(str(error))

    async def room_for(self, size_bytes: int) -> None:
        """Waits until so much can be put without going over the budget; a client that reads nothing is ended.

        For what can wait: the words of a text, in the time in which a client plays them.
        """
        limit_s = self._settings.stall_timeout_s
        while not self._outbox.has_room(size_bytes):
            with anyio.move_on_after(limit_s) as stall:
                await self._outbox.wait_for_pop()
            if stall.cancelled_caught:
                pending_bytes = self._outbox.pending_bytes
                self._cut(f"the client is too slow: it read none of {pending_bytes} bytes for {limit_s:g} s")
                return

    def _cut(self, reason: str) -> None:
        self._observer.too_slow(self._outbox.pending_bytes)
        self.finish(SessionEnd(POLICY, reason, is_client_stuck=True, cause="too_slow"))

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
        traffic = self._traffic
        frames = 0
        try:
            while True:
                frame = await self._socket.receive()
                traffic.received_frames += 1
                traffic.received_bytes += len(frame)
                self._count(self.meter.frame(time.monotonic()))
                frames += 1
                if frames % _ROUND == 0:
                    await anyio.lowlevel.checkpoint()
                await self._inbox.put(frame)
        except ClientGone as gone:
            self.finish(_left(gone))

    async def _write(self) -> None:
        traffic = self._traffic
        try:
            while True:
                frame = await self._outbox.first()
                await self._socket.send(frame)
                self._outbox.pop()
                self.meter.sent(time.monotonic())
                traffic.sent_frames += 1
                traffic.sent_bytes += len(frame)
        except ClientGone as gone:
            # Whoever reads learns why the client left, unless a slow model keeps it from reading so far.
            await anyio.sleep(_WHY_WAIT_S)
            self.finish(_left(gone))

    async def _watch_for_drain(self) -> None:
        await self._admission.draining.wait()
        with anyio.move_on_after(self._settings.drain_s):
            await self._quiet.wait()
        self.finish(SessionEnd(GOING_AWAY, "the server is shutting down", cause="drain"))

    async def _watch_the_time(self) -> None:
        while (wait_s := self.meter.next_check_s(time.monotonic())) is not None:
            await anyio.sleep(wait_s)
            self._count(self.meter.overdue(time.monotonic()))
            if self._end is not None:
                return

    async def _close(self, end: SessionEnd) -> None:
        """Delivers what still waits, then closes; cuts a client that accepts neither in time."""
        visit = self._socket.visit
        visit.code, visit.cause = end.code, end.cause
        visit.reason = "" if end.is_private else end.reason
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


def _left(gone: ClientGone) -> SessionEnd:
    """The end of a client that is gone; one that broke the rules of the WebSocket protocol was sent away."""
    if gone.code in _VIOLATIONS:
        reason = "the client broke the protocol"
        return SessionEnd(gone.code, reason, is_client_gone=True, cause="protocol_error")
    sent = 0 if gone.code in _SAID_NOTHING else gone.code
    return SessionEnd(NORMAL, is_client_gone=True, cause="client_left", client_code=sent)
