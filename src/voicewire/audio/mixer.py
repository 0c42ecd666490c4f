"""Sum several mono streams of one rate on one timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import (
    FULL_SCALE,
    Float64Array,
    amplitude_of_dbfs,
    int16_to_pcm16,
    pcm16_to_int16,
    round_to_int16,
)
from voicewire.errors import AudioError

Limit: TypeAlias = Literal["saturate", "soft"]
"""``saturate`` clips at full scale. ``soft`` bends what exceeds ``SOFT_KNEE``, so loud sums do not
crackle."""

SOFT_KNEE: Final = 0.7
"""Relative to full scale; below it ``soft`` changes nothing."""


@dataclass(slots=True)
class _Source:
    gain: float
    audio: bytearray = field(default_factory=bytearray)
    """16-bit samples from the mixer's position on."""
    late_samples: int = 0


class Mixer:
    """Sum mono 16-bit sources sample by sample.

    Each source writes at its own pace; ``read`` takes the next stretch of the sum, with silence where a
    source has nothing. Audio whose position has already been read is dropped and counted as late. A source
    may run at most ``max_ahead_samples`` ahead: ``write`` takes what fits and returns how much that was.

    Concurrency: one caller at a time.

    Args:
        sample_rate_hz: Rate of all sources and of the sum.
        limit: What happens to sums beyond full scale.
        max_ahead_samples: Bound of each source's buffer; 60 s by default.

    Raises:
        AudioError: The rate or the bound is not positive, or the limit is unknown.
    """

    def __init__(
        self, sample_rate_hz: int, *, limit: Limit = "saturate", max_ahead_samples: int | None = None
    ) -> None:
        self.format = AudioFormat(sample_rate_hz)
        self.max_ahead_samples = 60 * sample_rate_hz if max_ahead_samples is None else max_ahead_samples
        if self.max_ahead_samples < 1 or limit not in ("saturate", "soft"):
            raise AudioError(
                f"cannot mix with max_ahead_samples={max_ahead_samples!r} and limit={limit!r}: "
                f"the bound is 1 or more, the limit 'saturate' or 'soft'"
            )
        self.limit = limit
        self._sources: dict[str, _Source] = {}
        self._position = 0

    @property
    def position(self) -> int:
        """Index of the sample that the next ``read`` starts with."""
        return self._position

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the order they were added."""
        return tuple(self._sources)

    def add(self, source: str, *, gain_db: float = 0.0) -> None:
        """Add a source that starts with silence.

        Args:
            source: Its name.
            gain_db: Its gain; ``-math.inf`` mutes it.

        Raises:
            AudioError: The name is taken.
        """
        if source in self._sources:
            raise AudioError(
                f"the mixer already has a source {source!r}: use another name, or remove() it first"
            )
        self._sources[source] = _Source(amplitude_of_dbfs(gain_db))

    def remove(self, source: str) -> int:
        """Remove a source and return how many of its samples were never read."""
        unread = len(self._source(source).audio) // 2
        del self._sources[source]
        return unread

    def set_gain(self, source: str, gain_db: float) -> None:
        """Set the gain of a source, from the next ``read`` on."""
        self._source(source).gain = amplitude_of_dbfs(gain_db)

    def queued_samples(self, source: str) -> int:
        """Return how far a source is ahead of the mixer's position."""
        return len(self._source(source).audio) // 2

    def late_samples(self, source: str) -> int:
        """Return how many samples of a source were dropped because they came too late."""
        return self._source(source).late_samples

    def write(self, source: str, pcm16: bytes, *, start_sample: int | None = None) -> int:
        """Place 16-bit audio of a source on the timeline.

        Args:
            source: A name given to ``add``.
            pcm16: Mono samples.
            start_sample: Position of the first one; by default, where the source's audio ends. A gap is
                silence; what was written to the same place before is replaced.

        Returns:
            How many samples from the start of ``pcm16`` were dealt with (mixed later, or dropped as late).
            The rest lies beyond ``max_ahead_samples``: write it again after a ``read``.

        Raises:
            AudioError: The source is unknown, or the number of bytes is odd.
        """
        entry = self._source(source)
        samples = len(pcm16_to_int16(pcm16))
        offset = len(entry.audio) // 2 if start_sample is None else start_sample - self._position
        late = min(samples, max(0, -offset))
        entry.late_samples += late
        taken = max(late, min(samples, self.max_ahead_samples - offset))
        first = 2 * (offset + late)
        if taken > late:
            if first > len(entry.audio):
                entry.audio.extend(bytes(first - len(entry.audio)))
            entry.audio[first : first + 2 * (taken - late)] = pcm16[2 * late : 2 * taken]
        return taken

    def read(self, samples: int) -> AudioFrame:
        """Take the next ``samples`` of the sum and move on.

        Raises:
            AudioError: ``samples`` is negative.
        """
        if samples < 0:
            raise AudioError(f"cannot read {samples} samples: pass 0 or more")
        total = np.zeros(samples, np.float64)
        for entry in self._sources.values():
            piece = pcm16_to_int16(bytes(entry.audio[: 2 * samples]))
            total[: len(piece)] += piece * entry.gain
            del entry.audio[: 2 * samples]
        if self.limit == "soft":
            total = _soft_limited(total)
        frame = AudioFrame(self.format, int16_to_pcm16(round_to_int16(total)), self._position)
        self._position += samples
        return frame

    def _source(self, source: str) -> _Source:
        entry = self._sources.get(source)
        if entry is None:
            raise AudioError(
                f"the mixer has no source {source!r}: add() it first; it has {list(self._sources)!r}"
            )
        return entry


def _soft_limited(values: Float64Array) -> Float64Array:
    """Bend magnitudes above the knee along tanh, so that they approach full scale and never reach it."""
    knee = SOFT_KNEE * FULL_SCALE
    room = FULL_SCALE - knee
    magnitude = np.abs(values)
    bent = knee + room * np.tanh((magnitude - knee) / room)
    limited: Float64Array = np.where(magnitude > knee, np.copysign(bent, values), values)
    return limited
