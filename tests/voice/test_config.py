"""Configuration, discovery and errors of seed 003."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voicewire.errors import TransportError, VoicewireError
from voicewire.models import create_model
from voicewire.voice import (
    RealtimeConfig,
    RealtimeConnectionError,
    RealtimeError,
    RealtimeVoice,
    VADMode,
    realtime_voice,
)

pytestmark = pytest.mark.unit

KEYS = (
    "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_API_KEY", "AZURE_OPENAI_API_KEY",
    "AZURE_VOICELIVE_API_KEY", "DASHSCOPE_API_KEY", "XAI_API_KEY", "REALTIME_VOICE_PROVIDER",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    config = RealtimeConfig()
    assert (config.model, config.voice, config.vad_mode) == (None, "alloy", VADMode.SERVER)
    assert (config.vad_threshold, config.vad_prefix_padding_ms, config.vad_silence_duration_ms) == (
        0.5,
        300,
        500,
    )
    assert (config.temperature, config.max_tokens, config.tools) == (0.8, 4096, [])
    assert config.instructions == config.system_prompt == "You are a helpful assistant."


def test_two_names_of_one_setting() -> None:
    assert RealtimeConfig(system_prompt="x").instructions == "x"
    assert RealtimeConfig(instructions="y").system_prompt == "y"
    assert RealtimeConfig(silence_duration_ms=700).vad_silence_duration_ms == 700
    with pytest.raises(ValidationError, match="one setting"):
        RealtimeConfig(instructions="a", system_prompt="b")


@pytest.mark.parametrize(
    "fields",
    [{"sytem_prompt": "x"}, {"temperature": 2.1}, {"temperature": -1}, {"max_tokens": 0}, {"vad_mode": "x"}],
)
def test_wrong_keys_and_values_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RealtimeConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("spelling", "mode"),
    [
        ("server", VADMode.SERVER),
        ("manual", VADMode.CLIENT),
        ("DISABLED", VADMode.NONE),
        ("none", VADMode.NONE),
    ],
)
def test_both_vocabularies_of_vad_modes(spelling: str, mode: VADMode) -> None:
    assert RealtimeConfig(vad_mode=VADMode(spelling)).vad_mode is mode
    assert (VADMode.MANUAL, VADMode.DISABLED) == (VADMode.CLIENT, VADMode.NONE)


def test_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RealtimeVoice.list_providers()[:2] == ["openai", "google_genai"]
    assert RealtimeVoice.available_providers()[:2] == ["openai", "gemini"]
    assert RealtimeVoice.list_configured_providers() == []
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert RealtimeVoice.list_configured_providers() == ["openai"]
    assert RealtimeVoice.list_models("openai")[0] == "gpt-4o-realtime-preview"
    assert RealtimeVoice.list_voices("openai")[:3] == ["alloy", "ash", "ballad"]
    assert RealtimeVoice.list_voices("GEMINI") == RealtimeVoice.list_voices("google_genai")
    with pytest.raises(RealtimeError, match="the providers are: openai"):
        RealtimeVoice.list_models("nobody")


def test_detection_in_the_documented_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    assert RealtimeVoice().provider_name == "gemini"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert RealtimeVoice().provider_name == "openai"
    monkeypatch.setenv("REALTIME_VOICE_PROVIDER", "Google_GenAI")
    assert RealtimeVoice().provider_name == "gemini"
    monkeypatch.setenv("REALTIME_VOICE_PROVIDER", "nope")
    with pytest.raises(RealtimeError, match="nope"):
        RealtimeVoice()


def test_the_engine_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.voice.providers._has_engine", lambda: True)
    assert RealtimeVoice().provider_name == "local"
    monkeypatch.setattr("voicewire.voice.providers._has_engine", lambda: False)
    with pytest.raises(RealtimeError, match=r"OPENAI_API_KEY or GOOGLE_API_KEY.*voicewire setup"):
        RealtimeVoice()


def test_providers_by_any_name() -> None:
    assert RealtimeVoice(provider="OpenAI").provider_name == "openai"
    assert RealtimeVoice(provider="google_genai").provider_name == "gemini"
    assert RealtimeVoice(provider=create_model("echo")).provider_name == "echo"
    assert realtime_voice("openai:gpt-realtime").provider_name == "openai:gpt-realtime"
    with pytest.raises(RealtimeError, match="no provider"):
        RealtimeVoice(provider="nobody")


def test_registered_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RealtimeVoice, "_registered", {})
    RealtimeVoice.register_provider("Mine", lambda config: create_model("echo"))
    assert RealtimeVoice(provider="mine").provider_name == "mine"
    assert RealtimeVoice.list_providers()[-1] == "mine"


@pytest.mark.anyio
async def test_without_a_key_the_constructor_succeeds_and_connecting_says_what_is_missing() -> None:
    voice = RealtimeVoice(provider="openai")
    with pytest.raises(RealtimeConnectionError, match="OPENAI_API_KEY"):
        async with voice.connect():
            pass


@pytest.mark.anyio
async def test_an_unknown_voice_is_refused_with_those_that_there_are() -> None:
    voice = RealtimeVoice(provider="gemini", config=RealtimeConfig(voice="alloy"))
    with pytest.raises(RealtimeError, match="Puck"):
        async with voice.connect():
            pass


def test_tools_that_are_none() -> None:
    with pytest.raises(RealtimeError, match="not a tool"):
        RealtimeVoice(provider="echo", tools=[7])


def test_callbacks_that_are_none() -> None:
    with pytest.raises(RealtimeError, match="without brackets"):
        RealtimeVoice(provider="echo").on_audio(None)  # type: ignore[type-var]  # the mistake itself


def test_the_configuration_is_copied() -> None:
    config = RealtimeConfig(model="one")
    voice = RealtimeVoice(provider="echo", config=config)
    voice.config.model = "two"
    assert config.model == "one"


def test_errors_carry_message_and_code() -> None:
    assert str(RealtimeError("m")) == "m"
    assert str(RealtimeError("m", "c")) == "[c] m"
    error = RealtimeConnectionError("m", "c")
    assert (error.message, error.code) == ("m", "c")
    assert isinstance(error, RealtimeError)
    assert isinstance(error, TransportError)
    assert issubclass(RealtimeError, VoicewireError)
