from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.stages import FloatArray, Speech, WordTime
from voicewire.engine.tts_shape import TimedWord, align_words, join, pause_after_ms, shape, spread_words

pytestmark = pytest.mark.unit

RATE = 24_000


def tone(before: int, sounding: int, after: int, level: float = 0.3) -> FloatArray:
    wave = level * np.sin(np.arange(sounding) * 0.2)
    return np.concatenate((np.zeros(before), wave, np.zeros(after))).astype(np.float32)


def test_silence_is_trimmed_to_the_lead_and_the_pause() -> None:
    shaped = shape(tone(7_200, 12_000, 9_600), RATE, gain=2.0, pause_ms=260)
    lead = RATE * 30 // 1000
    assert shaped.cut_samples == pytest.approx(7_200 - lead, abs=2)
    assert shaped.sound_end_sample == pytest.approx(lead + 12_000 + RATE * 30 // 1000, abs=4)
    assert len(shaped.samples) == shaped.sound_end_sample + RATE * 230 // 1000
    assert not shaped.samples[shaped.sound_end_sample :].any()


def test_edges_fade_so_that_nothing_clicks() -> None:
    shaped = shape(np.full(4_800, 0.3, dtype=np.float32), RATE, gain=1.0, pause_ms=0)
    assert abs(float(shaped.samples[0])) < 0.01
    assert abs(float(shaped.samples[-1])) < 0.01
    assert float(np.abs(np.diff(shaped.samples)).max()) < 0.01


def test_gain_is_the_same_for_every_clause_and_peaks_are_rounded_not_clipped() -> None:
    loud, soft = (shape(tone(0, 4_800, 0, level), RATE, gain=2.0, pause_ms=0) for level in (0.35, 0.1))
    assert float(np.abs(soft.samples).max()) == pytest.approx(0.2, rel=0.01)
    assert float(np.abs(loud.samples).max()) == pytest.approx(0.7, rel=0.01)
    over = shape(tone(0, 4_800, 0, 0.9), RATE, gain=2.0, pause_ms=0)
    assert 0.9 < float(np.abs(over.samples).max()) < 0.99


def test_silence_gives_nothing() -> None:
    assert len(shape(np.zeros(1_000, dtype=np.float32), RATE, gain=2.0, pause_ms=260).samples) == 0


@pytest.mark.parametrize(
    ("text", "pause_ms"), [("Yes.", 260), ('"Really?"', 260), ("well, ", 130), ("and so", 40), ("", 40)]
)
def test_the_pause_follows_the_mark(text: str, pause_ms: int) -> None:
    assert pause_after_ms(text) == pause_ms


def test_numbers_share_the_time_of_what_was_read_for_them() -> None:
    spoken = [
        TimedWord("at", 0, 10),
        TimedWord("ten", 10, 30),
        TimedWord("thirty", 30, 50),
        TimedWord("now", 60, 80),
    ]
    assert align_words("at 10:30 - now.", spoken, limit_sample=100) == (
        WordTime("at", 0, 10),
        WordTime("10:30", 10, 40),
        WordTime("-", 40, 50),
        WordTime("now.", 60, 80),
    )


WORDS = st.lists(st.sampled_from(["a", "go", "ten", "10", "-", "Dr.", "well,"]), max_size=8)


@given(
    written=WORDS,
    said=WORDS,
    gaps=st.lists(st.integers(0, 50), min_size=16, max_size=16),
    limit=st.integers(0, 500),
)
def test_word_times_are_complete_and_in_order(
    written: list[str], said: list[str], gaps: list[int], limit: int
) -> None:
    spoken: list[TimedWord] = []
    position = 0
    for index, word in enumerate(said):
        start = position + gaps[2 * index]
        position = start + gaps[2 * index + 1]
        spoken.append(TimedWord(word, start, position))
    times = align_words(" ".join(written), spoken, limit_sample=limit)
    assert [time.word for time in times] == written
    edges = [edge for time in times for edge in (time.start_sample, time.end_sample)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= limit for edge in edges)


def test_estimated_words_fill_the_whole_stretch() -> None:
    assert spread_words("a bcd", 100, 160) == (WordTime("a", 100, 120), WordTime("bcd", 120, 160))


def test_pieces_are_joined_on_one_timeline() -> None:
    piece = Speech(np.ones(10, dtype=np.float32), RATE, (WordTime("a", 2, 5),))
    joined = join([piece, piece], RATE)
    assert len(joined.samples) == 20
    assert joined.words == (WordTime("a", 2, 5), WordTime("a", 12, 15))
    assert len(join([], RATE).samples) == 0
