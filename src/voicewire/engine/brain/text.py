"""Reading what a recogniser wrote: normalising, cutting into sentences, peeling off politeness."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_CONTRACTIONS: tuple[tuple[str, str], ...] = (
    (r"\b(what|who|where|when|how|that|there|here|it|he|she|name|why)'s\b", r"\1 is"),
    (r"\b(whats)\b", "what is"),
    (r"\blet's\b", "let us"),
    (r"\b(what|who|where|how)'re\b", r"\1 are"),
    (r"\bi'm\b", "i am"),
    (r"\b(you|we|they)'re\b", r"\1 are"),
    (r"\b(i|you|we|they)'ve\b", r"\1 have"),
    (r"\b(i|you|he|she|we|they|it)'ll\b", r"\1 will"),
    (r"\b(i|you|he|she|we|they)'d\b", r"\1 would"),
    (r"\bcan't\b", "cannot"),
    (r"\bwon't\b", "will not"),
    (r"\b(do|does|did|is|are|was|were|would|could|should|have|has)n't\b", r"\1 not"),
)
_LEAD = re.compile(
    r"^(?:(?:um+|uh+|er+|hmm+|well|so|okay|ok|oh|hey|please|and|now|alright|all right|right|actually|"
    r"also|then"
    r"|(?:can|could|would|will) you(?: please)?(?: tell me| say)?"
    r"|(?:can|could|may) i (?:ask|know)|do you (?:happen to )?know|i (?:want|would like|need) to know"
    r"|i was wondering|i have a question|tell me|quick question)\s+)+"
)
_TAIL = re.compile(
    r"(?:\s+(?:please|thanks|thank you|for me|right now|just now|then|buddy|my friend|if you can))+$"
)
_HESITATION = re.compile(r"[,\s]*(?<![\w'-])(?:[Uu]m+|[Uu]hm?|[Ee]rm?|[Hh]mm+)(?![\w'-])[,.…\s]*")
"""Sounds of thinking; not "ER", a place, and not "mm", a unit."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|e\.g|i\.e|a\.m|p\.m|No)\.$")


def expand(text: str) -> str:
    """Lower-case with plain apostrophes and contractions written out; other punctuation is kept."""
    lowered = text.replace("\u2019", "'").replace("\u2018", "'").lower()
    for pattern, replacement in _CONTRACTIONS:
        lowered = re.sub(pattern, replacement, lowered)
    return lowered


def normalise(text: str) -> str:
    """``expand`` and drop punctuation: words and single spaces, apostrophes and decimal points kept."""
    words = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s'.%+-]|(?<!\w)[-'](?!\d)|[-'](?!\w)", " ", expand(text))
    return re.sub(r"\s+", " ", words).strip()


def core(text: str) -> str:
    """``normalise`` without polite wrapping: "Could you tell me the time, please?" is "the time"."""
    words = normalise(text)
    peeled = _TAIL.sub("", _LEAD.sub("", words))
    return peeled or words


def without_hesitation(text: str) -> str:
    """The words without the sounds of thinking: "I want to um, hear a joke." asks for a joke.

    A text that is nothing else stays as it is.
    """
    words = _HESITATION.sub(" ", text).strip()
    if not any(char.isalnum() for char in words):
        return text
    ending = text.rstrip()[-1:]
    return words + ending if ending in (".", "?", "!") and words[-1].isalnum() else words


def sentences(text: str) -> list[str]:
    """Cut into sentences at ``. ! ?`` followed by a space; common abbreviations do not end one."""
    parts: list[str] = []
    for part in _SENTENCE.split(text.strip()):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {part}"
        elif part:
            parts.append(part)
    return parts


def capitalise(text: str) -> str:
    """First letter in upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def listing(names: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def letters_outside_latin(text: str) -> float:
    """Share of the letters that belong to no Latin alphabet, 0 to 1."""
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return 0.0
    return sum(ord(char) > 0x24F for char in letters) / len(letters)


LANGUAGES = (
    "french german spanish italian portuguese dutch chinese mandarin cantonese japanese korean "
    "russian polish turkish arabic hindi "
    "swedish norwegian danish finnish greek hebrew thai vietnamese indonesian ukrainian czech "
    "hungarian romanian catalan latin"
).split()
"""Languages that are not spoken here, in lower case."""
_INSTRUCTED = re.compile(
    (
        rf"\b(?:speak|talk|answer|reply|respond|converse|"
        rf"communicate)\b[^.]{{0,30}}?\b(?:{'|'.join(LANGUAGES)})\b"
    ),
    re.IGNORECASE,
)


def asks_other_language(instructions: str) -> bool:
    """Whether instructions ask for answers in another language than English."""
    return letters_outside_latin(instructions) > 0.5 or _INSTRUCTED.search(instructions) is not None


@dataclass(frozen=True)
class Utterance:
    """One utterance in the three spellings that the skills look at."""

    raw: str
    """As the recogniser wrote it."""

    @cached_property
    def norm(self) -> str:
        """Lower-case words."""
        return normalise(self.raw)

    @cached_property
    def core(self) -> str:
        """Lower-case words without polite wrapping."""
        return core(self.raw)

    @cached_property
    def is_question(self) -> bool:
        """Whether it ends in a question mark or begins as questions do."""
        return self.raw.rstrip().endswith("?") or bool(
            re.match(
                (
                    r"(?:what|who|where|when|why|how|which|whose|is|are|am|do|does|did|can|could|will|"
                    r"would|should)\b"
                ),
                self.core,
            )
        )
