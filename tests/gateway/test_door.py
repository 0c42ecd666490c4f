"""The OpenAI door over real sockets: who may pass, and what bad input does."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from voicewire.errors import ConfigError
from voicewire.gateway import GatewaySettings
from voicewire.models import create_model
from voicewire.testing import ServedGateway, serve

from .fakes import FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

PING = {"type": "session.update", "event_id": "still-there", "session": {"type": "realtime", "tools": []}}


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next event of this type."""
    with anyio.fail_after(20):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == kind:
                return event


async def say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def ask(socket: ClientConnection, text: str) -> None:
    """A text turn of the user."""
    content = [{"type": "input_text", "text": text}]
    await say(
        socket, type="conversation.item.create", item={"type": "message", "role": "user", "content": content}
    )
    await say(socket, type="response.create")


async def is_alive(socket: ClientConnection) -> bool:
    """Whether the session still answers."""
    await say(socket, **PING)
    return bool((await until(socket, "session.updated"))["session"]["type"] == "realtime")


@asynccontextmanager
async def session(
    settings: GatewaySettings | None = None,
) -> AsyncGenerator[tuple[ServedGateway, ClientConnection], None]:
    """An echo session with its gateway; the session has ended when this is left."""
    async with serve("echo", settings=settings) as gateway:
        async with connect(f"{gateway.ws_url}/v1/realtime?model=echo", max_size=None) as socket:
            await until(socket, "session.created")
            yield gateway, socket
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ('{"type": "response.create"', ""),
        ('{"type": "no.such.event", "event_id": "mine"}', "no.such.event"),
        ('{"event_id": "mine"}', "type"),
        ("[]", ""),
        (b"\x00\x01\x02", ""),
        ('{"type": "input_audio_buffer.append", "audio": "####", "event_id": "mine"}', "audio"),
        ('{"type": "input_audio_buffer.append", "event_id": "mine"}', "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 7, "event_id": "mine"}', "audio"),
        ('{"type": "conversation.item.create", "event_id": "mine", "item": {"type": "?"}}', ""),
        (
            '{"type": "session.update", "event_id": "mine", "session": {"type": "realtime", "bogus": 1}}',
            "bogus",
        ),
    ],
)
async def test_bad_input_gets_the_wires_error_and_the_session_goes_on(frame: str | bytes, words: str) -> None:
    async with session() as (_, socket):
        await socket.send(frame)
        event = await until(socket, "error")
        assert event["error"]["type"] == "invalid_request_error"
        assert words in event["error"]["message"] + str(event["error"].get("param"))
        if b"mine" in (frame if isinstance(frame, bytes) else frame.encode()):
            assert event["error"]["event_id"] == "mine"
        assert await is_alive(socket)


async def test_text_that_is_no_json_at_all_is_ignored() -> None:
    async with session() as (_, socket):
        await socket.send("ping")
        await say(socket, **PING)
        with anyio.fail_after(5):
            assert json.loads(await socket.recv())["type"] == "session.updated"


async def test_fifteen_mebibytes_of_audio_in_one_event_pass_and_more_is_an_error() -> None:
    most = base64.b64encode(bytes(15 * 1024 * 1024)).decode()
    manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    async with session() as (_, socket):
        await say(socket, type="session.update", session=manual)
        await until(socket, "session.updated")
        await say(socket, type="input_audio_buffer.append", audio=most)
        await say(socket, type="input_audio_buffer.clear")
        await until(socket, "input_audio_buffer.cleared")
        await say(socket, type="input_audio_buffer.append", audio=most + "AAAA", event_id="more")
        assert (await until(socket, "error"))["error"]["event_id"] == "more"
        assert await is_alive(socket)


async def test_a_message_above_the_gateways_limit_is_an_error_and_far_above_it_the_end() -> None:
    settings = GatewaySettings(max_message_bytes=1024 * 1024, drain_s=0.0)
    async with session(settings) as (_, socket):
        await say(socket, type="input_audio_buffer.append", audio="A" * 2 * 1024 * 1024)
        assert (await until(socket, "error"))["error"]["code"] == "message_too_large"
        assert await is_alive(socket)
        with anyio.fail_after(10), pytest.raises(ConnectionClosed) as closed:
            await say(socket, type="input_audio_buffer.append", audio="A" * 12 * 1024 * 1024)
            await until(socket, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_client_that_never_reads_is_cut_off() -> None:
    settings = GatewaySettings(send_budget_bytes=256 * 1024, close_grace_s=0.1, drain_s=0.0)
    update = json.dumps(
        {"type": "session.update", "session": {"type": "realtime", "instructions": "x" * 200_000}}
    )
    async with session(settings) as (gateway, socket):
        with anyio.fail_after(30), pytest.raises(ConnectionClosed):
            while True:
                await socket.send(update)
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()


async def test_a_client_that_vanishes_in_the_middle_of_a_reply_ends_its_session() -> None:
    async with session() as (gateway, socket):
        await ask(socket, "speak 60 seconds")
        await until(socket, "response.output_audio.delta")
        socket.transport.abort()
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()


async def test_drop_cuts_the_connection_without_a_close_frame() -> None:
    async with session() as (_, socket):
        await ask(socket, "drop")
        with pytest.raises(ConnectionClosed) as closed:
            await until(socket, "never")
        assert closed.value.rcvd is None
        assert socket.close_code == 1006


async def test_any_model_name_gets_the_first_model_and_a_served_name_its_own() -> None:
    broken = FakeModel(failure=ConfigError("this model has no key"), name="broken")
    async with serve([create_model("echo"), broken]) as gateway:
        for name in ("?model=gpt-realtime", "?model=", "", "?model=echo"):
            async with connect(f"{gateway.ws_url}/v1/realtime{name}") as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
        async with connect(f"{gateway.ws_url}/v1/realtime?model=broken") as socket:
            error = json.loads(await socket.recv())
            assert (error["type"], error["error"]["message"]) == ("error", "this model has no key")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "this model has no key")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["realtime"], "realtime"),
        (["realtime", "openai-insecure-api-key.secret"], "realtime"),
        (["openai-insecure-api-key.secret", "realtime"], "realtime"),
    ],
)
async def test_the_realtime_subprotocol_is_chosen_and_a_key_never_echoed(
    offered: list[str], chosen: str | None
) -> None:
    subprotocols = [Subprotocol(name) for name in offered] or None
    async with (
        serve("echo") as gateway,
        connect(f"{gateway.ws_url}/v1/realtime", subprotocols=subprotocols) as socket,
    ):
        assert socket.subprotocol == chosen
        assert socket.response is not None
        assert "secret" not in str(socket.response.headers)


async def test_no_compression_is_agreed() -> None:
    async with session() as (_, socket):
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_a_key_opens_the_door_and_no_key_does_not() -> None:
    settings = GatewaySettings(api_keys=(SecretStr("secret"),), drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        url = f"{gateway.ws_url}/v1/realtime?model=echo"
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 401
            assert refused.value.response.body is not None
            assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"
        async with connect(url, additional_headers={"Authorization": "Bearer secret"}) as socket:
            assert (await until(socket, "session.created"))["session"]["type"] == "realtime"


async def test_a_page_of_another_site_is_refused() -> None:
    async with serve("echo") as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                f"{gateway.ws_url}/v1/realtime", additional_headers={"Origin": "https://evil.example"}
            ):
                pass
        assert refused.value.response.status_code == 403


async def test_one_session_too_many_is_refused_at_the_door() -> None:
    settings = GatewaySettings(max_sessions=1, drain_s=0.0)
    async with session(settings) as (gateway, socket):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{gateway.ws_url}/v1/realtime"):
                pass
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["Retry-After"]) > 0
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{gateway.http_url}/readyz")).json()["sessions"] == 1
        assert await is_alive(socket)
