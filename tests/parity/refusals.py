"""What is asked of a model that does not claim it: data. Each must be refused, and nothing may reach the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.judges.subjects import WEATHER_TOOL
from voicewire.events.commands import (
    AppendAudio,
    Command,
    CreateResponse,
    DeleteItem,
    SendImage,
    SendText,
    TruncateItem,
)
from voicewire.events.session import Transcription, TurnDetection, tool_specs

from .scenarios import ONE_PIXEL, Settings


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One thing to ask for: with the configuration, or by a command."""

    settings: Settings | None = None
    command: Command | None = None


REFUSALS: Mapping[str, Refusal] = {
    "input_modalities:text": Refusal(command=SendText("Hello there")),
    "input_modalities:audio": Refusal(command=AppendAudio(bytes(960))),
    "input_modalities:image": Refusal(command=SendImage(ONE_PIXEL)),
    "output_modalities:audio": Refusal(command=CreateResponse()),
    "output_modalities:text": Refusal(settings={"modality": "text", "is_transcription_only": False}),
    "supports_tools": Refusal(settings={"tools": tool_specs([WEATHER_TOOL])}),
    "supports_server_vad": Refusal(settings={"turn_detection": TurnDetection()}),
    "supports_semantic_vad": Refusal(settings={"turn_detection": TurnDetection(kind="semantic_vad")}),
    "supports_manual_turns": Refusal(settings={"turn_detection": None}),
    "supports_truncation": Refusal(command=TruncateItem("item_1", 20)),
    "supports_out_of_band": Refusal(command=CreateResponse(is_out_of_band=True)),
    "supports_item_editing": Refusal(command=DeleteItem("item_1")),
    "supports_idle_timeout": Refusal(settings={"turn_detection": TurnDetection(idle_timeout_ms=6000)}),
    "supports_input_transcription": Refusal(settings={"transcription": Transcription()}),
}
NOTHING_TO_ASK_FOR = frozenset({"emits_partial_transcripts", "is_deterministic"})
"""Flags that say what comes, not what may be asked for; their absence shows in the scenarios."""
