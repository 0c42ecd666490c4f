"""OpenAI's and Azure's models: addresses, keys, the handshake, a whole session, the queue door."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection

from tests.models.frames import COMMITTED, CREATED, RESPONSE_CREATED, UPDATED, delta
from tests.transport.servers import serving
from voicewire.errors import (
    AuthError,
    ConfigError,
    InvalidEventError,
    LocalProtocolError,
    SessionClosed,
    UnsupportedError,
)
from voicewire.events import ModelEvents
from voicewire.events.base import EventBase
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models.addresses import websocket_url
from voicewire.models.azure import AzureOpenAIRealtimeModel
from voicewire.models.openai import OpenAIRealtimeModel
from voicewire.settings import setting_names
from voicewire.transport.policies import NO_RECONNECT

pytestmark = pytest.mark.loopback

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


class Provider:
    """A server of the OpenAI wire, as small as can be."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.received: list[dict[str, Any]] = []
        self.news = anyio.Event()
        self.socket: ServerConnection | None = None

    async def handle(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        self.socket = ws
        self.requests.append((ws.request.path, {k.lower(): v for k, v in ws.request.headers.raw_items()}))
        await ws.send(CREATED)
        async for message in ws:
            event = json.loads(message)
            self.received.append(event)
            self.news.set()
            if event["type"] == "session.update":
                await ws.send(UPDATED)
            elif event["type"] == "response.create":
                await ws.send(RESPONSE_CREATED)
                await ws.send(delta(b"\x01\x02" * 480))

    async def until(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(5):
            while True:
                for event in self.received:
                    if event["type"] == kind:
                        return event
                self.news = anyio.Event()
                await self.news.wait()


@asynccontextmanager
async def provider() -> AsyncGenerator[tuple[Provider, str], None]:
    served = Provider()
    async with serving(served.handle) as url:
        yield served, url


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=m"),
        ("https://api.openai.com/v1/", "wss://api.openai.com/v1/realtime?model=m"),
        ("http://127.0.0.1:8080/v1", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("wss://h/v1/realtime/", "wss://h/v1/realtime?model=m"),
        ("wss://h/proxy/openai?tenant=a%20b", "wss://h/proxy/openai/realtime?tenant=a+b&model=m"),
        ("ws://[::1]:80/v1", "ws://[::1]:80/v1/realtime?model=m"),
    ],
)
def test_addresses_of_openai(monkeypatch: pytest.MonkeyPatch, base: str, expected: str) -> None:
    assert OpenAIRealtimeModel("m", base_url=base).websocket_url == expected
    monkeypatch.setenv("OPENAI_BASE_URL", base)
    assert OpenAIRealtimeModel("m").websocket_url == expected


@pytest.mark.parametrize(
    "base",
    [
        "https://res.openai.azure.com",
        "https://res.openai.azure.com/",
        "https://res.openai.azure.com/openai",
        "https://res.openai.azure.com/openai/v1/",
        "wss://res.openai.azure.com/openai/v1/realtime",
    ],
)
def test_addresses_of_azure(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    expected = "wss://res.openai.azure.com/openai/v1/realtime?model=my+dep%2F1"
    assert AzureOpenAIRealtimeModel("my dep/1", base_url=base).websocket_url == expected
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", base)
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "my dep/1")
    assert AzureOpenAIRealtimeModel().websocket_url == expected


@pytest.mark.parametrize("base", ["127.0.0.1:8080", "ftp://host", "https://", "nonsense"])
def test_bases_that_are_none(base: str) -> None:
    with pytest.raises(ConfigError, match="not a base address"):
        websocket_url(base, "/realtime", {})


def test_openai_is_the_default_address() -> None:
    model = OpenAIRealtimeModel("gpt-realtime")
    assert model.websocket_url == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    assert model.name == "openai:gpt-realtime"


def test_the_arguments_of_the_document_by_position() -> None:
    model = OpenAIRealtimeModel("gpt-4o-realtime-preview", KEY, "cedar", False)
    assert KEY not in repr(model)
    assert model.support_input_modalities == ["audio", "text", "tool_result"]
    assert (model.input_sample_rate, model.output_sample_rate, model.support_tools) == (24000, 24000, True)
    assert "image" in OpenAIRealtimeModel("gpt-realtime").support_input_modalities


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("model", "says"),
    [
        (OpenAIRealtimeModel("m"), "set OPENAI_API_KEY"),
        (AzureOpenAIRealtimeModel("d", base_url="ws://h"), "set AZURE_OPENAI_API_KEY"),
        (AzureOpenAIRealtimeModel("d", KEY), "set AZURE_OPENAI_ENDPOINT"),
    ],
    ids=["openai-key", "azure-key", "azure-endpoint"],
)
async def test_what_is_missing_is_said(model: OpenAIRealtimeModel, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        async with model.open():
            pytest.fail("it must not open")


def test_azure_without_a_deployment() -> None:
    with pytest.raises(ConfigError, match="AZURE_OPENAI_DEPLOYMENT"):
        AzureOpenAIRealtimeModel()


@pytest.mark.anyio
async def test_the_handshake_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", base_url=f"{url}/v1", organization="org_1", project="proj_1")
        async with model.open():
            pass
    path, headers = served.requests[0]
    assert path == "/v1/realtime?model=m"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org_1", "proj_1")
    assert "openai-beta" not in headers


@pytest.mark.anyio
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_handshake_of_azure(is_async: bool) -> None:
    def token() -> str:
        return "entra-1"

    async def token_later() -> str:
        return "entra-1"

    async with provider() as (served, url):
        async with AzureOpenAIRealtimeModel("dep", KEY, base_url=url).open():
            pass
        provide = token_later if is_async else token
        async with AzureOpenAIRealtimeModel("dep", base_url=url, token_provider=provide).open():
            pass
    assert served.requests[0][0] == "/openai/v1/realtime?model=dep"
    assert served.requests[0][1]["api-key"] == KEY
    assert "authorization" not in served.requests[0][1]
    assert served.requests[1][1]["authorization"] == "Bearer entra-1"
    assert "api-key" not in served.requests[1][1]


@pytest.mark.anyio
async def test_the_session_that_is_asked_for() -> None:
    tool = {
        "type": "function",
        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
    }
    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", KEY, "marin", base_url=url)
        async with model.open(instructions="Be brief.", tools=[tool]):
            pass
        async with OpenAIRealtimeModel("m", KEY, enable_input_audio_transcription=False, base_url=url).open():
            pass
    first, second = [event["session"] for event in served.received if event["type"] == "session.update"]
    assert (first["type"], first["instructions"]) == ("realtime", "Be brief.")
    assert first["audio"]["output"]["voice"] == "marin"
    assert first["audio"]["input"]["transcription"]["model"]
    assert [tool["name"] for tool in first["tools"]] == ["f"]
    assert second["audio"]["input"]["transcription"] is None
    assert second["audio"]["output"]["voice"] == "alloy"


@pytest.mark.anyio
async def test_what_the_model_cannot_do_is_refused_before_connecting() -> None:
    model = OpenAIRealtimeModel("m", KEY, base_url="ws://127.0.0.1:9")
    model.capabilities = OpenAIRealtimeModel("m").capabilities.__class__(supports_semantic_vad=False)
    with pytest.raises(UnsupportedError, match="semantic"):
        async with model.open(config=SessionConfig(turn_detection=TurnDetection(kind="semantic_vad"))):
            pytest.fail("it must not open")


@pytest.mark.anyio
async def test_a_refused_key_is_an_auth_error_without_the_key() -> None:
    from http import HTTPStatus

    def refuse(ws: ServerConnection, request: object) -> object:
        return ws.respond(HTTPStatus.UNAUTHORIZED, f'{{"error":{{"message":"bad key {KEY}"}}}}')

    async with serving(Provider().handle, process_request=refuse) as url:
        with pytest.raises(AuthError) as refused:
            async with OpenAIRealtimeModel("m", KEY, base_url=url).open():
                pytest.fail("it must not open")
    assert (refused.value.provider, refused.value.http_status) == ("openai", 401)
    assert KEY not in str(refused.value)


# ---------------------------------------------------------------- the queue door of seed 002


def kinds(queue: asyncio.Queue[EventBase]) -> list[str]:
    return [queue.get_nowait().model_dump()["type"] for _ in range(queue.qsize())]


@pytest.mark.anyio
async def test_the_queue_door_from_connect_to_disconnect() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue()
    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", KEY, base_url=url)
        await model.connect(queue, "Be brief.", [])
        assert model.connection is not None
        with pytest.raises(LocalProtocolError, match="connected already"):
            await model.connect(queue, "", None)
        pcm = b"\x01\x00" * 240
        source = {
            "type": "base64",
            "media_type": "audio/pcm;rate=24000",
            "data": base64.b64encode(pcm).decode(),
        }
        await model.send({"type": "audio", "source": source})
        assert (await served.until("input_audio_buffer.append"))["audio"] == source["data"]
        await model.send({"type": "text", "text": "hello"})
        assert (await served.until("conversation.item.create"))["item"]["content"][0]["text"] == "hello"
        await served.until("response.create")
        while not isinstance(event := await queue.get(), ModelEvents.ModelResponseAudioDeltaEvent):
            pass
        assert event.pcm == b"\x01\x02" * 480
        await model.disconnect()
        await model.disconnect()
    assert kinds(queue)[-1] == "model_session_ended"
    with pytest.raises(SessionClosed, match="is not connected"):
        await model.send({"type": "text", "text": "late"})
    assert [task for task in asyncio.all_tasks() if "voicewire" in task.get_name()] == []


@pytest.mark.anyio
async def test_the_queue_gets_the_end_when_the_provider_goes_away() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue()
    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", KEY, base_url=url).set_link(reconnect=NO_RECONNECT)
        await model.connect(queue, "", None)
        assert served.socket is not None
        served.socket.transport.abort()
        with anyio.fail_after(5):
            while not isinstance(event := await queue.get(), ModelEvents.ModelSessionEndedEvent):
                pass
        assert (event.code, event.is_expected) == (1006, False)
        with pytest.raises(SessionClosed):
            await model.send({"type": "text", "text": "late"})
        await model.connect(queue, "", None)  # the door can be used again
        await model.disconnect()


@pytest.mark.anyio
async def test_a_failing_connect_is_raised_and_leaves_the_door_free() -> None:
    model = OpenAIRealtimeModel("m", base_url="ws://127.0.0.1:9")
    for _ in range(2):
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            await model.connect(asyncio.Queue(), "", None)


@pytest.mark.anyio
async def test_a_cancelled_connect_leaves_nothing() -> None:
    async def silent(ws: ServerConnection) -> None:
        await ws.wait_closed()

    async with serving(silent) as url:
        model = OpenAIRealtimeModel("m", KEY, base_url=url)
        with anyio.move_on_after(0.02) as scope:
            await model.connect(asyncio.Queue(), "", None)
        assert scope.cancelled_caught
        assert [task for task in asyncio.all_tasks() if "voicewire" in task.get_name()] == []


@pytest.mark.anyio
async def test_a_slow_consumer_still_gets_the_end() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue(1)
    got: list[EventBase] = []

    async def consume() -> None:
        assert served.socket is not None
        await served.socket.wait_closed()
        while len(got) < 3:
            await anyio.wait_all_tasks_blocked()
            got.append(await queue.get())

    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", KEY, base_url=url)
        await model.connect(queue, "", None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consume)
            with anyio.fail_after(5):
                await model.disconnect()
    assert [event.model_dump()["type"] for event in got] == [
        "model_session_created",
        "model_session_updated",
        "model_session_ended",
    ]


@pytest.mark.anyio
async def test_a_full_queue_does_not_hang_disconnect() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue(1)
    async with provider() as (served, url):
        model = OpenAIRealtimeModel("m", KEY, base_url=url).set_link(reconnect=NO_RECONNECT)
        await model.connect(queue, "", None)
        assert served.socket is not None
        await served.socket.send(COMMITTED)
        with anyio.fail_after(5):
            await model.disconnect()
    assert queue.qsize() == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"type": "video", "source": {}}, UnsupportedError),
        ({"type": "smell"}, InvalidEventError),
        ({"type": "text"}, InvalidEventError),
        ({"type": "audio", "source": {"type": "base64"}}, InvalidEventError),
        ({"type": "audio", "source": {"type": "url", "url": "file:///etc/passwd"}}, InvalidEventError),
        ({"type": "tool_result", "id": "c"}, InvalidEventError),
        ("hello", InvalidEventError),
    ],
)
async def test_blocks_that_cannot_be_sent(block: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await OpenAIRealtimeModel("m", KEY).send(block)
