"""Which voice a model is asked for when its client knows the voices of another provider."""

from __future__ import annotations

import pytest

from voicewire.models import create_model
from voicewire.models.voices import fitting_voice

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("voice", "model", "asked_for"),
    [
        ("alloy", "openai:gpt-realtime", "alloy"),
        ("alloy", "gemini:gemini-3.8-live", ""),
        ("alloy", "dashscope:qwen3.5-omni-plus-realtime", ""),
        ("alloy", "local", ""),
        ("alloy", "echo", "alloy"),
        ("Puck", "gemini:gemini-3.8-live", "Puck"),
        ("Puck", "voicelive:gpt-realtime", ""),
        ("en-US-AvaNeural", "voicelive:gpt-realtime", "en-US-AvaNeural"),
        ("Cherry", "dashscope:qwen3.5-omni-plus-realtime", "Cherry"),
        ("a new one", "openai:gpt-realtime", "a new one"),
        ("heart", "local", "heart"),
        ("", "gemini:gemini-3.8-live", ""),
    ],
)
def test_a_voice_of_another_provider_is_left_to_the_model(voice: str, model: str, asked_for: str) -> None:
    assert fitting_voice(voice, create_model(model)) == asked_for
