"""The way from engine threads to the event loop: one bounded queue of facts, with a generation each."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from voicewire.conversation.host import ConversationHost
from voicewire.conversation.orders import HostOutput
from voicewire.errors import ConfigError

Fact: TypeAlias = Callable[[ConversationHost], list[HostOutput]]
"""What a thread found out: one call of the host, such as ``lambda host: host.response_text(generation, delta)``."""


class ThreadInbox:
    """Threads put facts in, the loop takes them out.

    When it is full the *thread* waits: a model step may be held up, the loop and the application never are. A fact
    whose generation is over is not taken at all, and the thread learns that it can stop.

    Args:
        max_items: The most facts that may wait.
        is_open: Whether facts of a generation still count; called from threads.

    Concurrency: any number of threads put; one task of the loop takes.
    """

    def __init__(self, *, max_items: int, is_open: Callable[[int], bool]) -> None:
        if max_items < 1:
            raise ConfigError(f"an inbox for {max_items!r} facts holds none; give it 1 or more")
        self._max_items = max_items
        self._is_open = is_open
        self._facts: deque[tuple[int | None, Fact]] = deque()
        self._has_room = threading.Condition()
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._has_facts = asyncio.Event()

    def __len__(self) -> int:
        return len(self._facts)

    def put(self, fact: Fact, *, generation: int | None = None) -> bool:
        """Hands a fact to the loop; waits while the inbox is full. For threads only.

        Args:
            fact: The call of the host.
            generation: The response it belongs to; None for facts of the input.

        Returns:
            False when nobody wants it any more: the response is over, or the session is.
        """
        with self._has_room:
            while not self._is_stale(generation) and len(self._facts) >= self._max_items:
                self._has_room.wait()
            if self._is_stale(generation):
                return False
            self._facts.append((generation, fact))
        try:
            self._loop.call_soon_threadsafe(self._has_facts.set)
        except RuntimeError:  # the loop is gone, and the session with it
            return False
        return True

    async def take(self) -> list[Fact]:
        """All facts that wait and still count, at least after one was put.

        Cancellation: safe; no fact is lost.
        """
        await self._has_facts.wait()
        self._has_facts.clear()
        with self._has_room:
            facts = [fact for generation, fact in self._facts if not self._is_stale(generation)]
            self._facts.clear()
            self._has_room.notify_all()
        return facts

    def wake(self) -> None:
        """A generation is over: threads that wait with its facts learn of it."""
        with self._has_room:
            self._has_room.notify_all()

    def close(self) -> None:
        """The session is over; idempotent. Waiting threads return."""
        with self._has_room:
            self._is_closed = True
            self._facts.clear()
            self._has_room.notify_all()

    def _is_stale(self, generation: int | None) -> bool:
        return self._is_closed or (generation is not None and not self._is_open(generation))
