from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.asr_text import cut_loop, join_texts, tidy_partial

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "speech_s", "kept"),
    [
        ("What is the capital of France? What is the capital of", 1.4, "What is the capital of France?"),
        ("Play Play Play Play Play", 0.2, "Play"),
        ("Add milk Add milk Add milk Add", 0.4, "Add milk"),
        ("Go on and on and on and on and on and on", 0.9, "Go on and"),
        ("Hello there. Turn left. Turn left. Turn left. Turn left.", 1.2, "Hello there. Turn left."),
    ],
)
def test_a_loop_is_cut_off(text: str, speech_s: float, kept: str) -> None:
    assert cut_loop(text, speech_s) == (kept, True)


@pytest.mark.parametrize(
    ("text", "speech_s"),
    [
        ("No no no no no", 2.5),
        ("Turn on the lights in the living room.", 1.5),
        ("What is it? What is it?", 3.0),
        ("", 0.0),
        ("Yes", 0.0),
    ],
)
def test_what_can_have_been_said_stays(text: str, speech_s: float) -> None:
    assert cut_loop(text, speech_s) == (text, False)


@given(st.lists(st.sampled_from(["a", "b", "A,", "c."]), max_size=30), st.floats(0, 10))
def test_cutting_only_ever_takes_the_end(words: list[str], speech_s: float) -> None:
    text = " ".join(words)
    kept, is_looped = cut_loop(text, speech_s)
    assert text.startswith(kept)
    assert is_looped == (kept != text)


def test_words_read_in_both_windows_appear_once() -> None:
    assert join_texts("It was the best of times, it", "Of times, it was the worst.") == (
        "It was the best Of times, it was the worst."
    )
    assert join_texts("One two.", "Three four.") == "One two. Three four."
    assert join_texts("", "Only right") == "Only right"
    assert join_texts("Only left", "") == "Only left"


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("I would like.", "I would like"),
        ("Is it?", "Is it?"),
        ("Well...", "Well..."),
        ("to the the", "to the"),
        ("No, no.", "No,"),
        ("", ""),
    ],
)
def test_a_partial_gives_nothing_that_the_next_takes_back(text: str, tidy: str) -> None:
    assert tidy_partial(text) == tidy
