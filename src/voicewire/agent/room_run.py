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
from typing import Any, Final

import anyio

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.outgoing import Outgoing, OutgoingQueue
from voicewire.agent.room_floor import FloorRules, RoomFloor, RoomParts
from voicewire.agent.room_member import Member
from voicewire.agent.room_people import People, Person
from voicewire.agent.room_recording import RoomRecording
from voicewire.agent.room_roster import Roster
from voicewire.agent.room_tracks import ROOM_RATE_HZ, RoomTracks
from voicewire.agent.room_turns import RoomHistory
from voicewire.agent.room_words import RoomWords
from voicewire.audio.g711 import decode as decode_g711
from voicewire.clock import Clock
from voicewire.errors import (
    AudioError,
    ConfigError,
    InvalidEventError,
    LocalProtocolError,
    SessionClosed,
    VoicewireError,
)
from voicewire.events import client as c
from voicewire.events import server as s
from voicewire.events.base import EventBase, decode_base64

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

    Concurrency: one event loop.
    """

    def __init__(
        self, queue: OutgoingQueue, *, rules: FloorRules, clock: Clock, record_to: Path | None = None
    ) -> None:
        self._clock = clock
        self._outgoing = Outgoing(queue, on_failure=self._fail)
        self._recording = RoomRecording(record_to, ROOM_RATE_HZ) if record_to is not None else None
        self.tracks = RoomTracks(clock, self._recording)
        self.people = People(self.tracks)
        self.roster = Roster()
        self.history = RoomHistory(ROOM_RATE_HZ)
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
        failures = [error for agent in agents if (error := await self._started(agent)) is not None]
        if failures and not self.roster:
            self.opening_error = failures[0]
            return
        self.ready.set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.floor.conduct)
            await self._ending.wait()
            tasks.cancel_scope.cancel()

    async def _started(self, agent: RealtimeAgent) -> VoicewireError | None:
        if not self.is_open:
            return None
        try:
            await self.join(agent)
        except VoicewireError as error:
            told = s.AgentErrorEvent(
                agent_id=agent.id,
                agent_name=agent.name,
                error_type="connection_error",
                code="not_started",
                message=str(error),
            )
            self._outgoing.emit(told)
            return error
        return None

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
        self.check_name(agent.name)
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

    def remove_person(self, session_id: str) -> None:
        """Somebody leaves; what they were saying is a turn that ends here."""
        person = self.people.get(session_id)
        if person is None:
            return
        if person.is_speaking:
            person.is_speaking = False
            if not self.people.is_anybody_speaking:
                self.floor.people_end()
        self.people.remove(session_id)
        self._outgoing.emit(s.ServerSessionEndedEvent(session_id=session_id, reason="left", code=1000))

    def add_person(self, session_id: str, name: str) -> Person:
        """Somebody comes; see ``ChatRoom.add_person``."""
        if self.people.get(session_id) is not None:
            raise ConfigError(f"somebody with the session id {session_id!r} is in the room")
        self.check_name(name)
        person = self.people.add(session_id, name)
        self._outgoing.emit(s.ServerSessionCreatedEvent(session_id=session_id))
        return person

    def check_name(self, name: str) -> None:
        """Raises ConfigError when somebody of this name is there."""
        if name in self.people.names or name in self.roster.names:
            raise ConfigError(f"somebody named {name!r} is in the room; give another name")

    def _lose(self, member: Member) -> None:
        if self.roster.remove(member):
            self.floor.lose(member)

    # ------------------------------------------------------------------ from people

    async def take(self, event: EventBase) -> None:
        """Takes an event of a person; see ``ChatRoom.handle_input``."""
        match event:
            case c.ClientTextAppendEvent():
                self.floor.person_writes(self._person(event.session_id), event.text)
            case c.ClientAudioAppendEvent():
                self._hear(self._person(event.session_id), event)
            case c.ClientAudioCommitEvent():
                self.floor.people_end()
            case c.ClientResponseCreateEvent():
                self.floor.ask(self._person(event.session_id).name)
            case c.ClientResponseCancelEvent():
                self.floor.silence()
            case c.ClientSessionEndEvent():
                self.remove_person(event.session_id)
            case c.ClientToolResultEvent():
                member = self._calls.pop(event.id, None)
                if member is None:
                    raise InvalidEventError(f"field 'id': no agent waits for a result of call {event.id!r}")
                await member.agent.handle_input(event)
            case c.ClientImageAppendEvent():
                for member in self.roster:
                    if "image" in member.agent.model.capabilities.input_modalities:
                        await member.agent.handle_input(event)
            case c.ClientSessionCreateEvent():
                self._create_session(event.config)
            case _:
                raise InvalidEventError(f"a room takes client events; got {type(event).__name__}")

    def _person(self, session_id: str) -> Person:
        return self.people.get(session_id) or self.add_person(session_id, session_id)

    def _create_session(self, config: dict[str, Any]) -> None:
        name = str(config.get("user_name") or config.get("session_id") or "user")
        session_id = str(config.get("session_id") or name)
        if self.people.get(session_id) is None:
            self.add_person(session_id, name)
        else:
            self._outgoing.emit(s.ServerSessionUpdatedEvent(session_id=session_id))

    def _hear(self, person: Person, event: c.ClientAudioAppendEvent) -> None:
        began, ended = self.people.hear(person, _pcm16_of(event), event.format.rate)
        if began:
            self.floor.person_begins(person)
        if ended:
            self.floor.people_end()
        elif self.people.is_turn_full:
            self.floor.people_end(is_answered=False)

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


def _pcm16_of(event: c.ClientAudioAppendEvent) -> bytes:
    kind = event.format.type.partition(";")[0].strip().lower()
    data = decode_base64(event.audio)
    if kind in ("audio/pcmu", "audio/pcma"):
        return decode_g711(data, "pcmu" if kind == "audio/pcmu" else "pcma")
    if kind not in ("audio/pcm", "audio/l16"):
        raise AudioError(f"audio format type {event.format.type!r} is not raw audio; use 'audio/pcm'")
    return data
