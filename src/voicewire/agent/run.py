"""One run of an agent: from the opening of its model to the end, whatever ends it.

================  ====================================================================================
task              does
================  ====================================================================================
delivery          moves events into the application's queue; lives longest, so that the end is told
events            reads the connection, gives each event to the core and carries out what it orders
sender            sends commands in the order in which they were decided
closer            closes the connection when the end is asked for
one for each call runs a tool, or waits for the front end to run it
================  ====================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

import anyio
import anyio.abc

from voicewire.agent.calls import Calls
from voicewire.agent.failures import AgentFailure, failure_of
from voicewire.agent.listener import REPORT_WAIT_MS, Listener
from voicewire.agent.outbox import Outbox
from voicewire.agent.outgoing import Outgoing, OutgoingQueue
from voicewire.agent.reception import AgentSettings, Reception
from voicewire.agent.wording import Voice
from voicewire.clock import NS_PER_MS
from voicewire.conversation.session import ConversationSession
from voicewire.conversation.session_outputs import (
    CancelTool,
    ConversationState,
    FlushPlayout,
    PlayAudio,
    RunTool,
    SendCommand,
    SessionOutput,
    StateChanged,
)
from voicewire.errors import ConnectionLost, SessionClosed, VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.client import ClientPlayoutReportEvent
from voicewire.events.commands import (
    CancelResponse,
    Command,
    CreateItem,
    UpdateSession,
)
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelErrorEvent,
    ModelResponseAudioDeltaEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.server import AgentEndedEvent
from voicewire.models.model import RealtimeConnection

_log = logging.getLogger(__name__)

NORMAL_CLOSE: Final = 1000
ABNORMAL_CLOSE: Final = 1006
_MAX_UNSENT_AUDIO_MS: Final = 60_000

INSIDE: Final[ContextVar[AgentRun | None]] = ContextVar("voicewire_agent_run", default=None)
"""The run whose task this is; whoever waits for a run's end from inside of it would wait for ever."""


class AgentRun:
    """One run; made by ``RealtimeAgent``, used once.

    Args:
        voice: Words events as this agent's.
        settings: What the agent is.
        queue: Gets the agent's events.
        session_id: Id of the front end's session, where it is known from the start.

    Concurrency: one event loop.
    """

    def __init__(
        self, voice: Voice, settings: AgentSettings, queue: OutgoingQueue, session_id: str | None
    ) -> None:
        self._voice = voice
        self._settings = settings
        self._core: ConversationSession | None = None
        self._outbox = Outbox(_MAX_UNSENT_AUDIO_MS)
        self._outgoing = Outgoing(queue, slow_consumer_s=settings.slow_consumer_s, on_failure=self._fail)
        self._calls = Calls(settings, voice, tell=self._outgoing.emit, on_finished=self._tool_finished)
        self._reception = Reception(voice, settings, self._calls, self, self._outgoing, session_id)
        self._listener = Listener(voice, reports=settings.reports_playout)
        self._scope = anyio.CancelScope()
        self._tasks: anyio.abc.TaskGroup | None = None
        self._end_reason = ""
        self._ending = anyio.Event()
        self._failure: AgentFailure | None = None
        self._ended: ModelSessionEndedEvent | None = None
        self.opening_error: Exception | None = None
        """Why the model could not be opened."""
        self.end: AgentEndedEvent | None = None
        """How it ended; None before."""
        self.ready = anyio.Event()
        """Set when the agent takes input, and when it never will."""
        self.over = anyio.Event()
        """Set when nothing of the run is left."""
        self._origin_ns = settings.clock.now_ns()

    # ------------------------------------------------------------------ from the application

    @property
    def is_open(self) -> bool:
        """Whether it takes input."""
        return self._core is not None and self.end is None and not self._ending.is_set()

    @property
    def has_opened(self) -> bool:
        """Whether the model was opened."""
        return self._core is not None

    @property
    def state(self) -> ConversationState:
        """What the conversation is doing."""
        return self._core.state if self._core is not None else "idle"

    def history(self) -> tuple[Item, ...]:
        """What was said, as heard."""
        return self._core.history() if self._core is not None else self._settings.history

    async def take(self, event: EventBase) -> None:
        """Takes one event of a front end or another agent; what is wrong with it becomes an error event."""
        try:
            await self._reception.take(event, self._open_core().config)
        except (VoicewireError, ValueError) as error:
            failure = failure_of(error)
            self._outgoing.emit(self._voice.error(failure.error_type, failure.code, failure.message))

    def command(self, command: Command) -> None:
        """Takes one command.

        Raises:
            SessionClosed: The conversation is over.
        """
        self._carry_out(self._open_core().command(command, now_ms=self._now_ms))

    def interrupt(self) -> None:
        """Stops the response under way, also one that was asked for and has not begun."""
        core = self._open_core()
        outputs = core.interrupt(now_ms=self._now_ms)
        if not outputs and core.state == "thinking" and not core.open_tools:
            outputs = core.command(CancelResponse(), now_ms=self._now_ms)
        self._carry_out(outputs)

    def played(self, report: ClientPlayoutReportEvent) -> None:
        """Takes what the front end has played into the ledger, and tells what the ledger then holds."""
        self._carry_out(self._listener.played(self._open_core(), report, self._now_ms))

    def request_end(self, reason: str) -> None:
        """Asks for the end; idempotent, the first reason counts."""
        if not self._ending.is_set():
            self._end_reason = reason
            self._ending.set()
            if self._core is None:
                self.cancel()

    def cancel(self) -> None:
        """Ends it at once; events that the queue does not take are lost."""
        self._scope.cancel()

    # ------------------------------------------------------------------ the run

    async def run(self) -> None:
        """Opens the model and returns when everything is over.

        Raises:
            Exception: Whatever the model's ``open`` raised.

        Cancellation: ends the run; the end is reported as far as the queue has room.
        """
        token = INSIDE.set(self)
        try:
            with self._scope:
                async with anyio.create_task_group() as delivery:
                    delivery.start_soon(self._outgoing.deliver)
                    try:
                        await self._open_and_talk()
                    finally:
                        self._report_end()
                        self._outgoing.close()
        finally:
            INSIDE.reset(token)
            self._outgoing.flush()
            self.ready.set()
            self.over.set()
        if self.opening_error is not None:
            raise self.opening_error

    async def _open_and_talk(self) -> None:
        settings = self._settings
        try:
            specs = self._reception.tool_specs(settings.client_tools)
            async with settings.model.open(
                instructions=settings.instructions, tools=specs or None, config=settings.config
            ) as connection:
                for item in settings.history:
                    await connection.send(CreateItem(item=item))
                await self._talk(connection)
        # The boundary to the model: its failure is told to whoever started the agent, or by events.
        except Exception as error:
            if self._core is None:
                self.opening_error = error
            else:
                self._fail(error)

    async def _talk(self, connection: RealtimeConnection) -> None:
        detection = connection.config.turn_detection
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._core = ConversationSession(
                connection.config,
                has_playout=self._listener.reports,
                interrupts_by_itself=detection is not None and detection.interrupt_response,
                supports_truncation=self._settings.model.capabilities.supports_truncation,
                cancels_tools=self._settings.cancels_tools,
            )
            self._outgoing.emit(self._voice.ready())
            self._reception.opened(connection.session_id)
            self.ready.set()
            for work in (self._read_events, self._send_commands, self._close_on_request):
                tasks.start_soon(self._guarded, work, connection)

    async def _guarded(
        self, work: Callable[[RealtimeConnection], Awaitable[None]], connection: RealtimeConnection
    ) -> None:
        try:
            await work(connection)
        # A task boundary: the failure ends this run with an event, and never the task group of others.
        except Exception as error:
            self._fail(error)

    async def _read_events(self, connection: RealtimeConnection) -> None:
        core = self._open_core()
        is_plain = not self._listener.reports
        try:
            async for event in connection:
                if is_plain and type(event) is ModelResponseAudioDeltaEvent and core.plays_on(event):
                    self._outgoing.emit(self._voice.audio(event))
                else:
                    self._carry_out(core.receive(event, now_ms=self._now_ms))
        finally:
            self._stop_tasks()

    async def _send_commands(self, connection: RealtimeConnection) -> None:
        while True:
            command = await self._outbox.take()
            try:
                await connection.send(command)
            except SessionClosed:
                # The event task reports how it ended, with code and reason.
                return
            except (VoicewireError, ValueError) as error:
                # Nothing of it took effect; the core must not wait for an answer to it.
                self._reception.updates -= isinstance(command, UpdateSession)
                event = _refused(command, error)
                self._carry_out(self._open_core().receive(event, now_ms=self._now_ms))

    async def _close_on_request(self, connection: RealtimeConnection) -> None:
        await self._ending.wait()
        await connection.aclose()

    def _fail(self, error: Exception) -> None:
        """The run ends because of this; the first failure counts."""
        if self._failure is None:
            self._failure = failure_of(error)
            if not isinstance(error, VoicewireError):
                _log.error("agent failed", exc_info=error)
        self._stop_tasks()

    def _stop_tasks(self) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    def _report_end(self) -> None:
        """Ends what is open, then tells of the end: an error first, when nobody asked for it."""
        core = self._core
        if core is None:
            return
        failure, is_asked_for = self._failure, self._ending.is_set()
        if not core.is_closed:
            is_asked_for = is_asked_for or failure is None
            self._carry_out(core.receive(_missing_end(failure, self._end_reason), now_ms=self._now_ms))
        ended = self._ended or ModelSessionEndedEvent(session_id="", reason="", code=NORMAL_CLOSE)
        code, reason = ended.code, ended.reason
        if is_asked_for:
            code, reason = NORMAL_CLOSE, self._end_reason or reason
        elif failure is not None or not ended.is_expected:
            kind = ConnectionLost if code == ABNORMAL_CLOSE else SessionClosed
            failure = failure or failure_of(kind(reason or "the model ended the session", code=code))
            self._outgoing.emit(self._voice.error(failure.error_type, failure.code, failure.message))
        self.end = self._voice.ended(reason, code)
        self._outgoing.emit(self.end)
        self._reception.closed(reason, code)

    # ------------------------------------------------------------------ output

    def _carry_out(self, outputs: list[SessionOutput]) -> None:
        """Does what the core orders, in its order, without waiting for anything."""
        for output in outputs:
            match output:
                case PlayAudio():
                    self._listener.follow(output.item_id, output.content_index)
                    self._outgoing.emit(self._voice.audio(output.event))
                case SendCommand():
                    self._send(output.command)
                case FlushPlayout():
                    self._outgoing.drop_audio()
                    if self._listener.reports and self._tasks is not None:
                        self._outgoing.emit(self._voice.flush(output.generation))
                        self._tasks.start_soon(self._wait_for_listener, output.generation)
                    if self._settings.on_interruption is not None:
                        self._settings.on_interruption()
                case RunTool():
                    if self._tasks is not None:
                        self._calls.start(output, self._tasks)
                case CancelTool():
                    self._calls.cancel(output.call_id)
                case StateChanged():
                    pass
                case ModelSessionEndedEvent():
                    self._ended = output
                case ModelSessionUpdatedEvent():
                    self._reception.confirm_update()
                case _:
                    for event in self._voice.events(output):
                        self._outgoing.emit(event)
        for event in self._listener.news(self._core):
            self._outgoing.emit(event)

    def _send(self, command: Command) -> None:
        self._outbox.put(command)
        if isinstance(command, UpdateSession):
            self._reception.updates += 1
        if dropped := self._outbox.dropped_samples:
            self._outbox.dropped_samples = 0
            message = f"the connection is too slow: {dropped} samples of the user's audio were dropped"
            self._outgoing.emit(self._voice.error("audio_dropped", "input_audio_dropped", message))

    async def _wait_for_listener(self, generation: int) -> None:
        """A front end that does not report what it had played when it was flushed is not waited for."""
        clock = self._settings.clock
        await clock.sleep_until_ns(clock.now_ns() + REPORT_WAIT_MS * NS_PER_MS)
        self._carry_out(self._open_core().flushed(generation, now_ms=self._now_ms))

    def _tool_finished(self, call_id: str, output: str) -> None:
        self._carry_out(self._open_core().tool_finished(call_id, output, now_ms=self._now_ms))

    def _open_core(self) -> ConversationSession:
        if self._core is None:
            raise SessionClosed("the agent is not ready; await its start first")
        return self._core

    @property
    def _now_ms(self) -> int:
        return (self._settings.clock.now_ns() - self._origin_ns) // NS_PER_MS


def _missing_end(failure: AgentFailure | None, reason: str) -> ModelSessionEndedEvent:
    """The end that the model did not report."""
    if failure is None:
        return ModelSessionEndedEvent(
            session_id="", reason=reason or "cancelled", code=NORMAL_CLOSE, is_expected=True
        )
    return ModelSessionEndedEvent(session_id="", reason=failure.reason, code=failure.close_code)


def _refused(command: Command, error: Exception) -> ModelErrorEvent:
    """A command that could not be sent."""
    failure = failure_of(error)
    return ModelErrorEvent(
        error_type=failure.error_type, code=failure.code, message=str(error), command_id=command.command_id
    )
