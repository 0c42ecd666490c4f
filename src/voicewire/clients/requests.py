"""Requests of a client that wait for the server's answer."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import anyio

from voicewire.clients import server_models as m
from voicewire.clients.rt_items import exception_of

Matches = Callable[[m.ServerMessageBase], bool]


class Request:
    """One request; made by `Requests.open`, and open as long as its ``with`` block.

    Args:
        requests: Where it waits.
        event_id: Id of the message that asks.
        matches: Whether a message answers it.
    """

    def __init__(self, requests: Requests, event_id: str, matches: Matches) -> None:
        self._requests = requests
        self.event_id = event_id
        self.matches = matches
        self._message: m.ServerMessageBase | None = None
        self._error: Exception | None = None
        self._done = anyio.Event()

    def __enter__(self) -> Request:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._requests.forget(self)

    @property
    def is_open(self) -> bool:
        """Whether it has neither an answer nor an error."""
        return self._message is None and self._error is None

    def settle(self, outcome: m.ServerMessageBase | Exception) -> None:
        """Ends the waiting."""
        if isinstance(outcome, Exception):
            self._error = outcome
        else:
            self._message = outcome
        self._done.set()

    async def answer(self) -> m.ServerMessageBase:
        """Waits for the message that answers it; raises what it was refused with."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._message is not None
        return self._message


class Requests:
    """All requests under way, the oldest first."""

    def __init__(self) -> None:
        self._open: list[Request] = []

    def open(self, event_id: str, matches: Matches) -> Request:
        """A new request; use it with ``with``, so that it ends in any case."""
        request = Request(self, event_id, matches)
        self._open.append(request)
        return request

    def forget(self, request: Request) -> None:
        """Nobody waits for it any more."""
        self._open.remove(request)

    def answer(self, message: m.ServerMessageBase) -> bool:
        """Gives a message to the oldest request that it answers; whether there was one."""
        for request in self._open:
            if request.is_open and request.matches(message):
                request.settle(message)
                return True
        return False

    def refuse(self, error: m.RealtimeError) -> bool:
        """Gives an error to the request that caused it; whether there was one."""
        for request in self._open:
            if request.is_open and request.event_id == error.event_id:
                request.settle(exception_of(error))
                return True
        return False

    def fail(self, error: Exception) -> None:
        """No answers will come any more."""
        for request in self._open:
            if request.is_open:
                request.settle(error)
