"""Audio utilities of seed 003: whole pieces of 16-bit audio, bytes in and bytes out.

For streams use ``voicewire.audio``: its `Resampler` keeps its state from piece to piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voicewire.audio import pcm
from voicewire.audio.resample import resample_whole
from voicewire.errors import AudioError

DEFAULT_CHUNK_BYTES = 4800
"""100 ms at 24 kHz."""


def resample_pcm16(audio: bytes, from_rate: int, to_rate: int) -> bytes:
    """Converts 16-bit mono audio to another rate, with a low-pass filter.

    Args:
        audio: Signed 16-bit little-endian samples.
        from_rate: Their rate, in Hz.
        to_rate: The wanted rate, in Hz.

    Returns:
        ``n * to_rate / from_rate`` samples; the same object when nothing is to be done.

    Raises:
        AudioError: (a ``ValueError``) An odd number of bytes, or a rate that is not above 0.
    """
    _check_whole(audio)
    for name, rate in (("from_rate", from_rate), ("to_rate", to_rate)):
        _check_rate(name, rate)
    if from_rate == to_rate or not audio:
        return audio
    size_bytes = 2 * (len(audio) // 2 * to_rate // from_rate)
    return resample_whole(audio, from_rate, to_rate)[:size_bytes].ljust(size_bytes, b"\0")


def chunk_audio(audio: bytes, chunk_size: int = DEFAULT_CHUNK_BYTES) -> Iterator[bytes]:
    """Cuts audio into pieces; the last one may be shorter.

    Args:
        audio: Signed 16-bit little-endian samples.
        chunk_size: Bytes of a piece; an even number, so that no sample is cut in two.

    Raises:
        AudioError: (a ``ValueError``) ``chunk_size`` is below 2 or odd.
    """
    if chunk_size < 2 or chunk_size % 2:
        raise AudioError(f"chunk_size is {chunk_size!r}; give an even number of bytes, 2 or more")
    return (audio[at : at + chunk_size] for at in range(0, len(audio), chunk_size))


def pcm16_to_float32(audio: bytes) -> list[float]:
    """16-bit samples as floats: -32768 is -1.0.

    Raises:
        AudioError: (a ``ValueError``) An odd number of bytes.
    """
    values: list[float] = pcm.pcm16_to_float32(audio).tolist()
    return values


def float32_to_pcm16(samples: Sequence[float]) -> bytes:
    """Floats as 16-bit samples; what lies outside of -1 to 1 is clipped, NaN becomes silence.

    1.0 is 32767 and -1.0 is -32767, as in the library that this function comes from.
    """
    import numpy as np

    values: pcm.Float64Array = np.array(list(samples), dtype=np.float64)
    clean: pcm.Float64Array = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    bounded: pcm.Float64Array = np.minimum(np.maximum(clean, -1.0), 1.0)
    return pcm.int16_to_pcm16(np.trunc(bounded * 32767.0).astype(np.int16))


def calculate_duration_ms(audio: bytes, sample_rate: int = 24_000) -> float:
    """How long 16-bit mono audio is, in milliseconds.

    Raises:
        AudioError: (a ``ValueError``) An odd number of bytes, or a rate that is not above 0.
    """
    _check_whole(audio)
    _check_rate("sample_rate", sample_rate)
    return len(audio) // 2 * 1000 / sample_rate


def silence_pcm16(duration_ms: float, sample_rate: int = 24_000) -> bytes:
    """Silence; none for a duration of 0 or below.

    Raises:
        AudioError: (a ``ValueError``) A rate that is not above 0.
    """
    _check_rate("sample_rate", sample_rate)
    return bytes(2 * max(0, int(sample_rate * duration_ms / 1000)))


def _check_whole(audio: bytes) -> None:
    if len(audio) % 2:
        raise AudioError(
            f"{len(audio)} bytes are not a whole number of 16-bit samples; "
            "keep the odd byte and send it with the next piece"
        )


def _check_rate(name: str, rate: int) -> None:
    if rate <= 0:
        raise AudioError(f"{name} is {rate!r}; give a rate in hertz above 0")
