"""Listeners by the name of an event, called one after the other, none able to break another."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from voicewire.errors import LocalProtocolError

_log = logging.getLogger("voicewire.clients")

Listener = Callable[..., Any]
ListenerT = TypeVar("ListenerT", bound=Listener)


class EventData(dict[str, Any]):
    """A message of the wire: its fields as keys and, as in the document, as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            value: Any = self[name]
        except KeyError:
            raise AttributeError(f"the event {self.get('type')!r} has no field {name!r}") from None
        return EventData(cast("dict[str, Any]", value)) if isinstance(value, dict) else value


class Emitter:
    """Calls listeners in the order in which they were added.

    A listener that raises is reported to those of ``error`` (one of ``error`` itself: to the log), and the next one is
    called. Async listeners are awaited.

    Concurrency: one event loop.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, list[tuple[Listener, bool]]] = {}

    def add(self, event: str, listener: ListenerT, *, is_once: bool) -> ListenerT:
        """Adds a listener.

        Raises:
            LocalProtocolError: It cannot be called.
        """
        if not callable(listener):
            raise LocalProtocolError(f"a listener of {event!r} is a function, not {listener!r}")
        self._listeners.setdefault(event, []).append((listener, is_once))
        return listener

    def remove(self, event: str, listener: Listener | None) -> None:
        """Removes a listener, or all of an event."""
        if listener is None:
            self._listeners.pop(event, None)
            return
        kept = [entry for entry in self._listeners.get(event, []) if entry[0] is not listener]
        self._listeners[event] = kept

    def clear(self) -> None:
        """Removes all listeners."""
        self._listeners.clear()

    def has(self, event: str) -> bool:
        """Whether an event has listeners."""
        return bool(self._listeners.get(event))

    async def emit(self, event: str, data: EventData) -> None:
        """Calls the listeners of an event.

        Cancellation: goes on; listeners that were not called yet are not called.
        """
        listeners = self._listeners.get(event)
        if not listeners:
            return
        called = tuple(listeners)
        for entry in called:
            listener, is_once = entry
            if len(called) > 1 and entry not in self._listeners.get(event, ()):
                continue  # removed by a listener before it
            if is_once:
                self._listeners[event].remove(entry)
            try:
                result: object = listener(data)
                if result is not None and inspect.isawaitable(result):
                    await cast("Awaitable[object]", result)
            # The boundary to the application's own code: its failure is reported, the conversation goes on.
            except Exception as error:
                await self._failed(event, error)

    async def _failed(self, event: str, error: Exception) -> None:
        _log.error("a listener failed", exc_info=error, extra={"event": event})
        if event != "error":
            message = f"a listener of {event!r} raised {type(error).__name__}: {error}"
            trouble = {"type": "listener_error", "code": "listener_failed", "message": message}
            await self.emit("error", EventData(type="error", error=trouble, exception=error))
