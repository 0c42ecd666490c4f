from __future__ import annotations

import pytest

from voicewire.engine.hints import combine_hints, text_hint, tone_hint
from voicewire.engine.stages import TurnHint

pytestmark = pytest.mark.unit

DONE, UNSURE, HOLD = TurnHint.DONE, TurnHint.UNSURE, TurnHint.HOLD


@pytest.mark.parametrize(
    "text",
    [
        "I would like, um",
        "Um.",
        "So let me think.",
        "I want to go to the",
        "Please send this to my",
        "I like apples and",
        "I was thinking...",
        "First of all,",
        "My number is 555 12",
        "The code is 1, 2, 3.",
        "five five five one two three",
        "It is because.",
        "I'd like to.",
        "Can you tell me the?",
    ],
)
def test_texts_that_are_not_over(text: str) -> None:
    assert text_hint(text) is HOLD


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Turn the light on.",
        "Set a timer for 5 minutes.",
        "Yes.",
        "Stop!",
        "What is 15 times 12?",
        "My number is 555 1234.",
        "Come in, please.",
    ],
)
def test_texts_that_are_over(text: str) -> None:
    assert text_hint(text) is DONE


@pytest.mark.parametrize(
    "text", ["", "  ", "...", "What are you looking for?", "Who is it from?", "the weather today", "Maybe."]
)
def test_texts_that_say_nothing(text: str) -> None:
    assert text_hint(text) in (UNSURE, HOLD) if text == "..." else text_hint(text) is UNSURE


def test_tone_is_believed_at_the_ends_only() -> None:
    assert [tone_hint(p) for p in (0.0, 0.1, 0.11, 0.5, 0.89, 0.9, 1.0)] == [
        HOLD,
        HOLD,
        UNSURE,
        UNSURE,
        UNSURE,
        DONE,
        DONE,
    ]


@pytest.mark.parametrize(
    ("words", "tone", "expected"),
    [
        (DONE, DONE, DONE),
        (DONE, UNSURE, UNSURE),
        (DONE, HOLD, UNSURE),
        (DONE, None, UNSURE),
        (UNSURE, DONE, UNSURE),
        (UNSURE, UNSURE, UNSURE),
        (UNSURE, HOLD, TurnHint.DOUBT),
        (UNSURE, None, UNSURE),
        (HOLD, DONE, HOLD),
        (HOLD, UNSURE, HOLD),
        (HOLD, HOLD, HOLD),
        (HOLD, None, HOLD),
    ],
)
def test_only_agreement_shortens(words: TurnHint, tone: TurnHint | None, expected: TurnHint) -> None:
    assert combine_hints(words, tone) is expected
