"""A room that the gateway serves: who sits there, what each of them hears, and how long it waits for people."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol

import anyio
import msgspec

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.room import ChatRoom
from voicewire.agent.room_tracks import ROOM_RATE_HZ
from voicewire.clock import NS_PER_MS, NS_PER_S, Clock, MonotonicClock
from voicewire.errors import ConfigError
from voicewire.events import server as s
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.client import ClientResponseCancelEvent
from voicewire.gateway.agent_link import config_for
from voicewire.gateway.doors import House
from voicewire.gateway.observe import SessionFacts, new_session_id
from voicewire.ownership import TaskOwner

_LOG = logging.getLogger("voicewire.gateway")
SOUND_ID: Final = "room"
"""``agent_id`` of what a person hears: everybody else, mixed."""
_TICK_NS: Final = 20 * NS_PER_MS
_QUIET_SAMPLES: Final = ROOM_RATE_HZ // 2
"""After so much silence a stretch of sound is over."""
_MAX_TURNS_TOLD: Final = 50


class RoomConnection(Protocol):
    """Somebody's connection, as their seat sees it."""

    def put_nowait(self, item: EventBase, /) -> None:
        """Sends one event; never waits."""
        ...

    def lose(self) -> None:
        """Another connection has taken the seat."""
        ...


class RoomSound:
    """What one person hears, as events: audio while anything sounds, and nothing while it is quiet."""

    def __init__(self) -> None:
        self._number = 0
        self._is_on = False
        self._quiet_samples = 0

    @property
    def _item_id(self) -> str:
        return f"sound_{self._number:04d}"

    def take(self, pcm16: bytes) -> list[EventBase]:
        """The next of the mix, 16 bit at the room's rate."""
        samples = len(pcm16) // 2
        is_quiet = not pcm16.strip(b"\0")
        self._quiet_samples = self._quiet_samples + samples if is_quiet else 0
        if is_quiet and (not self._is_on or self._quiet_samples >= _QUIET_SAMPLES):
            was_on, self._is_on = self._is_on, False
            named = {"agent_id": SOUND_ID, "agent_name": SOUND_ID}
            done = s.AgentResponseAudioDoneEvent(**named, response_id=self._item_id, item_id=self._item_id)
            return [done] if was_on else []
        if not self._is_on:
            self._is_on = True
            self._number += 1
        return [
            s.AgentResponseAudioDeltaEvent(
                agent_id=SOUND_ID,
                agent_name=SOUND_ID,
                response_id=self._item_id,
                item_id=self._item_id,
                format=MediaFormat("audio/pcm", ROOM_RATE_HZ),
                pcm=pcm16,
            )
        ]


class Seat:
    """A person's place in a room.

    Args:
        person_id: How events name them.
        name: What they are called.
        key_id: The key that they showed.
        connection: Theirs.
    """

    def __init__(self, person_id: str, name: str, key_id: str, connection: RoomConnection) -> None:
        self.person_id = person_id
        self.name = name
        self.connection = connection
        self.since_ns = 0
        """Since when they hear."""
        self.read_samples = 0
        """So much of the mix was sent."""
        self.sound = RoomSound()
        self.key_id = key_id
        self._digest = b""

    def new_token(self) -> str:
        """With this token another connection can take the seat, once."""
        token = secrets.token_urlsafe(32)
        self._digest = _digest(token)
        return token

    def is_opened_by(self, token: str, key_id: str) -> bool:
        """Whether whoever shows these may take the seat."""
        is_known = bool(self._digest) and hmac.compare_digest(self._digest, _digest(token))
        return is_known and key_id == self.key_id


class ServedRoom:
    """One ``ChatRoom`` and the people in it; it is the room's outgoing queue.

    Everybody gets every event of the room, but for the agents' audio: what a person hears is the mix of everybody
    else, read at the room's own pace, so that an interruption is in it and nobody hears more than the history says.

    Resources and their owners: the room owns its agents; two tasks, the sound and the wait for people, are this
    object's. Whoever makes it calls ``open``; ``end`` is called by the wait, or by who leaves last.

    Args:
        room_id: Its name in the address.
        house: What all doors share.
        clock: Time.
    """

    def __init__(
        self, room_id: str, house: House, on_over: Callable[[], None], *, clock: Clock | None = None
    ) -> None:
        self.room_id = room_id
        self.opening = anyio.Lock()
        """Held by whoever comes, so that one of them opens it."""
        self.is_open = False
        self.is_over = False
        self._house = house
        self._on_over = on_over
        self._clock = clock or MonotonicClock()
        self._room = _room_of(house, room_id, self._clock)
        self._seats: dict[str, Seat] = {}
        self._state = s.ServerRoomUpdatedEvent(room_id=room_id)
        self._early: list[EventBase] = []
        self._tasks = TaskOwner("served room")
        self._came: anyio.Event | None = None
        self._began = anyio.Event()

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is in it, and it waits for nobody."""
        return not self._seats and self._came is None

    # ------------------------------------------------------------------ life

    async def open(self) -> None:
        """Starts the agents.

        Raises:
            VoicewireError: None of them could be started.
        """
        await self._room.start(self)
        self.is_open = True
        _LOG.info("room opened", extra={"room_id": self.room_id, "agents": len(self._room.agents)})
        self._tasks.start(self._sound(), name="sound")

    async def end(self) -> None:
        """Stops the agents and waits for their end; idempotent."""
        if not self.is_over:
            self.is_over = True
            self._on_over()
            _LOG.info("room ended", extra={"room_id": self.room_id})
        await self._tasks.aclose()
        await self._room.stop()

    # ------------------------------------------------------------------ people

    def seat_of(self, person_id: str) -> Seat | None:
        """Somebody's seat."""
        return self._seats.get(person_id)

    def sit(self, seat: Seat, *, wants_token: bool) -> None:
        """Somebody comes: they are told who is there and what was said.

        Raises:
            ConfigError: Somebody of this id or name is there.
        """
        if seat.person_id in self._seats:
            raise ConfigError(
                "somebody of this user id is in the room; leave it there first, or take another id"
            )
        self._tell_state(is_settled=True)
        self._seats[seat.person_id] = seat
        try:
            self._room.add_person(seat.person_id, seat.name)
        except BaseException:
            del self._seats[seat.person_id]
            raise
        # Not before: what is read of a mix must not be ahead of the room.
        seat.since_ns = self._clock.now_ns()
        if self._came is not None:
            self._came.set()
            self._came = None
        early, self._early = self._early, []
        self._tell(seat, *early, wants_token=wants_token)

    def move(self, seat: Seat, connection: RoomConnection) -> None:
        """Somebody goes on in another connection."""
        old, seat.connection = seat.connection, connection
        old.lose()
        connection.put_nowait(s.ServerSessionResumedEvent(session_id=seat.person_id))
        self._tell(seat, self._state, wants_token=True)

    async def leave(self, seat: Seat, grace_s: float) -> None:
        """Somebody has left; when it was the last one, the room waits so long for anybody, and ends."""
        if self._seats.get(seat.person_id) is not seat:
            return
        if self._room.is_running:
            self._room.remove_person(seat.person_id)
        del self._seats[seat.person_id]
        if self._seats:
            self._tell_state()
            return
        admission, settings = self._house.admission, self._house.settings
        is_full = admission.waiting_count >= settings.max_waiting_sessions
        if not grace_s or is_full or admission.is_draining or not self._room.is_running:
            await self.end()
            return
        self._came = anyio.Event()
        self._tasks.start(self._wait(grace_s, self._came), name="wait for people")

    async def take(self, event: EventBase) -> None:
        """Takes an event of somebody who is there."""
        await self._room.handle_input(event)

    async def _wait(self, grace_s: float, came: anyio.Event) -> None:
        admission = self._house.admission
        with admission.waiting():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._lose_patience, grace_s, tasks.cancel_scope)
                tasks.start_soon(self._keep_silent)
                tasks.start_soon(_when, admission.draining, tasks.cancel_scope)
                await came.wait()
                tasks.cancel_scope.cancel()
            if not came.is_set():
                await self.end()

    async def _lose_patience(self, grace_s: float, waiting: anyio.CancelScope) -> None:
        await self._clock.sleep_until_ns(self._clock.now_ns() + round(grace_s * NS_PER_S))
        waiting.cancel()

    async def _keep_silent(self) -> None:
        """Nobody is there: what an agent begins to say is not to be said."""
        while self._room.is_running:
            self._began = anyio.Event()
            await self._room.handle_input(ClientResponseCancelEvent(session_id=""))
            await self._began.wait()

    # ------------------------------------------------------------------ the room's queue

    async def put(self, item: EventBase, /) -> None:
        """Takes one event; never waits."""
        self.put_nowait(item)

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event of the room; somebody who is too slow for it loses their own connection only."""
        if isinstance(item, s.AgentResponseAudioDeltaEvent | s.AgentResponseAudioDoneEvent):
            return
        if not self._seats and isinstance(item, s.AgentErrorEvent):
            self._early = [*self._early[-9:], item]
        elif not self._seats and isinstance(item, s.AgentResponseCreatedEvent):
            self._began.set()
        for seat in list(self._seats.values()):
            seat.connection.put_nowait(item)
        self._tell_state()

    async def _sound(self) -> None:
        """Sends everybody what they hear, as fast as it sounds."""
        next_ns = self._clock.now_ns()
        while self._room.is_running:
            next_ns = max(next_ns + _TICK_NS, self._clock.now_ns())
            await self._clock.sleep_until_ns(next_ns)
            for seat in list(self._seats.values()):
                due = (self._clock.now_ns() - seat.since_ns) * ROOM_RATE_HZ // NS_PER_S - seat.read_samples
                seat.read_samples += max(0, due)
                for event in seat.sound.take(self._room.heard_by(seat.name, max(0, due)).data):
                    seat.connection.put_nowait(event)
            self._tell_state(is_settled=True)

    # ------------------------------------------------------------------ what people are told

    def _tell(self, seat: Seat, *events: EventBase, wants_token: bool) -> None:
        """What somebody has to know who comes."""
        for event in (*events, *self._past()):
            seat.connection.put_nowait(event)
        if wants_token:
            grace_s = self._house.settings.resume_grace_s
            told = s.ServerResumeTokenEvent(token=seat.new_token(), expires_in_s=grace_s)
            seat.connection.put_nowait(told)

    def _tell_state(self, *, is_settled: bool = False) -> None:
        state = self._found_state()
        if not state.floor and not is_settled:
            # Between two speakers the floor is free for a moment, of which nobody needs to be told.
            state = msgspec.structs.replace(state, floor=self._state.floor)
        if state != self._state:
            self._state = state
            for seat in list(self._seats.values()):
                seat.connection.put_nowait(state)

    def _found_state(self) -> s.ServerRoomUpdatedEvent:
        agents = tuple(s.RoomParticipant(id=agent.id, name=agent.name) for agent in self._room.agents)
        people = tuple(s.RoomParticipant(id=seat.person_id, name=seat.name) for seat in self._seats.values())
        holder = self._room.floor
        return s.ServerRoomUpdatedEvent(
            room_id=self.room_id,
            agents=agents,
            people=people,
            floor=next((one.id for one in (*people, *agents) if one.name == holder), ""),
        )

    def _past(self) -> list[EventBase]:
        """What was said before somebody came, as the events that would have told them."""
        state = self._found_state()
        ids = {one.name: one.id for one in (*state.agents, *state.people)}
        told: list[EventBase] = []
        for number, turn in enumerate(self._room.history()[-_MAX_TURNS_TOLD:]):
            speaker_id, item_id = ids.get(turn.speaker, turn.speaker), f"past_{number:04d}"
            if turn.words and turn.is_person:
                told.append(
                    s.AgentInputTranscriptionDoneEvent(
                        agent_id=speaker_id, agent_name=turn.speaker, item_id=item_id, transcript=turn.words
                    )
                )
            elif turn.words:
                told.append(
                    s.AgentResponseAudioTranscriptDoneEvent(
                        agent_id=speaker_id,
                        agent_name=turn.speaker,
                        response_id=item_id,
                        item_id=item_id,
                        transcript=turn.words,
                    )
                )
        return told


async def _when(event: anyio.Event, waiting: anyio.CancelScope) -> None:
    await event.wait()
    waiting.cancel()


def _room_of(house: House, room_id: str, clock: Clock) -> ChatRoom:
    """A room as the gateway's plan has it; nothing is opened yet."""
    plan = house.room_plan
    agents: list[RealtimeAgent] = []
    for number, spec in enumerate(plan.agents):
        model = house.model_named(spec.model)
        voices = model.capabilities.voices
        facts = SessionFacts(
            door="room",
            model=model.name,
            session_id=new_session_id(),
            user_id=room_id,
            # Whoever comes later could not refuse it any more.
            wants_recording=False,
        )
        voice = spec.voice or (voices[number % len(voices)] if voices else "")
        agents.append(
            RealtimeAgent(
                spec.name,
                spec.prompt,
                house.watched(model, facts, lambda: None),
                toolkit=spec.toolkit,
                config=config_for(model.capabilities, voice=voice, turn_detection=None),
            )
        )
    return ChatRoom(agents, floor=plan.floor, turn_limit=plan.turn_limit, tells_playout=True, clock=clock)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
