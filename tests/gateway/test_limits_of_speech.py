"""Every limit on the two speech wires: their clients are told as the wire tells it, the log has one line of it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.faults.clients import masked, raw_client
from tests.speech.door_frames import AZURE_ASR, AZURE_TTS, TASK, WAV_16K, action, context, run_task, ssml
from voicewire.gateway import GatewaySettings
from voicewire.protocols.azure_speech.wire import audio_frame
from voicewire.testing import ServedGateway, serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

Frames = tuple[str | bytes, ...]
SECOND = bytes(32_000)
TEXT = "a text of no more than a hundred characters, said in two seconds " * 3
TASK_CODES = {
    "rate_limit_exceeded": "Throttling.RateQuota",
    "session_expired": "RequestTimeOut",
    "idle_timeout": "RequestTimeOut",
    "message_too_large": "InvalidParameter",
    "invalid_json": "InvalidParameter",
    "insufficient_quota": "insufficient_quota",
}
CLOSE_CODES = {
    "dashscope": {"rate_limit_exceeded": 1008, "insufficient_quota": 1008, "session_expired": 1001,
                  "idle_timeout": 1001, "message_too_large": 1000, "invalid_json": 1000},
    "azure": {"rate_limit_exceeded": 4429, "insufficient_quota": 4429, "session_expired": 4000,
              "idle_timeout": 4000, "message_too_large": 1007, "invalid_json": 1007},
}  # fmt: skip


@dataclass(frozen=True)
class SpeechWire:
    """How a client of one wire begins, and sends a second of audio or a text."""

    path: str
    door: str
    begin: Frames
    second: bytes = b""
    """Of audio to recognise."""
    text: Frames = ()
    """To be said; all of the turn."""
    end: Frames = ()
    """The end of the audio."""

    @property
    def family(self) -> str:
        return "dashscope" if self.door == "dashscope-task" else "azure"


DASHSCOPE_ASR = SpeechWire(TASK, "dashscope-task", (run_task(),), second=SECOND, end=(action("finish-task"),))
DASHSCOPE_TTS = SpeechWire(
    TASK,
    "dashscope-task",
    (run_task("tts", format="pcm"),),
    text=(action("continue-task", text=TEXT), action("finish-task")),
)
AZURE_RECOGNITION = SpeechWire(
    AZURE_ASR,
    "azure-speech",
    (context(), audio_frame("r1", "1", WAV_16K, "")),
    second=audio_frame("r1", "1", SECOND, ""),
    end=(audio_frame("r1", "1", b"", ""),),
)
AZURE_SYNTHESIS = SpeechWire(
    AZURE_TTS, "azure-speech-voice", (), text=(ssml(f"<speak version='1.0'>{TEXT}</speak>"),)
)
HEAR = {"dashscope": DASHSCOPE_ASR, "azure": AZURE_RECOGNITION}
SPEAK = {"dashscope": DASHSCOPE_TTS, "azure": AZURE_SYNTHESIS}
each_ear = pytest.mark.parametrize("wire", HEAR.values(), ids=HEAR)
each_voice = pytest.mark.parametrize("wire", SPEAK.values(), ids=SPEAK)
each_wire = pytest.mark.parametrize(
    "wire",
    [*HEAR.values(), *SPEAK.values()],
    ids=[f"{name} {what}" for what in ("asr", "tts") for name in HEAR],
)


@dataclass
class End:
    """How the connection ended."""

    code: int
    reason: str
    events: list[dict[str, Any]]
    """The task's events."""
    frames: list[str | bytes]

    def is_by(self, wire: SpeechWire, code: str) -> bool:
        """Whether the client was told this code, once, in the words of its wire."""
        told = [event["header"] for event in self.events if event["header"]["event"] == "task-failed"]
        assert self.code == CLOSE_CODES[wire.family][code], (self.code, self.reason)
        assert not any("turn.end" in str(frame) or "task-finished" in str(frame) for frame in self.frames)
        if wire.family == "azure":
            return not told and self.reason.startswith(f"{code}: ")
        (failed,) = told
        return failed["error_code"] == TASK_CODES[code] and failed["error_message"] in self.reason


class Talk:
    """A client that reads all the time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._frames: list[str | bytes] = []

    async def say(self, *frames: str | bytes) -> None:
        for frame in frames:
            await self._socket.send(frame)

    async def end(self) -> End:
        """The end of the connection, and all that came before it."""
        with anyio.fail_after(20), suppress(ConnectionClosed):
            while True:
                self._frames.append(await self._socket.recv())
        events = [json.loads(frame) for frame in self._frames if frame[:1] in ("{", b"{")]
        return End(self._socket.close_code or 0, self._socket.close_reason or "", events, self._frames)

    async def until(self, mark: str) -> list[str | bytes]:
        """All frames up to the one with this mark."""
        with anyio.fail_after(20):
            while not (self._frames and mark in str(self._frames[-1])):
                self._frames.append(await self._socket.recv())
        return self._frames

    async def flood(self, frame: str | bytes) -> End:
        """Sends a frame until the connection is closed."""
        ends: list[End] = []

        async def read() -> None:
            ends.append(await self.end())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            with suppress(ConnectionClosed):
                for _ in range(1000):
                    await self.say(frame)
        return ends[0]


@asynccontextmanager
async def talking(wire: SpeechWire, **limits: float) -> AsyncGenerator[Talk, None]:
    settings = GatewaySettings.model_validate({"drain_s": 0.0, **limits})
    async with (
        serve("echo", settings=settings) as gateway,
        connect(gateway.ws_url + wire.path, max_size=None) as socket,
    ):
        talk = Talk(socket)
        await talk.say(*wire.begin)
        yield talk


def log_line(caplog: pytest.LogCaptureFixture, wire: SpeechWire) -> dict[str, Any]:
    """The one line of the session."""
    (line,) = [vars(one) for one in caplog.records if one.getMessage() == "session ended"]
    assert (line["door"], line["model"]) == (wire.door, "echo")
    assert line["session_id"].startswith("sess_")
    return line


@each_wire
async def test_a_message_that_is_too_large(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, max_message_bytes=64 * 1024) as talk:
        await talk.say("x" * 70_000)
        assert (await talk.end()).is_by(wire, "message_too_large")
    assert log_line(caplog, wire)["cause"] == "message_too_large"


@each_wire
async def test_json_that_is_nested_too_deeply(wire: SpeechWire) -> None:
    async with talking(wire) as talk:
        await talk.say('{"a":' * 1000 + "1" + "}" * 1000)
        assert (await talk.end()).is_by(wire, "invalid_json")


async def test_audio_that_looks_like_json_is_audio() -> None:
    async with talking(DASHSCOPE_ASR) as talk:
        await talk.say(b"{\0" * 1000 + b"{}", *DASHSCOPE_ASR.end)
        await talk.until("task-finished")


@each_ear
async def test_audio_far_ahead_of_real_time(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, audio_burst_s=5.0) as talk:
        assert (await talk.flood(wire.second)).is_by(wire, "rate_limit_exceeded")
    assert log_line(caplog, wire)["cause"] == "audio_rate"


@each_wire
async def test_too_many_messages(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    nothing = "ping" if wire.family == "dashscope" else "Path:telemetry\r\n\r\n{}"
    async with talking(wire, frame_burst=20, max_frames_per_s=1.0) as talk:
        assert (await talk.flood(nothing)).is_by(wire, "rate_limit_exceeded")
    assert log_line(caplog, wire)["cause"] == "frame_rate"


@each_wire
async def test_the_length_of_a_session(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, max_session_s=0.1) as talk:
        assert (await talk.end()).is_by(wire, "session_expired")
    assert log_line(caplog, wire)["cause"] == "session_length"


@each_wire
async def test_a_session_in_which_nothing_happens(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, idle_timeout_s=0.1) as talk:
        assert (await talk.end()).is_by(wire, "idle_timeout")
    assert log_line(caplog, wire)["cause"] == "idle"


@each_ear
async def test_the_cost_of_recognition(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(wire, max_session_audio_s=2.5) as talk:
        await talk.say(*[wire.second] * 3)
        assert (await talk.end()).is_by(wire, "insufficient_quota")
    assert log_line(caplog, wire)["cause"] == "audio_seconds"


@each_voice
@pytest.mark.parametrize(
    ("limit", "cause"),
    [({"max_session_tokens": len(TEXT) - 2}, "tokens"), ({"max_session_audio_s": 3.8}, "audio_seconds")],
)
async def test_the_cost_of_synthesis(
    wire: SpeechWire, limit: dict[str, float], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(wire, **limit) as talk:
        await talk.say(*wire.text)
        assert (await talk.end()).is_by(wire, "insufficient_quota")
    assert log_line(caplog, wire)["cause"] == cause


@each_voice
async def test_what_is_within_the_budget_is_said(wire: SpeechWire) -> None:
    async with talking(wire, max_session_tokens=len(TEXT), max_session_audio_s=3.91) as talk:
        await talk.say(*wire.text)
        frames = await talk.until("task-finished" if wire.family == "dashscope" else "turn.end")
    assert sum(len(frame) for frame in frames if isinstance(frame, bytes)) > 3.9 * 32_000


def flac(seconds: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16_000 * seconds, np.int16), 16_000, format="FLAC")
    return file.getvalue()


async def test_compressed_audio_that_unpacks_to_hours(caplog: pytest.LogCaptureFixture) -> None:
    data = flac(600)
    assert len(data) < 100_000, "nobody needs much to send much"
    wire = SpeechWire(TASK, "dashscope-task", (run_task(format="flac"),))
    async with talking(wire, audio_burst_s=599.0) as talk:
        await talk.say(data, action("finish-task"))
        assert (await talk.end()).is_by(wire, "rate_limit_exceeded")
    assert log_line(caplog, wire)["cause"] == "audio_rate"


async def test_compressed_audio_within_the_limits_is_recognised() -> None:
    async with talking(
        SpeechWire(TASK, "dashscope-task", (run_task(format="flac"),)), audio_burst_s=61
    ) as talk:
        await talk.say(flac(60), action("finish-task"))
        await talk.until("task-finished")


@each_voice
async def test_a_client_that_reads_nothing_is_cut(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    settings = GatewaySettings(send_budget_bytes=64 * 1024, stall_timeout_s=0.3, close_grace_s=0.1)
    long = "word " * 3900
    text = (
        (action("continue-task", text=long), action("finish-task"))
        if wire.family == "dashscope"
        else (ssml(f"<speak>{long}</speak>"),)
    )
    async with serve("echo", settings=settings) as gateway:
        async with raw_client(gateway, receive_buffer_bytes=4096) as client:
            await client.shake_hands(wire.path)
            for frame in (*wire.begin, *text):
                await client.say(masked(1, str(frame).encode()))
            with anyio.fail_after(20):
                await gateway.admission.wait_until_empty()
        metrics = await metrics_of(gateway)
    line = log_line(caplog, wire)
    assert (line["code"], line["cause"]) == (1008, "too_slow")
    assert "voicewire_slow_clients_total 1.0" in metrics


@each_voice
async def test_a_client_with_a_small_budget_gets_all_in_its_own_time(wire: SpeechWire) -> None:
    """What a voice makes waits for room; it costs no client its session that voices are faster than speech."""
    async with talking(wire, send_budget_bytes=64 * 1024) as talk:
        await talk.say(*wire.text)
        frames = await talk.until("task-finished" if wire.family == "dashscope" else "turn.end")
    assert sum(len(frame) for frame in frames if isinstance(frame, bytes)) > 3.9 * 32_000


@each_wire
async def test_a_stop_of_the_gateway(wire: SpeechWire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "voicewire.gateway")
    settings = GatewaySettings(drain_s=0.0, close_grace_s=1.0)
    async with serve("echo", settings=settings) as gateway:
        socket = await connect(gateway.ws_url + wire.path, max_size=None)
        talk = Talk(socket)
        await talk.say(*wire.begin)
        if wire.family == "dashscope":
            await talk.until("task-started")
    end = await talk.end()
    assert end.code == 1001
    failed = [event["header"] for event in end.events if event["header"]["event"] == "task-failed"]
    assert [one["error_code"] for one in failed] == (["SystemError"] if wire.family == "dashscope" else [])
    assert end.reason == "the server is shutting down"
    assert log_line(caplog, wire)["cause"] == "drain"


@each_ear
async def test_a_stop_waits_for_a_task_under_way(wire: SpeechWire) -> None:
    async with serve("echo", settings=GatewaySettings(drain_s=20.0)) as gateway:
        socket = await connect(gateway.ws_url + wire.path, max_size=None)
        talk = Talk(socket)
        await talk.say(*wire.begin, wire.second)
        await talk.until("task-started" if wire.family == "dashscope" else "turn.start")
        gateway.admission.draining.set()
        await talk.say(*wire.end)
        await talk.until("task-finished" if wire.family == "dashscope" else "turn.end")
        assert (await talk.end()).code == 1001


async def metrics_of(gateway: ServedGateway) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{gateway.http_url}/metrics")).text


@each_wire
async def test_the_figures_of_a_session(wire: SpeechWire) -> None:
    door, model = f'door="{wire.door}"', 'model="echo"'
    stage = "first_audio" if wire.text else "asr_final"
    async with serve("echo") as gateway:
        async with connect(gateway.ws_url + wire.path, max_size=None) as socket:
            talk = Talk(socket)
            await talk.say(*wire.begin)
            loud = np.full(16_000, 8000, np.int16).tobytes()
            heard = loud if wire.family == "dashscope" else audio_frame("r1", "1", loud, "")
            await talk.say(*(wire.text or (wire.second, heard, *wire.end)))
            await talk.until("task-finished" if wire.family == "dashscope" else "turn.end")
            during = await metrics_of(gateway)
            assert gateway.admission.session_count == 1
        with anyio.fail_after(20):
            await gateway.admission.wait_until_empty()
        after = await metrics_of(gateway)
    assert f"voicewire_sessions_open{{{door},{model}}} 1.0" in during
    assert f"voicewire_sessions_open{{{door},{model}}} 0.0" in after
    assert f"voicewire_sessions_total{{{door},{model}}} 1.0" in after
    assert f'voicewire_session_ends_total{{code="1000",{door}}} 1.0' in after
    assert f'voicewire_responses_total{{{model},status="completed"}} 1.0' in after
    assert f'voicewire_stage_seconds_count{{{model},since="request",stage="{stage}"}} 1.0' in after
    sent = next(line for line in after.splitlines() if 'frames_total{direction="out"}' in line)
    assert float(sent.split()[-1]) > 0
