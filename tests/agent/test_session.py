"""The driver of a conversation: barge-in, tools, ends; all on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from tests.agent.fakes import LOST, RATE_HZ, FakeConnection, FakeModel, Notes, response, speech
from voicewire.agent.edges import AudioSource, VirtualMicrophone, VirtualSpeaker
from voicewire.agent.session import VoiceSession
from voicewire.agent.tools import Tool
from voicewire.errors import ConnectionLost, LocalProtocolError, SessionClosed
from voicewire.events.commands import SendImage, SendText, SendToolResult, TruncateItem
from voicewire.events.items import Item
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelResponseDoneEvent,
    ModelResponseToolUseDoneEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import ToolSpec
from voicewire.recording.marks import AudioPlayed, InputEnded, PlayoutCut, ToolFinished
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


@dataclass
class Stage:
    session: VoiceSession
    model: FakeModel
    clock: ManualClock
    notes: Notes
    microphone: VirtualMicrophone

    @property
    def connection(self) -> FakeConnection:
        return self.model.open_connection

    async def say(self, response_id: str, item_id: str, samples: int) -> None:
        item = Item(id=item_id, role="assistant", status="in_progress")
        self.connection.emit(
            response(response_id),
            ModelItemAddedEvent(item=item, response_id=response_id),
            speech(response_id, item_id, samples),
        )
        await self.clock.settle()


@asynccontextmanager
async def running(
    *, tools: Iterable[Tool] = (), source: AudioSource | None = None, ends_after_input: bool = False
) -> AsyncGenerator[Stage, None]:
    clock, model, notes = ManualClock(), FakeModel(), Notes()
    microphone = VirtualMicrophone(clock, RATE_HZ)
    session = VoiceSession(
        model,
        source=source or microphone,
        sink=VirtualSpeaker(clock, RATE_HZ),
        tools=tools,
        observers=[notes],
        clock=clock,
        ends_after_input=ends_after_input,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await session.wait_started()
        await clock.settle()
        yield Stage(session, model, clock, notes, microphone)
        tasks.cancel_scope.cancel()


async def test_user_audio_reaches_the_model_in_real_time() -> None:
    async with running() as stage:
        stage.microphone.speak(b"\x01\x00" * 480)
        await stage.clock.advance_ms(100)
        assert stage.connection.audio_samples == 5 * 480
        assert [start for start, _ in stage.notes.user] == [0.0, 20.0, 40.0, 60.0, 80.0]
        assert stage.notes.user[0][1].data == b"\x01\x00" * 480
        assert stage.notes.position_ms == 100.0


async def test_reply_is_played_from_the_moment_it_comes() -> None:
    async with running() as stage:
        await stage.clock.advance_ms(105)
        await stage.say("r1", "i1", 480)
        await stage.clock.advance_ms(100)
        assert b"".join(pcm for _, pcm in stage.notes.agent) == b"\x10\x27" * 480
        assert stage.notes.agent[0][0] == 105.0
        played = stage.notes.of(AudioPlayed)
        assert (played[0].start_ms, played[-1].end_ms) == (105.0, 125.0)


async def test_barge_in_silences_truncates_and_tells_how_much_was_heard() -> None:
    async with running() as stage:
        await stage.say("r1", "i1", 5 * RATE_HZ)
        await stage.clock.advance_ms(1000)
        stage.connection.emit(ModelInputStartedEvent(item_id="u1", audio_start_ms=800))
        await stage.clock.settle()
        await stage.clock.advance_ms(500)
        heard_bytes = sum(len(pcm) for _, pcm in stage.notes.agent)
        assert heard_bytes // 2 == RATE_HZ * 1005 // 1000  # 5 ms of fade
        assert [command for command in stage.connection.orders if isinstance(command, TruncateItem)] == [
            TruncateItem("i1", 1005)
        ]
        (cut,) = stage.notes.of(PlayoutCut)
        assert (cut.item_id, cut.heard_ms, cut.dropped_ms) == ("i1", 1005.0, 3995.0)


async def test_late_audio_of_an_interrupted_reply_is_not_played() -> None:
    async with running() as stage:
        await stage.say("r1", "i1", RATE_HZ)
        await stage.clock.advance_ms(100)
        stage.connection.emit(ModelInputStartedEvent(item_id="u1", audio_start_ms=0))
        stage.connection.emit(speech("r1", "i1", RATE_HZ))
        await stage.clock.advance_ms(3000)
        assert sum(len(pcm) for _, pcm in stage.notes.agent) // 2 == RATE_HZ * 105 // 1000


async def test_other_rates_are_converted_and_accounted_at_their_own_rate() -> None:
    async with running() as stage:
        item = Item(id="i1", role="assistant", status="in_progress")
        added = ModelItemAddedEvent(item=item, response_id="r1")
        stage.connection.emit(response("r1"), added, speech("r1", "i1", 16_000, rate_hz=16_000))
        await stage.clock.settle()
        await stage.clock.advance_ms(500)
        stage.connection.emit(ModelInputStartedEvent(item_id="u1", audio_start_ms=0))
        await stage.clock.settle()
        (truncate,) = (c for c in stage.connection.orders if isinstance(c, TruncateItem))
        assert truncate.audio_end_ms == 505


def _tool_call(call_id: str, arguments: str) -> list[ModelResponseToolUseDoneEvent | ModelItemDoneEvent]:
    item = Item(id=f"item_{call_id}", kind="function_call", call_id=call_id, name="add", arguments=arguments)
    return [
        ModelResponseToolUseDoneEvent(
            response_id="r1",
            item_id=item.id,
            tool_use={"type": "tool_use", "id": call_id, "name": "add", "input": {}, "raw_input": arguments},
        ),
        ModelItemDoneEvent(item=item, response_id="r1"),
    ]


async def test_a_tool_runs_and_its_result_is_sent() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    async with running(tools=[Tool(ToolSpec(name="add"), add)]) as stage:
        assert [spec.name for spec in stage.model.tools] == ["add"]
        stage.connection.emit(response("r1"), *_tool_call("c1", '{"a": 2, "b": 3}'))
        stage.connection.emit(ModelResponseDoneEvent(response_id="r1", input_tokens=1, output_tokens=1))
        with anyio.fail_after(5):
            while not stage.notes.of(ToolFinished):
                await stage.clock.settle()
        await stage.clock.settle()
        assert [c for c in stage.connection.orders if isinstance(c, SendToolResult)] == [
            SendToolResult(call_id="c1", output="5", respond=True)
        ]


async def test_a_dead_connection_is_raised_as_itself() -> None:
    clock, model = ManualClock(), FakeModel()
    session = VoiceSession(
        model, source=VirtualMicrophone(clock, RATE_HZ), sink=VirtualSpeaker(clock, RATE_HZ), clock=clock
    )

    async def kill() -> None:
        await session.wait_started()
        model.open_connection.emit(LOST)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        with pytest.raises(ConnectionLost, match="line went dead"):
            await session.run()
    assert model.open_connection.is_closed


async def test_it_ends_when_the_model_ends_the_session() -> None:
    async with running() as stage:
        stage.connection.emit(ModelSessionEndedEvent(session_id="fake", reason="done", code=1000))
        await stage.clock.settle()
        assert stage.connection.is_closed
        with pytest.raises(SessionClosed):
            stage.session.send(SendText("hello"))


async def test_it_ends_after_the_input_was_answered() -> None:
    async with running(ends_after_input=True) as stage:
        stage.microphone.speak(bytes(960))
        await stage.clock.advance_ms(3000)
        assert not stage.connection.is_closed
        stage.microphone.finish()
        await stage.clock.advance_ms(100)
        assert stage.notes.of(InputEnded) == [InputEnded()]
        stage.connection.emit(
            ModelInputStartedEvent(item_id="u1", audio_start_ms=0),
            ModelInputDoneEvent(item_id="u1", audio_end_ms=20),
        )
        await stage.say("r1", "i1", 2 * RATE_HZ)
        stage.connection.emit(ModelResponseDoneEvent(response_id="r1", input_tokens=1, output_tokens=1))
        await stage.clock.advance_ms(2500)
        assert not stage.connection.is_closed
        await stage.clock.advance_ms(1500)
        assert stage.connection.is_closed


async def test_an_unsupported_command_is_reported_and_the_conversation_goes_on() -> None:
    async with running() as stage:
        stage.session.send(SendImage(b"\xff\xd8", command_id="c9"))
        stage.session.send(SendText("hello"))
        await stage.clock.settle()
        (error,) = stage.notes.of(ModelErrorEvent)
        assert (error.command_id, error.message) == ("c9", "the fake model is blind")
        assert SendText("hello") in stage.connection.orders


async def test_it_runs_only_once() -> None:
    async with running() as stage:
        with pytest.raises(LocalProtocolError):
            await stage.session.run()


async def test_stop_before_the_start_ends_at_once() -> None:
    clock, model = ManualClock(), FakeModel()
    session = VoiceSession(
        model, source=VirtualMicrophone(clock, RATE_HZ), sink=VirtualSpeaker(clock, RATE_HZ), clock=clock
    )
    session.stop()
    with anyio.fail_after(5):
        await session.run()
    assert model.open_connection.is_closed
