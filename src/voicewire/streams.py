"""The one queue of the event loop: bounded, named, measured, with a stated policy for when it is full.

Two costs decide its shape. The receive path has about two microseconds for a 20 ms audio delta, and an
anyio memory stream spends more than that on one hand-over (``benchmarks/wire_floor.py`` prints both), so this
is a deque and at most one future. And a reader of a socket may never wait for the application, so putting
is a plain function call that cannot suspend.

Loop side only: a thread hands items over with ``loop.call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from typing_extensions import Self

from voicewire.errors import (
    BackpressureError,
    ConfigError,
    ConsumerTooSlow,
    LocalProtocolError,
    SessionClosed,
)

T = TypeVar("T")

Policy = Literal["drop_oldest", "fail", "wait"]
"""What happens when the stream is full: see `BoundedStream`."""

_ITEMS_PER_TURN = 512
"""A consumer that finds items without ever waiting lets the loop run after this many, so that a full
stream cannot starve the socket, the keepalive or a cancellation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatistics:
    """The state of one stream, for metrics."""

    name: str
    depth_items: int
    """Items waiting now."""
    high_water_items: int
    """The most items that ever waited."""
    dropped_items: int
    """Items thrown away by ``drop_oldest``."""
    weight: int
    """Weight of the waiting items, in the unit of the stream's bound (0 without ``max_weight``)."""
    dropped_weight: int
    """Weight of the dropped items."""


class BoundedStream(Generic[T]):
    """A first-in first-out stream between tasks of one event loop.

    When an item would break a bound, the policy decides:

    * ``drop_oldest``: the oldest items are dropped until it fits, counted, and given to ``on_drop``;
    * ``fail``: ``put_nowait`` raises `ConsumerTooSlow` and the item is not taken;
    * ``wait``: ``put`` waits for room; ``put_nowait`` raises `BackpressureError`.

    An item that is heavier than the whole bound is taken when the stream is empty, except under ``fail``.

    Args:
        name: What the stream carries; appears in errors and metrics.
        policy: What happens when it is full.
        max_items: The most items that may wait, None for no such bound.
        max_weight: The most weight that may wait, in any unit (bytes, milliseconds), None for no such bound.
        weigh: Weight of one item, for puts that do not name it; 1 without.
        on_drop: Called with each dropped item, synchronously.

    Raises:
        ConfigError: Neither bound was given, or one is below 1.

    Concurrency: any number of tasks put, one task at a time takes; a second raises `LocalProtocolError`.
    """

    __slots__ = (
        "_dropped_items",
        "_dropped_weight",
        "_end",
        "_high_water_items",
        "_is_closed",
        "_items",
        "_max_items",
        "_max_weight",
        "_name",
        "_on_drop",
        "_policy",
        "_room_waiters",
        "_taken_in_a_row",
        "_waiter",
        "_weigh",
        "_weight",
        "_weights",
    )

    def __init__(
        self,
        name: str,
        *,
        policy: Policy,
        max_items: int | None = None,
        max_weight: int | None = None,
        weigh: Callable[[T], int] | None = None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        bounds = [bound for bound in (max_items, max_weight) if bound is not None]
        if not bounds or min(bounds) < 1:
            raise ConfigError(f"stream {name!r} needs max_items or max_weight of at least 1")
        self._name = name
        self._policy: Policy = policy
        self._max_items = max_items if max_items is not None else 1 << 62
        self._max_weight = max_weight
        self._weigh = weigh
        self._on_drop = on_drop
        self._items: deque[T] = deque()
        self._weights: deque[int] = deque()
        self._weight = 0
        self._waiter: asyncio.Future[None] | None = None
        self._room_waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False
        self._end: BaseException | None = None
        self._high_water_items = 0
        self._dropped_items = 0
        self._dropped_weight = 0
        self._taken_in_a_row = 0

    def __repr__(self) -> str:
        return f"BoundedStream({self._name!r}, depth={len(self._items)}, is_closed={self._is_closed})"

    def __len__(self) -> int:
        return len(self._items)

    @property
    def name(self) -> str:
        """What the stream carries."""
        return self._name

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be put any more; what is left can still be taken."""
        return self._is_closed

    @property
    def end(self) -> BaseException | None:
        """The error that ``close`` was given; None while it is open, or when there was none."""
        return self._end

    def statistics(self) -> StreamStatistics:
        """The state of the stream now."""
        return StreamStatistics(
            name=self._name,
            depth_items=len(self._items),
            high_water_items=self._high_water_items,
            dropped_items=self._dropped_items,
            weight=self._weight,
            dropped_weight=self._dropped_weight,
        )

    def put_nowait(self, item: T, weight: int | None = None) -> None:
        """Puts one item without waiting.

        Args:
            item: The item.
            weight: Its weight; weighed by ``weigh`` when it is not given.

        Raises:
            ConsumerTooSlow: Full, under ``fail``.
            BackpressureError: Full, under ``wait``.
            SessionClosed: The stream is closed.
        """
        if self._is_closed:
            raise SessionClosed(f"stream {self._name!r} is closed")
        items = self._items
        max_weight = self._max_weight
        if max_weight is None:
            if len(items) >= self._max_items:
                self._make_room(0)
        else:
            if weight is None:
                weight = self._weigh(item) if self._weigh is not None else 1
            if self._weight + weight > max_weight or len(items) >= self._max_items:
                self._make_room(weight)
            self._weights.append(weight)
            self._weight += weight
        items.append(item)
        if len(items) > self._high_water_items:
            self._high_water_items = len(items)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def put(self, item: T, weight: int | None = None) -> None:
        """Puts one item; under ``wait``, once there is room for it.

        Raises:
            ConsumerTooSlow: Full, under ``fail``.
            SessionClosed: The stream is closed, or was closed while waiting.

        Cancellation: safe; a cancelled put has put nothing.
        """
        if self._policy == "wait":
            weighed = weight if weight is not None else (self._weigh(item) if self._weigh is not None else 1)
            while not self._is_closed and self._items and not self._has_room(weighed):
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._room_waiters.append(waiter)
                try:
                    await waiter
                except asyncio.CancelledError:
                    # The wake-up that this waiter was given, if any, belongs to the next one.
                    if waiter in self._room_waiters:
                        self._room_waiters.remove(waiter)
                    self._wake_putter()
                    raise
        self.put_nowait(item, weight)
        if self._room_waiters:
            self._wake_putter()

    async def get(self) -> T:
        """Takes the oldest item, waiting for one if there is none.

        Raises:
            SessionClosed: The stream is closed and empty, and no error was given to ``close``.
            BaseException: The error that ``close`` was given.

        Cancellation: safe; no item is lost.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise SessionClosed(f"stream {self._name!r} is closed") from None

    def get_nowait(self) -> T | None:
        """Takes the oldest item, or gives None when there is none."""
        return self._take() if self._items else None

    def clear(self) -> int:
        """Throws away everything that waits, without calling ``on_drop``; gives the number of items."""
        count = len(self._items)
        self._items.clear()
        self._weights.clear()
        self._weight = 0
        for _ in range(len(self._room_waiters)):
            self._wake_putter()
        return count

    def close(self, error: BaseException | None = None, *, last: Iterable[T] = ()) -> None:
        """Ends the stream; idempotent, the first call decides.

        What waits can still be taken. After it, iteration stops, or raises ``error``.

        Args:
            error: The exception that ends the iteration, None to let it stop.
            last: Items to append first, whatever the bounds say: the facts about the end are never dropped.
        """
        if self._is_closed:
            return
        for item in last:
            self._items.append(item)
            if self._max_weight is not None:
                self._weights.append(0)
        self._high_water_items = max(self._high_water_items, len(self._items))
        self._is_closed = True
        self._end = error
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        while self._room_waiters:
            self._wake_putter()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        items = self._items
        if not items or self._taken_in_a_row >= _ITEMS_PER_TURN:
            await self._suspend()
        # The body of `_take`, spelled out: a call costs a fiftieth of the whole budget of a delta.
        self._taken_in_a_row += 1
        if self._max_weight is not None:
            self._weight -= self._weights.popleft()
        if self._room_waiters:
            self._wake_putter()
        return items.popleft()

    def _take(self) -> T:
        if self._max_weight is not None:
            self._weight -= self._weights.popleft()
        if self._room_waiters:
            self._wake_putter()
        return self._items.popleft()

    async def _suspend(self) -> None:
        """Lets the loop run, then waits until there is an item; raises the end when there will be none."""
        if self._waiter is not None:
            raise LocalProtocolError(
                f"stream {self._name!r} is already being read; only one task may read it"
            )
        self._taken_in_a_row = 0
        if self._items:
            await asyncio.sleep(0)
        while not self._items:  # after the sleep too: another task, or ``clear``, may have been faster
            if self._is_closed:
                if self._end is not None:
                    raise self._end
                raise StopAsyncIteration
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiter = waiter
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None

    def _has_room(self, weight: int) -> bool:
        fits_weight = self._max_weight is None or self._weight + weight <= self._max_weight
        return fits_weight and len(self._items) < self._max_items

    def _make_room(self, weight: int) -> None:
        """Applies the policy to a put that does not fit; returns when it may go on."""
        if self._policy == "fail":
            raise ConsumerTooSlow(
                f"stream {self._name!r} is full ({len(self._items)} items wait); take faster or raise it"
            )
        if self._policy == "wait":
            if not self._items:
                return
            raise BackpressureError(
                f"stream {self._name!r} is full ({len(self._items)} items wait); await put()"
            )
        while self._items and not self._has_room(weight):
            self._dropped_items += 1
            if self._max_weight is not None:
                dropped = self._weights.popleft()
                self._weight -= dropped
                self._dropped_weight += dropped
            item = self._items.popleft()
            if self._on_drop is not None:
                self._on_drop(item)

    def _wake_putter(self) -> None:
        while self._room_waiters:
            waiter = self._room_waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
