"""What the user told us, read from the history each time.

There is no store: ``recall(history)`` is a pure function, so an exported, restored or moved session remembers
exactly what its history says, and a deleted item is forgotten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from voicewire.engine.brain.text import Utterance, capitalise, listing, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voicewire.engine.brain.base import Turn

_NAME_TOKEN = r"[A-Z][\w'\u2019-]*"
_NAME = rf"{_NAME_TOKEN}(?: {_NAME_TOKEN})?"
_NAME_PATTERNS: Final = (
    re.compile(rf"\b(?i:my (?:first )?name(?:'s| is|\u2019s)|the name(?:'s| is)) (?P<name>{_NAME})"),
    re.compile(rf"\b(?i:(?:you can |please |just )?call me) (?P<name>{_NAME})"),
    re.compile(rf"\b(?i:this is) (?P<name>{_NAME}) (?i:speaking|here)\b"),
    re.compile(
        rf"^(?:(?i:hello|hi|hey|good (?:morning|afternoon|evening))[,.!]? )?(?i:i'm|i am|i\u2019m) "
        rf"(?P<name>{_NAME})(?:[.!]?$|,? and\b)"
    ),
)
_LOWER_NAME = re.compile(r"\bmy (?:first )?name is (?P<name>[a-z][a-z'-]+)$")
_NOT_NAMES: Final = frozenset(
    "american british english french german spanish italian chinese japanese indian irish scottish "
    "canadian australian dutch "
    "polish russian swedish christian muslim jewish hindu buddhist not the a an so very just really "
    "sorry ok okay here back "
    "done ready fine good great glad happy tired i in on at from going gonna trying looking also "
    "maybe monday tuesday wednesday "
    "thursday friday saturday sunday what who unknown".split()
)
_KEEPABLE: Final = (
    r"favou?rite [a-z ]{2,30}|lucky number|secret (?:word|code|number)|code ?word|birthday|hometown|"
    r"home town|job|profession|hobby|"
    r"age|address|email|city|country|school|company|team|nickname|last name|surname|middle name|"
    r"phone number|car|lucky colou?r|"
    r"(?:dog|cat|pet|wife|husband|son|daughter|mother|mom|mum|father|dad|brother|sister|friend|best "
    r"friend|boss|horse|teacher|"
    r"girlfriend|boyfriend|partner|parrot|rabbit|baby|boat)(?:'s)? (?:name|birthday|age)"
)
_BEINGS: Final = (
    r"(?:dog|cat|pet|wife|husband|son|daughter|mother|mom|mum|father|dad|brother|sister|friend|best "
    r"friend|boss|horse|teacher|"
    r"girlfriend|boyfriend|partner|parrot|rabbit|baby|boat|hamster|fish)"
)
_PAIR = re.compile(rf"\bmy (?P<key>{_KEEPABLE}) (?:is|are|was) (?P<value>[^?]+)$")
_CALLED = re.compile(
    rf"\bmy (?P<key>{_BEINGS}) is (?:called|named) (?P<value>[\w' -]+)$|\bi have an? "
    rf"(?P<key2>{_BEINGS}) (?:called|named) (?P<value2>[\w' -]+)$"
)
_PLAIN_PATTERNS: Final = (
    ("live", re.compile(r"^i (?:currently |now )?live (?P<value>(?:in|at|on|near|with) [^?]+)$")),
    ("from", re.compile(r"^i (?:am|come) from (?P<value>[^?]+)$")),
    ("work", re.compile(r"^i work (?P<value>(?:as|at|for|in|with) [^?]+)$")),
    ("age", re.compile(r"^i am (?P<value>[\w-]+(?: [\w-]+)?) years old$")),
    (
        "like",
        re.compile(r"^i (?:really )?(?:like|love|enjoy) (?!to know|you\b|it\b|that\b)(?P<value>[^?]+)$"),
    ),
    (
        "hate",
        re.compile(r"^i (?:really )?(?:hate|dislike|do not like) (?!you\b|it\b|that\b)(?P<value>[^?]+)$"),
    ),
)
_REMEMBER = re.compile(
    r"(?:^|(?<!\bi )\b)(?:please )?(?:remember|do not forget|note|keep in mind) (?:that |this "
    r")?(?P<what>(?!when\b|me\b|my name\b|the time\b|what\b|to\b)\S+ .+)$"
)


@dataclass(slots=True)
class Memory:
    """What is known about the user; the newest statement wins."""

    name: str | None = None
    facts: dict[str, str] = field(default_factory=dict[str, str])
    """By key: ``live``, ``from``, ``favorite color``, ``dog's name``, ..."""
    notes: list[str] = field(default_factory=list[str])
    """Things to be remembered, in the user's own words (first person)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that an utterance tells about the user."""

    kind: str
    """``name``, ``note``, or the key of a fact."""
    value: str


def recall(history: Iterable[Turn]) -> Memory:
    """Everything that the user's turns tell, oldest first."""
    memory = Memory()
    for turn in history:
        if turn.role != "user":
            continue
        for sentence in statements(turn.text):
            _learn(memory, sentence)
    return memory


def statements(text: str) -> list[str]:
    """Cut into sentences, and again where a second statement begins ("and I ...", "and my ...")."""
    return [
        part
        for sentence in sentences(text)
        for part in re.split(r",? and (?=(?i:i|i'm|my|you can call me)\b)", sentence)
    ]


def statement(sentence: str) -> Statement | None:
    """What one sentence tells about the user, or None."""
    if sentence.rstrip().endswith("?"):
        return None
    name = _name_in(sentence)
    if name is not None:
        return Statement("name", name)
    utterance = Utterance(sentence)
    words = utterance.core
    note = _REMEMBER.search(words)
    inner = note["what"] if note else words
    fact = _fact_in(inner, _original_case(inner, sentence))
    if fact is not None:
        return fact
    return Statement("note", _original_case(inner, sentence)) if note else None


def acknowledge(sentence: str) -> str | None:
    """What to say to one or more statements about the user, or None when a part of ``sentence`` is none."""
    parts = statements(sentence)
    if len(parts) == 1:
        return _acknowledge_one(sentence)
    replies = [_acknowledge_one(part) for part in parts]
    return " ".join(reply for reply in replies if reply) if parts and all(replies) else None


def _acknowledge_one(sentence: str) -> str | None:
    told = statement(sentence)
    if told is None:
        return None
    if told.kind == "name":
        return f"Nice to meet you, {told.value}."
    if told.kind == "note":
        return f"Okay, I'll remember that {second_person(told.value)}."
    return f"Got it, {_sentence_about(told.kind, told.value)}."


def answer(core: str, history: tuple[Turn, ...]) -> str | None:
    """Answer a question about what the user told us before.

    Args:
        core: The question, as ``text.core`` leaves it.
        history: The whole history; its last user turn is the question itself.
    """
    asked = _question_key(core)
    if asked is None:
        return _about_the_talk(core, history)
    memory = recall(history)
    if asked == "name":
        return f"Your name is {memory.name}." if memory.name else "You haven't told me your name yet."
    if asked == "all":
        return _everything(memory)
    if asked == "notes":
        if not memory.notes:
            return (
                _everything(memory)
                if memory.facts or memory.name
                else "You haven't asked me to remember anything yet."
            )
        return "You told me that " + listing([second_person(note) for note in memory.notes]) + "."
    value = memory.facts.get(asked) or _from_notes(asked, memory.notes)
    if value is not None:
        return capitalise(_sentence_about(asked, value)) + "."
    if asked == "live" and "from" in memory.facts:
        return f"You told me that you are from {memory.facts['from']}."
    return _UNKNOWN.get(asked, f"You haven't told me your {asked} yet.")


_UNKNOWN: Final = {
    "live": "You haven't told me where you live yet.",
    "from": "You haven't told me where you are from yet.",
    "work": "You haven't told me where you work yet.",
    "age": "You haven't told me how old you are yet.",
    "like": "You haven't told me what you like yet.",
    "hate": "You haven't told me what you don't like yet.",
}
_QUESTIONS: Final = (
    (
        "name",
        (
            r"(?:what is|what was|remember|(?:and )?do you (?:know|remember|recall)|say|you know|did you "
            r"(?:get|catch)) my (?:first )?name(?: again| is| was)?|who am i|what am i called|what my "
            r"name is|my name(?: again)?|what did i say my name (?:is|was)|(?:and )?what is my name again"
        ),
    ),
    (
        "live",
        (
            r"where do i live(?: again)?|where i live|where is my (?:home|house)|(?:what|which) (?:city|"
            r"country|town) do i live in"
        ),
    ),
    ("from", r"where am i from|where do i come from|where i am from|(?:what|which) country am i from"),
    ("work", r"where do i work|what do i do(?: for a living)?|what is my (?:job|work)"),
    ("age", r"how old am i|what is my age|how old i am"),
    ("like", r"what do i (?:like|love|enjoy)|what i like"),
    ("hate", r"what do i (?:hate|dislike|not like)"),
    (
        "notes",
        (
            r"what did i (?:ask|tell) you(?: to remember)?|what should you remember|what do you remember|"
            r"what did i (?:just )?tell you"
        ),
    ),
    (
        "all",
        r"what do you (?:know|remember) about me|what did i tell you about (?:me|myself)|do you remember me",
    ),
)
_MY = re.compile(
    rf"(?:and )?(?:what|who|when|which) (?:is|are|was|were) my (?P<key>{_KEEPABLE}|[a-z]+ (?:code|"
    rf"number|word|name))(?: again)?|do you (?:know|remember|recall) (?:what )?my "
    rf"(?P<key2>{_KEEPABLE})(?: is| was)?|(?:what|which) (?P<kind>[a-z]+) do i like (?:best|most)"
)
_MY_BEING = re.compile(
    rf"(?:what|how) is my (?P<being>{_BEINGS}) called|(?:what is|do you know|do you remember) the "
    rf"name of my (?P<being2>{_BEINGS})|what did i (?:call|name) my (?P<being3>{_BEINGS})"
)


def _question_key(core: str) -> str | None:
    for key, pattern in _QUESTIONS:
        if re.fullmatch(pattern, core):
            return key
    mine = _MY.fullmatch(core)
    if mine:
        return _key(mine["key"] or mine["key2"] or f"favorite {mine['kind']}")
    being = _MY_BEING.fullmatch(core)
    return f"{being['being'] or being['being2'] or being['being3']}'s name" if being else None


def _about_the_talk(core: str, history: tuple[Turn, ...]) -> str | None:
    told = [turn.text.strip() for turn in history if turn.role == "user"][:-1]
    if re.fullmatch(
        (
            r"what did i (?:just )?(?:say|ask)(?: you)?(?: before| just now| last)?|what was my (?:last|"
            r"previous) question"
        ),
        core,
    ):
        return f'You said: "{told[-1]}"' if told else "That was the first thing that you said."
    if re.fullmatch(
        (
            r"what (?:did i (?:say|ask)(?: you)? first|was the first thing (?:that )?i (?:said|asked)(?: "
            r"you)?|was my first question)"
        ),
        core,
    ):
        return f'First you said: "{told[0]}"' if told else "That was the first thing that you said."
    return None


def _everything(memory: Memory) -> str:
    known = [f"your name is {memory.name}"] if memory.name else []
    known += [_sentence_about(key, value) for key, value in memory.facts.items()]
    known += [second_person(note) for note in memory.notes]
    if not known:
        return "You haven't told me anything about yourself yet."
    return "I know that " + listing(known) + "."


def _learn(memory: Memory, sentence: str) -> None:
    told = statement(sentence)
    if told is None:
        return
    if told.kind == "name":
        memory.name = told.value
    elif told.kind == "note":
        memory.notes.append(told.value)
    else:
        memory.facts[told.kind] = told.value


def _name_in(sentence: str) -> str | None:
    for pattern in _NAME_PATTERNS:
        match = pattern.search(sentence.strip())
        if match and match["name"].split()[0].lower() not in _NOT_NAMES:
            return re.sub(r" (?i:and|but|speaking|here)$", "", match["name"])
    lower = _LOWER_NAME.search(Utterance(sentence).norm)
    if lower and lower["name"] not in _NOT_NAMES:
        return lower["name"].capitalize()
    return None


def _fact_in(words: str, original: str) -> Statement | None:
    called = _CALLED.search(words)
    if called:
        key, group = (called["key"], "value") if called["key"] else (called["key2"], "value2")
        return Statement(f"{key}'s name", original[slice(*called.span(group))])
    pair = _PAIR.search(words)
    if pair:
        return Statement(_key(pair["key"]), original[slice(*pair.span("value"))])
    for kind, pattern in _PLAIN_PATTERNS:
        match = pattern.search(words)
        if match and not re.search(r"\byour?s?\b", match["value"]):
            return Statement(kind, original[slice(*match.span("value"))])
    return None


def _from_notes(key: str, notes: list[str]) -> str | None:
    for note in reversed(notes):
        match = re.search(rf"\b(?:my|the) {re.escape(key)} (?:is|are|was) (.+)$", note, re.IGNORECASE)
        if match:
            return match[1]
    return None


def _key(words: str) -> str:
    key = words.strip().replace("favourite", "favorite").replace("colour", "color")
    return re.sub(rf"^({_BEINGS}) (name|birthday|age)$", r"\1's \2", key)


def _original_case(words: str, sentence: str) -> str:
    """``words`` (a normalised tail of ``sentence``) with the capitals that the sentence has."""
    capitals = {
        word.lower(): word
        for word in re.findall(r"[\w'-]+", sentence)[1:]
        if word[:1].isupper() and word != "I"
    }
    return " ".join(capitals.get(word, word) for word in words.split())


def _sentence_about(key: str, value: str) -> str:
    shown = second_person(value)
    forms = {
        "live": f"you live {shown}",
        "from": f"you are from {shown}",
        "work": f"you work {shown}",
        "age": f"you are {shown} years old",
        "like": f"you like {shown}",
        "hate": f"you don't like {shown}",
    }
    return forms.get(key, f"your {key} is {shown}")


_PERSONS: Final = {
    "i": "you",
    "my": "your",
    "me": "you",
    "am": "are",
    "mine": "yours",
    "myself": "yourself",
    "our": "your",
    "we": "you",
}


def second_person(words: str) -> str:
    """``my keys are on the table`` said back: ``your keys are on the table``."""
    spoken = " ".join(
        _PERSONS.get(word if word == "I" else word.lower(), word) if word.lower() in _PERSONS else word
        for word in words.split()
    )
    return re.sub(r"\byou was\b", "you were", spoken)
