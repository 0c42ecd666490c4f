"""``@copilotkit/aimock`` (npm) as a Gemini Live server judges our client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from voicewire.events.commands import SendText, SendToolResult
from voicewire.events.model import (
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.model import RealtimeConnection
from voicewire.models.openai import OpenAIRealtimeModel

from .subjects import WEATHER_RESULT, WEATHER_TOOL
from .test_aimock import of, provider, until_done

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@asynccontextmanager
async def a_session(work: Path, *, has_tool: bool = False) -> AsyncGenerator[RealtimeConnection, None]:
    """Our model of the Gemini wire, pointed at a running aimock, answering in written words."""
    async with provider(work) as known:
        assert isinstance(known, OpenAIRealtimeModel)
        address = known.websocket_url.partition("/v1")[0]
        model = create_model("gemini:some-model", api_key="judge", base_url=address)
        config = SessionConfig(modality="text")
        async with model.open(config=config, tools=[WEATHER_TOOL] if has_tool else None) as connection:
            yield connection


async def test_text_turn(tmp_path: Path) -> None:
    async with a_session(tmp_path) as connection:
        await connection.send(SendText("hello"))
        events = await until_done(connection)
    deltas = of(events, ModelResponseTextDeltaEvent)
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == "Hello from the provider."
    assert of(events, ModelResponseDoneEvent)[0].status == "completed"


@pytest.mark.parametrize("said", ["weather in Paris?", "both please"])
async def test_tool_call(tmp_path: Path, said: str) -> None:
    async with a_session(tmp_path, has_tool=True) as connection:
        await connection.send(SendText(said))
        events = await until_done(connection)
        (call,) = of(events, ModelResponseToolUseDoneEvent)
        assert (call.tool_use["name"], call.tool_use["input"]) == ("get_weather", {"city": "Paris"})
        if said.startswith("both"):
            assert of(events, ModelResponseTextDoneEvent)[0].text == "Let me look."
            return
        await connection.send(SendToolResult(call.tool_use["id"], WEATHER_RESULT))
        answer = of(await until_done(connection), ModelResponseTextDoneEvent)[0].text
    assert answer == f"It is {WEATHER_RESULT}."


@pytest.mark.parametrize(
    ("said", "reason"), [("fail now", "server_error"), ("nobody knows this", "NOT_FOUND")]
)
async def test_failed_response(tmp_path: Path, said: str, reason: str) -> None:
    async with a_session(tmp_path) as connection:
        await connection.send(SendText(said))
        (done,) = of(await until_done(connection), ModelResponseDoneEvent)
    assert (done.status, done.reason) == ("failed", reason)
