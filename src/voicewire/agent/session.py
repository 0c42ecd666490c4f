"""The driver of one spoken conversation: a model, the pure core, an ear and a mouth.

``VoiceSession`` owns every task of the conversation in one task group:

=================  ==========================================================================================
task               does
=================  ==========================================================================================
events             reads the connection, gives each event to the core and carries out what the core orders
microphone         reads the source and hands its audio to the core
playout            every 10 ms tells the core what has been heard
sender             sends commands in the order in which they were decided
one for each call  runs a tool
=================  ==========================================================================================

A barge-in needs no task: the event that reports speech is answered, before the next ``await``, by silencing
the sink, reading the heard position and ordering the truncation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import anyio
import anyio.abc

from voicewire.agent.edges import AudioSink, AudioSource, SessionObserver
from voicewire.agent.mouth import Mouth, Observers
from voicewire.agent.outbox import Outbox
from voicewire.agent.tools import Tool, ToolRunner
from voicewire.audio.format import AudioFrame
from voicewire.clock import NS_PER_MS, Clock, MonotonicClock
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
from voicewire.errors import LocalProtocolError, SessionClosed, UnsupportedError, VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import ModelAudioDroppedEvent, ModelErrorEvent
from voicewire.events.session import SessionConfig
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.recording import marks

PLAYOUT_TICK_MS: Final = 10
DEFAULT_LINGER_MS: Final = 1500


class VoiceSession:
    """One conversation between a source, a model and a sink.

    Args:
        model: Whom to talk with.
        source: The user's voice.
        sink: Where the agent's voice goes; it must take the model's output rate or be given audio of its own.
        instructions: What the model is to be.
        config: The whole configuration, where more than the defaults is wanted.
        tools: Functions that the model may call.
        observers: Who watches; called in this order.
        clock: Time; the machine's own by default.
        ends_after_input: End by itself when the source's speech is over and the agent has answered it.
        linger_ms: How long everything must have been quiet for that.

    Concurrency: ``run`` once, in one task; ``send``, ``interrupt`` and ``stop`` from the same event loop.
    """

    def __init__(
        self,
        model: RealtimeModel,
        *,
        source: AudioSource,
        sink: AudioSink,
        instructions: str = "",
        config: SessionConfig | None = None,
        tools: Iterable[Tool] = (),
        observers: Iterable[SessionObserver] = (),
        clock: Clock | None = None,
        ends_after_input: bool = False,
        linger_ms: int = DEFAULT_LINGER_MS,
    ) -> None:
        self._model = model
        self._source = source
        self._sink = sink
        self._instructions = instructions
        self._config = config
        self._tools = ToolRunner(tools)
        self._observers = Observers(observers)
        self._clock = clock or MonotonicClock()
        self._ends_after_input = ends_after_input
        self._linger_ms = linger_ms
        self._core: ConversationSession | None = None
        self._outbox = Outbox()
        self._mouth = Mouth(sink, self._observers)
        self._calls: dict[str, anyio.CancelScope] = {}
        self._tasks: anyio.abc.TaskGroup | None = None
        self._failure: VoicewireError | None = None
        self._has_run = False
        self._started = anyio.Event()
        self._is_stopping = False
        self._origin_ns = 0
        self._quiet_since_ms = 0.0
        self._was_input_finished = False

    @property
    def state(self) -> ConversationState:
        """The conversation as the user sees it."""
        return self._core.state if self._core is not None else "idle"

    @property
    def now_ms(self) -> float:
        """Session time; 0 before the session has begun."""
        if self._core is None:
            return 0.0
        return (self._clock.now_ns() - self._origin_ns) / NS_PER_MS

    async def wait_started(self) -> None:
        """Waits until the model is ready and session time runs. Cancellation: safe."""
        await self._started.wait()

    def history(self) -> tuple[Item, ...]:
        """What was said, as heard."""
        return self._core.history() if self._core is not None else ()

    async def run(self) -> None:
        """Opens everything and runs until the end.

        Returns after ``stop``, after the source has ended and been answered (``ends_after_input``), or when
        the model ends the session in the regular way.

        Raises:
            LocalProtocolError: It ran before.
            VoicewireError: An edge or the model could not be opened, or the connection died.

        Cancellation: ends the conversation; everything is closed when it returns.
        """
        if self._has_run:
            raise LocalProtocolError("a VoiceSession runs once; make a new one")
        self._has_run = True
        opening = self._model.open(
            instructions=self._instructions, tools=self._tools.specs or None, config=self._config
        )
        async with self._source, self._sink, opening as connection:
            await self._converse(connection)
        if self._failure is not None:
            raise self._failure

    def send(self, command: Command) -> None:
        """Hands a command to the conversation; it is sent in order.

        Raises:
            SessionClosed: The session is over, or has not begun.
        """
        self._carry_out(self._open_core().command(command, now_ms=int(self.now_ms)))

    def interrupt(self) -> None:
        """Silences the agent, as the user's voice would.

        Raises:
            SessionClosed: The session is over, or has not begun.
        """
        self._carry_out(self._open_core().interrupt(now_ms=int(self.now_ms)))

    def stop(self) -> None:
        """Ends the conversation now; idempotent."""
        self._is_stopping = True
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    def _open_core(self) -> ConversationSession:
        if self._core is None:
            raise SessionClosed("the session has not begun; await its run() in a task first")
        return self._core

    async def _converse(self, connection: RealtimeConnection) -> None:
        capabilities = self._model.capabilities
        detection = connection.config.turn_detection
        self._origin_ns = self._clock.now_ns()
        self._core = ConversationSession(
            connection.config,
            interrupts_by_itself=detection is not None and detection.interrupt_response,
            supports_truncation=capabilities.supports_truncation,
        )
        self._source.begin(self._origin_ns)
        self._sink.begin(self._origin_ns)
        self._observers.start(self._origin_ns)
        self._started.set()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            if self._is_stopping:
                tasks.cancel_scope.cancel()
            tasks.start_soon(self._guarded, lambda: self._read_events(connection))
            tasks.start_soon(self._guarded, lambda: self._send_commands(connection))
            tasks.start_soon(self._guarded, self._read_source)
            tasks.start_soon(self._guarded, self._follow_playout)
        self._tasks = None

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs one task; its failure ends the session and is raised by ``run`` as itself, in no group."""
        try:
            await work()
        except VoicewireError as error:
            self._failure = self._failure or error
            self.stop()

    async def _read_events(self, connection: RealtimeConnection) -> None:
        core = self._open_core()
        async for event in connection:
            self._carry_out(core.receive(event, now_ms=int(self.now_ms)))
        self.stop()

    async def _send_commands(self, connection: RealtimeConnection) -> None:
        while True:
            command = await self._outbox.take()
            try:
                await connection.send(command)
            except SessionClosed:
                # The event task reports how it ended, with code and reason.
                return
            except UnsupportedError as error:
                # Nothing reached the wire; the conversation goes on without it.
                self._observe(
                    ModelErrorEvent(
                        error_type="unsupported",
                        code="unsupported",
                        message=str(error),
                        command_id=command.command_id,
                    )
                )

    async def _read_source(self) -> None:
        core = self._open_core()
        offset_ms: float | None = None
        async for frame in self._source:
            start_ms = frame.format.ms_of(frame.start_sample)
            if offset_ms is None:
                offset_ms = max(0.0, self.now_ms - frame.duration_ms - start_ms)
                offset_ms = 0.0 if offset_ms < 1.0 else offset_ms
                self._observe(marks.InputStarted(offset_ms=offset_ms + start_ms))
            self._hear_user(core, frame, start_ms + offset_ms)
        self._note_input_end()

    def _hear_user(self, core: ConversationSession, frame: AudioFrame, start_ms: float) -> None:
        self._observers.user_audio(start_ms, frame)
        append = AppendAudio(frame.data, frame.format.sample_rate_hz)
        self._carry_out(core.command(append, now_ms=int(self.now_ms)))
        if dropped := self._outbox.dropped_samples:
            self._outbox.dropped_samples = 0
            rate_hz = frame.format.sample_rate_hz
            self._observe(
                ModelAudioDroppedEvent(samples=dropped, sample_rate_hz=rate_hz, reason="slow connection")
            )
        if self._source.is_finished:
            self._note_input_end()

    def _note_input_end(self) -> None:
        if not self._was_input_finished:
            self._was_input_finished = True
            self._observe(marks.InputEnded())

    async def _follow_playout(self) -> None:
        core = self._open_core()
        next_ns = self._origin_ns
        while True:
            next_ns = max(next_ns + PLAYOUT_TICK_MS * NS_PER_MS, self._clock.now_ns())
            await self._clock.sleep_until_ns(next_ns)
            self._carry_out(self._mouth.report(core, self.now_ms))
            if self._ends_after_input and self._is_answered():
                self.stop()

    def _is_answered(self) -> bool:
        is_busy = self.state != "idle" or bool(self._calls)
        if is_busy or not self._was_input_finished:
            self._quiet_since_ms = self.now_ms
        return self.now_ms - self._quiet_since_ms >= self._linger_ms

    def _carry_out(self, outputs: list[SessionOutput]) -> None:
        """Does what the core orders, in its order, without waiting for anything."""
        for output in outputs:
            match output:
                case SendCommand():
                    self._note_command(output.command)
                    self._outbox.put(output.command)
                case PlayAudio():
                    self._observe(output.event)
                    self._mouth.play(output)
                case FlushPlayout():
                    self._carry_out(self._mouth.flush(self._open_core(), output.generation, self.now_ms))
                case RunTool():
                    if self._tasks is not None:
                        self._tasks.start_soon(self._run_tool, output)
                case CancelTool():
                    if output.call_id in self._calls:
                        self._calls[output.call_id].cancel()
                case StateChanged():
                    self._observe(marks.StateChanged(state=output.state))
                case _:
                    self._observe(output)

    async def _run_tool(self, order: RunTool) -> None:
        self._observe(marks.ToolStarted(call_id=order.call_id, name=order.name, arguments=order.arguments))
        output = ""
        outcome: marks.ToolOutcome = "cancelled"
        with anyio.CancelScope() as scope:
            self._calls[order.call_id] = scope
            try:
                answer = await self._tools.run(order.name, order.arguments)
                output, outcome = answer.output, answer.outcome
            finally:
                del self._calls[order.call_id]
        self._observe(
            marks.ToolFinished(call_id=order.call_id, name=order.name, output=output, outcome=outcome)
        )
        if not scope.cancelled_caught:
            now_ms = int(self.now_ms)
            self._carry_out(self._open_core().tool_finished(order.call_id, output, now_ms=now_ms))

    def _note_command(self, command: Command) -> None:
        """Puts the one command that nothing else shows into the log: the cut that the ledger ordered."""
        if isinstance(command, TruncateItem):
            self._observe(
                marks.TruncationOrdered(
                    item_id=command.item_id,
                    content_index=command.content_index,
                    audio_end_ms=command.audio_end_ms,
                )
            )

    def _observe(self, what: EventBase | marks.Mark) -> None:
        self._observers.event(self.now_ms, what)
