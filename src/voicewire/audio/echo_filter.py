"""The adaptive part of echo cancellation: a frequency-domain Kalman filter in partitions.

The echo is the loudspeaker's signal through an unknown room. The room's answer is cut into pieces of one block;
each is a spectrum that is estimated together with its own uncertainty (Enzner and Vary 2006, partitioned by Kuech,
Mabande and Enzner 2014). The uncertainty steers the step for every frequency: it is wide after a change, so that the
filter learns at once, and it narrows under a talking user, so that no double-talk detector is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from voicewire.audio.pcm import Float32Array

Spectrum: TypeAlias = NDArray[np.complex64]

_FORGETTING: Final = 0.9998
"""How much of the estimate is believed from block to block; a room that changes costs the rest."""
_DECAY: Final = 3.0
"""How far the later pieces of an unknown room are expected to be weaker, as an exponent over all of them."""
_SMOOTHING: Final = 0.8
_TINY: Final = 1e-10


class EchoFilter:
    """Estimates and takes away the linear echo, block by block.

    Args:
        block_samples: Samples of each block.
        n_partitions: Blocks of the room's answer that are modelled.

    Concurrency: one caller at a time.
    """

    def __init__(self, block_samples: int, n_partitions: int) -> None:
        self._block = block_samples
        n_bins = block_samples + 1
        self._past: Float32Array = np.zeros(2 * block_samples, dtype=np.float32)
        self._far: Spectrum = np.zeros((n_partitions, n_bins), dtype=np.complex64)
        self._far_power: Float32Array = np.zeros((n_partitions, n_bins), dtype=np.float32)
        self._paths: Spectrum = np.zeros((n_partitions, n_bins), dtype=np.complex64)
        self._doubt: Float32Array = np.zeros((n_partitions, n_bins), dtype=np.float32)
        self._noise: Float32Array = np.zeros(n_bins, dtype=np.float32)
        self.forget(1.0)

    def forget(self, power_gain: float) -> None:
        """Starts learning anew; the loudspeaker's past is kept.

        Args:
            power_gain: How loud the echo may be, as a ratio of powers.
        """
        n_partitions = len(self._paths)
        decay = np.exp(-_DECAY * np.arange(n_partitions) / n_partitions)
        self._paths[:] = 0
        self._doubt[:] = (power_gain * decay / decay.sum())[:, np.newaxis]
        self._noise[:] = 0

    def predict(self, far: Float32Array) -> Float32Array:
        """The echo that the next block of the microphone holds, by what is known now.

        Args:
            far: What the loudspeaker played, float32, (block_samples,).
        """
        block = self._block
        self._past[:block] = self._past[block:]
        self._past[block:] = far
        self._far[1:] = self._far[:-1]
        self._far[0] = np.fft.rfft(self._past)
        self._far_power[1:] = self._far_power[:-1]
        self._far_power[0] = np.square(np.abs(self._far[0]))
        echo = np.fft.irfft((self._paths * self._far).sum(axis=0))[block:]
        predicted: Float32Array = echo.astype(np.float32)
        return predicted

    def learn(self, rest: Float32Array) -> Float32Array:
        """Improves the estimate by what was left of the microphone's block.

        Args:
            rest: The microphone minus the prediction, float32, (block_samples,).

        Returns:
            The power of the echo that is still expected in such a rest, float32, (block_samples + 1,).
        """
        block = self._block
        padded = np.zeros(2 * block, dtype=np.float32)
        padded[block:] = rest
        error = np.fft.rfft(padded)
        self._noise += (1.0 - _SMOOTHING) * (np.square(np.abs(error)) - self._noise)
        left = 0.5 * (self._doubt * self._far_power).sum(axis=0)
        gain = self._doubt / (left + self._noise + _TINY)
        self._paths += gain * np.conj(self._far) * error
        # Each piece is one block long: what wrapped around is cut off again.
        answers = np.fft.irfft(self._paths, axis=1)
        answers[:, block:] = 0
        self._paths[:] = np.fft.rfft(answers, axis=1)
        self._doubt *= _FORGETTING**2 * (1.0 - 0.5 * gain * self._far_power)
        self._doubt += (1.0 - _FORGETTING**2) * np.square(np.abs(self._paths))
        expected: Float32Array = left.astype(np.float32)
        return expected
