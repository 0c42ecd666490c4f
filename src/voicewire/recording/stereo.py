"""Two voices on one timeline: what makes ``conversation.wav``. Pure apart from numpy.

Each side is written at its position in session time. What both sides have passed is complete and comes out
as interleaved stereo; positions only grow, gaps are silence.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from voicewire.audio.pcm import pcm16_to_int16
from voicewire.recording.layout import Envelope

Side = Literal["user", "agent"]

ENVELOPE_STEP_MS: Final = 20.0
_FULL_SCALE: Final = 32768.0


class StereoTrack:
    """Joins the user (left) and the agent (right).

    Args:
        sample_rate_hz: Rate of both sides and of the result.

    Concurrency: one caller at a time.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.written_samples = 0
        """Samples of each channel that have come out."""
        self.late_samples = 0
        """Samples that came for a stretch which was over; they are left out."""
        self._pending: dict[Side, bytearray] = {"user": bytearray(), "agent": bytearray()}
        self._peaks: dict[Side, list[float]] = {"user": [], "agent": []}

    def position(self, side: Side) -> int:
        """The sample up to which a side is known."""
        return self.written_samples + len(self._pending[side]) // 2

    def write(self, side: Side, start_sample: int, pcm16: bytes) -> None:
        """Puts audio at its place; silence fills a gap before it, what would overlap is left out.

        Args:
            side: Whose voice.
            start_sample: Where it begins, counted from the start of the session.
            pcm16: 16-bit mono samples at the track's rate.
        """
        overlap = max(0, min(self.position(side) - start_sample, len(pcm16) // 2))
        self.late_samples += overlap
        self.advance(side, start_sample)
        piece = pcm16[2 * overlap :]
        self._note_peaks(side, self.position(side), piece)
        self._pending[side] += piece

    def advance(self, side: Side, until_sample: int) -> None:
        """Notes that a side is silent up to ``until_sample``; no effect when it is known that far."""
        missing = until_sample - self.position(side)
        if missing > 0:
            self._pending[side] += bytes(2 * missing)

    def take(self) -> bytes:
        """What both sides have passed since the last call: interleaved stereo, left the user."""
        samples = min(len(pending) for pending in self._pending.values()) // 2
        if not samples:
            return b""
        joined = np.empty((samples, 2), dtype="<i2")
        for column, pending in enumerate(self._pending.values()):
            joined[:, column] = pcm16_to_int16(bytes(pending[: 2 * samples]))
            del pending[: 2 * samples]
        self.written_samples += samples
        return joined.tobytes()

    def finish(self) -> bytes:
        """Fills up the shorter side with silence and gives the rest."""
        end = max(self.position("user"), self.position("agent"))
        self.advance("user", end)
        self.advance("agent", end)
        return self.take()

    def envelope(self, side: Side) -> Envelope:
        """How loud a side was, in steps of 20 ms."""
        return Envelope(ENVELOPE_STEP_MS, tuple(self._peaks[side]))

    def _note_peaks(self, side: Side, start_sample: int, pcm16: bytes) -> None:
        peaks = self._peaks[side]
        step = round(self.sample_rate_hz * ENVELOPE_STEP_MS / 1000)
        values = np.abs(pcm16_to_int16(pcm16).astype(np.float32)) / _FULL_SCALE
        offset = 0
        while offset < len(values):
            index = (start_sample + offset) // step
            end = min(len(values), (index + 1) * step - start_sample)
            peaks.extend([0.0] * (index + 1 - len(peaks)))
            peaks[index] = max(peaks[index], float(values[offset:end].max()))
            offset = end
