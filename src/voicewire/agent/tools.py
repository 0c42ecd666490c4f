"""Functions of the application that a model may call, and running them safely."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import anyio
import anyio.to_thread

from voicewire.agent.progress import ProgressReport, reporting
from voicewire.errors import ConfigError
from voicewire.events.session import ToolSpec
from voicewire.recording.marks import ToolOutcome

DEFAULT_TIMEOUT_S: Final = 30.0

ToolFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with what the model is told about it."""

    spec: ToolSpec
    function: ToolFunction
    """Called with the arguments by name; a coroutine function is awaited, another runs in a worker thread."""
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a call gave, as the model is told."""

    output: str
    outcome: ToolOutcome


class ToolRunner:
    """Runs calls by name.

    Args:
        tools: The functions.

    Raises:
        ConfigError: Two of them have one name.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.spec.name in self._tools:
                raise ConfigError(f"two tools are named {tool.spec.name!r}; give each its own name")
            self._tools[tool.spec.name] = tool

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told."""
        return tuple(tool.spec for tool in self._tools.values())

    async def run(
        self, name: str, arguments: str, *, on_progress: Callable[[ProgressReport], None] | None = None
    ) -> ToolAnswer:
        """Runs one call; whatever goes wrong in it becomes an answer that says so.

        Args:
            name: The function's name, as the model wrote it.
            arguments: JSON text, as the model wrote it.
            on_progress: Gets what the function reports and yields before it has its result; on the event loop.

        Cancellation: a coroutine is cancelled; one in a worker thread is abandoned, its result dropped.
        """
        tool = self._tools.get(name)
        if tool is None:
            return _failed(
                f"there is no function named {name!r}; known are: {', '.join(self._tools) or 'none'}"
            )
        try:
            parsed: object = json.loads(arguments or "{}")
        except ValueError as error:
            return _failed(f"the arguments are not JSON: {error}")
        if not isinstance(parsed, dict):
            return _failed("the arguments are not a JSON object")
        with reporting(on_progress), anyio.move_on_after(tool.timeout_s) as scope:
            try:
                return ToolAnswer(
                    _as_text(await _call(tool.function, cast("dict[str, object]", parsed))), "completed"
                )
            # The boundary to the application's own code: its failure is the model's to hear.
            except Exception as error:
                return _failed(f"{type(error).__name__}: {error}")
        if scope.cancelled_caught:
            return ToolAnswer(_error(f"no answer within {tool.timeout_s:g} s"), "timed_out")
        return _failed("the function gave no answer")


async def _call(function: ToolFunction, arguments: dict[str, object]) -> object:
    if inspect.iscoroutinefunction(function):
        return await cast("Awaitable[object]", function(**arguments))
    result: object = await anyio.to_thread.run_sync(partial(function, **arguments), abandon_on_cancel=True)
    return await cast("Awaitable[object]", result) if inspect.isawaitable(result) else result


def _as_text(result: object) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)


def _error(message: str) -> str:
    return json.dumps({"error": message}, ensure_ascii=False)


def _failed(message: str) -> ToolAnswer:
    return ToolAnswer(_error(message), "failed")
