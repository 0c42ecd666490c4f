"""The gateway's speech doors: whatever a client sends, it gets a reason and an end, and the log holds no traceback."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import silence, tone
from voicewire.errors import UnsupportedError
from voicewire.gateway import create_app
from voicewire.gateway.server import GatewayServer, bind
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.tracing import GatewayTraces
from voicewire.models import create_model
from voicewire.protocols.azure_speech.wire import audio_frame
from voicewire.speech.echo_tts import EchoTtsClient
from voicewire.testing import serve
from voicewire.testing.running import running

from .door_frames import AZURE_TTS, TASK, action, context, run_task, ssml

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]
TURN = silence(4800) + tone(300, 16_000, 16_000) + silence(16_000)


async def conversation(url: str, frames: list[str | bytes]) -> tuple[list[str], int | None]:
    """All events that come until the end, and the close code; None when the client closed."""
    heard: list[str] = []
    with anyio.fail_after(20):
        async with connect(url) as client:
            try:
                for frame in frames:
                    await client.send(frame)
                while True:
                    reply = await client.recv()
                    if isinstance(reply, str):
                        heard.append(reply)
                        if "task-finished" in reply or "Path:turn.end" in reply:
                            return heard, None
            except ConnectionClosed as closed:
                return heard, closed.rcvd.code if closed.rcvd is not None else 1006


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR
    ]


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (["{not json"], "not a request"),
        ([run_task(format="amr")], "amr"),
        ([run_task(sample_rate=7)], "sample_rate"),
        ([run_task(sample_rate=10**9)], "sample_rate"),
        ([run_task("tts", format="flac")], "flac"),
        ([run_task("tts", sample_rate=7)], "sample_rate"),
        ([run_task(format="mp3"), b"no mp3 at all", action("finish-task")], "decoded"),
        (
            [run_task("tts"), action("continue-task", text="<speak><b></speak>"), action("finish-task")],
            "well formed",
        ),
        ([run_task(), run_task()], "under way"),
        ([b"audio"], "audio came before"),
    ],
)
async def test_a_task_that_cannot_be_done_fails_with_its_reason(
    frames: list[str | bytes], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(model="echo") as gateway:
        heard, code = await conversation(gateway.ws_url + TASK, frames)
    failed = json.loads(heard[-1])["header"]
    assert failed["event"] == "task-failed"
    assert reason in failed["error_message"]
    assert code == 1000
    assert not problems(caplog)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rate": None, "volume": None, "sample_rate": None, "format": None, "voice": None},
        {"rate": "fast", "volume": "loud", "sample_rate": "16k", "voice": 7},
        {"rate": 1e300, "volume": -1e300, "format": "Default", "sample_rate": 0},
        {"rate": True, "volume": [], "format": "PCM"},
    ],
)
async def test_parameters_that_make_no_sense_are_passed_over(
    parameters: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    frames: list[str | bytes] = [
        run_task("tts", **parameters),
        action("continue-task", text="hello"),
        action("finish-task"),
    ]
    async with serve(model="echo") as gateway:
        heard, _ = await conversation(gateway.ws_url + TASK, frames)
    assert "task-finished" in heard[-1]
    assert not problems(caplog)


@pytest.mark.parametrize("hints", [None, [], [None], "en", {"a": 1}, ["zh", "en"]])
async def test_language_hints_of_any_kind(hints: Any, caplog: pytest.LogCaptureFixture) -> None:
    frames: list[str | bytes] = [
        run_task(language_hints=hints, max_sentence_silence="long"),
        TURN,
        action("finish-task"),
    ]
    async with serve(model="echo") as gateway:
        heard, _ = await conversation(gateway.ws_url + TASK, frames)
    assert any("[audio" in event for event in heard)
    assert "task-finished" in heard[-1]
    assert not problems(caplog)


async def test_a_silent_client_is_told_that_its_time_is_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("IDLE_TTS_S", "IDLE_ASR_S"):
        monkeypatch.setattr(f"voicewire.gateway.speech_doors.{name}", 0.05)
    async with serve(model="echo") as gateway:
        spoken, _ = await conversation(gateway.ws_url + TASK, [run_task("tts")])
        heard, _ = await conversation(gateway.ws_url + TASK, [run_task()])
    assert "request timeout after" in spoken[-1]
    assert "Response timeout!" in heard[-1]
    assert not problems(caplog)


async def test_a_cancelled_task_ends_and_another_may_follow() -> None:
    async with serve(model="echo") as gateway, connect(gateway.ws_url + TASK) as client:
        for _ in range(2):
            await client.send(run_task("tts", format="pcm"))
            await client.send(action("continue-task", text="hello " * 500))
            await client.send(action("finish-task", directive="cancel"))
            with anyio.fail_after(20):
                while "task-finished" not in str(await client.recv()):
                    continue


async def test_a_client_that_leaves_in_the_middle_takes_everything_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve(model="echo") as gateway:
        clients: list[list[str | bytes]] = [
            [run_task(), TURN],
            [run_task("tts"), action("continue-task", text="hello")],
        ]
        for frames in clients:
            async with connect(gateway.ws_url + TASK) as client:
                for frame in frames:
                    await client.send(frame)
                await client.recv()
                client.transport.abort()
        with anyio.fail_after(20):
            await gateway.admission.wait_until_empty()
    assert not problems(caplog)


async def test_a_gateway_that_stops_ends_its_tasks() -> None:
    settings = GatewaySettings(drain_s=0.05, close_grace_s=1)
    async with serve(model="echo", settings=settings) as gateway:
        client = await connect(gateway.ws_url + TASK)
        await client.send(run_task())
        assert "task-started" in str(await client.recv())
    failed = json.loads(await client.recv())["header"]
    assert (failed["event"], failed["error_message"]) == ("task-failed", "the server is shutting down")
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


OUTPUT = "Path:synthesis.context\r\nX-RequestId:r1\r\n\r\n" + json.dumps(
    {"synthesis": {"audio": {"outputFormat": "webm-24khz-16bit-mono-opus"}}}
)


@pytest.mark.parametrize(
    ("path", "frames", "code"),
    [
        ("/speech/universal/v2", ["no colon"], 1007),
        ("/speech/universal/v2", [b"\xff"], 1007),
        ("/speech/universal/v2", [context(), audio_frame("r1", "1", b"RIFF", "")], 1007),
        ("/speech/universal/v2", ["Path:speech.context\r\nX-RequestId:r1\r\n\r\n[1]"], 1007),
        ("/cognitiveservices/websocket/v1", [ssml("<speak><b></speak>")], 1011),
        ("/cognitiveservices/websocket/v1", [ssml("<!DOCTYPE x><speak/>")], 1011),
        ("/cognitiveservices/websocket/v2", [OUTPUT, ssml("<speak>hi</speak>")], 1007),
    ],
)
async def test_an_azure_client_that_talks_nonsense_is_closed(
    path: str, frames: list[str | bytes], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(model="echo") as gateway:
        _, closed = await conversation(gateway.ws_url + path, frames)
    assert closed == code
    assert not problems(caplog)


@pytest.mark.parametrize("silence_ms", ["9" * 5000, "1e308", "-5", "0"])
async def test_time_outs_of_any_size(silence_ms: str, caplog: pytest.LogCaptureFixture) -> None:
    detection = f'{{"phraseDetection": {{"trailingSilenceTimeout": {silence_ms[:300]}}}}}'
    turn = f"Path:speech.context\r\nX-RequestId:r1\r\n\r\n{detection}"
    header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0"
    frames: list[str | bytes] = [
        turn,
        audio_frame("r1", "1", header + TURN, ""),
        audio_frame("r1", "1", b"", ""),
    ]
    path = f"/speech/universal/v2?endSilenceTimeoutMs={silence_ms}"
    async with serve(model="echo") as gateway:
        heard, _ = await conversation(gateway.ws_url + path, frames)
        limits = run_task(max_sentence_silence=10**30)
        tasks, _ = await conversation(gateway.ws_url + TASK, [limits, TURN, action("finish-task")])
    assert "Path:turn.end" in heard[-1]
    assert "task-finished" in tasks[-1]
    assert not problems(caplog)


async def test_an_azure_turn_without_audio_ends(caplog: pytest.LogCaptureFixture) -> None:
    frames: list[str | bytes] = [context(), audio_frame("r1", "1", b"", "")]
    async with serve(model="echo") as gateway:
        heard, _ = await conversation(gateway.ws_url + "/speech/universal/v2", frames)
    assert "Path:turn.end" in heard[-1]
    assert not problems(caplog)


async def test_what_was_to_be_said_is_told_to_the_client_and_not_to_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(client: EchoTtsClient, session: Any) -> None:
        await client._opened(session)
        raise UnsupportedError(f"the voice cannot say {await session.receive()!r}")

    monkeypatch.setattr(EchoTtsClient, "_run", refuse)
    words = "my secret words"
    async with serve(model="echo") as gateway, connect(gateway.ws_url + AZURE_TTS) as client:
        await client.send(ssml(f"<speak>{words}</speak>"))
        with anyio.fail_after(20), pytest.raises(ConnectionClosed) as closed:
            while True:
                await client.recv()
        told, _ = await conversation(
            gateway.ws_url + TASK, [run_task("tts"), action("continue-task", text=words)]
        )
    assert words in told[-1]
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, words in closed.value.rcvd.reason) == (1007, True)
    logged = [vars(record) for record in caplog.records if record.getMessage() == "session ended"]
    assert [line["cause"] for line in logged] == ["task_failed", "task_failed"]
    assert "secret" not in str(logged)


async def test_tasks_are_turns_of_a_traced_session() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(create_model("echo"), observers=[GatewayTraces(provider)])
    ready = anyio.Event()
    with bind("127.0.0.1", 0) as listener:
        server = GatewayServer(app, listener, on_ready=lambda _: ready.set(), handles_signals=False)
        async with running(server, listener, ready):
            url = server.url.replace("http", "ws", 1) + TASK
            speak: list[str | bytes] = [
                run_task("tts"),
                action("continue-task", text="hello"),
                action("finish-task"),
            ]
            await conversation(url, speak)
            with anyio.fail_after(20):
                await app.state.admission.wait_until_empty()
    stage, turn, session = exporter.get_finished_spans()
    assert (stage.name, turn.name, session.name) == ("stage.first_audio", "turn", "session")
    assert session.attributes is not None and turn.attributes is not None
    assert session.attributes["voicewire.door"] == "dashscope-task"
    assert (turn.attributes["voicewire.status"], turn.attributes["voicewire.input_tokens"]) == (
        "completed",
        5,
    )
    assert "hello" not in "".join(span.to_json() for span in (stage, turn, session))
