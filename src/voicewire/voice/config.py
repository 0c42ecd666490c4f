"""How a `RealtimeVoice` talks: its configuration and the ways to end a turn."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_INSTRUCTIONS: Final = "You are a helpful assistant."

_SAME: Final = (
    ("instructions", "system_prompt"),
    ("vad_silence_duration_ms", "silence_duration_ms"),
)
"""Fields with two names: the one that counts, and the other."""


class VADMode(str, Enum):
    """Who finds out when the user speaks."""

    SERVER = "server"
    """The provider; it also ends turns and hears the user interrupt."""
    CLIENT = "client"
    """This library's own detector, before anything is sent; only speech goes out."""
    NONE = "none"
    """Nobody: a turn ends with ``end_turn``."""
    MANUAL = "client"
    DISABLED = "none"

    @classmethod
    def _missing_(cls, value: object) -> VADMode | None:
        known = {"server": cls.SERVER, "client": cls.CLIENT, "none": cls.NONE}
        known |= {"manual": cls.CLIENT, "disabled": cls.NONE}
        return known.get(value.strip().lower()) if isinstance(value, str) else None


class RealtimeConfig(BaseModel):
    """The settings of a `RealtimeVoice`. A key that does not exist is refused.

    ``system_prompt`` and ``instructions`` are one setting with two names. Settings that were not given are the
    provider's own: ``voice``, ``vad_threshold``, ``temperature`` and ``max_tokens`` show a default here that is
    only sent when it was set.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=False)

    model: str | None = None
    """Such as ``gpt-realtime``; the provider's default when None."""
    voice: str = "alloy"
    """One of ``RealtimeVoice.list_voices(provider)``; the provider's default unless it is set."""
    system_prompt: str = DEFAULT_INSTRUCTIONS
    """What the model is to be."""
    instructions: str = DEFAULT_INSTRUCTIONS
    """The same as ``system_prompt``."""
    vad_mode: VADMode = VADMode.SERVER
    vad_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    """Speech probability from which audio counts as speech."""
    vad_prefix_padding_ms: int = Field(default=300, ge=0)
    """Audio from before the speech that belongs to the turn."""
    vad_silence_duration_ms: int = Field(default=500, ge=0)
    """Silence that ends a turn."""
    silence_duration_ms: int | None = Field(default=None, ge=0, repr=False)
    """The same as ``vad_silence_duration_ms``."""
    transcribe_input: bool = True
    """Whether the user's words are given to ``on_transcript``."""
    transcribe_output: bool = True
    """Whether the model's words are."""
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    """For providers that have one; the others ignore it."""
    max_tokens: int = Field(default=4096, gt=0)
    """The most tokens of one response."""
    tools: list[Any] = Field(default_factory=list[Any])
    """Functions, `ToolDefinition`\\ s or tool dictionaries."""
    sample_rate: int = Field(default=24_000, gt=0, le=192_000)
    """Rate of the audio that is given to ``send_audio``, in Hz; what a model wants else is made from it."""
    tool_timeout_s: float = Field(default=30.0, gt=0)
    """How long a tool may take, in seconds."""

    @model_validator(mode="before")
    @classmethod
    def _one_setting_two_names(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = dict(cast("dict[str, object]", data))
        for counts, other in _SAME:
            if other not in fields:
                continue
            if counts in fields and fields[counts] != fields[other]:
                raise ValueError(f"{counts!r} and {other!r} are one setting; give one of them")
            fields[counts] = fields[other]
        if "instructions" in fields:
            fields["system_prompt"] = fields["instructions"]
        return fields

    def is_set(self, field: str) -> bool:
        """Whether a field was given, rather than left to its default."""
        return field in self.model_fields_set
