"""Questions with a certain answer, from ``facts_data``."""

from __future__ import annotations

import re
from functools import cache

from voicewire.engine.brain.calendar_skills import MONTHS, WEEKDAYS
from voicewire.engine.brain.facts_data import ANIMAL_SOUNDS, CAPITALS, COUNTRY_ALIASES, COUNTS, OPPOSITES
from voicewire.engine.brain.facts_questions import QUESTIONS
from voicewire.engine.brain.facts_topics import TOPIC_ALIASES, TOPICS
from voicewire.engine.brain.text import capitalise, sentences

_CAPITAL = re.compile(
    r"(?:(?:what|which|where)(?: city)? is |name |do you know )?(?:the )?(?:name of the )?capital(?: "
    r"city)? (?:of|in|for) (?P<a>[a-z ]+)"
    r"|what is (?P<b>[a-z ]+?)'s capital(?: city)?|(?:what|which) city is the capital of "
    r"(?P<c>[a-z ]+)|and (?:of|for) (?P<d>[a-z ]+)"
)
_FOLLOW_UP = re.compile(
    r"(?:and )?(?:what|how) about (?P<place>[a-z ]+)|(?:and )?(?:of|for) (?P<place2>[a-z ]+)|and "
    r"(?P<place3>[a-z ]+)"
)
_WHOSE_CAPITAL = re.compile(
    r"(?P<a>[a-z ,.]+) is the capital of (?:what|which)(?: country)?|(?:what|which) country(?: is|'s "
    r"capital is) (?P<b>[a-z ,.]+?)(?: in| the capital of)?|"
    r"(?:where|in (?:what|which) country) is (?P<c>[a-z ,.]+)"
)
_COUNT = re.compile(
    r"how many (?P<what>[a-z]+)(?: (?:are there|are|is there|make|do we have|has|have|does|do))?(?: "
    r"(?:in|on|of|make up))?(?: (?:an?|the|one)\b)? ?(?P<whole>[a-z ]*?)"
    r"(?: (?:have|has|got|there))?"
)
_SOUND = re.compile(
    r"what (?:sound |noise )?(?:does|do) (?:a |an |the )?(?P<who>[a-z]+?)s? (?:say|make|go)(?: when "
    r".*)?|what is the sound of (?:a |an )?(?P<who2>[a-z]+)"
)
_OPPOSITE = re.compile(r"(?:what is )?(?:the )?opposite (?:of|to) (?P<word>[a-z]+)")
_ABOUT = re.compile(
    r"(?:please )?(?:tell me|talk|say something|tell us|speak|talk to me|give me some information|"
    r"can you tell me|explain|i want to (?:know|learn|hear))\s*(?:something |more |a (?:bit|little|"
    r"lot) |anything |everything |all )*(?:interesting )?"
    r"(?:about )?(?:an? |the |some )?(?P<topic>[a-z ]+?)(?: for (?:a (?:while|minute|bit)|\w+ "
    r"minutes?))?|what do you know about (?:an? |the )?(?P<topic2>[a-z ]+)"
)
_WHAT_IS = re.compile(
    r"what (?:is|are) (?:an? |the )?(?P<topic>[a-z ]+)|how does (?:an? |the )?(?P<topic2>[a-z ]+) work"
)
_NEXT = re.compile(
    r"(?:what|which) (?:day |month |number |letter )?(?:comes|is) (?P<side>after|before) (?P<word>[a-z]+)"
)

_WEEK: tuple[str, ...] = WEEKDAYS
_YEAR: tuple[str, ...] = MONTHS


def answer(core: str, previous: str = "") -> str | None:
    """Answer from the tables.

    Args:
        core: The question, as ``text.core`` leaves it.
        previous: The user's question before this one (for "and of Spain?"), the same way.

    Returns:
        One sentence, or several for "tell me about ..."; None when the tables do not hold it.
    """
    for rule in (_capital, _whose_capital, _count, _sound, _opposite, _neighbour, _listed, _topic):
        reply = rule(core)
        if reply is not None:
            return reply
    follow = _FOLLOW_UP.fullmatch(core)
    if follow and _CAPITAL.fullmatch(previous):
        return _capital_of(follow["place"] or follow["place2"] or follow["place3"])
    return None


def _capital(core: str) -> str | None:
    match = _CAPITAL.fullmatch(core)
    if match is None or match["d"]:
        return None
    return _capital_of(match["a"] or match["b"] or match["c"])


def _capital_of(place: str) -> str | None:
    country = COUNTRY_ALIASES.get(place, place)
    city = CAPITALS.get(country) or CAPITALS.get(country.removeprefix("the "))
    if city is None:
        return None
    return f"The capital of {_title(country)} is {city.rstrip('.')}."


def _title(country: str) -> str:
    return " ".join(word if word in ("the", "of") else word.capitalize() for word in country.split())


def _whose_capital(core: str) -> str | None:
    match = _WHOSE_CAPITAL.fullmatch(core)
    if match is None:
        return None
    wanted = (match["a"] or match["b"] or match["c"]).strip()
    for country, city in CAPITALS.items():
        if city.lower() == wanted:
            verb = "is the capital of" if "capital" in core else "is in"
            return f"{city} {verb} {_title(country)}."
    return None


def _count(core: str) -> str | None:
    match = _COUNT.fullmatch(core.replace("metre", "meter").replace("colour", "color"))
    if match is None:
        return None
    what, whole = match["what"], re.sub(r"^(?:does|do|has|have) (?:an? |the )?", "", match["whole"].strip())
    for ending in (
        whole,
        whole.removesuffix("s"),
        re.sub(r"^(?:an?|the) ", "", whole),
        whole.removesuffix(" year") + " year",
    ):
        reply = COUNTS.get(f"{what} {ending}".strip())
        if reply is not None:
            return reply
    if what == "days" and whole in _YEAR:
        days = 30 if whole in ("april", "june", "september", "november") else 31
        return f"{whole.capitalize()} has {days} days."
    return None


def _sound(core: str) -> str | None:
    match = _SOUND.fullmatch(core)
    who = (match["who"] or match["who2"]) if match else ""
    sound = ANIMAL_SOUNDS.get(who)
    article = "An" if who[:1] in ("a", "e", "i", "o", "u") else "A"
    return f"{article} {who} says {sound}." if sound else None


@cache
def _opposites() -> dict[str, str]:
    pairs = [(first, second) for first, second in (pair.split() for pair in OPPOSITES.split("|"))]
    return {second: first for first, second in reversed(pairs)} | dict(reversed(pairs))


def _opposite(core: str) -> str | None:
    match = _OPPOSITE.fullmatch(core)
    other = _opposites().get(match["word"]) if match else None
    return f"The opposite of {match['word']} is {other}." if match and other else None


def _neighbour(core: str) -> str | None:
    match = _NEXT.fullmatch(core)
    if match is None:
        return None
    step = 1 if match["side"] == "after" else -1
    for names in (_WEEK, _YEAR):
        if match["word"] in names:
            name = names[(names.index(match["word"]) + step) % len(names)]
            return f"{name.capitalize()} comes {match['side']} {match['word'].capitalize()}."
    return None


@cache
def _questions() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), reply) for pattern, reply in QUESTIONS)


def _listed(core: str) -> str | None:
    for pattern, reply in _questions():
        if pattern.fullmatch(core):
            return reply
    return None


def _topic(core: str) -> str | None:
    asked = _WHAT_IS.fullmatch(core)
    if asked:
        text = _about(asked["topic"] or asked["topic2"])
        return " ".join(sentences(text)[:2]) if text else None
    told = _ABOUT.fullmatch(core)
    text = _about(told["topic"] or told["topic2"]) if told else None
    if text:
        return text
    if told and (told["topic"] or told["topic2"]):
        place = told["topic"] or told["topic2"]
        city = _capital_of(place)
        return (
            f"I don't know much about {_title(place)}, but I know its capital. {capitalise(city)}"
            if city
            else None
        )
    return None


def _about(topic: str) -> str | None:
    for name in (topic, topic.removesuffix("s"), topic.removesuffix("es")):
        text = TOPICS.get(TOPIC_ALIASES.get(name, name))
        if text is not None:
            return text
    return None
