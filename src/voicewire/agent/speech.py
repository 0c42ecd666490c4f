"""The agent's speech on its way through the sink: at the sink's rate, and kept until it has sounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from voicewire.audio.playout import Played
from voicewire.audio.resample import Resampler

_MAX_PARTS: Final = 64
"""Parts that are remembered; those before have sounded long ago."""


@dataclass(slots=True)
class _Part:
    """One content part of an item."""

    own_rate_hz: int
    resampler: Resampler | None
    audio: bytearray = field(default_factory=bytearray)
    start_sample: int = 0
    """Position in the part of the first sample that is kept."""
    own_samples: int = 0
    """Samples added, at the part's own rate."""


class SpeechStore:
    """Remembers what was enqueued, so that what sounded can be recorded as it sounded.

    Memory: what is queued and not yet heard, of the newest 64 parts.

    Args:
        sample_rate_hz: Rate of the sink.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._parts: dict[tuple[str, int], _Part] = {}

    def add(self, item_id: str, content_index: int, pcm16: bytes, rate_hz: int) -> bytes:
        """Takes the next audio of a part.

        Returns:
            It at the sink's rate.
        """
        part = self._parts.get((item_id, content_index))
        if part is None:
            resampler = None if rate_hz == self._rate_hz else Resampler(rate_hz, self._rate_hz)
            part = self._parts[item_id, content_index] = _Part(rate_hz, resampler)
            if len(self._parts) > _MAX_PARTS:
                del self._parts[next(iter(self._parts))]
        part.own_samples += len(pcm16) // 2
        if part.resampler is not None:
            pcm16 = part.resampler.process(pcm16)
        part.audio += pcm16
        return pcm16

    def take(self, played: Played) -> bytes:
        """The audio of a stretch that has sounded; everything before it is forgotten."""
        part = self._parts.get((played.item_id, played.content_index))
        if part is None:
            return b""
        del part.audio[: 2 * max(0, played.start_sample - part.start_sample)]
        taken = bytes(part.audio[: 2 * played.samples])
        del part.audio[: 2 * played.samples]
        part.start_sample = played.end_sample
        return taken

    def own_samples(self, item_id: str, content_index: int, samples: int) -> int:
        """``samples`` at the sink's rate as samples at the part's own rate, at most what the part has."""
        part = self._parts.get((item_id, content_index))
        if part is None or part.own_rate_hz == self._rate_hz:
            return samples
        return min(round(samples * part.own_rate_hz / self._rate_hz), part.own_samples)

    def cut(self, item_id: str, content_index: int, end_sample: int) -> None:
        """Forgets what of a part lies at or after ``end_sample``: it will not sound any more."""
        part = self._parts.get((item_id, content_index))
        if part is not None:
            del part.audio[2 * max(0, end_sample - part.start_sample) :]
