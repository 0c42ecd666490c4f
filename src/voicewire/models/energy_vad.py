"""A voice activity detector that only looks at the level: deterministic, no weights. For ``echo``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicewire.audio.format import AudioFrame
from voicewire.audio.pcm import amplitude_of_dbfs, pcm16_to_int16

FRAME_MS = 10
_LOUD_DBFS = -45.0
"""Root mean square from which a frame counts as speech: above a quiet room, below soft speech."""
_MIN_SPEECH_FRAMES = 5
"""So many loud frames in a row begin an utterance; clicks are shorter."""


@dataclass(frozen=True, slots=True)
class LevelRise:
    """Speech began."""

    at_sample: int
    """Where the first loud frame begins."""


@dataclass(frozen=True, slots=True)
class LevelFall:
    """Speech ended."""

    at_sample: int
    """Where the last loud frame ends."""


class EnergyVad:
    """Tells loud stretches from quiet ones; the result does not depend on how the audio is split.

    Args:
        rate_hz: Rate of the audio.
        silence_ms: Quiet time that ends an utterance.
    """

    def __init__(self, rate_hz: int, silence_ms: int) -> None:
        self._frame_samples = max(1, rate_hz * FRAME_MS // 1000)
        self._silence_frames = max(1, silence_ms // FRAME_MS)
        self._threshold = amplitude_of_dbfs(_LOUD_DBFS) * 32768.0
        self._rest = b""
        self._at_sample = 0
        self._loud_frames = 0
        self._quiet_frames = 0
        self._is_speech = False

    def feed(self, frame: AudioFrame) -> list[LevelRise | LevelFall]:
        """Takes the next audio, 16-bit mono, which follows directly on the last."""
        if not self._rest:
            self._at_sample = frame.start_sample
        data = self._rest + frame.data
        frame_bytes = self._frame_samples * 2
        whole = len(data) // frame_bytes
        self._rest = data[whole * frame_bytes :]
        if not whole:
            return []
        samples = np.reshape(pcm16_to_int16(data[: whole * frame_bytes]), (whole, self._frame_samples))
        levels = np.sqrt(np.mean(np.square(samples.astype(np.float64)), axis=1))
        found: list[LevelRise | LevelFall] = []
        for is_loud in (levels >= self._threshold).tolist():
            self._at_sample += self._frame_samples
            change = self._step(bool(is_loud))
            if change is not None:
                found.append(change)
        return found

    def reset(self) -> None:
        """The utterance ended by order: what comes next is a new one."""
        self._is_speech = False
        self._loud_frames = 0
        self._quiet_frames = 0

    def configure(self, silence_ms: int) -> None:
        """Uses another wait from now on; meant for between two utterances."""
        self._silence_frames = max(1, silence_ms // FRAME_MS)

    def _step(self, is_loud: bool) -> LevelRise | LevelFall | None:
        if is_loud:
            self._loud_frames += 1
            self._quiet_frames = 0
            if not self._is_speech and self._loud_frames >= _MIN_SPEECH_FRAMES:
                self._is_speech = True
                return LevelRise(self._at_sample - self._loud_frames * self._frame_samples)
            return None
        self._loud_frames = 0
        self._quiet_frames += 1
        if self._is_speech and self._quiet_frames >= self._silence_frames:
            self._is_speech = False
            return LevelFall(self._at_sample - self._quiet_frames * self._frame_samples)
        return None
