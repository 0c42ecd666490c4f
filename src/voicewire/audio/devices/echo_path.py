"""The loudspeaker's signal on its way to the microphone's echo canceller, across two threads of the sound system."""

from __future__ import annotations

import threading
from typing import Final

from voicewire.audio.echo import EchoCanceller
from voicewire.audio.resample import Resampler

_LEAD_MS: Final = 10
"""How far the loudspeaker is kept ahead: less than the shortest way of a sound through both devices."""
_JITTER_MS: Final = 40
"""How far the two may be off for a moment, as their threads take turns, before they are doubted."""
_WINDOW_MS: Final = 200
"""How long they must have been off before that is believed, and corrected."""
_SLIP_MS: Final = 20
_SETTLING: Final = 0.2
_MOST_OFF_MS: Final = 40
"""Two clocks drift apart; beyond this it is corrected, too."""
_KEPT_MS: Final = 2000
"""Bound of what waits for the microphone."""


class EchoPath:
    """Joins one ``Speaker`` and one ``Microphone``, so that the microphone does not hear the speaker.

    ::

        path = EchoPath(16_000)
        microphone = Microphone(16_000, 320, echo=path)
        speaker = Speaker(24_000, echo=path)

    The two devices are matched by counting samples, as their time stamps wobble by tens of milliseconds. When one of
    them has stopped for a moment, or its clock is slower, they are matched anew once they are some blocks apart.

    What waits for the microphone is bounded to 2 s; the oldest is dropped.

    Concurrency: one thread calls ``played`` and one calls ``clean``.

    Args:
        sample_rate_hz: The microphone's rate, 8000 or more, a multiple of 100.
        canceller: Another canceller of that rate; None for the stock one.

    Raises:
        AudioError: The rate is out of range.
    """

    def __init__(self, sample_rate_hz: int, canceller: EchoCanceller | None = None) -> None:
        self.canceller = canceller or EchoCanceller(sample_rate_hz)
        self.matches = 0
        """Times that the two devices were matched anew."""
        self._bytes_per_ms = 2 * sample_rate_hz / 1000
        self._rate_hz = sample_rate_hz
        self._resampler: Resampler | None = None
        self._device_hz = 0
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._missing_bytes = 0
        self._has_begun = False
        self._leads_ms: list[float] = []
        self._compared_ms = 0.0
        self._usual_ms = float(_LEAD_MS)

    def played(self, pcm16: bytes, device_hz: int) -> None:
        """Takes what the loudspeaker was given, silence included.

        Args:
            pcm16: 16-bit mono samples.
            device_hz: Their rate.
        """
        if self._resampler is None or device_hz != self._device_hz:
            self._resampler = Resampler(device_hz, self._rate_hz)
            self._device_hz = device_hz
        resampled = self._resampler.process(pcm16)
        with self._lock:
            self._waiting += resampled
            self._drop(len(self._waiting) - self._bytes_of(_KEPT_MS))

    def clean(self, pcm16: bytes) -> bytes:
        """Takes the loudspeaker's echo out of what the microphone heard.

        Args:
            pcm16: 16-bit mono samples, whole blocks of 10 ms.

        Returns:
            As much, 10 ms late.

        Raises:
            AudioError: It is not whole blocks.
        """
        with self._lock:
            is_sure = self._match(len(pcm16))
            late = self._take(self._missing_bytes)
            far = self._take(len(pcm16))
        self.canceller.amend(late, self._missing_bytes)
        self._missing_bytes += len(pcm16) - len(late) - len(far)
        if not self._has_begun:
            self._missing_bytes = 0
        return self.canceller.process(pcm16, far + bytes(len(pcm16) - len(far)), is_sure=is_sure)

    def _take(self, n_bytes: int) -> bytes:
        taken = bytes(self._waiting[:n_bytes])
        del self._waiting[:n_bytes]
        return taken

    def _drop(self, n_bytes: int) -> None:
        del self._waiting[: max(0, n_bytes)]

    def _bytes_of(self, duration_ms: float) -> int:
        return 2 * round(duration_ms * self._bytes_per_ms / 2)

    def _match(self, n_bytes: int) -> bool:
        """Corrects the count of one device against the other's, when it has been wrong for a while.

        Returns:
            Whether the two belong together, as far as can be seen.
        """
        lead_ms = (len(self._waiting) - n_bytes - self._missing_bytes) / self._bytes_per_ms
        if not self._has_begun:
            self._has_begun = bool(self._waiting)
            self._drop(self._bytes_of(lead_ms - _LEAD_MS))
            return True
        self._leads_ms.append(lead_ms)
        self._compared_ms += n_bytes / self._bytes_per_ms
        if self._compared_ms >= _WINDOW_MS:
            lead_ms = self._compare(min(self._leads_ms), max(self._leads_ms), lead_ms)
            self._leads_ms.clear()
            self._compared_ms = 0.0
        return abs(lead_ms - self._usual_ms) <= _JITTER_MS

    def _compare(self, lowest_ms: float, highest_ms: float, lead_ms: float) -> float:
        """Judges a window of leads and corrects a slip; gives the lead as it then is."""
        middle_ms = (lowest_ms + highest_ms) / 2
        has_slipped = lowest_ms > self._usual_ms + _SLIP_MS or highest_ms < self._usual_ms - _SLIP_MS
        if not has_slipped and abs(self._usual_ms - _LEAD_MS) <= _MOST_OFF_MS:
            # Where the two settle depends on the turns that their threads take.
            self._usual_ms += _SETTLING * (middle_ms - self._usual_ms)
            return lead_ms
        if middle_ms > _LEAD_MS:
            self._drop(self._bytes_of(middle_ms - _LEAD_MS))
        else:
            self._missing_bytes = max(0, self._missing_bytes - self._bytes_of(_LEAD_MS - middle_ms))
        self._usual_ms = float(_LEAD_MS)
        self.canceller.disturb()
        self.matches += 1
        return _LEAD_MS
