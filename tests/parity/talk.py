"""Drives one conversation through the narrow door, by steps, and keeps everything that came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from tests.judges.subjects import SAMPLE_RATE_HZ, Subject
from voicewire.audio.pcm import pcm16_to_int16
from voicewire.audio.resample import Resampler
from voicewire.events import model as m
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, SendText
from voicewire.models.model import RealtimeConnection
from voicewire.testing.clock import ManualClock

from .witness import Witness

BOUND_S = 20.0
"""No wait is longer; a bound, not an expectation."""
_CHUNK_MS = 40
_SILENCE_MS = 300
_PAUSE_MS = 1500


@dataclass
class Talk:
    """One conversation: whom with, and what came."""

    connection: RealtimeConnection
    subject: Subject
    """What to say to the model behind, and what a right answer is."""
    witness: Witness | None = None
    """The model behind the gateway; None for a model in this process."""
    clock: ManualClock | None = None
    rate_hz: int = SAMPLE_RATE_HZ
    """Of the audio that is sent."""
    max_session_s: int | None = None
    """How long a connection lasts, by the model's claim."""
    events: list[EventBase] = field(default_factory=list[EventBase])

    def __post_init__(self) -> None:
        self._iterator = aiter(self.connection)

    async def until(self, kind: type[EventBase], count: int) -> None:
        """Takes events until so many of a kind came."""
        while len(self.of(kind)) < count:
            self.events.append(await anext(self._iterator))

    def of(self, kind: type[EventBase]) -> list[EventBase]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def agent_item_id(self) -> str:
        """The item that the agent speaks in."""
        return next(e.item_id for e in self.events if isinstance(e, m.ModelResponseAudioDeltaEvent))

    @property
    def call_id(self) -> str:
        """The newest function call."""
        calls = [e.tool_use["id"] for e in self.events if isinstance(e, m.ModelResponseToolUseDoneEvent)]
        return calls[-1]

    @property
    def heard(self) -> list[str]:
        """The final transcripts of the user's turns."""
        return [e.transcript for e in self.events if isinstance(e, m.ModelInputTranscriptionDoneEvent)]

    @property
    def said(self) -> list[str]:
        """The final words of the agent."""
        words: list[str] = []
        for event in self.events:
            if isinstance(event, m.ModelResponseAudioTranscriptDoneEvent):
                words.append(event.transcript)
            elif isinstance(event, m.ModelResponseTextDoneEvent):
                words.append(event.text)
        return words

    @property
    def sound(self) -> list[m.ModelResponseAudioDeltaEvent]:
        """The agent's audio."""
        return [e for e in self.events if isinstance(e, m.ModelResponseAudioDeltaEvent)]

    @property
    def sound_ms(self) -> float:
        """How long the agent's audio lasts, each piece by its own rate."""
        return sum(event.payload.size_bytes * 500 / event.format.rate for event in self.sound)


class Step:
    """One thing that the application does."""

    async def take(self, talk: Talk) -> None:
        """Does it."""
        raise AssertionError(f"{type(self).__name__} has to say what it does")


@dataclass(frozen=True)
class Say(Step):
    """A text turn, by the subject's name for it (``text_prompt``, ``tool_prompt``, ...) or as it is."""

    phrase: str

    async def take(self, talk: Talk) -> None:
        await talk.connection.send(SendText(getattr(talk.subject, self.phrase, self.phrase)))


@dataclass(frozen=True)
class Speak(Step):
    """The subject's spoken turn."""

    has_pause: bool = True
    """Whether silence follows, by which a detector ends the turn."""

    async def take(self, talk: Talk) -> None:
        pcm16 = talk.subject.speech()
        if not self.has_pause:
            first, last = _samples(_SILENCE_MS) * 2, len(pcm16) - _samples(_PAUSE_MS) * 2
            pcm16 = pcm16[first:last]
        if talk.rate_hz != SAMPLE_RATE_HZ:
            resampler = Resampler(SAMPLE_RATE_HZ, talk.rate_hz)
            pcm16 = resampler.process(pcm16) + resampler.flush()
        step = talk.rate_hz * _CHUNK_MS // 1000 * 2
        for start in range(0, len(pcm16), step):
            await talk.connection.send(AppendAudio(pcm16[start : start + step], talk.rate_hz))


@dataclass(frozen=True)
class Send(Step):
    """Any command."""

    command: Callable[[Talk], Command]

    async def take(self, talk: Talk) -> None:
        await talk.connection.send(self.command(talk))


@dataclass(frozen=True)
class OnServer(Step):
    """Something that the model behind the gateway does by itself."""

    command: Callable[[Talk], Command]

    async def take(self, talk: Talk) -> None:
        assert talk.witness is not None
        await talk.witness.newest.send(self.command(talk))


@dataclass(frozen=True)
class Until(Step):
    """Takes events until the conversation holds so many of a kind."""

    kind: type[EventBase]
    count: int = 1

    async def take(self, talk: Talk) -> None:
        await talk.until(self.kind, self.count)


@dataclass(frozen=True)
class LetPass(Step):
    """Lets the longest time pass that a connection lasts, but for the last seconds."""

    left_s: int

    async def take(self, talk: Talk) -> None:
        assert talk.clock is not None and talk.max_session_s is not None
        await talk.clock.advance_ms((talk.max_session_s - self.left_s) * 1000)


async def run_steps(talk: Talk, steps: Sequence[Step]) -> None:
    """Takes the steps, in bounded time."""
    with anyio.fail_after(BOUND_S):
        for step in steps:
            await step.take(talk)


def peak(pcm16: bytes) -> int:
    """The loudest sample."""
    samples = pcm16_to_int16(pcm16)
    return int(abs(samples.astype("int32")).max()) if len(samples) else 0


def _samples(duration_ms: int) -> int:
    return SAMPLE_RATE_HZ * duration_ms // 1000
