"""Echo cancellation: what the loudspeaker played is taken out of what the microphone heard.

Three parts, each of which is needed because the others have limits:

1. ``DelayFinder`` says how much later the microphone hears what the loudspeaker was given, and whether it does at all.
2. ``EchoFilter`` learns the room from there on and subtracts the echo. A user who talks at the same time is kept.
3. ``ResidualSuppressor`` turns down, for each frequency, what the filter left: distortion, the late room, a filter
   that is still learning. Where nothing but echo is left, it is silent.

Until the echo has been found and learned, about half a second of the agent's voice, nobody can tell echo from user:
there the microphone is muted while the loudspeaker sounds. Where there is no echo, as with headphones, that ends after
``UNDECIDED_MS`` of sound, and what is then taken for an echo mutes nobody until it has proved to be one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from voicewire.audio.echo_delay import DelayFinder, is_silent
from voicewire.audio.echo_filter import EchoFilter
from voicewire.audio.echo_rest import ResidualSuppressor
from voicewire.audio.pcm import float32_to_pcm16, pcm16_to_float32
from voicewire.errors import AudioError

if TYPE_CHECKING:
    from voicewire.audio.pcm import Float32Array

BLOCK_MS: Final = 10
TAIL_MS: Final = 200
"""How much of the room's answer is modelled."""
MAX_DELAY_MS: Final = 500
UNDECIDED_MS: Final = 1500
"""Sound of the loudspeaker without any echo, after which there is none."""
_SEARCH_MS: Final = 100
_SHORTEST_LEARNING_MS: Final = 300
_LONGEST_LEARNING_MS: Final = 1200
"""Sound of the loudspeaker after which a filter is trusted even if it takes little away: there may be little."""
_LEARNED: Final = 0.2
"""Share of the microphone's power that a filter leaves when it has learned the room."""
_HARM: Final = 2.0
"""A filter that makes a block of the microphone this much louder, in power, may have lost the room."""
_LASTING_HARM: Final = 1.6
"""One that does so on average has lost it."""
_MANY_HARMFUL: Final = 3
"""So many blocks in a row."""
_MUTED_BLOCKS: Final = 15
_EARLY_MS: Final = 20
"""The filter begins this much before the delay that was found, as the loudest path is not always the first."""
_LATE_MS: Final = 60
"""A delay that is found this much later within the same filter is a reflection."""
_MANY_FINDS: Final = 10
"""A filter that has taken echo away is moved after so many finds of another delay: one second of them."""
_POWER_KEPT: Final = 0.8
_FAINT: Final = 1e-5
"""Power below which it does not matter what the filter does: -50 dBFS."""


class EchoCanceller:
    """Takes the loudspeaker's sound out of the microphone's: arithmetic on equal stretches of both.

    What comes out is one block (10 ms) late. A constant offset of 0 to ``max_delay_ms`` between what the loudspeaker
    was given and its echo is found, and found again after it has changed.

    Args:
        sample_rate_hz: Rate of both signals, 8000 or more, a multiple of 100.
        tail_ms: How much of the room's answer is modelled; more costs more and is learned more slowly.
        max_delay_ms: The longest delay of the echo.

    Raises:
        AudioError: The rate is out of range.

    Concurrency: one caller at a time.
    """

    def __init__(
        self, sample_rate_hz: int, *, tail_ms: int = TAIL_MS, max_delay_ms: int = MAX_DELAY_MS
    ) -> None:
        if sample_rate_hz < 8000 or sample_rate_hz % 100:
            raise AudioError(
                f"cannot cancel echo at {sample_rate_hz} Hz: use 8000 or more, a multiple of 100"
            )
        self.block_samples = sample_rate_hz * BLOCK_MS // 1000
        self._tail_blocks = -(-tail_ms // BLOCK_MS)
        self._max_delay_blocks = -(-max_delay_ms // BLOCK_MS)
        self._finder = DelayFinder(sample_rate_hz, self._max_delay_blocks * self.block_samples)
        self._filter = EchoFilter(self.block_samples, self._tail_blocks)
        self._rest = ResidualSuppressor(sample_rate_hz, self.block_samples)
        self._far: Float32Array = np.zeros(self._finder.far_samples, dtype=np.float32)
        self._near: Float32Array = np.zeros(self._finder.near_samples, dtype=np.float32)
        self._delay_ms: float | None = None
        self._is_absent = False
        self._is_learned = False
        self._has_proved = False
        self._n_elsewhere = 0
        self._n_lost = 0
        self._sounded_blocks = 0
        self._silent_blocks = self._max_delay_blocks + self._tail_blocks
        self._until_search_blocks = 0
        self._n_harmful = 0
        self._n_lost = 0
        self._muted_blocks = 0
        self._heard_power = 0.0
        self._left_power = 0.0

    @property
    def delay_ms(self) -> float | None:
        """Delay of the echo; None before one has been found."""
        return self._delay_ms

    @property
    def is_learned(self) -> bool:
        """Whether the echo has been found and learned, so that the user can be heard over it."""
        return self._is_learned

    def process(self, near: bytes, far: bytes, *, is_sure: bool = True) -> bytes:
        """Takes the next stretch of both.

        Args:
            near: What the microphone heard, 16-bit mono; a multiple of ``block_samples``.
            far: What the loudspeaker was given in that time, as long as ``near``.
            is_sure: Whether the two belong together; if not, the user is not heard while the loudspeaker sounds.

        Returns:
            The microphone without the echo, as long as ``near``, one block late.

        Raises:
            AudioError: The lengths differ or are no multiple of a block.
        """
        size = self.block_samples
        if len(near) != len(far) or len(near) % (2 * size):
            raise AudioError(
                f"cannot take the echo of {len(far)} bytes out of {len(near)} bytes: give equal lengths, "
                f"multiples of {2 * size} bytes"
            )
        heard, played = pcm16_to_float32(near), pcm16_to_float32(far)
        cleaned = [
            self._block(heard[at : at + size], played[at : at + size], is_sure=is_sure)
            for at in range(0, len(heard), size)
        ]
        return float32_to_pcm16(np.concatenate(cleaned)) if cleaned else b""

    def amend(self, far: bytes, n_bytes_ago: int) -> None:
        """Fills in what of the loudspeaker was not there yet when ``process`` needed it, and silence stood for it.

        Args:
            far: What the loudspeaker was given, 16-bit mono.
            n_bytes_ago: How long before the end of what ``process`` took it begins, at least the length of ``far``.
        """
        start = len(self._far) - n_bytes_ago // 2
        played = pcm16_to_float32(far)
        if start >= 0:
            self._far[start : start + len(played)] = played
        if not is_silent(played):
            n_blocks = len(played) // self.block_samples
            self._silent_blocks = min(self._silent_blocks, n_bytes_ago // (2 * self.block_samples) - n_blocks)
            self._sounded_blocks += n_blocks

    def disturb(self) -> None:
        """One of the two signals has lost a piece: what is known of the room is to be learned anew."""
        if self._delay_ms is not None:
            self._learn_anew()
        self._finder.forget()

    def _block(self, near: Float32Array, far: Float32Array, *, is_sure: bool) -> Float32Array:
        size = self.block_samples
        for past, block in ((self._far, far), (self._near, near)):
            past[:-size] = past[size:]
            past[-size:] = block
        self._silent_blocks = self._silent_blocks + 1 if is_silent(far) else 0
        self._sounded_blocks += not self._silent_blocks
        self._search()
        if self._delay_ms is None:
            is_quiet = self._silent_blocks > self._max_delay_blocks + self._tail_blocks
            return self._rest.pass_on(near, is_open=self._is_absent or is_quiet)
        delay_blocks = self._delay_blocks(self._delay_ms)
        end = len(self._far) - size * delay_blocks
        echo = self._filter.predict(self._far[end - size : end])
        rest = near - echo
        expected = self._filter.learn(rest)
        self._judge(near, rest)
        is_quiet = self._silent_blocks > delay_blocks + self._tail_blocks
        is_believed = self._is_learned and is_sure and not self._muted_blocks
        is_open = is_believed or is_quiet or (self._is_absent and not self._has_proved)
        return self._rest.suppress(rest, echo, expected, is_open=is_open)

    def _delay_blocks(self, delay_ms: float) -> int:
        return max(0, int((delay_ms - _EARLY_MS) // BLOCK_MS))

    def _search(self) -> None:
        """Looks for the delay ten times a second, while the loudspeaker sounds."""
        self._until_search_blocks -= 1
        if self._until_search_blocks > 0 or self._silent_blocks > self._max_delay_blocks // 2:
            return
        self._until_search_blocks = _SEARCH_MS // BLOCK_MS
        delay_samples = self._finder.find(self._far, self._near)
        if delay_samples is not None:
            self._settle(delay_samples * BLOCK_MS / self.block_samples)
        elif self._delay_ms is None and self._sounded_blocks >= UNDECIDED_MS // BLOCK_MS:
            self._is_absent = True

    def _settle(self, delay_ms: float) -> None:
        """Points the filter at this delay, unless it covers it, or has proved itself where it is."""
        if self._delay_ms is not None:
            is_covered = -_EARLY_MS < delay_ms - self._delay_ms < _LATE_MS
            self._n_elsewhere = 0 if is_covered else self._n_elsewhere + 1
            if is_covered or (self._has_proved and self._n_elsewhere < _MANY_FINDS):
                return
        self._n_elsewhere = 0
        self._delay_ms = delay_ms
        self._learn_anew()

    def _learn_anew(self) -> None:
        far = float(np.mean(np.square(self._far[-2 * len(self._near) :])))
        near = float(np.mean(np.square(self._near)))
        self._filter.forget(min(max(near / max(far, 1e-9), 1e-3), 4.0))
        self._is_learned = self._has_proved = False
        self._sounded_blocks = 0
        self._heard_power = self._left_power = 0.0

    def _judge(self, near: Float32Array, rest: Float32Array) -> None:
        """Says when the room is learned, and when it has been lost: the filter then adds more than it takes."""
        heard, left = float(np.mean(np.square(near))), float(np.mean(np.square(rest)))
        self._heard_power = _POWER_KEPT * self._heard_power + heard
        self._left_power = _POWER_KEPT * self._left_power + left
        sounded_ms = self._sounded_blocks * BLOCK_MS
        if sounded_ms >= _SHORTEST_LEARNING_MS and self._left_power < _LEARNED * self._heard_power:
            self._is_learned = self._has_proved = True
            self._is_absent = False
        if sounded_ms >= _LONGEST_LEARNING_MS:
            self._is_learned = True
        self._note_harm(left > _HARM * heard + _FAINT, sounded_ms)

    def _note_harm(self, is_harmful: bool, sounded_ms: int) -> None:
        """Mutes at the first sign, as each block of an echo brings a false interruption nearer; learns anew later."""
        self._n_harmful = self._n_harmful + 1 if is_harmful else 0
        self._muted_blocks = (
            _MUTED_BLOCKS if self._n_harmful >= _MANY_HARMFUL else max(0, self._muted_blocks - 1)
        )
        is_lost = self._left_power > _LASTING_HARM * self._heard_power + _FAINT
        self._n_lost = self._n_lost + 1 if is_lost else 0
        if self._n_lost >= _MANY_HARMFUL and sounded_ms >= _SHORTEST_LEARNING_MS:
            self._learn_anew()
