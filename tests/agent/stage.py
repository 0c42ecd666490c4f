"""A room on a clock that the test moves: its agents are ``echo``, its person speaks in the room's real time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from voicewire.agent import ChatRoom, RealtimeAgent
from voicewire.clock import NS_PER_MS, Clock
from voicewire.events import ClientEvents, MediaFormat, ServerEvents
from voicewire.events.base import EventBase
from voicewire.models.echo import EchoRealtimeModel
from voicewire.testing import ManualClock

LEAD_MS = 100
"""An agent is heard so long after its first audio has come."""


def agent(name: str, clock: Clock | None = None, **options: Any) -> RealtimeAgent:
    model = EchoRealtimeModel(clock=clock)
    return RealtimeAgent(name=name, sys_prompt=f"You are {name}.", model=model, clock=clock, **options)


class Stage:
    """A room, its clock and what it tells."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.clock = ManualClock()
        self.queue: asyncio.Queue[EventBase] = asyncio.Queue()
        self.room = ChatRoom([agent(name, self.clock) for name in names], clock=self.clock, **options)
        self.told: list[EventBase] = []

    async def __aenter__(self) -> Stage:
        await self.room.start(self.queue)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.room.stop()
        self.take()

    def take(self) -> None:
        while not self.queue.empty():
            self.told.append(self.queue.get_nowait())

    async def until(self, done: Callable[[], bool]) -> None:
        """Lets the room go on, moving its clock to the next moment that somebody waits for."""
        for _ in range(3000):
            self.take()
            if done():
                return
            await self.clock.settle(100)
            await asyncio.to_thread(lambda: None)
            if self.clock.next_wake_ns is not None:
                await self.clock.advance_ms((self.clock.next_wake_ns - self.clock.now_ns()) // NS_PER_MS + 1)
        raise AssertionError(
            f"the room never got there; it told {[type(event).__name__ for event in self.told]}"
        )

    async def say(self, text: str, who: str = "ann") -> None:
        await self.room.handle_input(ClientEvents.ClientTextAppendEvent(session_id=who, text=text))

    async def speak(self, pcm16: bytes, who: str = "ann", rate: int = 24_000) -> None:
        """In real time, by the room's clock."""
        size = 2 * (rate // 10)
        for at in range(0, len(pcm16), size):
            await self.clock.advance_ms(100)
            await self.room.handle_input(self.audio(pcm16[at : at + size], who, rate))

    def audio(self, pcm16: bytes, who: str, rate: int = 24_000) -> EventBase:
        """A piece of what somebody says."""
        return ClientEvents.ClientAudioAppendEvent(
            session_id=who, audio=base64.b64encode(pcm16).decode(), format=MediaFormat("audio/pcm", rate)
        )

    def events(self, kind: type[Any]) -> list[Any]:
        """What it has told of one kind."""
        self.take()
        return [event for event in self.told if isinstance(event, kind)]

    async def until_heard(self, name: str, audio_ms: int) -> None:
        """Lets the room go on until so much of what an agent says has been heard."""
        await self.until(lambda: self.room.floor == name and bool(self.audio_of(name)))
        await self.clock.advance_ms(LEAD_MS + audio_ms)

    def audio_of(self, name: str) -> list[Any]:
        """The pieces of speech of an agent."""
        return [
            one for one in self.events(ServerEvents.AgentResponseAudioDeltaEvent) if one.agent_name == name
        ]

    def words(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for event in self.told:
            match event:
                case ServerEvents.AgentResponseAudioTranscriptDoneEvent():
                    found.append((event.agent_name, event.transcript))
                case ServerEvents.AgentInputTranscriptionDoneEvent():
                    found.append((event.agent_name, event.transcript))
                case _:
                    pass
        return found

    def speakers(self) -> list[str]:
        return [span.speaker for span in self.room.spans]
