"""Functions as tools: what the model is told, what a call may go wrong with."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from voicewire.agent.docstrings import read_docstring
from voicewire.agent.toolkit import Toolkit, result_text
from voicewire.errors import ConfigError

pytestmark = pytest.mark.unit


class Unit(enum.Enum):
    METRIC = "metric"
    IMPERIAL = "imperial"


@dataclass
class Point:
    lat: float
    lon: float = 0.0


class Place(BaseModel):
    title: str = Field(description="What it is called.")
    point: Point


class Tree(BaseModel):
    children: list[Tree] = []


def everything(
    city: str,
    days: int = 1,
    unit: Unit = Unit.METRIC,
    mode: Literal["fast", "slow"] = "fast",
    limit: float | None = None,
    tags: list[str] | None = None,
    extra: dict[str, int] | None = None,
    place: Place | None = None,
    copy: bool = False,
) -> str:
    """Does everything.

    In two paragraphs.

    Args:
        city (`str`):
            Its name, in English,
            with accents.
        days: How many: from 1 to 9.
        place (Place, optional): Where it is.

    Returns:
        What it did.
    """
    return f"{city} {days} {unit.name} {mode} {limit} {tags} {extra} {place} {copy}"


def parameters(function: Callable[..., Any], **options: Any) -> dict[str, Any]:
    toolkit = Toolkit()
    toolkit.add(function, **options)
    (schema,) = toolkit.get_json_schemas()
    found: dict[str, Any] = schema["function"]["parameters"]
    return found


def test_the_schema_says_types_defaults_and_what_the_docstring_says() -> None:
    toolkit = Toolkit([everything])
    (schema,) = toolkit.get_json_schemas()
    assert (schema["type"], schema["function"]["name"]) == ("function", "everything")
    assert schema["function"]["description"] == "Does everything.\n\nIn two paragraphs."
    found = schema["function"]["parameters"]
    assert (found["type"], found["required"], found["additionalProperties"]) == ("object", ["city"], False)
    fields = found["properties"]
    assert fields["city"] == {"type": "string", "description": "Its name, in English, with accents."}
    assert fields["days"] == {"type": "integer", "default": 1, "description": "How many: from 1 to 9."}
    assert (fields["unit"]["enum"], fields["unit"]["default"]) == (["metric", "imperial"], "metric")
    assert fields["mode"] == {"type": "string", "enum": ["fast", "slow"], "default": "fast"}
    assert fields["limit"] == {"type": "number"}
    assert fields["tags"] == {"type": "array", "items": {"type": "string"}}
    assert fields["extra"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert fields["place"]["description"] == "Where it is."
    assert fields["place"]["properties"]["title"] == {"type": "string", "description": "What it is called."}
    assert fields["place"]["properties"]["point"]["required"] == ["lat"]
    assert "$" not in json.dumps(found)
    assert fields["copy"] == {"type": "boolean", "default": False}


def test_a_type_that_holds_itself_keeps_its_reference() -> None:
    def plant(tree: Tree) -> str:
        return str(tree)

    found = parameters(plant)
    assert found["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_annotated_words_and_defaults_that_json_cannot_say() -> None:
    marker = object()

    def search(text: Annotated[str, "What to look for."], where: Any = marker) -> str:
        return text

    assert parameters(search)["properties"] == {
        "text": {"type": "string", "description": "What to look for."},
        "where": {},
    }


@pytest.mark.anyio
async def test_arguments_are_converted_to_the_annotated_types() -> None:
    seen: list[Any] = []

    def take(when: Unit, where: Point, place: Place, count: int, /, *, names: list[str]) -> None:
        seen.extend((when, where, place, count, names))

    toolkit = Toolkit([take])
    point = {"lat": "1.5"}
    arguments = {
        "when": "imperial", "where": point, "place": {"title": "home", "point": point}, "count": "3",
        "names": ["a"],
    }  # fmt: skip
    answer = await toolkit.call("take", arguments)
    assert (answer.output, answer.outcome) == ("null", "completed")
    where = Point(1.5)
    assert seen == [Unit.IMPERIAL, where, Place(title="home", point=where), 3, ["a"]]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{}", "'city' is missing"),
        ('{"city": "Paris", "days": "many"}', "'days'"),
        ('{"city": "Paris", "dayz": 2}', "'dayz' is not an argument (it takes city, days, unit"),
        ('{"city": "Paris", "place": {"title": "x", "point": {}}}', "'place.point.lat' is missing"),
        ('{"city": "Paris", "unit": "kelvin"}', "'kelvin'"),
        ('{"city"', "not JSON"),
        ("[]", "not a JSON object"),
    ],
)
async def test_wrong_arguments_become_an_answer_that_names_them(arguments: str, words: str) -> None:
    answer = await Toolkit([everything]).call("everything", arguments)
    assert answer.outcome == "failed"
    assert words in json.loads(answer.output)["error"]
    assert "pydantic" not in answer.output


@pytest.mark.anyio
async def test_an_unknown_tool_and_an_exception_are_answers() -> None:
    toolkit = Toolkit()

    @toolkit.add
    async def broken() -> str:
        raise RuntimeError("no luck")

    unknown = await toolkit.call("nothing")
    assert unknown.outcome == "failed"
    assert "broken" in unknown.output
    failed = await toolkit.call("broken")
    assert (failed.outcome, json.loads(failed.output)) == ("failed", {"error": "RuntimeError: no luck"})


@pytest.mark.anyio
async def test_sync_functions_run_off_the_loop_and_async_ones_on_it() -> None:
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def where_async() -> bool:
        return threading.current_thread() is threading.main_thread()

    toolkit = Toolkit([where, where_async])
    assert (await toolkit.call("where")).output == "false"
    assert (await toolkit.call("where_async")).output == "true"


@pytest.mark.anyio
async def test_a_tool_that_never_returns_is_cut_at_its_timeout() -> None:
    toolkit = Toolkit(timeout_s=0.01)
    gone = asyncio.Event()

    @toolkit.add
    async def hang() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()

    answer = await toolkit.call("hang")
    assert answer.outcome == "timed_out"
    assert "0.01 s" in answer.output
    assert gone.is_set()


@pytest.mark.anyio
async def test_methods_partials_callables_generators_and_presets() -> None:
    class Shop:
        def __init__(self) -> None:
            self.name = "shop"

        def buy(self, item: str, price: int = 1) -> str:
            """Buys."""
            return f"{self.name} {item} {price}"

        async def __call__(self, item: str) -> str:
            return f"called {item}"

    async def count(to: int) -> AsyncGenerator[str, None]:
        for number in range(to):
            yield str(number)

    toolkit = Toolkit()
    toolkit.add(Shop().buy)
    toolkit.add(functools.partial(Shop().buy, price=3), name="buy_for_three")
    toolkit.add(Shop(), name="call_shop", description="Calls.")
    toolkit.add(count, timeout_s=5)
    toolkit.register_tool_function(
        Shop().buy, preset_kwargs={"price": 9}, func_name="buy_dear", func_description="Buys dear."
    )
    assert [spec.name for spec in toolkit.specs] == ["buy", "buy_for_three", "call_shop", "count", "buy_dear"]
    assert (await toolkit.call("buy", {"item": "a"})).output == "shop a 1"
    assert (await toolkit.call("buy_for_three", {"item": "a"})).output == "shop a 3"
    assert (await toolkit.call("call_shop", {"item": "a"})).output == "called a"
    assert (await toolkit.call("count", {"to": 3})).output == "2"
    assert (await toolkit.call("buy_dear", {"item": "a"})).output == "shop a 9"
    dear = toolkit.specs[-1]
    assert (dear.description, list(dear.parameters["properties"])) == ("Buys dear.", ["item"])
    assert (await toolkit.call("buy_dear", {"item": "a", "price": 1})).outcome == "failed"
    toolkit.remove("buy")
    assert "buy" not in toolkit
    assert len(toolkit) == 4


def test_a_whole_schema_may_be_given() -> None:
    toolkit = Toolkit()
    schema = {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
    toolkit.register_tool_function(everything, json_schema={"type": "function", "function": schema})
    assert toolkit.get_json_schemas() == [{"type": "function", "function": schema}]


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (lambda: None, {}, "<lambda>"),
        (everything, {"name": "has space"}, "has space"),
        (everything, {"preset": {"nobody": 1}}, "nobody"),
        (everything, {"timeout_s": 0}, "timeout_s"),
    ],
)
def test_what_cannot_be_a_tool_is_said_at_once(
    function: Callable[..., Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Toolkit().add(function, **options)


def test_more_of_what_cannot_be_a_tool() -> None:
    def many(*numbers: int) -> int:
        return sum(numbers)

    def lost(thing: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821  (that is the test)
        return None

    def odd(thing: Callable[[], None]) -> None:
        return None

    for function in (many, lost, odd):
        with pytest.raises(ConfigError, match=function.__name__):
            Toolkit().add(function)
    toolkit = Toolkit([everything])
    with pytest.raises(ConfigError, match="already"):
        toolkit.add(everything)
    with pytest.raises(ConfigError, match="known are: everything"):
        toolkit.remove("nothing")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("plain", "plain"),
        ({"a": Unit.METRIC}, '{"a":"metric"}'),
        (Point(1, 2), '{"lat":1,"lon":2}'),
        (None, "null"),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
        ([{"type": "dog"}], '[{"type":"dog"}]'),
    ],
)
def test_results_as_text(result: object, text: str) -> None:
    assert result_text(result) == text


def test_a_response_object_gives_the_text_of_its_blocks() -> None:
    class Response:
        content = [{"type": "text", "text": "sunny"}]  # noqa: RUF012  (a stand-in)

    assert result_text(Response()) == "sunny"


def test_a_docstring_without_sections_is_a_description() -> None:
    assert read_docstring("One.\n\n:param x: y").description == "One.\n\n:param x: y"
    assert read_docstring(None).description == ""


@given(st.text(max_size=200))
def test_any_docstring_can_be_read(text: str) -> None:
    found = read_docstring("Does.\n\nArgs:\n    x: " + text)
    assert found.description.startswith("Does.")
