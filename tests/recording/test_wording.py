"""Comparing what was said with what was heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.recording.wording import contains_phrase, spoken_number, word_errors, words_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"), (13, "thirteen"), (20, "twenty"), (23, "twenty three"), (100, "one hundred"),
        (414, "four hundred fourteen"), (1000, "one thousand"), (45_016, "forty five thousand sixteen"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    ],
)  # fmt: skip
def test_numbers_are_spoken(value: int, words: str) -> None:
    assert " ".join(spoken_number(value)) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 18 times 23?", "what is eighteen times twenty-three"),
        ("four hundred and fourteen", "414."),
        ("It’s 1,200.", "it's one thousand two hundred"),
        ("Thanks a lot. Goodbye!", "thanks a lot goodbye"),
    ],
)
def test_spellings_of_the_same_words_are_equal(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)


WORDS = st.lists(st.sampled_from(["one", "two", "red", "blue"]), max_size=8)


@given(WORDS, WORDS)
def test_errors_are_an_edit_distance(said: list[str], heard: list[str]) -> None:
    errors, total = word_errors(" ".join(said), " ".join(heard))
    assert total == len(said)
    assert abs(len(said) - len(heard)) <= errors <= max(len(said), len(heard))
    assert (errors == 0) == (said == heard)
    assert errors == word_errors(" ".join(heard), " ".join(said))[0]


def test_one_wrong_one_missing_one_too_many() -> None:
    assert word_errors("a b c d", "a x c d") == (1, 4)
    assert word_errors("a b c d", "a c d") == (1, 4)
    assert word_errors("a b c d", "a b c c d") == (1, 4)


def test_phrases_are_whole_words_in_a_row() -> None:
    assert contains_phrase("18 times 23 is 414.", "four hundred and fourteen")
    assert contains_phrase("Your name is Sam.", "sam")
    assert not contains_phrase("The same again.", "sam")
    assert not contains_phrase("four thousand fourteen", "four fourteen")
