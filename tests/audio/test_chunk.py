from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.chunk import Chunker
from voicewire.audio.format import AudioFormat
from voicewire.audio.g711 import Law, decode
from voicewire.audio.pcm import pcm16_to_int16
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

FORMAT = AudioFormat(16000)


@given(st.lists(st.binary(max_size=70)), st.integers(1, 20), st.integers(1, 3), st.integers(0, 99))
def test_frames_hold_bytes_in_order(
    pieces: list[bytes], frame_samples: int, channels: int, start: int
) -> None:
    chunker = Chunker(frame_samples, AudioFormat(8000, channels), start_sample=start)
    frames = [frame for piece in pieces for frame in chunker.push(piece)]
    whole = b"".join(pieces)
    joined = b"".join(frame.data for frame in frames)
    assert joined == whole[: len(joined)]
    assert chunker.pending_bytes == len(whole) - len(joined) < frame_samples * channels * 2
    position = start
    for frame in frames:
        assert (frame.start_sample, frame.samples) == (position, frame_samples)
        position = frame.end_sample
    assert chunker.next_sample == position


def test_flush_gives_the_rest() -> None:
    chunker = Chunker(4, FORMAT)
    assert [frame.data for frame in chunker.push(b"abcdefghij")] == [b"abcdefgh"]
    last = chunker.flush()
    assert last is not None
    assert (last.data, last.start_sample, last.end_sample) == (b"ij", 4, 5)
    assert chunker.next_sample == 5
    assert chunker.flush() is None


def test_flush_pads_with_silence() -> None:
    chunker = Chunker(4, FORMAT)
    chunker.push(b"ab")
    last = chunker.flush(pad=True)
    assert last is not None
    assert last.data == b"ab" + bytes(6)


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_padding_of_companded_audio_sounds_silent(law: Law) -> None:
    chunker = Chunker(4, AudioFormat(8000, 1, law))
    chunker.push(b"a")
    last = chunker.flush(pad=True)
    assert last is not None
    assert last.samples == 4
    assert abs(pcm16_to_int16(decode(last.data[1:], law))).max() <= 8


def test_a_stream_that_ends_inside_a_sample_is_reported_once() -> None:
    chunker = Chunker(4, FORMAT, start_sample=100)
    chunker.push(b"abc")
    with pytest.raises(AudioError, match=r"1 byte\(s\) of 2 after position 101"):
        chunker.flush()
    assert chunker.flush() is None


@pytest.mark.parametrize(("frame_samples", "start"), [(0, 0), (-1, 0), (1, -1)])
def test_impossible_sizes_are_refused(frame_samples: int, start: int) -> None:
    with pytest.raises(AudioError, match=f"{frame_samples} samples from position {start}"):
        Chunker(frame_samples, FORMAT, start_sample=start)
