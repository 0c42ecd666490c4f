from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio import pcm
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

pcm16 = st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2])


@given(pcm16)
def test_float_round_trip_is_exact(data: bytes) -> None:
    assert pcm.float32_to_pcm16(pcm.pcm16_to_float32(data)) == data


@given(pcm16)
def test_int16_round_trip_is_exact(data: bytes) -> None:
    assert pcm.int16_to_pcm16(pcm.pcm16_to_int16(data)) == data


def test_bytes_are_little_endian() -> None:
    assert pcm.pcm16_to_int16(b"\x01\x00\xff\x7f\x00\x80").tolist() == [1, 32767, -32768]
    assert pcm.pcm16_to_float32(b"\x00\x80\x00\x40").tolist() == [-1.0, 0.5]


def test_odd_bytes_are_refused() -> None:
    with pytest.raises(AudioError, match="3 bytes"):
        pcm.pcm16_to_int16(b"abc")


def test_conversion_rounds_ties_to_even_and_clips() -> None:
    steps = np.array([0.5, 1.5, -0.5, -1.5, 0.51, 40000.0, -40000.0, np.inf, -np.inf], dtype=np.float32)
    values = pcm.pcm16_to_int16(pcm.float32_to_pcm16(steps / np.float32(32768)))
    assert values.tolist() == [0, 2, 0, -2, 1, 32767, -32768, 32767, -32768]


def test_not_a_number_is_silence() -> None:
    values = np.array([0.5, np.nan, -0.5], dtype=np.float32)
    assert pcm.pcm16_to_int16(pcm.float32_to_pcm16(values)).tolist() == [16384, 0, -16384]


def test_conversion_does_not_change_its_input() -> None:
    values = np.array([1.5, -3.0], dtype=np.float32)
    pcm.round_to_int16(values)
    assert values.tolist() == [1.5, -3.0]


@given(pcm16)
def test_no_gain_is_the_same_object(data: bytes) -> None:
    assert pcm.apply_gain(data, 0.0) is data


def test_gain_scales_and_clips() -> None:
    data = pcm.int16_to_pcm16(np.array([1000, -1000, 20000, -20000], dtype=np.int16))
    assert pcm.pcm16_to_int16(pcm.apply_gain(data, 20.0)).tolist() == [10000, -10000, 32767, -32768]
    assert pcm.pcm16_to_int16(pcm.apply_gain(data, -20.0)).tolist() == [100, -100, 2000, -2000]


def test_minus_infinity_mutes() -> None:
    assert pcm.apply_gain(b"\xff\x7f", -math.inf) == b"\0\0"


def test_silence() -> None:
    assert pcm.silence(3) == bytes(6)
    assert pcm.silence(3, channels=2) == bytes(12)
    with pytest.raises(AudioError, match="-1 samples"):
        pcm.silence(-1)


def test_tone_has_its_frequency_and_level() -> None:
    values = pcm.pcm16_to_float32(pcm.tone(440.0, 24000, 24000))
    spectrum = np.abs(np.fft.rfft(values))
    assert int(spectrum.argmax()) == 440
    assert np.abs(values).max() == pytest.approx(10 ** (-12 / 20), abs=1e-4)
    assert np.sqrt(np.mean(values**2)) == pytest.approx(10 ** (-12 / 20) / math.sqrt(2), abs=1e-4)


@given(st.integers(0, 500), st.integers(0, 500))
def test_tone_in_pieces_is_the_tone(first: int, second: int) -> None:
    whole = pcm.tone(441.3, first + second, 16000, -6.0)
    pieces = pcm.tone(441.3, first, 16000, -6.0) + pcm.tone(441.3, second, 16000, -6.0, start_sample=first)
    assert pieces == whole


def test_full_scale_tone_does_not_wrap() -> None:
    values = pcm.pcm16_to_int16(pcm.tone(4000.0, 8, 16000, 0.0))
    assert values.tolist() == [0, 32767, 0, -32768, 0, 32767, 0, -32768]


@pytest.mark.parametrize(("hz", "samples"), [(-1.0, 1), (8000.5, 1), (math.nan, 1), (440.0, -1)])
def test_impossible_tones_are_refused(hz: float, samples: int) -> None:
    with pytest.raises(AudioError):
        pcm.tone(hz, samples, 16000)


def test_down_mix_averages() -> None:
    stereo = pcm.int16_to_pcm16(
        np.array([[100, 300], [32767, 32767], [-32768, -32768], [1, 2]], dtype=np.int16)
    )
    assert pcm.pcm16_to_int16(pcm.down_mix(stereo, 2)).tolist() == [200, 32767, -32768, 2]


@given(pcm16)
def test_interleave_and_down_mix_are_inverse(data: bytes) -> None:
    assert pcm.down_mix(pcm.interleave(data, data), 2) == data
    assert pcm.down_mix(pcm.interleave(data), 1) == data


@pytest.mark.parametrize(("data", "channels"), [(b"abcdef", 2), (b"abcd", 0), (b"abc", 1)])
def test_down_mix_refuses_partial_samples(data: bytes, channels: int) -> None:
    with pytest.raises(AudioError, match="channel"):
        pcm.down_mix(data, channels)


def test_interleave_orders_channels() -> None:
    assert pcm.interleave(b"\1\0\2\0", b"\3\0\4\0") == b"\1\0\3\0\2\0\4\0"


@pytest.mark.parametrize("channels", [(), (b"ab", b"abcd")])
def test_interleave_wants_equal_lengths(channels: tuple[bytes, ...]) -> None:
    with pytest.raises(AudioError, match="equal length"):
        pcm.interleave(*channels)
