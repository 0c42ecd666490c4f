"""What is settled before a session opens: its configuration, and what the model cannot do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from voicewire.errors import UnsupportedError
from voicewire.events.commands import (
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.session import SessionConfig, ToolSpec, TurnDetection, tool_specs
from voicewire.models.model import Capabilities


def session_config(
    defaults: SessionConfig,
    *,
    model: str,
    instructions: str = "",
    tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
    config: SessionConfig | None = None,
) -> SessionConfig:
    """The configuration to ask for.

    Args:
        defaults: The model's own; used when ``config`` is None, and for the voice where that has none.
        model: The name that the provider knows the model by.
        instructions: Override those of the configuration when not empty.
        tools: Override those of the configuration when not None, in any spelling.
        config: The whole configuration.

    Raises:
        ConfigError: A tool is not a function tool, or two have one name.
    """
    chosen = config if config is not None else defaults
    return msgspec.structs.replace(
        chosen,
        model=chosen.model or model,
        instructions=instructions or chosen.instructions,
        voice=chosen.voice or defaults.voice,
        tools=chosen.tools if tools is None else tool_specs(tools),
    )


def check_config(name: str, capabilities: Capabilities, config: SessionConfig) -> None:
    """Refuses a configuration that the model cannot honour, before anything is sent.

    Args:
        name: Full name of the model, for the message.
        capabilities: What it can do.
        config: What is asked of it.

    Raises:
        UnsupportedError: The model lacks something that the configuration asks for.
    """
    if config.tools and not capabilities.supports_tools:
        raise UnsupportedError(f"{name} cannot call functions; open it without tools")
    if config.modality not in capabilities.output_modalities and not config.is_transcription_only:
        raise UnsupportedError(f"{name} cannot answer with {config.modality!r}")
    _check_turns(name, capabilities, config.turn_detection)
    if config.transcription is not None and not capabilities.supports_input_transcription:
        raise UnsupportedError(f"{name} does not transcribe input; set transcription=None")


def _check_turns(name: str, capabilities: Capabilities, turns: TurnDetection | None) -> None:
    if turns is None:
        if not capabilities.supports_manual_turns:
            raise UnsupportedError(f"{name} ends turns by itself only; give it a turn_detection")
    elif turns.idle_timeout_ms is not None and not capabilities.supports_idle_timeout:
        raise UnsupportedError(f"{name} has no idle timeout; leave idle_timeout_ms out")
    elif turns.kind == "semantic_vad":
        if not capabilities.supports_semantic_vad:
            raise UnsupportedError(f"{name} has no semantic turn detection; use kind='server_vad'")
    elif turns.kind != "server_vad":
        if turns.kind not in capabilities.options:
            raise UnsupportedError(
                f"{name} has no turn detection of the kind {turns.kind!r}; use 'server_vad'"
            )
    elif not capabilities.supports_server_vad:
        raise UnsupportedError(f"{name} has no turn detection; set turn_detection=None and commit turns")


def check_command(name: str, capabilities: Capabilities, command: Command) -> None:
    """Refuses a command that the model cannot carry out, before anything is sent.

    Raises:
        UnsupportedError: The model lacks the capability.
    """
    lack = _lack(capabilities, command)
    if lack:
        raise UnsupportedError(f"{name} {lack}; {type(command).__name__} was not sent")
    if isinstance(command, UpdateSession) and not isinstance(command.turn_detection, msgspec.UnsetType):
        _check_turns(name, capabilities, command.turn_detection)


def _lack(capabilities: Capabilities, command: Command) -> str:
    match command:
        case SendImage() if "image" not in capabilities.input_modalities:
            return "does not take images"
        case TruncateItem() if not capabilities.supports_truncation:
            return "cannot cut an item to what was heard"
        case CommitAudio() if not capabilities.supports_manual_turns:
            return "ends turns by itself only"
        case SendToolResult() if not capabilities.supports_tools:
            return "cannot call functions"
        case DeleteItem() | RetrieveItem() if not capabilities.supports_item_editing:
            return "does not let its items be edited"
        case CreateItem(previous_item_id=str()) if not capabilities.supports_item_editing:
            return "does not let its items be edited"
        case CreateResponse(is_out_of_band=True) if not capabilities.supports_out_of_band:
            return "has no responses outside the conversation"
        case _:
            return ""
