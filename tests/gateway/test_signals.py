"""The real program under signals: SIGTERM under load, SIGKILL and a restart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicewire.audio.files import read_audio

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

SESSIONS = 12


@asynccontextmanager
async def program(*options: str) -> AsyncGenerator[tuple[Process, str], None]:
    """``voicewire serve``, of the ``echo`` model unless the options say otherwise; its address without the scheme."""
    model = () if "--model" in options else ("--model", "echo")
    command = [sys.executable, "-m", "voicewire.cli", "serve", *model, "--port", "0", *options]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with anyio.fail_after(30):
                shown = ""
                while "models:" not in shown:
                    shown += (await process.stdout.receive()).decode()
            yield process, shown.split("http://")[1].split()[0]
        finally:
            if process.returncode is None:
                process.kill()


async def speak(socket: ClientConnection, text: str) -> None:
    """Asks for a reply, and returns when the first audio of it is there."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create"}))
    while json.loads(await socket.recv())["type"] != "response.output_audio.delta":
        pass


async def rest(socket: ClientConnection) -> tuple[list[str], int]:
    """The types of all further events, and the close code."""
    kinds: list[str] = []
    try:
        while True:
            kinds.append(json.loads(await socket.recv())["type"])
    except ConnectionClosed as closed:
        return kinds, closed.rcvd.code if closed.rcvd is not None else 1006


async def test_sigterm_under_load_ends_every_turn_refuses_new_sessions_and_exits_with_0() -> None:
    ends: list[tuple[list[str], int]] = []
    refusal = b""
    async with program("--drain-s", "10") as (process, address), AsyncExitStack() as stack:
        url = f"ws://{address}/v1/realtime?model=echo"
        sockets = [await stack.enter_async_context(connect(url)) for _ in range(SESSIONS)]
        late = await stack.enter_async_context(await anyio.connect_tcp(*_host_and_port(address)))
        for socket in sockets:
            await speak(socket, "speak 2 seconds")

        async def follow(socket: ClientConnection) -> None:
            ends.append(await rest(socket))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for socket in sockets:
                    tasks.start_soon(follow, socket)
                process.send_signal(signal.SIGTERM)
                refusal = await _answer_to_a_late_handshake(late, address)
            assert await process.wait() == 0
        assert refusal.startswith(b"HTTP/1.1 503")
    assert [code for _, code in ends] == [1001] * SESSIONS
    assert all(kinds.count("response.done") == 1 for kinds, _ in ends)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


async def _answer_to_a_late_handshake(stream: anyio.abc.SocketStream, address: str) -> bytes:
    """A connection that was open before the signal asks for a session until the server refuses one."""
    probe = f"GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
    answer = b""
    while b"draining" not in answer:
        await stream.send(probe)
        answer = await _answer(stream)
    await stream.send(
        f"GET /v1/realtime HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return await _answer(stream)


async def _answer(stream: anyio.abc.SocketStream) -> bytes:
    """One HTTP response, whole: head and body may come in pieces."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


async def test_after_sigkill_nothing_is_half_written_and_a_restart_serves(tmp_path: Path) -> None:
    async with program("--record", str(tmp_path)) as (process, address):
        async with connect(f"ws://{address}/v1/realtime?model=echo") as socket:
            await speak(socket, "speak 5 seconds")
            process.send_signal(signal.SIGKILL)
            assert (await rest(socket))[1] == 1006
        assert await process.wait() == -signal.SIGKILL
        port = address.partition(":")[2]
    assert len(list((tmp_path / "+partial").iterdir())) == 1
    async with program("--record", str(tmp_path), "--port", port) as (process, address):
        async with connect(f"ws://{address}/v1/realtime?model=echo") as socket:
            await speak(socket, "hi")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert list((tmp_path / "+partial").iterdir()) == []
    recorded = list((tmp_path / "anonymous").iterdir())
    assert len(recorded) == 2
    for folder in recorded:
        assert not list(folder.glob("*.part"))
        for line in (folder / "events.jsonl").read_text().splitlines():
            assert json.loads(line)["type"]
        wav = (folder / "conversation.wav").read_bytes()
        assert len(wav) == 44 + int.from_bytes(wav[40:44], "little")
    whole = [folder for folder in recorded if (folder / "timeline.html").exists()]
    assert len(whole) == 1
    assert read_audio(whole[0] / "conversation.wav", mono=False).format.channels == 2


async def test_a_foreign_handshake_after_the_drain_finds_nobody() -> None:
    async with program("--drain-s", "0") as (process, address):
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        with pytest.raises((OSError, InvalidStatus)):
            await connect(f"ws://{address}/v1/realtime")
