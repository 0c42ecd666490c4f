"""An agent's events on their way into the queue that the application gave."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import anyio

from voicewire.errors import ConsumerTooSlow, LocalProtocolError, VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.server import AgentResponseAudioDeltaEvent

_log = logging.getLogger(__name__)

DEFAULT_SLOW_CONSUMER_S: Final = 10.0
MAX_UNREAD_EVENTS: Final = 100_000
"""Events that may wait in a queue without a bound of its own."""
MAX_WAITING_EVENTS: Final = 20_000
MAX_WAITING_AUDIO_BYTES: Final = 32 * 1024 * 1024
"""Eleven minutes of 24 kHz speech."""


class OutgoingQueue(Protocol):
    """Where an agent's events go: an ``asyncio.Queue``, or anything with these two of its methods."""

    async def put(self, item: EventBase, /) -> None:
        """Takes one event, waiting for room if it is bounded."""
        ...

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event; raises ``asyncio.QueueFull`` when there is no room."""
        ...


class Outgoing:
    """Puts events into the application's queue, in order; the conversation never waits for it.

    Policy when the queue is full: events wait here. When it takes none for ``slow_consumer_s``, or too much
    waits (20 000 events, 32 MiB of audio, or 100 000 events unread in a queue without a bound), the consumer is
    too slow: ``on_failure`` is told once, audio that waits is thrown away, and every other event is still
    delivered when there is room again. Nothing but audio is ever dropped.

    Args:
        queue: The application's queue.
        slow_consumer_s: How long the queue may stay full, in seconds.
        on_failure: Called, once, when the consumer is too slow or the queue itself fails.
    """

    def __init__(
        self,
        queue: OutgoingQueue,
        *,
        slow_consumer_s: float = DEFAULT_SLOW_CONSUMER_S,
        on_failure: Callable[[VoicewireError], None],
    ) -> None:
        self._queue = queue
        self._slow_consumer_s = slow_consumer_s
        self._on_failure = on_failure
        self._unread = queue.qsize if isinstance(queue, asyncio.Queue) and queue.maxsize <= 0 else None
        self._waiting: deque[EventBase] = deque()
        self._audio_bytes = 0
        self._is_putting = False
        self._is_stuck = False
        self._is_broken = False
        self._is_closed = False
        self._news = anyio.Event()

    def emit(self, event: EventBase) -> None:
        """Hands one event on; never waits, never raises."""
        if self._is_broken:
            return
        if self._unread is not None and self._unread() >= MAX_UNREAD_EVENTS:
            self._become_stuck(f"{MAX_UNREAD_EVENTS} events wait unread in its queue")
        if not self._waiting and not self._is_putting:
            # Every delta of audio comes this way: `_put_now`, spelled out.
            try:
                self._queue.put_nowait(event)
            except asyncio.QueueFull:
                pass
            except Exception as error:  # the same boundary as in `_put_first`
                self._break(error)
                return
            else:
                return
        if self._is_stuck and isinstance(event, AgentResponseAudioDeltaEvent):
            return
        self._waiting.append(event)
        self._audio_bytes += _audio_bytes(event)
        self._news.set()
        if len(self._waiting) > MAX_WAITING_EVENTS or self._audio_bytes > MAX_WAITING_AUDIO_BYTES:
            self._become_stuck(f"{len(self._waiting)} events wait for its queue")

    def drop_audio(self) -> None:
        """Throws away the audio that still waits here: it was interrupted."""
        self._waiting = deque(
            event for event in self._waiting if not isinstance(event, AgentResponseAudioDeltaEvent)
        )
        self._audio_bytes = 0

    def close(self) -> None:
        """No more events come; ``deliver`` returns when those that wait are delivered."""
        self._is_closed = True
        self._news.set()

    async def deliver(self) -> None:
        """Moves what waits, until ``close``.

        Cancellation: safe; what was not delivered still waits.
        """
        while not (self._is_closed and not self._waiting):
            if not self._waiting:
                self._news = anyio.Event()
                await self._news.wait()
                continue
            await self._put_first()

    def flush(self) -> None:
        """Delivers what it can without waiting; for the end, after ``deliver``."""
        while self._waiting and self._put_now(self._waiting[0]):
            self._waiting.popleft()
        if self._waiting:
            _log.warning("events were not taken", extra={"events": len(self._waiting)})

    async def _put_first(self) -> None:
        event = self._waiting.popleft()
        self._audio_bytes -= _audio_bytes(event)
        self._is_putting = True
        try:
            with anyio.move_on_after(None if self._is_stuck else self._slow_consumer_s) as limit:
                await self._queue.put(event)
        # A boundary to the application's own queue: its failure ends the conversation, not the task group.
        except Exception as error:
            self._break(error)
        except BaseException:
            self._put_back(event)
            raise
        else:
            if limit.cancelled_caught:
                self._put_back(event)
                self._become_stuck(f"its queue stayed full for {self._slow_consumer_s:g} s")
        finally:
            self._is_putting = False

    def _put_back(self, event: EventBase) -> None:
        self._waiting.appendleft(event)
        self._audio_bytes += _audio_bytes(event)

    def _put_now(self, event: EventBase) -> bool:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        except Exception as error:  # the same boundary as in `_put_first`
            self._break(error)
        return True

    def _become_stuck(self, what: str) -> None:
        if self._is_stuck:
            return
        self._is_stuck = True
        self.drop_audio()
        self._on_failure(ConsumerTooSlow(f"the application does not take the agent's events: {what}"))

    def _break(self, error: Exception) -> None:
        self._is_broken = True
        self._waiting.clear()
        failure = LocalProtocolError(f"the outgoing queue failed: {error!r}")
        failure.__cause__ = error
        self._on_failure(failure)


def _audio_bytes(event: EventBase) -> int:
    return event.payload.size_bytes if isinstance(event, AgentResponseAudioDeltaEvent) else 0
