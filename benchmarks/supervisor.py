"""What the supervisor adds to an audio delta: a session that outlives its connections beside one that does not.

Both go through the narrow door of the same model; the floor is the loop written by hand (see `benchmarks.wires`). Every
measurement is a process of its own on core 1, the provider is on core 0; rounds are interleaved and the ratios are
medians over rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from benchmarks.wires import COUNT, RECEIVE_GOAL, WIRES, open_by_hand, provider

SIDES = ("by hand", "unsupervised", "supervised")
Burst = Callable[[], Awaitable[int]]


async def open_door(stack: AsyncExitStack, url: str, wire: str, mode: str, *, is_supervised: bool) -> Burst:
    """A session through the narrow door; gives what asks for an answer and counts its bytes."""
    from voicewire.events import ModelEvents, SendText
    from voicewire.events.session import SessionConfig
    from voicewire.models import create_model
    from voicewire.transport.policies import NO_RECONNECT

    base_url = f"{url}/v1" if wire == "openai" else url
    model = create_model(
        f"{wire}:{mode}",
        api_key="bench",
        base_url=base_url,
        reconnect=None if is_supervised else NO_RECONNECT,
    )
    config = SessionConfig(turn_detection=None, transcription=None)
    connection = await stack.enter_async_context(model.open(config=config))
    assert (type(connection).__name__ == "SupervisedConnection") == is_supervised
    audio, done = ModelEvents.ModelResponseAudioDeltaEvent, ModelEvents.ModelResponseDoneEvent

    async def burst() -> int:
        total = 0
        await connection.send(SendText("go"))
        async for event in connection:
            if type(event) is audio:
                total += len(event.pcm)
            if type(event) is done:
                break
        return total

    return burst


async def measure(side: str, url: str, wire: str) -> dict[str, float]:
    """CPU microseconds for each audio delta, kernel included."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    result: dict[str, float] = {}
    for duration_ms, count in COUNT.items():
        mode = f"burst-{duration_ms}-{count}"
        async with AsyncExitStack() as stack:
            if side == "by hand":
                burst: Burst = await open_by_hand(stack, url, wire, mode, "", None)
            else:
                burst = await open_door(stack, url, wire, mode, is_supervised=side == "supervised")
            costs: list[float] = []
            for _ in range(3):
                cpu = time.process_time()
                total = await burst()
                costs.append(time.process_time() - cpu)
                assert total == count * duration_ms * 48, f"{total} bytes came of {side} on {wire}"
        result[f"{duration_ms}"] = statistics.median(costs) / count * 1e6
    return result


def run(side: str, url: str, wire: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.supervisor", "--measure", side, url, wire]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        raise RuntimeError(f"{side} {wire} failed:\n{answer.stderr[-2000:]}")
    row: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return row


def show(url: str, wire: str, rounds: int) -> bool:
    """The lines of one wire; tells whether the goal is met."""
    rows = [{side: run(side, url, wire) for side in SIDES} for _ in range(rounds)]
    is_met = True
    for length in map(str, COUNT):
        hand, bare, kept = (statistics.median(row[side][length] for row in rows) for side in SIDES)
        ratio = statistics.median(row["supervised"][length] / row["by hand"][length] for row in rows)
        added = statistics.median(row["supervised"][length] / row["unsupervised"][length] for row in rows)
        is_met = is_met and ratio <= RECEIVE_GOAL
        print(
            f"{wire:10} {length:>3} ms: by hand {hand:6.2f} us, unsupervised {bare:6.2f} us, supervised {kept:6.2f} us "
            f"= {added:4.2f}x unsupervised, {ratio:4.2f}x by hand <={RECEIVE_GOAL:g} "
            f"{'ok' if ratio <= RECEIVE_GOAL else 'MISSED'}",
            flush=True,
        )
    return is_met


def main() -> int:
    """Prints every wire."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("SIDE", "URL", "WIRE"))
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(asyncio.run(measure(*arguments.measure))))
        return 0
    print("CPU us for each audio delta")
    with provider() as url:
        is_met = [show(url, wire, arguments.rounds) for wire in WIRES]
    return 0 if all(is_met) else 1


if __name__ == "__main__":
    sys.exit(main())
