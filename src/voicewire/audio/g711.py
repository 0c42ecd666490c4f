"""G.711: the two 8-bit companded encodings of the telephone network.

``pcmu`` is mu-law and ``pcma`` is A-law, with the even-bit inversion of ITU-T G.711 (11/88) tables 1a to 2b.
Both directions are table look-ups; the tables are computed once, on first use.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import Int16Array, int16_to_pcm16, pcm16_to_int16
from voicewire.errors import AudioError

Law: TypeAlias = Literal["pcmu", "pcma"]
UInt8Array: TypeAlias = NDArray[np.uint8]
Int32Array: TypeAlias = NDArray[np.int32]

MU_BIAS: Final = 33
MU_CLIP: Final = 8158
# Upper ends of the eight chords: 14-bit magnitudes with bias for mu-law, 13-bit magnitudes for A-law.
_MU_ENDS: Final = np.array([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF], dtype=np.int32)
_A_ENDS: Final = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF], dtype=np.int32)


def encode(pcm16: bytes, law: Law) -> bytes:
    """Compress mono or interleaved 16-bit audio to one byte a value.

    Args:
        pcm16: Signed 16-bit little-endian values.
        law: ``pcmu`` or ``pcma``.

    Returns:
        Half as many bytes.

    Raises:
        AudioError: The number of bytes is odd, or the law is neither of the two.
    """
    table = _encode_table(_checked(law))
    return table[pcm16_to_int16(pcm16).astype(np.uint16)].tobytes()


def decode(data: bytes, law: Law) -> bytes:
    """Expand G.711 bytes to 16-bit audio.

    Args:
        data: One byte a value.
        law: ``pcmu`` or ``pcma``.

    Returns:
        Signed 16-bit little-endian values, twice as many bytes.

    Raises:
        AudioError: The law is neither of the two.
    """
    return int16_to_pcm16(_decode_table(_checked(law))[np.frombuffer(data, dtype=np.uint8)])


def _checked(law: Law) -> Law:
    if law not in ("pcmu", "pcma"):
        raise AudioError(f"unknown G.711 law {law!r}: use 'pcmu' (mu-law) or 'pcma' (A-law)")
    return law


@lru_cache(maxsize=2)
def _encode_table(law: Law) -> UInt8Array:
    """Return the code of each 16-bit value, indexed by the value read as unsigned; uint8, (65536,)."""
    values = np.arange(65536, dtype=np.uint16).astype(np.int16).astype(np.int32)
    return _mu_codes(values) if law == "pcmu" else _a_codes(values)


def _mu_codes(values: Int32Array) -> UInt8Array:
    """Encode by table 2a: 14 bits, sign and magnitude, chord and step, all bits inverted."""
    narrow = values >> 2
    magnitude = np.minimum(np.abs(narrow), MU_CLIP) + MU_BIAS
    chord = np.searchsorted(_MU_ENDS, magnitude)
    step = (magnitude >> (chord + 1)) & 0x0F
    mask = np.where(narrow < 0, 0x7F, 0xFF)
    codes: UInt8Array = (((chord << 4) | step) ^ mask).astype(np.uint8)
    return codes


def _a_codes(values: Int32Array) -> UInt8Array:
    """Encode by table 1a: 13 bits, sign and magnitude, chord and step, even bits inverted."""
    narrow = values >> 3
    magnitude = np.where(narrow < 0, -narrow - 1, narrow)
    chord = np.searchsorted(_A_ENDS, magnitude)
    step = (magnitude >> np.maximum(chord, 1)) & 0x0F
    mask = np.where(narrow < 0, 0x55, 0xD5)
    codes: UInt8Array = (((chord << 4) | step) ^ mask).astype(np.uint8)
    return codes


@lru_cache(maxsize=2)
def _decode_table(law: Law) -> Int16Array:
    """Return the 16-bit value of each code; int16, (256,)."""
    codes = np.arange(256, dtype=np.int32)
    plain = codes ^ (0xFF if law == "pcmu" else 0x55)
    chord = (plain >> 4) & 0x07
    step = plain & 0x0F
    if law == "pcmu":
        magnitude = (((step << 3) + 0x84) << chord) - 0x84
        is_negative = plain & 0x80 != 0
    else:
        magnitude = np.where(chord == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(chord - 1, 0))
        is_negative = plain & 0x80 == 0
    return np.where(is_negative, -magnitude, magnitude).astype(np.int16)
