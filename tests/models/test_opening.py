"""What a model lacks is refused before the wire, flag by flag; and it is allowed where the flag is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from voicewire.errors import ConfigError, UnsupportedError
from voicewire.events.commands import (
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig, ToolSpec, Transcription, TurnDetection
from voicewire.models.model import Capabilities
from voicewire.models.opening import check_command, check_config, session_config

pytestmark = pytest.mark.unit

ABLE = Capabilities(
    input_modalities=frozenset({"text", "audio", "image"}),
    supports_semantic_vad=True,
    supports_out_of_band=True,
    supports_idle_timeout=True,
    options=frozenset({"azure_semantic_vad"}),
)
SEMANTIC = TurnDetection(kind="semantic_vad")


@pytest.mark.parametrize(
    ("lack", "config"),
    [
        ({"supports_tools": False}, SessionConfig(tools=(ToolSpec(name="f"),))),
        ({"output_modalities": frozenset({"text"})}, SessionConfig(modality="audio")),
        ({"supports_manual_turns": False}, SessionConfig(turn_detection=None)),
        ({"supports_semantic_vad": False}, SessionConfig(turn_detection=SEMANTIC)),
        ({"supports_server_vad": False}, SessionConfig()),
        (
            {"supports_idle_timeout": False},
            SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=5000)),
        ),
        (
            {"options": frozenset()},
            SessionConfig(turn_detection=TurnDetection(kind="azure_semantic_vad")),
        ),
        ({"supports_input_transcription": False}, SessionConfig(transcription=Transcription())),
    ],
)
def test_configurations(lack: dict[str, Any], config: SessionConfig) -> None:
    check_config("able", ABLE, config)
    with pytest.raises(UnsupportedError, match="^lacking "):
        check_config("lacking", replace(ABLE, **lack), config)


def test_a_session_that_only_transcribes_has_no_output() -> None:
    check_config(
        "asr", replace(ABLE, output_modalities=frozenset()), SessionConfig(is_transcription_only=True)
    )


@pytest.mark.parametrize(
    ("lack", "command"),
    [
        ({"input_modalities": frozenset({"audio"})}, SendImage(b"x")),
        ({"supports_truncation": False}, TruncateItem("i", 10)),
        ({"supports_manual_turns": False}, CommitAudio()),
        ({"supports_tools": False}, SendToolResult("c", "x")),
        ({"supports_item_editing": False}, CreateItem(item=Item(id=""), previous_item_id="root")),
        ({"supports_item_editing": False}, DeleteItem("i")),
        ({"supports_item_editing": False}, RetrieveItem("i")),
        ({"supports_out_of_band": False}, CreateResponse(is_out_of_band=True)),
        ({"supports_semantic_vad": False}, UpdateSession(turn_detection=SEMANTIC)),
    ],
)
def test_commands(lack: dict[str, Any], command: Command) -> None:
    check_command("able", ABLE, command)
    with pytest.raises(UnsupportedError, match="^lacking "):
        check_command("lacking", replace(ABLE, **lack), command)


def test_what_needs_no_capability_passes() -> None:
    least = replace(
        ABLE, input_modalities=frozenset({"text"}), supports_tools=False, supports_out_of_band=False
    )
    for command in (SendText("x"), CreateResponse(), UpdateSession(instructions="x")):
        check_command("least", least, command)


def test_the_configuration_that_is_asked_for() -> None:
    defaults = SessionConfig(instructions="default", voice="alloy")
    own = SessionConfig(instructions="own", tools=(ToolSpec(name="f"),), voice="")
    assert session_config(defaults, model="m") == SessionConfig(
        model="m", instructions="default", voice="alloy"
    )
    given = session_config(defaults, model="m", config=own)
    assert (given.instructions, given.voice, [tool.name for tool in given.tools]) == ("own", "alloy", ["f"])
    changed = session_config(defaults, model="m", instructions="call", tools=[], config=own)
    assert (changed.instructions, changed.tools) == ("call", ())
    with pytest.raises(ConfigError, match="two tools"):
        session_config(defaults, model="m", tools=[ToolSpec(name="f"), ToolSpec(name="f")])
