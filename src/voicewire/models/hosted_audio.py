"""Audio of a conversation hosted in this process: what is kept of the input, and the way out to the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pybase64

from voicewire.conversation.heard import Word, WordSpan
from voicewire.errors import UnsupportedError
from voicewire.events.base import MediaFormat

if TYPE_CHECKING:
    from voicewire.audio.g711 import Law
    from voicewire.audio.resample import Resampler

G711_RATE_HZ = 8000
_LAWS: dict[str, Law] = {"audio/pcmu": "pcmu", "audio/pcma": "pcma"}
_TRIM_STEP_BYTES = 1 << 16
"""Forgotten bytes are cut off in steps, so that the buffer is not moved for every frame."""


def check_format(name: str, wanted: MediaFormat) -> None:
    """Refuses a format that cannot be made.

    Raises:
        UnsupportedError: Not PCM16 of 4 to 192 kHz, nor G.711 at 8 kHz.
    """
    is_pcm = wanted.type == "audio/pcm" and 4000 <= wanted.rate <= 192_000
    if not is_pcm and not (wanted.type in _LAWS and wanted.rate == G711_RATE_HZ):
        raise UnsupportedError(
            f"{name} cannot speak or hear {wanted.type!r} at {wanted.rate!r} Hz; "
            "use audio/pcm at 4000 to 192000 Hz, or audio/pcmu or audio/pcma at 8000 Hz"
        )


class InputBuffer:
    """The newest input audio, 16-bit mono, by its position on the session's timeline."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._base_sample = 0

    @property
    def start_sample(self) -> int:
        """Position of the oldest sample that is kept."""
        return self._base_sample

    @property
    def end_sample(self) -> int:
        """One past the newest sample."""
        return self._base_sample + len(self._data) // 2

    def append(self, pcm16: bytes) -> None:
        """Adds whole samples at the end."""
        self._data += pcm16

    def take(self, start_sample: int, end_sample: int) -> bytes:
        """A copy of a stretch, as far as it is still kept."""
        first = max(0, start_sample - self._base_sample) * 2
        return bytes(self._data[first : max(0, end_sample - self._base_sample) * 2])

    def forget(self, until_sample: int) -> None:
        """Audio before this position is not wanted any more."""
        surplus = (min(until_sample, self.end_sample) - self._base_sample) * 2
        if surplus >= _TRIM_STEP_BYTES:
            del self._data[:surplus]
            self._base_sample += surplus // 2


class OutputAudio:
    """Makes 16-bit model audio into the session's output format, one response after the other.

    Keeps the resampler's state within a response; ``finish`` gives what it still holds.
    """

    def __init__(self, wanted: MediaFormat) -> None:
        self._wanted = wanted
        self._law: Law | None = _LAWS.get(wanted.type)
        self._resampler: Resampler | None = None
        self._from_hz = wanted.rate

    def fit(self, pcm16: bytes, rate_hz: int) -> bytes:
        """The same audio in the session's format; what does not fill a sample yet comes later."""
        tail = b""
        if rate_hz != self._from_hz:
            tail = self._flushed()
            self._from_hz = rate_hz
        if rate_hz != self._wanted.rate:
            if self._resampler is None:
                from voicewire.audio.resample import Resampler

                self._resampler = Resampler(rate_hz, self._wanted.rate)
            pcm16 = self._resampler.process(pcm16)
        return self._encoded(tail + pcm16)

    def fit_words(self, words: Sequence[WordSpan], rate_hz: int) -> Sequence[WordSpan]:
        """Word positions at the session's output rate."""
        to_hz = self._wanted.rate
        if rate_hz == to_hz:
            return words
        return [
            Word(w.word, w.start_sample * to_hz // rate_hz, w.end_sample * to_hz // rate_hz) for w in words
        ]

    def finish(self) -> bytes:
        """The end of the response's audio."""
        return self._encoded(self._flushed())

    def _flushed(self) -> bytes:
        resampler, self._resampler = self._resampler, None
        return resampler.flush() if resampler is not None else b""

    def _encoded(self, pcm16: bytes) -> bytes:
        if self._law is None or not pcm16:
            return pcm16
        from voicewire.audio import g711

        return g711.encode(pcm16, self._law)


class AudioShelf:
    """The audio of the newest items, for who asks for an item as the model has it.

    Bounded in bytes: when it is full the oldest item's audio is forgotten, and the item is then given
    without audio.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._pieces: dict[str, list[bytes]] = {}

    def add(self, item_id: str, piece: bytes) -> None:
        """Adds to an item's audio, in the format it will be given in."""
        self._pieces.setdefault(item_id, []).append(piece)
        self._held_bytes += len(piece)
        while self._held_bytes > self._max_bytes:
            self.forget(next(iter(self._pieces)))

    def forget(self, item_id: str) -> None:
        """The item is gone."""
        self._held_bytes -= sum(map(len, self._pieces.pop(item_id, ())))

    def base64(self, item_id: str, limit_bytes: int | None = None) -> str | None:
        """An item's audio in base64, cut to what was heard; None when it is not kept."""
        pieces = self._pieces.get(item_id)
        return None if pieces is None else pybase64.b64encode_as_string(b"".join(pieces)[:limit_bytes])
