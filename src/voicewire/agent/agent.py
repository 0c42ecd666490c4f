"""``RealtimeAgent``: a model, its tools and its memory behind one queue of events (seed 002)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

import anyio
import anyio.abc
from anyio import TASK_STATUS_IGNORED
from typing_extensions import Self

from voicewire.agent.memory import exported, restored
from voicewire.agent.outgoing import DEFAULT_SLOW_CONSUMER_S, OutgoingQueue
from voicewire.agent.reception import AgentSettings
from voicewire.agent.run import INSIDE, AgentRun
from voicewire.agent.toolkit import Toolkit
from voicewire.agent.tools import DEFAULT_TIMEOUT_S
from voicewire.agent.wording import Voice
from voicewire.clock import Clock, MonotonicClock
from voicewire.conversation.session_outputs import ConversationState
from voicewire.errors import InvalidEventError, LocalProtocolError, SessionClosed
from voicewire.events.base import EventBase
from voicewire.events.client import ClientSessionEndEvent
from voicewire.events.commands import Command
from voicewire.events.items import Item
from voicewire.events.server import AgentEndedEvent
from voicewire.events.session import SessionConfig, ToolSpec, tool_specs
from voicewire.models.model import RealtimeModel
from voicewire.ownership import TaskOwner, run_to_end

_STOP_S: Final = 5.0
"""How long ``stop`` lets a regular end take: the model's closing handshake, and room for the last events."""


class RealtimeAgent:
    """An agent that one can talk with.

    ::

        agent = RealtimeAgent(name="Friday", sys_prompt="You are helpful.", model=model, toolkit=toolkit)
        queue = asyncio.Queue()
        await agent.start(queue)                      # AgentReadyEvent is in the queue
        await agent.handle_input(ClientEvents.ClientTextAppendEvent(session_id="s", text="Hello"))
        await agent.stop()                            # AgentEndedEvent is in the queue

    ``async with agent:`` stops it at the end; ``run`` runs it in a task of your own.

    **Input.** All client events act. Audio may have any rate and be cut anywhere. Audio of another agent is heard
    like a user's voice, its ``AudioDone`` ends that turn. What is wrong with an event, or beyond the model, is
    reported by an ``AgentErrorEvent``, and the conversation goes on.

    **Output.** The queue gets server events with this agent's id and name. The conversation never waits for it:
    a bounded queue that takes nothing for ``slow_consumer_s`` ends the agent with ``consumer_too_slow``; events
    other than audio are never dropped while the agent runs. The end is always told, by an ``AgentErrorEvent``
    when nobody asked for it and then exactly one ``AgentEndedEvent``; ``end`` holds it too.

    **Tools** run beside the conversation, each with its timeout; they go on when the user interrupts
    (``cancels_tools`` ends them), and the history never has a call without a result. A call of a function in
    ``client_tools``, and every call when there is no toolkit, waits for the front end's ``ClientToolResultEvent``.

    Args:
        name: What it is called.
        sys_prompt: What it is to be.
        model: Whom to talk with.
        toolkit: Functions that the model may call.
        config: The whole configuration of the session, where more than the model's defaults is wanted.
        client_tools: Functions that the front end runs, in any spelling of a function tool.
        cancels_tools: Whether an interruption cancels calls that are running.
        client_tool_timeout_s: How long the front end may take for a result.
        slow_consumer_s: How long a bounded queue may stay full.
        on_interruption: Called on the event loop when delivered speech must be thrown away unplayed.
        reports_playout: Whether ``ClientPlayoutReportEvent`` tells what was heard; else real time is assumed.
        clock: Time; the machine's own by default.

    Concurrency: one event loop; any task may call any method.
    """

    def __init__(
        self,
        name: str,
        sys_prompt: str,
        model: RealtimeModel,
        toolkit: Toolkit | None = None,
        *,
        config: SessionConfig | None = None,
        client_tools: Iterable[ToolSpec | Mapping[str, Any]] = (),
        cancels_tools: bool = False,
        client_tool_timeout_s: float = DEFAULT_TIMEOUT_S,
        slow_consumer_s: float = DEFAULT_SLOW_CONSUMER_S,
        on_interruption: Callable[[], None] | None = None,
        reports_playout: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.id = uuid4().hex
        self.sys_prompt = sys_prompt
        self.model = model
        self.toolkit = toolkit
        self._voice = Voice(self.id, name)
        self._settings = AgentSettings(
            model=model,
            config=config,
            client_tools=tool_specs(client_tools),
            cancels_tools=cancels_tools,
            client_tool_timeout_s=client_tool_timeout_s,
            slow_consumer_s=slow_consumer_s,
            on_interruption=on_interruption,
            reports_playout=reports_playout,
            clock=clock or MonotonicClock(),
        )
        self._restored: tuple[Item, ...] = ()
        self._run: AgentRun | None = None
        self._owner = TaskOwner(f"agent {name}", on_error=_raised_by_start)

    def __repr__(self) -> str:
        return f"<RealtimeAgent {self.name!r} {'running' if self.is_running else 'not running'}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def name(self) -> str:
        """What it is called."""
        return self._voice.agent_name

    @property
    def is_running(self) -> bool:
        """Whether it takes input."""
        return self._run is not None and self._run.is_open

    @property
    def state(self) -> ConversationState:
        """What the conversation is doing; ``idle`` when there is none."""
        return self._run.state if self._run is not None else "idle"

    @property
    def end(self) -> AgentEndedEvent | None:
        """How the last conversation ended; None before and while it runs."""
        return self._run.end if self._run is not None else None

    # ------------------------------------------------------------------ life

    async def start(self, outgoing_queue: OutgoingQueue, *, session_id: str | None = None) -> None:
        """Opens the model and returns when the agent takes input.

        Args:
            outgoing_queue: Gets the agent's events.
            session_id: Id of the front end's session. When it is given, the agent reports that session's
                beginning and end; else it does so after a ``ClientSessionCreateEvent``.

        Raises:
            LocalProtocolError: It is running already.
            SessionClosed: ``stop`` was called meanwhile.
            VoicewireError: Whatever the model's ``open`` raises; the agent can be started again.

        Cancellation: safe; nothing stays open.
        """
        self._check_idle()
        await self._owner.aclose()
        run = self._begin(outgoing_queue, session_id)
        self._owner.start(run.run(), name="conversation")
        try:
            await run.ready.wait()
        except BaseException:
            await self._owner.aclose()
            raise
        if run.opening_error is not None:
            raise run.opening_error
        if not run.is_open and run.end is None:
            await self._owner.aclose()
            raise SessionClosed(f"agent {self.name!r} was stopped while it started")

    async def run(
        self,
        outgoing_queue: OutgoingQueue,
        *,
        session_id: str | None = None,
        task_status: anyio.abc.TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        """Runs the agent in the caller's task, until ``stop`` or its end.

        In a task group it is started with ``await tasks.start(agent.run, queue)``.

        Args:
            outgoing_queue: See ``start``.
            session_id: See ``start``.
            task_status: Told when the agent takes input.

        Raises:
            LocalProtocolError: It is running already.
            VoicewireError: Whatever the model's ``open`` raises.

        Cancellation: ends the agent; everything is closed when it returns.
        """
        await _run_telling(self._begin(outgoing_queue, session_id), task_status)

    def request_stop(self, reason: str = "stopped") -> None:
        """Asks for the end without waiting for it; idempotent, the first reason is the one told."""
        if self._run is not None:
            self._run.request_end(reason)

    async def stop(self) -> None:
        """Ends the conversation and waits until nothing of it is left; idempotent.

        The queue has got the ``AgentEndedEvent`` when it returns, unless the queue is full and nobody takes from
        it. Called by one of the agent's own tools, it asks for the end and returns at once.

        Cancellation: the end is waited for first, at most five seconds and what cancelled tools take.
        """
        await self._stop("stopped")

    async def _stop(self, reason: str) -> None:
        run = self._run
        if run is None:
            return
        run.request_end(reason)
        if INSIDE.get() is run:
            return
        await run_to_end(_ended(run, self._owner), name=f"agent {self.name}: stopping")

    def _check_idle(self) -> None:
        last = self._run
        if last is not None and not last.over.is_set() and last.end is None:
            raise LocalProtocolError(
                f"agent {self.name!r} is running already; await its stop() before it is started again"
            )

    def _begin(self, queue: OutgoingQueue, session_id: str | None) -> AgentRun:
        self._check_idle()
        if self._run is not None:
            # It has ended; what its queue did not take yet is lost.
            self._run.cancel()
            if self._run.has_opened:
                self._restored = ()
        settings = replace(
            self._settings,
            model=self.model,
            instructions=self.sys_prompt,
            toolkit=self.toolkit,
            history=self._restored,
        )
        self._run = AgentRun(self._voice, settings, queue, session_id)
        return self._run

    # ------------------------------------------------------------------ input

    async def handle_input(self, event: EventBase) -> None:
        """Takes one client event, or one server event of another agent.

        Raises:
            LocalProtocolError: The agent was never started.
            SessionClosed: It has ended; carries code and reason.
            InvalidEventError: Not an event at all.

        Cancellation: the event was taken, but for ``ClientSessionEndEvent``: see ``stop``.
        """
        run = self._open_run()
        _check_event(event)
        if isinstance(event, ClientSessionEndEvent):
            await self._stop("ended by the client")
            return
        await run.take(event)
        # Taking never waits, so a loop that does nothing else must let the others run.
        await anyio.lowlevel.checkpoint()

    def send(self, command: Command) -> None:
        """Hands a command to the conversation; it is sent in order.

        Raises:
            LocalProtocolError, SessionClosed: See ``handle_input``.
        """
        self._open_run().command(command)

    def interrupt(self) -> None:
        """Stops what the agent says, or is about to say.

        Raises:
            LocalProtocolError, SessionClosed: See ``handle_input``.
        """
        self._open_run().interrupt()

    def _open_run(self) -> AgentRun:
        run = self._run
        if run is None:
            raise LocalProtocolError(f"agent {self.name!r} is not running; await start(queue) first")
        if not run.is_open:
            if run.end is None and not run.over.is_set():
                raise LocalProtocolError(f"agent {self.name!r} is not ready; wait until start(queue) returns")
            reason, code = ("", 0) if run.end is None else (run.end.reason, run.end.code)
            raise SessionClosed(
                f"agent {self.name!r} has ended ({reason or 'it never started'}); await start(queue) again",
                code=code,
                reason=reason,
            )
        return run

    # ------------------------------------------------------------------ memory

    def history(self) -> list[Item]:
        """What was said, as it was heard, oldest first; of the last conversation when none runs."""
        return list(self._run.history() if self._run is not None else self._restored)

    def export_history(self) -> str:
        """The history as JSON text, for ``restore_history``."""
        return exported(self.history())

    def restore_history(self, data: str | bytes | Mapping[str, Any]) -> None:
        """Gives the agent a memory: the next ``start`` tells it to the model first.

        Args:
            data: What ``export_history`` gave, as text or parsed; it may have been edited.

        Raises:
            LocalProtocolError: The agent is running.
            InvalidEventError: Not such a text; the message names the field at fault.
        """
        if self._run is not None and not self._run.over.is_set():
            raise LocalProtocolError(
                f"agent {self.name!r} is running; await its stop() before its history is restored"
            )
        self._restored = restored(data)
        self._run = None


def _raised_by_start(error: Exception) -> None:
    """``start`` raises what the opening raised; nothing else comes out of a run."""


def _check_event(event: object) -> None:
    if not isinstance(event, EventBase):
        raise InvalidEventError(
            f"an agent takes events, not {type(event).__name__}; make one with ClientEvents.from_json(data)"
        )


async def _ended(run: AgentRun, owner: TaskOwner) -> None:
    with anyio.move_on_after(_STOP_S):
        await run.over.wait()
    run.cancel()
    await run.over.wait()
    await owner.aclose()


async def _run_telling(run: AgentRun, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Runs it and tells when it takes input."""

    async def tell() -> None:
        await run.ready.wait()
        if run.is_open or run.end is not None:
            task_status.started()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        try:
            await run.run()
        except Exception as error:  # not swallowed: raised below, outside the group, which would wrap it
            failure = error
    if failure is not None:
        raise failure
