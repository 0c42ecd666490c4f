"""Handshakes that never end, and connections that bring more frames than one turn of the loop can take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.faults.clients import RawClient, client_of, masked, raw_client
from voicewire.gateway import GatewaySettings
from voicewire.gateway.transport import AbortableWebSocketProtocol
from voicewire.testing import ServedGateway, serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

HEAD = b"GET /v1/realtime?model=echo HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
RATHER_SHORT_S = 0.2


@asynccontextmanager
async def impatient() -> AsyncGenerator[ServedGateway, None]:
    settings = GatewaySettings(handshake_timeout_s=RATHER_SHORT_S, drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        yield gateway


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(one).get("cause", one.message) for one in caplog.records if one.name.startswith("voicewire")]


@pytest.mark.parametrize("begun", [HEAD, HEAD[:7], b"G", POST, POST + b"{"], ids=range(5))
async def test_half_a_request_does_not_last(begun: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with impatient() as gateway, raw_client(gateway) as client:
        await client.say(begun)
        answer = await client.read_to_the_end()
        assert answer == b"" if begun.startswith(POST) else answer.startswith(b"HTTP/1.1 408 ")
        assert gateway.admission.session_count == 0
    assert lines(caplog) == ["handshake_timeout"]


async def test_a_byte_now_and_then_does_not_extend_it(caplog: pytest.LogCaptureFixture) -> None:
    async with impatient() as gateway, raw_client(gateway) as client:

        async def drip(sender: RawClient) -> None:
            for byte in HEAD + b"X-Slow: " + b"a" * 10_000:
                try:
                    await sender.say(bytes([byte]))
                except OSError:
                    return
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip, client)
            assert (await client.read_to_the_end()).startswith(b"HTTP/1.1 408 ")
            tasks.cancel_scope.cancel()
    assert lines(caplog) == ["handshake_timeout"]


async def test_who_connects_and_says_nothing_is_let_go_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with impatient() as gateway, raw_client(gateway) as client:
        assert await client.read_to_the_end() == b""
    assert lines(caplog) == []


async def test_a_whole_request_is_not_hurried() -> None:
    async with impatient() as gateway, client_of(gateway) as client:
        async with httpx.AsyncClient() as pages:
            for _ in range(2):
                assert (await pages.get(f"{gateway.http_url}/healthz")).status_code == 200
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asyncio.sleep, 2 * RATHER_SHORT_S)
            assert (await pages.get(f"{gateway.http_url}/healthz")).status_code == 200
        await client.is_served()


class LoopWatch:
    """Counts rounds of the loop, and how many messages each one took."""

    def __init__(self) -> None:
        self.rounds = 0

    async def run(self) -> None:
        while True:
            self.rounds += 1
            await asyncio.sleep(0)


async def test_a_read_full_of_tiny_frames_leaves_the_others_their_turn() -> None:
    watch = LoopWatch()
    async with serve("echo") as gateway, raw_client(gateway) as flood, client_of(gateway) as other:
        await flood.shake_hands()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            before = watch.rounds
            await flood.say(masked(1, b"1") * 8000)
            await flood.send({"type": "nothing", "event_id": "after"})
            await flood.read_until(b'"after"')
            assert watch.rounds - before > 8000 / 16, "it was handled in many turns, not in one"
            await other.is_served()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "flood",
    [masked(9, b"") * 25_000, b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 25_000],
    ids=["pings", "empty continuations"],
)
async def test_frames_that_the_application_never_sees_are_bounded_too(
    flood: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("echo") as gateway, raw_client(gateway) as client, client_of(gateway) as other:
        await client.shake_hands()
        try:
            await client.say(flood)
        except OSError:
            pass  # cut while it was still sending
        await client.read_to_the_end()
        with anyio.fail_after(5):
            while gateway.admission.session_count > 1:
                await anyio.lowlevel.checkpoint()
        await other.is_served()
    ends: list[Any] = [vars(one) for one in caplog.records if vars(one).get("cause") == "protocol_error"]
    assert [(end["code"], end["door"]) for end in ends] == [(1008, "openai")]


async def test_who_breaks_the_protocol_while_it_is_sent_something_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve("echo") as gateway, AsyncExitStack() as stack:
        for _ in range(20):
            client = await stack.enter_async_context(raw_client(gateway))
            await client.shake_hands()
            # Answers of two frames are on their way when the third one breaks the rules.
            await client.say(masked(1, b'{"type":"x"}') * 2 + masked(3, b""))
            await client.read_to_the_end()
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
    assert not [one for one in caplog.records if one.exc_info]
    assert lines(caplog) == ["protocol_error"] * 20


async def test_what_comes_too_late_finds_nobody() -> None:
    protocol = AbortableWebSocketProtocol.__new__(AbortableWebSocketProtocol)
    protocol.close_sent = protocol.handshake_complete = True
    with pytest.raises(OSError, match="over"):
        await protocol.send({"type": "websocket.send", "text": "hello"})


async def test_a_large_message_in_many_pieces_is_a_message() -> None:
    async with serve("echo") as gateway, client_of(gateway) as client:

        def pieces() -> list[str]:
            return ['{"type":"input_audio_buffer.append","audio":"', *["A" * 4000] * 1000, '"}']

        await client.socket.send(pieces())
        await client.say({"type": "input_audio_buffer.clear"})
        await client.until("input_audio_buffer.cleared")


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_handshakes_at_once_take_turns_and_none_is_cut_later(caplog: pytest.LogCaptureFixture) -> None:
    async with impatient() as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw_client(gateway)) for _ in range(8)]
        for client in clients:
            await client.say(HEAD + UPGRADE)
            await client.say(masked(1, b'{"type":"before the answer"}'))
        for client in clients:
            await client.read_until(b'"session.created"')
        late = await stack.enter_async_context(raw_client(gateway))
        await late.say(HEAD)
        assert (await late.read_to_the_end()).startswith(b"HTTP/1.1 408 "), "their time would be over as well"
        for client in clients:
            await client.send({"type": "nothing", "event_id": "after"})
            await client.read_until(b'"after"')
        assert lines(caplog) == ["handshake_timeout"]
    assert not [one for one in caplog.records if one.exc_info], "who speaks too early breaks nothing"


async def test_a_handshake_that_waits_for_its_turn_does_not_keep_the_server_from_stopping(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waiting: list[Callable[[], None]] = []

    class EndlessLane:
        def enter(self, work: Callable[[], None]) -> None:
            waiting.append(work)

    monkeypatch.setattr("voicewire.gateway.handshakes.lane_of", lambda _: EndlessLane())
    async with AsyncExitStack() as stack:
        async with serve("echo") as gateway:
            client = await stack.enter_async_context(raw_client(gateway))
            await client.say(HEAD + UPGRADE)
            with anyio.fail_after(5):
                while not waiting:
                    await anyio.lowlevel.checkpoint()
        assert (await client.read_to_the_end()).startswith(b"HTTP/1.1 503 ")
        waiting.pop()()  # its turn comes when nobody is there any more
    assert not [one for one in caplog.records if one.exc_info]


async def test_refusals_are_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "voicewire")
    async with serve("echo") as gateway, raw_client(gateway) as client:
        await client.say(HEAD + b"Origin: https://evil.example\r\n" + UPGRADE)
        assert b"403" in await client.read_to_the_end()
    assert lines(caplog) == ["forbidden"]
