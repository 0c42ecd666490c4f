"""The audio utilities of seed 003, with the edge cases of its upstream tests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.voice.utils import (
    calculate_duration_ms,
    chunk_audio,
    float32_to_pcm16,
    pcm16_to_float32,
    resample_pcm16,
    silence_pcm16,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("samples", "from_rate", "to_rate", "expected"),
    [(4, 16000, 24000, 6), (6, 24000, 16000, 4), (44100, 44100, 24000, 24000), (1, 24000, 8000, 0)],
)
def test_resampling_gives_the_whole_part_of_the_length(
    samples: int, from_rate: int, to_rate: int, expected: int
) -> None:
    assert len(resample_pcm16(bytes(2 * samples), from_rate, to_rate)) == 2 * expected


def test_resampling_returns_the_same_object_when_nothing_is_to_be_done() -> None:
    audio = b"\x01\x02" * 5
    assert resample_pcm16(audio, 24000, 24000) is audio
    assert resample_pcm16(b"", 8000, 24000) == b""


def test_resampling_keeps_silence() -> None:
    assert set(resample_pcm16(bytes(2000), 44100, 24000)) == {0}


@pytest.mark.parametrize(("from_rate", "to_rate"), [(0, 24000), (24000, 0), (-1, 8000)])
def test_rates_have_to_be_above_zero(from_rate: int, to_rate: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        resample_pcm16(b"\0\0", from_rate, to_rate)


def test_odd_byte_counts_are_a_clear_value_error() -> None:
    for call in (
        lambda: resample_pcm16(b"\0\0\0", 8000, 8000),
        lambda: pcm16_to_float32(b"\0"),
        lambda: calculate_duration_ms(b"\0\0\0"),
    ):
        with pytest.raises(ValueError, match=r"whole number|inside a sample"):
            call()


def test_chunks() -> None:
    assert [len(chunk) for chunk in chunk_audio(bytes(10000))] == [4800, 4800, 400]
    assert list(chunk_audio(b"")) == []
    assert list(chunk_audio(b"abcd", chunk_size=4)) == [b"abcd"]


@pytest.mark.parametrize("size", [0, -2, 3])
def test_chunk_sizes_that_cut_samples_are_refused_at_once(size: int) -> None:
    with pytest.raises(ValueError, match="even number"):
        chunk_audio(b"abcd", size)


@given(st.binary(max_size=4000), st.integers(1, 500))
def test_chunks_join_to_the_whole(audio: bytes, half_size: int) -> None:
    assert b"".join(chunk_audio(audio, 2 * half_size)) == audio


def test_floats() -> None:
    assert pcm16_to_float32(b"\0\x80\xff\x7f") == [-1.0, 32767 / 32768]
    assert float32_to_pcm16([-1.0, 1.0]) == b"\x01\x80\xff\x7f"
    assert float32_to_pcm16([-7.0, 7.0, math.nan]) == b"\x01\x80\xff\x7f\0\0"
    assert float32_to_pcm16([]) == b""
    assert pcm16_to_float32(b"") == []


@given(st.lists(st.floats(-1, 1, width=32), max_size=200))
def test_the_round_trip_is_close(samples: list[float]) -> None:
    back = pcm16_to_float32(float32_to_pcm16(samples))
    assert all(abs(a - b) <= 1e-4 for a, b in zip(samples, back, strict=True))


def test_durations() -> None:
    assert calculate_duration_ms(bytes(48000)) == 1000.0
    assert calculate_duration_ms(bytes(32000), 16000) == 1000.0
    assert len(silence_pcm16(100)) == 4800
    assert silence_pcm16(-5) == b""
