"""The turns of a room: while everybody takes note of one, and afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import msgspec

from voicewire.errors import InvalidEventError
from voicewire.events.base import parse_json
from voicewire.streams import BoundedStream

_MAX_TURNS_WAITING: Final = 100
_MAX_TURNS_KEPT: Final = 1000
_MAX_TURNS_TOLD: Final = 50
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTurn:
    """What somebody said while they had the floor."""

    speaker: str
    is_person: bool
    words: str
    """As far as they were heard, and are known; empty when nobody transcribed them."""
    start_ms: float
    """On the room's timeline, in milliseconds."""
    end_ms: float
    is_cut: bool = False
    """Whether somebody else began before it was over."""


@dataclass(slots=True, eq=False, kw_only=True)
class Turn:
    """A turn that is over, from then until everybody has heard it."""

    speaker: str
    is_person: bool
    id: str = ""
    start_sample: int = 0
    audio: bytes = b""
    """At the room's rate, as far as it was heard."""
    words: str = ""
    """What was said, as far as it is known."""
    text: str = ""
    """What the others read, where it was not spoken."""
    is_cut: bool = False
    is_answered: bool = True
    """Whether somebody gets the floor after it."""
    known: anyio.Event = field(default_factory=anyio.Event)
    """Set when the words are known."""

    @property
    def is_said(self) -> bool:
        """Whether there was anything in it."""
        return bool(self.audio or self.text)


def turn_stream() -> BoundedStream[Turn]:
    """The turns that are over and that the room has not taken note of yet; the newest hundred are kept."""
    return BoundedStream("turns of a room", policy="drop_oldest", max_items=_MAX_TURNS_WAITING)


class _Exported(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    turns: tuple[RoomTurn, ...]


class RoomHistory:
    """The turns of a room, the newest thousand, without their audio.

    Args:
        rate_hz: Rate of the room's timeline.
        earlier: Turns of an earlier run, which this one goes on from.
    """

    def __init__(self, rate_hz: int, earlier: tuple[RoomTurn, ...] = ()) -> None:
        self._rate_hz = rate_hz
        self._earlier = earlier
        self._turns: deque[tuple[Turn, int]] = deque(maxlen=_MAX_TURNS_KEPT)

    def add(self, turn: Turn) -> None:
        """A turn is over."""
        if turn.is_said:
            self._turns.append((turn, turn.start_sample + len(turn.audio) // 2))

    def turns(self) -> tuple[RoomTurn, ...]:
        """Oldest first."""
        new = (
            RoomTurn(
                speaker=turn.speaker,
                is_person=turn.is_person,
                words=turn.words,
                start_ms=turn.start_sample * 1000 / self._rate_hz,
                end_ms=end_sample * 1000 / self._rate_hz,
                is_cut=turn.is_cut,
            )
            for turn, end_sample in self._turns
        )
        return (*self._earlier, *new)[-_MAX_TURNS_KEPT:]

    def told(self) -> str:
        """What somebody who comes now has missed, as text; empty when nothing is known."""
        lines = [f"{turn.speaker}: {turn.words}" for turn in self.turns()[-_MAX_TURNS_TOLD:] if turn.words]
        return "\n".join(lines)


def exported_turns(turns: tuple[RoomTurn, ...]) -> str:
    """Turns as JSON text."""
    return msgspec.json.encode(_Exported(version=_VERSION, turns=turns)).decode()


def restored_turns(data: str | bytes | Mapping[str, Any]) -> tuple[RoomTurn, ...]:
    """What ``exported_turns`` gave; it may have been edited.

    Raises:
        InvalidEventError: Not such a text; the message names the field at fault.
    """
    fields: object = parse_json(data) if isinstance(data, str | bytes) else dict(data)
    try:
        found = msgspec.convert(fields, _Exported)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"not an exported history of a room: {error}") from error
    if found.version != _VERSION:
        raise InvalidEventError(
            f"the history has version {found.version!r}, this program reads {_VERSION}; export it again"
        )
    return found.turns
