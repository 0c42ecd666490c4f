"""Truncations towards a model that takes none: the gateway notes what was heard, and answers itself.

Clients of the OpenAI wire truncate at every interruption. A model of another wire knows by itself, or not at all, what
was heard of it, and has no word for being told.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from voicewire.conversation.heard import HeardLedger
from voicewire.conversation.history import heard_item
from voicewire.conversation.truncation import judged
from voicewire.events.base import EventBase
from voicewire.events.commands import Command, RetrieveItem, TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelErrorEvent,
    ModelItemAddedEvent,
    ModelItemDeletedEvent,
    ModelItemDoneEvent,
    ModelItemRetrievedEvent,
    ModelItemTruncatedEvent,
    ModelResponseAudioDeltaEvent,
)

MAX_ITEMS: Final = 400
"""Items whose end is remembered; the oldest go first."""
_BYTES_PER_SAMPLE: Final = {"audio/pcm": 2}


class ShadowConversation:
    """The end of one session's conversation, as it was heard; what the model itself cannot be told or asked.

    A `TruncateItem` is judged as by the models of this machine; of a `RetrieveItem`, which those clients send after
    one, an item comes back as it was heard. The model is told nothing: what it thinks was heard stays its own affair.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._ledger = HeardLedger(has_playout=True)

    def note(self, event: EventBase) -> None:
        """An event on its way to the client."""
        match event:
            case ModelResponseAudioDeltaEvent():
                stretch = self._ledger.get(event.item_id, event.content_index) or self._ledger.begin(
                    event.item_id, event.content_index, generation=0, rate_hz=event.format.rate, now_ms=0
                )
                stretch.generated += len(event.pcm) // _BYTES_PER_SAMPLE.get(event.format.type, 1)
                # Until it is cut, all of it counts as heard.
                self._ledger.played(stretch, stretch.generated)
            case ModelItemAddedEvent():
                self._keep(event.item)
            case ModelItemDoneEvent():
                self._keep(event.item)
                for index, part in enumerate(event.item.content):
                    spoken = self._ledger.get(event.item.id, index)
                    if spoken is not None and not spoken.is_ended:
                        spoken.add_text(part.text)
                        spoken.end(is_complete=True)
            case ModelItemDeletedEvent():
                self._forget(event.item_id)
            case _:
                return

    def knows_better(self, command: Command) -> bool:
        """Whether the model must not be asked: it does not know that the item was cut."""
        if not isinstance(command, RetrieveItem) or (item := self._items.get(command.item_id)) is None:
            return False
        stretches = (self._ledger.get(item.id, index) for index in range(len(item.content)))
        return any(stretch is not None and stretch.cut is not None for stretch in stretches)

    def answer(self, command: Command) -> EventBase | None:
        """What becomes of a command that the model refused; None when it is none of these."""
        if isinstance(command, TruncateItem):
            return self._truncated(command)
        if isinstance(command, RetrieveItem) and (item := self._items.get(command.item_id)) is not None:
            heard = heard_item(item, self._ledger) if item.role == "assistant" else item
            nothing = msgspec.structs.replace(item, status="incomplete", content=())
            return ModelItemRetrievedEvent(item=heard or nothing)
        return None

    def _truncated(self, command: TruncateItem) -> EventBase:
        item_id = command.item_id
        stretch = self._ledger.get(item_id, command.content_index)
        cut = judged(command, self._items.get(item_id), stretch)
        if isinstance(cut, ModelErrorEvent):
            return cut
        self._ledger.cut(cut.stretch, cut.samples, is_estimated=False)
        return ModelItemTruncatedEvent(
            item_id=item_id, audio_end_ms=cut.ms, content_index=command.content_index
        )

    def _keep(self, item: Item) -> None:
        self._items[item.id] = item
        while len(self._items) > MAX_ITEMS:
            self._forget(next(iter(self._items)))

    def _forget(self, item_id: str) -> None:
        self._items.pop(item_id, None)
        self._ledger.forget(item_id)
