"""Tools of a `RealtimeVoice`: its functions, and the handlers that are asked first."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

import anyio.to_thread
import msgspec

from voicewire.agent.progress import ProgressReport
from voicewire.agent.toolkit import Toolkit, result_text
from voicewire.agent.tools import Tool, ToolAnswer, ToolRunner
from voicewire.errors import RealtimeError, VoicewireError
from voicewire.events.session import ToolSpec, tool_specs
from voicewire.voice.callbacks import Callback, Callbacks, positional_arguments
from voicewire.voice.values import ToolCallRequest, ToolCallResult, ToolDefinition


class VoiceToolkit(Toolkit):
    """A toolkit whose calls go to the ``on_tool_call`` handlers first.

    A handler that returns a value has answered, and the function does not run. When all of them return None, the
    function of that name runs. Handlers with one argument get a `ToolCallRequest`, others the name and the
    arguments.

    Args:
        callbacks: Holds the handlers.
        timeout_s: How long a call may take, in seconds, handlers included.
    """

    def __init__(self, callbacks: Callbacks, *, timeout_s: float) -> None:
        super().__init__(timeout_s=timeout_s)
        self._callbacks = callbacks
        self._limit_s = timeout_s
        self._declared: dict[str, ToolSpec] = {}

    def __contains__(self, name: object) -> bool:
        # Every call is answered here: there is no front end that could have the function.
        return True

    def __len__(self) -> int:
        return max(1, super().__len__())

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of each tool."""
        return (*super().specs, *self._declared.values())

    def include(self, tool: object) -> None:
        """Adds a tool in any form: a function, `ToolDefinition`, `Tool`, `Toolkit`, or a tool dictionary.

        Raises:
            RealtimeError: It is none of these, or its name is taken.
        """
        try:
            self._include(tool)
        except VoicewireError as error:
            raise RealtimeError(str(error), "invalid_tool") from error

    def _include(self, tool: object) -> None:
        if isinstance(tool, ToolDefinition):
            parameters = dict(tool.parameters or {"type": "object", "properties": {}})
            self._declare(ToolSpec(name=tool.name, description=tool.description or "", parameters=parameters))
        elif isinstance(tool, ToolSpec):
            self._declare(tool)
        elif isinstance(tool, Mapping):
            for spec in tool_specs([cast("Mapping[str, Any]", tool)]):
                self._declare(spec)
        elif isinstance(tool, Toolkit):
            for each in tool:
                self._add_tool(each)
        elif isinstance(tool, Tool):
            self._add_tool(tool)
        elif callable(tool):
            self.add(cast("Callable[..., Any]", tool))
        else:
            raise RealtimeError(
                f"{tool!r} is not a tool; give a function, a ToolDefinition or a tool dictionary",
                "invalid_tool",
            )

    def _declare(self, spec: ToolSpec) -> None:
        if spec.name in {known.name for known in self.specs}:
            raise RealtimeError(f"two tools are named {spec.name!r}; give each its own name", "invalid_tool")
        self._declared[spec.name] = spec

    def _add_tool(self, tool: Tool) -> None:
        self.add(
            tool.function,
            name=tool.spec.name,
            description=tool.spec.description,
            parameters=tool.spec.parameters,
            timeout_s=tool.timeout_s,
        )

    async def call(
        self,
        name: str,
        arguments: str | Mapping[str, Any] = "{}",
        *,
        on_progress: Callable[[ProgressReport], None] | None = None,
    ) -> ToolAnswer:
        """Runs one call: by a handler, else by the function of that name."""
        handlers = self._callbacks.of("tool_call")
        if handlers:
            asked = await self._asked(handlers, name, arguments)
            if asked is not None:
                return asked
        if name in self._declared:
            return ToolAnswer(f'{{"error": "no on_tool_call handler answers {name}"}}', "failed")
        return await super().call(name, arguments, on_progress=on_progress)

    async def _asked(
        self, handlers: Iterable[Callback], name: str, arguments: str | Mapping[str, Any]
    ) -> ToolAnswer | None:
        """The first answer of a handler, run with a tool's own safety; None when none has one."""
        answered = False

        async def ask(**given: Any) -> str:
            nonlocal answered
            request = ToolCallRequest(call_id="", name=name, arguments=given)
            for handler in handlers:
                result = await _result_of(handler, request)
                if result is not None:
                    answered = True
                    return result_text(result)
            return ""

        text = arguments if isinstance(arguments, str) else msgspec.json.encode(dict(arguments)).decode()
        runner = ToolRunner([Tool(ToolSpec(name=name), ask, self._limit_s)])
        answer = await runner.run(name, text)
        return answer if answered or answer.outcome != "completed" else None


async def _result_of(handler: Callback, request: ToolCallRequest) -> object:
    arguments: tuple[Any, ...] = (request,)
    if positional_arguments(handler, 2) == 2:
        arguments = (request.name, request.arguments)
    if inspect.iscoroutinefunction(handler):
        result: object = await cast("Awaitable[object]", handler(*arguments))
    else:
        result = await anyio.to_thread.run_sync(partial(handler, *arguments), abandon_on_cancel=True)
        if inspect.isawaitable(result):
            result = await cast("Awaitable[object]", result)
    if isinstance(result, ToolCallResult):
        return {"error": result.error} if result.error is not None else result.output
    return result
