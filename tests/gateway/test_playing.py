"""What a client is presumed to hear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.gateway.playing import PresumedPlayout
from voicewire.recording.marks import AudioPlayed

pytestmark = pytest.mark.unit

RATE_HZ = 24_000
TENTH = bytes(2 * RATE_HZ // 10)


def test_audio_that_is_sent_ahead_sounds_one_after_the_other() -> None:
    playout = PresumedPlayout()
    playout.add(1000, "i", 0, TENTH, RATE_HZ)
    playout.add(1001, "i", 0, TENTH, RATE_HZ)
    assert playout.advance(1099) == ([], [])
    assert [sound.start_ms for sound in playout.advance(1150)[0]] == [1000]
    sounds, over = playout.advance(1200)
    assert [sound.start_ms for sound in sounds] == [1100]
    assert over == [AudioPlayed(item_id="i", item_start_ms=0, start_ms=1000, end_ms=1200)]
    assert playout.is_empty


def test_a_cut_keeps_what_was_heard_and_drops_the_rest() -> None:
    playout = PresumedPlayout()
    for _ in range(3):
        playout.add(0, "i", 0, TENTH, RATE_HZ)
    sounds, over, cut = playout.cut(150)
    assert [len(sound.pcm16) for sound in sounds] == [len(TENTH), len(TENTH) // 2]
    assert over == [AudioPlayed(item_id="i", item_start_ms=0, start_ms=0, end_ms=150)]
    assert cut is not None
    assert (cut.cut_ms, cut.heard_ms, cut.dropped_ms) == (150, 150, 150)
    assert playout.cut(160) == ([], [], None)
    playout.add(200, "j", 0, TENTH, RATE_HZ)
    assert playout.advance(300)[0][0].start_ms == 200


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300), st.booleans()), max_size=30))
def test_sounds_never_overlap_and_no_sample_is_made_up(steps: list[tuple[int, int, bool]]) -> None:
    playout = PresumedPlayout()
    now_ms, given_bytes, heard_bytes, end_ms = 0, 0, 0, 0.0
    for wait_ms, samples, is_cut in steps:
        now_ms += wait_ms
        sounds = playout.cut(now_ms)[0] if is_cut else playout.advance(now_ms)[0]
        for sound in sounds:
            assert sound.start_ms >= end_ms - 0.1
            end_ms = sound.start_ms + len(sound.pcm16) * 500 / RATE_HZ
            assert end_ms <= now_ms + 0.1
            heard_bytes += len(sound.pcm16)
        playout.add(now_ms, "i", 0, bytes(2 * samples * 24), RATE_HZ)
        given_bytes += 2 * samples * 24
    assert heard_bytes <= given_bytes
