from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from voicewire.audio import playout
from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_int16
from voicewire.audio.playout import Cut, Played, PlayoutBuffer, PlayoutClock
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit


def ramp(first: int, samples: int) -> bytes:
    return int16_to_pcm16(np.arange(first, first + samples, dtype=np.int16))


def test_items_play_in_order_then_silence() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 100)
    clock.enqueue("b", 50)
    assert clock.advance(120) == [Played("a", 0, 0, 100, 0), Played("b", 0, 0, 20, 100)]
    assert clock.advance(100) == [Played("b", 0, 20, 30, 120)]
    assert clock.advance(10) == []
    assert (clock.timeline_sample, clock.played_samples, clock.silence_samples) == (230, 150, 80)


def test_pieces_of_an_item_join() -> None:
    clock = PlayoutClock()
    for _ in range(3):
        clock.enqueue("a", 10)
    assert clock.advance(25) == [Played("a", 0, 0, 25, 0)]
    assert clock.advance(25) == [Played("a", 0, 25, 5, 25)]


def test_content_parts_are_counted_apart() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 10, content_index=0)
    clock.enqueue("a", 10, content_index=1)
    assert clock.advance(15) == [Played("a", 0, 0, 10, 0), Played("a", 1, 0, 5, 10)]
    assert (clock.played_of("a"), clock.played_of("a", 1), clock.queued_of("a", 1)) == (10, 5, 5)


def test_an_underrun_within_an_item_keeps_its_positions() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 10)
    clock.advance(15)
    clock.enqueue("a", 10)
    played = clock.advance(10)
    assert played == [Played("a", 0, 10, 10, 15)]
    assert played[0].end_sample == 20


def test_flush_reports_each_item_that_lost_audio() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 100)
    clock.enqueue("b", 50)
    clock.enqueue("b", 5)
    clock.advance(30)
    assert clock.flush() == [Cut("a", 0, 30, 70), Cut("b", 0, 0, 55)]
    assert clock.flush() == []
    assert clock.advance(10) == []
    assert (clock.queued_samples, clock.dropped_samples, clock.queued_of("b")) == (0, 125, 0)


def test_an_item_that_was_heard_whole_is_not_cut() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 10)
    clock.advance(10)
    assert clock.flush() == []
    assert clock.played_of("a") == 10


def test_positions_after_a_flush_count_what_was_dropped() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 100)
    clock.advance(30)
    clock.flush()
    clock.enqueue("a", 10)
    assert clock.advance(20) == [Played("a", 0, 100, 10, 30)]


def test_stretches_of_one_item_with_a_hole_do_not_join() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 10, generation=1)
    clock.enqueue("a", 10, generation=0)
    clock.enqueue("a", 10, generation=1)
    clock.flush(generation=1)
    assert clock.advance(30) == [Played("a", 0, 0, 10, 0), Played("a", 0, 20, 10, 10)]


def test_flush_of_a_generation_keeps_newer_audio_and_refuses_older() -> None:
    clock = PlayoutClock()
    clock.enqueue("old", 100, generation=1)
    clock.enqueue("new", 50, generation=2)
    assert clock.flush(generation=2) == [Cut("old", 0, 0, 100)]
    assert not clock.enqueue("old", 20, generation=1)
    assert clock.enqueue("new", 20, generation=2)
    assert (clock.refused_samples, clock.queued_samples) == (20, 70)
    assert clock.flush(generation=1) == []
    assert not clock.enqueue("old", 1, generation=1)


def test_nothing_is_nothing() -> None:
    clock = PlayoutClock()
    assert clock.enqueue("a", 0)
    assert clock.advance(0) == []
    assert clock.flush() == []
    assert (clock.played_of("never"), clock.queued_of("never")) == (0, 0)


def test_is_sounding_follows_the_last_sample() -> None:
    clock = PlayoutClock()
    clock.enqueue("a", 10)
    seen = [clock.is_sounding]
    for samples in (5, 0, 5, 1):
        clock.advance(samples)
        seen.append(clock.is_sounding)
    assert seen == [False, True, True, True, False]


def test_negative_lengths_are_refused() -> None:
    clock = PlayoutClock()
    with pytest.raises(AudioError, match="-1 samples of item 'a'"):
        clock.enqueue("a", -1)
    with pytest.raises(AudioError, match="back by 5"):
        clock.advance(-5)


def test_the_ledger_is_bounded_and_never_forgets_what_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playout, "LEDGER_ITEMS", 4)
    clock = PlayoutClock()
    for index in range(10):
        clock.enqueue(f"played-{index}", 1)
        clock.advance(1)
    assert clock.played_of("played-0") == 0
    assert clock.played_of("played-9") == 1
    for index in range(10):
        clock.enqueue(f"queued-{index}", 1)
    assert [cut.item_id for cut in clock.flush()] == [f"queued-{index}" for index in range(10)]


def test_buffer_reads_bytes_and_pads() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("a", ramp(0, 10))
    buffer.enqueue("b", ramp(100, 10))
    assert buffer.read(4) == ramp(0, 4)
    assert buffer.pull(10) == (ramp(4, 6) + ramp(100, 4), [Played("a", 0, 4, 6, 4), Played("b", 0, 0, 4, 10)])
    assert buffer.read(10) == ramp(104, 6) + bytes(8)
    assert buffer.read(2) == bytes(4)


def test_buffer_refuses_partial_samples() -> None:
    buffer = PlayoutBuffer()
    with pytest.raises(AudioError, match="3 bytes of item 'a'"):
        buffer.enqueue("a", b"abc")
    assert buffer.enqueue("a", b"")
    assert buffer.read(1) == b"\0\0"


def test_buffer_flush_without_a_fade() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("a", ramp(0, 100))
    buffer.read(30)
    flushed = buffer.flush()
    assert (flushed.cuts, flushed.played, flushed.tail) == ((Cut("a", 0, 30, 70),), (), b"")
    assert buffer.read(5) == bytes(10)


def test_fade_counts_as_played_and_falls_to_silence() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("a", int16_to_pcm16(np.full(1000, 10000, np.int16)))
    buffer.read(300)
    flushed = buffer.flush(fade_samples=80)
    assert flushed.cuts == (Cut("a", 0, 380, 620),)
    assert flushed.played == (Played("a", 0, 300, 80, 300),)
    tail = pcm16_to_int16(flushed.tail)
    assert len(tail) == 80
    assert 9900 < tail[0] < 10000
    assert 0 <= tail[-1] < 100
    assert np.diff(tail).max() <= 0
    assert abs(np.diff(tail)).max() < 250


def test_fade_is_no_longer_than_what_is_left() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("a", ramp(1000, 100))
    buffer.read(90)
    flushed = buffer.flush(fade_samples=80)
    assert len(flushed.tail) == 20
    assert flushed.cuts == ()
    assert buffer.clock.played_of("a") == 100


def test_no_fade_when_nothing_was_sounding() -> None:
    buffer = PlayoutBuffer()
    buffer.read(10)
    buffer.enqueue("a", ramp(1000, 100))
    flushed = buffer.flush(fade_samples=80)
    assert (flushed.tail, flushed.cuts) == (b"", (Cut("a", 0, 0, 100),))


def test_no_fade_when_the_sounding_audio_is_kept() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("kept", ramp(0, 100), generation=2)
    buffer.enqueue("stale", ramp(500, 100), generation=1)
    buffer.read(10)
    flushed = buffer.flush(fade_samples=80, generation=2)
    assert (flushed.tail, flushed.cuts) == (b"", (Cut("stale", 0, 0, 100),))
    assert buffer.read(100) == ramp(10, 90) + bytes(20)


def test_fade_takes_only_what_would_be_dropped() -> None:
    buffer = PlayoutBuffer()
    buffer.enqueue("stale", ramp(500, 30), generation=1)
    buffer.enqueue("kept", ramp(0, 100), generation=2)
    buffer.read(10)
    flushed = buffer.flush(fade_samples=80, generation=2)
    assert len(flushed.tail) == 40
    assert buffer.read(100) == ramp(0, 100)


def test_stale_audio_is_not_held() -> None:
    buffer = PlayoutBuffer()
    buffer.flush(generation=3)
    assert not buffer.enqueue("a", ramp(0, 10), generation=2)
    assert buffer.read(10) == bytes(20)


class Conservation(RuleBasedStateMachine):
    """Random traffic against a list of samples: nothing is lost, doubled, reordered or misplaced."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = PlayoutBuffer()
        self.model: list[tuple[str, int, int, int]] = []
        self.made: dict[str, int] = {}
        self.heard: dict[str, list[int]] = {}
        self.taken = 0
        self.dropped = 0

    @rule(item=st.sampled_from("abc"), samples=st.integers(0, 30), generation=st.integers(0, 4))
    def enqueue(self, item: str, samples: int, generation: int) -> None:
        start = self.made.get(item, 0)
        values = [(start + offset) % 30000 + 1 for offset in range(samples)]
        data = int16_to_pcm16(np.array(values, np.int16))
        if self.buffer.enqueue(item, data, generation=generation):
            self.made[item] = start + samples
            self.model += [(item, start + offset, generation, value) for offset, value in enumerate(values)]

    @rule(samples=st.integers(0, 50))
    def play(self, samples: int) -> None:
        before = self.buffer.clock.timeline_sample
        audio, played = self.buffer.pull(samples)
        self.check(audio, played, before, samples)

    def check(self, audio: bytes | None, played: list[Played], before: int, samples: int) -> None:
        expected, self.model = self.model[:samples], self.model[samples:]
        flat = [(p.item_id, p.start_sample + k) for p in played for k in range(p.samples)]
        assert flat == [(item, position) for item, position, _, _ in expected]
        at = before
        for stretch in played:
            assert stretch.at_timeline_sample == at
            at += stretch.samples
        if audio is not None:
            assert pcm16_to_int16(audio).tolist() == [v for *_, v in expected] + [0] * (
                samples - len(expected)
            )
        for item, position in flat:
            self.heard.setdefault(item, []).append(position)
        self.taken += samples

    @rule(fade=st.integers(0, 20), generation=st.one_of(st.none(), st.integers(0, 4)))
    def flush(self, fade: int, generation: int | None) -> None:
        before = self.buffer.clock.timeline_sample
        flushed = self.buffer.flush(fade_samples=fade, generation=generation)
        faded = len(flushed.tail) // 2
        assert faded <= fade
        assert all(generation is None or entry[2] < generation for entry in self.model[:faded])
        self.check(None, list(flushed.played), before, faded)
        kept = [entry for entry in self.model if generation is not None and entry[2] >= generation]
        lost = [entry for entry in self.model if generation is None or entry[2] < generation]
        self.model = kept
        self.dropped += len(lost)
        assert {cut.item_id: cut.dropped_samples for cut in flushed.cuts} == {
            item: sum(entry[0] == item for entry in lost) for item in {entry[0] for entry in lost}
        }
        for cut in flushed.cuts:
            assert cut.played_samples == len(self.heard.get(cut.item_id, []))

    @invariant()
    def nothing_is_lost(self) -> None:
        clock = self.buffer.clock
        assert clock.enqueued_samples == clock.played_samples + clock.queued_samples + clock.dropped_samples
        assert (clock.queued_samples, clock.dropped_samples) == (len(self.model), self.dropped)
        assert (clock.timeline_sample, clock.enqueued_samples) == (self.taken, sum(self.made.values()))
        for item in "abc":
            assert clock.played_of(item) == len(self.heard.get(item, []))
            assert clock.queued_of(item) == sum(entry[0] == item for entry in self.model)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
