"""What the echo filter leaves: turned down for each frequency, and silenced where there is nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from voicewire.audio.pcm import Float32Array

_FADE: Final = 0.85
"""How the power of an echo fades from block to block in the part of the room that is not modelled."""
_SMOOTHING: Final = 0.3
_OVERESTIMATE: Final = 3.0
"""How much more echo than expected is allowed for, in power: it comes in peaks."""
_WIDE: Final = 0.3
"""Share of the leak that is expected at any frequency, whatever the echo holds there: a loudspeaker distorts."""
_LEAST_LEAK: Final = 0.03
"""However well the filter does, a new sound of the agent's voice can get through by this much, in power."""
_LEAK_RISES: Final = 0.05
_LEAK_FALLS: Final = 0.01
_FLOOR: Final = 0.03
_NEAR_SHARE: Final = 0.35
"""A block whose speech band is at least this much not echo, in power, is the user's."""
_NEAR_BLOCKS: Final = 2
"""So many of them in a row open the microphone."""
_HANG_BLOCKS: Final = 15
"""How long it stays open after the last of them: the soft sounds inside a word."""
_BANDS_HZ: Final = (200, 800, 1500, 2500)
"""Where the bands begin. A voice is a comb whose teeth move, so what is expected is asked for several teeth at once."""
_HIGHEST_HZ: Final = 3800
_TINY: Final = 1e-10


class ResidualSuppressor:
    """A gain for each frequency between what is left and what of that is expected to be echo.

    Works on two blocks at a time, overlapped, so that what comes out is one block late.

    Args:
        sample_rate_hz: Rate of the audio.
        block_samples: Samples of each block.

    Concurrency: one caller at a time.
    """

    def __init__(self, sample_rate_hz: int, block_samples: int) -> None:
        self._block = block_samples
        n_bins = block_samples + 1
        self._window = np.sqrt(np.hanning(2 * block_samples + 1)[:-1]).astype(np.float32)
        hz = np.fft.rfftfreq(2 * block_samples, 1 / sample_rate_hz)
        self._band = slice(int(np.searchsorted(hz, _BANDS_HZ[0])), int(np.searchsorted(hz, _HIGHEST_HZ)))
        self._edges = np.searchsorted(hz, _BANDS_HZ) - self._band.start
        self._past_rest: Float32Array = np.zeros(2 * block_samples, dtype=np.float32)
        self._past_echo: Float32Array = np.zeros(2 * block_samples, dtype=np.float32)
        self._tail: Float32Array = np.zeros(block_samples, dtype=np.float32)
        self._rest_power: Float32Array = np.zeros(n_bins, dtype=np.float32)
        self._echo_power: Float32Array = np.zeros(n_bins, dtype=np.float32)
        self._expected: Float32Array = np.zeros(n_bins, dtype=np.float32)
        self._gain: Float32Array = np.ones(n_bins, dtype=np.float32)
        self._leak = 0.1
        self._near_run = 0
        self._hang = 0

    def pass_on(self, near: Float32Array, *, is_open: bool) -> Float32Array:
        """The microphone as it is, or silence; as late as ``suppress``.

        Args:
            near: What the microphone heard, float32, (block_samples,).
            is_open: Whether it may be heard.
        """
        self._gain.fill(1.0 if is_open else 0.0)
        return self._shape(near)

    def suppress(
        self, rest: Float32Array, echo: Float32Array, expected: Float32Array, *, is_open: bool
    ) -> Float32Array:
        """What of the filter's output is not echo.

        Args:
            rest: The microphone minus the echo, float32, (block_samples,).
            echo: The echo that was subtracted, float32, (block_samples,).
            expected: The power of the echo that the filter expects in ``rest``, for each frequency.
            is_open: Whether the user may be heard at all; False mutes.
        """
        size = self._block
        self._past_echo[:size] = self._past_echo[size:]
        self._past_echo[size:] = echo
        echo_power = np.square(np.abs(np.fft.rfft(self._past_echo * self._window)))
        stretch = np.concatenate((self._past_rest[size:], rest)) * self._window
        power = np.square(np.abs(np.fft.rfft(stretch)))
        self._rest_power += _SMOOTHING * (power - self._rest_power)
        self._echo_power = np.maximum(_FADE * self._echo_power, echo_power).astype(np.float32)
        leak = max(self._leak, _LEAST_LEAK)
        wide = leak * _WIDE * float(echo_power[self._band].mean())
        left = np.maximum(expected, leak * self._echo_power + wide)
        self._expected = np.maximum(_FADE * self._expected, left).astype(np.float32)
        self._note_share()
        wanted = np.zeros_like(self._gain)
        # Closed is silent, not faint: speech detectors find a voice at -55 dB, where nothing else is.
        if is_open and self._hang:
            heard = np.maximum(np.maximum(power, self._rest_power), _TINY)
            wanted = np.maximum(1.0 - _OVERESTIMATE * self._expected / heard, _FLOOR)
        self._gain = (0.4 * self._gain + 0.6 * wanted).astype(np.float32)
        return self._shape(rest)

    def _note_share(self) -> None:
        """Judges whether somebody speaks; while nobody does, learns how much of the echo gets through."""
        rest, echo, expected = (
            np.add.reduceat(power[self._band], self._edges)
            for power in (self._rest_power, self._echo_power, self._expected)
        )
        heard, echoed = float(rest.sum()), float(echo.sum())
        share = float(np.maximum(rest - _OVERESTIMATE * expected, 0.0).sum()) / (heard + _TINY)
        self._near_run = self._near_run + 1 if share > _NEAR_SHARE else 0
        self._hang = _HANG_BLOCKS if self._near_run >= _NEAR_BLOCKS else max(0, self._hang - 1)
        if share < 0.5 and echoed > 0.05 * heard:
            ratio = min(heard / (echoed + _TINY), 1.0)
            self._leak += (_LEAK_RISES if ratio > self._leak else _LEAK_FALLS) * (ratio - self._leak)

    def _shape(self, block: Float32Array) -> Float32Array:
        """Applies the gain to the block and the one before, and gives what is whole."""
        size = self._block
        self._past_rest[:size] = self._past_rest[size:]
        self._past_rest[size:] = block
        spectrum = np.fft.rfft(self._past_rest * self._window) * self._gain
        shaped = np.fft.irfft(spectrum, 2 * size).astype(np.float32) * self._window
        whole: Float32Array = shaped[:size] + self._tail
        self._tail = shaped[size:]
        return whole
