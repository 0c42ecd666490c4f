"""Running the application's functions: every way they can end becomes an answer."""

from __future__ import annotations

import json

import anyio
import pytest

from voicewire.agent.tools import Tool, ToolRunner
from voicewire.errors import ConfigError
from voicewire.events.session import ToolSpec

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


def _tool(function: object, **options: float) -> Tool:
    assert callable(function)
    return Tool(ToolSpec(name="f"), function, **options)


async def test_a_function_and_a_coroutine_give_their_result() -> None:
    async def later(text: str) -> str:
        await anyio.lowlevel.checkpoint()
        return text.upper()

    plain = await ToolRunner([_tool(lambda n: {"n": n})]).run("f", '{"n": 1}')
    awaited = await ToolRunner([_tool(later)]).run("f", '{"text": "hi"}')
    assert (plain.output, plain.outcome) == ('{"n": 1}', "completed")
    assert (awaited.output, awaited.outcome) == ("HI", "completed")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("g", "{}", "no function named 'g'; known are: f"),
        ("f", "{n: 1", "not JSON"),
        ("f", "[1]", "not a JSON object"),
        ("f", '{"wrong": 1}', "TypeError"),
        ("f", '{"n": 0}', "ZeroDivisionError"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(name: str, arguments: str, message: str) -> None:
    answer = await ToolRunner([_tool(lambda n: 1 / n)]).run(name, arguments)
    assert answer.outcome == "failed"
    assert message in json.loads(answer.output)["error"]


async def test_a_function_that_takes_too_long_times_out() -> None:
    async def forever() -> None:
        await anyio.sleep_forever()

    answer = await ToolRunner([_tool(forever, timeout_s=0.01)]).run("f", "")
    assert answer.outcome == "timed_out"
    assert "no answer within 0.01 s" in answer.output


async def test_cancelling_the_caller_is_not_swallowed() -> None:
    async def forever() -> None:
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await ToolRunner([_tool(forever)]).run("f", "")
    assert scope.cancelled_caught


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tools are named 'f'"):
        ToolRunner([_tool(print), _tool(len)])
