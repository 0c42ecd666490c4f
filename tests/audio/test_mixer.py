from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.mixer import SOFT_KNEE, Mixer
from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_int16
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit


def pcm(*values: int) -> bytes:
    return int16_to_pcm16(np.array(values, np.int16))


def read(mixer: Mixer, samples: int) -> list[int]:
    return list(pcm16_to_int16(mixer.read(samples).data).tolist())


def two_sources(**options: int) -> Mixer:
    mixer = Mixer(16000, **options)  # type: ignore[arg-type]  # only max_ahead_samples is passed
    mixer.add("a")
    mixer.add("b")
    return mixer


def test_sources_are_summed_and_gaps_are_silent() -> None:
    mixer = two_sources()
    mixer.write("a", pcm(1, 2, 3))
    mixer.write("b", pcm(10, 20))
    assert mixer.sources == ("a", "b")
    assert read(mixer, 5) == [11, 22, 3, 0, 0]
    assert mixer.read(1) == AudioFrame(AudioFormat(16000), b"\0\0", 5)
    assert mixer.position == 6


def test_sums_saturate() -> None:
    mixer = two_sources()
    mixer.write("a", pcm(30000, -30000))
    mixer.write("b", pcm(30000, -30000))
    assert read(mixer, 2) == [32767, -32768]


def test_soft_limit_bends_only_above_the_knee() -> None:
    mixer = Mixer(16000, limit="soft")
    mixer.add("a")
    mixer.add("b")
    knee = int(SOFT_KNEE * 32768)
    mixer.write("a", pcm(knee, -knee, 25000, -25000, 30000))
    mixer.write("b", pcm(0, 0, 0, 0, 30000))
    quiet, negative, bent, mirrored, loud = read(mixer, 5)
    assert (quiet, negative) == (knee, -knee)
    assert knee < bent < 25000
    assert mirrored == -bent
    assert bent < loud < 32767


def test_gains() -> None:
    mixer = two_sources()
    mixer.set_gain("a", -20.0)
    mixer.set_gain("b", -math.inf)
    mixer.write("a", pcm(1000, 1000))
    mixer.write("b", pcm(500, 500))
    assert read(mixer, 1) == [100]
    mixer.set_gain("b", 0.0)
    assert read(mixer, 1) == [600]


def test_audio_goes_where_its_position_says() -> None:
    mixer = two_sources()
    mixer.write("a", pcm(1, 1), start_sample=3)
    mixer.write("a", pcm(5), start_sample=0)
    mixer.write("a", pcm(7))
    assert mixer.queued_samples("a") == 6
    assert read(mixer, 7) == [5, 0, 0, 1, 1, 7, 0]


def test_rewriting_a_place_replaces_it() -> None:
    mixer = two_sources()
    mixer.write("a", pcm(1, 2, 3, 4))
    mixer.write("a", pcm(9, 9), start_sample=1)
    assert read(mixer, 4) == [1, 9, 9, 4]


def test_late_audio_is_dropped_and_counted() -> None:
    mixer = two_sources()
    mixer.read(10)
    assert mixer.write("a", pcm(1, 2, 3, 4), start_sample=8) == 4
    assert mixer.write("b", pcm(1, 2), start_sample=0) == 2
    assert (mixer.late_samples("a"), mixer.late_samples("b")) == (2, 2)
    assert read(mixer, 3) == [3, 4, 0]


def test_a_source_cannot_run_far_ahead() -> None:
    mixer = two_sources(max_ahead_samples=4)
    assert mixer.write("a", pcm(1, 2, 3, 4, 5, 6)) == 4
    assert mixer.write("a", pcm(5, 6)) == 0
    assert mixer.write("b", pcm(5, 6), start_sample=100) == 0
    assert mixer.queued_samples("b") == 0
    mixer.read(1)
    assert mixer.write("a", pcm(5, 6)) == 1
    assert read(mixer, 5) == [2, 3, 4, 5, 0]


def test_remove_tells_what_was_not_read() -> None:
    mixer = two_sources()
    mixer.write("a", pcm(1, 2, 3))
    mixer.read(1)
    assert mixer.remove("a") == 2
    assert mixer.sources == ("b",)


@given(
    st.lists(st.lists(st.integers(-9000, 9000), max_size=30), min_size=1, max_size=3),
    st.lists(st.integers(0, 9)),
)
def test_mixing_is_addition_however_it_is_read(streams: list[list[int]], sizes: list[int]) -> None:
    mixer = Mixer(8000)
    for index, values in enumerate(streams):
        mixer.add(str(index))
        mixer.write(str(index), pcm(*values))
    mixed = [value for size in [*sizes, 30] for value in read(mixer, size)]
    expected = [sum(values[at] for values in streams if at < len(values)) for at in range(len(mixed))]
    assert mixed == expected
    assert mixer.position == sum(sizes) + 30


def test_mistakes_are_named() -> None:
    mixer = two_sources()
    with pytest.raises(AudioError, match="already has a source 'a'"):
        mixer.add("a")
    for act in (mixer.remove, mixer.queued_samples, mixer.late_samples):
        with pytest.raises(AudioError, match=r"no source 'c'.*\['a', 'b'\]"):
            act("c")
    with pytest.raises(AudioError, match="3 bytes"):
        mixer.write("a", b"abc")
    with pytest.raises(AudioError, match="-1 samples"):
        mixer.read(-1)
    with pytest.raises(AudioError, match="max_ahead_samples=0"):
        Mixer(8000, max_ahead_samples=0)
    with pytest.raises(AudioError, match="'loud'"):
        Mixer(8000, limit="loud")  # type: ignore[arg-type]  # the point of the test
