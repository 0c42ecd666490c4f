"""Audio in all formats: real headers, right lengths, the same whether streamed or written."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicewire.audio.pcm import tone
from voicewire.errors import AudioError, ConfigError
from voicewire.speech.audio_in import PcmIntake
from voicewire.speech.audio_out import SoundEncoder, SoundFileWriter, wav_header
from voicewire.speech.config import AsrConfig

pytestmark = pytest.mark.unit
RATE_HZ = 24_000
SECOND = tone(440, RATE_HZ, RATE_HZ)


def streamed(format: str, *, exact: bool = False) -> bytes:
    encoder = SoundEncoder(format, RATE_HZ, exact_wav=exact)
    pieces = [encoder.push(SECOND[at : at + 9600]) for at in range(0, len(SECOND), 9600)]
    return b"".join([*pieces, encoder.finish()])


@pytest.mark.parametrize("format", ["wav", "mp3", "ogg", "opus"])
def test_a_stream_is_a_file_of_its_format(format: str) -> None:
    with soundfile.SoundFile(io.BytesIO(streamed(format))) as file:
        rate_hz = file.samplerate
        samples = file.read(dtype="float32")
    assert abs(len(samples) / rate_hz - 1.0) < 0.12  # an MP3 has padding
    spectrum = np.abs(np.fft.rfft(samples[: rate_hz // 2]))
    assert abs(np.argmax(spectrum) * 2 - 440) <= 4


def test_pcm_is_the_samples() -> None:
    assert streamed("pcm") == SECOND


def test_an_exact_wav_tells_its_length_to_everybody() -> None:
    with wave.open(io.BytesIO(streamed("wav", exact=True))) as file:
        assert (file.getnframes(), file.getframerate()) == (RATE_HZ, RATE_HZ)
        assert file.readframes(RATE_HZ) == SECOND


def test_an_open_wav_begins_at_once() -> None:
    encoder = SoundEncoder("wav", RATE_HZ)
    assert encoder.push(SECOND[:960]) == wav_header(RATE_HZ, None) + SECOND[:960]
    assert encoder.push(SECOND[960:1920]) == SECOND[960:1920]


def test_no_audio_gives_no_header() -> None:
    assert streamed("pcm")[:0] + SoundEncoder("wav", RATE_HZ, exact_wav=True).finish() == b""


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".ogg", ".opus", ".flac"])
def test_files_have_real_headers(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    with SoundFileWriter(path, RATE_HZ) as writer:
        writer.write(SECOND)
    assert soundfile.info(str(path)).frames / soundfile.info(str(path)).samplerate == pytest.approx(
        1, abs=0.1
    )
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_file_that_fails_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), SoundFileWriter(tmp_path / "a.wav", RATE_HZ) as writer:
        writer.write(SECOND)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_are_named() -> None:
    with pytest.raises(ConfigError, match="'midi'"):
        SoundEncoder("midi", RATE_HZ)
    with pytest.raises(ConfigError, match="synthesize_file"):
        SoundEncoder("flac", RATE_HZ)
    with pytest.raises(ConfigError, match="x.doc"):
        SoundFileWriter("x.doc", RATE_HZ)
    with pytest.raises(ConfigError, match="11000"):
        SoundEncoder("mp3", 11_000)


@pytest.mark.parametrize("cut", [1, 3, 7, 44, 999, 100_000])
def test_a_wav_stream_is_taken_however_it_is_cut(cut: int) -> None:
    data = wav_header(16_000, 3200) + SECOND[:3200]
    intake = PcmIntake(AsrConfig(format="wav", sample_rate=8000), 16_000)
    whole = b"".join(intake.push(data[at : at + cut]) for at in range(0, len(data), cut))
    assert whole + intake.flush() == SECOND[:3200]


def test_stereo_is_averaged_and_the_rate_converted() -> None:
    intake = PcmIntake(AsrConfig(sample_rate=48_000, nb_channels=2), 16_000)
    out = intake.push(bytes(4 * 4800)) + intake.flush()
    assert len(out) // 2 == pytest.approx(1600, abs=4)


def test_what_a_stream_cannot_be_is_refused() -> None:
    with pytest.raises(Exception, match="recognize_file"):
        PcmIntake(AsrConfig(format="mp3"), 16_000)
    with pytest.raises(Exception, match="bits_per_sample"):
        PcmIntake(AsrConfig(bits_per_sample=8), 16_000)
    header = bytearray(wav_header(16_000, 10))
    header[34] = 24
    with pytest.raises(AudioError, match="24-bit"):
        PcmIntake(AsrConfig(format="wav"), 16_000).push(bytes(header))
