"""``/voice`` over real sockets: binary audio both ways, words as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import tone
from voicewire.errors import ConfigError, OutOfCapacity
from voicewire.events.session import SessionConfig
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.model import RealtimeModel
from voicewire.testing import ServedGateway, serve

from .fakes import FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

RATE_HZ = 24_000
SPEECH = tone(300, RATE_HZ // 2, RATE_HZ)
SILENCE = bytes(2 * RATE_HZ)


class Heard:
    """What a client got."""

    def __init__(self) -> None:
        self.audio = b""
        self.said: list[dict[str, Any]] = []


async def until(socket: ClientConnection, **wanted: Any) -> Heard:
    """What came up to the next message with these fields."""
    heard = Heard()
    with anyio.fail_after(20):
        while True:
            frame = await socket.recv()
            if isinstance(frame, bytes):
                heard.audio += frame
                continue
            heard.said.append(json.loads(frame))
            if heard.said[-1] | wanted == heard.said[-1]:
                return heard


async def until_final(socket: ClientConnection, role: str) -> Heard:
    return await until(socket, role=role, final=True)


@asynccontextmanager
async def caller(
    model: str | RealtimeModel = "echo",
) -> AsyncGenerator[tuple[ServedGateway, ClientConnection], None]:
    before = len(asyncio.all_tasks())
    async with serve(model) as gateway:
        async with connect(f"{gateway.ws_url}/voice", max_size=None) as socket:
            yield gateway, socket
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
    assert len(asyncio.all_tasks()) == before


async def test_a_spoken_turn_comes_back_with_the_words_of_both_sides() -> None:
    async with caller() as (_, socket):
        voice = SPEECH + SILENCE
        for at in range(0, len(voice), 1001):
            await socket.send(voice[at : at + 1001])
        heard = await until_final(socket, "assistant")
    assert SPEECH in heard.audio
    words = [(message["role"], message["final"]) for message in heard.said]
    assert words[0] == ("user", False)
    assert ("user", True) in words
    final = [message["text"] for message in heard.said if message["final"]]
    assert final[0].startswith("[audio ")
    assert final[1].startswith("You sent ")
    partial = [message["text"] for message in heard.said if not message["final"]]
    assert all(final[1].startswith(text) or final[0].startswith(text) for text in partial)


async def test_audio_that_looks_like_json_is_audio() -> None:
    async with caller() as (_, socket):
        await socket.send(b"{" + b"[" * (2 * RATE_HZ - 2) + b"}")
        await socket.send(SILENCE)
        heard = await until_final(socket, "assistant")
    assert b"[[[[" in heard.audio
    assert [message for message in heard.said if message.get("type") == "error"] == []


async def test_text_is_answered_by_voice() -> None:
    async with caller() as (_, socket):
        await socket.send('{"text": "hello"}')
        heard = await until_final(socket, "assistant")
    assert heard.said[-1] == {"text": "You said: hello", "final": True, "role": "assistant"}
    assert len(heard.audio) == 2 * len("You said: hello") * 20 * RATE_HZ // 1000


async def test_speaking_over_the_agent_interrupts_it() -> None:
    async with caller() as (_, socket):
        await socket.send('{"text": "speak 60 seconds"}')
        await socket.recv()
        await socket.send(SPEECH)
        heard = await until(socket, type="interrupted")
        assert len(heard.audio) < 2 * RATE_HZ * 60
        await socket.send(SILENCE)
        assert (await until_final(socket, "user")).said[-1]["text"].startswith("[audio ")


async def test_the_client_may_interrupt_and_end_turns_by_hand() -> None:
    model = EchoRealtimeModel(config=SessionConfig(turn_detection=None))
    async with caller(model) as (_, socket):
        await socket.send('{"text": "speak 60 seconds"}')
        await socket.recv()
        await socket.send('{"type": "interrupt"}')
        await until(socket, type="interrupted")
        await socket.send(SPEECH)
        await socket.send('{"type": "end_turn"}')
        heard = await until(socket, text="You sent 500 ms of audio", final=True)
        assert SPEECH in heard.audio


@pytest.mark.parametrize("frame", ['{"typ": 1}', "[]", '{"text"', '{"text": 3}'])
async def test_a_wrong_message_is_an_error_and_the_session_goes_on(frame: str) -> None:
    async with caller() as (_, socket):
        await socket.send(frame)
        error = json.loads(await socket.recv())
        assert (error["type"], error["code"]) == ("error", "invalid_event")
        await socket.send("ping")
        await socket.send('{"text": "hello"}')
        assert (await until_final(socket, "assistant")).said[-1]["text"] == "You said: hello"


async def test_the_end_of_the_model_closes_the_connection() -> None:
    async with caller() as (_, socket):
        await socket.send('{"text": "drop"}')
        with anyio.fail_after(5), pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd is None


@pytest.mark.parametrize(
    ("failure", "code"), [(ConfigError("no key"), 1011), (OutOfCapacity("all engines are busy"), 1013)]
)
async def test_a_model_that_does_not_open_is_told(failure: Exception, code: int) -> None:
    async with caller(FakeModel(failure=failure)) as (_, socket):
        error = json.loads(await socket.recv())
        assert (error["type"], error["message"]) == ("error", str(failure))
        with anyio.fail_after(5), pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_a_caller_that_vanishes_ends_its_agent() -> None:
    async with caller() as (gateway, socket):
        await socket.send('{"text": "speak 60 seconds"}')
        await socket.recv()
        socket.transport.abort()
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
