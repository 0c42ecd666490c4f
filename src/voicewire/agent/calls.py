"""The function calls of one conversation while they run, here or in the front end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from voicewire.agent.progress import ProgressPace, ProgressReport
from voicewire.agent.toolkit import Toolkit
from voicewire.agent.wording import Voice
from voicewire.conversation.session_outputs import RunTool
from voicewire.conversation.tools import CANCELLED_OUTPUT
from voicewire.events.base import EventBase

if TYPE_CHECKING:
    from voicewire.agent.reception import AgentSettings


@dataclass(slots=True, eq=False)
class _Call:
    order: RunTool
    pace: ProgressPace
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    answered: anyio.Event = field(default_factory=anyio.Event)
    output: str = ""
    """What the front end answered."""


class Calls:
    """Runs every call in a task of its own; each gives exactly one result.

    A call runs in the toolkit when the toolkit has the function. It waits for the front end's result when the
    front end declared the function, or when there is no toolkit (or an empty one). Any other is an unknown
    function, and its result says so.

    Args:
        settings: The functions of the back end, how long the front end may take, and the clock.
        voice: Words events as the agent's.
        tell: Gets the progress of a call, and its result, a cancelled one included; nothing of a call after that.
        on_finished: Called after the result with call id and output, unless the call was cancelled.
    """

    def __init__(
        self,
        settings: AgentSettings,
        voice: Voice,
        *,
        tell: Callable[[EventBase], None],
        on_finished: Callable[[str, str], None],
    ) -> None:
        self._toolkit = settings.toolkit
        self._client_timeout_s = settings.client_tool_timeout_s
        self._clock = settings.clock
        self._voice = voice
        self._tell = tell
        self._on_finished = on_finished
        self._client_names: frozenset[str] = frozenset()
        self._open: dict[str, _Call] = {}

    def declare(self, names: Iterable[str]) -> None:
        """The front end runs the functions of these names."""
        self._client_names = frozenset(names)

    def start(self, order: RunTool, tasks: anyio.abc.TaskGroup) -> None:
        """Begins one call."""
        pace = ProgressPace(partial(self._tell_progress, order), tasks, self._clock)
        call = _Call(order, pace)
        self._open[order.call_id] = call
        tasks.start_soon(self._run, call)

    def cancel(self, call_id: str) -> None:
        """Ends a call without its result; does nothing when it is not open."""
        call = self._open.pop(call_id, None)
        if call is not None:
            call.scope.cancel()
            call.pace.close(CANCELLED_OUTPUT)
            self._tell(self._voice.tool_result(call_id, call.order.name, CANCELLED_OUTPUT))

    def answer(self, call_id: str, output: str) -> bool:
        """The front end's result; False when no call of this id waits for it."""
        call = self._open.get(call_id)
        if call is None or not self._is_client_side(call.order.name) or call.answered.is_set():
            return False
        call.output = output
        call.answered.set()
        return True

    def _is_client_side(self, name: str) -> bool:
        if self._toolkit is not None and name in self._toolkit:
            return False
        return name in self._client_names or not self._toolkit_size

    @property
    def _toolkit_size(self) -> int:
        return 0 if self._toolkit is None else len(self._toolkit)

    async def _run(self, call: _Call) -> None:
        order = call.order
        with call.scope:
            output = await self._output_of(call)
            if self._open.pop(order.call_id, None) is call:
                call.pace.close(output)
                self._tell(self._voice.tool_result(order.call_id, order.name, output))
                self._on_finished(order.call_id, output)

    def _tell_progress(self, order: RunTool, report: ProgressReport) -> None:
        self._tell(self._voice.tool_progress(order.call_id, order.name, report))

    async def _output_of(self, call: _Call) -> str:
        order = call.order
        if not self._is_client_side(order.name):
            toolkit = self._toolkit or Toolkit()
            answer = await toolkit.call(order.name, order.arguments, on_progress=call.pace.take)
            return answer.output
        with anyio.move_on_after(self._client_timeout_s):
            await call.answered.wait()
            return call.output
        return json.dumps({"error": f"the front end gave no result within {self._client_timeout_s:g} s"})
