"""``@copilotkit/aimock`` (npm) as the provider judges our client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from voicewire.events.base import EventBase
from voicewire.events.commands import SendText, SendToolResult
from voicewire.events.model import (
    ModelProviderEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.model import RealtimeConnection, RealtimeModel

from .node_tools import HOME, command
from .subjects import WEATHER_RESULT, WEATHER_TOOL

pytestmark = [pytest.mark.judge, pytest.mark.anyio]

_TIMEOUT_S = 20.0
_CALL = {"name": "get_weather", "arguments": '{"city": "Paris"}', "id": "call_judge"}
FIXTURES: list[dict[str, Any]] = [
    {"match": {"userMessage": "hello"}, "response": {"content": "Hello from the provider."}},
    {"match": {"userMessage": "weather", "hasToolResult": False}, "response": {"toolCalls": [_CALL]}},
    {
        "match": {"userMessage": "weather", "hasToolResult": True},
        "response": {"content": f"It is {WEATHER_RESULT}."},
    },
    {
        "match": {"userMessage": "both", "hasToolResult": False},
        "response": {"content": "Let me look.", "toolCalls": [_CALL]},
    },
    {
        "match": {"userMessage": "fail"},
        "response": {
            "error": {"message": "out of luck", "type": "server_error", "code": "no_luck"},
            "status": 500,
        },
    },
]


@asynccontextmanager
async def provider(work: Path) -> AsyncGenerator[RealtimeModel, None]:
    """Our model of the OpenAI wire, pointed at a running aimock."""
    (work / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    async with await anyio.open_process(
        command("aimock_server.mjs", str(work / "fixtures.json")), cwd=HOME, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        with anyio.fail_after(_TIMEOUT_S):
            address = json.loads((await process.stdout.receive()).decode().splitlines()[-1])["url"]
        try:
            yield create_model("openai:gpt-realtime", api_key="judge", base_url=f"{address}/v1")
        finally:
            await process.stdin.aclose()


async def until_done(connection: RealtimeConnection) -> list[EventBase]:
    """Events up to the end of the next response."""
    events: list[EventBase] = []
    with anyio.fail_after(_TIMEOUT_S):
        async for event in connection:
            events.append(event)
            if isinstance(event, ModelResponseDoneEvent):
                break
    unknown = [event.name for event in events if isinstance(event, ModelProviderEvent) and not event.is_known]
    assert not unknown
    return events


def of(events: list[EventBase], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_text_turn(tmp_path: Path) -> None:
    async with provider(tmp_path) as model, model.open(config=SessionConfig(modality="text")) as connection:
        await connection.send(SendText("hello"))
        events = await until_done(connection)
    deltas = of(events, ModelResponseTextDeltaEvent)
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == "Hello from the provider."
    assert of(events, ModelResponseTextDoneEvent)[0].text == "Hello from the provider."
    assert of(events, ModelResponseDoneEvent)[0].status == "completed"


async def test_tool_call_round(tmp_path: Path) -> None:
    async with provider(tmp_path) as model, model.open(tools=[WEATHER_TOOL]) as connection:
        await connection.send(SendText("weather in Paris?"))
        (call,) = of(await until_done(connection), ModelResponseToolUseDoneEvent)
        assert call.tool_use["name"] == "get_weather"
        assert call.tool_use["input"] == {"city": "Paris"}
        await connection.send(SendToolResult(call.tool_use["id"], WEATHER_RESULT))
        answer = of(await until_done(connection), ModelResponseTextDoneEvent)[0].text
    assert answer == f"It is {WEATHER_RESULT}."


async def test_words_and_a_call_in_one_response(tmp_path: Path) -> None:
    async with provider(tmp_path) as model, model.open(tools=[WEATHER_TOOL]) as connection:
        await connection.send(SendText("both please"))
        events = await until_done(connection)
    assert of(events, ModelResponseTextDoneEvent)[0].text == "Let me look."
    assert of(events, ModelResponseToolUseDoneEvent)[0].tool_use["id"] == "call_judge"
    assert len(of(events, ModelResponseDoneEvent)[0].output) == 2


@pytest.mark.parametrize(
    ("said", "code"), [("fail now", "no_luck"), ("nobody knows this", "no_fixture_match")]
)
async def test_failed_response(tmp_path: Path, said: str, code: str) -> None:
    async with provider(tmp_path) as model, model.open() as connection:
        await connection.send(SendText(said))
        (done,) = of(await until_done(connection), ModelResponseDoneEvent)
    assert (done.status, done.reason) == ("failed", code)
