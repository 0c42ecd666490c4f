"""The application's side of a conversation: model events and playout facts in; filtered events and orders out.

Pure and single-writer, like ``host``. It keeps the invariants even against a sloppy provider.
"""

from __future__ import annotations

from voicewire.conversation import checks
from voicewire.conversation.heard import Stretch
from voicewire.conversation.session_core import SessionCore
from voicewire.conversation.session_events import EventReader
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
from voicewire.conversation.session_replies import ReplyReader
from voicewire.errors import SessionClosed
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    Command,
    CommitAudio,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
)
from voicewire.events.items import Item
from voicewire.events.model import ModelResponseAudioDeltaEvent, ModelSessionEndedEvent
from voicewire.events.session import SessionConfig

__all__ = [
    "CancelTool",
    "ConversationSession",
    "ConversationState",
    "FlushPlayout",
    "PlayAudio",
    "RunTool",
    "SendCommand",
    "SessionOutput",
    "StateChanged",
]


class ConversationSession:
    """One conversation, seen from the application.

    Concurrency: one caller at a time.

    Args:
        config: The configuration the connection was opened with (replaced by what the model confirms).
        has_playout: Whether ``played`` and ``flushed`` will be reported. Without it audio counts as heard in
            real time from when it came (``now_ms`` then has to be given).
        interrupts_by_itself: Whether the model cancels its response when the user speaks; else the session does.
        supports_truncation: Whether the model takes ``TruncateItem``.
        cancels_tools: Whether an interruption cancels calls that are running (else they go on).
    """

    def __init__(
        self,
        config: SessionConfig | None = None,
        *,
        has_playout: bool = True,
        interrupts_by_itself: bool = True,
        supports_truncation: bool = True,
        cancels_tools: bool = False,
    ) -> None:
        self._core = SessionCore(
            config or SessionConfig(),
            has_playout=has_playout,
            interrupts_by_itself=interrupts_by_itself,
            supports_truncation=supports_truncation,
            cancels_tools=cancels_tools,
        )
        self._replies = ReplyReader(self._core)
        self._reader = EventReader(self._core, self._replies)

    @property
    def state(self) -> ConversationState:
        """What the conversation is doing."""
        return self._core.state

    @property
    def config(self) -> SessionConfig:
        """The configuration, as last confirmed by the model."""
        return self._core.config

    @property
    def generation(self) -> int:
        """Grows by one with every interruption; audio of an older one never reaches playout."""
        return self._core.generation

    @property
    def is_closed(self) -> bool:
        """Whether the session-ended event was given; nothing follows it."""
        return self._core.is_closed

    @property
    def dropped_deltas(self) -> int:
        """Deltas dropped: of an interrupted generation, after a terminal event, of unknown responses."""
        return self._core.dropped_deltas

    @property
    def dropped_events(self) -> int:
        """Events dropped because they repeat or contradict what is over."""
        return self._core.dropped_events

    @property
    def open_tools(self) -> tuple[str, ...]:
        """Call ids that wait for their result, oldest first."""
        return tuple(call.call_id for call in self._core.tools.open_calls)

    def history(self) -> tuple[Item, ...]:
        """Valid input for a next request: only what was heard, every call with a result."""
        return self._core.history()

    def heard_text(self, item_id: str, content_index: int = 0) -> str:
        """The words of a content part that were heard so far; empty when it has no speech."""
        stretch = self._core.ledger.get(item_id, content_index)
        return "" if stretch is None else self._core.ledger.heard_text(stretch)

    def stretch(self, item_id: str, content_index: int = 0) -> Stretch | None:
        """What the ledger holds of a content part's speech, to be read only; None when it has none."""
        return self._core.ledger.get(item_id, content_index)

    # ------------------------------------------------------------------ from the connection

    def receive(self, event: EventBase, *, now_ms: int = 0) -> list[SessionOutput]:
        """Takes one event of the connection. An audio delta costs about a microsecond and is never decoded."""
        core = self._core
        if core.is_closed:
            return []
        if type(event) is ModelResponseAudioDeltaEvent:
            if self.plays_on(event):
                return [PlayAudio(event.item_id, event.content_index, core.generation, event)]
            response = core.responses.get(event.response_id)
            if response is None or response.generation != core.generation:
                core.dropped_deltas += 1
                return []
            self._replies.audio_delta(event, now_ms)
        else:
            self._reader.read(event, now_ms)
        return self._done()

    def plays_on(self, event: ModelResponseAudioDeltaEvent) -> bool:
        """Takes a further delta of the speech under way, which is nearly all of the traffic, without an output.

        Returns:
            True when it was taken, and is to be played as ``PlayAudio`` would say. False when it was not: then it is
            for ``receive``.
        """
        core = self._core
        response = core.responses.get(event.response_id)
        if response is None or response.generation != core.generation or core.is_closed:
            return False
        stretch = response.stretch
        if (
            stretch is None
            or stretch.item_id != event.item_id
            or stretch.content_index != event.content_index
        ):
            return False
        stretch.generated += event.payload.size_bytes // response.bytes_per_sample
        stretch.sent = stretch.generated
        return True

    def connection_lost(self, *, code: int, reason: str, now_ms: int = 0) -> list[SessionOutput]:
        """The connection ended without a session-ended event: supplies it, after every other missing end."""
        ended = ModelSessionEndedEvent(session_id=self._core.session_id, reason=reason, code=code)
        return self.receive(ended, now_ms=now_ms)

    # ------------------------------------------------------------------ from the playout

    def played(
        self, item_id: str, content_index: int, samples: int, *, now_ms: int = 0
    ) -> list[SessionOutput]:
        """So many samples of this content part, counted from its start at its own rate, were played in all."""
        stretch = self._core.ledger.get(item_id, content_index)
        if stretch is not None and stretch.cut is None:
            self._core.ledger.played(stretch, samples)
        return [] if self._core.is_closed else self._done()

    def flushed(self, generation: int, *, now_ms: int = 0) -> list[SessionOutput]:
        """The flush ordered by ``FlushPlayout(generation)`` is done, and ``played`` has said how far it came.

        Gives the truncations of what was not heard.
        """
        core = self._core
        if core.is_closed or generation < core.flush_generation:
            return []
        core.confirm_flush(now_ms)
        return self._done()

    # ------------------------------------------------------------------ from the application

    def command(self, command: Command, *, now_ms: int = 0) -> list[SessionOutput]:
        """The application's own command: a ``SendCommand`` with whatever it makes necessary.

        Raises:
            SessionClosed: The session is over.
        """
        core = self._core
        if core.is_closed:
            raise SessionClosed("the conversation is over; open a new connection to go on")
        match command:
            case AppendAudio():
                return [SendCommand(command)]
            case CancelResponse():
                return self._cancel(command, now_ms)
            case SendToolResult():
                return self._result(command)
            case TruncateItem():
                command = self._clamped(command)
            case CreateResponse():
                core.is_awaiting = core.is_awaiting or not command.is_out_of_band
            case SendText() | SendImage() | CommitAudio():
                core.is_awaiting = core.is_awaiting or command.respond
            case _:
                pass
        core.emit(SendCommand(command))
        return self._done()

    def interrupt(self, *, now_ms: int = 0) -> list[SessionOutput]:
        """The application interrupts: flush, cancel, truncate. Nothing happens when nothing is being said."""
        if self._core.is_closed:
            return []
        self._core.interrupt(now_ms, by_application=True)
        return self._done()

    def tool_finished(
        self, call_id: str, output: str, *, respond: bool = True, now_ms: int = 0
    ) -> list[SessionOutput]:
        """The result of a call; a second one, or one for a cancelled call, is dropped."""
        if self._core.is_closed or self._core.tools.answered(call_id) is None:
            return []
        self._core.is_awaiting = self._core.is_awaiting or respond
        self._core.emit(SendCommand(SendToolResult(call_id, output, respond=respond)))
        return self._done()

    # ------------------------------------------------------------------

    def _cancel(self, command: CancelResponse, now_ms: int) -> list[SessionOutput]:
        core = self._core
        active = core.responses.active
        if active is not None and command.response_id in (None, active.response_id):
            core.interrupt(now_ms, by_application=False)
        core.emit(SendCommand(command))
        return self._done()

    def _result(self, command: SendToolResult) -> list[SessionOutput]:
        core = self._core
        if core.tools.is_answered(command.call_id):
            return []
        core.tools.answered(command.call_id)
        core.is_awaiting = core.is_awaiting or command.respond
        core.emit(SendCommand(command))
        return self._done()

    def _clamped(self, command: TruncateItem) -> TruncateItem:
        """Never beyond what was generated, nor beyond what was played where that is known."""
        core = self._core
        stretch = core.ledger.get(command.item_id, command.content_index)
        if stretch is None:
            return command
        limit = stretch.played if core.has_playout else stretch.generated
        kept = min(stretch.samples_of_ms(max(0, command.audio_end_ms)), limit)
        kept = core.ledger.cut(stretch, kept, is_estimated=False)
        return TruncateItem(command.item_id, stretch.ms_of(kept), command.content_index, command.command_id)

    def _done(self) -> list[SessionOutput]:
        outputs = self._core.take()
        if __debug__ and checks.enabled:
            self._core.verify()
        return outputs
