"""Client wires and the models behind the gateway: data for the cross pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tests.judges.subjects import ECHO, LOCAL, Subject
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.models.script_steps import Step as ScriptStep

from .models import PREVIEW, Row

BACK = "at-loopback"
"""What the provider models call the model of the second gateway."""


@dataclass(frozen=True)
class Target:
    """A model behind the gateway that clients come to."""

    name: str
    """By which clients ask for it."""
    title: str
    """In test ids and in the table."""
    subject: Subject
    is_text_needed: bool = False
    """Whether its function call has to be asked for in writing."""

    @property
    def is_behind(self) -> bool:
        """Whether it lives behind the second gateway."""
        return ":" in self.name


ASKS_FOR_PARIS = replace(
    LOCAL,
    transcript=r"(?i)weather.*paris",
    spoken_answer=r"(?i)\b(sunny|21|twenty[- ]one)\b",
    speech_file="weather-in-paris.flac",
    pace=0.0,
)
PLAYED = replace(
    ECHO, transcript=r"^What is the weather in Paris\?$", tool_answer=r"^It is sunny in Paris, 21 degrees\.$"
)
SPOKEN_TARGETS = (
    Target("echo", "echo", ECHO),
    Target("local", "local", ASKS_FOR_PARIS),
    Target("openai:echo", "openai at loopback", ECHO),
    Target("gemini:echo", "gemini at loopback", ECHO),
    Target("dashscope:echo", "dashscope at loopback", ECHO),
)
"""For the wire that has no function calls: the second gateway's other model."""
TARGETS = (
    Target("echo", "echo", ECHO, is_text_needed=True),
    Target("local", "local", ASKS_FOR_PARIS),
    Target(f"openai:{BACK}", "openai at loopback", PLAYED),
    Target(f"gemini:{BACK}", "gemini at loopback", PLAYED),
    Target(f"dashscope:{BACK}", "dashscope at loopback", PLAYED),
)

_USAGE = {"input_audio_tokens": 13, "output_text_tokens": 20, "output_audio_tokens": 5}
_SCRIPT: tuple[Mapping[str, Any], ...] = (
    {"expect": "AppendAudio"},
    {"speech_started_ms": 0},
    {"speech_stopped_ms": 1000},
    {"end_turn": True},
    {"partial": "What is the weather"},
    {"transcript": "What is the weather in Paris?"},
    {"expect": "response"},
    {"call": "get_weather", "arguments": {"city": "Paris"}},
    {"finish": "completed", "usage": _USAGE},
    {"expect": "response"},
    {"say": "It is sunny in Paris, "},
    {"say": "21 degrees.", "audio_ms": 600},
    {"finish": "completed", "usage": _USAGE},
)


def script() -> list[ScriptStep]:
    """What the model of the second gateway does: it hears a question, calls a function, and answers."""
    return [msgspec.convert(step, ScriptStep) for step in _SCRIPT]


def served(back_url: str) -> list[RealtimeModel]:
    """The models of the gateway that clients come to.

    Args:
        back_url: The second gateway, where the providers' models are sent.
    """
    return [
        create_model("echo"),
        create_model("local", brain="rules", voice="espeak"),
        *(
            create_model(f"{provider}:{name}", api_key="parity", base_url=back_url + path)
            for provider, path in (("openai", "/v1"), ("gemini", ""), ("dashscope", ""))
            for name in (BACK, "echo")
        ),
    ]


WIRES: tuple[Row, ...] = (
    Row("OpenAI GA", "openai", "/v1"),
    Row("OpenAI beta", "openai", "/v1", (("dialect", "beta"),)),
    Row("Azure preview", "azure", "", (("api_version", PREVIEW),)),
    Row("Azure Voice Live", "voicelive"),
    Row("Gemini Live", "gemini"),
    Row("DashScope realtime", "dashscope"),
)
"""Wires that one of our models speaks as a client; ``/ws`` and ``/voice`` have clients of their own."""


def client_of(wire: Row, url: str, target: Target) -> RealtimeModel:
    """Our client of a wire, which asks the gateway for a model."""
    return replace(wire, model=f"{wire.model}:{target.name}").make(url)
