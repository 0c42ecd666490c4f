"""The functions that an application registers, and calling them so that none breaks anything."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

from voicewire.errors import RealtimeError

_log = logging.getLogger(__name__)

Callback = Callable[..., Any]
CallbackT = TypeVar("CallbackT", bound=Callback)

EVENTS: Final = (
    "audio",
    "transcript",
    "tool_call",
    "tool_progress",
    "connect",
    "disconnect",
    "error",
    "interrupted",
    "response_done",
)


class Callbacks:
    """Registered functions by event, several for each, called in the order of their registration.

    Concurrency: changed and called from one event loop.
    """

    def __init__(self) -> None:
        self._by_event: dict[str, list[Callback]] = {event: [] for event in EVENTS}

    def add(self, event: str, callback: CallbackT) -> CallbackT:
        """Registers a function, sync or async, and gives it back: usable as a decorator.

        Raises:
            RealtimeError: It cannot be called.
        """
        if not callable(callback):
            raise RealtimeError(
                f"on_{event} takes a function, not {callback!r}; write @voice.on_{event} without brackets",
                "invalid_callback",
            )
        self._by_event[event].append(callback)
        return callback

    def with_more(self, others: Callbacks) -> Callbacks:
        """A copy with the functions of another registry after its own."""
        joined = Callbacks()
        for event in EVENTS:
            joined._by_event[event] = [*self._by_event[event], *others._by_event[event]]
        return joined

    def of(self, event: str) -> tuple[Callback, ...]:
        """The functions of an event."""
        return tuple(self._by_event[event])

    def listeners(self, event: str) -> Sequence[Callback]:
        """The functions of an event; shows those that are added later too."""
        return self._by_event[event]

    def has(self, event: str) -> bool:
        """Whether an event has any."""
        return bool(self._by_event[event])

    async def call(self, event: str, *arguments: Any) -> None:
        """Calls every function of an event, with as many of the arguments as it takes.

        One that raises is reported to ``on_error``, and the next one is called.

        Cancellation: goes on; what was not called yet is not called.
        """
        for callback in self.of(event):
            await self._call_one(event, callback, arguments)

    async def _call_one(self, event: str, callback: Callback, arguments: tuple[Any, ...]) -> None:
        try:
            result: object = callback(*_fitting(callback, arguments))
            if inspect.isawaitable(result):
                await cast("Awaitable[object]", result)
        # The boundary to the application's own code: its failure is reported, the conversation goes on.
        except Exception as error:
            await self.failed(event, error)

    async def failed(self, event: str, error: Exception) -> None:
        """Reports what a function of an event has raised: to ``on_error``, else to the log."""
        if event == "error" or not self.has("error"):
            _log.error("a callback failed", exc_info=error, extra={"event": f"on_{event}"})
        if event != "error":
            await self.call("error", error)


def _fitting(callback: Callback, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The leading arguments that a function has room for, the last one only where it asks for it."""
    if len(arguments) < 3:
        return arguments
    return arguments[: positional_arguments(callback, len(arguments))]


def positional_arguments(callback: Callback, most: int) -> int:
    """How many positional arguments a function takes, at most ``most``; ``most`` where nobody knows."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return most
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return most
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(most, sum(parameter.kind in kinds for parameter in parameters))
