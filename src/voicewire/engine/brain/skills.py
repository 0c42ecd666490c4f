"""The deterministic layer: which skill answers an utterance, in a fixed order, or none.

Every skill is a pure function of the utterance, the history and the caller's clock. A skill answers only when
its pattern covers the whole utterance; half a match is no match, because a wrong certain answer is worse than
a vague one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voicewire.engine.brain import arithmetic, calendar_skills, facts, memory, smalltalk, talk
from voicewire.engine.brain.text import (
    LANGUAGES,
    Utterance,
    asks_other_language,
    core,
    letters_outside_latin,
    sentences,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from voicewire.engine.brain.base import BrainTurn, Turn

ONLY_ENGLISH: Final = "I can only speak English here. A bigger model can be plugged in for other languages."
_LANGUAGE = "(?:" + "|".join(LANGUAGES) + ")"
_OTHER_LANGUAGE = re.compile(
    rf"(?:please )?(?:(?:can|could|do|would) (?:you|we) )?(?:please )?(?:speak|talk|answer|reply|"
    rf"respond|say (?:it|that|something|this)|switch|continue|know|understand|translate .+)(?: (?:to "
    rf"me|now))?"
    rf"(?: (?:in|into|to|with))? (?:any )?{_LANGUAGE}(?: (?:to me|now|instead|please|from now on|too))?"
    rf"|(?:how do you say|say|what is|translate) .+ (?:in|into|to) {_LANGUAGE}|what languages? (?:do|"
    rf"can) you (?:speak|understand|know)"
    rf"|(?:do|can) you (?:speak|understand|know) (?:any )?(?:other|another|different|foreign|more) "
    rf"languages?|let us (?:speak|talk) (?:in )?{_LANGUAGE}"
)
_SPEAKS_ENGLISH = re.compile(r"(?:do|can) you speak english|speak english")
_FOREIGN_OPENING = re.compile(
    r"(?:hola|bonjour|guten (?:tag|morgen|abend)|ciao|buongiorno|buenos dias|buenas (?:tardes|"
    r"noches)|bom dia|ola|konnichiwa|ni ?hao|namaste|"
    r"salut|hallo|como estas?|comment (?:ca va|allez-vous)|wie geht es dir|wie geht's|parlez-vous .*|"
    r"sprechen sie .*|habla(?:s)? .*)(?: .*)?"
)
_SECOND_REQUEST: Final = re.compile(
    (
        r",? (?:and|then|and then|and also) (?=(?:what|who|where|when|how|tell|set|count|spell|say|can|"
        r"could|do you)\b)"
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SkillAnswer:
    """What a skill says."""

    skill: str
    text: str
    timer_s: int = 0
    """Seconds of a timer to be kept, 0 for none."""
    label: str = ""
    """What the timer is for."""


def answer(turn: BrainTurn) -> SkillAnswer | None:
    """Answer by rule, or None when no rule covers the whole utterance.

    The whole utterance is tried first, then what follows a greeting, then each sentence; several sentences
    are answered only if every one of them is.
    """
    raw = turn.utterance.strip()
    if not any(char.isalnum() for char in raw):
        return SkillAnswer("empty", _nothing_heard(turn))
    whole = _one(raw, turn)
    if whole is not None:
        return whole
    rest = smalltalk.without_greeting(raw)
    if rest != raw:
        found = _one(rest, turn)
        if found is not None:
            return found
    parts = [part for sentence in sentences(rest) for part in _SECOND_REQUEST.split(sentence)]
    if not 1 < len(parts) <= 4:
        return None
    answers = [_one(part, turn) for part in parts]
    return _joined([found for found in answers if found is not None]) if all(answers) else None


def _joined(answers: list[SkillAnswer]) -> SkillAnswer:
    telling = [found for found in answers if found.skill not in ("greeting", "praise", "yes")] or answers
    timer = next((found for found in telling if found.timer_s), telling[0])
    texts = list(dict.fromkeys(found.text for found in telling))
    return SkillAnswer(
        "+".join(found.skill for found in telling), " ".join(texts), timer.timer_s, timer.label
    )


def _nothing_heard(turn: BrainTurn) -> str:
    if any(entry.role == "user" and entry.text.strip() for entry in turn.history):
        return "Sorry, I didn't catch that."
    name = smalltalk.persona(turn.instructions)
    return f"Hello, I'm {name}. How can I help you?" if name else "Hello! How can I help you?"


def _one(raw: str, turn: BrainTurn) -> SkillAnswer | None:
    utterance = Utterance(raw)
    for skill in (_language, _sum, _calendar, _timer, _talk, _memory, _small, _fact, _limit):
        found = skill(utterance, turn)
        if found is not None:
            return found
    return None


def _answer(skill: str, text: str | None) -> SkillAnswer | None:
    return SkillAnswer(skill, text) if text else None


def _language(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    if _SPEAKS_ENGLISH.fullmatch(utterance.norm):
        return SkillAnswer("language", "Yes, I speak English.")
    is_foreign = letters_outside_latin(utterance.raw) > 0.5 or _FOREIGN_OPENING.fullmatch(utterance.norm)
    is_asked = _OTHER_LANGUAGE.fullmatch(utterance.core) or _OTHER_LANGUAGE.fullmatch(utterance.norm)
    return SkillAnswer("language", ONLY_ENGLISH) if is_foreign or is_asked else None


def language_notice(turn: BrainTurn) -> str:
    """What to say before the first answer when the instructions ask for another language, else nothing."""
    if any(entry.role == "assistant" for entry in turn.history):
        return ""
    return "I can only speak English here. " if asks_other_language(turn.instructions) else ""


def last_result(history: tuple[Turn, ...]) -> Fraction | None:
    """The value of the user's last sum before the current turn, following "times two" chains."""
    value: Fraction | None = None
    for entry in [entry for entry in history if entry.role == "user"][:-1]:
        found = arithmetic.result(entry.text, value)
        value = found if found is not None else value
    return value


def _sum(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    return _answer("arithmetic", arithmetic.answer(utterance.raw, last_result(turn.history)))


def _calendar(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    return _answer("time", calendar_skills.tell_time(utterance.core, turn.now)) or _answer(
        "date", calendar_skills.tell_date(utterance.core, turn.now)
    )


def _timer(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    wanted = calendar_skills.timer_request(utterance.core)
    if wanted is None:
        return None
    seconds, label = wanted
    shown = calendar_skills.duration_words(min(seconds, 10**7))
    if not turn.supports_timers:
        return SkillAnswer("timer", f"I can't keep a timer here, so I won't be able to call you in {shown}.")
    if seconds > calendar_skills.LONGEST_TIMER_S:
        return SkillAnswer("timer", "I can only keep timers of up to 24 hours.")
    purpose = f" to {memory.second_person(label)}" if label and "remind" in utterance.core else ""
    text = (
        f"Okay, I'll remind you{purpose} in {shown}." if purpose else f"Okay, your timer is set for {shown}."
    )
    return SkillAnswer("timer", text, seconds, label)


def _talk(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    history = turn.history
    spoken = utterance.core
    tell = re.sub(r"^(?:please )?(?:can you |could you |would you )?(?:please )?", "", utterance.norm)
    return (
        _answer("repeat", talk.repeat(spoken, history))
        or _answer("count", talk.count(spoken))
        or _answer("spell", talk.spell(spoken))
        or _answer("list", talk.alphabet(spoken) or talk.alphabet(tell))
        or _answer("echo", talk.echo(utterance.raw))
        or _answer("another", talk.another(spoken, history))
        or _answer("story", talk.tell_story(spoken, history))
        or _answer("joke", talk.joke(spoken, history))
        or _answer("poem", talk.poem(spoken, history))
        or _answer("ramble", talk.ramble(tell, history))
    )


def _memory(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    asked = memory.answer(utterance.core, turn.history)
    if asked is None and utterance.norm != utterance.core:
        asked = memory.answer(utterance.norm, turn.history)
    return _answer("memory", asked) or _answer("memory", memory.acknowledge(utterance.raw))


def _small(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    spoken = utterance.core
    # The name heard in "Hi Anna" is the assistant's, so only the history tells the user's.
    name = memory.recall(turn.history).name
    for words in (spoken, utterance.norm):
        stock = smalltalk.fixed(words)
        if stock is not None:
            return SkillAnswer(*stock)
        introduced = smalltalk.introduce(words, turn.instructions)
        if introduced is not None:
            return SkillAnswer("identity", introduced)
        greeted = smalltalk.greet(words, turn.now.hour, name)
        if greeted is not None:
            return SkillAnswer("greeting", greeted)
    return None


def _fact(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    asked = [entry.text for entry in turn.history if entry.role == "user"][:-1]
    previous = core(asked[-1]) if asked else ""
    reply = facts.answer(utterance.core, previous)
    if reply is None and utterance.norm != utterance.core:
        reply = facts.answer(re.sub(r"^(?:can|could|would) you (?:please )?", "", utterance.norm), previous)
    return _answer("fact", reply)


def _limit(utterance: Utterance, turn: BrainTurn) -> SkillAnswer | None:
    del turn
    found = smalltalk.limit(utterance.core)
    return SkillAnswer(f"limit:{found[0]}", found[1]) if found else None
