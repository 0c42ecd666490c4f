"""Connections whose first message says what they are for: how those end that never say it."""

from __future__ import annotations

import json

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewire.gateway import GatewaySettings, gemini_door
from voicewire.testing import ServedGateway, serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
DASHSCOPE = "/api-ws/v1/realtime?model=echo"
each_door = pytest.mark.parametrize("path", [GEMINI, DASHSCOPE], ids=["gemini", "dashscope"])


async def connected(gateway: ServedGateway, path: str) -> ClientConnection:
    socket = await connect(gateway.ws_url + path)
    if path == DASHSCOPE:
        assert json.loads(await socket.recv())["type"] == "session.created"
    return socket


async def end_of(socket: ClientConnection) -> tuple[int | None, str | None]:
    with anyio.fail_after(10):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code, socket.close_reason


def causes(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    lines = [vars(one) for one in caplog.records if one.name == "voicewire.gateway"]
    return [(line["cause"], line["code"]) for line in lines]


@each_door
async def test_it_is_told_that_the_server_stops(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "voicewire")
    async with serve("echo", settings=GatewaySettings(drain_s=60.0)) as gateway:
        socket = await connected(gateway, path)
        gateway.admission.draining.set()
        assert await end_of(socket) == (1001, "the server is shutting down")
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
    assert causes(caplog) == [("drain", 1001)]


@each_door
async def test_it_leaves_without_a_word(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "voicewire")
    async with serve("echo") as gateway:
        await (await connected(gateway, path)).close()
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
    assert causes(caplog) == [("client_left", 1000)]


async def test_it_says_nothing_in_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_door, "SETUP_TIMEOUT_S", 0.05)
    async with serve("echo") as gateway:
        socket = await connected(gateway, GEMINI)
        await socket.send("ping")
        assert await end_of(socket) == (1008, "no setup came in time")
    assert causes(caplog) == [("no_session", 1008)]


@pytest.mark.parametrize(
    "first", ["{}", '{"a":' * 100 + "1" + "}" * 100, json.dumps({"setup": "x" * 70_000})]
)
async def test_it_says_what_cannot_be_read(first: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = GatewaySettings(max_message_bytes=64 * 1024, drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        socket = await connected(gateway, GEMINI)
        await socket.send(first)
        code, reason = await end_of(socket)
        assert code == 1007 and reason is not None
        assert reason.startswith("Request contains an invalid argument: ")
    assert causes(caplog) == [("invalid_setup", 1007)]
