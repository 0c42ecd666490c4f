"""What waits for an agent's consumer: order, interruption, the limits."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from voicewire.agent.outgoing import Outgoing
from voicewire.errors import ConsumerTooSlow, VoicewireError
from voicewire.events import ServerEvents
from voicewire.events.base import EventBase, MediaFormat

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


def control(name: str) -> EventBase:
    return ServerEvents.AgentResponseCreatedEvent(agent_id="a", agent_name="A", response_id=name)


def audio(samples: int = 10) -> EventBase:
    return ServerEvents.AgentResponseAudioDeltaEvent(
        agent_id="a", agent_name="A", response_id="r", item_id="i", pcm=bytes(2 * samples),
        format=MediaFormat("audio/pcm", 24000),
    )  # fmt: skip


class Scene:
    def __init__(self, maxsize: int, slow_consumer_s: float = 1000.0) -> None:
        self.queue: asyncio.Queue[EventBase] = asyncio.Queue(maxsize)
        self.failures: list[VoicewireError] = []
        self.outgoing = Outgoing(self.queue, slow_consumer_s=slow_consumer_s, on_failure=self.failures.append)

    def taken(self) -> list[EventBase]:
        events: list[EventBase] = []
        while not self.queue.empty():
            events.append(self.queue.get_nowait())
        return events


async def test_nothing_overtakes_what_waits() -> None:
    scene = Scene(maxsize=1)
    events = [control(str(number)) for number in range(6)]
    taken: list[EventBase] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.outgoing.deliver)
        for event in events[:2]:
            scene.outgoing.emit(event)
        await anyio.wait_all_tasks_blocked()
        # Room for one, while the delivery task holds another one in its hands and has not been woken yet.
        taken.append(scene.queue.get_nowait())
        for event in events[2:]:
            scene.outgoing.emit(event)
        scene.outgoing.close()
        while len(taken) < len(events):
            taken.append(await scene.queue.get())
    assert taken == events
    assert scene.failures == []


async def test_an_interruption_drops_the_audio_that_waits_and_nothing_else() -> None:
    scene = Scene(maxsize=1)
    for event in (control("1"), audio(), control("2"), audio()):
        scene.outgoing.emit(event)
    scene.outgoing.drop_audio()
    scene.outgoing.emit(control("3"))
    taken = scene.taken()
    scene.outgoing.flush()
    taken += scene.taken()
    scene.outgoing.flush()
    taken += scene.taken()
    assert taken == [control("1"), control("2"), control("3")]


@pytest.mark.parametrize("limit", ["MAX_WAITING_EVENTS", "MAX_WAITING_AUDIO_BYTES"])
async def test_too_much_that_waits_ends_it_once_and_keeps_the_rest(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"voicewire.agent.outgoing.{limit}", 4 if limit.endswith("EVENTS") else 40)
    scene = Scene(maxsize=1)
    scene.outgoing.emit(control("first"))
    for _ in range(5):
        scene.outgoing.emit(audio())
    scene.outgoing.emit(control("last"))
    assert [type(failure) for failure in scene.failures] == [ConsumerTooSlow]
    taken = scene.taken()
    scene.outgoing.flush()
    assert [*taken, *scene.taken()] == [control("first"), control("last")]


async def test_a_cancelled_delivery_loses_nothing() -> None:
    scene = Scene(maxsize=1)
    events = [control(str(number)) for number in range(3)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.outgoing.deliver)
        for event in events:
            scene.outgoing.emit(event)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    taken = scene.taken()
    for _ in range(2):
        scene.outgoing.flush()
        taken += scene.taken()
    assert taken == events
