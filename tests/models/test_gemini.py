"""Gemini's models: addresses, keys, refusals, a session that goes on in a new connection, the queue door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection

from tests.protocols.gemini_wire import GENERATED, INTERRUPTED, TURN_END, audio, words
from tests.transport.servers import serving
from voicewire.errors import (
    AuthError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    InvalidRequest,
    ProviderUnavailable,
    QuotaExceeded,
    SessionClosed,
    UnsupportedError,
)
from voicewire.events.base import EventBase, type_name
from voicewire.events.commands import (
    AppendAudio,
    CreateItem,
    DeleteItem,
    SendText,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelResponseAudioDeltaEvent,
    ModelResponseDoneEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models import create_model
from voicewire.models.gemini import GeminiRealtimeModel
from voicewire.models.model import RealtimeConnection
from voicewire.models.profiles import GEMINI_VOICES
from voicewire.settings import setting_names
from voicewire.transport.policies import NO_RECONNECT

pytestmark = pytest.mark.loopback

KEY = "gm-secret-0123456789"
PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


class Provider:
    """A server of the Gemini Live wire, as small as can be; it sends binary frames, as the provider does."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.received: list[dict[str, Any]] = []
        self.sockets: list[ServerConnection] = []
        self.refusal: tuple[int, str] | None = None
        self.refuses_from = 1

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.sockets.append(socket)
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.requests.append((socket.request.path, headers))
        async for frame in socket:
            ((key, body),) = json.loads(frame).items()
            self.received.append({key: body})
            if key == "setup":
                if self.refusal and len(self.sockets) >= self.refuses_from:
                    await socket.close(*self.refusal)
                    return
                await self.tell(socket, {"setupComplete": {}})
            elif key == "clientContent" and body["turnComplete"]:
                for message in (words("Yes."), audio(), GENERATED, TURN_END):
                    await self.tell(socket, message)

    async def tell(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.send(json.dumps(message).encode())

    def of(self, key: str) -> list[dict[str, Any]]:
        return [message[key] for message in self.received if key in message]


@asynccontextmanager
async def provider() -> AsyncGenerator[tuple[Provider, str], None]:
    served = Provider()
    async with serving(served.handle) as url:
        yield served, url


async def until(connection: RealtimeConnection, kind: type[EventBase]) -> Any:
    with anyio.fail_after(5):
        async for event in connection:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__}")


# ---------------------------------------------------------------------- where and as whom


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (None, f"wss://generativelanguage.googleapis.com{PATH.format(version='v1beta')}"),
        ("ws://127.0.0.1:8080", f"ws://127.0.0.1:8080{PATH.format(version='v1beta')}"),
        ("https://host/proxy/", f"wss://host/proxy{PATH.format(version='v1beta')}"),
    ],
)
def test_addresses(base: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = GeminiRealtimeModel("m", KEY, base_url=base)
    assert model.websocket_url == expected
    assert KEY not in repr(model)
    if base:
        monkeypatch.setenv("GEMINI_BASE_URL", base)
        assert GeminiRealtimeModel("m", KEY).websocket_url == expected
    assert "v1alpha" in GeminiRealtimeModel("m", KEY, api_version="v1alpha").websocket_url


def test_an_ephemeral_token_has_an_address_of_its_own() -> None:
    url = GeminiRealtimeModel("m", "auth_tokens/abc").websocket_url
    assert url.endswith(".v1alpha.GenerativeService.BidiGenerateContentConstrained")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex(location: str, host: str) -> None:
    model = GeminiRealtimeModel("m", project="p", location=location, token_provider=lambda: "t")
    path = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    assert model.websocket_url == f"wss://{host}{path}"
    with pytest.raises(ConfigError, match="location"):
        GeminiRealtimeModel("m", project="p")


def test_the_registry() -> None:
    model = create_model("gemini:gemini-x", api_key=KEY)
    assert isinstance(model, GeminiRealtimeModel)
    assert model.name == "gemini:gemini-x"
    assert create_model("gemini").name == "gemini:gemini-3.8-live"
    assert len(GEMINI_VOICES) == 30
    assert (model.input_sample_rate, model.output_sample_rate) == (16000, 24000)
    assert model.support_input_modalities == ["audio", "text", "image", "tool_result"]


@pytest.mark.anyio
@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_API_KEY"])
async def test_the_key_is_in_a_header_only(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with provider() as (served, url):
        with pytest.raises(ConfigError, match="GEMINI_API_KEY"):
            async with GeminiRealtimeModel("m", base_url=url).open():
                pass
        monkeypatch.setenv(variable, f"{KEY}\n")
        async with GeminiRealtimeModel("m", base_url=url).open():
            pass
    ((path, headers),) = served.requests
    assert headers["x-goog-api-key"] == KEY
    assert "?" not in path


@pytest.mark.anyio
async def test_a_token_of_the_cloud() -> None:
    async def token() -> str:
        return "cloud-token"

    async with provider() as (served, url):
        model = GeminiRealtimeModel("m", base_url=url, project="p", location="l", token_provider=token)
        async with model.open():
            pass
    assert served.requests[0][1]["authorization"] == "Bearer cloud-token"
    assert served.of("setup")[0]["model"] == "projects/p/locations/l/publishers/google/models/m"


# ---------------------------------------------------------------------- what it cannot do


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("gemini-3.8-live", SessionConfig(modality="text")),
        ("gemini-2.5-flash-native-audio-latest", SessionConfig(modality="text")),
        ("m", SessionConfig(turn_detection=TurnDetection(kind="semantic_vad"))),
        ("m", SessionConfig(speed=1.2)),
        ("m", SessionConfig(is_transcription_only=True)),
    ],
)
async def test_refused_before_the_wire(name: str, config: SessionConfig) -> None:
    async with provider() as (served, url):
        with pytest.raises(UnsupportedError):
            async with GeminiRealtimeModel(name, KEY, base_url=url).open(config=config):
                pass
        assert not served.requests


@pytest.mark.anyio
async def test_commands_that_are_refused_before_the_wire() -> None:
    item = Item(id="i", role="user")
    async with provider() as (served, url):
        async with GeminiRealtimeModel("m", KEY, base_url=url).open() as connection:
            for command in (
                TruncateItem("i", 1),
                DeleteItem("i"),
                CreateItem(item=item, previous_item_id="x"),
            ):
                with pytest.raises(UnsupportedError):
                    await connection.send(command)
        assert list(served.received[-1]) == ["setup"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "API key not valid. Please pass a valid API key.", AuthError),
        (1007, "Request contains an invalid argument.", InvalidRequest),
        (1008, "models/m is not found for API version v1beta", InvalidRequest),
        (1011, "You exceeded your current quota, please check your plan", QuotaExceeded),
        (1011, "Internal error encountered.", ProviderUnavailable),
        (1000, "", ConnectFailed),
    ],
)
async def test_a_refused_set_up(code: int, reason: str, kind: type[Exception]) -> None:
    async with provider() as (served, url):
        served.refusal = (code, reason)
        with pytest.raises(kind) as refused:
            async with GeminiRealtimeModel("m", KEY, base_url=url).open():
                pass
    assert reason in str(refused.value)
    assert KEY not in str(refused.value)


# ---------------------------------------------------------------------- a session


@pytest.mark.anyio
async def test_a_conversation() -> None:
    async with provider() as (served, url):
        async with GeminiRealtimeModel("m", KEY, base_url=url).open(instructions="Hm.") as connection:
            assert connection.session_id
            await connection.send(AppendAudio(bytes(4800), 24000))
            await connection.send(SendText("Really?"))
            done = await until(connection, ModelResponseDoneEvent)
    assert done.output[0].text == "Yes."
    (setup,) = served.of("setup")
    assert setup["systemInstruction"]["parts"] == [{"text": "Hm."}]
    assert setup["sessionResumption"] == {}
    assert (
        setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Puck"
    )
    heard = served.of("realtimeInput")
    assert {chunk["audio"]["mimeType"] for chunk in heard} == {"audio/pcm;rate=16000"}


@pytest.mark.anyio
@pytest.mark.parametrize("has_handle", [False, True])
async def test_a_change_goes_on_in_a_new_connection(has_handle: bool) -> None:
    async with provider() as (served, url):
        async with GeminiRealtimeModel("m", KEY, base_url=url).open() as connection:
            await connection.send(SendText("One?"))
            await until(connection, ModelResponseDoneEvent)
            if has_handle:
                update = {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}
                await served.tell(served.sockets[0], {**update, **INTERRUPTED})
                await until(connection, EventBase)
            await connection.send(UpdateSession(voice="Kore", command_id="u"))
            await connection.send(SendText("Two?"))
            updated = await until(connection, ModelSessionUpdatedEvent)
            assert (updated.command_id, updated.config.voice) == ("u", "Kore")
            done = await until(connection, ModelResponseDoneEvent)
            assert done.status == "completed"
            assert connection.config.voice == "Kore"
    assert len(served.sockets) == 2
    assert served.sockets[0].close_code == 1000
    contents = served.of("clientContent")
    if has_handle:
        assert served.of("setup")[1]["sessionResumption"] == {"handle": "h"}
        assert len(contents) == 2
    else:
        history = contents[1]
        assert history["turnComplete"] is False
        assert [turn["parts"][0]["text"] for turn in history["turns"]] == ["One?", "Yes."]
    assert contents[-1]["turns"][0]["parts"] == [{"text": "Two?"}]


@pytest.mark.anyio
async def test_a_new_connection_that_is_refused_ends_the_session() -> None:
    async with provider() as (served, url):
        served.refusal, served.refuses_from = (1007, "Bad resume handle."), 2
        async with GeminiRealtimeModel("m", KEY, base_url=url).open() as connection:
            await connection.send(UpdateSession(voice="Kore"))
            ended: list[EventBase] = []
            with pytest.raises(SessionClosed, match="Bad resume handle"):
                async for event in connection:
                    ended.append(event)  # noqa: PERF401  the iterator raises in the end
            assert isinstance(ended[-1], ModelSessionEndedEvent)
            assert (ended[-1].code, ended[-1].reason) == (1007, "Bad resume handle.")


@pytest.mark.anyio
async def test_closing_between_two_connections() -> None:
    async with provider() as (_, url):
        async with GeminiRealtimeModel("m", KEY, base_url=url).open() as connection:
            await connection.send(UpdateSession(voice="Kore"))
        with anyio.fail_after(5):
            events = [event async for event in connection]
    assert isinstance(events[-1], ModelSessionEndedEvent)
    assert events[-1].is_expected
    assert [task for task in asyncio.all_tasks() if "gemini" in task.get_name()] == []


@pytest.mark.anyio
async def test_a_cut_connection() -> None:
    async with provider() as (served, url):
        model = GeminiRealtimeModel("m", KEY, base_url=url).set_link(reconnect=NO_RECONNECT)
        async with model.open() as connection:
            served.sockets[0].transport.abort()
            with anyio.fail_after(5), pytest.raises(ConnectionLost):
                async for event in connection:
                    assert not isinstance(event, ModelResponseDoneEvent)


@pytest.mark.anyio
async def test_the_queue_door() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue()
    async with provider() as (served, url):
        model = GeminiRealtimeModel("m", KEY, "Kore", False, url)
        await model.connect(queue, "Be brief.", None)
        await model.send({"type": "text", "text": "hi"})
        got: list[EventBase] = []
        with anyio.fail_after(5):
            while not got or not isinstance(got[-1], ModelResponseDoneEvent):
                got.append(await queue.get())
            await model.disconnect()
        while not queue.empty():
            got.append(queue.get_nowait())
    assert type_name(got[0]) == "model_session_created"
    assert any(isinstance(event, ModelResponseAudioDeltaEvent) for event in got)
    assert isinstance(got[-1], ModelSessionEndedEvent)
    assert "inputAudioTranscription" not in served.of("setup")[0]
