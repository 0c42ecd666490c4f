"""``Toolkit``: plain functions as tools that a model may call."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import anyio.lowlevel
import pydantic_core

from voicewire.agent.mcp_server import McpServer
from voicewire.agent.progress import ProgressReport, current_progress
from voicewire.agent.signatures import FunctionSignature
from voicewire.agent.tools import DEFAULT_TIMEOUT_S, Tool, ToolAnswer, ToolRunner
from voicewire.errors import ConfigError
from voicewire.events.session import ToolSpec

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_F = TypeVar("_F", bound=Callable[..., Any])


class Toolkit:
    """Functions that a model may call, with schemas from their signatures, types and docstrings.

    ::

        toolkit = Toolkit()

        @toolkit.add
        async def get_weather(city: str, days: int = 1) -> str:
            '''Weather of a city.

    Args:
                city: Its name, in English.
                days: How many days ahead.
            '''

    Arguments are checked and converted to the annotated types. A coroutine function is awaited, any other runs
    in a worker thread. Of a generator, async or not, the last value is the result, and those before it are progress;
    a parameter of type `ToolProgress` reports it in numbers and words. Whatever goes wrong in a call becomes an answer
    that tells the model so.

    Args:
        functions: Functions to begin with.
        timeout_s: How long a call may take, in seconds, where ``add`` names no other limit.

    Concurrency: changed and used from one event loop; a change holds from the next start of an agent on.
    """

    def __init__(
        self, functions: Iterable[Callable[..., Any]] = (), *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        if timeout_s <= 0:
            raise ConfigError(f"timeout_s is {timeout_s!r}; give seconds above 0")
        self._timeout_s = timeout_s
        self._tools: dict[str, Tool] = {}
        for function in functions:
            self.add(function)

    def __len__(self) -> int:
        return len(self._tools)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(list(self._tools.values()))

    def __repr__(self) -> str:
        return f"Toolkit({', '.join(self._tools) or 'empty'})"

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of each tool."""
        return tuple(tool.spec for tool in self._tools.values())

    def add(
        self,
        function: _F,
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        preset: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> _F:
        """Adds a function; usable as a decorator.

        Args:
            function: A function, sync or async, a bound method, or any callable.
            name: What the model calls it; the function's own name by default. Letters, digits, ``_``, ``-``.
            description: What it does; from the docstring by default.
            parameters: JSON schema of the arguments, told to the model instead of the one from the signature.
            preset: Arguments that the model neither sees nor sets.
            timeout_s: How long a call may take, in seconds.

        Returns:
            The function.

        Raises:
            ConfigError: The name is taken or not usable, or the signature cannot be said in JSON schema.
        """
        named = name or _name_of(function)
        if _NAME.fullmatch(named) is None:
            raise ConfigError(f"{named!r} cannot name a tool; give name= of 1 to 64 letters, digits, _ or -")
        if named in self._tools:
            raise ConfigError(f"there is a tool named {named!r} already; remove it or give name=")
        signature = FunctionSignature(function, named, preset=preset)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        if limit_s <= 0:
            raise ConfigError(f"timeout_s of tool {named!r} is {limit_s!r}; give seconds above 0")
        spec = ToolSpec(
            name=named,
            description=signature.description if description is None else description,
            parameters=signature.schema if parameters is None else dict(parameters),
        )
        self._tools[named] = Tool(spec, _checked(function, signature), limit_s)
        return function

    def register_tool_function(
        self,
        tool_func: Callable[..., Any],
        preset_kwargs: Mapping[str, Any] | None = None,
        func_name: str | None = None,
        func_description: str | None = None,
        json_schema: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds a function, by the name and arguments that AgentScope has for it.

        Args:
            tool_func: The function.
            preset_kwargs: Arguments that the model neither sees nor sets.
            func_name: What the model calls it.
            func_description: What it does.
            json_schema: The whole schema, ``{"type": "function", "function": {...}}`` or its inner part.

        Raises:
            ConfigError: See ``add``.
        """
        inner: Mapping[str, Any] = (json_schema or {}).get("function", json_schema or {})
        self.add(
            tool_func,
            name=func_name or inner.get("name"),
            description=func_description or inner.get("description"),
            parameters=inner.get("parameters"),
            preset=preset_kwargs,
        )

    def add_mcp(
        self,
        server: McpServer,
        *,
        prefix: str = "",
        only: Iterable[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[str]:
        """Adds the tools of an MCP server; they work while its context is open.

        Args:
            server: It is connected.
            prefix: Goes before each name, where two servers have a tool of one name.
            only: The tools that are wanted, by the server's names; all by default.
            timeout_s: How long a call may take, in seconds.

        Returns:
            What the model calls them: letters that a name cannot have become ``_``.

        Raises:
            ConfigError: The server is not connected, has none of a wanted name, or a name is taken; nothing is added.
        """
        specs = {spec.name: spec for spec in server.tools}
        if missing := [name for name in only or () if name not in specs]:
            raise ConfigError(
                f"MCP server {server.name!r} has no tool {missing[0]!r}; it has: {', '.join(specs) or 'none'}"
                " (its tools are known inside `async with server`)"
            )
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        wanted = list(specs) if only is None else list(only)
        tools = [server.tool(specs[name], prefix=prefix, timeout_s=limit_s) for name in wanted]
        names = [tool.spec.name for tool in tools]
        if taken := [name for name in names if name in self._tools or names.count(name) > 1]:
            raise ConfigError(f"there is a tool named {taken[0]!r} already; give prefix=")
        self._tools.update(zip(names, tools, strict=True))
        return names

    def remove(self, name: str) -> None:
        """Takes a tool out.

        Raises:
            ConfigError: There is none of this name.
        """
        if self._tools.pop(name, None) is None:
            raise ConfigError(
                f"there is no tool named {name!r}; known are: {', '.join(self._tools) or 'none'}"
            )

    remove_tool_function = remove

    def get_json_schemas(self) -> list[dict[str, Any]]:
        """Every tool as ``{"type": "function", "function": {"name", "description", "parameters"}}``."""
        return [
            {
                "type": "function",
                "function": {
                    "name": spec.name,
                    "description": spec.description,
                    "parameters": spec.parameters,
                },
            }
            for spec in self.specs
        ]

    async def call(
        self,
        name: str,
        arguments: str | Mapping[str, Any] = "{}",
        *,
        on_progress: Callable[[ProgressReport], None] | None = None,
    ) -> ToolAnswer:
        """Runs one call.

        Args:
            name: The tool.
            arguments: JSON text, as a model writes it, or a mapping.
            on_progress: Gets what the tool reports, and the values of a generator; on the event loop.

        Returns:
            The output as text, and whether it is a result or says what went wrong: an unknown tool, arguments
            that do not fit, an exception, no result in time. None of these raises.

        Cancellation: a coroutine is cancelled; a function in a worker thread is abandoned, its result dropped.
        """
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments), default=str)
        return await ToolRunner(self._tools.values()).run(name, text, on_progress=on_progress)


def _name_of(function: Callable[..., Any]) -> str:
    inner: Any = function
    while not hasattr(inner, "__name__") and hasattr(inner, "func"):
        inner = inner.func
    return str(getattr(inner, "__name__", type(inner).__name__))


def _checked(function: Callable[..., Any], signature: FunctionSignature) -> Callable[..., Any]:
    """The function behind the check of its arguments, its result as text."""
    if _is_coroutine_function(function):

        async def call_async(**arguments: Any) -> str:
            positional, named = signature.converted(arguments)
            return result_text(await _last_of(function(*positional, **named)))

        return call_async

    def call_sync(**arguments: Any) -> str | Awaitable[str]:
        positional, named = signature.converted(arguments)
        result: object = function(*positional, **named)
        if isinstance(result, AsyncIterable) or inspect.isawaitable(result):
            return _text_of_last(cast("object", result))
        if inspect.isgenerator(result):
            result = _last_value(cast("Iterable[object]", result))
        return result_text(result)

    return call_sync


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    call = getattr(function, "__call__", None)  # noqa: B004  (an object's own async __call__ is meant)
    return is_async or inspect.iscoroutinefunction(call)


async def _text_of_last(result: object) -> str:
    return result_text(await _last_of(result))


async def _last_of(result: object) -> object:
    """The value of an awaitable, the last one of an async generator."""
    if inspect.isawaitable(result):
        result = await result
    if not isinstance(result, AsyncIterable):
        return result
    last: object = None
    async for value in cast("AsyncIterable[object]", result):
        last = value
        _tell(value)
        # A generator that never waits must not keep the event loop to itself.
        await anyio.lowlevel.checkpoint()
    return last


def _last_value(values: Iterable[object]) -> object:
    last: object = None
    for value in values:
        last = value
        _tell(value)
    return last


def _tell(value: object) -> None:
    """A value of a generator: the result as far as it is there."""
    progress = current_progress()
    if progress.is_heard:
        progress.report(message=result_text(value))


def result_text(result: object) -> str:
    """A tool's result as the model reads it.

    Text stays as it is; message blocks, and objects with blocks in ``content``, give their text; everything
    else becomes JSON.
    """
    if isinstance(result, str):
        return result
    blocks: object = getattr(result, "content", result)
    if (
        isinstance(blocks, list)
        and blocks
        and all(_is_block(block) for block in cast("list[object]", blocks))
    ):
        texts = [block.get("text") for block in cast("list[Mapping[str, object]]", blocks)]
        return "\n".join(text for text in texts if isinstance(text, str))
    return pydantic_core.to_json(result, fallback=str).decode()


def _is_block(value: object) -> bool:
    return isinstance(value, Mapping) and "type" in value and ("text" in value or "source" in value)
