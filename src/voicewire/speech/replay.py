"""Audio that was sent and has no final result yet: what has to be sent again after a lost connection. Pure."""

from __future__ import annotations


class ReplayBuffer:
    """16-bit mono audio since the last acknowledged position.

    Policy when full: the oldest audio is forgotten and counted; it is lost only if the connection is.

    Args:
        rate_hz: Rate of the audio.
        max_s: How much is kept at most.
    """

    def __init__(self, rate_hz: int, max_s: float = 120.0) -> None:
        self._rate_hz = rate_hz
        self._max_bytes = 2 * int(rate_hz * max_s)
        self._audio = bytearray()
        self._start_sample = 0
        self._forgotten_bytes = 0

    @property
    def start_ms(self) -> int:
        """Where the kept audio begins."""
        return self._start_sample * 1000 // self._rate_hz

    @property
    def length_ms(self) -> int:
        """How much audio is kept."""
        return len(self._audio) // 2 * 1000 // self._rate_hz

    def append(self, pcm16: bytes) -> None:
        """Audio that is about to be sent."""
        self._audio += pcm16
        if (over := len(self._audio) - self._max_bytes) > 0:
            over += over % 2
            self._forgotten_bytes += over
            self._drop(over)

    def acknowledge(self, until_ms: int) -> None:
        """Everything before this has its final result."""
        sample = until_ms * self._rate_hz // 1000
        self._drop(min(2 * max(0, sample - self._start_sample), len(self._audio)))

    def take_forgotten(self) -> int:
        """Bytes that cannot be sent again; counted anew from here."""
        forgotten, self._forgotten_bytes = self._forgotten_bytes, 0
        return forgotten

    def audio(self) -> bytes:
        """What has to be sent again."""
        return bytes(self._audio)

    def _drop(self, size_bytes: int) -> None:
        del self._audio[:size_bytes]
        self._start_sample += size_bytes // 2
