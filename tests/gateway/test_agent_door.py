"""``/ws/{user_id}/{session_id}`` over real sockets: sessions, mistakes, and clients that leave."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicewire.audio.pcm import tone
from voicewire.errors import ConfigError, OutOfCapacity
from voicewire.gateway import GatewaySettings
from voicewire.models import create_model
from voicewire.testing import ServedGateway, serve

from .fakes import FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

TUTORIAL_CREATE = {
    "type": "client_session_create",
    "config": {"instructions": "You are a helpful assistant.", "user_name": "User1"},
}


async def say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def until(
    socket: ClientConnection, kind: str, seen: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The next event of this type."""
    with anyio.fail_after(20):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if seen is not None:
                seen.append(event)
            if event["type"] == kind:
                return event


async def create(socket: ClientConnection, **config: Any) -> None:
    await say(socket, type="client_session_create", config=config)
    await until(socket, "server_session_created")


async def ask(socket: ClientConnection, text: str) -> None:
    await say(socket, type="client_text_append", session_id="session1", text=text)


async def is_alive(socket: ClientConnection) -> bool:
    await ask(socket, "hello")
    done = await until(socket, "agent_response_audio_transcript_done")
    return bool(done["transcript"] == "You said: hello")


@asynccontextmanager
async def front_end(
    settings: GatewaySettings | None = None,
) -> AsyncGenerator[tuple[ServedGateway, ClientConnection], None]:
    """A connected front end; everything of it has ended when this is left."""
    before = len(asyncio.all_tasks())
    async with serve("echo", settings=settings) as gateway:
        async with connect(f"{gateway.ws_url}/ws/user1/session1", max_size=None) as socket:
            yield gateway, socket
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
    assert len(asyncio.all_tasks()) == before


async def test_a_session_from_create_to_end_twice() -> None:
    async with front_end() as (_, socket):
        for _ in range(2):
            await say(socket, type="client_session_create", config={"agent_name": "Monday"})
            ready = await until(socket, "agent_ready")
            assert ready["agent_name"] == "Monday"
            assert (await until(socket, "server_session_created"))["session_id"] == "session1"
            assert await is_alive(socket)
            await say(socket, type="client_session_end", session_id="session1")
            ended = await until(socket, "agent_ended")
            assert (ended["code"], ended["agent_id"]) == (1000, ready["agent_id"])
            session = await until(socket, "server_session_ended")
            assert (session["session_id"], session["reason"]) == ("session1", "ended by the client")


async def test_the_tutorials_javascript_as_printed() -> None:
    voice = base64.b64encode(tone(300, 8000, 16000) + bytes(32000)).decode()
    async with front_end() as (_, socket):
        await socket.send(json.dumps(TUTORIAL_CREATE))
        await until(socket, "server_session_created")
        await say(
            socket,
            type="client_audio_append",
            session_id="session1",
            audio=voice,
            format={"encoding": "pcm16", "sample_rate": 16000},
        )
        seen: list[dict[str, Any]] = []
        await until(socket, "agent_response_done", seen)
    # What the page's `if (data.type === 'response_audio_delta') playAudio(data.delta)` would play.
    played = [event["delta"] for event in seen if event["type"] == "response_audio_delta"]
    real = [event["delta"] for event in seen if event["type"] == "agent_response_audio_delta"]
    assert played == real
    heard = b"".join(base64.b64decode(delta) for delta in played)
    assert len(heard) > 16000
    assert not any(event["type"] == "agent_error" for event in seen)


async def test_who_does_not_speak_as_the_tutorial_gets_no_event_twice() -> None:
    async with front_end() as (_, socket):
        await create(socket)
        seen: list[dict[str, Any]] = []
        await ask(socket, "hello")
        await until(socket, "agent_response_done", seen)
        assert {event["type"] for event in seen} == {
            "agent_response_created", "agent_response_audio_transcript_delta", "agent_response_audio_delta",
            "agent_response_audio_done", "agent_response_audio_transcript_done", "agent_response_done",
        }  # fmt: skip


async def test_an_image_by_the_name_of_the_example_page() -> None:
    async with front_end() as (_, socket):
        await create(socket)
        image = base64.b64encode(b"jpeg").decode()
        await say(
            socket, type="client_image_append", session_id="s", data=image, format={"type": "image/jpeg"}
        )
        await say(socket, type="client_response_create", session_id="s")
        done = await until(socket, "agent_response_audio_transcript_done")
        assert done["transcript"] == "You sent an image"


async def test_tools_in_the_front_end() -> None:
    async with front_end() as (_, socket):
        await create(socket, tools=[{"type": "function", "name": "ask_user"}], turn_detection="none")
        await ask(socket, "call ask_user {}")
        use = await until(socket, "agent_response_tool_use_done")
        await say(
            socket,
            type="client_tool_result",
            session_id="s",
            id=use["tool_use"]["id"],
            name="f",
            output="blue",
        )
        assert (await until(socket, "agent_response_tool_result"))["tool_result"]["output"] == "blue"
        done = await until(socket, "agent_response_audio_transcript_done")
        assert done["transcript"] == "ask_user returned: blue"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ('{"type": "client_text_append"', "JSON"),
        ("[]", "object"),
        (b"\x00\x01", "binary"),
        ('{"type": "client_nonsense"}', "client_nonsense"),
        ('{"type": ["a"]}', "Unknown"),
        ("{}", "Invalid JSON data"),
        ('{"type": "client_text_append", "session_id": "s"}', "text"),
        ('{"type": "client_text_append", "session_id": "s", "text": 7}', "text"),
        ('{"type": "client_audio_append", "session_id": "s", "audio": "AAAA", "format": {}}', "format"),
        (
            '{"type": "client_audio_append", "session_id": "s", "audio": "AAAA",'
            ' "format": {"encoding": "pcm16", "sample_rate": "x"}}',
            "rate",
        ),
        (
            '{"type": "client_audio_append", "session_id": "s", "audio": "###",'
            ' "format": {"type": "audio/pcm", "rate": 16000}}',
            "base64",
        ),
        ('{"type": "client_session_create", "config": {"model": "echo", "voice": 1}}', "voice"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
async def test_a_wrong_event_names_its_fault_and_the_connection_lives(frame: str | bytes, words: str) -> None:
    async with front_end() as (_, socket):
        await create(socket)
        await socket.send(frame)
        error = await until(socket, "agent_error")
        assert error["error_type"] == "invalid_request_error"
        assert words in error["message"]
        assert await is_alive(socket)


async def test_text_that_is_no_json_at_all_is_ignored() -> None:
    async with front_end() as (_, socket):
        await create(socket)
        await socket.send("ping")
        seen: list[dict[str, Any]] = []
        await ask(socket, "hello")
        await until(socket, "agent_response_done", seen)
        assert "agent_error" not in {event["type"] for event in seen}


async def test_without_a_session_events_are_refused_and_one_can_still_be_created() -> None:
    async with front_end() as (_, socket):
        await ask(socket, "hello")
        assert "client_session_create" in (await until(socket, "agent_error"))["message"]
        await say(socket, type="client_session_end", session_id="session1")
        await until(socket, "agent_error")
        await create(socket)
        assert await is_alive(socket)


async def test_a_second_create_changes_the_session() -> None:
    async with front_end() as (_, socket):
        await create(socket)
        await say(socket, type="client_session_create", config={"instructions": "Be brief."})
        assert (await until(socket, "server_session_updated"))["session_id"] == "session1"
        assert await is_alive(socket)


async def test_the_provider_chooses_among_the_served_models() -> None:
    broken = FakeModel(failure=ConfigError("this model has no key"), name="openai:gpt-realtime")
    full = FakeModel(failure=OutOfCapacity("all engines are busy"), name="gemini:flash")
    async with serve([create_model("echo"), broken, full]) as gateway:
        async with connect(f"{gateway.ws_url}/ws/user1/session1") as socket:
            for config, words in [
                ({"model_provider": "openai"}, "this model has no key"),
                ({"model": "openai:gpt-realtime"}, "this model has no key"),
                ({"model_provider": "gemini"}, "all engines are busy"),
            ]:
                await say(socket, type="client_session_create", config=config)
                assert (await until(socket, "agent_error"))["message"] == words
            await create(socket, model_provider="dashscope")
            await say(socket, type="client_session_create", config={"model_provider": "openai"})
            assert "model_provider" in (await until(socket, "agent_error"))["message"]
            assert await is_alive(socket)


async def test_the_end_of_the_model_is_told_and_a_new_session_can_begin() -> None:
    async with front_end() as (_, socket):
        await create(socket)
        await ask(socket, "drop")
        assert (await until(socket, "agent_error"))["code"] == "connection_lost"
        assert (await until(socket, "agent_ended"))["code"] == 1006
        assert (await until(socket, "server_session_ended"))["code"] == 1006
        await create(socket)
        assert await is_alive(socket)


@pytest.mark.parametrize("moment", ["connected", "created", "speaking", "tool"])
async def test_a_tab_that_is_closed_at_any_moment_ends_its_agent(moment: str) -> None:
    async with front_end() as (gateway, socket):
        if moment != "connected":
            await create(socket)
        if moment == "speaking":
            await ask(socket, "speak 60 seconds")
            await until(socket, "agent_response_audio_delta")
        elif moment == "tool":
            await ask(socket, "call ask_user {}")
            await until(socket, "agent_response_tool_use_done")
        socket.transport.abort()
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()


async def test_a_tab_that_is_closed_while_the_model_opens() -> None:
    class Stuck(FakeModel):
        def __init__(self) -> None:
            super().__init__(name="stuck")
            self.opening = anyio.Event()
            self.is_free = anyio.Event()

        @asynccontextmanager
        async def open(self, **_: Any) -> AsyncGenerator[Any, None]:
            self.opening.set()
            try:
                await anyio.sleep_forever()
                yield
            finally:
                self.is_free.set()

    model = Stuck()
    async with serve(model) as gateway:
        socket = await connect(f"{gateway.ws_url}/ws/user1/session1")
        await socket.send(json.dumps(TUTORIAL_CREATE))
        with anyio.fail_after(5):
            await model.opening.wait()
            socket.transport.abort()
            await gateway.admission.wait_until_empty()
            await model.is_free.wait()


@pytest.mark.parametrize(
    "path",
    [
        "/ws/user1/..",
        "/ws/./session1",
        "/ws/user1/a%20b",
        "/ws/user1/" + "x" * 65,
        "/ws/us%3Cer/s",
        "/ws/u%00/s",
    ],
)
async def test_path_tricks_are_refused_before_the_handshake(path: str) -> None:
    async with serve("echo") as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{gateway.ws_url}{path}"):
                pass
        assert refused.value.response.status_code == 400


async def test_a_slash_in_an_id_finds_no_door() -> None:
    async with serve("echo") as gateway:
        for path in ("/ws/user1/a%2Fb", "/ws/user1", "/ws/user1/a/b", "/ws/user1/..%2F..%2Fetc"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{gateway.ws_url}{path}"):
                    pass
            assert refused.value.response.status_code in (403, 404)


async def test_the_same_lock_as_every_door() -> None:
    settings = GatewaySettings(api_keys=(SecretStr("secret"),), max_sessions=1, drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        for path in ("/ws/user1/session1", "/voice"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{gateway.ws_url}{path}"):
                    pass
            assert refused.value.response.status_code == 401
        headers = {"Authorization": "Bearer secret"}
        async with connect(f"{gateway.ws_url}/ws/user1/session1", additional_headers=headers):
            for path in ("/ws/user1/session1", "/voice"):
                with pytest.raises(InvalidStatus) as full:
                    async with connect(f"{gateway.ws_url}{path}", additional_headers=headers):
                        pass
                assert full.value.response.status_code == 503


async def test_a_connection_without_a_session_does_not_last() -> None:
    async with front_end(GatewaySettings(create_timeout_s=0.01, drain_s=0.0)) as (_, socket):
        assert (await until(socket, "agent_error"))["code"] == "no_session"
        with anyio.fail_after(5), pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_client_that_never_reads_is_cut_off_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    settings = GatewaySettings(send_budget_bytes=64 * 1024, close_grace_s=0.1, drain_s=0.0)
    async with front_end(settings) as (gateway, socket):
        await create(socket)
        with anyio.fail_after(30):
            while gateway.admission.session_count:
                await ask(socket, "hello " * 2000)
        socket.transport.abort()
    assert [vars(record)["cause"] for record in caplog.records if "cause" in vars(record)] == ["too_slow"]


async def test_a_drain_waits_for_the_response_and_tells_the_end() -> None:
    async with front_end(GatewaySettings(drain_s=10.0)) as (gateway, socket):
        await create(socket)
        await ask(socket, "speak 1 seconds")
        await until(socket, "agent_response_audio_delta")
        gateway.admission.draining.set()
        assert (await until(socket, "agent_response_done"))["status"] == "completed"
        assert (await until(socket, "agent_ended"))["reason"] == "the server is shutting down"
        await until(socket, "server_session_ended")
        with anyio.fail_after(5), pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_a_message_above_the_limit_is_an_error() -> None:
    async with front_end(GatewaySettings(max_message_bytes=64 * 1024, drain_s=0.0)) as (_, socket):
        await create(socket)
        await ask(socket, "x" * 70_000)
        assert (await until(socket, "agent_error"))["code"] == "message_too_large"
        assert await is_alive(socket)
