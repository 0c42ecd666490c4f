"""Filling a tool's arguments from the words of the utterance.

The small model chooses tools well and fills arguments badly, so arguments come from the user's own words. A
value that is not grounded in the utterance is never made up: a required argument that cannot be found is
reported as missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from voicewire.engine.brain.calendar_skills import MONTHS, WEEKDAYS, duration_s
from voicewire.engine.brain.numbers import read_number
from voicewire.engine.brain.text import normalise

if TYPE_CHECKING:
    from voicewire.engine.brain.base import JsonSchema, ToolSpec

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value]"
"""A JSON value that can stand in an argument."""

_PLACE_KEYS: Final = frozenset(
    (
        "city location place town country region area destination origin address state where zone room "
        "district airport station"
    ).split()
)
_PERSON_KEYS: Final = frozenset(
    (
        "name person contact recipient to user customer guest friend attendee receiver who username "
        "sender patient author artist"
    ).split()
)
_TEXT_KEYS: Final = frozenset(
    "query q question text message content body prompt topic term search keyword keywords "
    "description note input subject title "
    "task reason item request song phrase sentence expression what data string value".split()
)
_DATE_KEYS: Final = frozenset("date day when datetime weekday".split())
_TIME_KEYS: Final = frozenset("time hour".split())
_SECONDS_IN: Final = {
    "seconds": 1,
    "second": 1,
    "secs": 1,
    "sec": 1,
    "s": 1,
    "minutes": 60,
    "minute": 60,
    "mins": 60,
    "min": 60,
    "hours": 3600,
    "hour": 3600,
}

_STOP: Final = (
    "today tonight tomorrow yesterday now please right currently this next last for in on at from to "
    "with and or but like be is are "
    "was will would by of about using thanks degrees celsius fahrenheit outside there here if when "
    "until that which who as then "
    "look looking saying says telling reading going gonna do does did tell"
).split()
_ARTICLE = re.compile(r"^(?:the|a|an|my|our|your|some|all|of)\s+")
_OFF: Final = re.compile(r"\b(?:off|disable|disabled|deactivate|stop|false|no|without|close|mute)\b")
_ON: Final = re.compile(r"\b(?:on|enable|enabled|activate|start|true|yes|with|open)\b")
_DAY_WORD: Final = re.compile(
    rf"\b(?:today|tonight|tomorrow|yesterday|(?:next |this |last )?(?:{'|'.join(WEEKDAYS)}|week|"
    rf"weekend|month)|\d{{4}}-\d\d-\d\d|"
    rf"(?:{'|'.join(MONTHS)}) \d{{1,2}}(?:st|nd|rd|th)?|(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? "
    rf"(?:{'|'.join(MONTHS)}))\b"
)
_CLOCK: Final = re.compile(
    r"\b(?:\d{1,2}(?::\d\d)?\s?(?:a\.?m\.?|p\.?m\.?)|\d{1,2}:\d\d|noon|midnight|\d{1,2} o'clock)(?!\w)",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL: Final = re.compile(r"https?://\S+|\bwww\.\S+")
_CODE: Final = re.compile(r"\b(?=[\w-]*\d)[A-Za-z0-9][\w-]*\b")
_QUOTED: Final = re.compile(r"[\"\u201c]([^\"\u201d]+)[\"\u201d]")
_DICTATED: Final = re.compile(
    r"\b(?:saying|that says|which says|telling (?:him|her|them)(?: that)?|reading)\s+(.+)$", re.IGNORECASE
)
_REQUEST_VERBS: Final = re.compile(
    r"^(?:(?:can|could|would|will) you |please |i want (?:you )?to |i would like (?:you )?to |i need "
    r"(?:you )?to |let us |tell me |"
    r"(?:what|who|where|when|how) (?:is|are|was|were|do|does) )*(?:(?:do|make) (?:a |an )?)?"
    r"(?:get|find|search|look up|look|show|give|send|write|add|create|set|play|tell|ask|check|fetch|"
    r"order|buy|book|call|remind|save|"
    r"read|open|start|run|query|google|say|echo|translate|note|put|calculate|compute|evaluate|"
    r"summarize|define|explain)?(?: me| us| up| out)?(?: for| about| that| to)?\s*"
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What could be filled."""

    arguments: dict[str, Value]
    missing: tuple[str, ...]
    """Required arguments without a value."""
    found: int
    """How many arguments were found in the utterance."""


def properties(tool: ToolSpec) -> dict[str, JsonSchema]:
    """The tool's arguments with their schemas; empty when the schema has none."""
    found = tool.parameters.get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {
        str(name): cast("JsonSchema", schema)
        for name, schema in cast("Mapping[object, object]", found).items()
        if isinstance(schema, Mapping)
    }


def required(tool: ToolSpec) -> tuple[str, ...]:
    """Names of the arguments that must be there."""
    return tuple(str(name) for name in _listed(tool.parameters.get("required")) or ())


def _listed(value: object) -> Sequence[Value] | None:
    """A JSON array; None for anything else."""
    return cast("Sequence[Value]", value) if isinstance(value, (list, tuple)) else None


def words_of(identifier: str) -> list[str]:
    """``getWeather_forCity`` as ``get weather for city``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+", " ", identifier)
    return spaced.lower().split()


def fill(tool: ToolSpec, utterance: str) -> Filled:
    """Fill the tool's arguments from the utterance.

    Args:
        tool: The tool, with its JSON schema.
        utterance: What the user said, with the recogniser's capitals.
    """
    arguments: dict[str, Value] = {}
    needed = required(tool)
    schemas = properties(tool)
    # A tool's own words are never the value of an argument: "the stock price of Apple" is about Apple.
    own = set(words_of(tool.name))
    taken = own | {" ".join(words_of(tool.name)), " ".join(words_of(tool.name)[1:])}
    for name in sorted(schemas, key=lambda key: (_is_free_text(key, schemas[key]), key not in needed)):
        value = _value(name, schemas[name], utterance, taken, is_required=name in needed)
        if isinstance(value, str) and _is_free_text(name, schemas[name]):
            value = _without_tool_words(value, own)
        if value is not None:
            arguments[name] = value
            taken.add(str(value).lower())
    found = len(arguments)
    for name in needed:
        schema = schemas.get(name, {})
        if name not in arguments and "default" in schema:
            arguments[name] = schema["default"]
    ordered = {name: arguments[name] for name in schemas if name in arguments}
    return Filled(ordered, tuple(name for name in needed if name not in ordered), found)


def is_grounded(value: object, utterance: str) -> bool:
    """Whether every word and number of ``value`` was said."""
    said = set(normalise(utterance).split())
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return value in _numbers(utterance)
    if isinstance(value, str):
        words = normalise(value).split()
        return bool(words) and all(word in said for word in words)
    return False


def _is_free_text(name: str, schema: JsonSchema) -> bool:
    return _kind(schema) == "string" and "enum" not in schema and bool(_TEXT_KEYS & set(words_of(name)))


def _kind(schema: JsonSchema) -> str:
    kind = schema.get("type")
    if (kinds := _listed(kind)) is not None:
        return next((str(one) for one in kinds if one != "null"), "string")
    if kind is None:
        options = _listed(schema.get("anyOf") or schema.get("oneOf"))
        if options is not None:
            schemas = (cast("JsonSchema", one) for one in options if isinstance(one, Mapping))
            return next((_kind(one) for one in schemas if one.get("type") != "null"), "string")
    return str(kind) if kind is not None else "string"


def _value(
    name: str, schema: JsonSchema, utterance: str, taken: set[str], *, is_required: bool
) -> Value | None:
    choices = _listed(schema.get("enum"))
    if choices is not None:
        return _choice([str(choice) for choice in choices], choices, utterance)
    if "const" in schema:
        constant: Value = schema["const"]
        return constant
    kind = _kind(schema)
    if kind == "boolean":
        return _flag(utterance)
    if kind in ("integer", "number"):
        return _number(name, schema, utterance, kind, taken)
    if kind == "array":
        items: object = schema.get("items")
        inner: JsonSchema = cast("JsonSchema", items) if isinstance(items, Mapping) else {}
        return _array(name, inner, utterance, taken)
    if kind == "string":
        return _string(name, schema, utterance, taken, is_required=is_required)
    return None


def _choice(spellings: list[str], values: Sequence[Value], utterance: str) -> Value | None:
    said = f" {normalise(utterance)} "
    best: tuple[int, Value] | None = None
    for spelling, value in zip(spellings, values, strict=True):
        words = " ".join(words_of(spelling))
        stem = re.escape(words.removesuffix("s"))
        match = re.search(rf"\b{stem}(?:s|es|ed|er)?\b", said)
        if match and (best is None or len(words) > best[0]):
            best = (len(words), value)
    if best is not None:
        return best[1]
    lowered = {spelling.lower(): value for spelling, value in zip(spellings, values, strict=True)}
    for pattern, names in (
        (_OFF, ("off", "false", "disable", "close", "stop")),
        (_ON, ("on", "true", "enable", "open", "start")),
    ):
        if pattern.search(said):
            return next((lowered[name] for name in names if name in lowered), None)
    return None


def _flag(utterance: str) -> bool | None:
    said = normalise(utterance)
    if _OFF.search(said):
        return False
    return True if _ON.search(said) else None


def _numbers(utterance: str) -> list[float]:
    return [value for value, _, _ in _numbers_in_place(utterance)]


def _numbers_in_place(utterance: str) -> list[tuple[float, str, str]]:
    """Numbers said, each with the word before and the word after it."""
    line = re.sub(r"(?<=\d)(?=[a-z%])", " ", re.sub(r"(?<=\d),(?=\d{3}\b)", "", utterance.lower()))
    words = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", normalise(line)).split()
    found: list[tuple[float, str, str]] = []
    index = 0
    while index < len(words):
        token = words[index]
        is_negative = token.startswith("-") and token[1:2].isdigit()
        if is_negative:
            words[index] = token[1:]
        read = read_number(words, index)
        if read is None:
            index += 1
            continue
        value = float(read[0])
        before = words[index - 1] if index else ""
        is_negative = is_negative or before in ("minus", "negative")
        found.append(
            (-value if is_negative else value, before, words[read[1]] if read[1] < len(words) else "")
        )
        index = read[1]
    return found


def _number(name: str, schema: JsonSchema, utterance: str, kind: str, taken: set[str]) -> int | float | None:
    wanted = words_of(name)
    unit = next((_SECONDS_IN[word] for word in wanted if word in _SECONDS_IN), None)
    if unit is None and {"duration", "timeout", "delay"} & set(wanted):
        unit = 1
    if unit is not None:
        match = re.search(
            (
                r"(?:\bfor|\bin|\bof|^|\ba|\bset)?\s*((?:(?:\d[\d.]*|[a-z-]+) )*?(?:seconds?|minutes?|"
                r"hours?)(?: and (?:a half|[a-z\d ]+(?:seconds?|minutes?)))?)\b"
            ),
            normalise(utterance),
        )
        seconds = _longest_duration(match[1]) if match else None
        if seconds is not None:
            return _in_range(seconds / unit, schema, kind)
    candidates = [
        entry for entry in _numbers_in_place(utterance) if _in_range(entry[0], schema, kind) is not None
    ]
    free = [
        entry for entry in candidates if str(_in_range(entry[0], schema, kind)) not in taken
    ] or candidates
    for value, before, after in free:
        if any(
            word.rstrip("s") and word.rstrip("s") in (before.rstrip("s"), after.rstrip("s"))
            for word in wanted
        ):
            return _in_range(value, schema, kind)
    if not free:
        return None
    preferred = next((value for value, before, _ in free if before in ("to", "at", "for")), free[0][0])
    return _in_range(preferred, schema, kind)


def _longest_duration(words: str) -> int | None:
    tokens = words.split()
    for start in range(len(tokens)):
        seconds = duration_s(" ".join(tokens[start:]))
        if seconds is not None:
            return seconds
    return None


def _in_range(value: float, schema: JsonSchema, kind: str) -> int | float | None:
    if kind == "integer" and value != int(value):
        return None
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, (int, float)) and value < low:
        return None
    if isinstance(high, (int, float)) and value > high:
        return None
    return int(value) if value == int(value) else value


def _array(name: str, inner: JsonSchema, utterance: str, taken: set[str]) -> list[Value] | None:
    kind = _kind(inner)
    if kind in ("integer", "number"):
        return [
            found for value in _numbers(utterance) if (found := _in_range(value, inner, kind)) is not None
        ] or None
    choices = _listed(inner.get("enum"))
    if choices is not None:
        said = f" {normalise(utterance)} "
        return [choice for choice in choices if f" {' '.join(words_of(str(choice)))} " in said] or None
    text = (
        _tail(utterance)
        if _TEXT_KEYS & set(words_of(name))
        else _string(name, inner, utterance, taken, is_required=True)
    )
    if not text:
        return None
    parts = [part.strip() for part in re.split(r",| and ", text) if part.strip()]
    return list(parts) or None


def _string(
    name: str, schema: JsonSchema, utterance: str, taken: set[str], *, is_required: bool
) -> str | None:
    keys = set(words_of(name))
    pattern = schema.get("format")
    for regex, wanted in ((_EMAIL, "email"), (_URL, "url"), (_URL, "uri"), (_URL, "link")):
        if wanted in keys or pattern == wanted:
            match = regex.search(utterance)
            return match[0].rstrip(".,?!") if match else None
    said = normalise(utterance)
    for regex, wanted_keys in ((_DAY_WORD, _DATE_KEYS), (_CLOCK, _TIME_KEYS)):
        if keys & wanted_keys:
            match = regex.search(said) or regex.search(utterance)
            return match[0] if match else None
    if keys & {"id", "number", "code", "phone", "reference", "sku", "isbn", "zip", "zipcode", "pin"}:
        match = _CODE.search(re.sub(r"\.(?=\s|$)", "", utterance))
        return match[0] if match else None
    if keys & {"unit", "units", "format"}:
        match = re.search(r"\b(celsius|fahrenheit|kelvin|metric|imperial)\b", said)
        return match[0] if match else None
    if "timezone" in keys or keys & _PLACE_KEYS:
        return _place(keys, utterance, taken)
    dictated = _DICTATED.search(utterance)
    if dictated and keys & {"message", "text", "body", "content", "note"}:
        return dictated[1].strip().rstrip(".?!")
    named = _named(name, utterance)
    if named is not None:
        return named
    if keys & _PERSON_KEYS:
        return _after(
            utterance,
            "named|called|to|call|for|with|by|email|message|text|name is|i am|phone|dial|ring|user",
            taken,
        )
    if keys & {"language", "lang"}:
        return _after(utterance, "in|into|to|from", taken)
    quoted = _QUOTED.search(utterance)
    if quoted:
        return quoted[1]
    if keys & _TEXT_KEYS:
        return _tail(utterance) if is_required else None
    return _after(utterance, "for|of|about|to|in|on|at|with|from|the", taken) if is_required else None


def _without_tool_words(text: str, own: set[str]) -> str:
    """Drop the tool's own words: "some music by Mozart" for ``play_music`` is "Mozart"."""
    words = text.split()
    index = 0
    while index < len(words) and words[index].lower() in own | {
        "the",
        "some",
        "a",
        "an",
        "my",
        "internet",
        "online",
    }:
        index += 1
    if (
        index
        and index < len(words)
        and words[index].lower()
        in ("by", "for", "about", "called", "named", "of", "from", "to", "that", "on")
    ):
        index += 1
    is_tool_named = any(word.lower() in own for word in words[:index])
    return " ".join(words[index:]) if is_tool_named and index < len(words) else text


def _named(name: str, utterance: str) -> str | None:
    """``subject`` from "... with the subject holiday plans": the words after the argument's own name."""
    label = r"\W+".join(re.escape(word) for word in words_of(name))
    match = re.search(
        rf"\b{label}\b(?:\s+(?:is|to|of|called|named|as|saying|that says))?:?\s+(?P<value>[^,.?!]+)",
        utterance,
        re.IGNORECASE,
    )
    return _cut(match["value"]) if match else None


def _place(keys: set[str], utterance: str, taken: set[str]) -> str | None:
    if "origin" in keys or "from" in keys or "departure" in keys:
        return _after(utterance, "from|leaving", taken)
    if "destination" in keys or "arrival" in keys:
        return _after(utterance, "to|for", taken)
    found = _after(utterance, "in|at|near|around|for|of|to|from", taken)
    if found is not None:
        return found
    proper = [
        match[0]
        for match in re.finditer(r"(?<=\s)[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)*", utterance)
        if match[0] != "I"
    ]
    return next(
        (place for place in proper if place.lower() not in taken and place.lower() not in WEEKDAYS), None
    )


def _after(utterance: str, prepositions: str, taken: set[str]) -> str | None:
    """The words after the last preposition of the list that has a usable object."""
    candidates: list[tuple[bool, int, str]] = []
    for match in re.finditer(rf"\b(?:{prepositions})\s+(?=(?P<object>[^,.?!;]+))", utterance, re.IGNORECASE):
        value = _cut(match["object"])
        if (
            value
            and value.lower() not in taken
            and not re.fullmatch(r"me|us|you|it|that|today|tomorrow", value.lower())
        ):
            candidates.append((any(word[:1].isupper() for word in value.split()), -match.start(), value))
    # A proper name wins over a common noun; among equals the first one said wins.
    return max(candidates)[2] if candidates else None


def _cut(words: str) -> str:
    """The object of a preposition without its article, up to the next small word."""
    kept: list[str] = []
    for word in _ARTICLE.sub("", words.strip()).split():
        bare = word.strip(",.?!;:\"'").lower()
        if bare in _STOP and not (kept and word[:1].isupper()):
            break
        kept.append(word.strip(',.?!;:"'))
    return re.sub(r"'s$", "", " ".join(kept))


def _tail(utterance: str) -> str | None:
    """The utterance without its request words: "search for cheap flights" is "cheap flights"."""
    text = re.sub(r"\s+", " ", utterance.strip()).rstrip(".?! ")
    lowered = text.lower()
    plain = re.sub(r"\b(?:please|thanks|thank you)\b", lambda match: "\0" * len(match[0]), lowered)
    match = _REQUEST_VERBS.match(plain)
    rest = text[match.end() :] if match else text
    rest = re.sub(r"(?i)\b(?:please|thanks|thank you)\b", "", rest)
    rest = re.sub(r"\s+", " ", rest).strip(' ,.?!:"')
    return rest or text or None
