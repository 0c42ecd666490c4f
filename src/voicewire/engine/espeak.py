"""espeak-ng as a child process: the fallback voice, when the program is installed.

Its licence (GPL) and its sound keep it out of the package, but it is there on many machines, small and
fast. The text goes through standard input, never through a shell or an argument.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Final

from voicewire.engine.stages import Speech, VoiceInfo
from voicewire.engine.tts_shape import pause_after_ms, shape, silence, spread_words
from voicewire.errors import InferenceError

if TYPE_CHECKING:
    from typing_extensions import Self

    from voicewire.engine.stages import FloatArray

_PROGRAM: Final = "espeak-ng"
_WORDS_PER_MINUTE: Final = 165
_GAIN: Final = 0.75
"""It speaks at about -17 dBFS rms; this brings it near the level of the other voices."""
_TIMEOUT_S: Final = 30.0
_HEADER_BYTES: Final = 44


class EspeakSynthesizer:
    """espeak-ng, one short process for each text. Thread-safe; releases the GIL while it waits.

    Args:
        program: Path of the program.
        rate_hz: The rate to give speech at; espeak-ng's own is 22050.
    """

    def __init__(self, program: str, rate_hz: int) -> None:
        self._program = program
        self._rate_hz = rate_hz

    @classmethod
    def find(cls, rate_hz: int) -> Self | None:
        """The installed program, or None."""
        program = shutil.which(_PROGRAM)
        return cls(program, rate_hz) if program is not None else None

    def voices(self) -> list[VoiceInfo]:
        """The one robot voice."""
        return [VoiceInfo(name="espeak", language="en-US", description="espeak-ng, robotic")]

    def synthesize(self, text: str, *, speed: float = 1.0) -> Speech:
        """Say ``text``.

        Raises:
            InferenceError: The program failed or took too long.
        """
        if not any(character.isalnum() for character in text):
            return Speech(silence(), self._rate_hz, spread_words(text, 0, 0))
        command = [
            self._program,
            "-v",
            "en-us",
            "-s",
            str(round(_WORDS_PER_MINUTE * speed)),
            "-b",
            "1",
            "--stdin",
            "--stdout",
        ]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=_TIMEOUT_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise InferenceError(f"espeak-ng could not speak: {error}") from error
        samples = self._resample(*read_wave(done.stdout))
        shaped = shape(samples, self._rate_hz, gain=_GAIN, pause_ms=pause_after_ms(text))
        return Speech(shaped.samples, self._rate_hz, spread_words(text, 0, shaped.sound_end_sample))

    def _resample(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        import soxr

        resampled: FloatArray = soxr.resample(samples, rate_hz, self._rate_hz)
        return resampled


def read_wave(data: bytes) -> tuple[FloatArray, int]:
    """Samples and rate of a WAV written to a pipe, where the header's lengths are not to be believed.

    Raises:
        InferenceError: This is not 16-bit mono WAV.
    """
    import numpy as np

    if len(data) < _HEADER_BYTES or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise InferenceError("espeak-ng gave no WAV data")
    channels, rate_hz = struct.unpack_from("<HI", data, 22)
    (bits,) = struct.unpack_from("<H", data, 34)
    if (channels, bits) != (1, 16):
        raise InferenceError(f"espeak-ng gave {channels} channels of {bits} bits instead of 16-bit mono")
    body = data[_HEADER_BYTES : len(data) - (len(data) - _HEADER_BYTES) % 2]
    samples = np.frombuffer(body, dtype="<i2").astype(np.float32)
    samples /= np.float32(32768.0)
    return samples, int(rate_hz)
