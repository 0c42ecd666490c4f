"""What a session over the OpenAI wire costs, beside a hand-written loop and another SDK, in one run.

The floor is picows + msgspec + pybase64 in a callback: what a person would write who needs nothing else. Each
driver runs in a process of its own on core 1, the provider on core 0; rounds are interleaved and the ratios
are medians over rounds of driver / floor in the same round, since the speed of a shared machine wanders.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

FLOOR = "floor:msgspec"
DRIVERS = (FLOOR, "floor:iter", "voicewire", "voicewire + core", "openai SDK")
COLUMNS = {
    "recv_20_us": "recv 20 ms, us",
    "recv_100_us": "recv 100 ms, us",
    "send_20_us": "send 20 ms, us",
    "send_100_us": "send 100 ms, us",
    "connect_ms": "connect, ms",
}
RATIO_GOALS = {
    ("voicewire", "recv_20_us"): 2.0,
    ("voicewire", "recv_100_us"): 2.0,
    ("voicewire", "send_20_us"): 1.5,
    ("voicewire", "send_100_us"): 1.5,
    ("voicewire + core", "recv_20_us"): 4.0,
    ("voicewire + core", "recv_100_us"): 4.0,
}
RSS_GOAL_KB = 60.0
SESSIONS = dict.fromkeys(DRIVERS, 200) | {"openai SDK": 20}
"""As many as leave three quarters of the core idle: a session costs less the more there are, so this is a fair
price, and it can be taken while other work runs on the machine."""
USABLE_CPU_MS = 800.0
"""Of the 1000 ms of a core in a second, what sessions may use before they wait for one another."""
SEARCH_LIMIT = dict.fromkeys(DRIVERS, 1000) | {"openai SDK": 120}
MAX_LATE_P99_MS = 20.0
Row = dict[str, float]
Taken = dict[str, list[Row]]


@contextmanager
def provider() -> Generator[str, None, None]:
    """The provider's process; gives its address."""
    command = [sys.executable, "-m", "benchmarks.loopback_provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def drive(name: str, url: str, what: str, amount: str = "") -> Row:
    """One run of one driver."""
    command = [sys.executable, "-m", "benchmarks.wire_drivers", name, url, what, amount]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        raise RuntimeError(f"{name} {what} {amount} failed:\n{answer.stderr[-2000:]}")
    row: Row = json.loads(answer.stdout.splitlines()[-1])
    return row


def unit_costs(url: str, rounds: int) -> Taken:
    """The costs of every driver, a row for each round."""
    taken: Taken = {name: [] for name in DRIVERS}
    for _ in range(rounds):
        for name in DRIVERS:
            taken[name].append(drive(name, url, "unit"))
    return taken


def median_ratio(mine: list[Row], floor: list[Row], column: str) -> float:
    """How many floors, in the middle of the rounds."""
    return statistics.median(a[column] / b[column] for a, b in zip(mine, floor, strict=True))


def against(value: float, goal: float | None) -> str:
    """A goal beside the value that has to stay below it."""
    if goal is None:
        return ""
    return f" <={goal:g} {'ok' if value <= goal else 'MISSED'}"


def print_unit_costs(taken: Taken) -> None:
    print(f"{'driver':17}" + "".join(f"{title:>23}" for title in COLUMNS.values()))
    for name, rows in taken.items():
        cells = ""
        for column in COLUMNS:
            value = statistics.median(row[column] for row in rows)
            ratio = median_ratio(rows, taken[FLOOR], column)
            cell = f"{value:.2f} {ratio:5.2f}x{against(ratio, RATIO_GOALS.get((name, column)))}"
            cells += f"{cell:>23}"
        print(f"{name:17}{cells}")


def print_density(url: str, seconds: float) -> None:
    """Duplex sessions of 20 ms chunks in real time: how many a core has the CPU for, and their memory.

    ``core taken`` is how long other processes had the core while the driver was ready to run: it makes the loop
    late, and what waits meanwhile shows in the memory after the run.
    """
    print(
        f"\n{'driver':17}{'run with':>9}{'CPU ms/session-s':>18}{'sessions/core':>15}{'late p99 ms':>13}"
        f"{'core taken':>12}{'RSS KB/session: open':>22}{'after the run':>22}"
    )
    for name in DRIVERS:
        runs = [drive(name, url, "duplex", f"{SESSIONS[name]}x{seconds}") for _ in range(2)]
        row = min(runs, key=lambda run: run["waited_share"])  # the one that other work disturbed less
        goal = RSS_GOAL_KB if name.startswith("voicewire") else None
        opened = f"{row['open_kb']:.1f}{against(row['open_kb'], goal)}"
        after = f"{row['run_kb']:.1f}{against(row['run_kb'], goal)}"
        cpu_ms = row["cpu_ms_per_session_s"]
        print(
            f"{name:17}{row['sessions']:>9.0f}{cpu_ms:>18.2f}{USABLE_CPU_MS / cpu_ms:>15.0f}"
            f"{row['late_p99_ms']:>13.1f}{row['waited_share']:>12.0%}{opened:>22}{after:>22}",
            flush=True,
        )


def most_sessions(name: str, url: str, seconds: float) -> int:
    """The most sessions that one core holds with a loop less than 20 ms late (p99); for an idle machine."""
    low, high = 0, SEARCH_LIMIT[name]
    sessions = min(high, SESSIONS[name])
    while high - low > max(4, high // 12):
        row = drive(name, url, "duplex", f"{sessions}x{seconds}")
        if row["late_p99_ms"] < MAX_LATE_P99_MS and row["overrun"] < 1.1:
            low = sessions
        else:
            high = sessions
        if low == SEARCH_LIMIT[name]:
            break
        sessions = min(high, low * 2) if high == SEARCH_LIMIT[name] else (low + high) // 2
    return low


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one duplex run")
    parser.add_argument("--search", action="store_true", help="find the most sessions a core holds in time")
    arguments = parser.parse_args()
    began = time.monotonic()
    with provider() as url:
        print(f"CPU us per audio delta with its quarter of a transcript delta, x {FLOOR}, goal for the ratio")
        print_unit_costs(unit_costs(url, arguments.rounds))
        print_density(url, arguments.seconds)
        if arguments.search:
            for name in DRIVERS:
                print(f"{name:17} holds {most_sessions(name, url, arguments.seconds)} sessions", flush=True)
    print(f"\n{arguments.rounds} rounds, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
