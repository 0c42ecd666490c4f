"""Numbers of a transcript as figures: ``twenty-five`` is 25. English. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_UNITS: Final = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_SCALES: Final = {"thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_SMALLEST: Final = 10
"""Below this, words read better than figures."""
_CENTURIES: Final = range(13, 21)
_NAMES: Final = "|".join((*_UNITS, *_TENS, *_SCALES, "hundred"))
_RUN: Final = re.compile(rf"\b(?:{_NAMES})(?:(?:[ -]|[ -]and[ -])(?:{_NAMES}))*\b", re.IGNORECASE)


def numerals(text: str) -> str:
    """The text with whole numbers from ten on as figures; digits that are read out one by one stay words."""
    return _RUN.sub(lambda run: _rewritten(run.group()), text)


def _rewritten(run: str) -> str:
    words = re.split(r"[ -]", run)
    made: list[str] = []
    has_figures = False
    at = 0
    while at < len(words):
        value, length = _number(words, at)
        if length and value >= _SMALLEST:
            rest, more = _number(words, at + length)
            if value in _CENTURIES and _SMALLEST <= rest < 100:
                made.append(f"{value}{rest}")  # a year: nineteen eighty-four
                length += more
            else:
                made.append(f"{value:,}" if value >= 10_000 else str(value))
            has_figures = True
        else:
            length = max(1, length)
            made += words[at : at + length]
        at += length
    return " ".join(made) if has_figures else run


def _number(words: Sequence[str], at: int) -> tuple[int, int]:
    """The number that begins here, and how many words it has; 0 words when none begins."""
    total, length, below = 0, 0, max(_SCALES.values()) * 1000
    while True:
        value, used = _below_thousand(
            words, at + length + _skip_and(words, at + length, has_begun=length > 0)
        )
        if not used:
            return total, length
        used += _skip_and(words, at + length, has_begun=length > 0)
        after = at + length + used
        scale = _SCALES.get(words[after].lower(), 1) if after < len(words) else 1
        if scale >= below or value == 0 and length:
            return total, length
        total += value * scale
        length += used + (scale > 1)
        below = scale
        if scale == 1:
            return total, length


def _below_thousand(words: Sequence[str], at: int) -> tuple[int, int]:
    value, used = _below_hundred(words, at)
    if not used or not 0 < value < _SMALLEST or _word(words, at + used) != "hundred":
        return value, used
    used += 1
    skipped = _skip_and(words, at + used, has_begun=True)
    rest, more = _below_hundred(words, at + used + skipped)
    if not more or rest == 0:
        return 100 * value, used
    return 100 * value + rest, used + skipped + more


def _below_hundred(words: Sequence[str], at: int) -> tuple[int, int]:
    word = _word(words, at)
    if word in _TENS:
        unit = _UNITS.get(_word(words, at + 1), 0)
        is_joined = 0 < unit < _SMALLEST
        return _TENS[word] + unit * is_joined, 1 + is_joined
    return (_UNITS[word], 1) if word in _UNITS else (0, 0)


def _skip_and(words: Sequence[str], at: int, *, has_begun: bool) -> int:
    return int(has_begun and _word(words, at) == "and")


def _word(words: Sequence[str], at: int) -> str:
    return words[at].lower() if at < len(words) else ""
