"""``voicewire say`` and ``voicewire transcribe``, with files and a microphone, on stages that cost nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tests.engine.fakes import FakeRecognizer, FakeSynthesizer, FakeVad
from voicewire.audio import AudioFormat, AudioFrame
from voicewire.audio.pcm import silence, tone
from voicewire.cli import captions
from voicewire.cli.main import app
from voicewire.speech import RecognitionEvent, local_stages

pytestmark = pytest.mark.unit
RATE_HZ = 16_000
TURN = silence(8000) + tone(300, RATE_HZ, RATE_HZ) + silence(RATE_HZ)


@pytest.fixture(autouse=True)
def stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FakeRecognizer, "script", ["um the lamp is on for twenty five minutes"])
    monkeypatch.setattr(FakeRecognizer, "heard_samples", [])
    monkeypatch.setattr(local_stages, "vad", lambda name="": FakeVad())
    monkeypatch.setattr(local_stages, "recognizer", lambda name="": FakeRecognizer())
    monkeypatch.setattr(local_stages, "synthesizer", lambda name="": FakeSynthesizer())
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path / "home"))


def ran(*arguments: object, code: int = 0, stdin: str | None = None) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def recording(path: Path) -> Path:
    soundfile.write(path, np.frombuffer(TURN, "<i2"), RATE_HZ)
    return path


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "flac", "opus"])
def test_a_spoken_file_has_its_length(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"said.{suffix}"
    assert "0.60 s" in ran("say", "One two three.", "--output", path, "--rate", 24_000)
    info = soundfile.info(path)
    assert info.samplerate == 24_000
    assert info.duration == pytest.approx(0.6, abs=0.06)  # MP3 is padded to whole frames
    assert not list(tmp_path.glob("*.part"))


def test_bare_samples_and_text_from_standard_input(tmp_path: Path) -> None:
    ran("say", "-", "-o", tmp_path / "said.pcm", "--rate", 16_000, stdin="One two.")
    assert (tmp_path / "said.pcm").stat().st_size == pytest.approx(2 * 6400, abs=64)


def test_what_cannot_be_said_leaves_no_file(tmp_path: Path) -> None:
    assert "Chinese" in ran("say", "你好", "-o", tmp_path / "said.wav", code=2)
    assert list(tmp_path.iterdir()) == []


def test_it_is_played_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bytes] = []

    class Speaker:
        def __init__(self, rate_hz: int) -> None:
            assert rate_hz == 24_000
            self._drained_samples = 0

        async def __aenter__(self) -> Speaker:
            return self

        async def __aexit__(self, *error: object) -> None:
            played.append(b"closed")

        @property
        def queued_samples(self) -> int:
            return sum(map(len, played)) // 2 - self._drained_samples

        def enqueue(self, item_id: str, data: bytes) -> None:
            assert self.queued_samples <= 20 * 24_000
            played.append(data)

        async def drained(self) -> None:
            self._drained_samples = sum(map(len, played)) // 2

    monkeypatch.setattr("voicewire.audio.devices.Speaker", Speaker)
    ran("say", "One two three. " * 100)
    assert sum(map(len, played[:-1])) == 2 * 300 * 4800
    assert played[-1] == b"closed"


def test_one_file_goes_to_standard_output_or_into_a_file(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav")
    assert ran("transcribe", path) == "um the lamp is on for twenty five minutes\n"
    assert ran("transcribe", path, "--clean", "--numbers") == "The lamp is on for 25 minutes\n"
    assert "00:00:00,4" in ran("transcribe", path, "-f", "srt")
    ran("transcribe", path, "-f", "json", "-o", tmp_path / "a.json")
    (segment,) = json.loads((tmp_path / "a.json").read_text())["segments"]
    assert segment["start_s"] == pytest.approx(0.5, abs=0.07)


def test_several_files_go_into_a_folder_under_their_names(tmp_path: Path) -> None:
    paths = [recording(tmp_path / name) for name in ("a.wav", "b.flac", "c.ogg")]
    ran("transcribe", *paths, "-f", "vtt", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.vtt", "b.vtt", "c.vtt"]
    shown = ran("transcribe", *paths)
    assert [line for line in shown.splitlines() if line.startswith("==")] == [f"== {path}" for path in paths]
    ran("transcribe", *paths, "-o", paths[0], code=2)
    ran("transcribe", paths[0], "-o", tmp_path / "nowhere" / "a.txt", code=2)
    ran("transcribe", code=2)
    ran("transcribe", paths[0], "--live", code=2)


@pytest.mark.parametrize("is_speaking", [False, True], ids=["after a pause", "in the middle of a sentence"])
def test_live_captions_end_with_ctrl_c_and_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_speaking: bool
) -> None:
    sound = TURN[: -2 * RATE_HZ] if is_speaking else TURN
    is_shown = anyio.Event()
    show = captions._show

    def shows(event: RecognitionEvent) -> None:
        show(event)
        if event.is_final:
            is_shown.set()

    class Microphone:
        def __init__(self, rate_hz: int, frame_samples: int, device: Any) -> None:
            assert (rate_hz, device) == (RATE_HZ, 3)
            self._frame_bytes = 2 * frame_samples

        async def __aenter__(self) -> Microphone:
            return self

        async def __aexit__(self, *error: object) -> None:
            return

        async def __aiter__(self) -> AsyncIterator[AudioFrame]:
            for at in range(0, len(sound), self._frame_bytes):
                data = sound[at : at + self._frame_bytes]
                yield AudioFrame(AudioFormat(RATE_HZ), data, start_sample=at // 2)
                await anyio.lowlevel.checkpoint()
            if not is_speaking:
                await is_shown.wait()
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()

    monkeypatch.setattr(captions, "Microphone", Microphone)
    monkeypatch.setattr(captions, "_show", shows)
    shown = ran("transcribe", "--live", "--device", "3", "-f", "srt", "-o", tmp_path / "live.srt")
    assert shown == "um the lamp is on for twenty five minutes\n"
    assert "-->" in (tmp_path / "live.srt").read_text()
