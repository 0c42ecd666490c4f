"""Where a session meets the world of sound: sources, sinks, observers.

A source gives the user's audio, a sink plays the agent's. Both live on session time: sample 0 is the moment
that ``begin`` names. The virtual microphone and speaker keep exact real time by the session's clock, so that
a conversation from files runs as one with a person does; the device edges follow their hardware.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import anyio.to_thread
from typing_extensions import Self

from voicewire.audio.devices import Microphone, Speaker
from voicewire.audio.files import read_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.playout import Cut, Played, PlayoutBuffer
from voicewire.clock import NS_PER_MS, NS_PER_S, Clock
from voicewire.events.base import EventBase
from voicewire.recording.marks import Mark

FRAME_MS: Final = 20
FADE_MS: Final = 5
_REPORT_MARGIN_MS: Final = 400.0
"""How late a device's report of what it played may come; generous, as it only delays the recording."""
_RESYNC_MS: Final = 60.0
"""A device's estimate of its position wobbles; only a jump beyond this moves what follows without a gap."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of the agent's speech that has sounded."""

    played: Played
    start_ms: float
    """When it began, in session time."""


class AudioSource(Protocol):
    """The user's voice: an async context manager that iterates mono 16-bit frames.

    ``AudioFrame.start_sample`` counts on the source's own timeline. Iteration ends when there will be no more
    audio at all; a source whose speech is over goes on with silence instead, as a microphone does.
    """

    @property
    def format(self) -> AudioFormat:
        """Rate of the frames."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether all speech is over and only silence follows; a microphone never is."""
        ...

    async def __aenter__(self) -> Self:
        """Opens the source."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Closes the source."""
        ...

    def begin(self, origin_ns: int) -> None:
        """Session time starts now."""
        ...

    def __aiter__(self) -> AsyncIterator[AudioFrame]:
        """The frames, in order."""
        ...


class AudioSink(Protocol):
    """The listener's ear: plays what is enqueued and accounts for every sample."""

    @property
    def sample_rate_hz(self) -> int:
        """The rate that ``enqueue`` takes."""
        ...

    @property
    def queued_samples(self) -> int:
        """Samples that wait to be played."""
        ...

    @property
    def position_ms(self) -> float:
        """Session time up to which ``heard`` knows everything."""
        ...

    async def __aenter__(self) -> Self:
        """Opens the sink."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Closes the sink at once."""
        ...

    def begin(self, origin_ns: int) -> None:
        """Session time starts now."""
        ...

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int, generation: int) -> bool:
        """Appends audio of an item; False when its generation is stale."""
        ...

    def flush(self, generation: int) -> tuple[Cut, ...]:
        """Falls silent now and refuses older generations from here on; ``heard`` is up to date after it."""
        ...

    def heard(self) -> list[Heard]:
        """The stretches that have sounded since the last call, in order."""
        ...


class SessionObserver(Protocol):
    """Watches a session: the recorder, the terminal, a test. All calls come from the session's task."""

    def on_start(self, origin_ns: int) -> None:
        """The session begins; ``origin_ns`` is moment 0 of its time on the session's clock."""
        ...

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        """A model event or a mark."""
        ...

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """A frame of the user's audio."""
        ...

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Audio that went out of the speaker, at its place in session time."""
        ...

    def on_agent_position(self, until_ms: float) -> None:
        """Everything that sounded before ``until_ms`` has been reported."""
        ...


class VirtualMicrophone:
    """A microphone in a silent room into which files speak, in real time by the clock.

    Args:
        clock: The session's clock.
        sample_rate_hz: Rate of the frames.

    Cancellation: safe; the next iteration goes on where the clock is.
    Concurrency: one task iterates; ``speak`` and ``finish`` belong to the same event loop.
    """

    def __init__(self, clock: Clock, sample_rate_hz: int) -> None:
        self.format = AudioFormat(sample_rate_hz)
        self._clock = clock
        self._origin_ns = clock.now_ns()
        self._frame_samples = self.format.samples_of_ms(FRAME_MS)
        self._next_sample = 0
        self._speech = bytearray()
        self._will_speak = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._speech.clear()

    @property
    def is_finished(self) -> bool:
        """Whether ``finish`` was called and all speech is over."""
        return not self._will_speak and not self._speech

    @property
    def is_speaking(self) -> bool:
        """Whether speech is left to be heard."""
        return bool(self._speech)

    def begin(self, origin_ns: int) -> None:
        """Session time starts now."""
        self._origin_ns = origin_ns
        self._next_sample = 0

    def speak(self, pcm16: bytes) -> float:
        """Says something: from the next frame on, or after what is being said.

        Args:
            pcm16: 16-bit mono samples at the microphone's rate.

        Returns:
            When it begins, in milliseconds of session time.
        """
        start_sample = self._next_sample + len(self._speech) // 2
        self._speech += pcm16
        return self.format.ms_of(start_sample)

    def finish(self) -> None:
        """Nothing more will be said."""
        self._will_speak = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioFrame:
        """Waits until the next 20 ms are over and gives them."""
        end = self._next_sample + self._frame_samples
        await self._clock.sleep_until_ns(self._origin_ns + end * NS_PER_S // self.format.sample_rate_hz)
        size = 2 * self._frame_samples
        spoken = bytes(self._speech[:size])
        del self._speech[:size]
        frame = AudioFrame(self.format, spoken + bytes(size - len(spoken)), self._next_sample)
        self._next_sample = end
        return frame


class FileSource(VirtualMicrophone):
    """A file (WAV, FLAC, MP3, OGG) as the user's voice, in real time, then silence.

    Args:
        path: The file; read when the source is opened.
        clock: The session's clock.
        sample_rate_hz: Rate of the frames; the file is converted.
        lead_ms: Silence before it begins.
    """

    def __init__(self, path: Path, clock: Clock, sample_rate_hz: int, *, lead_ms: int = 200) -> None:
        super().__init__(clock, sample_rate_hz)
        self.path = path
        self._lead_ms = lead_ms

    async def __aenter__(self) -> Self:
        """Reads the file.

        Raises:
            AudioError: The file is missing, not audio, damaged or empty.
        """
        rate_hz = self.format.sample_rate_hz
        frame = await anyio.to_thread.run_sync(lambda: read_audio(self.path, sample_rate_hz=rate_hz))
        self.speak(bytes(2 * self.format.samples_of_ms(self._lead_ms)) + frame.data)
        self.finish()
        return self


class VirtualSpeaker:
    """A speaker without a device: takes its samples exactly as the clock goes on.

    Args:
        clock: The session's clock.
        sample_rate_hz: Rate of the audio.
    """

    def __init__(self, clock: Clock, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._origin_ns = clock.now_ns()
        self._buffer = PlayoutBuffer()
        self._unread: list[Played] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    @property
    def queued_samples(self) -> int:
        """Samples that wait to be played."""
        return self._buffer.clock.queued_samples

    @property
    def position_ms(self) -> float:
        """Session time of the last sample that was taken."""
        return self._buffer.clock.timeline_sample * 1000 / self.sample_rate_hz

    def begin(self, origin_ns: int) -> None:
        """Session time starts now."""
        self._origin_ns = origin_ns

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int, generation: int) -> bool:
        """Appends audio of an item; into an empty queue it sounds from now on, not from the last tick."""
        self._advance()
        return self._buffer.enqueue(item_id, pcm16, content_index, generation)

    def flush(self, generation: int) -> tuple[Cut, ...]:
        """Falls silent within 5 ms of fading."""
        self._advance()
        fade_samples = self.sample_rate_hz * FADE_MS // 1000
        flushed = self._buffer.flush(fade_samples=fade_samples, generation=generation)
        self._unread += flushed.played
        return flushed.cuts

    def heard(self) -> list[Heard]:
        """The stretches since the last call."""
        self._advance()
        unread, self._unread = self._unread, []
        return [Heard(one, one.at_timeline_sample * 1000 / self.sample_rate_hz) for one in unread]

    def _advance(self) -> None:
        elapsed_ns = self._clock.now_ns() - self._origin_ns
        target = elapsed_ns * self.sample_rate_hz // NS_PER_S
        _, played = self._buffer.pull(max(0, target - self._buffer.clock.timeline_sample))
        self._unread += played


class DeviceSource:
    """The microphone as a source.

    Args:
        microphone: The device, not yet open.
        clock: The session's clock.
    """

    def __init__(self, microphone: Microphone, clock: Clock) -> None:
        self._microphone = microphone
        self._clock = clock
        self._first_sample: int | None = None
        self.format = microphone.format
        self.is_finished = False

    async def __aenter__(self) -> Self:
        """Opens the device; raises AudioDeviceError where there is none."""
        await self._microphone.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._microphone.aclose()

    def begin(self, origin_ns: int) -> None:
        """Session time starts now: what was heard while the model was opened is dropped, the count begins at 0."""
        self._microphone.drop_waiting()
        self._first_sample = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioFrame:
        """Waits for the next frame. Cancellation: safe."""
        frame = await anext(self._microphone)
        if self._first_sample is None:
            self._first_sample = frame.start_sample
        return replace(frame, start_sample=frame.start_sample - self._first_sample)


class DeviceSink:
    """The loudspeaker as a sink.

    Args:
        speaker: The device, not yet open.
        clock: The session's clock.
    """

    def __init__(self, speaker: Speaker, clock: Clock) -> None:
        self._speaker = speaker
        self._clock = clock
        self._origin_ns = clock.now_ns()
        self._expected_sample = -1
        self._expected_ms = 0.0

    async def __aenter__(self) -> Self:
        """Opens the device; raises AudioDeviceError where there is none."""
        await self._speaker.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._speaker.aclose()

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio."""
        return self._speaker.format.sample_rate_hz

    @property
    def queued_samples(self) -> int:
        """Samples that wait to be played."""
        return self._speaker.queued_samples

    @property
    def position_ms(self) -> float:
        """A little before now: the device reports late, and not evenly."""
        return max(0.0, self._now_ms() - _REPORT_MARGIN_MS)

    def begin(self, origin_ns: int) -> None:
        """Session time starts now."""
        self._origin_ns = origin_ns

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int, generation: int) -> bool:
        """Appends audio of an item."""
        return self._speaker.enqueue(item_id, pcm16, content_index, generation)

    def flush(self, generation: int) -> tuple[Cut, ...]:
        """Falls silent, except for what the hardware has taken already."""
        return self._speaker.flush(generation=generation).cuts

    def heard(self) -> list[Heard]:
        """The stretches since the last call, placed in session time by the device's position."""
        found: list[Heard] = []
        heard_sample = self._speaker.heard_sample
        for played in self._speaker.heard():
            behind_samples = heard_sample - played.at_timeline_sample
            start_ms = self._now_ms() - behind_samples * 1000 / self.sample_rate_hz
            follows = played.at_timeline_sample == self._expected_sample
            if follows and abs(start_ms - self._expected_ms) < _RESYNC_MS:
                start_ms = self._expected_ms
            self._expected_sample = played.at_timeline_sample + played.samples
            self._expected_ms = start_ms + played.samples * 1000 / self.sample_rate_hz
            found.append(Heard(played, max(start_ms, 0.0)))
        return found

    def _now_ms(self) -> float:
        return (self._clock.now_ns() - self._origin_ns) / NS_PER_MS
