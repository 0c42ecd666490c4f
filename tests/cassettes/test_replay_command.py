"""``voicewire replay`` and ``--record`` as a user sees them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from tests.conftest import SHARED
from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import tone
from voicewire.cli.main import app
from voicewire.events.commands import SendText
from voicewire.events.model import ModelResponseAudioTranscriptDoneEvent, ModelResponseDoneEvent
from voicewire.models import create_model
from voicewire.testing import serve

pytestmark = pytest.mark.loopback


def replayed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


async def a_recording(path: Path) -> None:
    async with serve(model="echo") as gateway:
        model = create_model(
            "openai:echo", api_key="sk-key123456", base_url=f"{gateway.ws_url}/v1", record=path
        )
        async with model.open() as connection:
            await connection.send(SendText("Hello there"))
            async for event in connection:
                if isinstance(event, ModelResponseDoneEvent):
                    break


def test_a_recording_is_told_as_a_conversation_with_latencies(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    anyio.run(a_recording, path)
    lines = replayed(str(path)).splitlines()
    assert re.match(r"openai:echo, dialect ga, 20\d\d-.*, audio kept$", lines[0])
    assert any(
        re.search(r"\d\.\d\d s +link  connection 1 to ws://127\.0\.0\.1:\d+/v1/realtime", line)
        for line in lines
    )
    assert any(re.search(r"\d\.\d\d s +you  Hello there$", line) for line in lines)
    assert any(re.search(r"\d\.\d\d-\d+\.\d\d s +agent  You said: Hello there$", line) for line in lines)
    head = next(index for index, line in enumerate(lines) if line.startswith("answer to"))
    assert re.match(r"text +\d+ ms +\d+ ms +\d+ ms +\d+ ms +\d\.\d\d s +completed +\d+/\d+$", lines[head + 1])
    assert re.match(r"3 frames sent, \d+ received in \d+\.\d\d s, 1 connection$", lines[-1])


def test_the_frames_of_a_recording_are_counted_in_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    anyio.run(a_recording, path)
    output = replayed(str(path), "--frames")
    assert re.search(r"1 -> conversation\.item\.create:message  \d+ bytes", output)
    assert re.search(r"1 <- response\.output_audio\.delta x\d+  \d+ bytes, audio \d+ bytes", output)
    assert re.search(r"1 == closed by client \(1000\)", output)


def test_a_recording_that_is_broken_off_is_shown_and_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    anyio.run(a_recording, path)
    path.write_bytes(path.read_bytes()[:-400])
    for arguments in ([], ["--frames"]):
        assert "The last line is broken off" in replayed(str(path), *arguments)


def test_a_wire_without_a_codec_is_shown_as_frames_and_words(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"voicewire_cassette":1,"model":"future:thing","provider":"future"}\n'
        '{"way":"sent","at_ms":5,"data":{"type":"conversation.item.create","item":{"type":"message","content":'
        '[{"type":"input_text","text":"Hi"}]}}}\n'
        '{"way":"gap","at_ms":6,"frames":7}\n',
        encoding="utf-8",
    )
    output = replayed(str(path))
    assert "Only its frames can be shown" in output
    assert re.search(r"0\.0\d s +you  Hi", output)
    assert "7 frames were not recorded" in output


@pytest.mark.skipif(
    not (SHARED / "recordings").is_dir(), reason="no ../shared/recordings beside this checkout"
)
def test_a_recording_of_another_project_is_shown_without_times() -> None:
    output = replayed(str(SHARED / "recordings" / "test_openai_ws" / "test_tool_call_round.yaml"))
    assert "This recording has no times." in output
    assert "get_weather(city='London')" in output
    assert "It is foggy and 12 degrees in London." in output


@pytest.mark.parametrize("content", ["hello\n", '{"voicewire_cassette":9}\n'])
def test_other_files_end_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(app, ["replay", str(path)])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_talk_records_without_its_key_and_without_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, path = tmp_path / "a.wav", tmp_path / "a.jsonl"
    write_audio(sound, AudioFrame(AudioFormat(24_000), tone(300, 6_000, 24_000)))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-neverwritten123")
    serve_echo = [sys.executable, "-m", "voicewire.cli", "serve", "--model", "echo", "--port", "0"]
    with Program(serve_echo) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        talk = [
            "talk",
            "-m",
            "openai:echo",
            "--input",
            str(sound),
            "--record",
            str(path),
            "--no-record-audio",
        ]
        recorded = CliRunner().invoke(app, talk)
    assert recorded.exit_code == 0, recorded.output
    assert f"Recorded to {path}; see it with: voicewire replay {path}" in recorded.output
    text = path.read_text(encoding="utf-8")
    assert "neverwritten" not in text
    assert '"audio":"<960 bytes of audio>"' in text
    (spoken,) = re.findall(r"agent  (.*)", recorded.output)
    assert re.search(rf"agent  {spoken}$", replayed(str(path)), re.MULTILINE)


def test_a_recording_is_served_in_place_of_its_provider(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    anyio.run(a_recording, path)

    async def said_to(url: str) -> str:
        words = ""
        async with create_model("openai:echo", api_key="any", base_url=f"{url}/v1").open() as connection:
            await connection.send(SendText("Whatever"))
            async for event in connection:
                if isinstance(event, ModelResponseAudioTranscriptDoneEvent):
                    words = event.transcript
                if isinstance(event, ModelResponseDoneEvent):
                    break
        return words

    with Program([sys.executable, "-m", "voicewire.cli", "replay", str(path), "--serve", "0"]) as url:
        assert anyio.run(said_to, url) == "You said: Hello there"


def test_a_gateway_writes_a_cassette_of_each_client(tmp_path: Path) -> None:
    folder = tmp_path / "wires"

    async def talk(url: str) -> None:
        async with create_model(
            "openai:echo", api_key="sk-key123456", base_url=f"{url}/v1"
        ).open() as connection:
            await connection.send(SendText("Hello there"))
            async for event in connection:
                if isinstance(event, ModelResponseDoneEvent):
                    break

    serve_echo = [sys.executable, "-m", "voicewire.cli", "serve", "--model", "echo", "--port", "0"]
    with Program([*serve_echo, "--cassettes", str(folder), "--no-cassette-audio"]) as url:
        anyio.run(talk, url)
    (path,) = folder.glob("anonymous/sess_*.jsonl")
    output = replayed(str(path))
    assert output.startswith("openai:echo, dialect ga, ")
    assert "audio cut" in output
    assert "you  Hello there" in output
    assert "agent  You said: Hello there" in output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--record-days", "1"], "belong to --record DIR or --cassettes DIR"),
        (["--record", "{folder}", "--cassettes", "{folder}"], "name the same folder"),
        (["--cassettes", "{file}"], "choose another --cassettes folder"),
    ],
)
def test_what_a_gateway_cannot_record_is_an_error_at_its_start(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    (tmp_path / "file").touch()
    places = {"folder": tmp_path / "x", "file": tmp_path / "file"}
    given = [argument.format(**places) for argument in arguments]
    result = CliRunner().invoke(app, ["serve", "--model", "echo", "--port", "0", *given])
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_a_recording_that_cannot_be_written_ends_in_one_line(tmp_path: Path) -> None:
    sound = tmp_path / "a.wav"
    write_audio(sound, AudioFrame(AudioFormat(24_000), tone(300, 6_000, 24_000)))
    result = CliRunner().invoke(app, ["talk", "-m", "echo", "-i", str(sound), "--record", str(tmp_path)])
    assert result.exit_code == 2
    assert "cannot write the cassette" in result.stderr


class Program:
    """A command that listens; gives its URL, and ends it with SIGINT."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __enter__(self) -> str:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line
        return line.split()[-1]

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=20)
