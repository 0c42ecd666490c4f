from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from voicewire.engine import tts
from voicewire.engine.espeak import EspeakSynthesizer, read_wave
from voicewire.engine.tts import LocalSynthesizer, speakable_in_english
from voicewire.errors import ConfigError, InferenceError, ModelLoadError, UnsupportedError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text", ["Hello.", "12:30", "", "...", "😀", "Café naïve Zürich Łódź", "The letter π", "About 5 µm"]
)
def test_english_and_its_guests_are_speakable(text: str) -> None:
    assert speakable_in_english(text).is_speakable


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("你好，世界", "Chinese"),
        ("Tokyo is written 東京", "Chinese"),
        ("Привет", "Cyrillic"),
        ("こんにちは", "Hiragana"),
        ("안녕하세요", "Hangul"),
        ("مرحبا", "Arabic"),
        ("ok שלום עולם", "Hebrew"),
    ],
)
def test_other_scripts_are_told_by_name(text: str, script: str) -> None:
    check = speakable_in_english(text)
    assert not check.is_speakable
    assert script in check.reason


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called espeak-ng that says a beep whatever it is told, and nothing else is installed."""
    header = bytearray(44)
    header[0:4], header[8:12] = b"RIFF", b"WAVE"
    header[22:24], header[24:28], header[34:36] = b"\x01\x00", (22_050).to_bytes(4, "little"), b"\x10\x00"
    beep = (8_000 * np.sin(np.arange(11_025) * 0.2)).astype("<i2").tobytes()
    (tmp_path / "beep.wav").write_bytes(bytes(header) + beep)
    program = tmp_path / "espeak-ng"
    program.write_text(
        f'#!/bin/sh\ncat > "{tmp_path}/said"\necho "$@" > "{tmp_path}/told"\ncat "{tmp_path}/beep.wav"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(tts, "hibari_voices", list)
    return tmp_path


def test_espeak_speaks_when_nothing_better_is_there(espeak: Path) -> None:
    synthesizer = LocalSynthesizer()
    assert [voice.name for voice in synthesizer.voices()] == ["espeak"]
    speech = synthesizer.synthesize("-v evil; rm", speed=2.0)
    assert (espeak / "said").read_text() == "-v evil; rm"
    assert "evil" not in (espeak / "told").read_text()
    assert "-s 330" in (espeak / "told").read_text()
    assert speech.sample_rate_hz == 24_000
    assert 0.5 < len(speech.samples) / 24_000 < 0.65
    assert [word.word for word in speech.words] == ["-v", "evil;", "rm"]
    assert speech.words[-1].end_sample <= len(speech.samples)


def test_espeak_that_fails_is_an_inference_error(espeak: Path) -> None:
    (espeak / "espeak-ng").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(InferenceError, match="exit status 3"):
        LocalSynthesizer().synthesize("Hello.")
    (espeak / "espeak-ng").write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(InferenceError, match="no WAV"):
        LocalSynthesizer().synthesize("Hello.")


def test_what_cannot_be_done_is_refused_by_name(espeak: Path) -> None:
    synthesizer = LocalSynthesizer()
    with pytest.raises(UnsupportedError, match=r"'nobody' here; there are: espeak"):
        synthesizer.synthesize("Hello.", voice="nobody")
    with pytest.raises(UnsupportedError, match="nobody"):
        LocalSynthesizer("nobody")
    with pytest.raises(UnsupportedError, match="Chinese"):
        synthesizer.synthesize("你好")
    with pytest.raises(ConfigError, match="speed is 3"):
        synthesizer.synthesize("Hello.", speed=3)


def test_nothing_to_say_is_no_audio(espeak: Path) -> None:
    speech = LocalSynthesizer().synthesize("... !")
    assert len(speech.samples) == 0
    assert [word.word for word in speech.words] == ["...", "!"]


def test_no_voice_at_all_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tts, "hibari_voices", list)
    assert EspeakSynthesizer.find(24_000) is None
    with pytest.raises(ModelLoadError, match=r"voicewire\[embedded\]"):
        LocalSynthesizer()


def test_stereo_is_not_what_we_asked_for() -> None:
    header = bytearray(44)
    header[0:4], header[8:12], header[22:24], header[34:36] = b"RIFF", b"WAVE", b"\x02\x00", b"\x10\x00"
    with pytest.raises(InferenceError, match="2 channels"):
        read_wave(bytes(header))
