"""Making turns and reading answers, for the tests of the brain."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from voicewire.engine.brain.base import (
    BrainDelta,
    BrainDone,
    BrainOutput,
    BrainTimer,
    BrainToolCall,
    BrainTurn,
    ToolSpec,
    Turn,
)

NOW = datetime(2026, 11, 21, 15, 5, tzinfo=timezone.utc)
"""A Saturday afternoon."""

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}


def user(text: str) -> Turn:
    return Turn("user", text)


def assistant(text: str) -> Turn:
    return Turn("assistant", text)


def told(*texts: str) -> tuple[Turn, ...]:
    """A history of user turns only."""
    return tuple(user(text) for text in texts)


def turn(text: str, *, before: tuple[Turn, ...] = (), **options: Any) -> BrainTurn:
    return BrainTurn(history=(*before, user(text)), now=options.pop("now", NOW), **options)


def tool(
    tool_name: str, description: str, /, needed: Iterable[str] = (), **schemas: dict[str, Any]
) -> ToolSpec:
    parameters = {"type": "object", "properties": schemas, "required": list(needed)}
    return ToolSpec(name=tool_name, description=description, parameters=parameters)


@dataclass(frozen=True)
class Heard:
    """An answer, taken apart."""

    text: str
    calls: list[tuple[str, dict[str, Any]]]
    timers: list[BrainTimer]
    done: list[BrainDone]
    deltas: list[str]


def heard(outputs: Iterable[BrainOutput]) -> Heard:
    found = list(outputs)
    deltas = [output.text for output in found if isinstance(output, BrainDelta)]
    calls = [
        (output.name, json.loads(output.arguments_json))
        for output in found
        if isinstance(output, BrainToolCall)
    ]
    timers = [output for output in found if isinstance(output, BrainTimer)]
    done = [output for output in found if isinstance(output, BrainDone)]
    assert not done or found[-1] is done[0], "BrainDone is the last output"
    return Heard("".join(deltas), calls, timers, done, deltas)


WEATHER = tool(
    "get_weather",
    "Get the current weather for a city.",
    ["city"],
    city=TEXT,
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
TIME = tool("get_time", "Returns the current time.")
LIGHT = tool(
    "set_light",
    "Turn a light on or off.",
    ["room", "state"],
    room={"type": "string", "enum": ["kitchen", "bedroom", "bathroom", "living_room"]},
    state={"type": "string", "enum": ["on", "off"]},
)
EMAIL = tool("send_email", "Send an email to a person.", ["to", "subject"], to=TEXT, subject=TEXT, body=TEXT)
SEARCH = tool("search_web", "Search the web for a query.", ["query"], query=TEXT)
THERMOSTAT = tool("set_thermostat", "Set the temperature of the thermostat", ["degrees"], degrees=NUMBER)
ADD = tool("add", "Add two numbers", ["a", "b"], a=NUMBER, b=NUMBER)
DICE = tool("roll_dice", "Roll a die", sides=INTEGER)
MUSIC = tool("play_music", "Play music by an artist or a song", ["song"], song=TEXT)
TIMER = tool("set_timer", "Start a countdown timer", ["minutes"], minutes=NUMBER)
ORDER = tool("get_order_status", "Look up the status of an order by its number", ["order_id"], order_id=TEXT)
FLIGHT = tool(
    "book_flight",
    "Book a flight",
    ["origin", "destination"],
    origin=TEXT,
    destination=TEXT,
    date=TEXT,
    passengers=INTEGER,
)
STOCK = tool("get_stock_price", "Get the price of a stock", ["symbol"], symbol=TEXT)
ALL_TOOLS = (WEATHER, TIME, LIGHT, EMAIL, SEARCH, THERMOSTAT, ADD, DICE, MUSIC, TIMER, ORDER, FLIGHT, STOCK)
