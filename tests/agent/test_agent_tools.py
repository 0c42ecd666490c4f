"""An agent's tools: beside the conversation, in the back end or the front end, one result for every call."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import pytest

from voicewire.agent import RealtimeAgent, Toolkit
from voicewire.errors import ConfigError
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.base import EventBase
from voicewire.events.model import ModelSessionEndedEvent
from voicewire.models.echo import EchoRealtimeModel
from voicewire.testing.clock import ManualClock

from .fakes import FakeModel
from .test_agent import Ears, no_task_is_left, running, text

__all__ = ["no_task_is_left"]

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

ASK = {"name": "ask_user", "description": "Asks.", "parameters": {"type": "object", "properties": {}}}


class Slow:
    """A tool that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.was_cancelled = False

    async def slow(self) -> str:
        """Takes long."""
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return "done at last"


def result_of(event: Any) -> tuple[str, str]:
    block = event.tool_result
    assert block["type"] == "tool_result"
    return block["name"], block["output"]


def client_result(call_id: str, output: Any) -> EventBase:
    return ClientEvents.ClientToolResultEvent(session_id="s", id=call_id, name="f", output=output)


async def test_a_call_runs_and_its_result_is_answered() -> None:
    toolkit = Toolkit()

    @toolkit.add
    def add(a: int, b: int) -> int:
        return a + b

    async with running(toolkit=toolkit) as (agent, ears):
        await agent.handle_input(text('call add {"a": 1, "b": "2"}'))
        use = await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        assert use.tool_use["input"] == {"a": 1, "b": "2"}
        assert result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent)) == ("add", "3")
        said = await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
        assert said.transcript == "add returned: 3"
        kinds = [item.kind for item in agent.history()]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
    assert "agent_response_tool_use_delta" in ears.types()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("call nothing {}", "there is no function named 'nothing'"),
        ("call broken {}", "RuntimeError: no luck"),
        ('call broken {"x": 1}', "'x' is not an argument"),
        ("call hang {}", "no answer within 0.01 s"),
    ],
)
async def test_whatever_goes_wrong_is_an_error_result_and_the_conversation_goes_on(
    call: str, words: str
) -> None:
    toolkit = Toolkit()

    @toolkit.add
    async def broken() -> str:
        raise RuntimeError("no luck")

    async def hang() -> None:
        await anyio.sleep_forever()

    toolkit.add(hang, timeout_s=0.01)
    async with running(toolkit=toolkit) as (agent, ears):
        await agent.handle_input(text(call))
        _, output = result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))
        assert words in json.loads(output)["error"]
        done = await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
        assert words in done.transcript
        await agent.handle_input(text("hello"))
        await ears.until(ServerEvents.AgentResponseDoneEvent, count=2)


async def test_a_slow_tool_holds_up_neither_audio_nor_interruption_and_survives_it() -> None:
    tool = Slow()
    async with running(toolkit=Toolkit([tool.slow])) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        await tool.began.wait()
        await agent.handle_input(text("speak 60 seconds"))
        await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
        agent.interrupt()
        done = await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert done.status == "cancelled"
        assert [item.kind for item in agent.history()][:3] == [
            "message", "function_call", "function_call_output",
        ]  # fmt: skip
        tool.may_end.set()
        assert result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))[1] == "done at last"
        await ears.until(ServerEvents.AgentResponseCreatedEvent)
        outputs = [item.output for item in agent.history() if item.kind == "function_call_output"]
        assert outputs == ["done at last"]


async def test_an_interruption_cancels_tools_where_that_is_wanted() -> None:
    tool = Slow()
    async with running(toolkit=Toolkit([tool.slow]), cancels_tools=True) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        await tool.began.wait()
        await agent.handle_input(text("speak 60 seconds"))
        await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
        agent.interrupt()
        _, output = result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))
        assert json.loads(output)["status"] == "cancelled"
        await ears.until(ServerEvents.AgentResponseDoneEvent)
        assert tool.was_cancelled
        outputs = [item.output for item in agent.history() if item.kind == "function_call_output"]
        assert [json.loads(output or "")["status"] for output in outputs] == ["cancelled"]
    assert ears.types().count("agent_response_tool_result") == 1


async def test_the_end_cancels_tools_and_closes_their_calls() -> None:
    tool = Slow()
    async with running(toolkit=Toolkit([tool.slow])) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        await tool.began.wait()
    assert tool.was_cancelled
    assert ears.types()[-2:] == ["agent_response_tool_result", "agent_ended"]


async def test_a_tool_may_stop_its_own_agent() -> None:
    ears = Ears()
    toolkit = Toolkit()
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel(), toolkit)

    @toolkit.add
    async def hang_up() -> str:
        await agent.stop()
        return "bye"

    with anyio.fail_after(10):
        await agent.start(ears.queue)
        await agent.handle_input(text("call hang_up {}"))
        assert (await ears.until(ServerEvents.AgentEndedEvent)).reason == "stopped"
        await agent.stop()


@pytest.mark.parametrize(
    "options",
    [{}, {"toolkit": Toolkit()}, {"toolkit": Toolkit([Slow().slow]), "client_tools": [ASK]}],
)
async def test_a_call_without_a_function_here_waits_for_the_front_end(options: dict[str, Any]) -> None:
    async with running(**options) as (agent, ears):
        await agent.handle_input(text("call ask_user {}"))
        use = await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        blocks = [{"type": "text", "text": "blue"}]
        await agent.handle_input(client_result(use.tool_use["id"], blocks))
        assert result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent)) == ("ask_user", "blue")
        said = await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
        assert said.transcript == "ask_user returned: blue"
        await agent.handle_input(client_result(use.tool_use["id"], "again"))
        assert (await ears.until(ServerEvents.AgentErrorEvent)).code == "invalid_event"


async def test_a_front_end_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    async with running(client_tool_timeout_s=0.01) as (agent, ears):
        await agent.handle_input(text("call ask_user {}"))
        _, output = result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))
        assert "no result within 0.01 s" in json.loads(output)["error"]


async def test_the_front_end_may_not_answer_for_the_back_end() -> None:
    tool = Slow()
    async with running(toolkit=Toolkit([tool.slow])) as (agent, ears):
        await agent.handle_input(text("call slow {}"))
        use = await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        await agent.handle_input(client_result(use.tool_use["id"], "mine"))
        assert "runs in the back end" in (await ears.until(ServerEvents.AgentErrorEvent)).message
        tool.may_end.set()
        assert result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))[1] == "done at last"


async def test_tools_of_both_sides_are_told_to_the_model() -> None:
    model = FakeModel()
    toolkit = Toolkit([Slow().slow])
    async with running(model, toolkit=toolkit, client_tools=[ASK]) as (agent, _):
        assert [spec.name for spec in model.tools] == ["slow", "ask_user"]
        other = {"type": "function", "function": {"name": "look"}}
        await agent.handle_input(ClientEvents.ClientSessionCreateEvent(config={"tools": [other]}))
        await anyio.wait_all_tasks_blocked()
        (update,) = model.open_connection.orders
        assert [spec.name for spec in getattr(update, "tools", ())] == ["slow", "look"]


async def test_tools_that_are_refused_change_nothing() -> None:
    async with running(toolkit=Toolkit([Slow().slow]), client_tools=[ASK]) as (agent, ears):
        await agent.handle_input(ClientEvents.ClientSessionCreateEvent(config={"tools": [{"name": "slow"}]}))
        assert (await ears.until(ServerEvents.AgentErrorEvent)).code == "invalid_configuration"
        await agent.handle_input(text("call ask_user {}"))
        use = await ears.until(ServerEvents.AgentResponseToolUseDoneEvent)
        await agent.handle_input(client_result(use.tool_use["id"], "blue"))
        assert result_of(await ears.until(ServerEvents.AgentResponseToolResultEvent))[1] == "blue"


async def test_two_tools_of_one_name_are_refused() -> None:
    toolkit = Toolkit()
    toolkit.add(Slow().slow, name="ask_user")
    agent = RealtimeAgent("Friday", "", EchoRealtimeModel(), toolkit, client_tools=[ASK])
    with pytest.raises(ConfigError, match="ask_user"):
        await agent.start(Ears().queue)


async def test_a_call_that_the_end_overtakes_leaves_nothing() -> None:
    tool, model = Slow(), FakeModel()
    async with running(model, toolkit=Toolkit([tool.slow]), clock=ManualClock()) as (agent, ears):
        model.open_connection.emit(ModelSessionEndedEvent(session_id="f", reason="expired", code=1001))
        ended = await ears.until(ServerEvents.AgentEndedEvent)
        assert (ended.code, agent.is_running) == (1001, False)
