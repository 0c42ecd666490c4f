"""Text on its way to speech: cutting a stream into clauses, and cleaning a clause for a voice. Pure.

A clause is spoken as soon as it is complete, so the first one is cut early (at a comma, after about 12
characters) and the later ones at sentence ends, where the melody is better. What is spoken differs from
what is written (no asterisks, no emoji, no addresses); ``SpokenText`` remembers which part of the writing
each spoken word stands for, so that what was heard can be told in the written words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FIRST_CLAUSE_CHARS: Final = 12
LATER_CLAUSE_CHARS: Final = 100
LONGEST_CLAUSE_CHARS: Final = 240

_ABBREVIATIONS: Final = frozenset(
    "dr mr mrs ms prof st jr sr vs etc approx dept est inc ltd corp rev gen col sgt capt lt "
    "jan feb apr jun jul aug sept oct nov dec mon tue thu fri e.g i.e cf a.m p.m u.s u.k".split()
)
_NUMBERED: Final = frozenset("no nos vol pp fig sec ch mar sep wed sat sun".split())
"""Words in their own right, and abbreviations only before a number."""
_CLOSERS: Final = "\"'”’)]*_"
_SENTENCE_MARKS: Final = ".!?…"
_WIDE_SENTENCE_MARKS: Final = "。！？"
_SOFT_MARKS: Final = ",;:—"
_FENCE: Final = "```"
_INITIAL: Final = re.compile(r"(?:^|[\s(])[A-HJ-Z]\.$")
_LIST_NUMBER: Final = re.compile(r"(?:^|\n)[ \t]*\d{1,3}\.$")
_LAST_WORD: Final = re.compile(r"[\w.]+$")


class ClauseSplitter:
    """Cuts a stream of text into clauses to speak. One for each response.

    The clauses put together are the text, character by character. Nothing is cut inside a number
    ("3.14", "10:30", "1,250"), an abbreviation ("e.g.", "Dr."), an address or a fenced code block.

    Args:
        first_chars: Length from which the first clause may end at a comma, semicolon, colon or dash.
        later_chars: The same for all later clauses.
        longest_chars: A clause that grows longer is cut at a space.
    """

    def __init__(
        self,
        *,
        first_chars: int = FIRST_CLAUSE_CHARS,
        later_chars: int = LATER_CLAUSE_CHARS,
        longest_chars: int = LONGEST_CLAUSE_CHARS,
    ) -> None:
        self._soft_chars = first_chars
        self._later_chars = later_chars
        self._longest_chars = longest_chars
        self._text = ""
        self._scanned = 0

    def push(self, delta: str) -> list[str]:
        """Take more text in; gives the clauses that it completes, often none."""
        self._text += delta
        clauses: list[str] = []
        while (cut := self._next_cut()) is not None:
            # White space belongs to the clause before it, as far as it is known yet.
            while cut < len(self._text) and self._text[cut].isspace():
                cut += 1
            clauses.append(self._text[:cut])
            self._text = self._text[cut:]
            self._scanned = 0
            if clauses[-1].strip():
                self._soft_chars = self._later_chars
        return clauses

    def flush(self) -> list[str]:
        """The rest of the text, at the end of the stream; the splitter is as new."""
        rest, self._text, self._scanned = self._text, "", 0
        return [rest] if rest else []

    def _next_cut(self) -> int | None:
        """Where the first complete clause ends; None while that is not certain."""
        text = self._text
        position = self._scanned
        while position < min(len(text), self._longest_chars):
            if text.startswith(_FENCE[: len(text) - position], position):
                if not text.startswith(_FENCE, position):
                    self._scanned = position
                    return None
                if text[:position].strip():
                    return position
                # A code block is a clause of its own, however long.
                self._scanned = position
                closing = text.find(_FENCE, position + len(_FENCE))
                return closing + len(_FENCE) if closing >= 0 else None
            verdict = self._cut_at(position)
            if verdict is None:
                self._scanned = position
                return None
            if verdict:
                return verdict
            position += 1
        self._scanned = position
        if len(text) <= self._longest_chars:
            return None
        space = text.rfind(" ", self._longest_chars // 2, self._longest_chars)
        return space + 1 if space > 0 else self._longest_chars

    def _cut_at(self, position: int) -> int | None:
        """Where the clause ends that this character ends; 0 for no clause, None when more text decides."""
        text = self._text
        mark = text[position]
        if mark == "\n" or mark in _WIDE_SENTENCE_MARKS:
            return position + 1 if text[:position].strip() else 0
        if mark in _SENTENCE_MARKS:
            end = position + 1
            while end < len(text) and text[end] in _CLOSERS:
                end += 1
            if end == len(text):
                return None
            if not text[end].isspace():
                return 0
            return self._period_at(position, end) if mark == "." else end
        if mark in _SOFT_MARKS and position + 1 >= self._soft_chars:
            if position + 1 == len(text):
                return None
            return position + 1 if text[position + 1].isspace() or mark == "—" else 0
        return 0

    def _period_at(self, position: int, end: int) -> int | None:
        """Tell a full stop from the point of an abbreviation; ``end`` is where white space begins."""
        text = self._text
        before = text[: position + 1]
        if _INITIAL.search(before) or _LIST_NUMBER.search(before):
            return 0
        word = _LAST_WORD.search(text, 0, position)
        name = word.group().strip(".").casefold() if word is not None else ""
        following = text[end:].lstrip(" \t")
        if following.startswith("\n"):
            return end
        if not following:
            # The next letter decides: after a full stop it is seldom a small one.
            return None
        if name in _ABBREVIATIONS or following[0].islower() or (name in _NUMBERED and following[0].isdigit()):
            return 0
        return end


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A text as it is spoken, tied to how it is written."""

    source: str
    """The text as written."""
    words: tuple[str, ...]
    """The words to speak, in order."""
    word_ends: tuple[int, ...]
    """For each word, the index in ``source`` after all that it stands for; never falling."""

    @property
    def text(self) -> str:
        """What to hand to a synthesizer."""
        return " ".join(self.words)

    def heard(self, word_count: int) -> str:
        """The written text that the first ``word_count`` spoken words stand for.

        All words stand for the whole text, none for none of it.
        """
        if word_count <= 0:
            return ""
        if word_count >= len(self.words):
            return self.source
        return self.source[: self.word_ends[word_count - 1]]


_EMOJI: Final = (
    "[\U0001f000-\U0001faff\U0001fc00-\U0001fffd\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)
_MARKUP: Final = re.compile(
    rf"""
      (?P<fence>```.*?(?:```|\Z))
    | !?\[(?P<label>[^\]\n]*)\]\([^)\s]*(?:\s"[^"\n]*")?\)
    | `(?P<code>[^`\n]+)`
    | <?(?P<url>(?:https?://|www\.)[^\s<>()]*[^\s<>().,;:!?'"\]*_])>?
    | (?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
    | (?P<tag></?[a-zA-Z][^<>\n]*>)
    | (?P<line>^[ \t]*(?:\#{{1,6}}[ \t]+|>[ \t]?|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?
        |(?:[-*_=][ \t]*){{3,}}$|\|?[-:|\ \t]*-{{3,}}[-:|\ \t]*$))
    | (?P<times>(?<=\d)[ ]?[*×][ ]?(?=\d))
    | (?P<mark>\*+|~~|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|\||\\(?=[\\`*_{{}}\[\]()\#+.!|-])|\$\$?(?=[A-Za-z\\]))
    | (?P<emoji>{_EMOJI})
    | (?P<entity>&(?:amp|lt|gt|quot|nbsp|\#39);|(?<=\s)&(?=\s))
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_ENTITIES: Final = {
    "&amp;": " and ",
    "&": "and",
    "&lt;": " less than ",
    "&gt;": " greater than ",
    "&quot;": '"',
    "&nbsp;": " ",
    "&#39;": "'",
}
_HOST: Final = re.compile(r"^(?:https?://)?(?:www\.)?([^/?#]+)")


def for_speech(text: str) -> str:
    """A clause cleaned for a voice: ``spoken_text`` without the way back to the writing."""
    return spoken_text(text).text


def spoken_text(text: str) -> SpokenText:
    """Clean a clause for a voice.

    Markdown marks, emoji, tags and code blocks fall away; links keep their label, bare addresses their
    host ("example dot com").
    """
    words: list[str] = []
    ends: list[int] = []
    word, word_end = "", 0
    emitted = list(_emit(text))
    for index, (piece, _, end) in enumerate(emitted):
        for character in piece:
            if character.isspace():
                if word:
                    words.append(word)
                    ends.append(word_end)
                    word = ""
                continue
            word += character
            word_end = end
        if word_end == end:
            # Closing marks that are not spoken belong to the word before them.
            following = emitted[index + 1][1] if index + 1 < len(emitted) else len(text)
            while word_end < following and not text[word_end].isspace():
                word_end += 1
    if word:
        words.append(word)
        ends.append(word_end)
    return SpokenText(text, tuple(words), tuple(ends))


def _emit(text: str) -> Iterable[tuple[str, int, int]]:
    """What is spoken, piece by piece, each with the part of the text that it stands for."""
    position = 0
    for match in _MARKUP.finditer(text):
        for index in range(position, match.start()):
            yield text[index], index, index + 1
        if spoken := _spoken(match):
            yield spoken, match.start(), match.end()
        position = match.end()
    for index in range(position, len(text)):
        yield text[index], index, index + 1


def _spoken(match: re.Match[str]) -> str:
    """What is said for one piece of markup; empty for nothing."""
    group = match.lastgroup or ""
    found = match.group(group) if group else ""
    if group in ("label", "code"):
        return for_speech(found)
    if group == "url":
        host = _HOST.match(found)
        return " dot ".join(host.group(1).split(".")) if host else ""
    if group == "mail":
        return found.replace("@", " at ").replace(".", " dot ")
    if group == "times":
        return " times "
    if group == "entity":
        return _ENTITIES[found]
    return " " if group in ("tag", "emoji") else ""
