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
from collections.abc import Generator
from contextlib import contextmanager

DRIVERS = ("floor:callback", "floor:iter", "voicewire", "openai SDK")
FLOOR = DRIVERS[0]
COLUMNS = ("recv_20_us", "recv_100_us", "send_20_us", "send_100_us", "connect_ms")
SEARCH_LIMIT = {"floor:callback": 1000, "floor:iter": 1000, "voicewire": 1000, "openai SDK": 120}
MAX_LATE_P99_MS = 20.0
Row = dict[str, float]


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


def unit_costs(url: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Every column of every driver, a value for each round."""
    taken: dict[str, dict[str, list[float]]] = {name: {column: [] for column in COLUMNS} for name in DRIVERS}
    for _ in range(rounds):
        for name in DRIVERS:
            row = drive(name, url, "unit")
            for column in COLUMNS:
                taken[name][column].append(row[column])
    return taken


def print_unit_costs(taken: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'driver':16}" + "".join(f"{column:>22}" for column in COLUMNS))
    for name, columns in taken.items():
        cells = []
        for column in COLUMNS:
            ratio = statistics.median(
                mine / floor for mine, floor in zip(columns[column], taken[FLOOR][column], strict=True)
            )
            cells.append(f"{statistics.median(columns[column]):14.2f} ({ratio:4.1f}x)")
        print(f"{name:16}" + "".join(f"{cell:>22}" for cell in cells))


def most_sessions(name: str, url: str, seconds: float) -> Row:
    """The most duplex sessions of 20 ms chunks that one core holds with a loop less than 20 ms late (p99)."""
    good: Row = {}
    low, high = 0, SEARCH_LIMIT[name]
    sessions = min(high, 32 if name == "openai SDK" else 400)
    while high - low > max(4, high // 12):
        row = drive(name, url, "duplex", f"{sessions}x{seconds}")
        if row["late_p99_ms"] < MAX_LATE_P99_MS and row["overrun"] < 1.1:
            good, low = row, sessions
        else:
            high = sessions
        if low == SEARCH_LIMIT[name]:
            break
        sessions = min(high, low * 2) if high == SEARCH_LIMIT[name] else (low + high) // 2
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one duplex run")
    parser.add_argument("--skip-search", action="store_true")
    arguments = parser.parse_args()
    with provider() as url:
        print("CPU us per audio delta received and decoded, per chunk appended; ms to a session (x floor)")
        print("goal for voicewire: recv_20_us <= 2.0x, send_20_us <= 1.5x")
        print_unit_costs(unit_costs(url, arguments.rounds))
        heads = f"{'CPU ms/session-s':>18}{'late p99 ms':>13}{'RSS KB open':>13}{'run':>7}"
        print(f"\n{'driver':16}{'sessions':>9}{heads}")
        for name in DRIVERS:
            rows = [drive(name, url, "duplex", f"20x{arguments.seconds}")]
            if not arguments.skip_search:
                rows.append(most_sessions(name, url, arguments.seconds))
            for row in rows:
                if row:
                    print(
                        f"{name:16}{row['sessions']:>9.0f}{row['cpu_ms_per_session_s']:>18.2f}"
                        f"{row['late_p99_ms']:>13.2f}{row['open_kb']:>13.1f}{row['run_kb']:>7.1f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
