"""Slow, failing and stuck tools on every provider's wire, against our own gateway on loopback.

The tool's time is a clock that the test moves; nothing here waits for real seconds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from voicewire.agent import RealtimeAgent, Toolkit
from voicewire.audio.pcm import silence, tone
from voicewire.clock import NS_PER_S
from voicewire.events import ServerEvents
from voicewire.models import create_model
from voicewire.testing import ManualClock, serve

from .test_agent import Ears, audio, no_task_is_left, text

__all__ = ["no_task_is_left"]

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

WIRES = {
    "echo": "echo",
    "openai": "openai:gpt-realtime",
    # Older ones take no audio while a call is open; their wire holds it back.
    "gemini": "gemini:gemini-3.8-live",
    "dashscope": "dashscope:qwen3.5-omni-plus-realtime",
}


@asynccontextmanager
async def talking(wire: str, toolkit: Toolkit) -> AsyncGenerator[tuple[RealtimeAgent, Ears], None]:
    """An agent whose model is ``echo``, here or behind a provider's wire."""
    async with serve("echo") as gateway:
        urls = {"openai": f"{gateway.http_url}/v1", "gemini": gateway.ws_url, "dashscope": gateway.ws_url}
        model = create_model("echo")
        if wire != "echo":
            model = create_model(WIRES[wire], api_key="k", base_url=urls[wire])
        ears = Ears()
        async with RealtimeAgent("Friday", "", model, toolkit) as agent:
            await agent.start(ears.queue)
            yield agent, ears


def after_s(clock: ManualClock, duration_s: float) -> Callable[[], Awaitable[str]]:
    """A tool that takes so long by the clock."""

    async def slow() -> str:
        """Takes long."""
        await clock.sleep_until_ns(clock.now_ns() + int(duration_s * NS_PER_S))
        return "done at last"

    return slow


async def until_done(ears: Ears, status: str) -> None:
    while (await ears.until(ServerEvents.AgentResponseDoneEvent)).status != status:
        pass


async def until_said(ears: Ears, words: str) -> None:
    """Waits until the agent says something that begins so."""
    while not (await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)).transcript.startswith(
        words
    ):
        pass


def outputs(agent: RealtimeAgent) -> list[str | None]:
    return [item.output for item in agent.history() if item.kind == "function_call_output"]


def is_valid(agent: RealtimeAgent) -> bool:
    """Whether every call has its result directly behind it."""
    items = agent.history()
    calls = [at for at, item in enumerate(items) if item.kind == "function_call"]
    answers = [at for at, item in enumerate(items) if item.kind == "function_call_output"]
    return answers == [at + 1 for at in calls] and all(
        items[at].call_id == items[at + 1].call_id for at in calls
    )


@pytest.mark.parametrize("wire", WIRES)
async def test_a_slow_tool_delays_neither_audio_nor_barge_in_and_its_result_is_recorded(wire: str) -> None:
    clock = ManualClock()
    async with talking(wire, Toolkit([after_s(clock, 5)])) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        await agent.handle_input(text("speak 60 seconds"))
        await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
        await agent.handle_input(audio(tone(300, 8000, 16_000), 16_000))
        await until_done(ears, "cancelled")
        await agent.handle_input(audio(silence(16_000), 16_000))
        await until_said(ears, "You sent")
        assert clock.now_ns() == 0
        (open_call,) = outputs(agent)
        assert json.loads(open_call or "")["status"] == "cancelled"
        assert is_valid(agent)
        await clock.advance_ms(4999)
        assert outputs(agent) == [open_call]
        await clock.advance_ms(1)
        result = await ears.until(ServerEvents.AgentResponseToolResultEvent)
        assert result.tool_result["output"] == "done at last"
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert outputs(agent) == ["done at last"]
        assert is_valid(agent)
        await agent.handle_input(text("bye"))
        await until_said(ears, "You said: bye")


@pytest.mark.parametrize("wire", WIRES)
async def test_the_model_is_given_the_result_of_a_slow_tool(wire: str) -> None:
    clock = ManualClock()
    async with talking(wire, Toolkit([after_s(clock, 5)])) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        agent.interrupt()
        await clock.advance_ms(5000)
        await until_said(ears, "slow returned: done at last")
        assert is_valid(agent)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("call", "words"),
    [("call broken {}", "RuntimeError: no luck"), ("call stuck {}", "no answer within 0.01 s")],
)
async def test_a_tool_that_fails_or_never_returns_is_an_error_result_and_the_conversation_goes_on(
    wire: str, call: str, words: str
) -> None:
    toolkit = Toolkit()

    @toolkit.add
    def broken() -> str:
        raise RuntimeError("no luck")

    async def stuck() -> None:
        await anyio.sleep_forever()

    toolkit.add(stuck, timeout_s=0.01)
    async with talking(wire, toolkit) as (agent, ears):
        await agent.handle_input(text(call))
        result = await ears.until(ServerEvents.AgentResponseToolResultEvent)
        assert words in json.loads(result.tool_result["output"])["error"]
        await until_said(ears, call.split()[1] + " returned: ")
        assert outputs(agent) == [result.tool_result["output"]]
        assert is_valid(agent)
        await agent.handle_input(text("hello"))
        await until_said(ears, "You said: hello")
