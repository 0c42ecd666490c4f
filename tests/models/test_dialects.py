"""The OpenAI wire's other speakers: beta, Azure preview, Voice Live, xAI. Addresses, credentials, a whole session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from voicewire.errors import ConfigError, UnsupportedError, VoicewireError
from voicewire.events.commands import AppendAudio, CommitAudio, CreateResponse, SendImage, SendText
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputTranscriptionDoneEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
)
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.models.remote_model import bearer
from voicewire.protocols.openai.dialect_xai import xai_session
from voicewire.protocols.openai.session_config import session_body
from voicewire.settings import setting_names
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

_TIMEOUT_S = 10.0


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def url() -> AsyncGenerator[str, None]:
    async with serve(model="echo") as gateway:
        yield gateway.ws_url


def speakers(url: str) -> dict[str, RealtimeModel]:
    """Every model of ours that speaks a dialect, at a gateway."""
    return {
        "beta": create_model("openai:echo", api_key="k", base_url=f"{url}/v1", dialect="beta"),
        "preview": create_model("azure:echo", api_key="k", base_url=url, api_version="2025-04-01-preview"),
        "first preview": create_model(
            "azure:echo", api_key="k", base_url=url, api_version="2024-10-01-preview"
        ),
        "voicelive": create_model("voicelive:echo", api_key="k", base_url=url),
    }


every_speaker = pytest.mark.parametrize("name", list(speakers("ws://h")))


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (
            "azure:d",
            {"base_url": "https://r.openai.azure.com", "api_version": "2025-04-01-preview"},
            "wss://r.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment=d",
        ),
        ("azure:d", {"base_url": "https://h/"}, "wss://h/openai/v1/realtime?model=d"),
        (
            "voicelive:gpt-4o",
            {"base_url": "http://127.0.0.1:80/"},
            "ws://127.0.0.1:80/voice-live/realtime?api-version=2025-10-01&model=gpt-4o",
        ),
        ("xai:grok", {"base_url": "ws://127.0.0.1:80"}, "ws://127.0.0.1:80/v1/realtime?model=grok"),
        ("xai", {}, "wss://api.x.ai/v1/realtime?model=grok-voice-latest"),
    ],
)
async def test_addresses(model: str, options: dict[str, str], expected: str) -> None:
    found: Any = create_model(model, **options)
    assert found.websocket_url == expected


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        ("voicelive:m", {"base_url": "ws://h"}, "AZURE_VOICELIVE_API_KEY"),
        ("voicelive:m", {"api_key": "k"}, "AZURE_VOICELIVE_ENDPOINT"),
        ("xai:m", {}, "XAI_API_KEY"),
    ],
)
async def test_what_is_missing_is_said(model: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        async with create_model(model, **options).open():
            pytest.fail("it must not open")


async def test_there_are_two_dialects() -> None:
    with pytest.raises(ConfigError, match="'gamma'"):
        create_model("openai:m", dialect="gamma")


@dataclass
class _Token:
    token: str


class _Credential:
    def __init__(self, token: str = "entra") -> None:
        self.scopes: list[str] = []
        self._token = token

    def get_token(self, *scopes: str) -> _Token:
        self.scopes += scopes
        return _Token(self._token)


class _AsyncCredential(_Credential):
    async def get_token(self, *scopes: str) -> _Token:  # type: ignore[override]  # as in azure-identity's aio
        return super().get_token(*scopes)


@pytest.mark.parametrize("kind", [_Credential, _AsyncCredential])
async def test_credentials_in_the_manner_of_azure_identity(kind: type[_Credential]) -> None:
    credential = kind()
    assert await bearer(None, credential, "scope/.default") == {"Authorization": "Bearer entra"}
    assert credential.scopes == ["scope/.default"]
    with pytest.raises(ConfigError, match="no token"):
        await bearer(None, kind(""), "scope")
    assert await bearer(None, None, "scope") is None


async def test_a_credential_opens_the_gateway() -> None:
    from voicewire.gateway.settings import GatewaySettings

    settings = GatewaySettings.model_validate({"api_keys": ["entra"]})
    async with serve(model="echo", settings=settings) as gateway:
        for model in ("azure:echo", "voicelive:echo"):
            found = create_model(model, base_url=gateway.ws_url, credential=_AsyncCredential())
            async with found.open() as connection:
                assert connection.session_id


@every_speaker
async def test_a_written_turn(url: str, name: str) -> None:
    words: list[str] = []
    async with speakers(url)[name].open(config=SessionConfig(modality="text")) as connection:
        assert connection.session_id
        await connection.send(SendText("Hello there"))
        with anyio.fail_after(_TIMEOUT_S):
            async for event in connection:
                if isinstance(event, ModelResponseTextDeltaEvent):
                    words.append(event.delta)
                elif isinstance(event, ModelResponseDoneEvent):
                    assert (event.status, event.input_tokens > 0) == ("completed", True)
                    break
    assert "".join(words) == "You said: Hello there"


@every_speaker
async def test_a_spoken_turn_by_hand(url: str, name: str) -> None:
    pcm = b"\x00\x10" * 24000
    heard, audio = "", b""
    config = SessionConfig(turn_detection=None, transcription=Transcription())
    async with speakers(url)[name].open(config=config) as connection:
        assert connection.config.turn_detection is None
        await connection.send(AppendAudio(pcm))
        await connection.send(CommitAudio())
        with anyio.fail_after(_TIMEOUT_S):
            async for event in connection:
                if isinstance(event, ModelInputTranscriptionDoneEvent):
                    heard = event.transcript
                elif isinstance(event, ModelResponseAudioDeltaEvent):
                    audio += event.pcm
                if isinstance(event, ModelResponseDoneEvent):
                    break
    assert heard == "[audio 1000 ms]"
    assert audio == pcm


@pytest.mark.parametrize("name", ["beta", "preview", "first preview"])
async def test_the_beta_has_no_images_and_no_idle_timeout(name: str) -> None:
    model = speakers("ws://127.0.0.1:9")[name]
    assert "image" not in model.capabilities.input_modalities
    with pytest.raises(UnsupportedError, match="idle"):
        async with model.open(config=SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=5000))):
            pytest.fail("it must not open")


async def test_the_first_preview_reads_no_image(url: str) -> None:
    async with speakers(url)["first preview"].open() as connection:
        with pytest.raises(UnsupportedError, match="images"):
            await connection.send(SendImage(b"x", "image/png"))


@pytest.mark.parametrize("name", ["openai:echo", "voicelive:echo"])
async def test_an_idle_timeout_is_refused_by_a_model_without_one(url: str, name: str) -> None:
    """Our client passes it on, since the provider has it; the gateway's echo has none and says so."""
    base_url = f"{url}/v1" if name.startswith("openai") else url
    model = create_model(name, api_key="k", base_url=base_url)
    config = SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=5000))
    with pytest.raises(VoicewireError, match="idle"):
        async with model.open(config=config):
            pytest.fail("it must not open")


async def test_a_response_outside_the_conversation(url: str) -> None:
    async with speakers(url)["beta"].open(config=SessionConfig(modality="text")) as connection:
        await connection.send(CreateResponse(is_out_of_band=True, metadata={"purpose": "test"}))
        with anyio.fail_after(_TIMEOUT_S):
            async for event in connection:
                assert not isinstance(event, ModelErrorEvent)
                if isinstance(event, ModelResponseDoneEvent):
                    break
    with pytest.raises(UnsupportedError):
        async with speakers(url)["voicelive"].open() as connection:
            await connection.send(CreateResponse(is_out_of_band=True))


async def test_what_xai_is_sent() -> None:
    config = SessionConfig(instructions="x", voice="eve", turn_detection=None, tool_choice="required")
    session = xai_session(session_body(config, transcription_model="grok-transcribe"))
    assert session == {
        "instructions": "x",
        "tools": [],
        "tool_choice": "required",
        "turn_detection": {"type": None},
        "voice": "eve",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "grok-transcribe"},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}},
        },
    }
    assert xai_session({"type": "realtime", "instructions": "y"}) == {"instructions": "y"}
