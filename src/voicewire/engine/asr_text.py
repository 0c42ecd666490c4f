"""What is done to a recogniser's text: loops cut off, windows joined, partials tidied. Pure."""

from __future__ import annotations

import re
from typing import Final

_FASTEST_WORDS_PER_S: Final = 4.5
"""Nobody speaks more words a second over a whole sentence."""
_SPARE_WORDS: Final = 1
_LONGEST_OVERLAP_WORDS: Final = 10
_NOT_LETTERS: Final = re.compile(r"[^\w']+")


def _folded(word: str) -> str:
    return _NOT_LETTERS.sub("", word).casefold()


def cut_loop(text: str, speech_s: float) -> tuple[str, bool]:
    """Cut off the part that the decoder said again.

    A repetition counts as a loop only when there are more words than speech of that length can hold, so a
    real "no, no, no" stays.

    Args:
        text: What was decoded.
        speech_s: How long the speech lasted, in seconds.

    Returns:
        The text, and whether it had looped.
    """
    words = text.split()
    if len(words) <= speech_s * _FASTEST_WORDS_PER_S + _SPARE_WORDS:
        return text, False
    folded = [_folded(word) for word in words]
    for period in range(1, len(words)):
        # The longest tail in which every word is the one a period earlier.
        start = len(words)
        while start > period and folded[start - 1] == folded[start - 1 - period]:
            start -= 1
        repeated = len(words) - start
        if repeated >= max(3, min(period, 4)):
            return " ".join(words[:start]), True
    return text, False


def join_texts(left: str, right: str) -> str:
    """Join the texts of two windows; words that were read in both appear once."""
    if not left or not right:
        return left or right
    left_words, right_words = left.split(), right.split()
    left_folded = [_folded(word) for word in left_words]
    right_folded = [_folded(word) for word in right_words]
    longest = min(len(left_words), len(right_words), _LONGEST_OVERLAP_WORDS)
    for count in range(longest, 0, -1):
        if left_folded[-count:] == right_folded[:count]:
            # The right window heard what follows, so its capitals and commas are the better ones.
            return " ".join(left_words[:-count] + right_words)
    return " ".join(left_words + right_words)


def tidy_partial(text: str) -> str:
    """A partial without what the next one will take back: the final period, a last word said twice."""
    text = text.rstrip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    words = text.split()
    if len(words) >= 2 and _folded(words[-1]) == _folded(words[-2]) != "":
        words.pop()
    return " ".join(words)
