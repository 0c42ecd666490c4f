"""Every model of the matrix, and how it is made; each remote one talks to the gateway's door of its wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.judges.subjects import ECHO, LOCAL, Subject
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.models.script_steps import Step as ScriptStep
from voicewire.models.scripted import ScriptedRealtimeModel

PREVIEW = "2025-04-01-preview"
FIRST_PREVIEW = "2024-10-01-preview"


@dataclass(frozen=True)
class Row:
    """One model of the matrix."""

    name: str
    """In test ids and in the table."""
    model: str
    """By which `create_model` knows it."""
    path: str = ""
    """What follows the gateway's address in ``base_url``."""
    options: tuple[tuple[str, object], ...] = ()
    subject: Subject = ECHO
    """What to say, and what a right answer is."""
    is_remote: bool = True

    def make(self, url: str, script: Sequence[ScriptStep] = ()) -> RealtimeModel:
        """The model.

        Args:
            url: Address of the gateway.
            script: What it plays, where it plays scripts.
        """
        if self.model == "scripted":
            return ScriptedRealtimeModel(script)
        if not self.is_remote:
            return create_model(self.model, **dict(self.options))
        return create_model(self.model, api_key="parity", base_url=url + self.path, **dict(self.options))


ROWS: tuple[Row, ...] = (
    Row("echo", "echo", is_remote=False),
    Row("scripted", "scripted", is_remote=False),
    Row("local", "local", subject=LOCAL, options=(("brain", "rules"), ("voice", "espeak")), is_remote=False),
    Row("openai", "openai:gpt-realtime", "/v1"),
    Row("openai preview model", "openai:gpt-4o-realtime-preview", "/v1"),
    Row("openai beta", "openai:gpt-realtime", "/v1", (("dialect", "beta"),)),
    Row("azure", "azure:my-deployment"),
    Row("azure preview", "azure:my-deployment", "", (("api_version", PREVIEW),)),
    Row("azure first preview", "azure:my-deployment", "", (("api_version", FIRST_PREVIEW),)),
    Row("voicelive", "voicelive:gpt-realtime"),
    Row("xai", "xai:grok-voice-latest", "/v1"),
    Row("gemini 3.8", "gemini:gemini-3.8-live"),
    Row("gemini 3.1", "gemini:gemini-3.1-flash-live"),
    Row("gemini native audio", "gemini:gemini-2.5-flash-native-audio"),
    Row("gemini half cascade", "gemini:gemini-2.5-flash-live"),
    Row("dashscope qwen3.5-omni", "dashscope:qwen3.5-omni-plus-realtime"),
    Row("dashscope qwen3.8-omni", "dashscope:qwen3.8-omni-realtime"),
    Row("dashscope qwen3-omni", "dashscope:qwen3-omni-flash-realtime"),
    Row("dashscope qwen-omni-turbo", "dashscope:qwen-omni-turbo-realtime"),
    Row("dashscope qwen-audio", "dashscope:qwen-audio-realtime"),
    Row("dashscope qwen-asr", "dashscope:qwen3-asr-flash-realtime"),
    Row("dashscope qwen-tts", "dashscope:qwen3-tts-flash-realtime"),
)
