"""Microphone and speaker, through PortAudio (sounddevice), which is loaded on first use.

PortAudio calls back in a thread of its own. The microphone hands frames to the event loop through a bounded
queue; the speaker takes them from a ``PlayoutBuffer`` under a lock that is held for microseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from typing_extensions import Self

from voicewire.audio.chunk import Chunker
from voicewire.audio.devices.portaudio import Device, OpenStream, close_stream, open_stream
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.playout import Flushed, Played, PlayoutBuffer
from voicewire.audio.resample import Resampler
from voicewire.errors import AudioDeviceError, AudioError

if TYPE_CHECKING:
    from voicewire.audio.devices.echo_path import EchoPath

MAX_QUEUED_FRAMES: Final = 100
FADE_MS: Final = 5
MAX_UNREAD_STRETCHES: Final = 4096
"""Stretches that ``Speaker.heard`` keeps for a caller that does not ask; the oldest are forgotten."""


class _Doorbell:
    """Wake one waiting task of the event loop from PortAudio's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake the waiter; callable from any thread, also after the loop has been closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._event.set())

    async def wait(self) -> None:
        """Wait for the next ring. Check the condition before, without an ``await`` in between."""
        self._event = anyio.Event()
        await self._event.wait()


class Microphone:
    """The microphone as an async iterator of mono 16-bit frames.

    Frames wait in a queue of ``max_queued_frames``. When it is full the oldest is dropped and counted in
    ``dropped_samples``; positions keep counting, so a gap shows in ``start_sample``. If the device does not
    run at the rate wanted, it runs at its own and is resampled.

    Use it as ``async with Microphone(...) as microphone: async for frame in microphone``. Iteration ends when
    the microphone is closed.

    Cancellation: safe; a frame that was not returned stays in the queue.
    Concurrency: one task iterates at a time.

    Args:
        sample_rate_hz: Rate of the frames.
        frame_samples: Samples of each frame.
        device: Index or part of the name; None is the default microphone.
        max_queued_frames: Bound of the queue; 100 frames of 20 ms are 2 s.
        echo: Takes a speaker's echo out of the frames; it is given to that speaker too. None leaves them as they are.

    Raises:
        AudioError: With ``echo``, the frames are no whole blocks of 10 ms.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        frame_samples: int,
        device: Device = None,
        *,
        max_queued_frames: int = MAX_QUEUED_FRAMES,
        echo: EchoPath | None = None,
    ) -> None:
        if echo is not None and frame_samples % echo.canceller.block_samples:
            raise AudioError(
                f"echo cannot be cancelled in frames of {frame_samples} samples: use a multiple of "
                f"{echo.canceller.block_samples}"
            )
        self.format = AudioFormat(sample_rate_hz)
        self.frame_samples = frame_samples
        self.device = device
        self.dropped_samples = 0
        """Samples dropped because nobody took them in time."""
        self.overflows = 0
        """Times that the system itself lost input before we got it."""
        self._echo = echo
        self._chunker = Chunker(frame_samples, self.format)
        self._frames: deque[AudioFrame] = deque()
        self._max_queued_frames = max_queued_frames
        self._opened: OpenStream | None = None
        self._doorbell: _Doorbell | None = None
        self._is_closed = False
        self._has_ended = False

    async def __aenter__(self) -> Self:
        """Open the device.

        Raises:
            AudioDeviceError: The library or the device is missing, or the device refuses.
        """
        self._doorbell = _Doorbell()
        self._opened = await anyio.to_thread.run_sync(self._open)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the device."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the device; safe to call twice. Frames that wait can still be iterated."""
        self._is_closed = True
        opened, self._opened = self._opened, None
        await close_stream(opened)
        if self._doorbell is not None:
            self._doorbell.ring()

    def __aiter__(self) -> Self:
        """Return the microphone itself."""
        return self

    async def __anext__(self) -> AudioFrame:
        """Wait for the next frame.

        Raises:
            AudioDeviceError: The microphone was not opened, or it stopped by itself.
        """
        if self._doorbell is None:
            raise AudioDeviceError(
                "the microphone is not open: use it as `async with Microphone(...) as microphone`"
            )
        while not self._frames:
            if self._is_closed:
                raise StopAsyncIteration
            if self._has_ended:
                raise AudioDeviceError("the microphone stopped by itself: check that it is still connected")
            await self._doorbell.wait()
        return self._frames.popleft()

    def drop_waiting(self) -> None:
        """Forgets the frames that wait; positions keep counting. They are not counted as dropped."""
        self._frames.clear()

    def _open(self) -> OpenStream:
        rate_hz = self.format.sample_rate_hz
        return open_stream(
            "input", self.device, rate_hz, self.frame_samples, self._callback_at, self._on_finished
        )

    def _callback_at(self, device_hz: int) -> Callable[..., None]:
        """Make the callback for a device that runs at ``device_hz``."""
        resampler = Resampler(device_hz, self.format.sample_rate_hz)

        def callback(indata: Any, _n_samples: int, _time: Any, status: Any) -> None:
            if status.input_overflow:
                self.overflows += 1
            for frame in self._chunker.push(resampler.process(bytes(indata))):
                self._frames.append(self._clean(frame))
                if len(self._frames) > self._max_queued_frames:
                    self._drop_oldest()
            if self._doorbell is not None:
                self._doorbell.ring()

        return callback

    def _clean(self, frame: AudioFrame) -> AudioFrame:
        return frame if self._echo is None else replace(frame, data=self._echo.clean(frame.data))

    def _drop_oldest(self) -> None:
        # The iterating task may have taken the last frame between the check and here.
        with contextlib.suppress(IndexError):
            self.dropped_samples += self._frames.popleft().samples

    def _on_finished(self) -> None:
        self._has_ended = True
        if self._doorbell is not None:
            self._doorbell.ring()


def _touch(first: Played, second: Played) -> bool:
    """Does ``second`` go on where ``first`` ends, in the item and in time?"""
    ends = (first.item_id, first.content_index, first.end_sample, first.at_timeline_sample + first.samples)
    return ends == (second.item_id, second.content_index, second.start_sample, second.at_timeline_sample)


class Speaker:
    """The speaker, playing a ``PlayoutBuffer`` of mono 16-bit audio.

    ``heard`` reports what has left the loudspeaker, that is, what the device took minus its latency, to one
    callback's length. If the device does not run at the rate wanted, it runs at its own and the audio is
    resampled.

    The queue is not bounded here; the caller bounds it by ``queued_samples``.

    Use it as ``async with Speaker(...) as speaker``. Leaving stops at once; await ``drained`` first to hear
    the end.

    Concurrency: ``enqueue``, ``flush``, ``heard`` and the counts are safe from any thread; one task waits in
    ``drained``.

    Args:
        sample_rate_hz: Rate of the audio.
        device: Index or part of the name; None is the default speaker.
        block_samples: Samples of each callback; 10 ms by default.
        echo: Is told what is played, so that the microphone that shares it does not hear this speaker.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        device: Device = None,
        *,
        block_samples: int | None = None,
        echo: EchoPath | None = None,
    ) -> None:
        self.format = AudioFormat(sample_rate_hz)
        self.device = device
        self.block_samples = -(-sample_rate_hz // 100) if block_samples is None else block_samples
        self.underflows = 0
        """Times that the system itself had nothing to play because our callback was late."""
        self._echo = echo
        self._buffer = PlayoutBuffer()
        self._lock = threading.Lock()
        self._tail = b""
        self._ready = bytearray()
        self._resampler = Resampler(sample_rate_hz, sample_rate_hz)
        self._device_hz = sample_rate_hz
        self._heard_sample = 0
        self._unread: deque[Played] = deque(maxlen=MAX_UNREAD_STRETCHES)
        self._opened: OpenStream | None = None
        self._doorbell: _Doorbell | None = None
        self._has_ended = False

    async def __aenter__(self) -> Self:
        """Open the device.

        Raises:
            AudioDeviceError: The library or the device is missing, or the device refuses.
        """
        self._doorbell = _Doorbell()
        self._opened = await anyio.to_thread.run_sync(self._open)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the device."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop at once and close the device; safe to call twice."""
        opened, self._opened = self._opened, None
        await close_stream(opened)

    @property
    def queued_samples(self) -> int:
        """Samples waiting to be played."""
        with self._lock:
            return self._buffer.clock.queued_samples

    @property
    def heard_sample(self) -> int:
        """Samples of the timeline, silence included, that have left the loudspeaker."""
        with self._lock:
            return self._heard_sample

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int = 0, generation: int = 0) -> bool:
        """Append audio of an item; False when its generation is stale. See ``PlayoutBuffer.enqueue``."""
        with self._lock:
            return self._buffer.enqueue(item_id, pcm16, content_index, generation)

    def flush(self, *, fade_samples: int | None = None, generation: int | None = None) -> Flushed:
        """Drop what is queued, fading out (5 ms by default). See ``PlayoutBuffer.flush``.

        What the device has already taken cannot be recalled: it counts as played.
        """
        fade = self.format.samples_of_ms(FADE_MS) if fade_samples is None else fade_samples
        with self._lock:
            flushed = self._buffer.flush(fade_samples=fade, generation=generation)
            self._tail += flushed.tail
            self._note(flushed.played)
            return flushed

    def heard(self) -> list[Played]:
        """Return the stretches that have left the loudspeaker since the last call."""
        with self._lock:
            done: list[Played] = []
            while self._unread and self._unread[0].at_timeline_sample < self._heard_sample:
                first = self._unread.popleft()
                now = min(first.samples, self._heard_sample - first.at_timeline_sample)
                done.append(replace(first, samples=now))
                if now < first.samples:
                    start, at = first.start_sample + now, first.at_timeline_sample + now
                    rest = Played(first.item_id, first.content_index, start, first.samples - now, at)
                    self._unread.appendleft(rest)
            return done

    async def drained(self) -> None:
        """Wait until everything enqueued so far, and since, has been heard or flushed.

        Cancellation: safe; playing goes on.

        Raises:
            AudioDeviceError: The speaker is not open, or it stopped by itself.
        """
        if self._doorbell is None:
            raise AudioDeviceError("the speaker is not open: use it as `async with Speaker(...) as speaker`")
        while not self._is_drained():
            if self._opened is None or self._has_ended:
                raise AudioDeviceError("the speaker stopped before the end: check that it is still connected")
            await self._doorbell.wait()

    def _is_drained(self) -> bool:
        with self._lock:
            last = self._unread[-1] if self._unread else None
            is_heard = last is None or last.at_timeline_sample + last.samples <= self._heard_sample
            return not self._buffer.clock.queued_samples and not self._tail and is_heard

    def _open(self) -> OpenStream:
        rate_hz = self.format.sample_rate_hz
        return open_stream(
            "output", self.device, rate_hz, self.block_samples, self._callback_at, self._on_finished
        )

    def _callback_at(self, device_hz: int) -> Callable[..., None]:
        """Make the callback for a device that runs at ``device_hz``."""
        self._device_hz = device_hz
        self._resampler = Resampler(self.format.sample_rate_hz, device_hz)
        return self._callback

    def _callback(self, outdata: Any, n_samples: int, time: Any, status: Any) -> None:
        latency_s = max(0.0, time.outputBufferDacTime - time.currentTime)
        with self._lock:
            if status.output_underflow:
                self.underflows += 1
            # The first sample of this block comes out ``latency_s`` from now, all before it earlier.
            waiting = len(self._tail) // 2 + self._resampler.delay_samples
            waiting += len(self._ready) // 2 * self.format.sample_rate_hz // self._device_hz
            latency_samples = round(latency_s * self.format.sample_rate_hz)
            heard = self._buffer.clock.timeline_sample - waiting - latency_samples
            self._heard_sample = max(self._heard_sample, heard)
            while len(self._ready) < 2 * n_samples:
                self._ready += self._resampler.process(self._pull())
            played = bytes(self._ready[: 2 * n_samples])
            del self._ready[: 2 * n_samples]
        outdata[:] = played
        if self._echo is not None:
            self._echo.played(played, self._device_hz)
        if self._doorbell is not None:
            self._doorbell.ring()

    def _pull(self) -> bytes:
        """Take the fade of a flush if there is one, else the next block of the buffer."""
        if self._tail:
            tail, self._tail = self._tail, b""
            return tail
        audio, played = self._buffer.pull(self.block_samples)
        self._note(played)
        return audio

    def _note(self, played: Iterable[Played]) -> None:
        """Keep stretches for ``heard``, joining those that touch."""
        for stretch in played:
            last = self._unread[-1] if self._unread else None
            if last is not None and _touch(last, stretch):
                stretch = replace(last, samples=last.samples + stretch.samples)
                self._unread.pop()
            self._unread.append(stretch)

    def _on_finished(self) -> None:
        self._has_ended = True
        if self._doorbell is not None:
            self._doorbell.ring()
