"""The ear of one conversation: audio in, decisions about speech out."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from voicewire.audio.format import AudioFrame
from voicewire.audio.pcm import pcm16_to_float32
from voicewire.clock import Clock
from voicewire.engine.stages import VAD_FRAME_SAMPLES, Decision, EndpointSettings, Observation, SpeechStopped

if TYPE_CHECKING:
    from voicewire.engine.runtime import EngineRuntime
    from voicewire.engine.stages import FloatArray

MAX_BATCH_FRAMES = 32
"""Frames judged in one hop to the listen lane (1 s): a burst of audio must not hold the lane."""

_FRAME_BYTES = 2 * VAD_FRAME_SAMPLES


class Ear:
    """Cuts the input into frames, has them judged in the listen lane and steps the endpointer.

    Holds at most what came since the last judgement; the session's input buffer bounds how much can come.

    Args:
        runtime: The loaded models.
        clock: Time.
        settings: Of the endpointer.
        before_frame: Awaited before each frame is stepped, with the frame's end.
        decide: Takes every decision, in order.
        after_judging: Called after each batch, with the position judged so far.
    """

    def __init__(
        self,
        runtime: EngineRuntime,
        clock: Clock,
        settings: EndpointSettings,
        *,
        before_frame: Callable[[int], Awaitable[None]],
        decide: Callable[[Decision], None],
        after_judging: Callable[[int], None],
    ) -> None:
        self.endpointer = runtime.new_endpointer(settings)
        self._runtime = runtime
        self._clock = clock
        self._before_frame = before_frame
        self._decide = decide
        self._after_judging = after_judging
        self._vad_state = runtime.vad.new_state()
        self._arrivals = ArrivalTimes()
        self._unjudged = bytearray()
        self._judged_until = 0
        self._audio_came = anyio.Event()

    def take(self, frame: AudioFrame, *, is_judged: bool) -> None:
        """Takes audio in, 16-bit at 16 kHz; ``is_judged`` is false while turns are manual."""
        self._arrivals.mark(frame.end_sample, self._clock.now_ns())
        if not is_judged:
            self._skip_to(frame.end_sample)
            return
        if frame.start_sample != self._judged_until + len(self._unjudged) // 2:
            self._skip_to(frame.start_sample)
        self._unjudged += frame.data
        self._audio_came.set()

    def arrival_ns(self, sample: int) -> int:
        """When a position arrived; 0 when that is not known any more."""
        return self._arrivals.of(sample)

    def close_turn(self, end_sample: int) -> None:
        """The open stretch ended by order: nothing before ``end_sample`` is decided any more.

        That holds for audio that is still to be judged, too: it is part of what was closed.
        """
        self.endpointer.stop()
        self._vad_state.reset()
        self._skip_to(end_sample)

    def _skip_to(self, sample: int) -> None:
        """Nothing before this position is judged: a turn was closed, turns are manual, or audio is missing."""
        del self._unjudged[: 2 * max(0, sample - self._judged_until)]
        self._judged_until = max(self._judged_until, sample)
        if sample > self.endpointer.position_sample:
            # What is skipped counts as silence; else the next frame would seem to last from there on.
            for decision in self.endpointer.step(Observation(0.0, sample)):
                self._decide(decision)

    async def listen(self) -> None:
        """Judges the audio as it comes; ends by cancellation only."""
        while True:
            await self._audio_came.wait()
            self._audio_came = anyio.Event()
            while len(self._unjudged) >= _FRAME_BYTES:
                await self._judge_some()

    async def _judge_some(self) -> None:
        frames = min(len(self._unjudged) // _FRAME_BYTES, MAX_BATCH_FRAMES)
        start = self._judged_until
        audio = pcm16_to_float32(bytes(self._unjudged[: frames * _FRAME_BYTES]))
        del self._unjudged[: frames * _FRAME_BYTES]
        self._judged_until += frames * VAD_FRAME_SAMPLES
        probabilities = await self._runtime.run("listen", self._probabilities, audio)
        for index, probability in enumerate(probabilities):
            frame_end = start + (index + 1) * VAD_FRAME_SAMPLES
            if frame_end <= self.endpointer.position_sample:
                continue
            await self._before_frame(frame_end)
            for decision in self.endpointer.step(Observation(probability, frame_end)):
                if isinstance(decision, SpeechStopped):
                    self._vad_state.reset()
                self._decide(decision)
        self._after_judging(self._judged_until)

    def _probabilities(self, audio: FloatArray) -> list[float]:
        import numpy as np

        frames = np.reshape(audio, (-1, VAD_FRAME_SAMPLES))
        return [self._runtime.vad.probability(self._vad_state, frame) for frame in frames]


class ArrivalTimes:
    """When input positions arrived, in nanoseconds of the session's clock; the last 30 s or so.

    Latency is measured from the arrival of the last sample of speech, not from when somebody looked at it.
    """

    def __init__(self, keep: int = 1500) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=keep)

    def mark(self, end_sample: int, now_ns: int) -> None:
        """Audio up to ``end_sample`` is there since ``now_ns``."""
        self._marks.append((end_sample, now_ns))

    def of(self, sample: int) -> int:
        """When this position arrived; 0 when that is not known any more."""
        index = bisect_left(self._marks, sample, key=lambda mark: mark[0])
        return self._marks[index][1] if index < len(self._marks) else 0
