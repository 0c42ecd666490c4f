"""Sample rate conversion: a streaming FIR for live audio, soxr for whole files.

Design of the streaming filter
------------------------------
The rates reduce to ``up / down``. Output ``o`` lies at input time ``o * down / up``; it is a sum over the
inputs within ``HALF_WIDTH`` periods of the *lower* of the two rates, weighted by a sinc that is windowed by
Kaiser's window (the textbook polyphase interpolator: Crochiere and Rabiner, "Multirate Digital Signal
Processing", 1983, chapter 4; window: Oppenheim and Schafer, "Discrete-Time Signal Processing", section 7.5).
32 periods of the lower rate are 32 taps a phase; the delay is half of that: 1 ms where the lower rate is 16
kHz, 2 ms at 8 kHz. With ``KAISER_BETA`` and ``CUTOFF`` the passband is flat to 0.13 dB up to 0.8 of the lower
Nyquist frequency and everything from 1.1 of it upwards is at least 80 dB down. Each phase sums to exactly 1,
so DC passes unchanged.

Why the result cannot depend on how the input is split
------------------------------------------------------
A matrix product may add in any order, and the order that BLAS picks depends on the shape. So every number is
made an integer on a fixed grid: 16-bit input is integral, float input is rounded to 2**-23, taps are
multiples of 2**-24. All products and partial sums are then multiples of a power of two that fit the 53 bits
of a float64 (``TAP_SUM_LIMIT`` bounds them), hence exact, hence independent of order, BLAS, machine and
chunking.

Why it is laid out in rows
--------------------------
Outputs are computed in groups of about ``GROUP`` neighbours, as (inputs of the group) x (banded tap matrix).
``groups`` of them make a row, a whole number of periods. Rows start ``row_step`` inputs apart, which is never
less than the ``span`` of a group, so the input is a strided view that BLAS takes without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, gcd
from typing import Final

import numpy as np

from voicewire.audio.pcm import (
    Float32Array,
    Float64Array,
    Int16Array,
    float32_to_pcm16,
    int16_to_pcm16,
    pcm16_to_float32,
    pcm16_to_int16,
)
from voicewire.errors import AudioError

HALF_WIDTH: Final = 16
"""Half of the filter's length in periods of the lower rate; 32 taps a phase."""
KAISER_BETA: Final = 8.6
CUTOFF: Final = 0.92
"""Frequency of -6 dB, relative to the lower Nyquist frequency."""
MAX_TERM: Final = 1024
"""Largest numerator or denominator of the reduced ratio; bounds the tap table to some megabytes."""
MAX_RATIO: Final = 48
"""Largest factor between the rates; 192 kHz to 8 kHz is 24."""
GROUP: Final = 32
"""Outputs that share one matrix product; measured best of 16 to 128 at 20 ms chunks."""
BLOCK_SAMPLES: Final = 4096
"""Inputs converted at once; bounds memory, and keeps each product below the size at which BLAS starts
threads."""
TAP_GRID: Final = 2.0**24
FLOAT_GRID: Final = 2.0**23
FLOAT_LIMIT: Final = 4.0
TAP_SUM_LIMIT: Final = 16.0
"""Bound of the sum of absolute taps. 4.0 * 16 * 2**(23 + 24) is 2**53, so float sums stay exact below it."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """The tap tables of one reduced ratio; shared by all resamplers of that ratio."""

    up: int
    down: int
    half_samples: int
    """Inputs needed on each side of an output."""
    groups: int
    """Groups in a row."""
    group_step: int
    """Inputs between the starts of neighbouring groups in a row."""
    row_step: int
    """Inputs between rows; a multiple of ``down``."""
    row_outputs: int
    """Outputs of a row; a multiple of ``up``."""
    taps: Float64Array
    """float64, (1 or groups, span, group outputs), multiples of 1 / TAP_GRID, zero outside the band."""


def _phase_taps(up: int, down: int, half_samples: int) -> Float64Array:
    """Return the taps of each phase, (up, 2 * half_samples), quantised, each phase summing to exactly 1."""
    stretch = max(1.0, down / up)
    phase = (np.arange(up) / up)[:, np.newaxis]
    offset = np.arange(1 - half_samples, half_samples + 1)[np.newaxis, :]
    distance = phase - offset
    inside = np.maximum(1.0 - (distance / half_samples) ** 2, 0.0)
    window = np.where(inside > 0.0, np.i0(KAISER_BETA * np.sqrt(inside)), 0.0)
    taps = np.sinc(CUTOFF * distance / stretch) * window
    taps = np.rint(taps / taps.sum(axis=1, keepdims=True) * TAP_GRID)
    peak = np.abs(taps).argmax(axis=1)
    taps[np.arange(up), peak] += TAP_GRID - taps.sum(axis=1)
    scaled: Float64Array = taps / TAP_GRID
    if np.abs(scaled).sum(axis=1).max() >= TAP_SUM_LIMIT:
        raise AssertionError("the taps are too large for exact sums: lower CUTOFF or HALF_WIDTH")
    return scaled


@lru_cache(maxsize=64)
def _filter(up: int, down: int) -> _Filter:
    """Build the tables for ``up / down`` (reduced); the first call for a ratio takes some milliseconds."""
    half_samples = floor(HALF_WIDTH * max(up, down) / up)
    periods, groups, group = _layout(up, down, half_samples)
    group_step = group * down // up
    outputs = np.reshape(np.arange(groups * group), (groups, group))
    first = outputs * down // up - group_step * np.arange(groups)[:, np.newaxis]
    span = int(first.max()) + 2 * half_samples
    # A group of whole periods repeats itself, so one table serves all.
    tables = 1 if group % up == 0 else groups
    phases = _phase_taps(up, down, half_samples)
    taps = np.zeros((tables, span, group))
    for index in range(tables):
        for column in range(group):
            start = int(first[index, column])
            phase = int(outputs[index, column]) * down % up
            taps[index, start : start + 2 * half_samples, column] = phases[phase]
    taps.setflags(write=False)
    return _Filter(up, down, half_samples, groups, group_step, periods * down, periods * up, taps)


def _layout(up: int, down: int, half_samples: int) -> tuple[int, int, int]:
    """Choose the periods and groups of a row, and the outputs of a group; a group must not outspan a row."""
    if up > 2 * GROUP:
        # A long period is cut into groups. They start at whole inputs, so each drifts by less than one.
        groups = round(up / GROUP)
        group = ceil(up / groups)
        drift = groups * group * down // up - groups * (group * down // up)
        if 2 * half_samples + group * down // up + drift + 1 <= down:
            return 1, groups, group
    # A short period, or one shorter than the filter: a group is whole periods, a row as many as needed.
    periods = max(1, round(GROUP / up))
    group = periods * up
    span = 2 * half_samples + (group - 1) * down // up
    groups = ceil(span / (periods * down))
    return periods * groups, groups, group


def _reduced(from_hz: int, to_hz: int) -> tuple[int, int]:
    """Return ``to_hz / from_hz`` in lowest terms, or refuse what the tables cannot hold."""
    if from_hz < 1 or to_hz < 1:
        raise AudioError(f"cannot resample from {from_hz!r} Hz to {to_hz!r} Hz: both rates must be 1 or more")
    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    if max(up, down) > MAX_TERM or max(up / down, down / up) > MAX_RATIO:
        raise AudioError(
            f"cannot resample live audio from {from_hz} Hz to {to_hz} Hz: the ratio {up}/{down} is too large "
            f"(terms up to {MAX_TERM}, factor up to {MAX_RATIO}). Use the usual rates (8000, 16000, "
            f"22050, 24000, "
            f"44100, 48000), or resample_whole() for a file"
        )
    return up, down


class Resampler:
    """Convert one mono stream from one rate to another, a piece at a time.

    The output is time-aligned with the input (the filter's delay is taken out): the first call returns less
    than its share, and ``flush`` returns the rest. After ``n`` samples and a flush, exactly
    ``ceil(n * to_hz / from_hz)`` samples came out, the same ones however the input was split.

    Concurrency: one caller at a time; instances share only read-only tables.

    Args:
        from_hz: Rate of what goes in.
        to_hz: Rate of what comes out. Equal rates pass the bytes through, without delay.

    Raises:
        AudioError: The ratio of the rates is out of bounds.
    """

    __slots__ = ("_base", "_filter", "_filled", "_n_in", "_n_out", "_work", "from_hz", "to_hz")

    def __init__(self, from_hz: int, to_hz: int) -> None:
        up, down = _reduced(from_hz, to_hz)
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._filter = None if up == down else _filter(up, down)
        self._work: Float64Array = np.zeros(0 if self._filter is None else self._filter.half_samples)
        self.reset()

    def __repr__(self) -> str:
        """Name the rates and how far the stream has come."""
        return f"Resampler({self.from_hz} -> {self.to_hz} Hz, {self._n_in} in, {self._n_out} out)"

    @property
    def delay_samples(self) -> int:
        """Inputs by which the output lags behind the input, 0 when the rates are equal."""
        return 0 if self._filter is None else self._filter.half_samples

    @property
    def delay_ms(self) -> float:
        """The same delay in milliseconds."""
        return self.delay_samples * 1000 / self.from_hz

    def reset(self) -> None:
        """Forget the stream and start a new one at position 0."""
        self._n_in = 0
        self._n_out = 0
        # ``_work[:_filled]`` holds the inputs from index ``_base`` on; before the stream lies silence.
        lead = 0 if self._filter is None else self._filter.half_samples - 1
        self._base = -lead
        self._filled = lead
        self._work[:lead] = 0.0

    def process(self, pcm16: bytes | bytearray | memoryview) -> bytes:
        """Feed 16-bit samples and take what is ready.

        Args:
            pcm16: Mono, any whole number of samples; may be empty.

        Returns:
            16-bit samples, rounded to nearest (ties to even) and clipped; possibly none.

        Raises:
            AudioError: The number of bytes is odd.
        """
        values = pcm16_to_int16(pcm16)
        if self._filter is None:
            self._n_in += len(values)
            self._n_out = self._n_in
            return bytes(pcm16)
        return int16_to_pcm16(_to_int16(self._run(self._filter, values)))

    def process_float32(self, values: Float32Array) -> Float32Array:
        """Feed floats and take what is ready.

        Use this or ``process`` on one stream, not both. Each value is rounded to 24 bits (2**-23) first.

        Args:
            values: float32, (n_samples,), nominally [-1, 1]; clipped at +-4; NaN becomes 0.

        Returns:
            float32, (m_samples,), not clipped; possibly empty. A copy when the rates are equal.

        Raises:
            AudioError: The array has more than one dimension.
        """
        if values.ndim != 1:
            raise AudioError(
                f"resampling wants mono samples, not an array of shape {values.shape}: down-mix it first"
            )
        if self._filter is None:
            self._n_in += len(values)
            self._n_out = self._n_in
            return values.astype(np.float32)
        known = np.nan_to_num(values.astype(np.float64), nan=0.0)
        limited = np.minimum(np.maximum(known, -FLOAT_LIMIT), FLOAT_LIMIT)
        on_grid: Float64Array = np.rint(limited * FLOAT_GRID) / FLOAT_GRID
        return self._run(self._filter, on_grid).astype(np.float32)

    def flush(self) -> bytes:
        """End the stream: take the last 16-bit samples, then start anew at position 0."""
        tail = b"" if self._filter is None else int16_to_pcm16(_to_int16(self._drain(self._filter)))
        self.reset()
        return tail

    def flush_float32(self) -> Float32Array:
        """End the stream: take the last floats, then start anew at position 0."""
        tail = (
            np.zeros(0, np.float32) if self._filter is None else self._drain(self._filter).astype(np.float32)
        )
        self.reset()
        return tail

    def _drain(self, table: _Filter) -> Float64Array:
        """Push the silence that follows the stream; what comes out is what was still owed."""
        return self._run(table, np.zeros(table.half_samples, np.int16))

    def _run(self, table: _Filter, values: Int16Array | Float64Array) -> Float64Array:
        """Append ``values`` to the history and return all outputs that are complete, unrounded."""
        if len(values) <= BLOCK_SAMPLES:
            return self._run_block(table, values)
        starts = range(0, len(values), BLOCK_SAMPLES)
        return np.concatenate([self._run_block(table, values[at : at + BLOCK_SAMPLES]) for at in starts])

    def _run_block(self, table: _Filter, values: Int16Array | Float64Array) -> Float64Array:
        n_in = self._n_in + len(values)
        # Output o needs the inputs up to floor(o * down / up) + half_samples.
        n_out = max(0, -((table.half_samples - n_in) * table.up // table.down))
        period, skip = divmod(self._n_out, table.up)
        rows = -(-(skip + n_out - self._n_out) // table.row_outputs) if n_out > self._n_out else 0
        groups, row_step = table.groups, table.row_step
        span = table.taps.shape[1]
        origin = period * table.down - (table.half_samples - 1) - self._base
        filled = self._filled + len(values)
        end = max(filled, origin + (rows - 1) * row_step + (groups - 1) * table.group_step + span)
        if end > len(self._work):
            work = np.zeros(2 * end)
            work[: self._filled] = self._work[: self._filled]
            self._work = work
        work = self._work
        work[self._filled : filled] = values
        # Beyond ``filled`` lie old, finite values: outputs that are kept weigh them with 0, others are cut.
        step = work.itemsize
        view = np.ndarray(
            (groups, rows, span),
            np.float64,
            work,
            origin * step,
            (table.group_step * step, row_step * step, step),
        )
        product = np.matmul(view, table.taps).transpose(1, 0, 2).reshape(rows, groups * table.taps.shape[2])
        outputs: Float64Array = product[:, : table.row_outputs].reshape(-1)[skip : skip + n_out - self._n_out]
        self._n_in, self._n_out = n_in, n_out
        self._forget(table, filled)
        return outputs

    def _forget(self, table: _Filter, filled: int) -> None:
        """Drop the inputs that no later row can start in."""
        keep_from = self._n_out // table.up * table.down - (table.half_samples - 1) - self._base
        self._work[: filled - keep_from] = np.copy(self._work[keep_from:filled])
        self._base += keep_from
        self._filled = filled - keep_from


def _to_int16(values: Float64Array) -> Int16Array:
    """Round to the nearest 16-bit value, ties to even, clipped; ``values`` is overwritten."""
    np.rint(values, out=values)
    np.minimum(values, 32767.0, out=values)
    np.maximum(values, -32768.0, out=values)
    return values.astype(np.int16)


def resample_whole(pcm16: bytes, from_hz: int, to_hz: int) -> bytes:
    """Convert a whole mono recording at once, with soxr's best quality (no chunking, no delay).

    Args:
        pcm16: Mono 16-bit samples.
        from_hz: Rate of ``pcm16``.
        to_hz: Rate wanted.

    Returns:
        16-bit samples, ``ceil(n * to_hz / from_hz)`` of them.

    Raises:
        AudioError: A rate is not positive, or the number of bytes is odd.
    """
    if from_hz < 1 or to_hz < 1:
        raise AudioError(f"cannot resample from {from_hz!r} Hz to {to_hz!r} Hz: both rates must be 1 or more")
    values = pcm16_to_float32(pcm16)
    if from_hz == to_hz:
        return bytes(pcm16)
    return float32_to_pcm16(resample_whole_float32(values, from_hz, to_hz))


def resample_whole_float32(values: Float32Array, from_hz: int, to_hz: int) -> Float32Array:
    """Convert a whole recording at once, as ``resample_whole`` does.

    Args:
        values: float32, (n_samples,) or (n_samples, channels).
        from_hz: Rate of ``values``, 1 or more.
        to_hz: Rate wanted, 1 or more.

    Returns:
        float32, ``ceil(n_samples * to_hz / from_hz)`` samples, of as many channels.
    """
    if from_hz == to_hz or not len(values):
        return values
    import soxr

    converted: Float32Array = soxr.resample(values, from_hz, to_hz, quality="VHQ")
    exact = np.zeros((-(-len(values) * to_hz // from_hz), *values.shape[1:]), np.float32)
    shared = min(len(exact), len(converted))
    exact[:shared] = converted[:shared]
    return exact
