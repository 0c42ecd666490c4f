"""``record=`` of everything that opens a WebSocket: facades, agents, speech clients; and who refuses it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner

from voicewire.agent.agent import RealtimeAgent
from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import silence, tone
from voicewire.cli.main import app
from voicewire.clients import AzureKeyCredential, AzureRealtimeAudio, RTClient, RTLowLevelClient
from voicewire.clients import models as c
from voicewire.errors import ConfigError, UnsupportedError
from voicewire.models import create_model
from voicewire.speech.config import AsrConfig
from voicewire.speech.create import create_asr, create_tts
from voicewire.speech.model_asr import ModelAsrClient
from voicewire.streams import BoundedStream
from voicewire.testing import serve
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_server import serve_cassette
from voicewire.transport.cassette import Cassette
from voicewire.voice import RealtimeVoice

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "sk-verysecretkey1234567890"
_TIMEOUT_S = 20.0
SPEECH = tone(440, 16_000, 16_000) + silence(16_000)

Talk = Callable[[str, Path | None], Awaitable[str]]
"""One session at an address, recorded into a file; gives what was heard of it."""


async def rt_client(url: str, record: Path | None) -> str:
    said = ""
    credential = AzureKeyCredential(KEY)
    async with RTClient(url=url, key_credential=credential, azure_deployment="echo", record=record) as client:
        await client.send_item(c.UserMessageItem(content=[c.InputTextContentPart(text="Hello")]))
        response = await client.generate_response()
        assert response is not None
        async for item in response:
            if item.type == "message":
                async for part in item:
                    if part.type == "audio":
                        said += "".join([piece async for piece in part.transcript_chunks()])
    return said


async def rt_low_level_client(url: str, record: Path | None) -> str:
    credential = AzureKeyCredential(KEY)
    async with RTLowLevelClient(
        url=url, key_credential=credential, azure_deployment="echo", record=record, wire="beta"
    ) as client:
        message = c.UserMessageItem(content=[c.InputTextContentPart(text="Hello")])
        await client.send(c.ItemCreateMessage(item=message))
        await client.send(c.ResponseCreateMessage())
        async for event in client:
            if event.type == "response.audio_transcript.done":
                return str(event.model_dump()["transcript"])
    return ""


async def azure_realtime_audio(url: str, record: Path | None) -> str:
    heard = anyio.Event()
    said: list[str] = []
    client = AzureRealtimeAudio(host_name=url, deployment="echo", api_key=KEY, record=record)

    def done(event: Any) -> None:
        said.append(event.transcript)
        heard.set()

    client.on("response.audio_transcript.done", done)
    async with client:
        ask(client, "Hello")
        await heard.wait()
    return said[0]


async def realtime_voice(url: str, record: Path | None) -> str:
    model = create_model("openai:echo", api_key=KEY, base_url=f"{url}/v1")
    voice = RealtimeVoice(model, record=record)
    async with voice.connect() as session:
        response = await session.send_text("Hello", wait=True)
    assert response is not None
    return response.transcript


def ask(client: AzureRealtimeAudio, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    client.create_conversation_item({"type": "message", "role": "user", "content": content})
    client.create_response()


FACADES: dict[str, Talk] = {
    "RTClient": rt_client,
    "RTLowLevelClient": rt_low_level_client,
    "AzureRealtimeAudio": azure_realtime_audio,
    "RealtimeVoice": realtime_voice,
}


def written(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def recorded(talk: Talk, path: Path) -> tuple[str, Cassette]:
    """What was said in a session at a gateway, and its cassette."""
    with anyio.fail_after(_TIMEOUT_S):
        async with serve(model="echo") as gateway:
            said = await talk(gateway.http_url, path)
    assert KEY not in written(path)
    return said, load_cassette(path)


@pytest.mark.parametrize("name", FACADES)
async def test_a_facade_records_and_is_played_to(tmp_path: Path, name: str) -> None:
    said, cassette = await recorded(FACADES[name], tmp_path / "a.jsonl")
    assert said == "You said: Hello"
    assert cassette.header.provider in ("azure", "openai")
    assert cassette.header.dialect == ("beta" if name == "RTLowLevelClient" else "ga")
    with anyio.fail_after(_TIMEOUT_S):
        async with serve_cassette(cassette) as provider:
            assert await FACADES[name](provider.http_url, None) == said
    assert provider.mismatches == []


async def test_an_azure_client_takes_the_option_by_its_mapping_and_cuts_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    async def talk(url: str, record: Path | None) -> str:
        options = {
            "hostName": url,
            "deployment": "echo",
            "apiKey": KEY,
            "record": record,
            "record_audio": False,
        }
        client, heard = AzureRealtimeAudio(options), anyio.Event()
        client.on("response.audio.done", lambda _: heard.set())
        async with client:
            ask(client, "Hello")
            await heard.wait()
        return ""

    _, cassette = await recorded(talk, path)
    assert cassette.header.audio == "cut"
    assert "bytes of audio>" in written(path)


async def test_a_client_that_connects_again_goes_on_in_its_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with anyio.fail_after(_TIMEOUT_S):
        async with serve(model="echo") as gateway:
            client = RTLowLevelClient(
                gateway.http_url, None, AzureKeyCredential(KEY), azure_deployment="echo", record=path
            )
            for _ in range(2):
                async with client:
                    await client.recv()
    assert load_cassette(path).connections == (1, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_costs_the_cassette_and_not_the_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "voicewire.clients")
    with anyio.fail_after(_TIMEOUT_S):
        async with serve(model="echo") as gateway:
            with pytest.raises(ConfigError, match="cannot write the cassette"):
                await rt_client(gateway.http_url, Path("/dev/full"))


async def test_two_sessions_of_a_voice_are_one_cassette(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    voice = RealtimeVoice("echo", record=path, record_audio=False)
    with anyio.fail_after(_TIMEOUT_S):
        for word in ("one", "two"):
            async with voice.connect() as session:
                await session.send_text(word)
    cassette = load_cassette(path)
    assert (cassette.header.model, cassette.header.audio) == ("openai:echo", "cut")
    assert cassette.connections == (1, 2)


async def test_an_agent_records_by_its_model(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    agent = RealtimeAgent("Ann", "Be kind.", create_model("echo", record=path))
    queue: BoundedStream[Any] = BoundedStream("test", policy="fail", max_items=1000)
    with anyio.fail_after(_TIMEOUT_S):
        await agent.start(queue)
        await agent.stop()
    assert load_cassette(path).header.model == "openai:echo"


# ---------------------------------------------------------------------- speech


async def modelstudio_tts(url: str, record: Path | None) -> str:
    client = create_tts("modelstudio", api_key=KEY, base_url=url, format="pcm", record=record)
    try:
        return str(len(await client.synthesize("Hello there.")))
    finally:
        await client.aclose()


async def asr(client: Any, path: Path) -> str:
    try:
        return str((await client.recognize_file(path)).text)
    finally:
        await client.aclose()


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    write_audio(path, AudioFrame(AudioFormat(16_000), SPEECH))
    return path


async def test_a_voice_s_task_is_recorded_and_played(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    said, cassette = await recorded(modelstudio_tts, path)
    assert int(said) > 1000
    assert cassette.header.provider == "modelstudio"
    with anyio.fail_after(_TIMEOUT_S):
        async with serve_cassette(cassette) as provider:
            assert await modelstudio_tts(provider.ws_url, None) == said
    assert provider.mismatches == []


@pytest.mark.parametrize("name", ["modelstudio", "openai"])
async def test_a_recogniser_records_all_its_files_into_one_cassette(
    tmp_path: Path, sound: Path, name: str
) -> None:
    path = tmp_path / "a.jsonl"
    with anyio.fail_after(_TIMEOUT_S):
        async with serve(model="echo") as gateway:
            url = gateway.ws_url if name == "modelstudio" else f"{gateway.ws_url}/v1"
            client = create_asr(name, api_key=KEY, base_url=url, record=path, record_audio=False)
            words = [await asr(client, sound) for _ in range(2)]
    assert words[0] == words[1] != ""
    cassette = load_cassette(path)
    assert cassette.connections == (1, 2)
    assert cassette.header.audio == "cut"
    assert KEY not in written(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: create_asr("local", record="a.jsonl"), "no wire that could be recorded"),
        (lambda: create_tts("local", record="a.jsonl"), "no wire that could be recorded"),
        (lambda: create_asr("azure", key="k", region="r", record="a.jsonl"), "official Speech SDK"),
        (lambda: create_tts("azure", key="k", region="r", record="a.jsonl"), "official Speech SDK"),
        (lambda: ModelAsrClient(create_model("echo"), AsrConfig(record="a.jsonl")), "give it to the model"),
    ],
)
def test_who_has_no_wire_of_its_own_refuses(make: Callable[[], object], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        make()


async def test_the_command_line_records_speech(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, spoken = tmp_path / "heard.jsonl", tmp_path / "spoken.jsonl"
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.stderr

    async with serve(model="echo") as gateway:
        monkeypatch.setenv("DASHSCOPE_WEBSOCKET_BASE_URL", gateway.ws_url)
        told = await anyio.to_thread.run_sync(
            lambda: run("transcribe", str(sound), "--provider", "modelstudio", "--record", str(heard))
        )
        assert f"voicewire replay {heard}" in told
        words = ["say", "Hello.", "-o", str(tmp_path / "b.wav"), "--rate", "16000"]
        await anyio.to_thread.run_sync(
            lambda: run(*words, "--provider", "modelstudio", "--record", str(spoken), "--no-record-audio")
        )
    assert load_cassette(heard).header.audio == "kept"
    assert load_cassette(spoken).header.audio == "cut"
    refused = CliRunner().invoke(app, ["transcribe", str(sound), "--record", str(heard)])
    assert refused.exit_code == 2
    assert "no wire" in refused.stderr
