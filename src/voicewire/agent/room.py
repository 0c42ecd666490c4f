"""``ChatRoom``: several agents and several people in one conversation (seed 002)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import anyio
import anyio.lowlevel
from typing_extensions import Self

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.floor import AddressedByName, FirstToClaim, FloorPolicy, ModeratorOrder
from voicewire.agent.outgoing import OutgoingQueue
from voicewire.agent.room_floor import FloorRules
from voicewire.agent.room_run import RoomRun
from voicewire.agent.room_tracks import Span
from voicewire.agent.room_turns import RoomTurn, exported_turns, restored_turns
from voicewire.audio.format import AudioFrame
from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigError, LocalProtocolError, SessionClosed, VoicewireError
from voicewire.events.base import EventBase
from voicewire.ownership import TaskOwner

Floor = Literal["moderator", "first", "addressed"]
DEFAULT_ANSWER_TIMEOUT_S: Final = 15.0

_POLICIES: Final[dict[str, type[ModeratorOrder] | type[FirstToClaim] | type[AddressedByName]]] = {
    "moderator": ModeratorOrder,
    "first": FirstToClaim,
    "addressed": AddressedByName,
}


class ChatRoom:
    """Agents and people who hear each other, one agent at a time.

    ::

        room = ChatRoom(agents=[agent1, agent2])
        await room.start(outgoing_queue)
        await room.handle_input(ClientEvents.ClientTextAppendEvent(session_id="session1", text="Hello everyone!"))
        await room.stop()

    **Hearing.** Everybody hears everybody else: the agents get whole turns of audio (several people who speak at once
    mixed; of an agent's turn of more than 50 s its words) or text; the front end gets the agents' events as they come,
    and ``heard_by`` gives each person the mix of all others, live. An agent that is interrupted was heard as far as it
    had been played. An agent that joins later is told the words of the turns before.

    **The floor.** The room ends turns, not the models; an agent speaks when it was given the floor, and the next one
    when its speech has been played. Speech of a person takes the floor at once. Who is next says the policy:
    ``moderator`` (in order), ``first`` (who answers first), ``addressed`` (who is named, else in order), or a
    `FloorPolicy`. After ``turn_limit`` turns of agents in a row a person has to say something.

    **Words.** Every transcript carries who spoke: ``agent_id`` and ``agent_name`` are the speaker's, for people the
    session's id and their name; each utterance comes once, however many heard it. What a person writes comes so too.
    ``history`` has all turns.

    **Failure.** An agent that fails leaves the room, with its error and its end as events; the others go on. One that
    has the floor and gives no sign loses it.

    Args:
        agents: Agents that are there from the beginning. They belong to the room until they leave it.
        floor: How the floor is given.
        turn_limit: Turns of agents in a row.
        answer_timeout_s: How long an agent that has the floor may give no sign before the next one gets it, in seconds;
            its tools have limits of their own.
        record_to: A folder for a WAV of each participant, all on one timeline.
        tells_playout: Whether an ``AgentPlayoutHeardEvent`` says, ten times a second, how far an agent's speech has
            been heard.
        clock: Time.

    Raises:
        ConfigError: Two agents have one name, or the policy is unknown.

    Concurrency: one event loop; any task may call any method.
    """

    def __init__(
        self,
        agents: Iterable[RealtimeAgent] = (),
        *,
        floor: Floor | FloorPolicy = "moderator",
        turn_limit: int = 10,
        answer_timeout_s: float = DEFAULT_ANSWER_TIMEOUT_S,
        record_to: Path | None = None,
        tells_playout: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(floor, str) and floor not in _POLICIES:
            raise ConfigError(f"there is no floor policy {floor!r}; the policies are: {', '.join(_POLICIES)}")
        if turn_limit < 1:
            raise ConfigError(f"turn_limit is {turn_limit!r}; give 1 or more")
        if answer_timeout_s <= 0:
            raise ConfigError(f"answer_timeout_s is {answer_timeout_s!r}; give seconds above 0")
        self._first = list(agents)
        names = [agent.name for agent in self._first]
        if len(set(names)) != len(names):
            raise ConfigError(f"agents in a room need names of their own; these are: {names}")
        policy: FloorPolicy = _POLICIES[floor]() if isinstance(floor, str) else floor
        self._rules = FloorRules(
            policy=policy,
            turn_limit=turn_limit,
            answer_timeout_s=answer_timeout_s,
            tells_playout=tells_playout,
        )
        self._clock = clock or MonotonicClock()
        self._record_to = record_to
        self._earlier: tuple[RoomTurn, ...] = ()
        self._run: RoomRun | None = None
        self._owner = TaskOwner("chat room")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------------ who is there

    @property
    def is_running(self) -> bool:
        """Whether it takes input."""
        return self._run is not None and self._run.is_open

    @property
    def failure(self) -> VoicewireError | None:
        """Why the room ended by itself, or why its recording is not complete; None when all was well."""
        return None if self._run is None else self._run.failure

    @property
    def agents(self) -> tuple[RealtimeAgent, ...]:
        """The agents in the room, in the order in which they joined."""
        return () if self._run is None else self._run.roster.agents

    @property
    def people(self) -> tuple[str, ...]:
        """The names of the people in the room."""
        return () if self._run is None else self._run.people.names

    @property
    def floor(self) -> str | None:
        """Who speaks or has been asked to: a name; None when the floor is free."""
        return None if self._run is None else self._run.floor.holder

    @property
    def spans(self) -> tuple[Span, ...]:
        """Who was heard when, on the room's timeline."""
        return () if self._run is None else self._run.tracks.spans

    def history(self) -> tuple[RoomTurn, ...]:
        """The turns as they were heard, oldest first, the newest thousand."""
        return self._earlier if self._run is None else self._run.history.turns()

    def export_history(self) -> str:
        """The history as JSON text, for ``restore_history``; each agent's own memory is in its ``export_history``."""
        return exported_turns(self.history())

    def restore_history(self, data: str | bytes | Mapping[str, Any]) -> None:
        """Gives the room a past: the next ``start`` tells every agent the words of these turns.

        Args:
            data: What ``export_history`` gave, as text or parsed; it may have been edited.

        Raises:
            LocalProtocolError: The room is running.
            InvalidEventError: Not such a text; the message names the field at fault.
        """
        if self._run is not None and not self._run.over.is_set():
            raise LocalProtocolError("the room is running; await its stop() before its history is restored")
        self._earlier = restored_turns(data)
        self._run = None

    @property
    def longest_overlap_ms(self) -> float:
        """The longest time for which two were heard at once, in milliseconds."""
        return 0.0 if self._run is None else self._run.tracks.longest_overlap_ms()

    def heard_by(self, name: str, samples: int) -> AudioFrame:
        """The next of what a person hears, at 24 kHz: everybody else, mixed.

        Raises:
            LocalProtocolError: Nobody of this name is in the room, or it does not run.
        """
        return self._open_run().tracks.heard_by(name, samples)

    def add_person(self, session_id: str, name: str | None = None) -> None:
        """Somebody comes. Whoever says something without having come is let in under their session's id.

        Raises:
            ConfigError: Somebody of this name is there.
            LocalProtocolError: The room does not run.
        """
        self._open_run().reception.add_person(session_id, name or session_id)

    def remove_person(self, session_id: str) -> None:
        """Somebody leaves; what they were saying is a turn that ends here.

        Raises:
            LocalProtocolError: The room does not run.
        """
        self._open_run().reception.remove_person(session_id)

    async def join(self, agent: RealtimeAgent) -> None:
        """An agent comes; it takes part when this returns.

        Raises:
            ConfigError: Somebody of its name is there.
            LocalProtocolError: The room does not run.
            SessionClosed: The room was stopped meanwhile.
            VoicewireError: The agent could not be started; the room goes on without it.

        Cancellation: safe; the agent is then not in the room.
        """
        await self._open_run().join(agent)

    async def leave(self, agent: RealtimeAgent | str) -> None:
        """An agent leaves, and is stopped.

        Raises:
            LocalProtocolError: It is not in the room, or the room does not run.

        Cancellation: the agent has left; its end is waited for first.
        """
        await self._open_run().leave(agent)

    # ------------------------------------------------------------------ life

    async def start(self, outgoing_queue: OutgoingQueue) -> None:
        """Starts all agents; returns when the room takes input.

        An agent that cannot be started is told of by an ``AgentErrorEvent`` and is not in the room.

        Args:
            outgoing_queue: Gets the events of all agents. What is said of it in ``RealtimeAgent`` holds here.

        Raises:
            LocalProtocolError: It runs already.
            SessionClosed: ``stop`` was called meanwhile.
            VoicewireError: No agent could be started; this is the first one's error.

        Cancellation: safe; nothing stays open.
        """
        if self._run is not None and not self._run.over.is_set():
            raise LocalProtocolError(
                "the room is running already; await its stop() before it is started again"
            )
        run = RoomRun(
            outgoing_queue,
            rules=self._rules,
            clock=self._clock,
            record_to=self._record_to,
            earlier=self._earlier,
        )
        self._run, self._earlier = run, ()
        self._owner.start(run.run(self._first), name="run")
        try:
            await run.ready.wait()
        except BaseException:
            await self.stop()
            raise
        if run.opening_error is not None:
            raise run.opening_error
        if not run.is_open:
            raise SessionClosed("the room was stopped while it started")

    async def stop(self) -> None:
        """Ends the room and waits until nothing of it is left; idempotent.

        Every agent is stopped, also when another one fails at it. Called by a tool of one of its agents, it asks for
        the end and returns at once.

        Cancellation: the end is waited for first, at most five seconds and what cancelled tools take.
        """
        run = self._run
        if run is None:
            return
        run.request_end()
        if run.is_callers:
            return
        with anyio.CancelScope(shield=True):
            await run.over.wait()
            await self._owner.join()

    # ------------------------------------------------------------------ input

    async def handle_input(self, event: EventBase) -> None:
        """Takes an event of a person; ``session_id`` says whose it is.

        Raises:
            LocalProtocolError: The room does not run.
            AudioError, InvalidEventError: What is in the event is wrong.

        Cancellation: the event was taken.
        """
        await self._open_run().reception.take(event)
        # Taking hardly ever waits, so a loop that does nothing else must let the others run.
        await anyio.lowlevel.checkpoint()

    def _open_run(self) -> RoomRun:
        if self._run is None or not self._run.is_open:
            raise LocalProtocolError("the room is not running; await start(queue) first")
        return self._run
