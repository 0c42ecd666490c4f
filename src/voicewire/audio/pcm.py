"""PCM arithmetic on bytes and arrays: conversion, gain, silence, tones, down-mix.

Full scale is 1.0 in float32 and 32768 in 16 bit. Going down to 16 bit rounds to the nearest value, ties to
even, and clips to [-32768, 32767]; nothing wraps around. No dither is added, so equal input gives equal
bytes.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicewire.errors import AudioError

Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
Int16Array: TypeAlias = NDArray[np.int16]

FULL_SCALE: Final = 32768.0
"""The 16-bit value that stands for 1.0."""
INT16_MIN: Final = -32768
INT16_MAX: Final = 32767

_PCM16: Final = np.dtype("<i2")


def pcm16_to_int16(data: bytes | bytearray | memoryview) -> Int16Array:
    """View 16-bit little-endian bytes as samples, without a copy.

    Args:
        data: Signed 16-bit little-endian values.

    Returns:
        int16, (n_values,); read-only when ``data`` is bytes.

    Raises:
        AudioError: The number of bytes is odd.
    """
    if len(data) % 2:
        raise AudioError(
            f"{len(data)} bytes of pcm16 end inside a sample: keep the last byte back and join it to the "
            f"next piece"
        )
    return np.frombuffer(data, dtype=_PCM16)


def int16_to_pcm16(values: Int16Array) -> bytes:
    """Return int16 values of any shape (C order) as little-endian bytes."""
    return values.astype(_PCM16, copy=False).tobytes()


def pcm16_to_float32(data: bytes | bytearray | memoryview) -> Float32Array:
    """Convert 16-bit bytes to floats, exactly.

    Args:
        data: Signed 16-bit little-endian values.

    Returns:
        float32, (n_values,), [-1, 1).

    Raises:
        AudioError: The number of bytes is odd.
    """
    values: Float32Array = pcm16_to_int16(data).astype(np.float32) * np.float32(1 / FULL_SCALE)
    return values


def float32_to_pcm16(values: Float32Array | Float64Array) -> bytes:
    """Convert floats to 16-bit bytes: nearest value, ties to even, clipped.

    The round trip from ``pcm16_to_float32`` gives the same bytes back.

    Args:
        values: Floats of any shape (C order), [-1, 1]; what lies outside is clipped, NaN becomes silence.

    Returns:
        Signed 16-bit little-endian values.
    """
    return int16_to_pcm16(round_to_int16(values * np.float32(FULL_SCALE)))


def round_to_int16(values: Float32Array | Float64Array) -> Int16Array:
    """Round floats that are already on the 16-bit scale: nearest, ties to even, clipped, NaN to 0.

    Args:
        values: Floats of any shape, nominally [-32768, 32767].

    Returns:
        int16 of the same shape.
    """
    rounded = np.rint(values)
    np.minimum(np.maximum(rounded, INT16_MIN, out=rounded), INT16_MAX, out=rounded)
    not_numbers = np.isnan(rounded)
    if not_numbers.any():
        rounded[not_numbers] = 0.0
    return rounded.astype(np.int16)


def amplitude_of_dbfs(dbfs: float) -> float:
    """Return the linear factor of a level in dB: 0 dB is 1.0, -20 dB is 0.1, -inf is 0."""
    return float(10.0 ** (dbfs / 20.0))


def apply_gain(data: bytes, gain_db: float) -> bytes:
    """Make 16-bit audio louder or softer, clipping what does not fit.

    Args:
        data: Signed 16-bit little-endian values.
        gain_db: Gain in dB; negative is softer, ``-math.inf`` is silence.

    Returns:
        As many bytes as came in; the same object when ``gain_db`` is 0.

    Raises:
        AudioError: The number of bytes is odd.
    """
    values = pcm16_to_int16(data)
    if gain_db == 0.0:
        return data
    return int16_to_pcm16(round_to_int16(values.astype(np.float64) * amplitude_of_dbfs(gain_db)))


def silence(samples: int, channels: int = 1) -> bytes:
    """Return 16-bit silence of ``samples`` samples (0 or more).

    Raises:
        AudioError: ``samples`` is negative.
    """
    if samples < 0:
        raise AudioError(f"cannot make {samples} samples of silence: pass 0 or more")
    return bytes(2 * samples * channels)


def tone(
    hz: float, samples: int, sample_rate_hz: int, dbfs: float = -12.0, *, start_sample: int = 0
) -> bytes:
    """Return a mono 16-bit sine.

    Pieces made with consecutive ``start_sample`` join without a step, and equal the tone made in one piece.

    Args:
        hz: Frequency, 0 to half of ``sample_rate_hz``.
        samples: Length, 0 or more.
        sample_rate_hz: Sample rate.
        dbfs: Peak level; 0 is a sine that touches full scale.
        start_sample: Where on the tone's own timeline the piece starts.

    Returns:
        Signed 16-bit little-endian values.

    Raises:
        AudioError: The frequency cannot be represented, or ``samples`` is negative.
    """
    if not 0.0 <= hz <= sample_rate_hz / 2:
        raise AudioError(
            f"a {hz!r} Hz tone does not fit a rate of {sample_rate_hz} Hz: stay between 0 and half of it"
        )
    if samples < 0:
        raise AudioError(f"cannot make {samples} samples of a tone: pass 0 or more")
    cycles = np.arange(start_sample, start_sample + samples, dtype=np.float64) * (hz / sample_rate_hz)
    wave = np.sin(2.0 * np.pi * (cycles % 1.0))
    return int16_to_pcm16(round_to_int16(wave * (FULL_SCALE * amplitude_of_dbfs(dbfs))))


def down_mix(data: bytes, channels: int) -> bytes:
    """Average interleaved 16-bit channels to mono, rounding ties to even.

    Args:
        data: Interleaved signed 16-bit little-endian values.
        channels: Channels in ``data``, 1 or more.

    Returns:
        Mono audio with as many samples as each channel had.

    Raises:
        AudioError: ``data`` is not a whole number of samples of all channels.
    """
    if channels < 1 or len(data) % (2 * channels):
        raise AudioError(
            f"{len(data)} bytes are not a whole number of samples with {channels} channel(s) of pcm16: "
            f"check the channel count of the source"
        )
    if channels == 1:
        return data
    values = np.reshape(pcm16_to_int16(data), (-1, channels))
    return int16_to_pcm16(round_to_int16(values.mean(axis=1, dtype=np.float64)))


def interleave(*channels: bytes) -> bytes:
    """Join mono 16-bit streams of equal length as the channels of one, in the order given.

    Raises:
        AudioError: No stream was given, or their lengths differ.
    """
    lengths = {len(channel) for channel in channels}
    if len(lengths) != 1:
        raise AudioError(
            f"cannot interleave streams of {sorted(lengths)} bytes: pass one or more of equal length "
            f"(pad the short ones with silence())"
        )
    return int16_to_pcm16(np.stack([pcm16_to_int16(channel) for channel in channels], axis=1))
