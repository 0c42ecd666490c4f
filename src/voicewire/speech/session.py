"""One run of a speech client: bounded input, events out, one end; in its own event loop or the application's."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from voicewire.errors import (
    BackpressureError,
    ConsumerTooSlow,
    EngineError,
    LocalProtocolError,
    ProviderUnavailable,
    SessionClosed,
    VoicewireError,
)
from voicewire.ownership import TaskOwner
from voicewire.speech.portal import Portal
from voicewire.streams import BoundedStream

InputT = TypeVar("InputT", bytes, str)
EventT = TypeVar("EventT")

_log = logging.getLogger("voicewire.speech")

MAX_EVENTS = 4096
"""Events that may wait for an application that iterates."""


class Completion:
    """The end of a session, to await or to wait for; raises what the session failed with."""

    def __init__(self, done: Future[VoicewireError | None]) -> None:
        self._done = done

    @property
    def is_done(self) -> bool:
        """Whether the session is over."""
        return self._done.done()

    def __await__(self) -> Generator[Any, None, None]:
        """Waits for the end. Cancellation: safe; the session goes on."""
        return self._wait().__await__()

    async def _wait(self) -> None:
        failure = await asyncio.shield(asyncio.wrap_future(self._done))
        if failure is not None:
            raise failure

    def wait(self, timeout_s: float | None = None) -> None:
        """Waits in a thread that has no event loop.

        Raises:
            ProviderUnavailable: It did not end in time; it goes on.
            VoicewireError: What it failed with.
        """
        try:
            failure = self._done.result(timeout_s)
        except FutureTimeout as error:
            raise ProviderUnavailable(
                f"the session did not end within {timeout_s:g} s; close() it"
            ) from error
        if failure is not None:
            raise failure


class SpeechSession(Generic[InputT, EventT]):
    """What a client's provider part works with, and what its façade drives.

    Args:
        name: For errors and task names.
        callbacks: The application's functions.
        max_input: The most input that may wait, in bytes or characters.
        drops_oldest: Whether a full buffer drops its oldest input (audio) or refuses more (text).
        is_iterated: Whether events are also kept for ``async for``.
        chat_id: Labels the output of this session.
    """

    def __init__(
        self,
        name: str,
        callbacks: BaseModel,
        *,
        max_input: int,
        drops_oldest: bool,
        is_iterated: bool,
        chat_id: str | None = None,
    ) -> None:
        self.name = name
        self.chat_id = chat_id
        self.done: Future[VoicewireError | None] = Future()
        self.ready: Future[None] = Future()
        self.is_finishing = False
        """Whether ``finish`` was called: no more input comes after what waits."""
        self.dropped_input = 0
        self._callbacks = callbacks
        self._drops_oldest = drops_oldest
        self._input: BoundedStream[InputT] = BoundedStream(
            f"{name} input", policy="wait", max_weight=max_input, weigh=len
        )
        self._events: BoundedStream[EventT] | None = (
            BoundedStream(f"{name} events", policy="wait", max_items=MAX_EVENTS) if is_iterated else None
        )
        self._untold_drops = 0
        self._is_detached = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owner = TaskOwner(name)
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ for the provider's part

    async def receive(self) -> InputT | None:
        """The next input; None when there will be none any more. Cancellation: safe, nothing is lost."""
        try:
            return await self._input.get()
        except SessionClosed:
            return None

    def waiting_input(self) -> int:
        """Bytes or characters that wait."""
        return self._input.statistics().weight

    def take_drops(self) -> int:
        """How much input was dropped since the last call."""
        dropped, self._untold_drops = self._untold_drops, 0
        return dropped

    async def emit(self, event: EventT) -> None:
        """Hands an event to an application that iterates; waits for one that is slow."""
        if self._events is not None and not self._is_detached:
            await self._events.put(event)

    async def call(self, name: str, *args: object) -> None:
        """Calls one of the application's functions; what it raises is logged and goes no further."""
        function: Callable[..., Any] | None = getattr(self._callbacks, name, None)
        if function is None or self._is_detached:
            return
        await _guarded_call(function, *args)

    # ------------------------------------------------------------------ for the façade

    def launch(self, work: Callable[[], Any], *, in_portal: bool) -> None:
        """Starts the work: in the running event loop, or in the portal's thread."""
        if in_portal:
            self._loop = Portal.get()
            self._loop.call_soon_threadsafe(self._start, work)
        else:
            self._loop = asyncio.get_running_loop()
            self._start(work)

    def _start(self, work: Callable[[], Any]) -> None:
        if self._is_detached:
            return
        self._task = self._owner.start(work(), name="session")

    def offer(self, item: InputT) -> None:
        """Puts input without waiting, from any thread.

        Raises:
            SessionClosed: No more input is taken.
            BackpressureError: The buffer is full and input may not be dropped (only from the session's loop).
        """
        self._check_open()
        if self._is_in_loop():
            self._offer_now(item)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._offer_quietly, item)

    async def put(self, item: InputT) -> None:
        """Puts input once there is room. Cancellation: safe; it was put whole or not at all."""
        self._check_open()
        if self._is_in_loop() or self._loop is None:
            await self._input.put(item)
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._input.put(item), self._loop))

    def finish(self) -> None:
        """No more input; idempotent, from any thread."""
        if self.is_finishing:
            return
        self.is_finishing = True
        self._in_loop(self._input.close)

    def detach(self) -> None:
        """Cancels the work and tells the application nothing any more; from any thread."""
        self._is_detached = True
        self._in_loop(self._cancel)

    async def join(self) -> None:
        """Waits until the cancelled work has ended."""
        if self._is_in_loop():
            await self._owner.aclose()
        elif not self.done.done():
            await asyncio.wrap_future(self.done)

    @property
    def events(self) -> BoundedStream[EventT]:
        """The events for an application that iterates.

        Raises:
            LocalProtocolError: The session was started for callbacks.
        """
        if self._events is None:
            raise LocalProtocolError(
                f"{self.name} was started with start(), so its events go to the callbacks; "
                "use `async with` to iterate"
            )
        return self._events

    @property
    def is_detached(self) -> bool:
        """Whether the application closed it."""
        return self._is_detached

    def end(self, failure: VoicewireError | None) -> None:
        """The work is over: wakes everybody who waits. Called once, in the session's loop."""
        self._input.close()
        self._input.clear()
        if self._events is not None:
            self._events.close(failure)
        if not self.done.done():
            self.done.set_result(failure)
        if not self.ready.done():
            self.ready.set_result(None)

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if self._task is None or self._task.done():
            self.end(None)

    def _check_open(self) -> None:
        if self.is_finishing or self._is_detached or self.done.done():
            raise SessionClosed(f"{self.name} takes no more input; start it again")

    def _is_in_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _in_loop(self, work: Callable[[], object]) -> None:
        if self._loop is None:
            return
        if self._is_in_loop():
            work()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)

    def _offer_quietly(self, item: InputT) -> None:
        try:
            self._offer_now(item)
        except SessionClosed:
            return  # the session ended while the item was on its way
        except BackpressureError:
            self._count_drop(item)

    def _offer_now(self, item: InputT) -> None:
        while True:
            try:
                self._input.put_nowait(item)
                return
            except ConsumerTooSlow:
                raise
            except BackpressureError:
                if not self._drops_oldest:
                    raise
            oldest = self._input.get_nowait()
            if oldest is None:
                return
            self._count_drop(oldest)

    def _count_drop(self, item: InputT) -> None:
        if not self.dropped_input:
            _log.warning("speech input overflowed; its oldest part is dropped", extra={"client": self.name})
        self.dropped_input += len(item)
        self._untold_drops += len(item)


async def _guarded_call(function: Callable[..., Any], *args: object) -> None:
    try:
        result = function(*args)
        if inspect.isawaitable(result):
            await result
    except Exception:  # the application's own code; its failure must not end the session
        _log.exception("a callback of the application failed")


def as_voicewire_error(error: Exception, name: str) -> VoicewireError:
    """What an unexpected error of a client's work is told as."""
    if isinstance(error, VoicewireError):
        return error
    wrapped = EngineError(f"{name} failed: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
