"""Rooms for the tests of echo cancellation: a loudspeaker's way to a microphone, computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from voicewire.audio.echo import EchoCanceller
from voicewire.audio.files import read_audio
from voicewire.audio.pcm import Float32Array, float32_to_pcm16, pcm16_to_float32

RATE_HZ = 16_000
SPEECH = Path(__file__).resolve().parent.parent.parent / "demo" / "speech"


@cache
def speech(*names: str) -> Float32Array:
    """Recorded sentences, each followed by a quarter of a second of silence."""
    pieces: list[Float32Array] = []
    for name in names:
        (path,) = SPEECH.glob(f"{name}-*.flac")
        pieces.append(pcm16_to_float32(read_audio(path, sample_rate_hz=RATE_HZ).data))
        pieces.append(np.zeros(RATE_HZ // 4, dtype=np.float32))
    return np.concatenate(pieces)


def agent_speech() -> Float32Array:
    """About 11 s of speech for the loudspeaker, half a second of silence before it."""
    return np.concatenate((np.zeros(RATE_HZ // 2, dtype=np.float32), speech("05", "03", "04", "02", "07")))


def room(delay_ms: float, reverberation_ms: float, gain: float, seed: int = 1) -> Float32Array:
    """An impulse response: a delay, a direct path, and noise that has fallen by 60 dB after ``reverberation_ms``."""
    delay = round(delay_ms * RATE_HZ / 1000)
    n_samples = max(1, round(reverberation_ms * RATE_HZ / 1000))
    fall = 10 ** (-3.0 * np.arange(n_samples) / n_samples)
    answer = np.random.default_rng(seed).standard_normal(n_samples) * fall
    answer[:40] *= 0.3
    answer[0] = 2.0
    answer *= gain / np.sqrt(np.square(answer).sum())
    return np.concatenate((np.zeros(delay), answer)).astype(np.float32)


def heard(far: Float32Array, answer: Float32Array, *, noise: float = 3e-4, seed: int = 2) -> Float32Array:
    """What a microphone hears of a loudspeaker, with some noise of the room."""
    n_samples = 1 << int(np.ceil(np.log2(len(far) + len(answer))))
    echo = np.fft.irfft(np.fft.rfft(far, n_samples) * np.fft.rfft(answer, n_samples))[: len(far)]
    hiss = np.random.default_rng(seed).standard_normal(len(far)) * noise
    return (echo + hiss).astype(np.float32)


def cancelled(canceller: EchoCanceller, near: Float32Array, far: Float32Array) -> Float32Array:
    """The microphone after the canceller, 20 ms at a time, shifted back by the block that it takes."""
    step = 2 * canceller.block_samples
    whole = len(near) // step * step
    near_pcm, far_pcm = float32_to_pcm16(near[:whole]), float32_to_pcm16(far[:whole])
    out = b"".join(
        canceller.process(near_pcm[at : at + 2 * step], far_pcm[at : at + 2 * step])
        for at in range(0, 2 * whole, 2 * step)
    )
    return pcm16_to_float32(out)[canceller.block_samples :]


def level_db(samples: Float32Array) -> float:
    """Power in dB of full scale, never below that of half a 16-bit step."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 2e-10))


def from_s(samples: Float32Array, start_s: float, end_s: float) -> Float32Array:
    """A stretch."""
    return samples[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]
