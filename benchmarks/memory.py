"""Memory of the embedded engine: the process with one session, and what each further session adds.

Each session has a spoken turn behind it, as memory is taken on first use.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import anyio

from benchmarks.voice_to_voice import RATE_HZ, SPEECH, current_rss_mb, load
from voicewire.events import AppendAudio, ModelEvents
from voicewire.models import RealtimeConnection, create_model

FURTHER_SESSIONS = 5


async def one_turn(connection: RealtimeConnection) -> None:
    """Says one sentence, faster than real time, and takes the whole answer."""
    samples, _ = load(sorted(SPEECH.glob("*.flac"))[0])
    await connection.send(AppendAudio(samples.tobytes(), RATE_HZ))
    await connection.send(AppendAudio(bytes(2 * RATE_HZ * 2), RATE_HZ))
    async for event in connection:
        if isinstance(event, ModelEvents.ModelResponseDoneEvent):
            return


def run() -> list[dict[str, object]]:
    """One row for the first session, one for each further one, and how long a warm start takes."""

    async def measure() -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(create_model("local").open())
            start_s = time.monotonic() - began
            await one_turn(first)
            base = current_rss_mb()
            rows.append({"sessions": 1, "rss_mb": round(base), "start_s": round(start_s, 2)})
            for _ in range(FURTHER_SESSIONS):
                await one_turn(await stack.enter_async_context(create_model("local").open()))
            added = (current_rss_mb() - base) / FURTHER_SESSIONS
            rows.append({"sessions": 1 + FURTHER_SESSIONS, "added_mb_per_session": round(added, 1)})
        return rows

    return anyio.run(measure)


def main() -> None:
    print("goals: first session <= 700 MB, each further one <= 40 MB, warm start <= 4 s")
    for row in run():
        print(row)


if __name__ == "__main__":
    main()
