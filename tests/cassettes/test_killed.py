"""A program that is killed while it records leaves a cassette that is shown and played, with a note."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from voicewire.cli.main import app
from voicewire.events.commands import SendText
from voicewire.events.model import ModelResponseAudioTranscriptDoneEvent, ModelResponseDoneEvent
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import CassetteRealtimeModel

pytestmark = pytest.mark.loopback

RECORDS_FOR_EVER = """
import sys
import anyio
from voicewire.events.commands import SendText
from voicewire.events.model import ModelResponseDoneEvent
from voicewire.models import create_model

async def talk():
    async with create_model("echo", record=sys.argv[1]).open() as connection:
        await connection.send(SendText("Hello"))
        async for event in connection:
            if isinstance(event, ModelResponseDoneEvent):
                print("answered", flush=True)
                await connection.send(SendText("Hello"))

anyio.run(talk)
"""
BROKEN = "The last line is broken off: the program that recorded was killed."


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a program left that was killed in the middle of a line."""
    path = tmp_path_factory.mktemp("killed") / "a.jsonl"
    recording = subprocess.Popen(
        [sys.executable, "-c", RECORDS_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert recording.stdout is not None
    for _ in range(5):
        assert recording.stdout.readline() == "answered\n"
    recording.send_signal(signal.SIGKILL)
    recording.communicate()
    written = path.read_bytes()
    if written.endswith(b"\n"):  # killed between two lines: the middle of one is what this is about
        path.write_bytes(written[:-5])
    return path


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_its_timeline_is_shown_with_a_note(left: Path) -> None:
    for arguments in ([], ["--frames"]):
        assert BROKEN in shown(str(left), *arguments)
    output = shown(str(left))
    assert output.count("you  Hello") >= 2
    assert "agent  You said: Hello" in output


@pytest.mark.anyio
async def test_it_is_played(left: Path) -> None:
    assert load_cassette(left).is_broken_off
    assert await answer_of(CassetteRealtimeModel(left)) == "You said: Hello"


async def answer_of(model: RealtimeModel) -> str:
    said = ""
    with anyio.fail_after(20):
        async with model.open() as connection:
            await connection.send(SendText("Whatever"))
            async for event in connection:
                if isinstance(event, ModelResponseAudioTranscriptDoneEvent):
                    said = event.transcript
                if isinstance(event, ModelResponseDoneEvent):
                    break
    return said


def test_it_is_served_with_a_note(left: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "voicewire.cli", "replay", str(left), "--serve", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith(BROKEN)
        url = serving.stdout.readline().split()[-1]

        async def play() -> str:
            model = create_model("openai:echo", api_key="any", base_url=f"{url}/v1")
            return await answer_of(model)

        try:
            assert anyio.run(play) == "You said: Hello"
        finally:
            serving.send_signal(signal.SIGINT)
            serving.communicate(timeout=20)


def test_a_recording_without_an_end_is_said_to_have_none(left: Path, tmp_path: Path) -> None:
    whole = left.read_bytes()
    path = tmp_path / "a.jsonl"
    path.write_bytes(whole[: whole.rfind(b"\n") + 1])
    cassette = load_cassette(path)
    assert cassette.is_unfinished and not cassette.is_broken_off
    assert "The recording ends in the middle" in shown(str(path))


def test_a_yaml_recording_without_its_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("interactions: []\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    result = CliRunner().invoke(app, ["replay", str(path)])
    assert result.exit_code == 2
    assert "pip install pyyaml" in result.stderr
    assert "Traceback" not in result.output
