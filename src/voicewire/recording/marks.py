"""What the edge of a session adds to the model's events: facts about the speaker and about tools.

A mark has a JSON form like an event, with a ``type`` that begins with ``voicewire.``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

AgentState = Literal["idle", "listening", "thinking", "speaking"]
ToolOutcome = Literal["completed", "failed", "timed_out", "cancelled"]


class _Mark(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class AudioPlayed(_Mark, frozen=True, kw_only=True, tag="voicewire.audio_played"):
    """A stretch of the agent's speech that went out of the speaker without a gap."""

    item_id: str
    content_index: int = 0
    item_start_ms: float
    """Where the stretch begins in the audio of its item part."""
    start_ms: float
    """When it began to sound, in session time."""
    end_ms: float
    """When it was over, in session time."""


class PlayoutCut(_Mark, frozen=True, kw_only=True, tag="voicewire.playout_cut"):
    """Speech of the agent that was stopped before its end."""

    item_id: str
    content_index: int = 0
    cut_ms: float
    """When the speaker fell silent, in session time."""
    heard_ms: float
    """How much of the item part was heard."""
    dropped_ms: float
    """How much was ready to be played and was thrown away."""
    heard_text: str | None = None
    """The words that were heard, where the ledger knows them."""


class TruncationOrdered(_Mark, frozen=True, kw_only=True, tag="voicewire.truncation_ordered"):
    """The model was told how much of an item was heard."""

    item_id: str
    content_index: int = 0
    audio_end_ms: int


class ToolStarted(_Mark, frozen=True, kw_only=True, tag="voicewire.tool_started"):
    """A function of the application was called."""

    call_id: str
    name: str
    arguments: str


class ToolFinished(_Mark, frozen=True, kw_only=True, tag="voicewire.tool_finished"):
    """A function of the application ended, in one of the four ways."""

    call_id: str
    name: str
    output: str
    outcome: ToolOutcome


class StateChanged(_Mark, frozen=True, kw_only=True, tag="voicewire.state_changed"):
    """The conversation as the user sees it."""

    state: AgentState


class ScriptSpoke(_Mark, frozen=True, kw_only=True, tag="voicewire.script_spoke"):
    """A scripted user said a sentence into the virtual microphone."""

    turn: int
    """From 0."""
    start_ms: float
    """Where its audio begins, in session time."""
    end_ms: float


class InputStarted(_Mark, frozen=True, kw_only=True, tag="voicewire.input_started"):
    """The first audio of the user went to the model."""

    offset_ms: float
    """Where in session time the audio begins; the model counts its positions from there."""


class InputEnded(_Mark, frozen=True, kw_only=True, tag="voicewire.input_ended"):
    """The audio source has no more speech; silence follows."""


Mark: TypeAlias = (
    AudioPlayed
    | PlayoutCut
    | TruncationOrdered
    | ToolStarted
    | ToolFinished
    | StateChanged
    | ScriptSpoke
    | InputStarted
    | InputEnded
)
