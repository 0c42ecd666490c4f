"""Saying what a tool returned, by template: the small model would change the numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from voicewire.engine.brain.slots import words_of
from voicewire.engine.brain.text import capitalise, listing

_SAYABLE: Final = (
    "spoken",
    "speech",
    "answer",
    "message",
    "summary",
    "text",
    "response",
    "result",
    "output",
    "content",
    "description",
    "value",
    "data",
)
_SUBJECTS: Final = (
    "city",
    "location",
    "place",
    "country",
    "name",
    "title",
    "item",
    "product",
    "symbol",
    "room",
    "device",
)
_QUIET: Final = frozenset(
    {"id", "uuid", "url", "success", "ok", "code", "timestamp", "units", "unit", "currency"}
)
_FINE: Final = ("ok", "okay", "success", "succeeded", "done", "completed", "200", "true")
_LONGEST_TEXT: Final = 600
_MOST_ITEMS: Final = 5


def speak(tool_name: str, output: str) -> str:
    """One or two sentences that say a tool's output.

    Args:
        tool_name: The tool, for outputs without words of their own.
        output: What the user's code returned: JSON or plain text.
    """
    text = output.strip()
    try:
        value: object = json.loads(text)
    except ValueError:
        return _sentence(text) if text else "Done."
    return _sentence(_say(tool_name, value))


def _sentence(text: str) -> str:
    flat = re.sub(r"\s+", " ", re.sub(r"[*_`#]+", "", text)).strip()
    if len(flat) > _LONGEST_TEXT:
        flat = flat[:_LONGEST_TEXT].rsplit(" ", 1)[0].rstrip(",;:")
    shown = capitalise(flat) or "Done."
    return shown if shown[-1] in ".!?" else f"{shown}."


def _say(tool_name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return _say_object(tool_name, _entries(cast("object", value)))
    if isinstance(value, (list, tuple)):
        return _say_list(cast("Sequence[object]", value))
    if value is None or value is True:
        return "Done."
    if value is False:
        return "That did not work."
    if isinstance(value, str):
        return value or "Done."
    topic = [
        word
        for word in words_of(tool_name)
        if word not in ("get", "fetch", "check", "find", "calculate", "compute", "lookup")
    ]
    return f"The {' '.join(topic)} is {_plain(value)}." if topic else f"The result is {_plain(value)}."


def _entries(value: object) -> dict[str, object]:
    return {str(key): entry for key, entry in cast("Mapping[object, object]", value).items()}


def _say_list(values: Sequence[object]) -> str:
    if not values:
        return "There is nothing."
    shown = [_brief(value) for value in values[:_MOST_ITEMS]]
    if len(values) == 1:
        return f"There is one: {shown[0]}."
    rest = f", and {len(values) - _MOST_ITEMS} more" if len(values) > _MOST_ITEMS else ""
    return f"There are {len(values)}: {listing(shown) if not rest else ', '.join(shown)}{rest}."


def _say_object(tool_name: str, fields: dict[str, object]) -> str:
    problem = fields.get("error") or fields.get("errors")
    if problem:
        return f"That did not work: {_brief(problem)}"
    weather = _weather(fields)
    if weather:
        return weather
    useful = {key: value for key, value in fields.items() if value not in (None, "", [], {})}
    for key in _SAYABLE:
        found = useful.get(key)
        if isinstance(found, str) and (len(useful) == 1 or " " in found.strip()):
            return found
        if found is not None and len(useful) == 1:
            return _say(tool_name, found)
    return _fields(useful)


def _fields(useful: dict[str, object]) -> str:
    loud = {
        key: value
        for key, value in useful.items()
        if key.lower() not in _QUIET
        and not (key.lower() == "status" and str(value).lower() in (*_FINE, "error", "failed"))
    }
    if not loud:
        is_failed = (
            useful.get("success") is False
            or useful.get("ok") is False
            or str(useful.get("status")).lower() in ("error", "failed")
        )
        return "That did not work." if is_failed else "Done."
    subject = next((key for key in _SUBJECTS if isinstance(loud.get(key), str) and len(loud) > 1), None)
    place = f"For {loud[subject]}: " if subject else ""
    unit = useful.get("unit") or useful.get("units") or useful.get("currency")
    pairs = [(key, value) for key, value in loud.items() if key != subject]
    if len(pairs) == 1 and not place:
        key, value = pairs[0]
        return (
            _say_list(cast("Sequence[object]", value))
            if isinstance(value, (list, tuple))
            else f"The {_label(key)} is {_measure(key, value, unit)}."
        )
    return place + listing([f"{_label(key)} {_measure(key, value, unit)}" for key, value in pairs[:8]]) + "."


def _weather(fields: dict[str, object]) -> str | None:
    degrees = next((key for key in fields if words_of(key)[:1] in (["temperature"], ["temp"])), None)
    if degrees is None:
        return None
    place = next(
        (fields[key] for key in ("city", "location", "place") if isinstance(fields.get(key), str)), None
    )
    sky = next(
        (
            fields[key]
            for key in ("condition", "conditions", "description", "weather", "sky", "summary", "forecast")
            if isinstance(fields.get(key), str)
        ),
        None,
    )
    amount = _measure(degrees, fields[degrees], unit=fields.get("unit") or fields.get("units"))
    where = f" in {place}" if place else ""
    rest = {
        key: value
        for key, value in fields.items()
        if value not in (place, sky, fields[degrees])
        and key.lower() not in _QUIET
        and not isinstance(value, (dict, list))
    }
    extra = (
        ", with "
        + listing([f"{_label(key)} {_measure(key, value)}" for key, value in list(rest.items())[:2]])
        if rest
        else ""
    )
    return f"It's {amount}{f' and {str(sky).lower()}' if sky else ''}{where}{extra}."


_UNIT_WORDS: Final = {
    "c": "degrees Celsius",
    "f": "degrees Fahrenheit",
    "celsius": "degrees Celsius",
    "fahrenheit": "degrees Fahrenheit",
    "percent": "percent",
    "pct": "percent",
    "kmh": "kilometers per hour",
    "kph": "kilometers per hour",
    "mph": "miles per hour",
    "km": "kilometers",
    "kg": "kilograms",
    "usd": "dollars",
    "eur": "euros",
    "minutes": "minutes",
    "seconds": "seconds",
    "hours": "hours",
    "ms": "milliseconds",
}


def _label(key: str) -> str:
    words = words_of(key)
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNIT_WORDS else words)


def _measure(key: str, value: object, unit: object = None) -> str:
    shown = _brief(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return re.sub(
            r"\s*°\s*C\b", " degrees Celsius", re.sub(r"\s*°\s*F\b", " degrees Fahrenheit", shown)
        ).replace("°", " degrees")
    words = words_of(key)
    named = (
        _UNIT_WORDS.get(str(unit).lower().lstrip("°"))
        if unit
        else _UNIT_WORDS.get(words[-1])
        if len(words) > 1
        else None
    )
    if named is None and words[:1] in (["temperature"], ["temp"]):
        named = "degrees"
    if named is None and words[-1:] == ["humidity"]:
        named = "percent"
    return f"{shown} {named}" if named else shown


def _brief(value: object) -> str:
    if isinstance(value, Mapping):
        fields = _entries(cast("object", value))
        name = next(
            (fields[key] for key in (*_SUBJECTS, *_SAYABLE) if isinstance(fields.get(key), str)), None
        )
        return (
            str(name)
            if name
            else listing([f"{_label(key)} {_brief(entry)}" for key, entry in list(fields.items())[:4]])
        )
    if isinstance(value, (list, tuple)):
        return listing([_brief(entry) for entry in cast("Sequence[object]", value)[:_MOST_ITEMS]])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 else str(value)
    return "nothing" if value is None else str(value)
