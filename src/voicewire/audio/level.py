"""How loud: RMS and peak in dBFS.

0 dBFS is full scale for both, so a sine that touches full scale reads -3.01 dBFS RMS and 0 dBFS peak.
Silence reads ``FLOOR_DBFS``, a finite number, because meters end up in JSON.
"""

from __future__ import annotations

from math import log10
from typing import Final

import numpy as np

from voicewire.audio.pcm import FULL_SCALE, Float64Array, pcm16_to_int16
from voicewire.errors import AudioError

FLOOR_DBFS: Final = -100.0
"""The level of silence; one 16-bit step is -90.3 dBFS."""


def rms_dbfs(pcm16: bytes) -> float:
    """Return the RMS level of a piece of 16-bit audio in dBFS, ``FLOOR_DBFS`` when silent or empty.

    Raises:
        AudioError: The number of bytes is odd.
    """
    values = pcm16_to_int16(pcm16).astype(np.float64)
    return _power_dbfs(float(np.dot(values, values)) / max(1, len(values)))


def peak_dbfs(pcm16: bytes) -> float:
    """Return the peak of a piece of 16-bit audio in dBFS, ``FLOOR_DBFS`` when silent or empty.

    Raises:
        AudioError: The number of bytes is odd.
    """
    peak = float(np.abs(pcm16_to_int16(pcm16).astype(np.float64)).max(initial=0.0))
    return _power_dbfs(peak * peak)


def _power_dbfs(power: float) -> float:
    """Return the level of a mean square on the 16-bit scale."""
    ratio = power / (FULL_SCALE * FULL_SCALE)
    return max(FLOOR_DBFS, 10.0 * log10(ratio)) if ratio > 0.0 else FLOOR_DBFS


class LevelMeter:
    """A meter that follows a mono stream and falls back smoothly.

    The mean square and the peak power both halve (3 dB) in ``half_life_samples`` of silence. The reading
    depends on the samples only, not on how they were cut into pieces (up to float rounding).

    Args:
        half_life_samples: Samples in which the reading falls by 3 dB, 1 or more; 2400 is 100 ms at 24 kHz.

    Raises:
        AudioError: ``half_life_samples`` is not positive.
    """

    __slots__ = ("_decay", "_mean_square", "_peak_power", "_weights", "samples")

    def __init__(self, half_life_samples: int) -> None:
        if half_life_samples < 1:
            raise AudioError(f"a meter cannot fall in {half_life_samples!r} samples: pass 1 or more")
        self._decay = 0.5 ** (1.0 / half_life_samples)
        self._weights: Float64Array = np.zeros(0)
        self.reset()

    def reset(self) -> None:
        """Forget everything; the meter reads silence."""
        self.samples = 0
        self._mean_square = 0.0
        self._peak_power = 0.0

    @property
    def rms_dbfs(self) -> float:
        """RMS level now, exponentially weighted towards the newest samples."""
        return _power_dbfs(self._mean_square)

    @property
    def peak_dbfs(self) -> float:
        """Peak level now: the loudest sample, falling since it was heard."""
        return _power_dbfs(self._peak_power)

    def push(self, pcm16: bytes) -> None:
        """Follow the next 16-bit samples.

        Raises:
            AudioError: The number of bytes is odd.
        """
        values = pcm16_to_int16(pcm16).astype(np.float64)
        count = len(values)
        if not count:
            return
        if count > len(self._weights):
            self._weights = self._decay ** np.arange(count, dtype=np.float64)
        # ``_weights[age]`` is what is left of a sample after ``age`` later ones.
        faded = values[::-1] ** 2 * self._weights[:count]
        left = self._decay**count
        self._mean_square = self._mean_square * left + float(faded.sum()) * (1.0 - self._decay)
        self._peak_power = max(self._peak_power * left, float(faded.max()))
        self.samples += count
