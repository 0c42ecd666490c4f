"""One connection of a session that may have several, and the way its events take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
import msgspec

from voicewire.errors import ConnectionLost, VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.model import (
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelResponseAudioDeltaEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.models.remote import RemoteConnection
from voicewire.models.session_memory import SessionMemory
from voicewire.streams import BoundedStream

_LEAVING = "changed for the next connection before its limit"


class Leg:
    """One connection: opened, held and closed by one task, which is `run`.

    Args:
        open_connection: Opens it.
    """

    def __init__(self, open_connection: Callable[[], AbstractAsyncContextManager[RemoteConnection]]) -> None:
        self._open_connection = open_connection
        self._is_settled = anyio.Event()
        self._is_released = anyio.Event()
        self._failure: Exception | None = None
        self.connection: RemoteConnection | None = None
        """None until it is open."""
        self.sink: LegSink | None = None
        self.is_going_away = False
        """Whether the provider has said that it ends soon."""

    async def run(self) -> None:
        """Opens the connection, and closes it when it is released."""
        try:
            async with self._open_connection() as connection:
                self.connection = connection
                self._is_settled.set()
                await self._is_released.wait()
        except Exception as error:  # a task boundary: `wait_open` raises it where it is waited for
            if self.connection is not None:
                raise
            self._failure = error
        finally:
            self._is_settled.set()

    async def wait_open(self) -> RemoteConnection:
        """Waits until the connection is open and configured; raises what prevented it.

        Cancellation: safe; the opening goes on until it is released.
        """
        await self._is_settled.wait()
        if self._failure is not None:
            raise self._failure
        if self.connection is None:
            raise ConnectionLost("the connection was given up before it was open")
        return self.connection

    def release(self) -> None:
        """Nobody needs it any more: it closes."""
        if self.sink is not None:
            self.sink.is_detached = True
        self._is_released.set()

    def leave(self) -> None:
        """Ends what is open in it, so that the application is told, and closes it."""
        if self.sink is not None and self.connection is not None:
            self.sink.is_leaving = True
            self.connection.give_up(ConnectionLost(_LEAVING, code=1000, reason=_LEAVING))
        self.release()


class LegOwner(Protocol):
    """Whose connection it is."""

    def noted(self, leg: Leg, event: EventBase) -> None:
        """A control event was put into the stream, or held."""
        ...

    def ended(self, sink: LegSink, error: BaseException | None, end: ModelSessionEndedEvent | None) -> None:
        """The connection is over."""
        ...


class LegSink:
    """Takes the events of one connection into the session's stream. Implements `EventSink`.

    What only says how the connection itself came up is left out, except with the first one: the application knows the
    session and its items already. Positions of audio are moved to the session's timeline.

    Args:
        owner: Hears of control events and of the end.
        leg: The connection.
        memory: Notes what happens.
        stream: The session's events.
        is_first: Whether it is the first connection of the session.
    """

    def __init__(
        self,
        owner: LegOwner,
        leg: Leg,
        memory: SessionMemory,
        stream: BoundedStream[EventBase],
        *,
        is_first: bool,
    ) -> None:
        self._owner = owner
        self._memory = memory
        self._stream = stream
        self._is_first = is_first
        self._end: ModelSessionEndedEvent | None = None
        self._held: list[tuple[EventBase, int | None]] | None = None if is_first else []
        """What came before the application was told of this connection."""
        self.leg = leg
        leg.sink = self
        self.is_coming_up = not is_first
        """Whether what is delivered came before the connection was told anything."""
        self.is_in_service = is_first
        self.is_detached = False
        """Whether nobody wants its events any more."""
        self.is_leaving = False
        """Whether it only reports the ends of what is open."""
        self.is_over = False
        self.error: VoicewireError | None = None
        self.told_ids: set[str] = set()
        """Items that the application knows, and that the connection will report as new."""

    def put_nowait(self, item: EventBase, weight: int | None = None, /) -> None:
        """Takes one event."""
        if type(item) is ModelResponseAudioDeltaEvent:
            if not self.is_detached:
                self._memory.spoke(item)
                # What `_pass` does, without its call: this is the hot path.
                if self._held is None:
                    self._stream.put_nowait(item, weight)
                else:
                    self._held.append((item, weight))
        elif type(item) is ModelSessionEndedEvent:
            self._end = item
        elif not self.is_detached:
            self._memory.received(item)
            shown = item if self._is_first else self._shown(item)
            if shown is not None:
                self._pass(shown, weight)
            self._owner.noted(self.leg, item)

    def close(self, error: BaseException | None = None, *, last: Iterable[EventBase] = ()) -> None:
        """The connection is over."""
        if self.is_over:
            return
        self.is_over = True
        self.error = error if isinstance(error, VoicewireError) else None
        if not self.is_detached:
            self._memory.lost()
            for event in last:
                self.put_nowait(event, 0)
        if not self.is_leaving:
            self._owner.ended(self, error, self._end)

    def show_held(self) -> None:
        """The application was told of the connection: what came meanwhile follows."""
        held, self._held = self._held or [], None
        for event, weight in held:
            self._stream.put_nowait(event, weight)

    def _pass(self, event: EventBase, weight: int | None) -> None:
        if self._held is None:
            self._stream.put_nowait(event, weight)
        else:
            self._held.append((event, weight))

    def _shown(self, event: EventBase) -> EventBase | None:
        """The event as the application is to see it; None when it is not."""
        if isinstance(event, (ModelSessionCreatedEvent, ModelSessionUpdatedEvent)) and self.is_coming_up:
            return None
        if isinstance(event, (ModelItemAddedEvent, ModelItemDoneEvent)):
            if event.response_id is None and event.item.id in self.told_ids:
                return None
        elif isinstance(event, ModelInputStartedEvent):
            return msgspec.structs.replace(
                event, audio_start_ms=self._memory.on_timeline_ms(event.audio_start_ms)
            )
        elif isinstance(event, ModelInputDoneEvent):
            return msgspec.structs.replace(
                event, audio_end_ms=self._memory.on_timeline_ms(event.audio_end_ms)
            )
        return event
