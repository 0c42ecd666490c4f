"""How many real-time duplex sessions one core relays, and what the relay adds to a frame's way.

Clients and provider run on core 0, what is between them on core 1. ``--kinds`` names what is measured; ``direct``
has nothing in between and shows what the load itself costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import psutil
import uvloop

from benchmarks.density_load import Load, Result

GOAL_SESSIONS = 100
GOAL_P99_MS = 5.0
LIMIT_P99_MS = 20.0
STEPS = (*range(20, 200, 20), *range(200, 300, 25), *range(300, 500, 50), *range(500, 1300, 100))
RELAY_CORE = 1
LOAD_CORE = 0


@contextmanager
def relay(kind: str, provider_url: str) -> Generator[tuple[str, psutil.Process], None, None]:
    """A relay in a process of its own, on a core of its own."""
    command = [sys.executable, "-m", "benchmarks.density_relays", kind, provider_url, str(RELAY_CORE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def cpu_s(process: psutil.Process | None) -> float:
    """CPU time of a process so far."""
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def rss_kb(process: psutil.Process | None) -> float:
    """Resident memory of a process."""
    return 0.0 if process is None else float(process.memory_info().rss) / 1024


async def one_run(load: Load, process: psutil.Process | None, duration_s: float) -> tuple[Result, float]:
    """Measures; gives the relay's CPU share of its core too."""
    cpu, began = cpu_s(process), time.monotonic()
    result = await load.measure(duration_s)
    return result, (cpu_s(process) - cpu) / (time.monotonic() - began)


def show(kind: str, result: Result, share: float, memory: str = "") -> None:
    """One row."""
    up, down = (sorted(part) for part in (result.up_ns, result.down_ns))
    p99 = " ".join(f"{part[int(len(part) * 0.99)] / 1e6:6.2f}" if part else "   inf" for part in (up, down))
    print(
        f"{kind:12} {result.sessions:5} sessions  p50 {result.percentile_ms(0.5):6.2f} ms  "
        f"p99 {result.percentile_ms(0.99):7.2f} ms (up, down {p99})  delivered {result.delivered:6.1%}  "
        f"lost {result.lost}  CPU {share:5.1%}  driver late p99 {result.driver_late_ms:5.2f} ms  {memory}",
        flush=True,
    )


async def at_goal(kind: str, duration_s: float, repeats: int) -> list[float]:
    """The sessions of the goal: latency, CPU, memory."""
    load = Load()
    await load.start()
    found: list[float] = []
    if kind == "direct":
        await load.add(load.url, GOAL_SESSIONS)
        for _ in range(repeats):
            result, share = await one_run(load, None, duration_s)
            show(kind, result, share)
            found.append(result.percentile_ms(0.99))
        await load.leave()
        return found
    with relay(kind, load.url) as (url, process):
        await load.add(url, 1)
        await load.run(0.5)
        before_kb = rss_kb(process)
        await load.add(url, GOAL_SESSIONS - 1)
        for _ in range(repeats):
            result, share = await one_run(load, process, duration_s)
            per_session_kb = (rss_kb(process) - before_kb) / (GOAL_SESSIONS - 1)
            show(kind, result, share, f"{per_session_kb:.0f} KB a session")
            found.append(result.percentile_ms(0.99))
        await load.leave()
    return found


async def maximum(kind: str, duration_s: float) -> int:
    """The most sessions of `STEPS` with p99 below the limit."""
    load = Load()
    await load.start()
    best = 0
    with relay(kind, load.url) as (url, process):
        for sessions in STEPS:
            await load.add(url, sessions - len(load.clients))
            result, share = await one_run(load, process, duration_s)
            show(kind, result, share)
            if result.percentile_ms(0.99) >= LIMIT_P99_MS or result.lost or result.delivered < 0.99:
                break
            best = sessions
        await load.leave()
    return best


def main() -> None:
    """Prints all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="direct,gateway,websockets,picows")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max", action="store_true", help="also look for the most sessions")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    kinds: list[str] = arguments.kinds.split(",")
    medians: dict[str, float] = {}
    for kind in kinds:
        found = uvloop.run(at_goal(kind, arguments.seconds, arguments.repeats))
        medians[kind] = statistics.median(found)
    base = medians.get("direct", 0.0)
    print(f"\ngoal: {GOAL_SESSIONS} sessions, added p99 < {GOAL_P99_MS:g} ms, <= 1024 KB a session")
    for kind, value in medians.items():
        print(f"{kind:12} p99 {value:6.2f} ms, added {value - base:6.2f} ms")
    if arguments.max:
        for kind in kinds:
            if kind != "direct":
                best = uvloop.run(maximum(kind, arguments.seconds / 2))
                print(f"{kind:12} most sessions with p99 < {LIMIT_P99_MS:g} ms: {best}", flush=True)


if __name__ == "__main__":
    main()
