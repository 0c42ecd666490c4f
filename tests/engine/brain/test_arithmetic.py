"""Sums as people say them and as recognisers write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.brain import arithmetic
from voicewire.engine.brain.numbers import LARGEST_SPOKEN, in_words, read_number

pytestmark = pytest.mark.unit

SAID = [
    ("What is seventeen times twenty three?", "17 times 23 is 391."),
    ("What's 12 plus 30?", "12 plus 30 is 42."),
    ("What's 15% of 80?", "15 percent of 80 is 12."),
    ("15 percent of 80", "15 percent of 80 is 12."),
    ("What is the square root of 144?", "The square root of 144 is 12."),
    ("Square root of two.", "The square root of 2 is about 1.414."),
    ("ten divided by four", "10 divided by 4 is 2.5."),
    ("10 divided by 3", "10 divided by 3 is about 3.333."),
    ("What is negative five plus 3?", "Minus 5 plus 3 is minus 2."),
    ("What is minus 4 times minus 6?", "Minus 4 times minus 6 is 24."),
    ("3.5 + 1.25", "3.5 plus 1.25 is 4.75."),
    ("Three point one four times two", "3.14 times 2 is 6.28."),
    ("What's 12 x 12?", "12 times 12 is 144."),
    ("What is 2 to the power of 10?", "2 to the power of 10 is 1,024."),
    ("2 to the 10th power", "2 to the power of 10 is 1,024."),
    ("What is 5 squared?", "5 squared is 25."),
    ("half of 90", "Half of 90 is 45."),
    ("Three quarters of 80?", "3 quarters of 80 is 60."),
    ("add 5 and 7", "5 plus 7 is 12."),
    ("Subtract 4 from 10.", "10 minus 4 is 6."),
    ("Could you multiply 1,234 by 2, please?", "1,234 times 2 is 2,468."),
    ("How much is 2 million plus 5?", "2,000,000 plus 5 is 2,000,005."),
    ("What is one hundred and five minus six?", "105 minus 6 is 99."),
    ("What's twenty-three times two?", "23 times 2 is 46."),
    ("Five divided by zero.", "You cannot divide by zero."),
    ("(2 + 3) * 4", "The answer is 20."),
    ("2 plus 3 times 4", "2 plus 3 times 4 is 14."),
    ("minus 2 squared", "Minus 2 squared is minus 4."),
    ("100 - 20%", "100 minus 20 percent is 80."),
    ("12 * 12 =", "12 times 12 is 144."),
    ("0.1 plus 0.2", "0.1 plus 0.2 is 0.3."),
    ("2 to the power of a thousand", "The answer has 302 digits, which is too long to say."),
    ("9 to the power of 9 to the power of 9", "That number is too big for me."),
    ("The square root of minus four", "The square root of minus 4 is not a real number."),
    (
        "99999999999 times 99999999999",
        "99,999,999,999 times 99,999,999,999 is 9,999,999,999,800,000,000,001.",
    ),
]

NOT_SUMS = [
    "What is 2?",
    "two",
    "What is the capital of France?",
    "I have two cats and three dogs",
    "call 555-1234",
    "23 October",
    "one in five",
    "What time is it plus",
    "How many days are in a year?",
    "three minutes",
    "5 % 3",
    "One plus is a phone brand.",
    "times two",
    "__import__('os').getcwd()",
    "(" * 50 + "1" + ")" * 50,
    "(1 + 2",
    "1 + + 2",
    "",
]


@pytest.mark.parametrize(("said", "expected"), SAID)
def test_a_sum_is_answered_exactly(said: str, expected: str) -> None:
    assert arithmetic.answer(said) == expected


@pytest.mark.parametrize("said", NOT_SUMS)
def test_what_is_no_sum_is_left_alone(said: str) -> None:
    assert arithmetic.answer(said) is None


def test_the_last_result_can_be_used() -> None:
    assert arithmetic.answer("Times two.", Fraction(12)) == "12 times 2 is 24."
    assert arithmetic.answer("That plus five.", Fraction(12)) == "12 plus 5 is 17."


@given(st.integers(-LARGEST_SPOKEN, LARGEST_SPOKEN))
def test_number_words_come_back(value: int) -> None:
    words = in_words(value).replace("-", " ").split()
    unsigned = words[1:] if value < 0 else words
    assert read_number(unsigned) == (Fraction(abs(value)), len(unsigned))


@given(st.integers(-(10**6), 10**6), st.sampled_from(["plus", "minus", "times"]), st.integers(0, 10**6))
def test_words_and_digits_agree(left: int, operator: str, right: int) -> None:
    digits = arithmetic.result(f"{left} {operator} {right}")
    assert digits == {"plus": left + right, "minus": left - right, "times": left * right}[operator]
    assert arithmetic.result(f"What is {in_words(left)} {operator} {in_words(right)}?") == digits


@given(st.text(alphabet="0123456789+-*/^%(). abcdeinotuvwxy", max_size=60))
def test_any_text_is_survived(text: str) -> None:
    answer = arithmetic.answer(text)
    assert answer is None or answer.endswith(".")


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6))
def test_a_value_that_is_not_rounded_is_said_exactly(value: Fraction) -> None:
    said, is_rounded = arithmetic.spoken(value)
    if not is_rounded:
        assert Fraction(said.replace("minus ", "-").replace(",", "")) == value
