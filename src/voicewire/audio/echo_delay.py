"""Where the echo lies: the delay between loudspeaker and microphone, and whether there is an echo at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from voicewire.audio.echo_filter import Spectrum
    from voicewire.audio.pcm import Float32Array

_LOWEST_HZ: Final = 200
_HIGHEST_HZ: Final = 4000
"""The band of speech: below is rumble, above there is little to compare."""
_KEPT: Final = 0.6
"""Share of the earlier comparisons in the next one."""
_CLEAR_PEAK: Final = 7.0
"""How far above the rest a peak stands, in standard deviations, when it is an echo; chance gives about 4.5."""
_TIMES: Final = 3
_SAME_MS: Final = 2.0
_SILENCE: Final = 1e-4
"""Root mean square below which the loudspeaker is silent: -80 dBFS."""


class DelayFinder:
    """Finds the delay by generalized cross-correlation with phase transform (Knapp and Carter 1976).

    Args:
        sample_rate_hz: Rate of both signals.
        max_delay_samples: The longest delay that can be found; also the time that is compared.

    Concurrency: one caller at a time.
    """

    def __init__(self, sample_rate_hz: int, max_delay_samples: int) -> None:
        self._near_samples = max_delay_samples
        self._n_samples = 2 * max_delay_samples
        self._same_samples = round(sample_rate_hz * _SAME_MS / 1000)
        hz = np.fft.rfftfreq(self._n_samples, 1 / sample_rate_hz)
        self._band = slice(int(np.searchsorted(hz, _LOWEST_HZ)), int(np.searchsorted(hz, _HIGHEST_HZ)))
        self._phases: Spectrum = np.zeros(self._n_samples // 2 + 1, dtype=np.complex64)
        self._candidate = -1
        self._n_same = 0

    @property
    def far_samples(self) -> int:
        """How much of the loudspeaker's signal ``find`` takes."""
        return self._n_samples

    @property
    def near_samples(self) -> int:
        """How much of the microphone's signal ``find`` takes."""
        return self._near_samples

    def forget(self) -> None:
        """Starts anew."""
        self._phases[:] = 0
        self._n_same = 0

    def find(self, far: Float32Array, near: Float32Array) -> int | None:
        """Compares the latest stretch of both signals, which end at the same moment.

        Args:
            far: What the loudspeaker played, float32, (far_samples,).
            near: What the microphone heard, float32, (near_samples,).

        Returns:
            The delay in samples when it is clear, several times in a row; else None.
        """
        padded = np.zeros(self._n_samples, dtype=np.float32)
        padded[self._n_samples - self._near_samples :] = near
        cross = np.fft.rfft(padded)[self._band] * np.conj(np.fft.rfft(far)[self._band])
        size = np.abs(cross)
        self._phases *= _KEPT
        self._phases[self._band] += (1.0 - _KEPT) * cross / np.maximum(size, 1e-12)
        match = np.abs(np.fft.irfft(self._phases, self._n_samples)[: self._near_samples])
        peak = int(match.argmax())
        is_clear = bool(match[peak] > _CLEAR_PEAK * float(np.sqrt(np.mean(np.square(match)))))
        is_same = abs(peak - self._candidate) <= self._same_samples
        self._n_same = (self._n_same + 1 if is_same else 1) if is_clear else 0
        self._candidate = peak
        return peak if self._n_same >= _TIMES else None


def is_silent(samples: Float32Array) -> bool:
    """Whether a loudspeaker that plays this is silent."""
    return not len(samples) or float(np.sqrt(np.mean(np.square(samples)))) < _SILENCE
