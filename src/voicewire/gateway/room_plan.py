"""Which agents are in the rooms of a gateway, and how the floor is given there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.agent.room import Floor
    from voicewire.agent.toolkit import Toolkit

_MANNERS: Final = (
    "Several people and other assistants are in the room, and all of them hear you. "
    "Answer in one or two short sentences and let the others speak."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAgent:
    """An agent that is in every room; each room has one of its own."""

    name: str
    instructions: str = ""
    """What it is told to be; empty for its name and the manners of a room."""
    model: str = ""
    """Name of a served model; the first one for any other name."""
    voice: str = ""
    """Empty takes the model's voices in turn, so that agents of one model do not sound alike."""
    toolkit: Toolkit | None = None
    """Tools that it may call."""

    @classmethod
    def parsed(cls, text: str) -> RoomAgent:
        """Reads ``NAME=INSTRUCTIONS``, or a name alone.

        Raises:
            ConfigError: There is no name.
        """
        name, _, instructions = text.partition("=")
        if not name.strip():
            raise ConfigError(
                f"{text!r} is not an agent of a room; write NAME=INSTRUCTIONS, such as 'Ada=You are Ada.'"
            )
        return cls(name=name.strip(), instructions=instructions.strip())

    @property
    def prompt(self) -> str:
        """Its instructions as the model gets them."""
        return self.instructions or f"You are {self.name}. {_MANNERS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPlan:
    """What the rooms of a gateway are like.

    Raises:
        ConfigError: Two agents have one name, or ``turn_limit`` is below 1.
    """

    agents: tuple[RoomAgent, ...] = (RoomAgent(name="Ada"), RoomAgent(name="Bob"))
    floor: Floor = "addressed"
    """How the floor is given; see ``ChatRoom``."""
    turn_limit: int = 2
    """Turns of agents in a row, then a person has to say something."""

    def __post_init__(self) -> None:
        """Checks it once, and not when the first person comes."""
        names = [agent.name for agent in self.agents]
        if len(set(names)) != len(names):
            raise ConfigError(f"agents in a room need names of their own; these are: {names}")
        if self.turn_limit < 1:
            raise ConfigError(f"turn_limit is {self.turn_limit!r}; give 1 or more")
