"""What of a response has been heard by now, where nobody reports the playout: its audio, played as it comes."""

from __future__ import annotations

from typing import Final

from voicewire.clock import NS_PER_MS, NS_PER_S, Clock

_BYTES_PER_S: Final = {"pcm16": 48_000, "g711_ulaw": 8_000, "g711_alaw": 8_000}


class Speaking:
    """Follows the audio of one content part at a time.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._start_ns = 0
        self._end_ns = 0
        self.item_id = ""
        self.content_index = 0
        self.bytes_per_s = _BYTES_PER_S["pcm16"]

    @property
    def end_ns(self) -> int:
        """When the last of it will have been heard, on the clock."""
        return self._end_ns

    @property
    def is_audible(self) -> bool:
        """Whether some of it is still to be heard."""
        return self._now_ns() < self._end_ns

    @property
    def heard_ms(self) -> int:
        """How much of the part has been heard."""
        return max(0, min(self._now_ns(), self._end_ns) - self._start_ns) // NS_PER_MS

    def use(self, audio_format: str) -> None:
        """What follows has another format."""
        self.bytes_per_s = _BYTES_PER_S.get(audio_format.replace("-", "_"), _BYTES_PER_S["pcm16"])

    def add(self, item_id: str, content_index: int, size_bytes: int) -> None:
        """More audio of a part: it is heard after what came before, from now on at the earliest."""
        begin_ns, now_ns = self._end_ns, self._now_ns()
        if now_ns > begin_ns:
            # A gap that was silent is not part of the audio.
            self._start_ns += now_ns - begin_ns
            begin_ns = now_ns
        if item_id != self.item_id or content_index != self.content_index:
            self.item_id = item_id
            self.content_index = content_index
            self._start_ns = begin_ns
        self._end_ns = begin_ns + size_bytes * NS_PER_S // self.bytes_per_s

    def stop(self) -> None:
        """Nothing more of it is heard."""
        self._end_ns = min(self._end_ns, self._now_ns())
