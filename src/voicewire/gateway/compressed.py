"""Compressed audio of a client, decoded piece by piece: a few bytes may unpack to hours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from voicewire.errors import AudioError


class CompressedAudio:
    """MP3, OGG (Opus, Vorbis), FLAC or WAV as 16-bit mono. Blocking: used in threads, one call at a time.

    Args:
        data: The whole of it.
        rate_hz: Rate of what comes out.

    Raises:
        AudioError: It is none of these.
    """

    def __init__(self, data: bytes, rate_hz: int) -> None:
        import soundfile

        from voicewire.audio.resample import Resampler

        try:
            self._file: Any = soundfile.SoundFile(io.BytesIO(data))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _undecodable(error) from error
        # Seeking to where it is already, as soundfile does, would mute an MP3 for a moment.
        self._file.seekable = lambda: False
        self._from_hz = int(self._file.samplerate)
        self._left = int(self._file.frames)
        self.duration_s = self._left / self._from_hz
        """As its header has it; no more than that is decoded."""
        self._resampler = Resampler(self._from_hz, rate_hz)

    def pieces(self) -> Iterator[bytes]:
        """Pieces of about a second.

        Raises:
            AudioError: It is damaged.
        """
        import soundfile

        from voicewire.audio.pcm import float32_to_pcm16

        while wanted := min(self._left, self._from_hz):
            try:
                block = self._file.read(wanted, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise _undecodable(error) from error
            if not len(block):
                break
            self._left -= len(block)
            yield float32_to_pcm16(self._resampler.process_float32(block.mean(axis=1, dtype="float32")))
        yield float32_to_pcm16(self._resampler.flush_float32())


def _undecodable(error: Exception) -> AudioError:
    return AudioError(f"the audio cannot be decoded: {error}; send WAV, MP3, FLAC, or Opus in OGG")
