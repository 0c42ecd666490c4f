"""Time, date, day of the week, days until, and timers; the clock is the caller's."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from voicewire.engine.brain.numbers import ORDINALS, read_number

WEEKDAYS: Final[tuple[str, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
MONTHS: Final[tuple[str, ...]] = tuple(
    "january february march april may june july august september october november december".split()
)
LONGEST_TIMER_S: Final = 24 * 3600

_ZONES: Final = {
    "london": "Europe/London",
    "england": "Europe/London",
    "dublin": "Europe/Dublin",
    "paris": "Europe/Paris",
    "france": "Europe/Paris",
    "berlin": "Europe/Berlin",
    "germany": "Europe/Berlin",
    "madrid": "Europe/Madrid",
    "spain": "Europe/Madrid",
    "rome": "Europe/Rome",
    "italy": "Europe/Rome",
    "amsterdam": "Europe/Amsterdam",
    "vienna": "Europe/Vienna",
    "zurich": "Europe/Zurich",
    "athens": "Europe/Athens",
    "istanbul": "Europe/Istanbul",
    "moscow": "Europe/Moscow",
    "cairo": "Africa/Cairo",
    "lagos": "Africa/Lagos",
    "nairobi": "Africa/Nairobi",
    "johannesburg": "Africa/Johannesburg",
    "dubai": "Asia/Dubai",
    "delhi": "Asia/Kolkata",
    "mumbai": "Asia/Kolkata",
    "india": "Asia/Kolkata",
    "bangkok": "Asia/Bangkok",
    "singapore": "Asia/Singapore",
    "hong kong": "Asia/Hong_Kong",
    "shanghai": "Asia/Shanghai",
    "beijing": "Asia/Shanghai",
    "china": "Asia/Shanghai",
    "seoul": "Asia/Seoul",
    "tokyo": "Asia/Tokyo",
    "japan": "Asia/Tokyo",
    "sydney": "Australia/Sydney",
    "melbourne": "Australia/Melbourne",
    "auckland": "Pacific/Auckland",
    "new york": "America/New_York",
    "boston": "America/New_York",
    "toronto": "America/Toronto",
    "chicago": "America/Chicago",
    "denver": "America/Denver",
    "los angeles": "America/Los_Angeles",
    "san francisco": "America/Los_Angeles",
    "seattle": "America/Los_Angeles",
    "california": "America/Los_Angeles",
    "mexico city": "America/Mexico_City",
    "sao paulo": "America/Sao_Paulo",
    "buenos aires": "America/Argentina/Buenos_Aires",
}
_FIXED_DAYS: Final = {
    "christmas": (12, 25),
    "christmas day": (12, 25),
    "christmas eve": (12, 24),
    "new year": (1, 1),
    "new years": (1, 1),
    "new year's": (1, 1),
    "new year's day": (1, 1),
    "new year's eve": (12, 31),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
}
_TIME = re.compile(
    r"(?:what time is it(?: now| here)?|what is the (?:current )?time(?: now)?|what time it is(?: "
    r"now)?|(?:the )?(?:current )?time"
    r"|what is the time now|(?:do )?you have the time|(?:got|have you got) the time|give me the time|"
    r"what is the hour|tell the time"
    r"|what time do you have|what time is it now here)"
)
_TIME_IN = re.compile(
    r"(?:what time is it|what is the (?:current )?time|what time it is|(?:the )?time)(?: right)?(?: "
    r"now)? in (?P<place>[a-z ]+)"
)
_DATE = re.compile(
    r"(?:what is (?:the |today's |todays )(?:current )?date(?: today)?|what is the date of today|"
    r"today's date|the date(?: today)?"
    r"|what date is (?:it|today)(?: today)?|what day of the month is it|give me (?:the|today's) date)"
)
_DAY = re.compile(
    r"(?:what|which) (?:day|weekday)(?: of the week)? (?:is it(?: today)?|is today|it is(?: today)?|"
    r"are we)|what is today|what day today is"
    r"|what is the day(?: of the week)?(?: today)?|today is what day"
)
_RELATIVE = re.compile(
    r"(?:what|which)(?: is the)? (?P<what>day|date|weekday)(?: of the week)? (?:is it |is |was it |"
    r"was |will it be |will be )?(?:it )?"
    r"(?P<when>tomorrow|yesterday|the day after tomorrow|the day before yesterday)(?: be)?"
    r"|(?:what is|what was) (?P<bare>tomorrow|yesterday)(?:'s date)?"
)
_OFFSETS: Final = {
    "tomorrow": 1,
    "yesterday": -1,
    "the day after tomorrow": 2,
    "the day before yesterday": -2,
}
_UNTIL = re.compile(
    r"how (?:many days|long)(?: is it| are there| are left)? (?:until|till|to|before) (?P<what>.+)"
)
_WEEKDAY_OF = re.compile(
    r"(?:what|which) (?:day|weekday)(?: of the week)? (?:is|was|will be|does) (?P<what>.+?)(?: fall "
    r"on| be)?(?: this year)?"
)
_SECONDS: Final = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600}
_TIMER = re.compile(
    r"(?:(?:set|start|make|create|put on|begin|run|give me|i need)\s+)?(?:me )?(?:a |an |the |"
    r"another )?(?:countdown )?"
    r"(?:timer|alarm|countdown) (?:for|of|to|in) (?P<a>.+)"
    r"|(?:set|start|make|create|begin|run|give me|i need) (?:me )?(?:a |an |the |another "
    r")?(?P<b>.+?)[ -](?:timer|countdown|alarm)(?P<b_label> for .+)?"
    r"|(?:remind|wake|alert|tell|notify) me(?: up)? in (?P<c>.+?)(?P<label> (?:to|about|that) .+)?"
    r"|remind me (?P<d_label>(?:to|about|that) .+) in (?P<d>.+)"
)


def tell_time(core: str, now: datetime) -> str | None:
    """Answer "what time is it", also for some places when ``now`` knows its zone."""
    if _TIME.fullmatch(core):
        return f"It's {clock_words(now)}."
    elsewhere = _TIME_IN.fullmatch(core)
    if elsewhere is None:
        return None
    place = elsewhere["place"].strip()
    if place in ("here", "this place", "my place"):
        return f"It's {clock_words(now)}."
    zone = _ZONES.get(re.sub(r"^the ", "", place))
    named = " ".join(word.capitalize() for word in place.split())
    if zone is not None and now.tzinfo is not None:
        try:
            there = now.astimezone(ZoneInfo(zone))
        except ZoneInfoNotFoundError:
            there = None
        if there is not None:
            return f"It's {clock_words(there)} in {named}."
    return f"I only know the time here, which is {clock_words(now)}; I don't know it for {named}."


def tell_date(core: str, now: datetime) -> str | None:
    """Answer questions about today, nearby days, the month and the year."""
    today = now.date()
    if _DATE.fullmatch(core) or _DAY.fullmatch(core):
        return f"Today is {date_words(today)}."
    if re.fullmatch(
        r"(?:what|which) year is it(?: now)?|what is the (?:current )?year|what year are we in", core
    ):
        return f"It's {today.year}."
    if re.fullmatch(
        r"(?:what|which) month is it(?: now)?|what is the (?:current )?month|what month are we in", core
    ):
        return f"It's {MONTHS[today.month - 1].capitalize()}."
    relative = _RELATIVE.fullmatch(core)
    if relative is not None:
        when = relative["when"] or relative["bare"]
        offset = _OFFSETS[when]
        verb = "is" if offset > 0 else "was"
        return f"{when.capitalize()} {verb} {date_words(today + timedelta(days=offset))}."
    return _days_until(core, today) or _weekday_of(core, today)


def _days_until(core: str, today: date) -> str | None:
    match = _UNTIL.fullmatch(core)
    found = named_date(match["what"], today) if match else None
    if match is None or found is None:
        return None
    days, name = (found - today).days, match["what"]
    label = " ".join(word if word in ("the", "of") else word.capitalize() for word in name.split())
    if days == 0:
        return f"{label} is today."
    return f"It's {days} {'day' if days == 1 else 'days'} until {label}."


def _weekday_of(core: str, today: date) -> str | None:
    match = _WEEKDAY_OF.fullmatch(core)
    found = named_date(match["what"], today) if match else None
    if found is None:
        return None
    return (
        f"{MONTHS[found.month - 1].capitalize()} {found.day}, {found.year} is "
        f"a {WEEKDAYS[found.weekday()].capitalize()}."
    )


def named_date(words: str, today: date) -> date | None:
    """The next date called ``words`` (a holiday, "march 5", a weekday), or None."""
    name = re.sub(r"^(?:the|next|this) ", "", words.strip())
    if name in WEEKDAYS:
        return today + timedelta(days=(WEEKDAYS.index(name) - today.weekday()) % 7 or 7)
    month_day = _FIXED_DAYS.get(name)
    if month_day is None:
        pattern = (
            rf"(?:(?P<m>{'|'.join(MONTHS)}) (?:the )?(?P<d>\S+)|(?P<d2>\S+) (?:of "
            rf")?(?P<m2>{'|'.join(MONTHS)}))"
        )
        match = re.fullmatch(pattern, name)
        if match is None:
            return None
        day = _ordinal(match["d"] or match["d2"])
        if day is None:
            return None
        month_day = (MONTHS.index(match["m"] or match["m2"]) + 1, day)
    for year in range(today.year, today.year + 9):
        try:
            candidate = date(year, *month_day)
        except ValueError:
            continue
        if candidate >= today:
            return candidate
    return None


def _ordinal(word: str) -> int | None:
    digits = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", word)
    if digits:
        return int(digits[1])
    if word in ORDINALS:
        return ORDINALS[word]
    tens, _, ones = word.partition("-")
    if tens in ("twenty", "thirty") and ones in ORDINALS:
        return (20 if tens == "twenty" else 30) + ORDINALS[ones]
    number = read_number([word])
    return int(number[0]) if number else None


def duration_s(words: str) -> int | None:
    """Seconds in "an hour and a half" or "5 minutes and 30 seconds", or None."""
    tokens = re.sub(r"(\d)([a-z])", r"\1 \2", words.replace("-", " ")).split()
    total, index, last_unit = 0.0, 0, 0
    while index < len(tokens):
        if tokens[index] == "and" and index > 0:
            index += 1
            continue
        if tokens[index : index + 2] == ["a", "half"] and last_unit and index + 2 == len(tokens):
            total, index = total + last_unit / 2, index + 2
            continue
        amount, index = _amount(tokens, index)
        if amount is None:
            return None
        half_after = tokens[index : index + 3] == ["and", "a", "half"]
        index += 3 if half_after else 0
        unit = _SECONDS.get(tokens[index].rstrip("s")) if index < len(tokens) else None
        if unit is None:
            return None
        total += (amount + (0.5 if half_after else 0)) * unit
        last_unit, index = unit, index + 1
    return round(total) if total >= 1 else None


def _amount(tokens: list[str], index: int) -> tuple[float | None, int]:
    if tokens[index : index + 2] in (["half", "an"], ["half", "a"]):
        return 0.5, index + 2
    if tokens[index] == "quarter" and tokens[index + 1 : index + 3] in (["of", "an"], ["of", "a"]):
        return 0.25, index + 3
    number = read_number(tokens, index)
    if number is not None:
        return float(number[0]), number[1]
    if tokens[index] in ("a", "an", "one"):
        if tokens[index + 1 : index + 2] in (["quarter"], ["half"]):
            return (0.25 if tokens[index + 1] == "quarter" else 0.5), index + 4 if "of" in tokens[
                index:
            ] else index + 3
        return 1.0, index + 1
    return None, index


def timer_request(core: str) -> tuple[int, str] | None:
    """Seconds and label of "set a timer for five minutes", or None."""
    match = _TIMER.fullmatch(core)
    if match is None:
        return None
    seconds = duration_s(match["a"] or match["b"] or match["c"] or match["d"])
    if seconds is None:
        return None
    label = (match["label"] or match["d_label"] or match["b_label"] or "").strip()
    return seconds, re.sub(r"^(?:to|about|that|for) ", "", label)


def duration_words(seconds: int) -> str:
    """``1 hour and 30 minutes``."""
    parts: list[str] = []
    for name, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1]


def clock_words(moment: datetime) -> str:
    """``3:05 PM``."""
    return f"{moment.hour % 12 or 12}:{moment.minute:02d} {'AM' if moment.hour < 12 else 'PM'}"


def date_words(day: date) -> str:
    """``Saturday, November 21, 2026``."""
    return (
        f"{WEEKDAYS[day.weekday()].capitalize()}, {MONTHS[day.month - 1].capitalize()} {day.day}, {day.year}"
    )
