"""What runs beside a hosted conversation: ends with it, and breaks no more than it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio
import anyio.abc

from voicewire.errors import InferenceError, VoicewireError


class SessionTasks:
    """The tasks of one session, in a task group that its opener owns.

    Args:
        name: Name of the model, for errors and task names.
        group: Where the tasks run; joined by whoever opened the session.
        fail: Ends the session because of an error.
    """

    def __init__(self, name: str, group: anyio.abc.TaskGroup, fail: Callable[[VoicewireError], None]) -> None:
        self._name = name
        self._group = group
        self._fail = fail
        self._scopes: set[anyio.CancelScope] = set()
        self._is_over = False

    def spawn(self, work: Callable[..., Awaitable[None]], args: tuple[object, ...], name: str) -> None:
        """Starts one task."""
        self._group.start_soon(self._run, work, args, name=f"{self._name}: {name}")

    def cancel(self) -> None:
        """Ends all tasks; the group's own body, which is the application, goes on."""
        self._is_over = True
        for scope in list(self._scopes):
            scope.cancel()

    @contextmanager
    def failing_alone(self) -> Generator[None, None, None]:
        """What breaks in here ends its own session, not the application or the process."""
        try:
            yield
        except VoicewireError as error:
            self._fail(error)
        except Exception as error:  # a boundary: what is behind it may be anything a user plugged in
            failure = InferenceError(f"{self._name} broke: {error!r}; the session is over")
            failure.__cause__ = error
            self._fail(failure)

    async def _run(self, work: Callable[..., Awaitable[None]], args: tuple[object, ...]) -> None:
        with anyio.CancelScope() as scope:
            if self._is_over:
                return
            self._scopes.add(scope)
            try:
                with self.failing_alone():
                    await work(*args)
            finally:
                self._scopes.discard(scope)
