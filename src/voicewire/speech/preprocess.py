"""Small steps that audio passes before it is recognised. Pure; each keeps its own state from chunk to chunk.

``Chain([HighPass(80), NoiseSuppression(), Gain(target_dbfs=-20)])``. Format conversion (channels, rate, header) is
no step: every client does it by itself. Echo cancellation belongs to the microphone, not here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from voicewire.audio.pcm import float32_to_pcm16, pcm16_to_float32
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.audio.pcm import Float32Array

_FRAME_SAMPLES: Final = 512
_SILENCE: Final = 1e-4
_LEARNING_FRAMES: Final = 16
"""The first quarter of a second is taken for noise."""


class AudioStep(Protocol):
    """One step. ``begin`` comes first and whenever the rate changes."""

    def begin(self, rate_hz: int) -> None:
        """Forgets everything; the audio that follows has this rate."""
        ...

    def process(self, samples: Float32Array) -> Float32Array:
        """float32 mono in [-1, 1], cut anywhere; gives as many samples as it takes, delayed at most 32 ms."""
        ...


class Chain:
    """Steps in order, on 16-bit audio.

    Args:
        steps: The steps; they belong to this chain from now on.
    """

    def __init__(self, steps: Sequence[AudioStep]) -> None:
        self._steps = tuple(steps)

    def begin(self, rate_hz: int) -> None:
        """A new stream of this rate."""
        for step in self._steps:
            step.begin(rate_hz)

    def process(self, pcm16: bytes) -> bytes:
        """The audio after all steps."""
        if not self._steps:
            return pcm16
        samples = pcm16_to_float32(pcm16)
        for step in self._steps:
            samples = step.process(samples)
        return float32_to_pcm16(samples)


class Gain:
    """A fixed gain, or one that follows the speech to a level.

    Args:
        gain_db: Fixed gain, -60 to 60.
        target_dbfs: Level to bring speech to, -40 to -3; rises at most 10 dB a second, falls at once, up to 30 dB.

    Raises:
        ConfigError: Neither or both are given, or one is out of range.
    """

    def __init__(self, gain_db: float | None = None, *, target_dbfs: float | None = None) -> None:
        if (gain_db is None) == (target_dbfs is None):
            raise ConfigError("Gain takes either gain_db or target_dbfs")
        if gain_db is not None and not -60 <= gain_db <= 60:
            raise ConfigError(f"gain_db is {gain_db!r}; give -60 to 60")
        if target_dbfs is not None and not -40 <= target_dbfs <= -3:
            raise ConfigError(f"target_dbfs is {target_dbfs!r}; give -40 to -3")
        self._target = None if target_dbfs is None else 10 ** (target_dbfs / 20)
        self._fixed = 1.0 if gain_db is None else 10 ** (gain_db / 20)
        self._gain = self._fixed
        self._rate_hz = 16000

    def begin(self, rate_hz: int) -> None:
        """A new stream."""
        self._rate_hz = rate_hz
        self._gain = self._fixed

    def process(self, samples: Float32Array) -> Float32Array:
        """The amplified audio, never clipped."""
        import numpy as np

        if not len(samples):
            return samples
        before = self._gain
        if self._target is not None:
            level = float(np.sqrt(np.mean(np.square(samples))))
            peak = float(np.abs(samples).max())
            if level > 0.002:  # -54 dBFS: what is quieter is no speech, and is not to be raised
                rise = 10 ** (10.0 * len(samples) / self._rate_hz / 20)
                wanted = min(self._target / level, 31.6, 0.98 / max(peak, _SILENCE))
                self._gain = wanted if wanted < before else min(wanted, before * rise)
        ramp = np.linspace(before, self._gain, len(samples), dtype=np.float32)
        amplified: Float32Array = np.minimum(np.maximum(samples * ramp, -1.0), 1.0)
        return amplified


class HighPass:
    """Takes rumble away: a Butterworth filter of second order.

    Args:
        cutoff_hz: Where it is 3 dB down; 20 to 1000.

    Raises:
        ConfigError: Out of range.
    """

    def __init__(self, cutoff_hz: float = 80.0) -> None:
        if not 20 <= cutoff_hz <= 1000:
            raise ConfigError(f"cutoff_hz is {cutoff_hz!r}; give 20 to 1000")
        self._cutoff_hz = cutoff_hz
        self.begin(16000)

    def begin(self, rate_hz: int) -> None:
        """A new stream."""
        # Bilinear transform of s^2 / (s^2 + sqrt(2) s + 1).
        k = math.tan(math.pi * self._cutoff_hz / rate_hz)
        norm = 1 / (1 + math.sqrt(2) * k + k * k)
        self._feed = norm
        self._back = (2 * (k * k - 1) * norm, (1 - math.sqrt(2) * k + k * k) * norm)
        self._past = [0.0, 0.0, 0.0, 0.0]

    def process(self, samples: Float32Array) -> Float32Array:
        """The audio without what lies below the cut-off."""
        import numpy as np

        b0, (a1, a2) = self._feed, self._back
        x1, x2, y1, y2 = self._past
        filtered: list[float] = []
        for x in samples.tolist():
            y = b0 * (x - 2 * x1 + x2) - a1 * y1 - a2 * y2
            filtered.append(y)
            x2, x1, y2, y1 = x1, x, y1, y
        self._past = [x1, x2, y1, y2]
        return np.asarray(filtered, dtype=np.float32)


class NoiseSuppression:
    """Steady noise is turned down: spectral gain over a running estimate of the noise floor.

    Delays the audio by 32 ms at 16 kHz. Meant for fans and hiss; it does not know speech from music.

    Args:
        reduction_db: How far noise is turned down at most, 3 to 30.

    Raises:
        ConfigError: Out of range.
    """

    def __init__(self, reduction_db: float = 12.0) -> None:
        if not 3 <= reduction_db <= 30:
            raise ConfigError(f"reduction_db is {reduction_db!r}; give 3 to 30")
        self._floor_gain = 10 ** (-reduction_db / 20)
        self.begin(16000)

    def begin(self, rate_hz: int) -> None:
        """A new stream."""
        import numpy as np

        hop = _FRAME_SAMPLES // 2
        self._window = np.sqrt(np.hanning(_FRAME_SAMPLES + 1)[:-1]).astype(np.float32)
        self._input: Float32Array = np.zeros(hop, dtype=np.float32)
        self._tail: Float32Array = np.zeros(hop, dtype=np.float32)
        self._ready: Float32Array = np.zeros(hop, dtype=np.float32)
        self._noise: Float32Array = np.zeros(hop + 1, dtype=np.float32)
        self._gain: Float32Array = np.ones(hop + 1, dtype=np.float32)
        self._smooth: Float32Array = np.zeros(hop + 1, dtype=np.float32)
        self._frames = 0
        self._creep = 10 ** (6.0 * hop / rate_hz / 20)
        """How fast the noise estimate may rise, for each frame: 6 dB a second."""

    def process(self, samples: Float32Array) -> Float32Array:
        """The audio with less noise, 512 samples late."""
        import numpy as np

        hop = _FRAME_SAMPLES // 2
        self._input = np.concatenate((self._input, samples))
        made = [self._ready]
        while len(self._input) >= _FRAME_SAMPLES:
            made.append(self._frame(self._input[:_FRAME_SAMPLES]))
            self._input = self._input[hop:]
        ready = np.concatenate(made)
        self._ready = ready[len(samples) :]
        out: Float32Array = ready[: len(samples)]
        return out

    def _frame(self, frame: Float32Array) -> Float32Array:
        import numpy as np

        spectrum = np.fft.rfft(frame * self._window)
        level = np.abs(spectrum).astype(np.float32)
        self._smooth = (0.9 * self._smooth + 0.1 * level if self._frames else level).astype(np.float32)
        if self._frames < _LEARNING_FRAMES:
            self._noise = ((self._noise * self._frames + level) / (self._frames + 1)).astype(np.float32)
        else:
            self._noise = np.minimum(self._smooth, self._noise * np.float32(self._creep))
        self._frames += 1
        # Twice the mean noise: its peaks are noise, too.
        wanted = np.maximum(1.0 - (2.0 * self._noise / np.maximum(level, _SILENCE)) ** 2, self._floor_gain)
        self._gain = (0.6 * self._gain + 0.4 * wanted).astype(np.float32)
        out = np.fft.irfft(spectrum * self._gain, _FRAME_SAMPLES).astype(np.float32) * self._window
        hop = _FRAME_SAMPLES // 2
        whole: Float32Array = out[:hop] + self._tail
        self._tail = out[hop:]
        return whole
