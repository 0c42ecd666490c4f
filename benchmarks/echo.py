"""What echo cancellation costs: microseconds for 10 ms of the microphone, while the agent and the user speak."""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from voicewire.audio.echo import BLOCK_MS, EchoCanceller
from voicewire.audio.pcm import float32_to_pcm16

RATES_HZ = (16_000, 24_000, 48_000)
DURATION_S = 6
GOAL_US = 1000.0
"""A tenth of the time that there is."""


def cost_us(rate_hz: int) -> float:
    """Median over all frames of 20 ms."""
    rng = np.random.default_rng(1)
    far = (0.1 * rng.standard_normal(DURATION_S * rate_hz)).astype(np.float32)
    near = 0.3 * np.roll(far, rate_hz // 20) + (0.05 * rng.standard_normal(len(far))).astype(np.float32)
    far_pcm, near_pcm = float32_to_pcm16(far), float32_to_pcm16(near)
    canceller = EchoCanceller(rate_hz)
    step = 2 * rate_hz * 2 * BLOCK_MS // 1000
    costs: list[float] = []
    for at in range(0, len(near_pcm) - step + 1, step):
        began_ns = time.perf_counter_ns()
        canceller.process(near_pcm[at : at + step], far_pcm[at : at + step])
        costs.append((time.perf_counter_ns() - began_ns) / 2000)
    assert canceller.is_learned
    return statistics.median(costs)


def main() -> int:
    print(f"echo cancellation, us for {BLOCK_MS} ms of sound (goal: <= {GOAL_US:.0f})")
    costs = {rate_hz: cost_us(rate_hz) for rate_hz in RATES_HZ}
    for rate_hz, cost in costs.items():
        print(f"  {rate_hz:>6} Hz  {cost:6.0f} us")
    return 0 if costs[RATES_HZ[0]] <= GOAL_US else 1


if __name__ == "__main__":
    sys.exit(main())
