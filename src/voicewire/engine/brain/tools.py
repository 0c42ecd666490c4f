"""Which of the user's tools an utterance asks for, by a cheap gate and without a model wherever it is clear.

The gate compares words: those of the utterance with those of each tool's name, description, argument names
and choices. Talk that asks for no tool costs microseconds and calls nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voicewire.engine.brain import slots
from voicewire.engine.brain.text import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voicewire.engine.brain.base import BrainTurn, ToolSpec

CLEAR: Final = 3.0
"""From this score on, a tool is meant."""
POSSIBLE: Final = 1.5
"""From this score on, a tool may be meant: skills go first, then the model decides."""
_NEAR: Final = 0.75
"""Tools within this share of the best score are rivals."""
_MOST_RIVALS: Final = 5

_GENERIC: Final = frozenset(
    "get set do make run fetch find search lookup look check tool function current currently info "
    "information data user value values "
    "the a an of for to in on at by with and or from is are be it this that given return returns use "
    "used when what which who how "
    "you your me my i we us our can will would could please tell give show list all any some new "
    "specific provided string name "
    "number about want need know now today one as if not no yes type id item items details request "
    "call calls query result results "
    "perform execute handle process update read write create add delete remove api service based "
    "optional e g etc must should like "
    "was were has have had did does there here just than then them they he she its into out up".split()
)
_ACTIONS: Final = frozenset(
    "search find add create delete remove send call play book order cancel read write update".split()
)
_SYNONYMS: Final = (
    (
        "weather forecast temperature rain raining rainy sunny umbrella snow snowing cold hot warm "
        "degrees climate cloudy windy"
    ),
    "time clock hour o'clock",
    "date day today calendar",
    "light lights lamp lamps bulb",
    "email mail message",
    "music song playlist track album",
    "price cost expensive much",
    "stock share shares quote",
    "flight flights fly plane",
    "restaurant restaurants dinner table eat",
    "calculate calculator compute sum math arithmetic multiply add plus minus times divided",
    "timer countdown alarm",
    "remind reminder reminders",
    "translate translation translator",
    "news headlines",
    "distance far",
    "shop store buy purchase order",
    "meeting appointment schedule event book",
    "thermostat heating temperature",
    "weigh weight heavy",
    "phone call dial ring",
    "dice die roll",
    "coin flip toss",
    "secret password",
)
_GROUP: Final[dict[str, frozenset[int]]] = {}
for _index, _line in enumerate(_SYNONYMS):
    for _word in _line.split():
        _GROUP[_word] = _GROUP.get(_word, frozenset()) | {_index}

_REQUEST = re.compile(
    r"^(?:(?:um|uh|so|okay|ok|hey|hi|hello|please|and|now|well|yes|then|also|great|thanks|computer|"
    r"assistant)\s+)*"
    r"(?:what|who|where|when|which|how|is|are|will|do|does|did|can|could|would|should|may|any|tell|"
    r"give|show|let us|i want|i would|i need|"
    r"we need|we want|i am looking|i have to|help|(?!i\b|we\b|it\b|that\b|he\b|she\b|they\b|you\b|"
    r"my\b|this\b|there\b|the\b|your\b|if\b|because\b)[a-z]+)\b"
)
_PAST = re.compile(r"^(?:i|we|he|she|they|it) (?!want|need|would|am looking|have to)\w+")
_CLAUSE = re.compile(
    r"[,.?!;]?\s+(?:and then|and also|and|then|also)\s+(?=(?:what|how|who|where|when|tell|turn|"
    r"switch|set|play|call|send|get|give|show|check|"
    r"add|remind|open|close|start|stop|book|find|search|is|can|could|please|do)\b)|(?<=[.?!;])\s+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Match:
    """One tool, how well it fits, and its arguments as far as the utterance gives them."""

    tool: ToolSpec
    score: float
    filled: slots.Filled


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is ready to be made."""

    name: str
    arguments: Mapping[str, slots.Value]

    @property
    def arguments_json(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the gate found for a turn; at most one of the fields is set."""

    calls: tuple[Call, ...] = ()
    """Calls that are clear, with all their required arguments."""
    ask: str = ""
    """A question to the user for the one argument that is missing."""
    rivals: tuple[Match, ...] = ()
    """Tools between which a model should decide, best first."""


def offered(turn: BrainTurn) -> tuple[ToolSpec, ...]:
    """The tools that may be called in this turn, after ``tool_choice``."""
    if turn.tool_choice == "none" or not turn.tools:
        return ()
    if turn.tool_choice in ("auto", "required"):
        return turn.tools
    return tuple(tool for tool in turn.tools if tool.name == turn.tool_choice)


def is_forced(turn: BrainTurn) -> bool:
    """Whether this turn must end in a call."""
    return turn.tool_choice not in ("auto", "none") and bool(offered(turn))


def plan(turn: BrainTurn) -> Plan:
    """Decide by words alone which tools the user's last utterance asks for."""
    candidates = offered(turn)
    if not candidates:
        return Plan()
    if is_forced(turn):
        return _forced(candidates, turn.utterance)
    pending = _pending(turn)
    if pending is not None:
        return pending
    matches = [rank(part, candidates) for part in clauses(turn.utterance)]
    clear = [found[0] for found in matches if found and found[0].score >= CLEAR and _is_alone(found)]
    complete = [match for match in clear if not match.filled.missing]
    if complete and len(complete) == len(clear):
        unique = {(match.tool.name, str(match.filled.arguments)): match for match in complete}
        return Plan(calls=tuple(Call(match.tool.name, match.filled.arguments) for match in unique.values()))
    rivals = rank(turn.utterance, candidates)
    if rivals and rivals[0].score >= CLEAR and _is_alone(rivals):
        best = rivals[0]
        if not best.filled.missing:
            return Plan(calls=(Call(best.tool.name, best.filled.arguments),))
        if _can_be_asked(best):
            return Plan(ask=question_for(best.filled.missing[0]))
    close = (
        [match for match in rivals if match.score >= max(POSSIBLE, rivals[0].score * _NEAR)] if rivals else []
    )
    return Plan(rivals=tuple(close[:_MOST_RIVALS]))


def _forced(candidates: tuple[ToolSpec, ...], utterance: str) -> Plan:
    ranked = sorted((_match(tool, utterance) for tool in candidates), key=_order)
    best = ranked[0]
    if len(ranked) == 1 or (best.score >= POSSIBLE and _is_alone(ranked)):
        return Plan(calls=(complete(best, utterance),))
    return Plan(rivals=tuple(ranked[:_MOST_RIVALS]))


def complete(match: Match, utterance: str) -> Call:
    """A call that must be made: missing texts get the utterance, other types a neutral value."""
    arguments: dict[str, slots.Value] = dict(match.filled.arguments)
    schemas = slots.properties(match.tool)
    for name in match.filled.missing:
        schema = schemas.get(name, {})
        choices = schema.get("enum")
        neutral: dict[str, slots.Value] = {
            "integer": 0,
            "number": 0,
            "boolean": True,
            "array": [],
            "object": {},
        }
        if isinstance(choices, (list, tuple)) and choices:
            arguments[name] = choices[0]
        else:
            arguments[name] = neutral.get(str(schema.get("type")), utterance.strip())
    return Call(match.tool.name, arguments)


def rank(utterance: str, candidates: tuple[ToolSpec, ...]) -> list[Match]:
    """All tools that may be meant, best first."""
    if not _asks(utterance):
        return []
    matches = sorted((_match(tool, utterance) for tool in candidates), key=_order)
    return [match for match in matches if match.score >= POSSIBLE]


def clauses(utterance: str) -> list[str]:
    """Cut "the weather in Rome, and turn on the lamp" into its requests."""
    return [part.strip() for part in _CLAUSE.split(utterance.strip()) if part and part.strip()] or [utterance]


def question_for(argument: str) -> str:
    """The question that asks the user for a missing argument."""
    return f"Which {' '.join(slots.words_of(argument))} should I use?"


def _can_be_asked(match: Match) -> bool:
    """Whether to ask: "Which city should I use?" helps, "Which b should I use?" does not."""
    name = match.filled.missing[0]
    kind = slots.properties(match.tool).get(name, {}).get("type", "string")
    return len(match.filled.missing) == 1 and kind == "string" and len(name) > 2


def _is_alone(ranked: list[Match]) -> bool:
    if len(ranked) < 2 or ranked[1].score < POSSIBLE:
        return True
    best, second = ranked[0], ranked[1]
    if _fit(second) < _fit(best) * _NEAR:
        return True
    is_better_filled = not best.filled.missing and (
        bool(second.filled.missing) or best.filled.found > second.filled.found
    )
    return is_better_filled or (_fit(best) - _fit(second) >= 1.0 and best.filled.found >= second.filled.found)


def _fit(match: Match) -> float:
    """The score, less what a missing argument costs against a rival that has all of its own."""
    return match.score - 0.7 * len(match.filled.missing)


def _order(match: Match) -> tuple[float, int, int]:
    return (-_fit(match), len(match.filled.missing), -match.filled.found)


def _match(tool: ToolSpec, utterance: str) -> Match:
    filled = slots.fill(tool, utterance)
    return Match(tool, score(tool, utterance, filled), filled)


def _asks(utterance: str) -> bool:
    words = normalise(utterance)
    return not _PAST.match(words) and (bool(_REQUEST.match(words)) or len(words.split()) <= 3)


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word.removesuffix("e") if len(word) > 4 else word


def _same(word: str, other: str) -> float:
    if word == other:
        return 1.0
    if _stem(word) == _stem(other) or _stem(word) == other.removesuffix("e"):
        return 0.9
    return 0.8 if _GROUP.get(word, frozenset()) & _GROUP.get(other, frozenset()) else 0.0


def _hit(word: str, said: list[str]) -> float:
    return max((_same(word, other) for other in said), default=0.0)


def score(tool: ToolSpec, utterance: str, filled: slots.Filled) -> float:
    """How well the words of an utterance fit a tool: 0 not at all, ``POSSIBLE``, ``CLEAR`` and above.

    A whole name that was said counts most; words of the description, of argument names and of choices add a
    little.
    """
    spoken = normalise(utterance).split()
    said = [word for word in spoken if word not in _GENERIC]
    name_words = slots.words_of(tool.name)
    keys = [word for word in name_words if word not in _GENERIC]
    total = 0.0
    if keys:
        total += 3.2 * sum(_hit(key, said) for key in keys) / len(keys)
    elif name_words:
        # A name of common words only ("add", "search") must be said nearly as it is.
        total += 2.8 * sum(_hit(word, spoken) > 0.85 for word in name_words) / len(name_words)
    actions = [word for word in name_words if word in _ACTIONS]
    total += 0.4 * sum(_hit(word, spoken) > 0.85 for word in actions)
    described = {
        word for word in normalise(tool.description).split() if word not in _GENERIC and len(word) > 2
    }
    total += min(2.4, 0.8 * sum(_hit(word, said) for word in described if word not in keys))
    schemas = slots.properties(tool)
    for argument, schema in schemas.items():
        words = [word for word in slots.words_of(argument) if word not in _GENERIC]
        total += 0.4 * max((_hit(word, said) for word in words), default=0.0)
        if isinstance(schema.get("enum"), (list, tuple)) and argument in filled.arguments:
            total += 0.8
    return total


def _pending(turn: BrainTurn) -> Plan | None:
    """The first request completed by this answer, when the last thing said was our question."""
    users = [index for index, entry in enumerate(turn.history) if entry.role == "user"]
    if len(users) < 2 or users[-1] == 0:
        return None
    asked = turn.history[users[-1] - 1]
    first, reply = turn.history[users[-2]].text, turn.utterance
    if asked.role != "assistant":
        return None
    for match in rank(first, offered(turn)):
        missing = match.filled.missing
        if not missing or asked.text.strip() != question_for(missing[0]):
            continue
        value = reply.strip().rstrip(".?!")
        direct = slots.fill(match.tool, f"{first.rstrip('.?! ')} for {value}")
        joined = {**direct.arguments, **match.filled.arguments}
        if (
            missing[0] not in joined
            and slots.properties(match.tool).get(missing[0], {}).get("type", "string") == "string"
        ):
            joined[missing[0]] = value
        if all(name in joined for name in slots.required(match.tool)):
            return Plan(calls=(Call(match.tool.name, joined),))
    return None
