"""What both halves of a Gemini Live client know: whose turn it is, the open calls, the events to report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from voicewire.events.base import EventBase
from voicewire.events.items import Item
from voicewire.events.model import ModelErrorEvent, ModelItemAddedEvent, ModelItemDoneEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini.setup import input_format, is_non_blocking, output_format

MAX_REMEMBERED = 512
_MAX_HISTORY_TURNS = 400

Asked = Literal["", "text", "tool", "audio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTraits:
    """How one model family behaves on this wire, as data."""

    setup_defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings of ``SessionConfig.extra`` for configurations that say nothing of them."""
    calls_block: bool = True
    """Whether the model waits for the result of a function that says nothing of its behavior."""
    holds_audio_during_calls: bool = False
    """Whether audio must wait while a blocking call is open (older models end the session otherwise)."""
    supports_context_update: bool = False
    """Whether instructions and tools can change while connected."""


@dataclass(slots=True)
class OpenCall:
    """A function call that waits for its result."""

    item: Item
    is_blocking: bool


@dataclass(slots=True)
class ClientState:
    """Shared by the half that sends and the half that reads."""

    config: SessionConfig
    ids: Callable[[str], str]
    traits: WireTraits
    can_reopen: bool
    events: list[EventBase] = field(default_factory=list[EventBase])
    """Events that are not handed on yet."""
    outbox: list[Frame] = field(default_factory=list[Frame])
    session_id: str = ""
    is_ready: bool = False
    is_over: bool = False
    asked: Asked = ""
    """What the server was asked to answer and has not begun to."""
    continues: bool = False
    """The last response ended in a function call, so more may come without being asked for."""
    discards: bool = False
    """What the server still says belongs to a response that was cancelled here."""
    owes_turn_end: bool = False
    """The end of a turn will come that belongs to no open response."""
    absorbs_interruption: bool = False
    """The next ``interrupted`` is the echo of what we sent, not of speech."""
    cancels_next: bool = False
    """A cancel came between the request and the beginning of its response."""
    calls: dict[str, OpenCall] = field(default_factory=dict[str, OpenCall])
    held_results: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Results that go out with the next request."""
    cancelled_calls: dict[str, None] = field(default_factory=dict[str, None])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    """Of the response that was asked for."""
    last_item_id: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The conversation as turns of text, oldest first; for a session that must begin anew."""
    update_id: str | None = None
    """Command of the configuration that waits to be confirmed; None when none does."""
    resumption_handle: str = ""
    time_left: str = ""
    """What the last ``goAway`` said, empty before it."""

    def configure(self, config: SessionConfig) -> None:
        """Takes over a configuration, with the formats that this wire has."""
        self.config = msgspec.structs.replace(
            config, input_format=input_format(), output_format=output_format()
        )

    def add_item(self, item: Item, *, response_id: str | None = None) -> None:
        """Reports an item's beginning."""
        previous, self.last_item_id = self.last_item_id, item.id
        self.events.append(ModelItemAddedEvent(item=item, previous_item_id=previous, response_id=response_id))

    def add_whole_item(self, item: Item) -> None:
        """Reports an item that is complete at once."""
        previous = self.last_item_id
        self.add_item(item)
        self.events.append(ModelItemDoneEvent(item=item, previous_item_id=previous))

    def refuse(self, code: str, message: str, command_id: str, param: str | None = None) -> None:
        """Reports that a command was not carried out."""
        self.events.append(
            ModelErrorEvent(
                error_type="invalid_request_error",
                code=code,
                message=message,
                param=param,
                command_id=command_id,
            )
        )

    def remember(self, turn: dict[str, Any]) -> None:
        """Adds a turn to the history; the oldest ones are forgotten."""
        self.history.append(turn)
        del self.history[:-_MAX_HISTORY_TURNS]

    def open_call(self, call_id: str, item: Item) -> None:
        """A function is to be run."""
        is_blocking = not is_non_blocking(
            self.config, item.name or "", by_default=not self.traits.calls_block
        )
        self.calls[call_id] = OpenCall(item, is_blocking)

    def cancel_call(self, call_id: str) -> OpenCall | None:
        """The call must not be answered any more; None when it is not open."""
        call = self.calls.pop(call_id, None)
        if call is not None:
            self.cancelled_calls[call_id] = None
            if len(self.cancelled_calls) > MAX_REMEMBERED:
                del self.cancelled_calls[next(iter(self.cancelled_calls))]
        return call

    @property
    def is_audio_gated(self) -> bool:
        """Whether audio must wait for the result of a call."""
        if not self.traits.holds_audio_during_calls:
            return False
        return bool(self.held_results) or any(call.is_blocking for call in self.calls.values())
