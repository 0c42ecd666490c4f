"""Work orders: what a conversation host wants from whoever runs the model behind it.

Orders stand in the same list as the events, at the place where they became due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicewire.events.base import EventBase
from voicewire.events.commands import CreateResponse
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig, Transcription


@dataclass(frozen=True, slots=True, kw_only=True)
class StartResponse:
    """Make a response and post what comes of it, tagged with the generation."""

    generation: int
    """The tag of every fact of this response; a later response has a larger one."""
    response_id: str
    config: SessionConfig
    """The configuration of this turn: the session's, with what ``params`` overrides. It does not change any more."""
    params: CreateResponse
    """What was asked for."""
    history: tuple[Item, ...]
    """Valid input for the model: only what was heard, every tool call with its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopGeneration:
    """Stop working on a response; facts that still arrive for it are dropped."""

    generation: int
    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeInput:
    """A user turn was committed: its audio is wanted as text."""

    item_id: str
    start_sample: int
    end_sample: int
    """One past the last sample; positions count from the first sample of the session, at the input rate."""
    settings: Transcription | None
    """None when no transcript was asked for; the words then only serve the model itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseInput:
    """The open stretch of input ended by order, not by the detector: a detector forgets its open turn."""

    end_sample: int
    """Audio before this position belongs to no coming turn."""
    reason: Literal["committed", "cleared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyConfig:
    """The session's configuration changed; open turns and responses keep theirs."""

    config: SessionConfig


WorkOrder: TypeAlias = StartResponse | StopGeneration | TranscribeInput | CloseInput | ApplyConfig

HostOutput: TypeAlias = EventBase | WorkOrder
"""One entry of what a host returns: an event to emit, or an order to carry out."""
