"""Streaming resamplers beside each other, 20 ms chunks of 16-bit mono: cost, aliases, delay, passband.

Rows of one pair of rates are timed in interleaved rounds, so a slow moment of the machine hits all of them.

- ``us``: median time of one chunk.
- ``alias_db``: the loudest that comes out for tones that should vanish (from 1.1 of the lower Nyquist
  frequency on); when the rate rises, the loudest image of a tone at 0.7 of it. Relative to the tone.
- ``delay_ms``: the most audio that is being held back after any chunk, once running.
- ``gain_db_at_0.8``: passband at 0.8 of the lower Nyquist frequency.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from voicewire.audio.resample import Resampler

PAIRS = [
    (48000, 16000),
    (24000, 16000),
    (16000, 24000),
    (8000, 24000),
    (44100, 16000),
    (22050, 16000),
    (24000, 48000),
]
ROUNDS = 15
CHUNKS_PER_ROUND = 50
AMPLITUDE = 16000.0
GOAL = "goals for voicewire: <= 25 us, <= -80 dB, <= 2 ms, flat to about 0.8"

Floats: TypeAlias = NDArray[np.float64]
Process: TypeAlias = Callable[[bytes], bytes]


def voicewire(from_hz: int, to_hz: int) -> Process:
    return Resampler(from_hz, to_hz).process


def soxr_hq(from_hz: int, to_hz: int) -> Process:
    stream: Any = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def process(data: bytes) -> bytes:
        out: bytes = stream.resample_chunk(np.frombuffer(data, np.int16)).tobytes()
        return out

    return process


def numpy_interp(from_hz: int, to_hz: int) -> Process:
    """Linear interpolation with the last sample and the phase carried over: the usual home-made resampler."""
    step = from_hz / to_hz
    last = np.zeros(1)
    position = 1.0

    def process(data: bytes) -> bytes:
        nonlocal last, position
        values = np.concatenate([last, np.frombuffer(data, np.int16)])
        at = np.arange(position, len(values) - 1 + 1e-9, step)
        out: bytes = np.rint(np.interp(at, np.arange(len(values)), values)).astype(np.int16).tobytes()
        position += len(at) * step - (len(values) - 1)
        last = values[-1:]
        return out

    return process


METHODS: dict[str, Callable[[int, int], Process]] = {
    "voicewire": voicewire,
    "soxr HQ": soxr_hq,
    "numpy.interp": numpy_interp,
}


def tone_at(hz: float, seconds: float, rate_hz: int) -> bytes:
    at = np.arange(int(seconds * rate_hz))
    return np.rint(AMPLITUDE * np.sin(2 * np.pi * hz * at / rate_hz)).astype(np.int16).tobytes()


def streamed(process: Process, data: bytes, from_hz: int) -> Floats:
    """Feed ``data`` by 20 ms and return the middle of what came out, without start and end."""
    size = 2 * (from_hz // 50)
    out = b"".join(process(data[at : at + size]) for at in range(0, len(data), size))
    values = np.frombuffer(out, np.int16).astype(np.float64)
    return values[len(values) // 4 : -len(values) // 4]


def decibels(values: Floats) -> float:
    return float(20 * np.log10(max(float(np.sqrt(np.mean(values**2))), 1e-9) / (AMPLITUDE / np.sqrt(2))))


def alias_db(make: Callable[[int, int], Process], from_hz: int, to_hz: int) -> float:
    if from_hz > to_hz:
        tones = np.linspace(1.1 * to_hz / 2, 0.98 * from_hz / 2, 9)
        return max(decibels(streamed(make(from_hz, to_hz), tone_at(hz, 1, from_hz), from_hz)) for hz in tones)
    out = streamed(make(from_hz, to_hz), tone_at(0.7 * from_hz / 2, 1, from_hz), from_hz)
    spectrum = np.abs(np.fft.rfft(out * np.blackman(len(out))))
    images = spectrum[np.fft.rfftfreq(len(out), 1 / to_hz) > 1.1 * from_hz / 2]
    return float(20 * np.log10(images.max() / spectrum.max()))


def gain_db(make: Callable[[int, int], Process], from_hz: int, to_hz: int) -> float:
    hz = 0.8 * min(from_hz, to_hz) / 2
    return decibels(streamed(make(from_hz, to_hz), tone_at(hz, 1, from_hz), from_hz))


def delay_ms(make: Callable[[int, int], Process], from_hz: int, to_hz: int) -> float:
    process = make(from_hz, to_hz)
    chunk = tone_at(440, 0.02, from_hz)
    got_samples = 0
    held_ms: list[float] = []
    for count in range(1, 101):
        got_samples += len(process(chunk)) // 2
        held_ms.append(count * (len(chunk) // 2) * 1000 / from_hz - got_samples * 1000 / to_hz)
    return max(held_ms[25:])


def times_us(from_hz: int, to_hz: int) -> dict[str, float]:
    """Median microseconds of a chunk, the methods taking turns."""
    noise = np.random.default_rng(1).normal(0, 5000, from_hz // 50).astype(np.int16).tobytes()
    running = {name: make(from_hz, to_hz) for name, make in METHODS.items()}
    taken: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(ROUNDS):
        for name, process in running.items():
            process(noise)
            for _ in range(CHUNKS_PER_ROUND):
                began = time.perf_counter_ns()
                process(noise)
                taken[name].append((time.perf_counter_ns() - began) / 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def run() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for from_hz, to_hz in PAIRS:
        cost_us = times_us(from_hz, to_hz)
        measured: list[dict[str, object]] = [
            {
                "from_hz": from_hz,
                "to_hz": to_hz,
                "method": name,
                "us": round(cost_us[name], 1),
                "alias_db": round(alias_db(make, from_hz, to_hz), 1),
                "delay_ms": round(delay_ms(make, from_hz, to_hz), 2),
                "gain_db_at_0.8": round(gain_db(make, from_hz, to_hz), 2),
            }
            for name, make in METHODS.items()
        ]
        rows += measured
    return rows


def main() -> None:
    print(GOAL)
    print(f"{'rates':>16}  {'method':14} {'us/20 ms':>9} {'alias dB':>9} {'delay ms':>9} {'gain@0.8':>9}")
    for row in run():
        rates = f"{row['from_hz']} > {row['to_hz']}"
        print(
            f"{rates:>16}  {row['method']!s:14} {row['us']:>9} {row['alias_db']:>9} {row['delay_ms']:>9} "
            f"{row['gain_db_at_0.8']:>9}"
        )


if __name__ == "__main__":
    main()
