"""Who may speak: when responses start, and how the user, the client or the end of the session stops them."""

from __future__ import annotations

from voicewire.conversation.history import heard_item
from voicewire.conversation.host_core import HostCore
from voicewire.conversation.host_reply import ReplySide
from voicewire.conversation.responses import AskRule
from voicewire.conversation.tools import ToolCall
from voicewire.conversation.truncation import judged
from voicewire.events.commands import CancelResponse, CreateResponse, TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import ModelErrorEvent, ModelItemTruncatedEvent, ResponseStatus, TokenUsage
from voicewire.events.session import SessionConfig


class Floor:
    """Starts and stops responses; ``AskRule`` is the law for the starts."""

    def __init__(self, core: HostCore, reply: ReplySide) -> None:
        self._core = core
        self._reply = reply
        self.rule = AskRule()
        self._waiting_config: SessionConfig | None = None

    # ------------------------------------------------------------------ starting

    def ask(self) -> None:
        """An asking command was accepted."""
        if not self._core.config.is_transcription_only:
            self.rule.asked()
            self._start_or_wait(self._core.config)

    def turn_ended(self, config: SessionConfig) -> None:
        """A detector ended the user's turn, which began under ``config`` and is answered under it."""
        if not config.is_transcription_only:
            self._start_or_wait(config)

    def tool_result_accepted(self, call: ToolCall, *, respond: bool) -> None:
        """A call got its result: asks when it was the last open one of its response."""
        others = self._core.tools.open_of(call.response_id)
        if respond and others:
            self.rule.asked()
        elif not others and (respond or self.rule.is_owed):
            self.ask()

    def create(self, command: CreateResponse) -> None:
        """A ``CreateResponse`` that was not absorbed."""
        core = self._core
        if core.config.is_transcription_only:
            core.error(
                "invalid_value", "a session that only transcribes makes no responses", command.command_id
            )
            return
        active = self._reply.active
        if active is not None and not command.is_out_of_band:
            core.error(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.response_id}. "
                "Wait until the response is finished before creating a new one.",
                command.command_id,
            )
            return
        history = core.history() if command.input_items is None else self._resolved(command)
        if history is not None:
            self._start(command, core.config, history)

    def start_waiting(self) -> None:
        """Starts the ask that waits, if nothing stands in its way any more."""
        core = self._core
        is_free = self._reply.active is None and core.turns.turn is None and not core.is_closed
        if self.rule.is_waiting and is_free:
            self._start(CreateResponse(), self._waiting_config or core.config, core.history())

    def _start_or_wait(self, config: SessionConfig) -> None:
        if self._reply.active is None:
            self._start(CreateResponse(), config, self._core.history())
        else:
            self.rule.waits()
            self._waiting_config = config

    def _start(self, params: CreateResponse, config: SessionConfig, history: tuple[Item, ...]) -> None:
        reply = self._reply.start(params, config, history)
        if not reply.is_out_of_band:
            self.rule.started(reply.response_id)
            self._waiting_config = None

    def _resolved(self, command: CreateResponse) -> tuple[Item, ...] | None:
        """The items to answer, references looked up; None after an error."""
        items: list[Item] = []
        for item in command.input_items or ():
            if item.kind != "item_reference":
                items.append(item)
                continue
            found = self._core.items.get(item.id)
            if found is None:
                message = f"the referenced item '{item.id}' does not exist"
                self._core.error("invalid_value", message, command.command_id, param="response.input")
                return None
            heard = heard_item(found, self._core.ledger) if found.role == "assistant" else found
            if heard is not None:
                items.append(heard)
        return tuple(items)

    # ------------------------------------------------------------------ stopping

    def finished(
        self,
        generation: int,
        usage: TokenUsage | None,
        status: ResponseStatus,
        reason: str,
        message: str,
        now_ms: int,
    ) -> None:
        """See ``ConversationHost.response_finished``."""
        reply = self._reply.get(generation)
        if reply is None:
            return
        if usage is not None:
            reply.usage = usage
        if status == "cancelled" and not reply.is_out_of_band:
            self._core.ledger.interrupt(now_ms)
        self._reply.end(reply, status, reason, message)
        self.start_waiting()

    def interrupt(self, now_ms: int) -> None:
        """The user speaks: what was not heard by now counts as unheard, the active response is cancelled."""
        self._core.ledger.interrupt(now_ms)
        if self._reply.active is not None:
            self._reply.cancel(self._reply.active, "turn_detected")

    def cancel_by_client(self, command: CancelResponse, now_ms: int) -> None:
        """``CancelResponse``."""
        named = command.response_id
        reply = self._reply.active if named is None else self._reply.named(named)
        if reply is None:
            which = "no active response found" if named is None else f"response '{named}' is not active"
            self._core.error(
                "response_cancel_not_active", f"Cancellation failed: {which}", command.command_id
            )
            return
        if not reply.is_out_of_band:
            self._core.ledger.interrupt(now_ms)
        self._reply.cancel(reply, "client_cancelled")
        self.start_waiting()

    def close(self, *, reason: str, is_expected: bool, now_ms: int) -> None:
        """The session ends: every open response gets its end."""
        self.rule.is_waiting = False
        self._core.ledger.interrupt(now_ms)
        for reply in self._reply.open:
            if is_expected:
                self._reply.cancel(reply, "client_cancelled")
            else:
                self._reply.cut_off(reply, "connection_lost", reason)

    # ------------------------------------------------------------------ truncation

    def truncate(self, command: TruncateItem) -> None:
        """``TruncateItem``: the client says what was heard; replaces any estimate.

        An item of which nothing was heard is in no history any more; its place and its id stay.
        """
        core = self._core
        stretch = core.ledger.get(command.item_id, command.content_index)
        cut = judged(command, core.items.get(command.item_id), stretch)
        if isinstance(cut, ModelErrorEvent):
            core.emit(cut)
            return
        item = cut.item
        core.ledger.cut(cut.stretch, cut.samples, is_estimated=False)
        if item.status != "in_progress":
            core.keep_heard(item)
        core.emit(
            ModelItemTruncatedEvent(item_id=item.id, audio_end_ms=cut.ms, content_index=command.content_index)
        )
