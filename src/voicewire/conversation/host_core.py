"""What the parts of a conversation host share: the items, the ledgers, and the list of outputs being built."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from voicewire.conversation.heard import HeardLedger
from voicewire.conversation.history import heard_item, valid_history
from voicewire.conversation.items import ItemLog
from voicewire.conversation.orders import HostOutput
from voicewire.conversation.tools import ToolLedger
from voicewire.conversation.turns import TurnTracker
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelErrorEvent,
    ModelItemAddedEvent,
    ModelItemDeletedEvent,
    ModelItemDoneEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig


class HostCore:
    """State that more than one part of a host needs. Only the host's own caller changes it."""

    def __init__(self, *, session_id: str, config: SessionConfig, ids: Callable[[str], str]) -> None:
        self.session_id = session_id
        self.config = config
        self.ids = ids
        self.items = ItemLog()
        self.tools = ToolLedger()
        self.turns = TurnTracker()
        self.ledger = HeardLedger(has_playout=False)
        self.has_spoken = False
        """Whether any reply audio was made; the voice is fixed from then on."""
        self.is_closed = False
        self._outputs: list[HostOutput] = []

    def emit(self, output: HostOutput) -> None:
        """Appends to what the current input returns."""
        self._outputs.append(output)

    def take(self) -> list[HostOutput]:
        """The outputs of the current input."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def open(self) -> None:
        """Emits the session-created event."""
        self.emit(ModelSessionCreatedEvent(session_id=self.session_id, config=self.config))

    def close(self, *, code: int, reason: str, is_expected: bool) -> None:
        """Emits the one session-ended event; everything that was open has its terminal event already."""
        self.is_closed = True
        self.emit(
            ModelSessionEndedEvent(
                session_id=self.session_id, reason=reason, code=code, is_expected=is_expected
            )
        )

    def error(self, code: str, message: str, command_id: str, *, param: str | None = None) -> None:
        """Answers a command that cannot be done."""
        self.emit(
            ModelErrorEvent(
                error_type="invalid_request_error",
                code=code,
                message=message,
                param=param,
                command_id=command_id,
            )
        )

    def add_item(self, item: Item, *, after: str | None = None, response_id: str | None = None) -> None:
        """Puts an item into the conversation and emits that it was added, and done when it is not in progress.

        Raises:
            LocalProtocolError: The id is taken or ``after`` is unknown.
        """
        previous_id = self.items.add(item, after=after)
        self.emit(ModelItemAddedEvent(item=item, previous_item_id=previous_id, response_id=response_id))
        if item.status != "in_progress":
            self.emit(ModelItemDoneEvent(item=item, previous_item_id=previous_id, response_id=response_id))

    def finish_item(self, item: Item, *, response_id: str) -> None:
        """Replaces an item that was in progress by its last version and emits that it is done."""
        self.items.replace(item)
        previous_id = self.items.previous_id(item.id)
        self.emit(ModelItemDoneEvent(item=item, previous_item_id=previous_id, response_id=response_id))

    def keep_heard(self, item: Item) -> None:
        """Leaves of an assistant's item what was heard of it: audio, perhaps, without a whole word."""
        heard = heard_item(item, self.ledger)
        self.items.replace(heard or msgspec.structs.replace(item, status="incomplete", content=()))

    def remove_item(self, item_id: str) -> None:
        """Takes an item out of the conversation and emits that it is gone."""
        self.items.remove(item_id)
        self.ledger.forget(item_id)
        self.emit(ModelItemDeletedEvent(item_id=item_id))

    def history(self) -> tuple[Item, ...]:
        """Valid input for the next request."""
        return valid_history(self.items, self.ledger)

    def verify(self) -> None:
        """Asserts the invariants of the shared parts."""
        self.items.verify()
        self.turns.verify()
        self.ledger.verify()
