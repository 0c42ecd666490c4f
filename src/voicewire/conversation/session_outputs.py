"""What a conversation session wants from the façade that runs it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from voicewire.events.base import EventBase
from voicewire.events.commands import Command
from voicewire.events.model import ModelResponseAudioDeltaEvent

ConversationState = Literal["idle", "listening", "thinking", "speaking"]
"""``listening``: the user speaks. ``thinking``: a response is due. ``speaking``: reply audio is being played."""


class PlayAudio(msgspec.Struct, frozen=True):
    """Play this audio after what is queued already."""

    item_id: str
    content_index: int
    generation: int
    """Refuse it when a ``FlushPlayout`` named a later generation."""
    event: ModelResponseAudioDeltaEvent


class FlushPlayout(msgspec.Struct, frozen=True):
    """Stop playing now; throw away queued audio of every generation before this one, then report ``flushed``."""

    generation: int


class SendCommand(msgspec.Struct, frozen=True):
    """Send this to the model."""

    command: Command


class RunTool(msgspec.Struct, frozen=True):
    """The model calls a function: run it and report ``tool_finished``."""

    call_id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it; may be broken JSON."""
    response_id: str


class CancelTool(msgspec.Struct, frozen=True):
    """Nobody waits for this call any more; its result was given as cancelled."""

    call_id: str


class StateChanged(msgspec.Struct, frozen=True):
    """The conversation's state changed."""

    state: ConversationState


SessionOutput: TypeAlias = (
    EventBase | PlayAudio | FlushPlayout | SendCommand | RunTool | CancelTool | StateChanged
)
"""A domain event (a filtered ``ModelEvents`` value, to be shown to the application) or an order. The audio delta comes
only inside ``PlayAudio``."""
