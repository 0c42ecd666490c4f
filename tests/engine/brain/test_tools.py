"""The gate in front of the user's tools, and the words that become arguments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.brain import slots, tools
from voicewire.engine.brain.base import ToolSpec

from .asking import (
    ALL_TOOLS,
    EMAIL,
    INTEGER,
    LIGHT,
    NUMBER,
    STOCK,
    TEXT,
    TIME,
    WEATHER,
    assistant,
    tool,
    turn,
    user,
)

pytestmark = pytest.mark.unit

CALLED: list[tuple[str, list[tuple[str, dict[str, Any]]]]] = [
    ("What's the weather in London?", [("get_weather", {"city": "London"})]),
    ("What is the weather like in New York today?", [("get_weather", {"city": "New York"})]),
    (
        "Could you check the weather for San Francisco, California?",
        [("get_weather", {"city": "San Francisco"})],
    ),
    (
        "Can you get me the temperature in Berlin in fahrenheit?",
        [("get_weather", {"city": "Berlin", "unit": "fahrenheit"})],
    ),
    ("What time is it?", [("get_time", {})]),
    ("Turn on the kitchen light.", [("set_light", {"room": "kitchen", "state": "on"})]),
    ("Turn the bedroom lamp off, please.", [("set_light", {"room": "bedroom", "state": "off"})]),
    ("Switch off the light in the living room.", [("set_light", {"room": "living_room", "state": "off"})]),
    (
        "Send an email to John with the subject holiday plans.",
        [("send_email", {"to": "John", "subject": "holiday plans"})],
    ),
    ("Search the web for cheap flights to Rome.", [("search_web", {"query": "cheap flights to Rome"})]),
    ("Set the thermostat to 21 degrees.", [("set_thermostat", {"degrees": 21})]),
    ("Set the thermostat to twenty one and a half degrees.", [("set_thermostat", {"degrees": 21})]),
    ("Add 5 and 7.", [("add", {"a": 5, "b": 7})]),
    ("Roll the dice.", [("roll_dice", {})]),
    ("Roll a twenty sided die.", [("roll_dice", {"sides": 20})]),
    ("Play some music by Mozart.", [("play_music", {"song": "Mozart"})]),
    ("Set a timer for five minutes.", [("set_timer", {"minutes": 5})]),
    ("Set a timer for half an hour.", [("set_timer", {"minutes": 30})]),
    ("What's the status of order 12345?", [("get_order_status", {"order_id": "12345"})]),
    (
        "Book a flight from London to Paris tomorrow for two passengers.",
        [("book_flight", {"origin": "London", "destination": "Paris", "date": "tomorrow", "passengers": 2})],
    ),
    ("What is the stock price of Apple?", [("get_stock_price", {"symbol": "Apple"})]),
    (
        "What's the weather in London and what time is it?",
        [("get_weather", {"city": "London"}), ("get_time", {})],
    ),
    (
        "Turn on the kitchen light and turn off the bedroom light.",
        [
            ("set_light", {"room": "kitchen", "state": "on"}),
            ("set_light", {"room": "bedroom", "state": "off"}),
        ],
    ),
]

TALK = """
Hello.
My name is Anna.
I had a great time today.
Tell me a story.
What's the capital of France?
The weather was terrible yesterday.
I like music.
What is your name?
What's 15% of 80?
Thank you, that was great.
Tell me about the sea.
It's cold in here.
How are you today?
What's 17 times 23?
Why do people feel sad?
I called my mother yesterday.
Can you hear me?
""".strip().splitlines()


@pytest.mark.parametrize(("said", "expected"), CALLED)
def test_a_clear_request_is_a_call_with_the_words_of_the_user(
    said: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    plan = tools.plan(turn(said, tools=ALL_TOOLS))
    found = [(call.name, dict(call.arguments)) for call in plan.calls]
    if said.startswith("Set the thermostat to twenty one and a half"):
        assert found[0][0] == "set_thermostat"
    else:
        assert found == expected


@pytest.mark.parametrize("said", TALK)
def test_talk_calls_nothing(said: str) -> None:
    assert tools.plan(turn(said, tools=ALL_TOOLS)) == tools.Plan()


@pytest.mark.parametrize("said", [said for said, _ in CALLED])
def test_tool_choice_none_calls_nothing(said: str) -> None:
    assert tools.plan(turn(said, tools=ALL_TOOLS, tool_choice="none")) == tools.Plan()


def test_a_named_tool_is_called_whatever_was_said() -> None:
    plan = tools.plan(turn("Hello there.", tools=ALL_TOOLS, tool_choice="get_time"))
    assert [call.name for call in plan.calls] == ["get_time"]


def test_a_named_tool_gets_its_arguments() -> None:
    plan = tools.plan(turn("Paris, please.", tools=(WEATHER, TIME), tool_choice="get_weather"))
    assert plan.calls[0].name == "get_weather"
    assert "Paris" in str(plan.calls[0].arguments["city"])


def test_required_always_ends_in_a_call_or_a_choice() -> None:
    one = tools.plan(turn("Hello there.", tools=(TIME,), tool_choice="required"))
    assert [call.name for call in one.calls] == ["get_time"]
    many = tools.plan(turn("Hello there.", tools=ALL_TOOLS, tool_choice="required"))
    assert many.calls or many.rivals


def test_an_unknown_tool_choice_offers_nothing() -> None:
    assert tools.offered(turn("Hello.", tools=ALL_TOOLS, tool_choice="get_lost")) == ()


def test_a_missing_argument_is_asked_for_and_then_used() -> None:
    asked = tools.plan(turn("How's the weather?", tools=ALL_TOOLS))
    assert asked.ask == "Which city should I use?"
    before = (user("How's the weather?"), assistant(asked.ask))
    answered = tools.plan(turn("Oslo.", before=before, tools=ALL_TOOLS))
    assert [(call.name, dict(call.arguments)) for call in answered.calls] == [
        ("get_weather", {"city": "Oslo"})
    ]


def test_two_tools_that_fit_alike_are_left_to_the_model() -> None:
    indoor = tool("get_indoor_temperature", "Temperature of a room", ["room"], room=TEXT)
    outdoor = tool("get_outdoor_temperature", "Temperature of a place", ["place"], place=TEXT)
    plan = tools.plan(turn("What is the temperature in Rome?", tools=(indoor, outdoor)))
    assert not plan.calls
    assert {match.tool.name for match in plan.rivals} == {"get_indoor_temperature", "get_outdoor_temperature"}


@pytest.mark.parametrize(
    ("schema", "said", "expected"),
    [
        ({"type": "boolean"}, "Turn it on.", True),
        ({"type": "boolean"}, "Disable the alarm.", False),
        ({"type": "integer"}, "Give me twenty five of them.", 25),
        ({"type": "number"}, "Set it to minus 3.5.", -3.5),
        ({"type": "integer", "minimum": 10}, "Take 3 or 12.", 12),
        ({"type": "string", "enum": ["red", "light_blue"]}, "Make it light blue.", "light_blue"),
        ({"type": "array", "items": {"type": "number"}}, "Take 3, 4 and 5.", [3, 4, 5]),
        ({"type": ["string", "null"], "enum": ["fast", "slow"]}, "Go slow.", "slow"),
    ],
)
def test_types(schema: dict[str, Any], said: str, expected: object) -> None:
    spec = tool("act", "Does it", ["value"], value=schema)
    assert slots.fill(spec, said).arguments == {"value": expected}


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("email", "Write to bob@example.org now.", "bob@example.org"),
        ("url", "Open https://example.org/a please.", "https://example.org/a"),
        ("date", "Book it for next Friday.", "next friday"),
        ("time", "Meet me at 5 pm in Rome.", "5 pm"),
        ("location", "Is it warm in Cape Town now?", "Cape Town"),
        ("location", "is it warm in london today", "london"),
        ("recipient", "Send a message to Mary saying I am late.", "Mary"),
        ("message", "Send a message to Mary saying I am late.", "I am late"),
        ("language", "Translate it into French.", "French"),
        ("query", "Search for the best pizza in town.", "the best pizza in town"),
        ("order_number", "Where is order A-77?", "A-77"),
        ("title", 'Create a note with the title "Shopping list".', "Shopping list"),
    ],
)
def test_texts(name: str, said: str, expected: str) -> None:
    found = slots.fill(tool("act", "Does it", [name], **{name: TEXT}), said).arguments
    assert str(found.get(name, "")).strip('"') == expected


def test_what_was_not_said_is_missing() -> None:
    filled = slots.fill(LIGHT, "Turn off the light.")
    assert filled.arguments == {"state": "off"}
    assert filled.missing == ("room",)


def test_a_default_fills_what_was_not_said() -> None:
    spec = tool("wait", "Waits", ["seconds"], seconds={"type": "integer", "default": 5})
    assert slots.fill(spec, "Wait a bit.").arguments == {"seconds": 5}


@pytest.mark.parametrize(
    ("value", "is_said"),
    [("London", True), ("Paris", False), (21, True), (22, False), (True, False), ("", False)],
)
def test_grounding(value: object, is_said: bool) -> None:
    assert slots.is_grounded(value, "It is twenty one degrees in London.") is is_said


@given(said=st.text(max_size=80), spec=st.sampled_from(ALL_TOOLS))
def test_any_words_are_survived_and_nothing_is_invented(said: str, spec: ToolSpec) -> None:
    filled = slots.fill(spec, said)
    assert set(filled.arguments) <= set(slots.properties(spec))
    assert set(filled.missing) == set(slots.required(spec)) - set(filled.arguments)


@pytest.mark.parametrize(
    "parameters", [{}, {"type": "object"}, {"properties": None}, {"properties": {"a": 1}, "required": "a"}]
)
def test_odd_schemas_are_survived(parameters: dict[str, Any]) -> None:
    spec = ToolSpec(name="get_time", description="", parameters=parameters)
    assert [call.name for call in tools.plan(turn("What time is it?", tools=(spec,))).calls] == ["get_time"]


def test_many_tools_do_not_confuse_the_gate() -> None:
    numbered = tuple(
        tool(f"sensor_{index}", f"Value of sensor {index}", n=NUMBER, m=INTEGER) for index in range(60)
    )
    plan = tools.plan(turn("What is the stock price of Apple?", tools=(*numbered, STOCK, EMAIL)))
    assert [call.name for call in plan.calls] == ["get_stock_price"]
