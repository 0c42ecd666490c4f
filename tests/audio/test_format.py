from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voicewire.audio
from voicewire.audio.format import BYTES_PER_VALUE, ENCODINGS, AudioFormat, AudioFrame, Encoding
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

formats = st.builds(
    AudioFormat,
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 384000]),
    st.integers(1, 8),
    st.sampled_from(["pcm16", "float32", "pcmu", "pcma"]),
)


@pytest.mark.parametrize(
    ("encoding", "channels", "expected"),
    [("pcm16", 1, 2), ("pcm16", 2, 4), ("float32", 1, 4), ("pcmu", 1, 1), ("pcma", 3, 3)],
)
def test_bytes_of_a_sample(encoding: Encoding, channels: int, expected: int) -> None:
    assert AudioFormat(16000, channels, encoding).bytes_per_frame == expected


def test_every_encoding_has_a_width() -> None:
    assert set(ENCODINGS) == set(BYTES_PER_VALUE)


def test_defaults_are_mono_pcm16() -> None:
    assert AudioFormat(24000) == AudioFormat(24000, 1, "pcm16")


@pytest.mark.parametrize("rate", [0, -1, 384_001, 16000.0, "16000", True, None])
def test_impossible_rates_are_refused(rate: object) -> None:
    with pytest.raises(AudioError, match=f"sample_rate_hz .* not {rate!r}"):
        AudioFormat(rate)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("channels", [0, 33])
def test_impossible_channel_counts_are_refused(channels: int) -> None:
    with pytest.raises(AudioError, match="channels"):
        AudioFormat(16000, channels)


def test_unknown_encoding_is_refused_with_the_choices() -> None:
    with pytest.raises(AudioError, match="'mp3'.*pcm16, float32, pcmu, pcma"):
        AudioFormat(16000, 1, "mp3")  # type: ignore[arg-type]  # the point of the test


def test_audio_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="sample_rate_hz"):
        AudioFormat(0)


@given(formats, st.integers(0, 2**40))
def test_samples_bytes_and_ms_round_trip(audio_format: AudioFormat, samples: int) -> None:
    assert audio_format.samples_of(audio_format.bytes_of(samples)) == samples
    assert audio_format.samples_of_ms(audio_format.ms_of(samples)) == samples


def test_twenty_ms() -> None:
    assert AudioFormat(16000).samples_of_ms(20) == 320
    assert AudioFormat(44100).samples_of_ms(20) == 882
    assert AudioFormat(22050).ms_of(441) == 20.0


@pytest.mark.parametrize("n_bytes", [-4, -1, 1, 3, 5, 7])
def test_partial_samples_are_refused(n_bytes: int) -> None:
    with pytest.raises(AudioError, match=f"{n_bytes} bytes are not a whole number.*Chunker"):
        AudioFormat(16000, 2).samples_of(n_bytes)


def test_negative_sample_counts_have_no_bytes() -> None:
    with pytest.raises(AudioError, match="-1 samples"):
        AudioFormat(16000).bytes_of(-1)


def test_frame_positions() -> None:
    frame = AudioFrame(AudioFormat(8000), bytes(320), 1000)
    assert (frame.samples, frame.start_sample, frame.end_sample, frame.duration_ms) == (160, 1000, 1160, 20.0)


def test_stereo_frames_count_sample_frames() -> None:
    assert AudioFrame(AudioFormat(8000, 2), bytes(320)).samples == 80


def test_next_frame_follows() -> None:
    first = AudioFrame(AudioFormat(8000), bytes(320), 1000)
    second = first.next(b"\1\0")
    assert second == AudioFrame(AudioFormat(8000), b"\1\0", 1160)


def test_empty_frame_is_allowed() -> None:
    frame = AudioFrame(AudioFormat(8000), b"", 5)
    assert frame.end_sample == 5


def test_frame_refuses_a_partial_sample() -> None:
    with pytest.raises(AudioError, match="3 bytes"):
        AudioFrame(AudioFormat(8000), b"abc")


@pytest.mark.parametrize("start", [-1, 0.0, True])
def test_frame_refuses_impossible_positions(start: object) -> None:
    with pytest.raises(AudioError, match="start_sample"):
        AudioFrame(AudioFormat(8000), b"", start)  # type: ignore[arg-type]  # the point of the test


def test_frame_refuses_what_is_not_bytes() -> None:
    with pytest.raises(AudioError, match="bytearray"):
        AudioFrame(AudioFormat(8000), bytearray(2))  # type: ignore[arg-type]  # the point of the test


def test_values_are_frozen_and_repr_has_no_audio() -> None:
    frame = AudioFrame(AudioFormat(8000), b"secret")
    with pytest.raises(FrozenInstanceError):
        frame.start_sample = 3  # type: ignore[misc]  # the point of the test
    assert "secret" not in repr(frame)


def test_importing_the_format_loads_no_numpy() -> None:
    code = (
        "import sys, voicewire.audio, voicewire.audio.format, voicewire.audio.chunk, "
        "voicewire.audio.playout\n"
        "heavy = {'numpy', 'soundfile', 'soxr', 'sounddevice'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_public_names_load_on_first_use() -> None:
    for name in voicewire.audio.__all__:
        assert getattr(voicewire.audio, name) is not None
    assert set(voicewire.audio.__all__) <= set(dir(voicewire.audio))


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tape'"):
        voicewire.audio.Tape  # noqa: B018
