"""Which agents are in a room."""

from __future__ import annotations

from collections.abc import Iterator

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.room_member import Member


class Roster:
    """The agents of a room, in the order in which they joined."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return [member.name for member in self]

    @property
    def agents(self) -> tuple[RealtimeAgent, ...]:
        """The agents themselves."""
        return tuple(member.agent for member in self)

    def find(self, agent: RealtimeAgent | str) -> Member | None:
        """One of them, by itself, its name or its id."""
        name = agent if isinstance(agent, str) else agent.id
        return next((one for one in self if name in (one.name, one.agent.id)), None)

    def add(self, member: Member) -> None:
        """An agent comes."""
        self._members[member.agent.id] = member

    def remove(self, member: Member) -> bool:
        """An agent is not there any more; False when it was not there."""
        return self._members.pop(member.agent.id, None) is not None
