"""Tools that say how far they are: told in front, at a bounded pace, and never part of the history."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import pytest

from voicewire.agent import ProgressReport, Toolkit, ToolProgress
from voicewire.agent.progress import INTERVAL_MS, MAX_MESSAGE_CHARS
from voicewire.errors import ConfigError
from voicewire.events import ServerEvents
from voicewire.events.base import EventBase
from voicewire.testing.clock import ManualClock

from .stage import Stage, agent
from .test_agent import Ears, no_task_is_left, running, text

__all__ = ["no_task_is_left"]

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

Progress = ServerEvents.AgentResponseToolProgressEvent
Result = ServerEvents.AgentResponseToolResultEvent


class Steps:
    """A tool that reports each time the test lets it, and then ends as the test says."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.began = asyncio.Event()
        self.ends = asyncio.Event()
        self.progress = ToolProgress()

    async def count(self, progress: ToolProgress, how: str = "well") -> str:
        """Counts."""
        self.progress = progress
        self.began.set()
        try:
            await self.ends.wait()
            if how != "well":
                raise RuntimeError(how)
            return "counted"
        finally:
            progress.report(message="the very last")

    async def step(self, number: int, *, ms: int) -> None:
        """Reports, and lets time pass."""
        self.progress.report(number, total=100, message=f"at {number}")
        await self.clock.advance_ms(ms)


def told(ears: Ears) -> list[Any]:
    return [event for event in ears.rest() if isinstance(event, Progress)]


def nothing_follows_the_result(events: list[EventBase]) -> bool:
    kinds = [type(event) for event in events if isinstance(event, (Progress, Result))]
    return kinds.count(Result) == 1 and kinds[-1] is Result


# ---------------------------------------------------------------------- what a tool says


async def test_values_before_the_last_are_progress_of_either_kind_of_generator() -> None:
    where: list[bool] = []

    async def later(to: int) -> AsyncGenerator[list[dict[str, str]], None]:
        for number in range(to):
            yield [{"type": "text", "text": f"part {number}"}]

    def off_the_loop(to: int) -> Generator[str, None, None]:
        for number in range(to):
            where.append(threading.current_thread() is threading.main_thread())
            yield f"part {number}"

    for function in (later, off_the_loop):
        reports: list[ProgressReport] = []
        toolkit = Toolkit([function])
        answer = await toolkit.call(function.__name__, {"to": 3}, on_progress=reports.append)
        assert (answer.output, answer.outcome) == ("part 2", "completed")
        assert reports[-1] == ProgressReport("part 2")
        assert (await toolkit.call(function.__name__, {"to": 3})).output == "part 2"
    assert where == [False] * 6


async def test_a_function_that_asks_for_it_reports_and_the_model_does_not_see_the_parameter() -> None:
    toolkit = Toolkit()

    @toolkit.add
    async def here(city: str, progress: ToolProgress) -> str:
        progress.report(1, total=4, message=f"asking {city}")
        return "sunny"

    @toolkit.add
    def there(city: str, progress: ToolProgress | None = None, **more: str) -> str:
        assert progress is not None
        for number in range(10_000):
            progress.report(number)
        return "rain"

    assert [list(spec.parameters["properties"]) for spec in toolkit.specs] == [["city"], ["city"]]
    reports: list[ProgressReport] = []
    answer = await toolkit.call("here", {"city": "Oslo"}, on_progress=reports.append)
    assert (answer.output, reports) == ("sunny", [ProgressReport("asking Oslo", 1.0, 4.0)])
    assert (await toolkit.call("here", {"city": "Oslo"})).output == "sunny"
    assert (await toolkit.call("here", {"city": "Oslo", "progress": 1})).outcome == "failed"
    reports.clear()
    given_too = {"city": "Oslo", "progress": "mine"}
    assert (await toolkit.call("there", given_too, on_progress=reports.append)).output == "rain"
    done = [report.progress or 0.0 for report in reports]
    assert (done, done[-1]) == (sorted(done), 9999.0)
    with pytest.raises(ConfigError, match="no argument 'process'"):
        toolkit.add(here, name="other", preset={"process": 1})


async def test_a_report_is_bounded_and_always_json() -> None:
    reports: list[ProgressReport] = []
    progress = ToolProgress(reports.append)
    progress.report(float("nan"), total=float("inf"), message="x" * 5000 + "end")
    progress.report(3, message="half a \ud83d pair")
    assert [(one.progress, one.total) for one in reports] == [(None, None), (3.0, None)]
    assert (len(reports[0].message), reports[0].message[-4:]) == (MAX_MESSAGE_CHARS, "xend")
    assert reports[1].message.encode() == b"half a ? pair"


async def test_nothing_is_heard_of_a_call_that_is_over() -> None:
    kept: list[ToolProgress] = []
    go_on, gone_on = threading.Event(), threading.Event()

    async def keep(progress: ToolProgress) -> None:
        kept.append(progress)

    def outlive(progress: ToolProgress) -> None:
        kept.append(progress)
        go_on.wait()
        progress.report(1)
        gone_on.set()

    reports: list[ProgressReport] = []
    toolkit = Toolkit([keep])
    toolkit.add(outlive, timeout_s=0.01)
    try:
        await toolkit.call("keep", on_progress=reports.append)
        assert (await toolkit.call("outlive", on_progress=reports.append)).outcome == "timed_out"
    finally:
        go_on.set()
    await anyio.to_thread.run_sync(gone_on.wait)
    for progress in kept:
        assert not progress.is_heard
        progress.report(2)
    assert reports == []


# ---------------------------------------------------------------------- what the front end hears


async def test_at_most_ten_a_second_are_told_the_latest_counts_and_the_last_comes_before_the_result() -> None:
    tool = Steps(clock := ManualClock())
    async with running(toolkit=Toolkit([tool.count]), clock=clock) as (talker, ears):
        await talker.handle_input(text("call count {}"))
        await tool.began.wait()
        for number in range(100):
            await tool.step(number, ms=10)
        events = told(ears)
        assert [event.progress for event in events] == [float(number) for number in range(9, 100, 10)]
        assert {(event.name, event.total) for event in events} == {("count", 100.0)}
        assert events[0].message == "at 9"
        tool.progress.report(100, total=100)
        tool.ends.set()
        result = await ears.until(Result)
        assert [event.message for event in told(ears)][10:] == ["the very last"]
        assert {event.id for event in events} == {result.tool_result["id"]}
        await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
        items = talker.history()
        assert [item.output for item in items if item.kind == "function_call_output"] == ["counted"]
        assert not any("at " in str(item) for item in items)
    assert nothing_follows_the_result(ears.rest())
    assert clock.sleepers == 0


@pytest.mark.parametrize("how", ["no luck", "timeout", "interruption", "end"])
async def test_however_a_call_ends_after_its_progress_the_history_is_valid(how: str) -> None:
    tool = Steps(clock := ManualClock())
    toolkit = Toolkit()
    toolkit.add(tool.count, timeout_s=0.5 if how == "timeout" else 30)
    async with running(toolkit=toolkit, clock=clock, cancels_tools=True) as (talker, ears):
        await talker.handle_input(text(f'call count {{"how": "{how}"}}'))
        await tool.began.wait()
        await clock.advance_ms(INTERVAL_MS)
        for number in (1, 2):
            tool.progress.report(number)
        assert [event.progress for event in told(ears)] == [1.0]
        if how == "no luck":
            tool.ends.set()
        if how == "interruption":
            await talker.handle_input(text("speak 60 seconds"))
            await ears.until(ServerEvents.AgentResponseAudioDeltaEvent)
            talker.interrupt()
        if how != "end":
            await ears.until(Result)
            await talker.handle_input(text("hello"))
            await ears.until(ServerEvents.AgentResponseDoneEvent)
        else:
            await talker.stop()
        items = talker.history()
        calls = [item.call_id for item in items if item.kind == "function_call"]
        outputs = {item.call_id: item.output or "" for item in items if item.kind == "function_call_output"}
        assert list(outputs) == calls
        assert [json.loads(output).keys() & {"error", "status"} for output in outputs.values()] != [set()]
    assert nothing_follows_the_result(ears.rest())
    # What waited was told before the result, but for a call that was stopped from outside in the middle of it.
    last = told(ears)[-1]
    is_stopped = how in ("interruption", "end")
    assert (last.progress, last.message) == ((2.0, "") if is_stopped else (None, "the very last"))


async def test_a_generator_that_is_soon_over_has_only_its_result() -> None:
    async def look() -> AsyncGenerator[str, None]:
        yield "found it"

    async with running(toolkit=Toolkit([look]), clock=ManualClock()) as (talker, ears):
        await talker.handle_input(text("call look {}"))
        assert (await ears.until(Result)).tool_result["output"] == "found it"
    assert told(ears) == []


async def test_a_room_tells_the_progress_of_its_agents() -> None:
    async def look(progress: ToolProgress) -> str:
        progress.report(1, total=2, message="half")
        return "found it"

    stage = Stage()
    stage.room = type(stage.room)(
        [agent("ann", stage.clock, toolkit=Toolkit([look]))], clock=stage.clock, turn_limit=1
    )
    async with stage:
        await stage.say("call look {}", who="a person")
        await stage.until(lambda: bool(stage.events(Result)))
        (event,) = stage.events(Progress)
        assert (event.agent_name, event.message, event.progress, event.total) == ("ann", "half", 1.0, 2.0)
