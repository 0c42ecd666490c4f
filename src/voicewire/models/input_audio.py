"""Audio on its way to a model: the caller's rate and encoding made into the session's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from voicewire.errors import AudioError
from voicewire.events.base import MediaFormat
from voicewire.events.commands import AppendAudio

if TYPE_CHECKING:
    from voicewire.audio.resample import Resampler

Encoding = Literal["pcm16", "pcmu", "pcma"]

_ENCODINGS: dict[str, Encoding] = {"audio/pcm": "pcm16", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}
_G711_RATE_HZ = 8000


class InputAudio:
    """Fits appended audio to one session's input format. Keeps the resampler's state from chunk to chunk.

    A chunk that is right already costs two comparisons; numpy is loaded by the first that is not.

    Args:
        wanted: The session's input format.
    """

    __slots__ = ("_encoding", "_from_hz", "_rate_hz", "_resampler")

    def __init__(self, wanted: MediaFormat) -> None:
        self._resampler: Resampler | None = None
        self._from_hz = 0
        self._encoding: Encoding = "pcm16"
        self._rate_hz = 0
        self.configure(wanted)

    @property
    def sample_rate_hz(self) -> int:
        """The rate that the session takes."""
        return self._rate_hz

    def configure(self, wanted: MediaFormat) -> None:
        """Changes the session's input format; audio inside the resampler is forgotten if it is another one.

        Raises:
            AudioError: A media type that is none of ``audio/pcm``, ``audio/pcmu``, ``audio/pcma``.
        """
        encoding = _ENCODINGS.get(wanted.type)
        if encoding is None:
            raise AudioError(f"cannot make audio of type {wanted.type!r}; use one of {sorted(_ENCODINGS)}")
        rate_hz = wanted.rate if encoding == "pcm16" else _G711_RATE_HZ
        if (encoding, rate_hz) != (self._encoding, self._rate_hz):
            self.clear()
        self._encoding = encoding
        self._rate_hz = rate_hz

    def fit(self, command: AppendAudio) -> AppendAudio | None:
        """The same audio in the session's format; None when there is nothing to send yet.

        Raises:
            AudioError: Half a sample, or a rate that cannot be converted.
        """
        if command.sample_rate_hz == self._rate_hz and command.encoding == self._encoding:
            return command
        from_hz = command.sample_rate_hz if command.encoding == "pcm16" else _G711_RATE_HZ
        pcm = _decoded(command.pcm, command.encoding)
        if from_hz != self._rate_hz:
            if self._resampler is None or self._from_hz != from_hz:
                from voicewire.audio.resample import Resampler

                self._resampler = Resampler(from_hz, self._rate_hz)
                self._from_hz = from_hz
            pcm = self._resampler.process(pcm)
        return self._made(pcm, command.command_id)

    def finish(self) -> AppendAudio | None:
        """What the resampler still holds, for the end of a turn; None when it holds nothing."""
        resampler, self._resampler = self._resampler, None
        return self._made(resampler.flush(), "") if resampler is not None else None

    def clear(self) -> None:
        """Forgets what the resampler holds."""
        self._resampler = None

    def _made(self, pcm: bytes, command_id: str) -> AppendAudio | None:
        if not pcm:
            return None
        return AppendAudio(
            _encoded(pcm, self._encoding), self._rate_hz, encoding=self._encoding, command_id=command_id
        )


def _decoded(data: bytes, encoding: Encoding) -> bytes:
    if encoding == "pcm16":
        return data
    from voicewire.audio import g711

    return g711.decode(data, encoding)


def _encoded(pcm16: bytes, encoding: Encoding) -> bytes:
    if encoding == "pcm16":
        return pcm16
    from voicewire.audio import g711

    return g711.encode(pcm16, encoding)
