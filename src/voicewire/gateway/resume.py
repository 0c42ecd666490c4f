"""Sessions that outlive their connection: a reload or a change of network takes them up again (ADR 0012)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import anyio

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.memory import exported
from voicewire.clock import NS_PER_S, Clock, MonotonicClock
from voicewire.errors import InvalidEventError
from voicewire.events.base import EventBase
from voicewire.events.items import ContentPart, Item, Role
from voicewire.events.server import (
    AgentEndedEvent,
    AgentResponseCreatedEvent,
    HistoryEntry,
    ServerResumeTokenEvent,
    ServerSessionResumedEvent,
)
from voicewire.gateway.admission import Admission
from voicewire.gateway.limits import Meter
from voicewire.models.model import RealtimeModel
from voicewire.ownership import TaskOwner

MAX_HISTORY_ENTRIES: Final = 1000
MAX_HISTORY_CHARS: Final = 256 * 1024
_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant"}


REFUSED: Final = (
    "the session cannot be resumed: its token was used, is too old, or is not this client's; "
    "create a new session"
)
"""Does not say which of these it is."""


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """What a ``client_session_create`` says about going on."""

    wants_token: bool = False
    """Whether the front end wants to be able to resume (``resume``)."""
    token: str = ""
    """The token of the session that it takes up (``resume_token``)."""
    history: tuple[Item, ...] = ()
    """What a new session is told that was said before (``history``)."""

    @classmethod
    def read(cls, config: dict[str, Any]) -> ResumeRequest:
        """Reads the configuration of the event.

        Raises:
            InvalidEventError: A field has the wrong type; the message names it.
        """
        wants, token = config.get("resume", False), config.get("resume_token")
        if not isinstance(wants, bool):
            raise InvalidEventError("config field 'resume' is not true or false")
        if not isinstance(token, str | None):
            raise InvalidEventError("config field 'resume_token' is not a string")
        return cls(wants or bool(token), token or "", _history(config.get("history")))

    def tell(self, agent: RealtimeAgent) -> None:
        """Gives an agent that has not started yet the history."""
        if self.history:
            agent.restore_history(exported(self.history))


def _history(given: object) -> tuple[Item, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise InvalidEventError("config field 'history' is not a list of {role, text}")
    entries = cast("list[object]", given)
    items: list[Item] = []
    for entry in entries:
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        role, text = _ROLES.get(str(fields.get("role"))), fields.get("text")
        if role is None or not isinstance(text, str):
            raise InvalidEventError("an entry of config field 'history' is {role: user or assistant, text}")
        if text:
            items.append(Item(id="", role=role, content=(ContentPart(kind="text", text=text),)))
    if len(entries) > MAX_HISTORY_ENTRIES or sum(len(item.text) for item in items) > MAX_HISTORY_CHARS:
        raise InvalidEventError(
            f"config field 'history' has more than {MAX_HISTORY_ENTRIES} entries or {MAX_HISTORY_CHARS} characters"
        )
    return tuple(items)


def history_of(items: Iterable[Item]) -> tuple[HistoryEntry, ...]:
    """The words of a conversation, oldest first."""
    return tuple(
        HistoryEntry(
            role="user" if item.role == "user" else "assistant",
            text=item.text,
            is_final=item.status != "in_progress",
            item_id=item.id,
        )
        for item in items
        if item.kind == "message" and item.role in _ROLES and item.text
    )


@dataclass(frozen=True, slots=True)
class Bond:
    """Whose session it is: nobody else may resume it."""

    user_id: str
    session_id: str
    key_id: str


class Connection(Protocol):
    """The front end's connection, as the session sees it."""

    def put_nowait(self, item: EventBase, /) -> None:
        """Sends one event."""
        ...

    def lose(self) -> None:
        """Another connection has taken the session."""
        ...


class ResumableSession:
    """An agent that outlives its connection; the agent's outgoing queue.

    Resources and their owners: the agent owns its tasks; the one task of this object waits for the client, and
    ends the agent when it does not come. Whoever holds the connection calls ``leave`` or ``end`` when it is over.

    Args:
        bond: Whose it is.
        table: Where it can be found by its token.
        connection: The front end's.
        meter: What it has used so far.
        clock: Tells how long it has waited.
    """

    def __init__(
        self,
        bond: Bond,
        table: ResumeTable,
        connection: Connection,
        meter: Meter,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.bond = bond
        self.meter = meter
        self.agent: RealtimeAgent | None = None
        self.model: RealtimeModel | None = None
        """Whom the agent talks with, by the name under which it is served."""
        self.connection: Connection | None = connection
        """None while it waits for its client."""
        self.refuses_recording = False
        """Whether no connection of it may be recorded."""
        self._table = table
        self._clock = clock or MonotonicClock()
        self._waiter = TaskOwner("resumable session")
        self._began = anyio.Event()
        self._is_over = False
        self._is_moving = False

    # ------------------------------------------------------------------ the agent's queue

    async def put(self, item: EventBase, /) -> None:
        """Takes one event; never waits."""
        self.put_nowait(item)

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event; without a connection only the history keeps what it says."""
        if isinstance(item, AgentEndedEvent):
            self._is_over = True
            self._table.forget(self)
            self._began.set()
        if self.connection is not None:
            self.connection.put_nowait(item)
        elif isinstance(item, AgentResponseCreatedEvent):
            self._began.set()

    # ------------------------------------------------------------------ connections

    def leave(self, grace_s: float, admission: Admission) -> None:
        """The connection is gone: the agent falls silent and waits so long."""
        self.connection = None
        self._waiter.start(self._wait(grace_s, admission), name="wait for the client")

    async def move_to(self, connection: Connection, grace_s: float) -> None:
        """Goes on in another connection, and tells it what was said so far."""
        self._is_moving = True
        old, self.connection = self.connection, None
        if old is not None:
            old.lose()
            self._interrupt()
        await self._waiter.aclose()
        self._is_moving = False
        self.connection = connection
        entries = () if self.agent is None else history_of(self.agent.history())
        connection.put_nowait(ServerSessionResumedEvent(session_id=self.bond.session_id, history=entries))
        self.give_token(grace_s)

    def give_token(self, grace_s: float) -> None:
        """Makes a token and sends it."""
        if self.connection is not None and not self._is_over:
            token = self._table.token_for(self)
            self.connection.put_nowait(ServerResumeTokenEvent(token=token, expires_in_s=grace_s))

    async def end(self) -> None:
        """Ends the agent, if it has not ended, and waits for it. Idempotent."""
        self._is_over = True
        self._table.forget(self)
        if self.agent is not None:
            await self.agent.stop()

    async def _wait(self, grace_s: float, admission: Admission) -> None:
        with admission.waiting():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_silent, tasks.cancel_scope)
                tasks.start_soon(self._lose_patience, grace_s, tasks.cancel_scope)
                await admission.draining.wait()
                tasks.cancel_scope.cancel()
            if not self._is_moving:
                await self.end()

    async def _lose_patience(self, grace_s: float, waiting: anyio.CancelScope) -> None:
        await self._clock.sleep_until_ns(self._clock.now_ns() + round(grace_s * NS_PER_S))
        waiting.cancel()

    async def _keep_silent(self, waiting: anyio.CancelScope) -> None:
        """Nobody listens: what the agent begins to say, after a tool's result for instance, is not to be heard."""
        while not self._is_over:
            self._interrupt()
            self._began = anyio.Event()
            await self._began.wait()
        waiting.cancel()

    def _interrupt(self) -> None:
        if self.agent is not None and self.agent.is_running:
            self.agent.interrupt()


class ResumeTable:
    """The sessions that can be resumed, by their tokens. Bounded: one token a session, and sessions are admitted."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, ResumableSession] = {}
        self._tokens: dict[ResumableSession, bytes] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def token_for(self, session: ResumableSession) -> str:
        """A new token for a session; the one before it is void."""
        self.forget(session)
        token = secrets.token_urlsafe(32)
        self._tokens[session] = digest = _digest(token)
        self._sessions[digest] = session
        return token

    def claim(self, token: str, bond: Bond) -> ResumableSession | None:
        """The session of a token, which is void from now on.

        None when there is none, or it is somebody else's; then its own client can still resume it.
        """
        session = self._sessions.get(_digest(token))
        if session is None or session.bond != bond:
            return None
        self.forget(session)
        return session

    def forget(self, session: ResumableSession) -> None:
        """Voids the token of a session."""
        digest = self._tokens.pop(session, None)
        if digest is not None:
            del self._sessions[digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
