"""An agent in a room: what it says while it has the floor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.room_tracks import LEAD_SAMPLES, ROOM_RATE_HZ
from voicewire.audio import g711
from voicewire.audio.resample import Resampler
from voicewire.conversation.heard import Stretch
from voicewire.errors import SessionClosed, UnsupportedError, VoicewireError
from voicewire.events import server as s
from voicewire.events.base import EventBase
from voicewire.events.client import ClientImageAppendEvent
from voicewire.events.commands import AppendAudio, Command, CommitAudio, CreateResponse, SendText
from voicewire.events.session import SessionConfig, Transcription

_PIECE_BYTES: Final = 2 * ROOM_RATE_HZ // 10
_MAX_SPEECH_BYTES: Final = 2 * ROOM_RATE_HZ * 600


class Speech:
    """What an agent says in one turn; it may take several responses, when it calls tools on the way.

    Args:
        now_ns: When it was asked.
    """

    def __init__(self, now_ns: int) -> None:
        self.active_ns = now_ns
        """When something of it last came."""
        self.response_id = ""
        """The response that is heard; empty until it begins."""
        self.start_sample = -1
        """On the room's timeline; below 0 before it is heard."""
        self.audio = bytearray()
        self.item_id = ""
        """The first item that there is something of."""
        self.has_begun = False
        self.has_calls = False
        """Whether the response has called tools, and another one will follow it."""
        self.open_calls: set[str] = set()
        """Calls that run."""
        self.is_generated = False
        """Whether all of it has come."""
        self._stretch = Stretch("", 0, generation=0, rate_hz=ROOM_RATE_HZ, first_ms=0)
        self._worded = ""
        self._resampler: Resampler | None = None

    @property
    def end_sample(self) -> int:
        """Where it ends, as far as it has come."""
        return self.start_sample + len(self.audio) // 2

    @property
    def is_too_long(self) -> bool:
        """Whether nothing more of it is taken."""
        return len(self.audio) >= _MAX_SPEECH_BYTES

    def add(self, event: s.AgentResponseAudioDeltaEvent, now_sample: int) -> tuple[int, bytes]:
        """More audio, heard from now on at the earliest.

        Returns:
            Where it is heard, and its samples at the room's rate.
        """
        pcm16, rate_hz = event.pcm, event.format.rate
        if event.format.type != "audio/pcm":
            pcm16 = g711.decode(pcm16, "pcma" if event.format.type == "audio/pcma" else "pcmu")
        if rate_hz != ROOM_RATE_HZ:
            if self._resampler is None:
                self._resampler = Resampler(rate_hz, ROOM_RATE_HZ)
            pcm16 = self._resampler.process(pcm16)
        if self.start_sample < 0:
            self.start_sample = now_sample + LEAD_SAMPLES
        elif self.end_sample < now_sample:
            self.audio += bytes(2 * (now_sample + LEAD_SAMPLES - self.end_sample))
        at = self.end_sample
        self.item_id = self.item_id or event.item_id
        self.audio += pcm16
        self._stretch.generated = len(self.audio) // 2
        return at, pcm16

    def calls(self, call_id: str) -> None:
        """It calls a tool."""
        self.has_calls = True
        self.open_calls.add(call_id)

    def called(self, call_id: str, now_ns: int) -> None:
        """A call has its result."""
        self.open_calls.discard(call_id)
        self.active_ns = now_ns

    def add_words(self, item_id: str, delta: str) -> None:
        """More of its words."""
        self.item_id = self.item_id or item_id
        if self._worded not in ("", item_id):
            delta = f" {delta}"
        self._worded = item_id
        self._stretch.add_text(delta)

    def add_transcript(self, item_id: str, transcript: str) -> None:
        """All words of a part; they count when its words did not come one by one."""
        if self._worded != item_id:
            self.add_words(item_id, transcript)

    def words(self, samples: int) -> str:
        """The words up to a place in it; all of them when nothing is spoken."""
        if not self.audio:
            return self._stretch.text
        self._stretch.is_complete = self.is_generated
        return self._stretch.text_at(samples)


class Member:
    """One agent; its outgoing queue is this object, which hands every event to the room.

    Args:
        agent: Belongs to the room while it is in it.
        on_event: Takes its events, at once.
    """

    def __init__(self, agent: RealtimeAgent, on_event: Callable[[Member, EventBase], None]) -> None:
        self.agent = agent
        self._on_event = on_event
        self.speech: Speech | None = None
        """What it says; None while it has not been given the floor."""
        self.cut_id = ""
        """The response that was cut off last,"""
        self.cut_words = ""
        """and what was heard of it."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.agent.name

    async def put(self, item: EventBase, /) -> None:
        """Takes one event."""
        self.put_nowait(item)

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event; raises ``asyncio.QueueFull`` never."""
        self._on_event(self, item)

    async def start(self) -> None:
        """Starts the agent; the room, and not its model, ends turns.

        Raises:
            UnsupportedError: Its model cannot do without finding turns itself.
            VoicewireError: See ``RealtimeAgent.start``.
        """
        capabilities = self.agent.model.capabilities
        if not capabilities.supports_manual_turns:
            raise UnsupportedError(
                f"{self.agent.model.name} ends turns by itself only; it cannot share a room with other agents"
            )
        settings = self.agent._settings  # the room is the agent's own package
        config = settings.config or SessionConfig(
            modality="audio" if "audio" in capabilities.output_modalities else "text",
            transcription=Transcription() if capabilities.supports_input_transcription else None,
        )
        manual = msgspec.structs.replace(config, turn_detection=None)
        self.agent._settings = replace(settings, config=manual)
        try:
            await self.agent.start(self)
        finally:
            self.agent._settings = settings

    async def stop(self) -> None:
        """Stops the agent."""
        await self.agent.stop()

    def hear(self, pcm16: bytes) -> bool:
        """Takes a whole turn of somebody else, without answering it; False when it is too short to be one."""
        if len(pcm16) < _PIECE_BYTES:
            return False
        for at in range(0, len(pcm16), _PIECE_BYTES):
            self._send(AppendAudio(pcm16[at : at + _PIECE_BYTES], ROOM_RATE_HZ))
        self._send(CommitAudio(respond=False))
        return True

    def read(self, text: str) -> None:
        """Takes a text of somebody else, without answering it."""
        self._send(SendText(text, respond=False))

    async def see(self, image: ClientImageAppendEvent) -> None:
        """Takes an image, if its model does."""
        if "image" not in self.agent.model.capabilities.input_modalities:
            return
        with contextlib.suppress(SessionClosed):  # it has ended; the others go on
            await self.agent.handle_input(image)

    def answer(self, now_ns: int) -> Speech:
        """Has the floor: says something."""
        self.speech = Speech(now_ns)
        self._send(CreateResponse())
        return self.speech

    def heard(self, response_id: str) -> Speech | None:
        """What is said in this response, when it is the one that is heard."""
        speech = self.speech
        return speech if speech is not None and speech.response_id == response_id else None

    def silence(self) -> Speech | None:
        """Loses the floor; gives what it was saying."""
        speech, self.speech = self.speech, None
        if self.agent.is_running:
            self.agent.interrupt()
        return speech

    def _send(self, command: Command) -> None:
        try:
            self.agent.send(command)
        except VoicewireError:
            # It has ended; the room hears of that by its last event.
            return
