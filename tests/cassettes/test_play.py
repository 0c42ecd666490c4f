"""From a session to a cassette and back: recorded over loopback, played as a model and as a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicewire.audio.pcm import tone
from voicewire.errors import CassetteMismatch, ConfigError, ConnectionLost, VoicewireError
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, CommitAudio, SendText, SendToolResult
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing import serve
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import CassetteRealtimeModel
from voicewire.testing.cassette_report import report_of
from voicewire.testing.cassette_server import serve_cassette
from voicewire.testing.faults import FaultInjector
from voicewire.transport.cassette import Closed, Received, Sent
from voicewire.transport.policies import NO_RECONNECT, ReconnectPolicy

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "sk-verysecretkey1234567890"
_TIMEOUT_S = 20.0
WIRES: dict[str, dict[str, Any]] = {
    "openai:echo": {},
    "openai:beta": {"dialect": "beta"},
    "azure:echo": {},
    "azure:preview": {"api_version": "2025-04-01-preview"},
    "voicelive:echo": {},
    "gemini:echo": {},
    "dashscope:qwen3.5-omni-plus-realtime": {},
}


async def converse(model: RealtimeModel, text: str = "call get_weather {}") -> list[EventBase]:
    """Text, a tool call, a turn of speech with manual end; all events up to the last reply."""
    found: list[EventBase] = []
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    with anyio.fail_after(_TIMEOUT_S):
        config = SessionConfig(turn_detection=None)
        async with model.open(instructions=f"Key {KEY}.", tools=[tool], config=config) as connection:
            await connection.send(SendText(text))
            async for event in connection:
                found.append(event)
                if isinstance(event, events.ModelResponseToolUseDoneEvent):
                    await connection.send(SendToolResult(event.tool_use["id"], "sunny"))
                done = sum(isinstance(event, events.ModelResponseDoneEvent) for event in found)
                if isinstance(event, events.ModelResponseDoneEvent) and done == 2:
                    rate_hz = model.capabilities.input_rates_hz[0]
                    sound = tone(400, rate_hz // 5, rate_hz)
                    for start in range(0, len(sound), 640):
                        await connection.send(AppendAudio(sound[start : start + 640], sample_rate_hz=rate_hz))
                    await connection.send(CommitAudio())
                if isinstance(event, events.ModelResponseDoneEvent) and done == 3:
                    break
    return found


def told(found: list[EventBase]) -> list[tuple[str, object]]:
    """What an application makes of the events: words, calls, amounts of audio, ends with their counts."""
    said: list[tuple[str, object]] = []
    for event in found:
        match event:
            case events.ModelResponseAudioTranscriptDoneEvent() | events.ModelInputTranscriptionDoneEvent():
                said.append((type(event).__name__, event.transcript))
            case events.ModelResponseToolUseDoneEvent():
                said.append(("call", event.tool_use))
            case events.ModelResponseAudioDeltaEvent():
                said.append(("audio", len(event.pcm)))
            case events.ModelResponseDoneEvent():
                said.append((event.status, (event.input_tokens, event.output_tokens, event.usage)))
            case _:
                pass
    return said


def a_model(name: str, ws_url: str, **options: Any) -> RealtimeModel:
    base_url = f"{ws_url}/v1" if name.startswith("openai") else ws_url
    return create_model(name, api_key=KEY, base_url=base_url, **WIRES[name], **options)


@pytest.mark.parametrize("keeps_audio", [True, False])
@pytest.mark.parametrize("name", list(WIRES))
async def test_a_session_plays_again_word_for_word(name: str, keeps_audio: bool, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        model = a_model(name, gateway.ws_url, record=path, record_audio=keeps_audio)
        recorded = await converse(model)
    again = await converse(create_model(f"cassette:{path}"))
    assert told(again) == told(recorded)
    text = path.read_text(encoding="utf-8")
    assert KEY not in text
    assert KEY[3:] not in text
    header = json.loads(text.splitlines()[0])
    assert (header["provider"], header["model"]) == (name.partition(":")[0], name)
    report = report_of(load_cassette(path), a_model(name, "ws://x").codec)  # type: ignore[attr-defined]  # a remote one
    assert not report.faults
    assert [answer.status for answer in report.answers] == ["completed"] * len(report.answers)
    assert report.sent_audio_bytes >= 6400


@pytest.mark.parametrize("name", ["openai:echo", "gemini:echo", "dashscope:qwen3.5-omni-plus-realtime"])
async def test_a_client_finds_the_recorded_provider_on_loopback(name: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        recorded = await converse(a_model(name, gateway.ws_url, record=path))
    news: list[str] = []
    async with serve_cassette(path, on_news=news.append) as provider:
        for _ in range(2):
            again = await converse(a_model(name, provider.ws_url))
            assert told(again) == told(recorded)
    assert provider.connections == 2
    assert not provider.mismatches
    assert [line for line in news if line.endswith("plays connection 1")] == [
        "client 1 plays connection 1",
        "client 2 plays connection 1",
    ]


async def test_another_course_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        await converse(a_model("openai:echo", gateway.ws_url, record=path))
    with pytest.raises(CassetteMismatch) as caught:
        async with CassetteRealtimeModel(path).open() as connection:
            await connection.send(CommitAudio())
            async for _ in connection:
                pass
    assert (caught.value.expected, caught.value.got) == (
        "conversation.item.create:message",
        "input_audio_buffer.commit",
    )
    async with serve_cassette(path) as provider:
        async with connect(f"{provider.ws_url}/v1/realtime?model=x") as socket:
            await socket.send('{"type":"response.create"}')
            with pytest.raises(ConnectionClosed), anyio.fail_after(_TIMEOUT_S):
                while True:
                    await socket.recv()
            assert socket.close_code == 1008
            assert socket.close_reason == "expected session.update, got response.create"
    (mismatch,) = provider.mismatches
    assert mismatch.got == "response.create"


async def test_a_client_that_leaves_in_the_middle_ends_only_its_own_visit(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        recorded = await converse(a_model("openai:echo", gateway.ws_url, record=path))
    news: list[str] = []
    async with serve_cassette(path, on_news=news.append) as provider:
        for code in (1000, 1006):
            async with connect(f"{provider.ws_url}/v1/realtime?model=x") as socket:
                await socket.send('{"type":"session.update"}')
                with anyio.fail_after(_TIMEOUT_S):
                    await socket.recv()
                if code == 1006:
                    socket.transport.abort()
        assert told(await converse(a_model("openai:echo", provider.ws_url))) == told(recorded)
    for client in (1, 2):
        assert f"client {client} is gone; it did not send 'conversation.item.create:message'" in news
    assert not provider.mismatches


async def test_a_lost_connection_is_lost_again_and_the_next_one_follows(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    faults = FaultInjector()
    policy = ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.01)

    async def talk(model: RealtimeModel, *, cuts: bool) -> list[str]:
        kinds: list[str] = []
        with anyio.fail_after(_TIMEOUT_S):
            async with model.open() as connection:
                await connection.send(SendText("hello"))
                async for event in connection:
                    kinds.append(type(event).__name__)
                    if isinstance(event, events.ModelResponseDoneEvent) and len(kinds) and cuts:
                        cuts = False
                        faults.inject("cut")
                    elif isinstance(event, events.WebsocketConnectEvent):
                        return kinds
        return kinds

    async with serve(model="echo") as gateway:
        model = a_model("openai:echo", gateway.ws_url, record=path, wrap=faults.wrap, reconnect=policy)
        recorded = await talk(model, cuts=True)
    cassette = load_cassette(path)
    ends = [(entry.connection, entry.by) for entry in cassette.entries if isinstance(entry, Closed)]
    assert ends == [(1, "lost"), (2, "client")]
    again = await talk(create_model(f"cassette:{path}", reconnect=policy), cuts=False)
    assert again[-2:] == recorded[-2:] == ["WebsocketDisconnectEvent", "WebsocketConnectEvent"]
    with pytest.raises(ConnectionLost, match="the recorded connection was lost"):
        await talk(create_model(f"cassette:{path}", reconnect=NO_RECONNECT), cuts=False)


async def test_a_session_that_goes_on_longer_than_the_recording_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        await converse(a_model("openai:echo", gateway.ws_url, record=path))
    entries = [line for line in path.read_text(encoding="utf-8").splitlines() if '"way":"closed"' not in line]
    lost = '{"way":"closed","at_ms":9999,"by":"lost","code":1006,"reason":"cut"}'
    path.write_text("\n".join([*entries, lost]) + "\n", encoding="utf-8")
    policy = ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.01)
    with pytest.raises(VoicewireError, match="holds 1 connection and the session opens one more"):
        await converse_to_the_end(create_model(f"cassette:{path}", reconnect=policy))


async def converse_to_the_end(model: RealtimeModel) -> None:
    found = 0
    with anyio.fail_after(_TIMEOUT_S):
        config = SessionConfig(turn_detection=None)
        async with model.open(config=config) as connection:
            await connection.send(SendText("call get_weather {}"))
            async for event in connection:
                if isinstance(event, events.ModelResponseToolUseDoneEvent):
                    await connection.send(SendToolResult(event.tool_use["id"], "sunny"))
                found += isinstance(event, events.ModelResponseDoneEvent)
                if isinstance(event, events.ModelResponseDoneEvent) and found == 2:
                    await connection.send(CommitAudio())


async def test_two_sessions_of_one_cassette_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        recorded = await converse(a_model("openai:echo", gateway.ws_url, record=path))
    model = create_model(f"cassette:{path}")
    results: list[list[tuple[str, object]]] = []

    async def one() -> None:
        results.append(told(await converse(model)))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
    assert results == [told(recorded)] * 3


async def test_frames_are_recorded_in_the_order_of_cause_and_answer(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    async with serve(model="echo") as gateway:
        await converse(a_model("openai:echo", gateway.ws_url, record=path))
    entries = load_cassette(path).entries
    kinds = [json.loads(entry.frame)["type"] for entry in entries if isinstance(entry, (Sent, Received))]
    assert kinds.index("session.update") < kinds.index("session.updated")
    assert kinds.index("input_audio_buffer.commit") < kinds.index("input_audio_buffer.committed")
    times = [entry.at_ms for entry in entries]
    assert times == sorted(times)


def test_files_that_are_no_cassettes_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the cassette .*No such file.*check its name"):
        _ = create_model(f"cassette:{tmp_path / 'none.jsonl'}").capabilities
    (tmp_path / "a.yaml").write_text("version: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no list of `interactions`"):
        load_cassette(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("interactions:\n- {kind: message, data: {}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="interaction 1 .* is not a frame"):
        load_cassette(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("a: [\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_cassette(tmp_path / "c.yaml")
    (tmp_path / "d.jsonl").write_text('{"voicewire_cassette":1,"model":"other:thing"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="recorded from 'other:thing', which this version cannot play"):
        _ = create_model(f"cassette:{tmp_path / 'd.jsonl'}").capabilities
    with pytest.raises(ConfigError, match="no pace 'slow'"):
        create_model("cassette:x", pace="slow")
