"""Comparing what was said with what was heard. Pure."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS: Final = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBER_LIMIT: Final = 1_000_000
_TOKEN: Final = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?")


def spoken_number(value: int) -> list[str]:
    """A whole number below a million in English words, without ``and``."""
    if value < 20:
        return [_UNITS[value]]
    if value < 100:
        rest = spoken_number(value % 10) if value % 10 else []
        return [_TENS[value // 10], *rest]
    size, name = (100, "hundred") if value < 1000 else (1000, "thousand")
    rest = spoken_number(value % size) if value % size else []
    return [*spoken_number(value // size), name, *rest]


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: lower case, no punctuation, numbers spoken, no ``and``."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.lower().replace("’", "'"))
    words: list[str] = []
    for token in _TOKEN.findall(plain):
        if token.isdecimal() and int(token) < _NUMBER_LIMIT:
            words += spoken_number(int(token))
        elif token != "and":
            words.append(token)
    return words


def word_errors(expected: str, heard: str) -> tuple[int, int]:
    """How many words are wrong, and of how many.

    Returns:
        Substitutions, insertions and deletions of the cheapest alignment; the words of ``expected``.
    """
    wanted, got = words_of(expected), words_of(heard)
    costs = list(range(len(got) + 1))
    for row, word in enumerate(wanted, 1):
        previous, costs[0] = costs[0], row
        for column, other in enumerate(got, 1):
            change = previous + (word != other)
            previous = costs[column]
            costs[column] = min(change, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1], len(wanted)


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether the words of ``phrase`` stand in ``text``, in a row."""
    words, wanted = words_of(text), words_of(phrase)
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))
