"""Log-mel features as Whisper defines them, on numpy alone.

16 kHz audio -> 400-point Hann windows, hop 160 -> power spectrum -> 80 Slaney mels -> log10, clamped to
8 below the maximum, scaled by ``(x + 4) / 4``. Whisper and Smart Turn read the same features; they differ
in padding and in normalising the wave, which stays with them.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicewire.engine.stages import FloatArray

FFT_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
MEL_BANDS: Final = 80
_RATE_HZ: Final = 16_000
_FLOOR: Final = 1e-10
_LINEAR_MEL_HZ: Final = 200.0 / 3.0
_LOG_FROM_HZ: Final = 1000.0
_LOG_FROM_MEL: Final = 15.0
_LOG_STEP: Final = math.log(6.4) / 27.0


def log_mel(samples: FloatArray, *, total_samples: int, bands: int = MEL_BANDS) -> FloatArray:
    """The features of ``samples`` followed by silence up to ``total_samples``.

    The silence costs nothing: its frames are all alike and are never transformed.

    Args:
        samples: float32, shape (n_samples,), 16 kHz; not longer than ``total_samples``.
        total_samples: The padded length; a multiple of 160.
        bands: 80, or 128 for the large models.

    Returns:
        float32, shape (bands, total_samples // 160), C-contiguous.
    """
    import numpy as np

    frames = total_samples // HOP_SAMPLES
    half = FFT_SAMPLES // 2
    # Frames that reach into the audio; all later ones hold only padding and sit on the floor.
    sounding = min(frames, -(-(len(samples) + half) // HOP_SAMPLES))
    wave = np.zeros(min(total_samples, sounding * HOP_SAMPLES + FFT_SAMPLES), dtype=np.float32)
    wave[: len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wave, half, mode="reflect"), FFT_SAMPLES)
    spectrum = np.fft.rfft(windows[::HOP_SAMPLES][:sounding] * _window(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = np.full((bands, frames), _FLOOR, dtype=np.float32)
    mel[:, :sounding] = np.maximum(_filters(bands) @ np.transpose(power), _FLOOR)
    logs: FloatArray = np.log10(mel)
    np.maximum(logs, logs.max() - 8.0, out=logs)
    logs += 4.0
    logs /= 4.0
    return logs


@functools.lru_cache(maxsize=1)
def _window() -> FloatArray:
    import numpy as np

    return np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)


@functools.lru_cache(maxsize=2)
def _filters(bands: int) -> FloatArray:
    """Triangular filters of equal area on the Slaney scale, float32, shape (bands, 201)."""
    import numpy as np

    edges_mel = np.linspace(0.0, _hz_to_mel(_RATE_HZ / 2), bands + 2)
    edges_hz = _mel_to_hz(edges_mel)
    bins_hz = np.linspace(0.0, _RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    widths = np.diff(edges_hz)
    slopes = edges_hz[:, np.newaxis] - bins_hz[np.newaxis, :]
    rising = -slopes[:-2] / widths[:-1, np.newaxis]
    falling = slopes[2:] / widths[1:, np.newaxis]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, np.newaxis]
    return filters.astype(np.float32)


def _hz_to_mel(frequency_hz: float) -> float:
    if frequency_hz < _LOG_FROM_HZ:
        return frequency_hz / _LINEAR_MEL_HZ
    return _LOG_FROM_MEL + math.log(frequency_hz / _LOG_FROM_HZ) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    linear = mel * _LINEAR_MEL_HZ
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - _LOG_FROM_MEL))
    return np.where(mel >= _LOG_FROM_MEL, logarithmic, linear)
