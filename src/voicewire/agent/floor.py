"""Who speaks next in a room: pure policies, asked after every turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

ANYONE: Final = "*"
"""Everybody may answer; whoever begins first has the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaken:
    """A turn that is over."""

    speaker: str
    """Name of who spoke."""
    is_person: bool
    words: str = ""
    """What was said, as far as it is known."""


class FloorPolicy(Protocol):
    """Decides who speaks next."""

    @property
    def needs_words(self) -> bool:
        """Whether a decision waits until the words of a turn are known."""
        ...

    def next_speaker(self, taken: TurnTaken, agents: Sequence[str]) -> str | None:
        """The agent that speaks next.

        Args:
            taken: The turn that is over.
            agents: Names of the agents in the room, in the order in which they joined.

        Returns:
            A name, `ANYONE`, or None when a person is to speak.
        """
        ...


class ModeratorOrder:
    """One agent after the other, in the order in which they joined."""

    needs_words = False

    def __init__(self) -> None:
        self._last = ""

    def next_speaker(self, taken: TurnTaken, agents: Sequence[str]) -> str | None:
        """The one after the agent that spoke last; nobody answers itself."""
        if not taken.is_person:
            self._last = taken.speaker
        others = [name for name in agents if name != taken.speaker]
        if not others:
            return None
        if self._last in agents:
            at = agents.index(self._last)
            order = [*agents[at + 1 :], *agents[: at + 1]]
            return next(name for name in order if name in others)
        return others[0]


class FirstToClaim:
    """All agents but the one that spoke are asked; the first that answers has the floor."""

    needs_words = False

    def next_speaker(self, taken: TurnTaken, agents: Sequence[str]) -> str | None:
        """`ANYONE`, where there is anybody."""
        return ANYONE if any(name != taken.speaker for name in agents) else None


class AddressedByName:
    """The agent whose name is said; where none is, another policy decides.

    Args:
        otherwise: That policy; `ModeratorOrder` when None.
    """

    needs_words = True

    def __init__(self, otherwise: FloorPolicy | None = None) -> None:
        self._otherwise = otherwise or ModeratorOrder()

    def next_speaker(self, taken: TurnTaken, agents: Sequence[str]) -> str | None:
        """The agent that is named first."""
        fallback = self._otherwise.next_speaker(taken, agents)
        places: list[tuple[int, str]] = []
        for name in agents:
            found = re.search(rf"\b{re.escape(name)}\b", taken.words, re.IGNORECASE)
            if found is not None and name != taken.speaker:
                places.append((found.start(), name))
        return min(places)[1] if places else fallback
