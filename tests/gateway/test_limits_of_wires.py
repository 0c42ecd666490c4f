"""Every limit on every wire: the client is told in its own wire's words, closed with the right code, logged once."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewire.gateway import GatewaySettings, dashscope_door
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

Json = dict[str, Any]
SILENCE = base64.b64encode(bytes(48_000)).decode()
"""A second at 24 kHz."""
LONG_ANSWER = "speak 3 seconds"


def of_openai(event: Json) -> str | None:
    return event["error"]["code"] if event.get("type") == "error" else None


def of_agent(event: Json) -> str | None:
    return event["code"] if event.get("type") in ("agent_error", "error") else None


def of_gemini(event: Json) -> str | None:
    """Errors of this wire that leave the connection open have a number, too."""
    if "status" not in event:
        return None
    assert event["code"] == (429 if event["status"] in ("rate_limit_exceeded", "insufficient_quota") else 400)
    status: str = event["status"]
    return status


def openai_turn(text: str) -> list[Json]:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return [{"type": "conversation.item.create", "item": item}, {"type": "response.create"}]


def agent_turn(text: str) -> list[Json]:
    return [{"type": "client_text_append", "session_id": "s", "text": text}]


def gemini_turn(text: str) -> list[Json]:
    turns = [{"role": "user", "parts": [{"text": text}]}]
    return [{"clientContent": {"turns": turns, "turnComplete": True}}]


@dataclass(frozen=True)
class Wire:
    """How a client of one wire says what the limits are about."""

    path: str
    code_of: Callable[[Json], str | None] = of_openai
    turn: Callable[[str], list[Json]] = openai_turn
    audio: Json | bytes = field(
        default_factory=lambda: {"type": "input_audio_buffer.append", "audio": SILENCE}
    )
    begin: tuple[Json, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    door: str = "openai"


_BLOB = {"data": SILENCE, "mimeType": "audio/pcm;rate=24000"}
_MEDIA_TYPE = {"type": "audio/pcm", "rate": 24000}
_BIDI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
WIRES = {
    "openai": Wire("/v1/realtime?model=echo"),
    "beta": Wire("/v1/realtime?model=echo", headers={"OpenAI-Beta": "realtime=v1"}),
    "voicelive": Wire("/voice-live/realtime?api-version=2025-10-01&model=echo", door="voicelive"),
    "gemini": Wire(
        _BIDI,
        code_of=of_gemini,
        turn=gemini_turn,
        audio={"realtimeInput": {"audio": _BLOB}},
        begin=({"setup": {"model": "models/echo"}},),
        door="gemini",
    ),
    "dashscope": Wire("/api-ws/v1/realtime?model=echo", door="dashscope"),
    "ws": Wire(
        "/ws/user1/session1",
        code_of=of_agent,
        turn=agent_turn,
        audio={"type": "client_audio_append", "session_id": "s", "audio": SILENCE, "format": _MEDIA_TYPE},
        begin=({"type": "client_session_create", "config": {}},),
        door="agent",
    ),
    "voice": Wire(
        "/voice", code_of=of_agent, turn=lambda text: [{"text": text}], audio=bytes(48_000), door="voice"
    ),
}
each_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)


@dataclass
class Talk:
    """A client with a session under way."""

    wire: Wire
    socket: ClientConnection

    async def say(self, *frames: Json | bytes | str) -> None:
        for frame in frames:
            await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next_code(self) -> str:
        """The code of the next error."""
        with anyio.fail_after(20):
            while True:
                frame = await self.socket.recv()
                if frame[:1] in ("{", b"{") and (code := self.wire.code_of(json.loads(frame))) is not None:
                    return code

    async def end(self) -> tuple[int, list[str]]:
        """The close code, and the codes of all errors before it."""
        codes: list[str] = []
        with anyio.fail_after(20), suppress(ConnectionClosed):
            while True:
                codes.append(await self.next_code())
        return self.socket.close_code or 0, codes

    async def end_of_flood(self, frame: Json | bytes) -> tuple[int, list[str]]:
        """Sends a frame until the connection is closed; how it was."""
        ends: list[tuple[int, list[str]]] = []

        async def read() -> None:
            ends.append(await self.end())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            with suppress(ConnectionClosed):
                for _ in range(1000):
                    await self.say(frame)
        (end,) = ends
        return end


@asynccontextmanager
async def talking(wire: Wire, **limits: float) -> AsyncGenerator[Talk, None]:
    settings = GatewaySettings.model_validate({"drain_s": 0.0, **limits})
    async with serve("echo", settings=settings) as gateway:
        async with connect(
            gateway.ws_url + wire.path, additional_headers=wire.headers, max_size=None
        ) as socket:
            talk = Talk(wire, socket)
            await talk.say(*wire.begin)
            if wire.door == "gemini":  # which says nothing before its session is set up
                assert "setupComplete" in json.loads(await socket.recv())
            yield talk


def cause_of(caplog: pytest.LogCaptureFixture, wire: Wire) -> str:
    """Why the one session ended, by the one line of the log."""
    (line,) = [vars(one) for one in caplog.records if one.getMessage() == "session ended"]
    assert line["door"] == wire.door
    cause: str = line["cause"]
    return cause


@each_wire
async def test_a_message_that_is_too_large_is_refused_and_the_session_goes_on(wire: Wire) -> None:
    async with talking(wire, max_message_bytes=64 * 1024) as talk:
        await talk.say(json.dumps({"type": "x", "padding": "x" * 70_000}))
        assert await talk.next_code() == "message_too_large"
        await talk.say({"type": "no.such.event"})
        assert await talk.next_code() != "message_too_large"


@each_wire
async def test_audio_far_ahead_of_real_time(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, audio_burst_s=5.0) as talk:
        assert await talk.end_of_flood(wire.audio) == (1008, ["rate_limit_exceeded"])
    assert cause_of(caplog, wire) == "audio_rate"


@each_wire
async def test_too_many_messages(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, frame_burst=20, max_frames_per_s=1.0) as talk:
        code, codes = await talk.end_of_flood({"type": "no.such.event"})
    assert (code, codes.count("rate_limit_exceeded")) == (1008, 1)
    assert cause_of(caplog, wire) == "frame_rate"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of the DashScope wire are not waited for: their session has to begin before it can end."""
    monkeypatch.setattr(dashscope_door, "FIRST_FRAME_TIMEOUT_S", 0.01)


@pytest.mark.usefixtures("hasty")
@each_wire
async def test_the_length_of_a_session(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, max_session_s=0.1) as talk:
        assert await talk.end() == (1001, ["session_expired"])
    assert cause_of(caplog, wire) == "session_length"


@pytest.mark.usefixtures("hasty")
@each_wire
async def test_a_session_in_which_nothing_happens(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, idle_timeout_s=0.1) as talk:
        assert await talk.end() == (1001, ["idle_timeout"])
    assert cause_of(caplog, wire) == "idle"


@each_wire
@pytest.mark.parametrize(
    ("limit", "cause"),
    [({"max_session_tokens": 1}, "tokens"), ({"max_session_audio_s": 0.2}, "audio_seconds")],
)
async def test_the_cost_of_a_session(
    wire: Wire, limit: dict[str, float], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(wire, **limit) as talk:
        await talk.say(*wire.turn(LONG_ANSWER))
        assert await talk.end() == (1008, ["insufficient_quota"])
    assert cause_of(caplog, wire) == cause


@each_wire
async def test_json_that_is_nested_too_deeply(wire: Wire) -> None:
    async with talking(wire) as talk:
        await talk.say('{"a":' * 1000 + "1" + "}" * 1000)
        assert await talk.next_code() == "invalid_json"
