"""Outputs of tools, said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.engine.brain import tool_results

pytestmark = pytest.mark.unit

SAID = [
    (
        "get_weather",
        '{"temperature": 22, "condition": "Sunny", "city": "London"}',
        "It's 22 degrees and sunny in London.",
    ),
    ("get_weather", '{"temp_c": 7.5}', "It's 7.5 degrees Celsius."),
    ("get_weather", "It is sunny in Rome", "It is sunny in Rome."),
    ("get_weather", "sunny, 22 degrees", "Sunny, 22 degrees."),
    (
        "get_weather",
        '{"location": "Paris", "temperature": "18\u00b0C", "humidity": 60}',
        "It's 18 degrees Celsius in Paris, with humidity 60 percent.",
    ),
    ("set_light", '{"success": true}', "Done."),
    ("set_light", '{"success": false}', "That did not work."),
    ("set_light", '{"status": "ok", "message": "Light is on"}', "Light is on."),
    ("get_weather", '{"error": "no such city"}', "That did not work: no such city."),
    ("get_sum", "42", "The sum is 42."),
    ("add", '{"result": 12}', "The add is 12."),
    ("get_time", '{"time": "14:05"}', "The time is 14:05."),
    ("list_files", '["a", "b", "c"]', "There are 3: a, b and c."),
    ("list_files", "[]", "There is nothing."),
    ("ping", "null", "Done."),
    ("ping", "", "Done."),
    (
        "get_order",
        '{"order_id": "12345", "status": "shipped", "eta": "Monday"}',
        "Order id 12345, status shipped and eta Monday.",
    ),
    ("get_cart", '{"items": [{"name": "Milk"}, {"name": "Bread"}]}', "There are 2: Milk and Bread."),
    ("get_price", '{"price": 231.5, "currency": "USD", "symbol": "AAPL"}', "For AAPL: price 231.5 dollars."),
    ("note", "**Bold** `code`\n- item", "Bold code - item."),
]


@pytest.mark.parametrize(("name", "output", "expected"), SAID)
def test_an_output_is_said(name: str, output: str, expected: str) -> None:
    assert tool_results.speak(name, output) == expected


def test_a_long_output_is_cut() -> None:
    assert len(tool_results.speak("read", "word " * 1000)) <= 601


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_json_is_one_line_that_ends(value: object) -> None:
    said = tool_results.speak("get_it", json.dumps(value))
    assert said[-1] in ".!?"
    assert "\n" not in said
