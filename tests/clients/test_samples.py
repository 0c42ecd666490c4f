"""The samples of seed 001 with the arguments that its document prints, against the gateway."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from voicewire.audio import AudioFormat, AudioFrame, write_audio
from voicewire.audio.pcm import tone
from voicewire.testing.serve import ServedGateway

pytestmark = pytest.mark.loopback

SAMPLES = Path(__file__).parents[2] / "examples" / "samples"
KEYS = (
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_DEPLOYMENT",
    "OPENAI_API_KEY",
    "OPENAI_MODEL",
)


@pytest.fixture
def place(tmp_path: Path, gateway: ServedGateway) -> Path:
    """A folder with a ``.env``, an audio file, and the texts."""
    (tmp_path / ".env").write_text(
        f"AZURE_OPENAI_ENDPOINT={gateway.http_url}\nAZURE_OPENAI_API_KEY=k\nAZURE_OPENAI_DEPLOYMENT=echo\n"
        f"OPENAI_API_KEY=k\nOPENAI_MODEL=echo\nOPENAI_BASE_URL={gateway.http_url}/v1\n",
        encoding="utf-8",
    )
    write_audio(tmp_path / "sample.wav", AudioFrame(AudioFormat(24_000), tone(440, 24_000, 24_000), 0))
    (tmp_path / "instructions.txt").write_text("Be brief.", encoding="utf-8")
    (tmp_path / "message.txt").write_text("Hello", encoding="utf-8")
    (tmp_path / "out").mkdir()
    return tmp_path


async def run(place: Path, sample: str, *arguments: str) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if key not in (*KEYS, "OPENAI_BASE_URL")}
    environment["PYTHONPATH"] = str(SAMPLES.parents[1] / "src")
    ran = await anyio.run_process(
        [sys.executable, str(SAMPLES / sample), *arguments], cwd=place, env=environment, check=False
    )
    return ran.returncode, (ran.stdout + ran.stderr).decode()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "provider"), [("wav", "azure"), ("ogg", "openai"), ("flac", "azure"), ("mp3", "openai")]
)
async def test_the_command_of_the_document(gateway: ServedGateway, kind: str, provider: str) -> None:
    """``python samples/low_level_sample.py samples/input/sample.wav <azure|openai>``, variables set by hand."""
    exported = {
        "AZURE_OPENAI_ENDPOINT": gateway.ws_url,
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_DEPLOYMENT": "gpt-4o-realtime-preview",
        "OPENAI_API_KEY": "k",
        "OPENAI_MODEL": "gpt-4o-realtime-preview-2024-12-17",
        "OPENAI_BASE_URL": f"{gateway.http_url}/v1",
    }
    command = ["samples/low_level_sample.py", f"samples/input/sample.{kind}", provider]
    ran = await anyio.run_process(
        [sys.executable, *command],
        cwd=SAMPLES.parent,
        env={**os.environ, **exported, "PYTHONPATH": str(SAMPLES.parents[1] / "src")},
        check=False,
    )
    said = ran.stdout.decode()
    assert ran.returncode == 0, ran.stderr.decode()
    assert "Session Created Message" in said
    assert "Input Audio Buffer Speech Started Message" in said
    assert "Input Audio Transcription Completed Message" in said
    assert said.endswith("Response Done Message\n  Status: completed\n")


def test_the_template_of_the_environment() -> None:
    template = (SAMPLES / "development.env").read_text(encoding="utf-8")
    names = {line.partition("=")[0] for line in template.splitlines() if line and not line.startswith("#")}
    assert names == {*KEYS, "OPENAI_BASE_URL"}


@pytest.mark.anyio
async def test_the_client_samples(place: Path) -> None:
    for sample, arguments in (
        ("client_sample.py", ("sample.wav", "out", "openai")),
        ("client_sample_no_vad.py", ("sample.wav", "instructions.txt", "out")),
        ("sample_text_input.py", ("instructions.txt", "message.txt", "out", "azure")),
    ):
        for old in (place / "out").iterdir():
            old.unlink()
        code, said = await run(place, sample, *arguments)
        assert code == 0, said
        assert "Configuring Session...Done" in said
        assert "Response completed (completed)" in said
        written = sorted(path.name.split(".", 1)[1] for path in (place / "out").iterdir())
        assert written == ["audio_transcript.txt", "wav"]


@pytest.mark.anyio
async def test_what_is_wrong_is_said(place: Path) -> None:
    code, said = await run(place, "low_level_sample.py")
    assert (code, said.split()[0]) == (1, "Usage:")
    code, said = await run(place, "low_level_sample.py", "nothing.wav")
    assert (code, said) == (1, "File nothing.wav does not exist\n")
    (place / ".env").write_text("", encoding="utf-8")
    code, said = await run(place, "low_level_sample.py", "sample.wav", "openai")
    assert (code, said) == (1, "Environment variable 'OPENAI_API_KEY' is not set or is empty.\n")
