"""What a session over several connections knows and how it takes losses; `SupervisedConnection` acts on it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import anyio
import msgspec

from voicewire.clock import Clock
from voicewire.errors import (
    BackpressureError,
    ConnectionLost,
    ConsumerTooSlow,
    InvalidRequest,
    SessionClosed,
    VoicewireError,
)
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    Command,
    CommitAudio,
    CreateResponse,
    RetrieveItem,
    SendText,
    SendToolResult,
    UpdateSession,
)
from voicewire.events.model import (
    ModelInputDoneEvent,
    ModelInputTranscriptionFailedEvent,
    ModelProviderEvent,
    ModelSessionEndedEvent,
    WebsocketDisconnectEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models.leg import Leg, LegSink
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import check_command
from voicewire.models.remote import ReceiveLimits, RemoteConnection, event_stream
from voicewire.models.session_memory import SessionMemory
from voicewire.ownership import TaskOwner
from voicewire.streams import StreamStatistics
from voicewire.transport.policies import ReconnectPolicy
from voicewire.transport.supervisor import LinkSupervisor

OpenLeg = Callable[[SessionConfig], AbstractAsyncContextManager[RemoteConnection]]
"""Opens one connection that is configured so."""

_LOST_CODE = "connection_lost"
_MAX_LATE_COMMANDS = 1000
_NS_PER_S = 1_000_000_000
_PASSING_REASONS = frozenset({"session_expired"})
"""Ends that another connection does not share, whatever the close code says."""


class SupervisedState(RealtimeConnection):
    """The state of one session. See `SupervisedConnection`, which has the rest of it."""

    def __init__(
        self,
        open_leg: OpenLeg,
        *,
        config: SessionConfig,
        capabilities: Capabilities,
        name: str,
        policy: ReconnectPolicy,
        limits: ReceiveLimits | None,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._open_leg = open_leg
        self._capabilities = capabilities
        self._name = name
        self._clock = clock
        self._stream = event_stream(
            name, limits or ReceiveLimits(), config.output_format.rate or capabilities.output_rate_hz
        )
        self._link = LinkSupervisor(policy, max_session_s=capabilities.max_session_s, chance=chance)
        self._memory = SessionMemory(
            config,
            max_audio_s=policy.max_replayed_audio_s,
            idle_audio_s=policy.idle_audio_s,
            max_items=policy.max_history_items,
            takes_calls=capabilities.supports_item_editing,
        )
        self._owner = TaskOwner(f"connections of {name}", on_error=self._failed)
        self._leg: Leg | None = None
        """The connection in service."""
        # The last one that was in service, for the properties; and the one that is prepared.
        self._known: RemoteConnection | None = None
        self._next: Leg | None = None
        self._late: deque[Command] = deque()
        """Commands that only the next connection can take, in order."""
        self._is_telling = False
        self._lost_at_ns = 0
        self._loss: tuple[int, str, VoicewireError | None] = (0, "", None)
        self._resumption, self._refused_resumption = dict[str, object](), dict[str, object]()
        self._wake, self._is_closing, self._is_over = anyio.Event(), False, False

    def __repr__(self) -> str:
        state = "over" if self._is_over else "open" if self._leg is not None else "reconnecting"
        return f"<SupervisedConnection {self._name} {state}>"

    @property
    def session_id(self) -> str:
        """The provider's id of the present session."""
        return self._known.session_id if self._known is not None else ""

    @property
    def config(self) -> SessionConfig:
        """The effective configuration, as last confirmed by the model."""
        return self._known.config if self._known is not None else self._memory.config

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do."""
        return self._capabilities

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection right now; without one, commands are kept for the next."""
        return self._leg is not None

    def statistics(self) -> StreamStatistics:
        """Depth, high-water mark and weight (wire bytes) of the events that wait to be taken."""
        return self._stream.statistics()

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return self._stream

    def noted(self, leg: Leg, event: EventBase) -> None:
        """A control event of a connection; see `LegOwner`."""
        if leg is self._leg and leg.connection is not None:
            if type(event) is ModelProviderEvent:
                self._note_provider(leg, leg.connection)
            if self._link.wants_quiet and self._memory.is_quiet:
                self._wake.set()

    def ended(self, sink: LegSink, error: BaseException | None, end: ModelSessionEndedEvent | None) -> None:
        """A connection is over; only the one in service makes a difference here."""
        if sink.leg is not self._leg or self._is_over:
            return
        code, reason = (end.code, end.reason) if end is not None else (0, str(error or ""))
        if self._is_closing:
            is_expected = end is None or end.is_expected
            self._finish(code, reason, error=sink.error, is_expected=is_expected)
            return
        self._leg = None
        now_ns = self._clock.now_ns()
        self._loss = (code, reason, sink.error)
        may_retry = is_retryable(sink.error) or reason in _PASSING_REASONS
        if not self._link.lost(now_ns, is_retryable=may_retry):
            self._finish(code, reason, error=sink.error, is_expected=False)
            return
        sink.leg.release()
        self._lost_at_ns = now_ns
        self._report_loss(code, reason)
        self._wake.set()

    def _note_provider(self, leg: Leg, connection: RemoteConnection) -> None:
        resumption = dict(connection.resumption)
        if resumption and resumption not in (self._resumption, self._refused_resumption):
            self._resumption = resumption
            self._memory.items.cover()
        left_ms = connection.time_left_ms
        if left_ms is not None and not leg.is_going_away:
            leg.is_going_away = True
            self._link.going_away(self._clock.now_ns(), left_ms / 1000)
            self._wake.set()

    def _report_loss(self, code: int, reason: str) -> None:
        for item_id, at_ms in self._memory.open_utterances:
            self._say(ModelInputDoneEvent(item_id=item_id, audio_end_ms=at_ms))
        message = "the connection was lost; the audio is given to the next one"
        for item_id in self._memory.unheard_turns:
            self._say(ModelInputTranscriptionFailedEvent(item_id=item_id, code=_LOST_CODE, message=message))
        self._say(WebsocketDisconnectEvent(code=code, reason=reason))

    def _say(self, event: EventBase) -> None:
        try:
            self._stream.put_nowait(event, 0)
        except ConsumerTooSlow as error:
            self._finish(1008, str(error), error=error, is_expected=False)
        except SessionClosed:
            return  # the session is over, and that was reported

    def _may_retry(self, error: VoicewireError) -> bool:
        """Whether another attempt may fare better: when the trouble passes, or when it goes on without the handle."""
        if is_retryable(error):
            return True
        if not self._resumption or not isinstance(error, InvalidRequest):
            return False
        # The provider does not know the session any more: the next attempt tells it all of the conversation.
        self._refused_resumption, self._resumption = self._resumption, {}
        return True

    def _attempt_failed(self, error: VoicewireError) -> None:
        may_retry = self._may_retry(error)
        if self._link.attempt_failed(self._clock.now_ns(), is_retryable=may_retry):
            return
        code, reason, lost_by = self._loss
        failure = error
        if may_retry:
            message = f"{self._name} was lost ({code} {reason}) and could not be restored: {error}"
            failure = ConnectionLost(message, code=code, reason=reason)
            failure.__cause__ = lost_by or error
        self._finish(code, reason or str(error), error=failure, is_expected=False)

    def _start_leg(self) -> Leg:
        config = self._memory.config
        if self._resumption:
            config = msgspec.structs.replace(config, extra={**config.extra, **self._resumption})
        leg = Leg(lambda: self._open_leg(config))
        self._owner.start(leg.run(), name="connection")
        return leg

    def _keep(self, command: Command) -> None:
        """Keeps a command for the next connection."""
        if not isinstance(command, AppendAudio):
            check_command(self._name, self._capabilities, command)
        is_forgotten_else = isinstance(command, RetrieveItem) or (
            isinstance(command, CreateResponse) and command.is_out_of_band
        )
        is_audio = isinstance(command, (AppendAudio, CommitAudio))
        if is_forgotten_else or isinstance(command, UpdateSession) or (self._is_telling and not is_audio):
            if len(self._late) >= _MAX_LATE_COMMANDS:
                raise BackpressureError(
                    f"{len(self._late)} commands wait for a connection to {self._name}; send them when it is back"
                )
            self._late.append(command)
        self._memory.sent(command)

    def _fitting(self, command: Command) -> Command:
        """The result of a call that the present connection was told of in words is told so, too."""
        if type(command) is SendToolResult and command.call_id in self._memory.items.open_in_words:
            name = self._memory.items.open_in_words.pop(command.call_id)
            return SendText(
                f"The function {name} has now returned: {command.output}",
                "user",
                command.respond,
                command.command_id,
            )
        return command

    def _finish(self, code: int, reason: str, *, error: VoicewireError | None, is_expected: bool) -> None:
        """The one place where the session ends."""
        if self._is_over:
            return
        self._is_over = True
        self._leg = None
        self._link.end()
        self._wake.set()
        end = ModelSessionEndedEvent(
            session_id=self.session_id, reason=reason, code=code, is_expected=is_expected
        )
        self._stream.close(error, last=[end])
        if self._next is not None:
            self._next.release()

    def _failed(self, error: Exception) -> None:
        """A task of ours failed by a mistake: the session ends with it, and it is not lost."""
        failure = ConnectionLost(f"{self._name} could not be restored: {error!r}", code=1006)
        failure.__cause__ = error
        self._finish(1006, str(failure), error=failure, is_expected=False)

    def _closed_error(self) -> SessionClosed:
        code, reason, _ = self._loss
        return SessionClosed(
            f"the session with {self._name} is over; open a new one", code=code, reason=reason
        )


def is_retryable(error: VoicewireError | None) -> bool:
    """Whether another connection may fare better than one that ended so."""
    return error is not None and error.retryable and not isinstance(error, BackpressureError)
