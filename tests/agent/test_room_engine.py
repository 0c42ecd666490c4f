"""A room with two agents on the embedded engine, two on ``echo`` and a person, proved by its recording.

The clock runs with the machine's, and jumps where everybody only waits until a speech has been played: the engine's own
pace is real, the conversation is shorter.
"""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import anyio
import pytest

from voicewire.agent import ChatRoom, RealtimeAgent
from voicewire.audio.files import read_audio
from voicewire.clock import NS_PER_MS, MonotonicClock
from voicewire.engine.local import LocalRealtimeModel
from voicewire.events import ClientEvents, MediaFormat, ServerEvents
from voicewire.events.base import EventBase
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.model import RealtimeModel

from .overlap import heard, longest_overlap_ms, tracks_in

pytestmark = [pytest.mark.engine, pytest.mark.anyio]

SPEECH = Path(__file__).parent.parent / "data" / "speech"
RATE_HZ = 24_000
MAX_OVERLAP_MS = 300
TURNS = 10


class JumpingClock:
    """The machine's clock, which the test may put forward."""

    def __init__(self) -> None:
        self._machine = MonotonicClock()
        self._ahead_ns = 0
        self._jumped = anyio.Event()
        self._moments: list[int] = []

    def now_ns(self) -> int:
        return self._machine.now_ns() + self._ahead_ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        self._moments.append(when_ns)
        try:
            await anyio.lowlevel.checkpoint()
            while (left_ns := when_ns - self.now_ns()) > 0:
                with anyio.move_on_after(left_ns / 1e9):
                    await self._jumped.wait()
        finally:
            self._moments.remove(when_ns)

    def jump_to(self, when_ns: int) -> None:
        self._ahead_ns += max(0, when_ns - self.now_ns())
        jumped, self._jumped = self._jumped, anyio.Event()
        jumped.set()

    @property
    def next_ns(self) -> int | None:
        return min(self._moments, default=None)


class Talk:
    """A room of five, and the person in it."""

    def __init__(self, folder: Path) -> None:
        self.clock = JumpingClock()
        models: dict[str, RealtimeModel] = {
            "Ada": LocalRealtimeModel(),
            "Bob": EchoRealtimeModel(clock=self.clock),
            "Cleo": LocalRealtimeModel(),
            "Dan": EchoRealtimeModel(clock=self.clock),
        }
        agents = [RealtimeAgent(name, "", model, clock=self.clock) for name, model in models.items()]
        self.room = ChatRoom(agents, turn_limit=2 * TURNS, record_to=folder, clock=self.clock)
        self.queue: asyncio.Queue[EventBase] = asyncio.Queue()
        self._generated_by = ""

    async def say(self, name: str) -> None:
        """The person says a sentence, and is then quiet."""
        rate_hz = 16_000
        speech = read_audio(SPEECH / name, sample_rate_hz=rate_hz).data + bytes(2 * rate_hz)
        piece_bytes = 2 * rate_hz // 50
        for at in range(0, len(speech), piece_bytes):
            self.clock.jump_to(self.clock.now_ns() + 20 * NS_PER_MS)
            event = ClientEvents.ClientAudioAppendEvent(
                session_id="s1",
                audio=base64.b64encode(speech[at : at + piece_bytes]).decode(),
                format=MediaFormat("audio/pcm", rate_hz),
            )
            await self.room.handle_input(event)

    async def until_turns(self, turns: int) -> None:
        """Lets the agents talk, putting the clock forward while a speech is only played."""
        while len(self.room.history()) < turns:
            await self._step()

    async def until_heard(self, name: str, audio_ms: int) -> None:
        """Lets them talk until so much of this one's next speech has come, and has been heard."""
        samples = 0
        begin_ns = 0
        while samples < audio_ms * RATE_HZ // 1000:
            event = await self._step()
            if isinstance(event, ServerEvents.AgentResponseAudioDeltaEvent) and event.agent_name == name:
                begin_ns = begin_ns or self.clock.now_ns()
                samples += len(event.pcm) // 2
        self.clock.jump_to(begin_ns + audio_ms * NS_PER_MS)

    async def _step(self) -> EventBase | None:
        """One event of the room; without one, the next moment that its clock is waited for."""
        with anyio.move_on_after(0.02):
            event = await self.queue.get()
            match event:
                case ServerEvents.AgentResponseCreatedEvent():
                    self._generated_by = ""
                case ServerEvents.AgentResponseDoneEvent(status="completed"):
                    self._generated_by = event.agent_name
                case _:
                    pass
            return event
        if self.room.floor == self._generated_by and self.clock.next_ns is not None:
            self.clock.jump_to(self.clock.next_ns)
        return None


async def test_ten_turns_of_two_local_agents_two_echo_agents_and_a_person(tmp_path: Path) -> None:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    talk = Talk(tmp_path)
    with anyio.fail_after(150):
        async with talk.room:
            await talk.room.start(talk.queue)
            talk.room.add_person("s1", "Eve")
            await talk.say("capital-of-japan.flac")
            await talk.until_turns(3)
            await talk.until_heard("Cleo", 700)
            await talk.say("nine-times-seven.flac")
            await talk.until_turns(TURNS)
    assert talk.room.failure is None
    history = talk.room.history()
    # Who was cut off has not had its turn: it answers whoever cut it off.
    assert [turn.speaker for turn in history[:TURNS]] == [
        "Eve", "Ada", "Bob", "Cleo", "Eve", "Cleo", "Dan", "Ada", "Bob", "Cleo",
    ]  # fmt: skip
    assert [turn.is_cut for turn in history[:TURNS]] == [False] * 3 + [True] + [False] * 6
    assert "Tokyo" in history[1].words
    assert "63" in history[5].words
    tracks = tracks_in(tmp_path)
    assert sorted(tracks) == ["Ada", "Bob", "Cleo", "Dan", "Eve"]
    assert len({len(track) for track in tracks.values()}) == 1
    assert all(heard(track, RATE_HZ).any() for track in tracks.values())
    assert 0 < longest_overlap_ms(tracks, RATE_HZ) <= MAX_OVERLAP_MS
    assert talk.room.longest_overlap_ms <= MAX_OVERLAP_MS
