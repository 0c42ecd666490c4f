"""The program itself: starts light, reads .env, lists, transcripts, and keeps what was recorded on Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voicewire.audio.files import read_audio, write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import tone
from voicewire.cli.common import load_env_file
from voicewire.cli.main import app
from voicewire.cli.transcribe import TranscriptFormat, render
from voicewire.speech.results import RecognitionResult, Segment

pytestmark = pytest.mark.unit


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from voicewire.cli.main import app; "
        "heavy = {'numpy', 'rich', 'anyio', 'msgspec', 'fastapi', 'pydantic', 'onnxruntime'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("talk", "setup", "doctor", "serve", "say", "transcribe", "models", "voices", "providers"):
        assert f"  {name} " in result.output


def test_env_file_fills_in_and_never_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# c\nVW_A=1\nexport VW_B='two words'\nVW_C=keep # why\nVW_D=\"a # b\"\nnonsense\nVW_E=new\n"
    )
    monkeypatch.setenv("VW_E", "old")
    for name in ("VW_A", "VW_B", "VW_C", "VW_D"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    load_env_file(path)
    assert [os.environ[f"VW_{name}"] for name in "ABCDE"] == ["1", "two words", "keep", "a # b", "old"]
    load_env_file(tmp_path / "none")


def test_keys_are_reported_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    for command in ("providers", "models", "doctor"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 0
        assert "OPENAI_API_KEY" in result.output
        assert "sk-secret-value" not in result.output


TRANSCRIPT = RecognitionResult(
    text="Hello there. Bye.",
    duration_ms=3_700_000,
    language="en",
    segments=(
        Segment(text="Hello there.", start_ms=500, end_ms=2000, confidence=0.9),
        Segment(text="Bye.", start_ms=3_600_000, end_ms=3_601_000),
    ),
)


def test_transcripts_in_every_format() -> None:
    assert render(TRANSCRIPT, TranscriptFormat.TEXT) == "Hello there. Bye."
    assert render(TRANSCRIPT, TranscriptFormat.SRT) == (
        "1\n00:00:00,500 --> 00:00:02,000\nHello there.\n\n2\n01:00:00,000 --> 01:00:01,000\nBye."
    )
    assert render(TRANSCRIPT, TranscriptFormat.VTT).startswith(
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHello there.\n\n"
    )
    data = json.loads(render(TRANSCRIPT, TranscriptFormat.JSON))
    assert (data["text"], data["segments"][0]["start_s"]) == ("Hello there. Bye.", 0.5)
    assert [segment["confidence"] for segment in data["segments"]] == [0.9, None]


def test_a_transcript_without_segments_is_one_cue() -> None:
    plain = RecognitionResult(text="Hi.", segments=(), duration_ms=1000)
    assert render(plain, TranscriptFormat.SRT) == "1\n00:00:00,000 --> 00:00:01,000\nHi."
    assert render(RecognitionResult(text="", segments=(), duration_ms=1), TranscriptFormat.VTT) == "WEBVTT"


def _speech_file(folder: Path, seconds: int) -> Path:
    path = folder / "speech.wav"
    write_audio(path, AudioFrame(AudioFormat(16_000), tone(300, 16_000 * seconds, 16_000)))
    return path


def _start_talking(folder: Path, seconds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "voicewire.cli", "talk", "--model", "echo",
            "--input", str(_speech_file(folder, seconds)), "--output", str(folder / "out"),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_file_is_talked_through_to_its_end(tmp_path: Path) -> None:
    with _start_talking(tmp_path, 1) as program:
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (0, "")
    assert "[audio 1" in output and "You sent 1" in output
    assert "endpoint" in output and "audible" in output
    recorded = read_audio(tmp_path / "out" / "conversation.wav", mono=False)
    assert recorded.duration_ms > 2500


def test_ctrl_c_keeps_everything_recorded_so_far(tmp_path: Path) -> None:
    wav = tmp_path / "out" / "conversation.wav"
    with _start_talking(tmp_path, 30) as program:
        while not (wav.exists() and wav.stat().st_size > 60_000):
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (130, "")
    recorded = read_audio(wav, mono=False)
    assert 500 < recorded.duration_ms < 20_000
    for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines():
        json.loads(line)
    assert (tmp_path / "out" / "timeline.html").read_text().endswith("</html>\n")
    assert (tmp_path / "out" / "timeline.png").stat().st_size > 1000
