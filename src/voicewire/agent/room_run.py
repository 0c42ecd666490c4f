"""One run of a room: from its start until the last of its agents is stopped.

============  ====================================================================================
task          does
============  ====================================================================================
delivery      moves events into the application's queue; lives longest, so that every end is told
floor         takes turns as they end and gives the floor; one task more while a speech is played
each agent    runs in tasks of its own, which ``RealtimeAgent.stop`` waits for
============  ====================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import anyio

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.outgoing import Outgoing, OutgoingQueue
from voicewire.agent.room_floor import FloorRules, RoomFloor, RoomParts
from voicewire.agent.room_member import Member
from voicewire.agent.room_people import People
from voicewire.agent.room_reception import RoomReception
from voicewire.agent.room_recording import RoomRecording
from voicewire.agent.room_roster import Roster
from voicewire.agent.room_tracks import ROOM_RATE_HZ, RoomTracks
from voicewire.agent.room_turns import RoomHistory, RoomTurn
from voicewire.agent.room_words import RoomWords
from voicewire.clock import Clock
from voicewire.errors import (
    LocalProtocolError,
    SessionClosed,
    VoicewireError,
)
from voicewire.events import server as s
from voicewire.events.base import EventBase

_log = logging.getLogger(__name__)

_LAST_EVENTS_S: Final = 1.0
"""How long the queue may take for the last events."""

_INSIDE: Final[ContextVar[RoomRun | None]] = ContextVar("voicewire_room_run", default=None)
"""The run whose agent's task this is; a tool that waited for the end of its own room would wait for ever."""


class RoomRun:
    """One run; made by ``ChatRoom``, used once.

    Args:
        queue: Gets the events of all agents.
        rules: How the floor is given.
        clock: Time.
        record_to: A folder for a WAV of each participant.
        earlier: What was said in the room before.

    Concurrency: one event loop.
    """

    def __init__(
        self,
        queue: OutgoingQueue,
        *,
        rules: FloorRules,
        clock: Clock,
        record_to: Path | None = None,
        earlier: tuple[RoomTurn, ...] = (),
    ) -> None:
        self._clock = clock
        self._outgoing = Outgoing(queue, on_failure=self._fail)
        self._recording = RoomRecording(record_to, ROOM_RATE_HZ) if record_to is not None else None
        self.tracks = RoomTracks(clock, self._recording)
        self.people = People(self.tracks)
        self.roster = Roster()
        self.history = RoomHistory(ROOM_RATE_HZ, earlier)
        self._words = RoomWords(self.people, self._outgoing.emit)
        parts = RoomParts(
            roster=self.roster,
            people=self.people,
            tracks=self.tracks,
            words=self._words,
            history=self.history,
            clock=clock,
        )
        self.floor = RoomFloor(rules, parts)
        self._calls: dict[str, Member] = {}
        self.reception = RoomReception(parts, self.floor, self._calls, self._outgoing.emit)
        self._ending = anyio.Event()
        self.opening_error: VoicewireError | None = None
        """Why no agent could be started."""
        self.failure: VoicewireError | None = None
        """Why it ended, when nobody asked for that."""
        self.ready = anyio.Event()
        """Set when everybody is there, and when nobody ever will be."""
        self.over = anyio.Event()
        """Set when nothing of the run is left."""

    @property
    def is_open(self) -> bool:
        """Whether it takes input."""
        return not self._ending.is_set()

    @property
    def is_callers(self) -> bool:
        """Whether the caller runs inside of one of its agents."""
        return _INSIDE.get() is self

    def request_end(self) -> None:
        """Asks for the end; idempotent."""
        self._ending.set()
        self.floor.close()

    # ------------------------------------------------------------------ the run

    async def run(self, agents: Iterable[RealtimeAgent]) -> None:
        """Starts the agents, and returns when the end was asked for and everything is over.

        Args:
            agents: Who is there from the beginning.

        Cancellation: ends the run; every agent is stopped when it returns.
        """
        try:
            async with anyio.create_task_group() as disk:
                if self._recording is not None:
                    disk.start_soon(self._recording.write)
                async with anyio.create_task_group() as delivery:
                    delivery.start_soon(self._outgoing.deliver)
                    try:
                        await self._meet(agents)
                    finally:
                        self.request_end()
                        with anyio.CancelScope(shield=True):
                            await self._part()
                        self._outgoing.close()
                        delivery.cancel_scope.deadline = anyio.current_time() + _LAST_EVENTS_S
                if self._recording is not None:
                    self._recording.close()
        finally:
            self._outgoing.flush()
            if self._recording is not None:
                self.failure = self.failure or self._recording.failure
            self.ready.set()
            self.over.set()

    async def _meet(self, agents: Iterable[RealtimeAgent]) -> None:
        agents = list(agents)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._leave_off, tasks.cancel_scope)
            failures: dict[str, VoicewireError] = {}
            async with anyio.create_task_group() as joining:
                for agent in agents:
                    joining.start_soon(self._start_one, agent, failures)
            if failures and not self.roster:
                self.opening_error = next(failures[agent.id] for agent in agents if agent.id in failures)
                tasks.cancel_scope.cancel()
                return
            self.ready.set()
            await self.floor.conduct()

    async def _leave_off(self, scope: anyio.CancelScope) -> None:
        await self._ending.wait()
        scope.cancel()

    async def _start_one(self, agent: RealtimeAgent, failures: dict[str, VoicewireError]) -> None:
        try:
            await self.join(agent)
        except VoicewireError as error:
            failures[agent.id] = error
            told = s.AgentErrorEvent(
                agent_id=agent.id,
                agent_name=agent.name,
                error_type="connection_error",
                code="not_started",
                message=str(error),
            )
            self._outgoing.emit(told)

    async def _part(self) -> None:
        """Stops every agent, also when one of them fails at it."""
        async with anyio.create_task_group() as tasks:
            for member in self.roster:
                tasks.start_soon(_stop, member)

    def _fail(self, error: VoicewireError) -> None:
        """The front end takes no more events: the room ends."""
        self.failure = self.failure or error
        self.request_end()

    # ------------------------------------------------------------------ who is there

    async def join(self, agent: RealtimeAgent) -> None:
        """An agent comes; see ``ChatRoom.join``."""
        self.reception.check_name(agent.name)
        member = Member(agent, self._from_agent)
        self.roster.add(member)
        self.tracks.add_speaker(agent.name)
        token = _INSIDE.set(self)
        try:
            await member.start()
        except BaseException:
            self.roster.remove(member)
            raise
        finally:
            _INSIDE.reset(token)
        if not self.is_open:
            await _stop(member)
            raise SessionClosed(f"the room was stopped while agent {agent.name!r} joined")
        if told := self.history.told():
            member.read(f"The conversation so far:\n{told}")

    async def leave(self, agent: RealtimeAgent | str) -> None:
        """An agent leaves; see ``ChatRoom.leave``."""
        member = self.roster.find(agent)
        if member is None:
            name = agent if isinstance(agent, str) else agent.name
            raise LocalProtocolError(f"no agent {name!r} is in the room; there are: {self.roster.names}")
        self._lose(member)
        await member.stop()

    def _lose(self, member: Member) -> None:
        if self.roster.remove(member):
            self.floor.lose(member)

    # ------------------------------------------------------------------ from agents

    def _from_agent(self, member: Member, event: EventBase) -> None:
        match event:
            case s.AgentInputTranscriptionDeltaEvent() | s.AgentInputTranscriptionDoneEvent():
                self._words.understood(event)
                return
            case s.AgentInputStartedEvent() | s.AgentInputDoneEvent():
                return
            case s.AgentResponseAudioTranscriptDeltaEvent() | s.AgentResponseAudioTranscriptDoneEvent():
                self.floor.shows(member, event.response_id)
                self._words.said(member, event)
                return
            case s.AgentResponseCreatedEvent():
                if not self.floor.begins(member, event.response_id):
                    # An answer that came too late, or the one to a tool's result after an interruption.
                    member.silence()
            case s.AgentResponseAudioDeltaEvent():
                if not self.floor.sounds(member, event):
                    return
            case s.AgentResponseToolUseDoneEvent():
                self._call_begins(member, event)
            case s.AgentResponseToolResultEvent():
                self._call_ends(member, event)
            case s.AgentResponseDoneEvent():
                self.floor.response_done(member, event)
            case s.AgentEndedEvent():
                self._lose(member)
            case _:
                pass
        self._outgoing.emit(event)

    def _call_begins(self, member: Member, event: s.AgentResponseToolUseDoneEvent) -> None:
        call_id = event.tool_use["id"]
        self._calls[call_id] = member
        self.floor.shows(member, event.response_id)
        if (speech := member.heard(event.response_id)) is not None:
            speech.calls(call_id)

    def _call_ends(self, member: Member, event: s.AgentResponseToolResultEvent) -> None:
        call_id = event.tool_result["id"]
        self._calls.pop(call_id, None)
        if member.speech is not None:
            member.speech.called(call_id, self._clock.now_ns())


async def _stop(member: Member) -> None:
    try:
        await member.stop()
    # A task boundary: one agent that cannot be stopped must not keep the others from it.
    except Exception:
        _log.exception("an agent of a room could not be stopped", extra={"agent": member.name})
