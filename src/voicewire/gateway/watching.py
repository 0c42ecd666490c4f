"""A model whose conversations are watched: the same for every door, whatever drives the model."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from typing_extensions import Self

from voicewire.events.base import EventBase
from voicewire.events.commands import Command
from voicewire.events.model import ModelSessionEndedEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch
from voicewire.models.model import RealtimeConnection, RealtimeModel

_NORMAL = 1000
_INTERNAL = 1011


class WatchedModel(RealtimeModel):
    """Opens another model's conversations under the eyes of an observer.

    Args:
        model: The model.
        observer: Told of each conversation's begin; its watch is told of the rest.
        facts: What is known of the session.
        end_of: The code and reason that the client is told, once they are known.
    """

    def __init__(
        self,
        model: RealtimeModel,
        observer: GatewayObserver,
        facts: SessionFacts,
        end_of: Callable[[], tuple[int, str] | None],
    ) -> None:
        self.name = model.name
        self.capabilities = model.capabilities
        self._model = model
        self._observer = observer
        self._facts = facts
        self._end_of = end_of

    @asynccontextmanager
    async def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AsyncGenerator[RealtimeConnection, None]:
        """Opens the model's conversation; see ``RealtimeModel.open``."""
        watch = self._observer.session_opened(self._facts)
        opened_s = time.monotonic()
        end = (_INTERNAL, "the model could not be opened")
        watched: WatchedConnection | None = None
        try:
            async with self._model.open(instructions=instructions, tools=tools, config=config) as connection:
                watched = WatchedConnection(connection, watch)
                yield watched
        finally:
            if watched is not None:
                end = watched.end
            code, reason = self._end_of() or end
            watch.ended(code, reason, time.monotonic() - opened_s)


class WatchedConnection(RealtimeConnection):
    """One conversation under watch. Made by `WatchedModel`."""

    def __init__(self, connection: RealtimeConnection, watch: SessionWatch) -> None:
        self._connection = connection
        self._watch = watch
        self._on_command = watch.on_command
        self.end: tuple[int, str] = (_NORMAL, "")
        """Code and reason of the model's own end, once it was reported."""

    @property
    def session_id(self) -> str:
        """The provider's id of this session."""
        return self._connection.session_id

    @property
    def config(self) -> SessionConfig:
        """The effective configuration, as last confirmed by the model."""
        return self._connection.config

    async def send(self, command: Command) -> None:
        """Sends one command; see ``RealtimeConnection.send``."""
        self._on_command(command)
        await self._connection.send(command)

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return _WatchedEvents(self, self._connection.__aiter__(), self._watch)

    async def aclose(self) -> None:
        """Ends the session; idempotent."""
        await self._connection.aclose()


class _WatchedEvents(AsyncIterator[EventBase]):
    """The events on their way through.

    An iterator of its own class: an async generator that is left half-way is closed by the collector, at a moment
    of its choice.
    """

    __slots__ = ("_events", "_on_event", "_owner")

    def __init__(
        self, owner: WatchedConnection, events: AsyncIterator[EventBase], watch: SessionWatch
    ) -> None:
        self._owner = owner
        self._events = events
        self._on_event = watch.on_event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBase:
        event = await self._events.__anext__()
        if type(event) is ModelSessionEndedEvent:
            self._owner.end = (event.code or _NORMAL, event.reason)
        self._on_event(event)
        return event
