"""Results as captions that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.recording.wording import spoken_number
from voicewire.speech.captions import CUE_CHARS, LINE_CHARS, clean, readable, render, wrapped
from voicewire.speech.figures import numerals
from voicewire.speech.results import RecognitionResult, Segment, SpokenWord

pytestmark = pytest.mark.unit
LONG = " ".join(f"word{number}" for number in range(60)) + "."


def test_clean_takes_stammers_and_fillers() -> None:
    assert clean("um the the the  kettle, uh, is on") == "The kettle, is on"
    assert clean("no, no, I had had enough") == "No, no, I had had enough"
    assert clean("um yes", fillers=False) == "Um yes"


def test_a_long_segment_becomes_cues_that_cover_its_time() -> None:
    cues = readable([Segment(text=LONG, start_ms=1000, end_ms=21_000)])
    assert (cues[0].start_ms, cues[-1].end_ms) == (1000, 21_000)
    assert all(left.end_ms == right.start_ms for left, right in zip(cues, cues[1:], strict=False))
    assert " ".join(cue.text for cue in cues) == LONG


def test_words_give_the_times_where_there_are_any() -> None:
    texts = LONG.split()
    words = tuple(SpokenWord(text=w, start_ms=i * 100, end_ms=i * 100 + 50) for i, w in enumerate(texts))
    cues = readable([Segment(text=LONG, start_ms=0, end_ms=99_999, words=words)])
    assert cues[0].start_ms == 0
    assert cues[1].start_ms == 100 * len(cues[0].text.split())
    assert cues[-1].end_ms == words[-1].end_ms


@given(st.lists(st.text("abcdefghöß", min_size=1, max_size=20), min_size=1, max_size=60))
def test_nothing_is_lost_and_no_cue_is_too_long(words: list[str]) -> None:
    text = " ".join(words)
    cues = readable([Segment(text=text, start_ms=0, end_ms=60_000)])
    assert " ".join(cue.text for cue in cues).split() == text.split()
    assert all(len(cue.text) <= CUE_CHARS or " " not in cue.text for cue in cues)


def test_two_lines_at_most() -> None:
    assert wrapped("short") == "short"
    lines = wrapped("This caption is too long for a single line, so it is broken near its middle").split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= LINE_CHARS


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="docx"):
        render(RecognitionResult(text="", segments=(), duration_ms=0), "docx")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Twenty-five men", "25 men"),
        ("two hundred and five people", "205 people"),
        ("one thousand two hundred and thirty four", "1234"),
        ("twelve thousand, or two million", "12,000, or 2,000,000"),
        ("in nineteen eighty-four and twenty twenty", "in 1984 and 2020"),
        ("one of them, one-two-three, seven times nine", "one of them, one-two-three, seven times nine"),
        ("sixty and more", "60 and more"),
        ("hundreds, a thousand", "hundreds, a thousand"),
    ],
)
def test_numbers_become_figures(said: str, written: str) -> None:
    assert numerals(said) == written


@given(st.integers(10, 999_999))
def test_every_whole_number_is_found_again(value: int) -> None:
    assert (
        numerals(f"about {' '.join(spoken_number(value))} of them").replace(",", "")
        == f"about {value} of them"
    )
