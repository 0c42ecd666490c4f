"""Session configuration as every provider understands it; wires translate it, models snapshot it per turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.errors import ConfigError
from voicewire.events.base import MediaFormat

Modality = Literal["audio", "text"]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that the model may call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON schema of the arguments."""


def tool_specs(tools: Iterable[ToolSpec | Mapping[str, Any]] | None) -> tuple[ToolSpec, ...]:
    """Reads tools in any spelling.

    These are ``ToolSpec``, ``{"type": "function", "name": ...}`` and the nested
    ``{"type": "function", "function": {...}}``.

    Raises:
        ConfigError: An entry is none of these, or two tools have one name.
    """
    found: dict[str, ToolSpec] = {}
    for tool in tools or ():
        if not isinstance(tool, ToolSpec):
            body = _mapping(_mapping(tool).get("function", tool))
            try:
                tool = msgspec.convert({k: v for k, v in body.items() if v is not None}, ToolSpec)
            except msgspec.ValidationError as error:
                raise ConfigError(f"tool {body.get('name')!r} is not a function tool: {error}") from error
        if tool.name in found:
            raise ConfigError(f"two tools are named {tool.name!r}; give each its own name")
        found[tool.name] = tool
    return tuple(found.values())


def _mapping(value: object) -> Mapping[str, Any]:
    """What a peer or an application gave for an object; empty when it is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the end of a user's turn is found; no TurnDetection at all means manual turns."""

    kind: str = "server_vad"
    """``server_vad`` or ``semantic_vad``; providers have further kinds."""
    threshold: float | None = None
    """Speech probability above which a frame counts as speech, 0 to 1."""
    prefix_padding_ms: int | None = None
    """Audio kept from before the detected onset."""
    silence_duration_ms: int | None = None
    """Silence that ends an utterance."""
    idle_timeout_ms: int | None = None
    """Silence after a response that makes the model speak again by itself."""
    eagerness: str | None = None
    """``semantic_vad`` only: ``low``, ``medium``, ``high`` or ``auto``."""
    create_response: bool = True
    """Whether the end of the turn starts a response."""
    interrupt_response: bool = True
    """Whether speech interrupts the active response (barge-in)."""


class Transcription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Transcription of the user's audio."""

    model: str | None = None
    language: str | None = None
    """ISO 639-1 code."""
    prompt: str | None = None


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The effective configuration of a conversation. Replaced as a whole, never mutated."""

    model: str = ""
    instructions: str = ""
    modality: Modality = "audio"
    """What the model answers with; audio comes with its transcript."""
    voice: str = ""
    speed: float = 1.0
    input_format: MediaFormat = MediaFormat("audio/pcm", 24000)
    output_format: MediaFormat = MediaFormat("audio/pcm", 24000)
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``none``, ``required`` or ``function:NAME``."""
    max_output_tokens: int | None = None
    """None for no limit."""
    is_transcription_only: bool = False
    """A session that only transcribes and never responds."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """Settings of one provider that the others do not have, by their own name."""

    def updated(self, change: SessionChange) -> SessionConfig:
        """A copy with every field of ``change`` that is set."""
        fields = {
            name: value
            for name in SessionChange.__struct_fields__
            if (value := getattr(change, name)) is not UNSET
        }
        return msgspec.structs.replace(self, **fields)


class SessionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A partial configuration: only the fields that are set change; None clears where None is a value."""

    model: str | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    modality: Modality | UnsetType = UNSET
    voice: str | UnsetType = UNSET
    speed: float | UnsetType = UNSET
    input_format: MediaFormat | UnsetType = UNSET
    output_format: MediaFormat | UnsetType = UNSET
    transcription: Transcription | None | UnsetType = UNSET
    turn_detection: TurnDetection | None | UnsetType = UNSET
    tools: tuple[ToolSpec, ...] | UnsetType = UNSET
    tool_choice: str | UnsetType = UNSET
    max_output_tokens: int | None | UnsetType = UNSET
    is_transcription_only: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET
