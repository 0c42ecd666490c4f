"""Two voices on one timeline: every sample at its place, none twice, none lost without being counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.recording.stereo import Side, StereoTrack

pytestmark = pytest.mark.unit

WRITES = st.lists(
    st.tuples(st.sampled_from(["user", "agent"]), st.integers(0, 60), st.integers(0, 30), st.booleans()),
    max_size=30,
)


@given(WRITES)
def test_samples_stand_where_they_were_written(writes: list[tuple[Side, int, int, bool]]) -> None:
    track = StereoTrack(1000)
    expected: dict[Side, list[int]] = {"user": [], "agent": []}
    out = b""
    late = 0
    value = 1
    for side, start, samples, takes in writes:
        piece = np.arange(value, value + samples, dtype="<i2")
        value += samples
        lane = expected[side]
        overlap = max(0, min(len(lane) - start, samples))
        late += overlap
        lane += [0] * (start - len(lane))
        lane += piece[overlap:].tolist()
        track.write(side, start, piece.tobytes())
        if takes:
            out += track.take()
    out += track.finish()
    stereo = np.frombuffer(out, "<i2").reshape(-1, 2)
    for column, lane in enumerate(expected.values()):
        assert stereo[: len(lane), column].tolist() == lane
        assert not stereo[len(lane) :, column].any()
    assert len(stereo) == max(len(lane) for lane in expected.values()) == track.written_samples
    assert track.late_samples == late


def test_silence_moves_a_side_on() -> None:
    track = StereoTrack(1000)
    track.write("user", 0, b"\x01\x00" * 50)
    assert track.take() == b""
    track.advance("agent", 30)
    track.advance("agent", 10)
    assert len(track.take()) == 30 * 4
    assert (track.position("user"), track.position("agent")) == (50, 30)


@given(st.lists(st.integers(1, 70), max_size=12))
def test_the_envelope_does_not_depend_on_the_pieces(sizes: list[int]) -> None:
    values = (np.arange(sum(sizes)) * 37 % 2000).astype("<i2")
    whole, pieces = StereoTrack(1000), StereoTrack(1000)
    whole.write("agent", 5, values.tobytes())
    start = 0
    for size in sizes:
        pieces.write("agent", 5 + start, values[start : start + size].tobytes())
        start += size
    assert whole.envelope("agent") == pieces.envelope("agent")
    if len(values):
        assert max(whole.envelope("agent").peaks) == pytest.approx(values.max() / 32768)
