"""From what an application sends to the samples that a recogniser takes: no header, one channel, whole samples."""

from __future__ import annotations

from typing import Final

from voicewire.audio.format import AudioFormat
from voicewire.audio.pcm import down_mix
from voicewire.audio.resample import Resampler
from voicewire.errors import AudioError
from voicewire.speech.config import AsrConfig, refuse_unless
from voicewire.speech.preprocess import Chain

RAW_FORMATS: Final = frozenset({"pcm", "wav", "raw"})
_RIFF_BYTES: Final = 12
_CHUNK_HEAD_BYTES: Final = 8


class PcmIntake:
    """Turns a stream of bytes into mono 16-bit audio at one rate. One for each session.

    Args:
        config: What the bytes are.
        rate_hz: What is wanted.
        chain: Steps to run on the audio, or none.

    Raises:
        UnsupportedError: The configuration names something that a stream cannot be.
    """

    def __init__(self, config: AsrConfig, rate_hz: int, chain: Chain | None = None) -> None:
        refuse_unless(
            config.bits_per_sample in (None, 16),
            f"bits_per_sample is {config.bits_per_sample!r}",
            "streams are 16-bit; recognize_file() converts everything else",
        )
        kind = (config.format or "pcm").lower()
        refuse_unless(
            kind in RAW_FORMATS,
            f"format is {config.format!r}",
            "a stream is pcm or wav here; recognize_file() decodes MP3, FLAC and OGG",
        )
        self._format = AudioFormat(config.sample_rate or 16000, config.nb_channels or 1)
        self._rate_hz = rate_hz
        self._chain = chain
        self._rest: bytes = b""
        self._awaits_header = True
        self._resampler: Resampler | None = None
        self._use(self._format)

    @property
    def rate_hz(self) -> int:
        """The rate that comes out."""
        return self._rate_hz

    def push(self, data: bytes) -> bytes:
        """Takes bytes cut anywhere; gives mono 16-bit audio.

        Raises:
            AudioError: A WAV header that announces something else than 16-bit PCM.
        """
        data = self._rest + data
        if self._awaits_header:
            if b"RIFF".startswith(data[:4]) and len(data) < 4:
                self._rest = data
                return b""
            if data[:4] == b"RIFF":
                start = self._read_header(data)
                if start is None:
                    self._rest = data
                    return b""
                data = data[start:]
            self._awaits_header = False
        whole = len(data) // self._format.bytes_per_frame * self._format.bytes_per_frame
        self._rest = data[whole:]
        return self._convert(data[:whole])

    def flush(self) -> bytes:
        """The rest at the end of the stream."""
        if self._awaits_header and self._rest[:4] != b"RIFF":
            self._awaits_header = False
        tail = self._resampler.flush() if self._resampler is not None else b""
        return tail

    def _convert(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._format.channels > 1:
            data = down_mix(data, self._format.channels)
        if self._chain is not None:
            data = self._chain.process(data)
        return self._resampler.process(data) if self._resampler is not None else data

    def _use(self, format: AudioFormat) -> None:
        self._format = format
        if self._chain is not None:
            self._chain.begin(format.sample_rate_hz)
        self._resampler = (
            Resampler(format.sample_rate_hz, self._rate_hz)
            if format.sample_rate_hz != self._rate_hz
            else None
        )

    def _read_header(self, data: bytes) -> int | None:
        """Where the audio of a WAV begins; None while that is not known."""
        at = _RIFF_BYTES
        while len(data) >= at + _CHUNK_HEAD_BYTES:
            name = data[at : at + 4]
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            body = at + _CHUNK_HEAD_BYTES
            if name == b"data":
                return body
            if name == b"fmt ":
                if len(data) < body + 16:
                    return None
                kind, channels = (int.from_bytes(data[body + i : body + i + 2], "little") for i in (0, 2))
                rate_hz = int.from_bytes(data[body + 4 : body + 8], "little")
                bits = int.from_bytes(data[body + 14 : body + 16], "little")
                if kind not in (1, 0xFFFE) or bits != 16:
                    raise AudioError(
                        f"the WAV stream holds {bits}-bit audio of kind {kind}; send 16-bit PCM, "
                        "or use recognize_file()"
                    )
                self._use(AudioFormat(rate_hz, channels))
            at = body + size + size % 2
        return None
