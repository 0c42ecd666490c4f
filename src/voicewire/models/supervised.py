"""One conversation over several connections: the shell around `LinkSupervisor` and `SessionMemory`.

A connection that is lost is restored, one that is about to reach its limit is replaced in a pause. The application
sees one session: its events, in order, and a ``WebsocketDisconnectEvent`` and a ``WebsocketConnectEvent`` between.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from voicewire.clock import NS_PER_MS, Clock, MonotonicClock
from voicewire.errors import SessionClosed, VoicewireError
from voicewire.events.commands import (
    Command,
)
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    WebsocketConnectEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models.leg import Leg, LegSink
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.remote import ReceiveLimits, RemoteConnection
from voicewire.models.supervised_state import OpenLeg, SupervisedState
from voicewire.transport.policies import ReconnectPolicy
from voicewire.transport.supervisor import LinkAction

_NS_PER_S = 1_000_000_000


class SupervisedConnection(SupervisedState):
    """A conversation that outlives its connections. Made by `open_supervised`.

    Resources: connections, each opened and closed by a task of its own; one task that restores and changes them. All
    belong to a `TaskOwner` and are gone after ``aclose``.

    While there is no connection, commands are kept: audio up to ``max_replayed_audio_s`` (the oldest goes first and is
    declared by a ``ModelAudioDroppedEvent``), 1000 others.

    Args:
        open_leg: Opens one connection.
        config: The configuration that was asked for.
        capabilities: What the model can do.
        name: Full name of the model, for errors.
        policy: What happens when a connection is lost.
        limits: How far the application may fall behind.
        clock: Tells the time.
        chance: A number from 0 to 1 for each wait.

    Concurrency: one task iterates, any number of tasks send and close.
    """

    async def send(self, command: Command) -> None:
        """Sends one command, or keeps it for the next connection; see `RealtimeConnection.send`.

        Raises:
            UnsupportedError: The model or its wire lacks the capability; nothing was sent.
            AudioError: The audio cannot be converted.
            BackpressureError: Too many commands wait for a connection.
            SessionClosed: The session is over.

        Cancellation: the command was then not sent.
        """
        while True:
            leg = self._leg
            if self._is_over or self._is_closing:
                raise self._closed_error()
            if leg is None or leg.connection is None:
                self._keep(command)
                return
            try:
                await leg.connection.send(self._fitting(command))
            except SessionClosed:
                # Lost, or changed for the next one, while the command waited for room.
                if self._leg is leg:
                    self._leg = None
                continue
            self._memory.sent(command)
            return

    async def aclose(self) -> None:
        """Ends the session; idempotent. The iterator then yields what is left, the end event, and stops.

        Cancellation: shielded; the closing is finished first.
        """
        self._is_closing = True
        self._link.end()
        with anyio.CancelScope(shield=True):
            if (leg := self._leg) is not None and leg.connection is not None:
                await leg.connection.aclose()
            self._finish(1000, "closed", error=None, is_expected=True)
            await self._owner.aclose()

    async def open(self) -> None:
        """Opens the first connection and begins to watch it; raises what opening it raises."""
        leg = self._start_leg()
        self._known = await leg.wait_open()
        self._leg = leg
        self._link.opened(self._clock.now_ns())
        self._known.divert(LegSink(self, leg, self._memory, self._stream, is_first=True))
        self._owner.start(self._drive(), name="supervisor")

    async def _drive(self) -> None:
        while not self._link.is_ended:
            self._wake = anyio.Event()
            action = self._link.poll(self._clock.now_ns(), is_quiet=self._memory.is_quiet)
            if action is LinkAction.CONNECT:
                await self._connect()
            elif action is LinkAction.PREPARE:
                await self._prepare()
            elif action is LinkAction.SWITCH:
                await self._switch()
            else:
                await self._wait(self._link.next_ns)

    async def _wait(self, until_ns: int | None) -> None:
        if until_ns is None:
            await self._wake.wait()
            return
        async with anyio.create_task_group() as tasks:

            async def ring() -> None:
                await self._clock.sleep_until_ns(until_ns)
                tasks.cancel_scope.cancel()

            tasks.start_soon(ring)
            await self._wake.wait()
            tasks.cancel_scope.cancel()

    async def _connect(self) -> None:
        leg = self._start_leg()
        try:
            await leg.wait_open()
        except VoicewireError as error:
            leg.release()
            self._attempt_failed(error)
            return
        await self._bring_up(leg, is_planned=False)

    async def _prepare(self) -> None:
        leg = self._start_leg()
        try:
            await leg.wait_open()
        except VoicewireError as error:
            leg.release()
            if self._leg is not None:
                self._link.attempt_failed(self._clock.now_ns(), is_retryable=self._may_retry(error))
            return
        self._next = leg
        self._link.prepared()

    async def _switch(self) -> None:
        leg, self._next = self._next, None
        if leg is None:
            return
        old, self._leg = self._leg, None
        is_planned = old is not None and self._memory.is_quiet
        if old is not None:
            self._lost_at_ns = self._clock.now_ns()
            self._memory.lost()
            if is_planned:
                old.release()
            else:
                # The limit did not wait for the pause: what is open ends here, as with a lost connection.
                old.leave()
                self._report_loss(0, "the connection's time is over")
        await self._bring_up(leg, is_planned=is_planned)

    async def _bring_up(self, leg: Leg, *, is_planned: bool) -> None:
        """Tells a new connection everything, then puts it in service."""
        connection = await leg.wait_open()
        memory = self._memory
        sink = LegSink(self, leg, memory, self._stream, is_first=False)
        is_resumed = bool(self._resumption)
        request = memory.request_to_repeat()
        lost_ns = memory.begin_again()
        replayed_ns = memory.audio.end_ns - memory.audio.start_ns
        # A session that only transcribes takes no items: all that it is to hear is audio.
        history = [] if memory.config.is_transcription_only else memory.items.told(is_resumed=is_resumed)
        sink.told_ids = set(memory.items.ids)
        try:
            await self._tell(connection, sink, [*history, *([request] if request is not None else [])])
        except VoicewireError as error:
            memory.lost()
            leg.release()
            self._attempt_failed(sink.error or error)
            return
        if lost_ns:
            rate_hz = memory.config.input_format.rate
            self._say(
                ModelAudioDroppedEvent(
                    samples=lost_ns * rate_hz // _NS_PER_S,
                    sample_rate_hz=rate_hz,
                    reason="there was more than is kept without a connection",
                )
            )
        self._say(
            WebsocketConnectEvent(
                session_id=connection.session_id,
                attempts=self._link.attempts,
                outage_ms=(self._clock.now_ns() - self._lost_at_ns) // NS_PER_MS,
                is_planned=is_planned,
                is_resumed=is_resumed,
                items_told=len(history),
                items_forgotten=memory.items.forgotten,
                replayed_audio_ms=replayed_ns // NS_PER_MS,
            )
        )
        sink.show_held()
        self._link.opened(self._clock.now_ns())

    async def _tell(self, connection: RemoteConnection, sink: LegSink, commands: list[Command]) -> None:
        self._is_telling = True
        try:
            connection.divert(sink)
            sink.is_coming_up = False
            for command in commands:
                await connection.send(command)
            number = await self._tell_audio(connection, 0)
            while self._late:
                command = self._fitting(self._late.popleft())
                await connection.send(command)
                number = await self._tell_audio(connection, number)
            if sink.is_over:
                raise SessionClosed("the next connection is over already")
            # Nothing was awaited since the last look: what is sent from here on finds the connection in service.
            self._leg = sink.leg
            self._known = connection
            self._memory.restored()
        finally:
            self._is_telling = False

    async def _tell_audio(self, connection: RemoteConnection, number: int) -> int:
        while pieces := self._memory.audio.since(number):
            for at, piece in pieces:
                await connection.send(piece)
                number = at + 1
        return number


@asynccontextmanager
async def open_supervised(
    open_leg: OpenLeg,
    *,
    config: SessionConfig,
    capabilities: Capabilities,
    name: str,
    policy: ReconnectPolicy,
    limits: ReceiveLimits | None = None,
    clock: Clock | None = None,
    chance: Callable[[], float] | None = None,
) -> AsyncGenerator[RealtimeConnection, None]:
    """Opens a conversation that outlives its connections; entering waits until it is configured.

    Args:
        open_leg: Opens one connection.
        config: The configuration to ask for.
        capabilities: What the model can do; ``max_session_s`` is the limit that the change-over comes before.
        name: Full name of the model, for errors.
        policy: What happens when a connection is lost.
        limits: How far the application may fall behind.
        clock: Tells the time; the machine's when None.
        chance: A number from 0 to 1 for each wait; random when None.

    Raises:
        VoicewireError: Whatever opening the first connection raises; it is tried once.

    Cancellation: closes everything, then is raised again.
    """
    import random

    connection = SupervisedConnection(
        open_leg,
        config=config,
        capabilities=capabilities,
        name=name,
        policy=policy,
        limits=limits,
        clock=clock or MonotonicClock(),
        chance=chance or random.random,
    )
    try:
        await connection.open()
        yield connection
    finally:
        await connection.aclose()
