"""``dashscope:MODEL``: addresses, keys, profiles, and conversations with a gateway that speaks the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection

from tests.transport.servers import serving
from voicewire.errors import AuthError, ConfigError, UnsupportedError
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    CommitAudio,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.session import SessionConfig, ToolSpec, TurnDetection
from voicewire.gateway.settings import GatewaySettings
from voicewire.models import create_model
from voicewire.models.dashscope import DashScopeRealtimeModel
from voicewire.models.model import RealtimeConnection
from voicewire.testing import serve
from voicewire.transport.policies import NO_RECONNECT

KEY = "sk-secret"
OMNI = "qwen3.5-omni-plus-realtime"
REALTIME = "/api-ws/v1/realtime"
TOOL = ToolSpec(name="get_weather", description="Tells the weather.")
MANUAL = SessionConfig(turn_detection=None)

pytestmark = pytest.mark.anyio


# ---------------------------------------------------------------------- where and as whom


@pytest.mark.unit
@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (None, f"wss://dashscope.aliyuncs.com{REALTIME}?model=m"),
        ("ws://127.0.0.1:8080", f"ws://127.0.0.1:8080{REALTIME}?model=m"),
        ("http://host/api-ws/v1/inference", f"ws://host{REALTIME}?model=m"),
        ("ws://host/api-ws/v1/inference/", f"ws://host{REALTIME}?model=m"),
        ("wss://host/proxy/api-ws/v1/inference", f"wss://host/proxy{REALTIME}?model=m"),
        (
            "wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime",
            f"wss://dashscope-intl.aliyuncs.com{REALTIME}?model=m",
        ),
        (
            "wss://ws-1.cn-beijing.maas.aliyuncs.com",
            f"wss://ws-1.cn-beijing.maas.aliyuncs.com{REALTIME}?model=m",
        ),
    ],
)
def test_addresses(base: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_WEBSOCKET_BASE_URL", raising=False)
    model = DashScopeRealtimeModel("m", KEY, base_url=base)
    assert model.websocket_url == expected
    assert KEY not in repr(model)
    if base:
        monkeypatch.setenv("DASHSCOPE_WEBSOCKET_BASE_URL", base)
        assert DashScopeRealtimeModel("m", KEY).websocket_url == expected


@pytest.mark.unit
def test_a_workspace_has_a_host_of_its_own() -> None:
    model = DashScopeRealtimeModel("m", KEY, workspace="ws-9", region="ap-southeast-1")
    assert model.websocket_url == f"wss://ws-9.ap-southeast-1.maas.aliyuncs.com{REALTIME}?model=m"
    assert DashScopeRealtimeModel("m", KEY, base_url="ws://h", workspace="ws-9").websocket_url.startswith(
        "ws://h/"
    )


@pytest.mark.unit
async def test_without_a_key_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="DASHSCOPE_API_KEY"):
        async with DashScopeRealtimeModel("m", base_url="ws://127.0.0.1:9").open():
            pytest.fail("it opened")


# ---------------------------------------------------------------------- what a model can do


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "voice", "rates", "has_tools", "takes"),
    [
        ("qwen3-omni-flash-realtime", "Cherry", (16000, 24000), False, ["audio", "text", "image"]),
        ("qwen-omni-turbo-realtime", "Chelsie", (16000, 24000), False, ["audio", "text", "image"]),
        (OMNI, "Tina", (16000, 24000), True, ["audio", "text", "image", "tool_result"]),
        (
            "qwen3.8-omni-flash-realtime",
            "Tina",
            (16000, 24000),
            True,
            ["audio", "text", "image", "tool_result"],
        ),
        (
            "qwen-audio-3.0-realtime-plus",
            "longanqian",
            (16000, 24000),
            True,
            ["audio", "text", "tool_result"],
        ),
        ("qwen3-asr-flash-realtime", "", (16000, 16000), False, ["audio"]),
        ("qwen3-tts-flash-realtime", "Cherry", (24000, 24000), False, ["text"]),
    ],
)
def test_profiles(name: str, voice: str, rates: tuple[int, int], has_tools: bool, takes: list[str]) -> None:
    model = DashScopeRealtimeModel(name, KEY)
    assert model._profile.voice == voice
    assert (model.input_sample_rate, model.output_sample_rate) == rates
    assert model.support_tools is has_tools
    assert model.support_input_modalities == takes
    assert create_model(f"dashscope:{name}", api_key=KEY).name == f"dashscope:{name}"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("qwen3-omni-flash-realtime", SessionConfig(tools=(TOOL,))),
        ("qwen3-omni-flash-realtime", SessionConfig(turn_detection=TurnDetection(kind="semantic_vad"))),
        (OMNI, SessionConfig(tools=(TOOL,), tool_choice="required")),
        (OMNI, SessionConfig(speed=1.5)),
        (OMNI, SessionConfig(turn_detection=TurnDetection(kind="smart_turn"))),
        ("qwen3-omni-flash-realtime", SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=5000))),
        ("qwen3-asr-flash-realtime", SessionConfig()),
        ("qwen3-tts-flash-realtime", SessionConfig(transcription=None)),
    ],
)
async def test_what_the_model_lacks_fails_before_the_wire(name: str, config: SessionConfig) -> None:
    with pytest.raises(UnsupportedError):
        async with DashScopeRealtimeModel(name, KEY, base_url="ws://127.0.0.1:9").open(config=config):
            pytest.fail("it opened")


# ---------------------------------------------------------------------- against a gateway


@asynccontextmanager
async def talking(name: str = OMNI, **arguments: Any) -> AsyncGenerator[RealtimeConnection, None]:
    async with serve(model="echo") as gateway:
        model = DashScopeRealtimeModel(name, KEY, base_url=gateway.ws_url)
        async with model.open(**arguments) as connection:
            yield connection


async def until(connection: RealtimeConnection, kind: type[EventBase]) -> tuple[Any, list[EventBase]]:
    """The next event of a kind, and everything up to it."""
    seen: list[EventBase] = []
    with anyio.fail_after(10):
        async for event in connection:
            seen.append(event)
            if isinstance(event, kind):
                return event, seen
    raise AssertionError(f"no {kind.__name__} among {seen}")


@pytest.mark.loopback
@pytest.mark.parametrize("name", [OMNI, "qwen3.8-omni-flash-realtime", "qwen3-omni-flash-realtime"])
async def test_text_and_speech(name: str) -> None:
    async with talking(name) as connection:
        assert connection.session_id.startswith("sess_")
        await connection.send(SendText("hi"))
        done, seen = await until(connection, m.ModelResponseDoneEvent)
        assert (done.status, done.output[0].text) == ("completed", "You said: hi")
        assert done.output_tokens > 0
        sound = b"".join(event.pcm for event in seen if isinstance(event, m.ModelResponseAudioDeltaEvent))
        assert len(sound) == len("You said: hi") * 20 * 24 * 2


@pytest.mark.loopback
async def test_a_spoken_turn_with_a_tool_call() -> None:
    async with talking(config=SessionConfig(turn_detection=None, tools=(TOOL,))) as connection:
        await connection.send(AppendAudio(b"\x00\x10" * 24000, 24000))
        await connection.send(CommitAudio())
        done, seen = await until(connection, m.ModelResponseDoneEvent)
        assert done.output[0].text == "You sent 1000 ms of audio"
        heard = [event for event in seen if isinstance(event, m.ModelInputTranscriptionDoneEvent)]
        assert [event.transcript for event in heard] == ["[audio 1000 ms]"]
        partials = [event for event in seen if isinstance(event, m.ModelInputTranscriptionDeltaEvent)]
        assert partials[0].is_revision
        await connection.send(SendText('call get_weather {"city": "Paris"}'))
        call, _ = await until(connection, m.ModelResponseToolUseDoneEvent)
        await connection.send(SendToolResult(call.tool_use["id"], "sunny"))
        await until(connection, m.ModelResponseDoneEvent)
        done, _ = await until(connection, m.ModelResponseDoneEvent)
        assert done.output[0].text == "get_weather returned: sunny"


@pytest.mark.loopback
async def test_an_interruption_an_image_and_an_update() -> None:
    async with talking(config=MANUAL) as connection:
        await connection.send(SendText("speak 9 seconds"))
        await until(connection, m.ModelResponseAudioDeltaEvent)
        await connection.send(CancelResponse())
        done, _ = await until(connection, m.ModelResponseDoneEvent)
        assert done.status == "cancelled"
        await connection.send(SendImage(b"\xff\xd8\xff"))
        added, _ = await until(connection, m.ModelItemAddedEvent)
        assert added.item.content[0].kind == "image"
        await connection.send(UpdateSession(modality="text", command_id="u1"))
        updated, _ = await until(connection, m.ModelSessionUpdatedEvent)
        assert (updated.command_id, connection.config.modality) == ("u1", "text")
        with pytest.raises(UnsupportedError):
            await connection.send(TruncateItem("i", 5))


@pytest.mark.loopback
async def test_an_error_and_a_failed_response() -> None:
    async with talking() as connection:
        await connection.send(SendToolResult("nobody", "x", respond=False))
        error, _ = await until(connection, m.ModelErrorEvent)
        assert error.error_type == "invalid_request_error"
        await connection.send(SendText("fail overloaded"))
        done, _ = await until(connection, m.ModelResponseDoneEvent)
        assert (done.status, done.reason) == ("failed", "overloaded")


@pytest.mark.loopback
async def test_an_abrupt_drop_is_reported() -> None:
    async with serve(model="echo") as gateway:
        model = DashScopeRealtimeModel(OMNI, KEY, base_url=gateway.ws_url).set_link(reconnect=NO_RECONNECT)
        async with model.open() as connection:
            await connection.send(SendText("drop"))
            ended, _ = await until(connection, m.ModelSessionEndedEvent)
            assert (ended.code, ended.is_expected) == (1006, False)


@pytest.mark.loopback
async def test_speech_from_text() -> None:
    async with talking("qwen3-tts-flash-realtime") as connection:
        await connection.send(SendText("One. ", respond=False))
        await connection.send(SendText("Two."))
        done, seen = await until(connection, m.ModelResponseDoneEvent)
        assert done.status == "completed"
        sound = sum(len(event.pcm) for event in seen if isinstance(event, m.ModelResponseAudioDeltaEvent))
        assert sound == len("You said: One. Two.") * 20 * 24 * 2
        with pytest.raises(UnsupportedError):
            await connection.send(AppendAudio(b"\0\0", 24000))


@pytest.mark.loopback
async def test_speech_at_another_rate() -> None:
    config = SessionConfig(
        turn_detection=None, transcription=None, output_format=MediaFormat("audio/pcm", 48000)
    )
    async with talking("qwen3-tts-flash-realtime", config=config) as connection:
        await connection.send(SendText("Hi"))
        delta, _ = await until(connection, m.ModelResponseAudioDeltaEvent)
        assert delta.format.rate == 48000


@pytest.mark.loopback
async def test_transcripts_of_speech() -> None:
    async with talking("qwen3-asr-flash-realtime") as connection:
        assert connection.config.is_transcription_only
        await connection.send(AppendAudio(b"\x00\x10" * 16000, 16000))
        await connection.send(CommitAudio())
        final, seen = await until(connection, m.ModelInputTranscriptionDoneEvent)
        assert final.transcript == "[audio 1000 ms]"
        assert not [event for event in seen if isinstance(event, m.ModelResponseCreatedEvent)]


@pytest.mark.loopback
async def test_the_queue_door_of_seed_002() -> None:
    async with serve(model="echo") as gateway:
        model = DashScopeRealtimeModel(OMNI, KEY, "Cherry", True, gateway.ws_url)
        send, take = anyio.create_memory_object_stream[EventBase](1000)

        class Queue:
            async def put(self, item: EventBase, /) -> None:
                await send.send(item)

        tool = {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
        }
        await model.connect(Queue(), "Be brief.", [tool])
        await model.send({"type": "text", "text": "hi"})
        with anyio.fail_after(10):
            async for event in take:
                if isinstance(event, m.ModelResponseDoneEvent):
                    break
        await model.disconnect()
        send.close()
        *_, last = [event async for event in take]
        take.close()
        assert isinstance(last, m.ModelSessionEndedEvent)
        assert last.is_expected


# ---------------------------------------------------------------------- against a provider that is watched


class Provider:
    """Confirms the session and notes what it is told; says goodbye when it is asked to."""

    def __init__(self, *, finishes: bool = True) -> None:
        self.finishes = finishes
        self.headers: dict[str, str] = {}
        self.path = ""
        self.kinds: list[str] = []

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.path = socket.request.path
        await socket.send('{"type": "session.created", "event_id": "e1", "session": {"id": "sess_1"}}')
        async for message in socket:
            event = json.loads(message)
            self.kinds.append(event["type"])
            if event["type"] == "session.update":
                session = {"id": "sess_1", **event["session"]}
                await socket.send(
                    json.dumps({"type": "session.updated", "event_id": "e2", "session": session})
                )
            elif event["type"] == "session.finish" and self.finishes:
                await socket.send('{"type": "session.finished", "event_id": "e3"}')
                return


@pytest.mark.loopback
@pytest.mark.parametrize("finishes", [True, False])
async def test_the_session_is_finished_before_it_is_closed(
    finishes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewire.models.dashscope_link.FINISH_TIMEOUT_S", 0.05)
    provider = Provider(finishes=finishes)
    async with serving(provider.handle) as url:
        model = DashScopeRealtimeModel(OMNI, KEY, base_url=url, workspace="ws-9")
        async with model.open() as connection:
            await connection.aclose()
            events = [event async for event in connection]
        ended = events[-1]
        assert isinstance(ended, m.ModelSessionEndedEvent)
        assert ended.is_expected
    assert provider.kinds == ["session.update", "session.finish"]
    assert provider.headers["authorization"] == f"Bearer {KEY}"
    assert provider.headers["x-dashscope-workspace"] == "ws-9"
    assert provider.path == f"{REALTIME}?model={OMNI}"


@pytest.mark.loopback
async def test_a_refused_key() -> None:
    settings = GatewaySettings(api_keys=(SecretStr("right"),))
    async with serve(model="echo", settings=settings) as gateway:
        model = DashScopeRealtimeModel(OMNI, "wrong", base_url=gateway.ws_url)
        with pytest.raises(AuthError):
            async with model.open():
                pytest.fail("it opened")
