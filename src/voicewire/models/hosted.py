"""A conversation whose model runs in this process: host + performer + one bounded stream of events.

The connection does what all such models have in common; a `Performer` only hears the input and carries out work
orders. ``echo``, ``scripted`` and the embedded engine are performers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Protocol

import anyio
import anyio.abc
import anyio.lowlevel

from voicewire.audio.format import AudioFrame
from voicewire.clock import NS_PER_MS, Clock, MonotonicClock
from voicewire.conversation.heard import WordSpan
from voicewire.conversation.host import ConversationHost
from voicewire.conversation.orders import (
    HostOutput,
    StartResponse,
    StopGeneration,
    TranscribeInput,
    WorkOrder,
)
from voicewire.errors import (
    ConnectionLost,
    ConsumerTooSlow,
    SessionClosed,
    VoicewireError,
)
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.model import ResponseStatus, TokenUsage
from voicewire.events.session import SessionConfig
from voicewire.models.hosted_audio import OutputAudio, check_format
from voicewire.models.hosted_in import AudioIn
from voicewire.models.hosted_out import EventsOut, HostedLimits
from voicewire.models.hosted_tasks import SessionTasks
from voicewire.models.inbox import ThreadInbox
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import check_command, check_config
from voicewire.streams import StreamStatistics

NORMAL_CLOSE = 1000
CUT = 1006
TOO_SLOW_CLOSE = 1008
INTERNAL_ERROR_CLOSE = 1011


class Performer(Protocol):
    """The model behind a hosted connection. Both calls come from the loop and return within 2 ms."""

    def on_audio(self, frame: AudioFrame) -> None:
        """More input, 16-bit mono at the host's input rate, right after the frame before."""
        ...

    def on_order(self, order: WorkOrder) -> None:
        """Something is to be done. Input audio that an order names can be read during this call."""
        ...


class HostedConnection(RealtimeConnection):
    """One conversation in this process. Made by `open_hosted`.

    Everything that changes the host happens on the event loop, in calls that do not wait: that makes the
    conversation's single writer. Events go through one stream; a full one ends the session, it never makes the
    conversation wait. Audio of a response that was interrupted is taken out of the stream and declared dropped.

    Concurrency: one task iterates, any number of tasks send and close.
    """

    def __init__(
        self,
        *,
        name: str,
        config: SessionConfig,
        capabilities: Capabilities,
        clock: Clock,
        limits: HostedLimits,
        session_id: str,
        ids: Callable[[str], str],
        tasks: anyio.abc.TaskGroup,
    ) -> None:
        self._name = name
        self._capabilities = capabilities
        self._limits = limits
        self._clock = clock
        self._beside = SessionTasks(name, tasks, self._broke)
        self._host = ConversationHost(
            session_id=session_id, config=config, ids=ids, input_rate_hz=capabilities.input_rates_hz[0]
        )
        self._performer: Performer | None = None
        self._is_attended = anyio.Event()
        self._out = EventsOut(name, self._host, limits)
        self._in = AudioIn(self._host, capabilities.input_rates_hz, limits, hear=self._hear, apply=self.apply)
        self._backlog: deque[HostOutput] = deque()
        self._is_applying = False
        self._is_ended = False
        self._sending = anyio.Lock()
        self._outputs: dict[int, OutputAudio] = {}
        self._inbox: ThreadInbox | None = None

    def __repr__(self) -> str:
        return f"<HostedConnection {self._name} {'ended' if self._is_ended else 'open'}>"

    # ------------------------------------------------------------------ the narrow door

    @property
    def session_id(self) -> str:
        """Id of this session."""
        return self._host.session_id

    @property
    def config(self) -> SessionConfig:
        """The effective configuration."""
        return self._host.config

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do."""
        return self._capabilities

    def statistics(self) -> StreamStatistics:
        """Depth, high-water mark and weight (microseconds of audio) of the events that wait to be taken."""
        return self._out.statistics()

    async def send(self, command: Command) -> None:
        """Sends one command; it has taken effect when this returns.

        Raises:
            UnsupportedError: The model lacks the capability; nothing happened.
            AudioError: The audio cannot be converted.
            SessionClosed: The session is over.

        What needs a performer that still loads waits for it, and keeps the order of what comes after.

        Cancellation: the command was then not sent; once begun it is finished.
        """
        async with self._sending:
            if _needs_performer(command):
                await self._is_attended.wait()
            if self._is_ended:
                raise SessionClosed(f"the session with {self._name} is over; open a new one")
            if isinstance(command, AppendAudio):
                with anyio.CancelScope(shield=True):
                    for piece in self._in.slices(command):
                        self._in.append(piece)
                        await anyio.lowlevel.checkpoint()
                return
            self._check(command)
            if isinstance(command, CommitAudio):
                self._in.finish()
            elif isinstance(command, ClearAudio):
                self._in.clear()
            self.apply(self._host.receive(command, now_ms=self.now_ms))
            self._in.forget()

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return self._out

    async def aclose(self) -> None:
        """Ends the session; idempotent. The iterator yields what is left, the end event, and stops."""
        self.end(NORMAL_CLOSE, "closed", is_expected=True)
        await anyio.lowlevel.checkpoint()

    # ------------------------------------------------------------------ for the performer

    @property
    def host(self) -> ConversationHost:
        """The conversation. What its methods return goes into ``apply``."""
        return self._host

    @property
    def clock(self) -> Clock:
        """The clock of this session."""
        return self._clock

    @property
    def now_ms(self) -> int:
        """The clock in milliseconds."""
        return self._clock.now_ns() // NS_PER_MS

    @property
    def is_ended(self) -> bool:
        """Whether the session is over."""
        return self._is_ended

    @property
    def inbox(self) -> ThreadInbox:
        """Where engine threads put their facts; a task of the connection applies them."""
        if self._inbox is None:
            self._inbox = ThreadInbox(
                max_items=self._limits.max_inbox_facts, is_open=self._host.is_open_generation
            )
            self.spawn(self._take_facts, name="facts of engine threads")
        return self._inbox

    def apply(self, outputs: Sequence[HostOutput]) -> None:
        """Emits the events and hands out the orders of one host call, in order. Never waits.

        A performer may call the host and this again while it is carrying out an order; what that gives comes
        after what is still to be applied.
        """
        if self._is_ended:
            return
        self._backlog.extend(outputs)
        if self._is_applying:
            return
        self._is_applying = True
        try:
            while self._backlog:
                output = self._backlog[0]
                if isinstance(output, EventBase):
                    self._out.emit(output)
                    self._backlog.popleft()
                else:
                    self._backlog.popleft()
                    self._hand_out(output)
        except ConsumerTooSlow as error:
            self.end(TOO_SLOW_CLOSE, str(error), error=error)
        finally:
            self._is_applying = False

    def spawn(self, work: Callable[..., Awaitable[None]], *args: object, name: str) -> None:
        """Runs something beside the conversation, until it ends or the session does.

        An exception that comes out of it ends the session (code 1011).
        """
        self._beside.spawn(work, args, name)

    def input_audio(self, start_sample: int, end_sample: int) -> bytes:
        """Input audio, 16-bit mono at the input rate, as far as it is still kept."""
        return self._in.take(start_sample, end_sample)

    def response_audio(
        self, generation: int, pcm16: bytes, rate_hz: int, words: Sequence[WordSpan] = ()
    ) -> None:
        """A piece of a response's audio, at the model's rate; converted to the session's format.

        Args:
            generation: The response.
            pcm16: 16-bit mono.
            rate_hz: Its rate.
            words: Where words lie in the response's audio, counted at ``rate_hz`` from its first sample.
        """
        output = self._outputs.get(generation)
        if output is not None:
            pcm = output.fit(pcm16, rate_hz)
            spans = output.fit_words(words, rate_hz)
            self.apply(self._host.response_audio(generation, pcm, spans, now_ms=self.now_ms))

    def response_finished(
        self,
        generation: int,
        usage: TokenUsage,
        *,
        status: ResponseStatus = "completed",
        reason: str = "",
        message: str = "",
    ) -> None:
        """A response is complete: gives what the conversion still holds, then its end."""
        output = self._outputs.get(generation)
        if output is None:
            return
        rest = output.finish()
        if rest:
            self.apply(self._host.response_audio(generation, rest, now_ms=self.now_ms))
        self.apply(
            self._host.response_finished(
                generation, usage, status=status, reason=reason, message=message, now_ms=self.now_ms
            )
        )
        self._outputs.pop(generation, None)

    def response_failed(self, generation: int, *, code: str, message: str) -> None:
        """A response cannot be made."""
        self._outputs.pop(generation, None)
        self.apply(self._host.response_failed(generation, code=code, message=message, now_ms=self.now_ms))

    async def room(self) -> None:
        """Waits while much of the reply audio is not taken yet; for performers that are faster than speech.

        Cancellation: safe.
        """
        await self._out.room()

    def end(
        self, code: int, reason: str, *, is_expected: bool = False, error: VoicewireError | None = None
    ) -> None:
        """Ends the session, whoever asks for it; idempotent, the first call decides.

        Args:
            code: Close code; 1006 tells a gateway to cut its own socket without a closing handshake.
            reason: Why, for a person.
            is_expected: Whether our side asked for it; else the iterator raises.
            error: What the iterator raises; `ConnectionLost` for 1006 and `SessionClosed` for others by default.
        """
        if self._is_ended:
            return
        self._is_ended = True
        outputs = self._host.close(code=code, reason=reason, is_expected=is_expected, now_ms=self.now_ms)
        # What was due before the end stays due: those events come first, whatever the bounds say.
        last = [output for output in (*self._backlog, *outputs) if isinstance(output, EventBase)]
        self._backlog.clear()
        if error is None and not is_expected:
            kind = ConnectionLost if code in (CUT, INTERNAL_ERROR_CLOSE) else SessionClosed
            error = kind(f"{self._name} ended the session ({code}): {reason}", code=code, reason=reason)
        self._out.close(error, last)
        self._is_attended.set()
        if self._inbox is not None:
            self._inbox.close()
        self._beside.cancel()

    # ------------------------------------------------------------------ inside

    def begin(self) -> None:
        """Begins the session; once, by `open_hosted`."""
        self.apply(self._host.open())

    def attend(self, performer: Performer) -> None:
        """Takes the performer; once, by `open_hosted`, before or after the beginning."""
        self._performer = performer
        self._is_attended.set()

    def _broke(self, error: VoicewireError) -> None:
        self.end(INTERNAL_ERROR_CLOSE, str(error), error=error)

    def _check(self, command: Command) -> None:
        check_command(self._name, self._capabilities, command)
        if isinstance(command, UpdateSession):
            check_session(self._name, self._capabilities, self._host.config.updated(command))

    def _hear(self, frame: AudioFrame) -> None:
        if self._performer is not None and not self._is_ended:
            with self._beside.failing_alone():
                self._performer.on_audio(frame)

    def _hand_out(self, order: WorkOrder) -> None:
        if isinstance(order, StartResponse):
            self._outputs[order.generation] = OutputAudio(order.config.output_format)
        elif isinstance(order, StopGeneration):
            self._outputs.pop(order.generation, None)
            # Declared at once, ahead of the response's own end: what is taken after it holds no audio of it.
            self._backlog.extendleft(reversed(self._out.silence(order.response_id)))
            if self._inbox is not None:
                self._inbox.wake()
        elif isinstance(order, TranscribeInput):
            self._out.shelf.add(order.item_id, self._in.take_turn(order, self._host.config.input_format))
        if self._performer is not None:
            with self._beside.failing_alone():
                self._performer.on_order(order)

    async def _take_facts(self) -> None:
        inbox = self.inbox
        while True:
            for fact in await inbox.take():
                self.apply(fact(self._host))


def _needs_performer(command: Command) -> bool:
    """Whether a command is, or asks for, work of the model; others only change what the host keeps."""
    if isinstance(command, CreateItem):
        return any(part.kind == "audio" for part in command.item.content)
    return not isinstance(
        command, CancelResponse | ClearAudio | DeleteItem | RetrieveItem | TruncateItem | UpdateSession
    )


def check_session(name: str, capabilities: Capabilities, config: SessionConfig) -> None:
    """Refuses what neither the model nor the conversion can do.

    Raises:
        UnsupportedError: See `voicewire.models.opening.check_config` and `check_format`.
    """
    check_config(name, capabilities, config)
    check_format(name, config.input_format)
    check_format(name, config.output_format)


def counting_ids(session: str) -> Callable[[str], str]:
    """Ids that are unique in the process's sessions if ``session`` is: ``item_SESSION_0001``."""
    numbers = count(1)

    def make(prefix: str) -> str:
        return f"{prefix}_{session}_{next(numbers):04d}"

    return make


async def _attend_later(
    loaded: Callable[[], Awaitable[None]],
    make_performer: Callable[[HostedConnection], Performer],
    connection: HostedConnection,
) -> None:
    await loaded()
    connection.attend(make_performer(connection))


@asynccontextmanager
async def open_hosted(
    make_performer: Callable[[HostedConnection], Performer],
    *,
    name: str,
    config: SessionConfig,
    capabilities: Capabilities,
    session: str,
    clock: Clock | None = None,
    limits: HostedLimits | None = None,
    loaded: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[HostedConnection, None]:
    """Opens a conversation with a model in this process.

    Args:
        make_performer: Makes the model's side for the new connection; may ``spawn`` at once.
        name: Full name of the model, for errors and tasks.
        config: The configuration to begin with.
        capabilities: What the model can do; its first input rate is used unless the first audio comes at
            another one that it takes.
        session: Short unique id; part of every id of the session.
        clock: The clock; the machine's by default.
        limits: The bounds.
        loaded: Waits until a performer can be made. The session begins at once; what its performer must do
            waits. An exception ends the session.

    Raises:
        UnsupportedError: The configuration asks for what the model cannot do.

    Leaving the context ends the session and waits for everything it started.
    """
    check_session(name, capabilities, config)
    body_error: Exception | None = None
    async with anyio.create_task_group() as tasks:
        connection = HostedConnection(
            name=name,
            config=config,
            capabilities=capabilities,
            clock=clock or MonotonicClock(),
            limits=limits or HostedLimits(),
            session_id=f"sess_{session}",
            ids=counting_ids(session),
            tasks=tasks,
        )
        try:
            if loaded is None:
                connection.attend(make_performer(connection))
            else:
                connection.spawn(_attend_later, loaded, make_performer, connection, name="loading")
            connection.begin()
            yield connection
        except Exception as error:  # not swallowed: raised below, outside the group, which would wrap it
            body_error = error
        finally:
            connection.end(NORMAL_CLOSE, "closed", is_expected=True)
    if body_error is not None:
        raise body_error
