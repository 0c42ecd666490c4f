"""Numbers in words, both ways, exactly."""

from __future__ import annotations

import re
from fractions import Fraction

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")

UNITS: dict[str, int] = {word: value for value, word in enumerate(_ONES)}
TENS: dict[str, int] = {word: value * 10 for value, word in enumerate(_TENS, start=1) if value >= 2} | {
    "fourty": 40
}
SCALES: dict[str, int] = {word: 1000**power for power, word in enumerate(_SCALES) if word}

NUMBER_WORDS: frozenset[str] = (
    frozenset(UNITS) | frozenset(TENS) | frozenset(SCALES) | {"hundred", "dozen", "oh"}
)

ORDINALS: dict[str, int] = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "thirteenth": 13,
    "fourteenth": 14,
    "fifteenth": 15,
    "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18,
    "nineteenth": 19,
    "twentieth": 20,
    "thirtieth": 30,
}

FRACTIONS: dict[str, int] = (
    {
        "half": 2,
        "halves": 2,
        "third": 3,
        "quarter": 4,
        "fourth": 4,
        "fifth": 5,
        "sixth": 6,
        "seventh": 7,
        "eighth": 8,
        "ninth": 9,
        "tenth": 10,
    }
    | {f"{word}s": value for word, value in ORDINALS.items() if 3 <= value <= 10}
    | {"quarters": 4}
)

_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
LARGEST_SPOKEN = 10**18 - 1
"""The largest integer that ``in_words`` writes out."""


def in_words(value: int) -> str:
    """An integer in English words, such as ``minus two thousand and five``.

    Raises:
        ValueError: ``value`` is larger than ``LARGEST_SPOKEN``.
    """
    if abs(value) > LARGEST_SPOKEN:
        raise ValueError(f"{value!r} is too large to write in words")
    if value < 0:
        return "minus " + in_words(-value)
    if value < 20:
        return _ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return _TENS[tens - 1] + (f"-{_ONES[ones]}" if ones else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{_ONES[hundreds]} hundred" + (f" and {in_words(rest)}" if rest else "")
    parts: list[str] = []
    rest = value
    for power in range(len(_SCALES) - 1, 0, -1):
        count, rest = divmod(rest, 1000**power)
        if count:
            parts.append(f"{in_words(count)} {_SCALES[power]}")
    if rest:
        parts.append(f"and {in_words(rest)}" if rest < 100 else in_words(rest))
    return " ".join(parts)


def parse_digits(token: str) -> Fraction | None:
    """``1,250.5`` as an exact fraction, or None when it is not a number in digits."""
    if not _DIGITS.fullmatch(token):
        return None
    return Fraction(token.replace(",", ""))


def read_number(words: list[str], start: int = 0) -> tuple[Fraction, int] | None:
    """Read the longest unsigned number that begins at ``words[start]``.

    Understands digits (``1,250.5``, ``3 million``), words (``two hundred and five``, ``twenty-three``, ``a
    hundred``), and ``point`` followed by digits said one by one.

    Args:
        words: Lower-case tokens.
        start: Index of the first token to read.

    Returns:
        The exact value and the index after it, or None when no number begins there.
    """
    whole = _read_digits(words, start) or _read_words(words, start)
    if whole is None:
        return None
    value, index = whole
    if index < len(words) and words[index] == "point":
        digits, after = _read_decimals(words, index + 1)
        if digits:
            return value + Fraction(int(digits), 10 ** len(digits)), after
    return value, index


def _read_digits(words: list[str], start: int) -> tuple[Fraction, int] | None:
    value = parse_digits(words[start]) if start < len(words) else None
    if value is None:
        return None
    index = start + 1
    while index < len(words) and words[index] in (*SCALES, "hundred"):
        value *= SCALES.get(words[index], 100)
        index += 1
    return value, index


def _read_words(words: list[str], start: int) -> tuple[Fraction, int] | None:
    index, total, group = start, 0, 0
    last_magnitude = 1000
    seen = False
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else ""
        if (
            word in ("a", "an")
            and not seen
            and following in ("hundred", "thousand", "million", "billion", "dozen")
        ):
            group = 1
        elif word in TENS and last_magnitude > 99:
            group, last_magnitude = group + TENS[word], 10
        elif (
            word in UNITS
            and last_magnitude > (9 if UNITS[word] < 10 else 99)
            and not (UNITS[word] == 0 and seen)
        ):
            group, last_magnitude = group + UNITS[word], 1
        elif word == "hundred" and seen and 0 < group < 100:
            group, last_magnitude = group * 100, 100
        elif word == "dozen" and (seen or index == start):
            group, last_magnitude = (group or 1) * 12, 1
        elif word in SCALES and seen and group:
            total, group, last_magnitude = total + group * SCALES[word], 0, 1000
        elif word == "and" and seen and last_magnitude >= 100 and (following in UNITS or following in TENS):
            pass
        else:
            break
        seen = True
        index += 1
    return (Fraction(total + group), index) if seen else None


def _read_decimals(words: list[str], start: int) -> tuple[str, int]:
    digits, index = "", start
    while index < len(words):
        word = words[index]
        if word.isdigit():
            digits += word
        elif UNITS.get(word, 10) < 10:
            digits += str(UNITS[word])
        elif word == "oh":
            digits += "0"
        elif word in TENS or word in UNITS:
            read = _read_words(words, index)
            return (digits + str(read[0].numerator), read[1]) if read else (digits, index)
        else:
            break
        index += 1
    return digits, index
