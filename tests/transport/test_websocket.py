"""The WebSocket client against servers of another library, and against raw bytes."""

from __future__ import annotations

import asyncio
import socket
import sys

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from tests.transport.servers import Inbox, ManualTimers, frame, serving, serving_raw, shake_hands
from voicewire.errors import ConnectionLost, RemoteProtocolError, SessionClosed
from voicewire.transport.connect import dial_websocket
from voicewire.transport.options import WebSocketOptions

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def test_text_and_binary_come_back_as_they_went() -> None:
    inbox = Inbox()
    async with serving(echo) as url:
        link = await dial_websocket(url, inbox)
        link.write("héllo")
        link.write(b"\x00\xff")
        await link.send("")
        assert await inbox.next_count(3) == ["héllo", b"\x00\xff", ""]
        await link.aclose()
    assert inbox.opened == 1
    assert [(end.code, end.is_local, end.is_clean) for end in inbox.closed] == [(1000, True, True)]


async def test_the_kernel_keeps_little_and_large_messages_come_whole_all_the_same() -> None:
    inbox = Inbox()
    async with serving(echo) as url:
        link = await dial_websocket(url, inbox)
        assert link._ws is not None
        sock = link._ws.underlying_transport.get_extra_info("socket")
        # Linux doubles what it is asked for.
        kept_bytes = (256 if sys.platform == "linux" else 128) * 1024
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == kept_bytes
        link.write("x" * 900_000)
        assert await inbox.next_count(1) == ["x" * 900_000]
        await link.aclose()


async def test_fragments_are_joined_around_control_frames() -> None:
    async def handler(ws: ServerConnection) -> None:
        async def pieces() -> object:
            yield "a"
            await ws.ping()
            yield "b"
            yield "c"

        await ws.send(pieces())  # type: ignore[arg-type]  # an async iterator sends fragments
        await ws.send([b"1", b"2"])
        await ws.send("whole")
        await ws.wait_closed()

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        assert await inbox.next_count(3) == ["abc", b"12", "whole"]
        await link.aclose()


@settings(max_examples=15, deadline=None)
@given(text=st.text(min_size=1, max_size=60), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_where_a_message_is_split_makes_no_difference(text: str, cuts: list[int]) -> None:
    payload = text.encode()
    places = sorted({min(cut, len(payload)) for cut in cuts})
    parts = [payload[a:b] for a, b in zip([0, *places], [*places, len(payload)], strict=True)]

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        for number, part in enumerate(parts):
            writer.write(frame(0 if number else 1, part, fin=number == len(parts) - 1))
        await reader.read()

    async def run() -> list[str | bytes]:
        inbox = Inbox()
        async with serving_raw(handler) as url:
            link = await dial_websocket(url, inbox)
            got = list(await inbox.next_count(1))
            link.abort()
            await link.aclose()
        return got

    assert anyio.run(run) == [text]


@pytest.mark.parametrize("is_fragmented", [False, True])
async def test_a_message_over_the_bound_ends_the_connection_with_1009(is_fragmented: bool) -> None:
    codes: list[int | None] = []

    async def handler(ws: ServerConnection) -> None:
        await ws.send(["x" * 600, "x" * 600] if is_fragmented else "x" * 1200)
        await ws.wait_closed()
        codes.append(ws.close_code)

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(max_message_bytes=1000))
        end = await inbox.end()
        await link.aclose()
    assert (end.code, end.is_clean, inbox.messages) == (1009, False, [])
    assert isinstance(end.error, RemoteProtocolError)
    assert codes == [1009]
    assert len(inbox.closed) == 1


async def test_a_message_of_exactly_the_bound_is_taken() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send("x" * 1000)
        await ws.send(["x" * 500, "x" * 500])
        await ws.wait_closed()

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(max_message_bytes=1000))
        assert [len(message) for message in await inbox.next_count(2)] == [1000, 1000]
        await link.aclose()


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1001, "Your session hit the maximum duration"), (4000, "invalid_request_error.x")],
)
async def test_the_peers_code_and_reason_are_reported_once(code: int, reason: str) -> None:
    answers: list[int | None] = []

    async def handler(ws: ServerConnection) -> None:
        await ws.send("last words")
        await ws.close(code, reason)
        answers.append(ws.protocol.close_rcvd.code if ws.protocol.close_rcvd else None)

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        end = await inbox.end()
        with pytest.raises(SessionClosed) as refused:
            link.write("too late")
        await link.aclose()
        await link.aclose()
    assert (end.code, end.reason, end.is_local, end.is_clean, end.error) == (code, reason, False, True, None)
    assert refused.value.code == code
    assert inbox.messages == ["last words"]
    assert len(inbox.closed) == 1
    assert answers == [code]


async def test_a_close_frame_without_a_code_is_1005() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.write(frame(8, b""))
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox)
        end = await inbox.end()
        await link.aclose()
    assert (end.code, end.is_clean) == (1005, True)


async def test_our_code_and_a_long_reason_reach_the_peer() -> None:
    seen: list[tuple[int | None, str | None]] = []

    async def handler(ws: ServerConnection) -> None:
        await ws.wait_closed()
        seen.append((ws.close_code, ws.close_reason))

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        await link.aclose(4001, "é" * 100)
    assert seen == [(4001, "é" * 61)]
    assert inbox.closed[0].code == 4001


async def test_a_cut_is_reported_as_1006() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send("one")
        ws.transport.abort()

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        end = await inbox.end()
        await link.aclose()
    assert (end.code, end.is_clean, end.is_local) == (1006, False, False)
    assert isinstance(end.error, ConnectionLost)
    assert end.error.code == 1006


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(3, b"x"), 1002),
        (frame(0, b"orphan"), 1002),
        (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
        (frame(9, b"p" * 126), 1002),
        (frame(8, b"\x03"), 1002),
        (frame(8, (1004).to_bytes(2, "big")), 1002),
        (bytes([0x81, 0x81, 0, 0, 0, 0, 65]), 1002),
    ],
    ids=["opcode", "orphan", "interleaved", "long-ping", "short-close", "bad-code", "masked"],
)
async def test_broken_frames_end_the_connection(frames: bytes, code: int) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.write(frame(1, b"good") + frames)
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(close_timeout_s=0.05))
        end = await inbox.end()
        await link.aclose()
    assert inbox.messages == ["good"]
    assert end.code == code
    assert isinstance(end.error, RemoteProtocolError)
    assert len(inbox.closed) == 1


async def test_pings_of_the_server_are_answered() -> None:
    answered = anyio.Event()

    async def handler(ws: ServerConnection) -> None:
        await (await ws.ping("x"))
        answered.set()
        await ws.wait_closed()

    inbox = Inbox()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        with anyio.fail_after(5):
            await answered.wait()
        await link.aclose()
    assert inbox.messages == []


async def test_a_half_open_connection_is_found_out_by_the_keepalive() -> None:
    timers = ManualTimers()
    received: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        received.append(await reader.readexactly(6))  # a ping: reads it and says nothing
        await reader.read()

    inbox = Inbox()
    options = WebSocketOptions(ping_interval_s=7, ping_timeout_s=3, call_later=timers.call_later)
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox, options)
        assert [timers.fire(), timers.fire(), timers.fire()] == [7, 7, 3]
        end = await inbox.end()
        await link.aclose()
    assert received[0][0] == 0x89
    assert (end.code, end.is_clean) == (1006, False)
    assert isinstance(end.error, ConnectionLost)
    assert end.error.reason == "keepalive: nothing came for 3 s after a ping"


async def test_a_peer_that_answers_pings_stays_connected() -> None:
    timers = ManualTimers()
    inbox = Inbox()
    options = WebSocketOptions(ping_interval_s=7, ping_timeout_s=3, call_later=timers.call_later)
    async with serving(echo) as url:
        link = await dial_websocket(url, inbox, options)
        timers.fire()  # the handshake was heard
        for _ in range(3):
            assert timers.fire() == 7  # nothing was heard since: a ping goes out
            link.write("after the ping")  # its echo comes after the pong
            await inbox.next_count(len(inbox.messages) + 1)
            assert timers.fire() == 3
        assert link.closed is None
        await link.aclose()
    assert all(timer.is_cancelled for timer in timers.due)


async def test_a_keepalive_with_real_timers_ends_a_silent_connection() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        await dial_websocket(url, inbox, WebSocketOptions(ping_interval_s=0.01, ping_timeout_s=0.01))
        end = await inbox.end()
    assert end.code == 1006


async def test_closing_is_bounded_when_the_peer_does_not_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(close_timeout_s=0.02))
        with anyio.fail_after(5):
            await link.aclose(1000, "bye")
    assert [(end.code, end.is_local, end.is_clean) for end in inbox.closed] == [(1000, True, False)]


async def test_cancelling_a_close_cuts_at_once() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(close_timeout_s=60))
        with anyio.move_on_after(0.01) as scope:
            await link.aclose()
        assert scope.cancelled_caught
        end = await inbox.end()
    assert end.is_local


async def test_messages_after_our_close_are_not_delivered() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.readexactly(8)
        writer.write(frame(1, b"late") + frame(2, b"late") + frame(8, (1000).to_bytes(2, "big")))
        await reader.read()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox)
        await link.aclose()
    assert inbox.messages == []
    assert inbox.closed[0].is_clean


async def test_a_slow_peer_makes_send_wait_and_its_reading_lets_it_go_on() -> None:
    start_reading = asyncio.Event()
    total = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal total
        await shake_hands(reader, writer)
        await start_reading.wait()
        while data := await reader.read(1 << 20):
            total += len(data)

    inbox = Inbox()
    chunk = b"x" * (1 << 20)
    async with serving_raw(handler) as url:
        link = await dial_websocket(
            url, inbox, WebSocketOptions(write_high_water_bytes=1 << 16, close_timeout_s=0.2)
        )
        written = 0
        while not link.is_congested:
            link.write(chunk)
            written += 1
        with anyio.move_on_after(0.01) as scope:
            await link.send(b"cancelled while waiting")
        assert scope.cancelled_caught
        start_reading.set()
        with anyio.fail_after(5):
            await link.send(b"last")
        assert link.closed is None
        await link.aclose()
    assert written * len(chunk) < total < written * len(chunk) + 1000


async def test_waiting_for_room_ends_when_the_connection_does() -> None:
    is_waiting = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await is_waiting.wait()
        writer.transport.abort()

    async def cut() -> None:
        await anyio.wait_all_tasks_blocked()
        is_waiting.set()

    inbox = Inbox()
    async with serving_raw(handler) as url:
        link = await dial_websocket(url, inbox, WebSocketOptions(write_high_water_bytes=1 << 16))
        while not link.is_congested:
            link.write(b"x" * (1 << 20))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            with pytest.raises(SessionClosed), anyio.fail_after(5):
                await link.drain()
        await link.aclose()


async def test_a_receiver_that_raises_ends_the_connection_and_nothing_leaks_out() -> None:
    class Broken(Inbox):
        def on_message(self, message: object) -> None:
            raise RuntimeError("a bug")

    async def handler(ws: ServerConnection) -> None:
        await ws.send("x")
        await ws.wait_closed()

    inbox = Broken()
    async with serving(handler) as url:
        link = await dial_websocket(url, inbox)
        end = await inbox.end()
        await link.aclose()
    assert end.code == 1011
    assert end.error is not None
