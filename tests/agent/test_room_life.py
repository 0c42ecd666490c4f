"""The life of a room: however it ends, nothing of it is left, and its recording is on the disk."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from voicewire.agent import ChatRoom, RealtimeAgent, Toolkit
from voicewire.audio.files import read_audio
from voicewire.audio.pcm import silence, tone
from voicewire.errors import (
    ConfigError,
    ConsumerTooSlow,
    InvalidEventError,
    LocalProtocolError,
    SessionClosed,
)
from voicewire.events import ClientEvents, ServerEvents
from voicewire.events.base import EventBase
from voicewire.models.echo import EchoRealtimeModel

from .stage import Stage, agent

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


def tasks_of_voicewire() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("voicewire")]


async def test_every_stop_waits_for_the_end() -> None:
    stage = Stage("Bob", "Carl")
    await stage.room.start(stage.queue)
    agents = stage.room.agents
    ends: list[bool] = []

    async def stop() -> None:
        await stage.room.stop()
        ends.append(any(one.is_running for one in agents))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(stop)
    assert ends == [False] * 3
    assert tasks_of_voicewire() == []
    assert [type(event).__name__ for event in stage.events(ServerEvents.AgentEndedEvent)] == [
        "AgentEndedEvent"
    ] * 2


async def test_a_stop_that_is_cancelled_stops_the_room_all_the_same() -> None:
    stage = Stage("Bob", "Carl")
    await stage.room.start(stage.queue)
    agents = stage.room.agents
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stage.room.stop()
    assert not any(one.is_running for one in agents)
    assert tasks_of_voicewire() == []
    # By the cancellation of asyncio itself, which no scope holds off.
    await stage.room.start(stage.queue)
    agents = stage.room.agents
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stage.room.stop(), 0)
    await stage.room.stop()
    assert not any(one.is_running for one in agents)
    assert tasks_of_voicewire() == []


async def test_a_room_whose_task_is_cancelled_stops_its_agents() -> None:
    stage = Stage("Bob", "Carl")
    await stage.room.start(stage.queue)
    agents = stage.room.agents
    await stage.room._owner.aclose()
    assert not stage.room.is_running
    assert not any(one.is_running for one in agents)
    assert len(stage.events(ServerEvents.AgentEndedEvent)) == 2
    await stage.room.stop()
    assert tasks_of_voicewire() == []


async def test_stop_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("Bob")
    began = anyio.Event()

    async def slow_start(self: RealtimeAgent, *_: Any, **__: Any) -> None:
        began.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(RealtimeAgent, "start", slow_start)

    async def start() -> None:
        with pytest.raises(SessionClosed, match="was stopped while it started"):
            await stage.room.start(stage.queue)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await began.wait()
        with anyio.fail_after(10):
            await stage.room.stop()
    assert tasks_of_voicewire() == []


async def test_a_tool_may_stop_the_room_it_is_in() -> None:
    async with Stage() as stage:
        toolkit = Toolkit()

        @toolkit.add
        async def good_bye() -> str:
            await stage.room.stop()
            return "bye"

        await stage.room.join(agent("Bob", stage.clock, toolkit=toolkit))
        await stage.say("call good_bye {}")
        with anyio.fail_after(10):
            await stage.until(lambda: bool(stage.events(ServerEvents.AgentEndedEvent)))
            await stage.room.stop()
        assert not stage.room.is_running
    assert tasks_of_voicewire() == []


async def test_after_the_end_nothing_is_taken_and_it_can_be_started_again() -> None:
    stage = Stage("Bob", turn_limit=1)
    async with stage:
        pass
    for call in (stage.room.add_person, stage.room.remove_person):
        with pytest.raises(LocalProtocolError, match=r"await start\(queue\)"):
            call("s1")
    with pytest.raises(LocalProtocolError, match=r"await start\(queue\)"):
        await stage.room.leave("Bob")
    async with stage:
        await stage.say("Again")
        await stage.until(lambda: stage.speakers() == ["Bob"])


async def test_a_front_end_that_takes_no_events_ends_the_room() -> None:
    queue: asyncio.Queue[EventBase] = asyncio.Queue(1)
    room = ChatRoom([RealtimeAgent("Bob", "", EchoRealtimeModel())])
    await room.start(queue)
    run = room._run
    assert run is not None
    run._outgoing._slow_consumer_s = 0.01
    with anyio.fail_after(10):
        room.add_person("s1")
        room.add_person("s2")
        await run.over.wait()
    assert isinstance(room.failure, ConsumerTooSlow)
    assert not room.is_running
    await room.stop()


async def test_each_participant_has_a_track_of_its_own(tmp_path: Path) -> None:
    async with Stage("Bob", "b/b", turn_limit=1, record_to=tmp_path) as stage:
        for name in ("b:b", "Ann"):
            stage.room.add_person(name)
        await stage.speak(tone(440, 12_000, 24_000) + silence(16_800), "Ann")
        await stage.until(lambda: stage.speakers() == ["Ann", "Bob"])
    lengths = {len(read_audio(tmp_path / f"{name}.wav").data) for name in ("Ann", "Bob", "b_b", "b_b-2")}
    assert len(lengths) == 1
    end_ms = max(turn.end_ms for turn in stage.room.history())
    assert lengths.pop() == round(end_ms * 24) * 2
    assert stage.room.failure is None


async def test_a_disk_that_refuses_ends_the_recording_and_not_the_room(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    async with Stage("Bob", turn_limit=1, record_to=folder) as stage:
        await stage.say("Hello")
        await stage.until(lambda: stage.speakers() == ["Bob"])
    assert isinstance(stage.room.failure, ConfigError)
    assert "is not complete" in str(stage.room.failure)


async def test_the_history_is_exported_edited_and_restored() -> None:
    async with Stage("Bob", turn_limit=1) as stage:
        await stage.say("My PIN is 1234")
        await stage.until(lambda: stage.speakers() == ["Bob"])
        with pytest.raises(LocalProtocolError, match=r"await its stop\(\)"):
            stage.room.restore_history("{}")
    memory = json.loads(stage.room.export_history())
    assert [turn["speaker"] for turn in memory["turns"]] == ["ann", "Bob"]
    memory["turns"] = [{**memory["turns"][0], "words": "My PIN is secret"}]
    second = Stage("Carl", turn_limit=1)
    second.room.restore_history(memory)
    assert [turn.words for turn in second.room.history()] == ["My PIN is secret"]
    async with second:
        await second.clock.settle()
        (carl,) = second.room.agents
        assert [item.text for item in carl.history()] == ["The conversation so far:\nann: My PIN is secret"]
        await second.say("Hello")
        await second.until(lambda: second.speakers() == ["Carl"])
        assert [turn.words for turn in second.room.history()] == [
            "My PIN is secret", "Hello", "You said: Hello",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "JSON"),
        ("{}", "version"),
        ('{"version": 2, "turns": []}', "version 2"),
        ('{"version": 1, "turns": [{"speaker": "a"}]}', "is_person"),
    ],
)
async def test_what_is_no_history_is_refused(data: str, words: str) -> None:
    with pytest.raises(InvalidEventError, match=words):
        ChatRoom().restore_history(data)


async def test_what_was_heard_when_the_room_ends_is_recorded(tmp_path: Path) -> None:
    async with Stage("Bob", turn_limit=1, record_to=tmp_path) as stage:
        await stage.say("speak 20 seconds")
        await stage.until_heard("Bob", 1000)
    assert 1000 <= len(read_audio(tmp_path / "Bob.wav").data) / 48 <= 1300
    assert stage.room.history()[-1].is_cut


async def test_an_image_reaches_the_agents_that_see_and_a_playout_report_nobody() -> None:
    async with Stage("Bob", "Carl", turn_limit=1) as stage:
        await stage.room.leave("Carl")
        image = ClientEvents.ClientImageAppendEvent(
            session_id="s1", image="aGk=", format={"type": "image/png"}
        )
        await stage.room.handle_input(image)
        await stage.clock.settle(100)
        (bob,) = stage.room.agents
        assert [part.kind for item in bob.history() for part in item.content] == ["image"]
        await stage.room.handle_input(ClientEvents.ClientPlayoutReportEvent(session_id="s1"))
        assert stage.events(ServerEvents.AgentErrorEvent) == []
