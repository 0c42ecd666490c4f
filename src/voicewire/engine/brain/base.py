"""What goes into a brain and what comes out of it.

A brain answers one turn. It is a plain synchronous generator, because it is driven by an engine thread and
never by the event loop; it holds no conversation of its own, because everything it may know arrives with the
turn (so a session can be exported, restored or moved and the brain "remembers" the same things).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from voicewire.events.session import ToolSpec as ToolSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

DEMO_NOTICE = (
    "The built-in brain is a demo brain: it knows little and is often wrong. "
    "Replace it with a GGUF file or an OpenAI-compatible base URL."
)
"""One line, shown at first run and in the docs."""

Role: TypeAlias = Literal["user", "assistant", "tool", "system"]
"""Who said a turn; ``tool`` is the result of a function call."""

Finish: TypeAlias = Literal["stop", "length", "tool"]
"""Why an answer ended: it was complete, it hit ``max_tokens``, or it called a tool."""

JsonSchema: TypeAlias = "Mapping[str, Any]"
"""A JSON schema as the user wrote it (the one wire edge of this package where values are open)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function call that the assistant made earlier in the history."""

    call_id: str
    """The id that its result refers to."""
    name: str
    """The tool's name."""
    arguments_json: str
    """The arguments, one JSON object as text."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One entry of the history, oldest first."""

    role: Role
    """Who it is from."""
    text: str
    """What was said or typed; for ``tool`` the result, as the user's code returned it."""
    name: str | None = None
    """For ``tool``: the name of the tool."""
    call_id: str | None = None
    """For ``tool``: the call that it answers."""
    tool_calls: tuple[ToolCall, ...] = ()
    """For ``assistant``: the calls that it made in this turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainTurn:
    """Everything that a brain may use to answer."""

    history: tuple[Turn, ...]
    """The conversation so far, the newest turn last."""
    now: datetime
    """The caller's local time; a brain reads no clock."""
    instructions: str = ""
    """The session's instructions (system prompt)."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools that may be called in this turn."""
    tool_choice: str = "auto"
    """``auto``, ``none``, ``required``, or the name of the one tool that must be called."""
    max_tokens: int = 512
    """Upper bound of the answer, in tokens of the brain's own tokenizer (words for the skills)."""
    language: str = "en"
    """BCP 47 tag of the language that the user speaks."""
    supports_timers: bool = False
    """Whether the caller keeps the timers that a brain yields; if not, the brain says that it cannot."""

    @property
    def utterance(self) -> str:
        """What the user said last, or an empty string (a tool result may have come after it)."""
        for turn in reversed(self.history):
            if turn.role == "user":
                return turn.text
        return ""


@dataclass(frozen=True, slots=True)
class BrainDelta:
    """A further piece of the answer's text, to be appended as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class BrainToolCall:
    """A call of one of the user's tools; the engine gives it an id."""

    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class BrainTimer:
    """The user asked for a timer; yielded only to callers that said they can keep one."""

    duration_s: int
    """How long, in seconds, at least 1."""
    label: str = ""
    """What for, in the user's words, or empty."""


@dataclass(frozen=True, slots=True)
class BrainDone:
    """The answer is complete; the last thing of every answer that was not cancelled."""

    input_tokens: int
    output_tokens: int
    finish: Finish = "stop"


BrainOutput: TypeAlias = "BrainDelta | BrainToolCall | BrainTimer | BrainDone"


@runtime_checkable
class Brain(Protocol):
    """Answers turns. One brain serves all sessions of a process, from any number of threads at once."""

    @property
    def name(self) -> str:
        """Short name for logs and reports."""
        ...

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        """Answer one turn.

        Args:
            turn: What was said, and everything else that may be used.
            cancelled: Cheap, callable from any thread; once it is true the generator ends within one token,
                without a ``BrainDone``.

        Yields:
            Deltas, tool calls and at most one timer, then exactly one ``BrainDone``.

        Raises:
            InferenceError: The model failed on this turn.
            ProviderError: A remote brain refused.
            TransportError: A remote brain could not be reached.
        """
        ...

    def warm_up(self) -> None:
        """Load the weights and run once, so that the first turn is as fast as the next.

        Raises:
            ModelLoadError: A weight file is missing or unreadable.
        """
        ...

    def close(self) -> None:
        """Free the model. Idempotent; turns under way end as if cancelled."""
        ...


def never_cancelled() -> bool:
    """A ``cancelled`` for callers that do not cancel."""
    return False
