"""How long the embedded engine keeps a caller waiting: end of speech to first audible sample.

Real time: speech files are fed in 20 ms frames, one conversation or several at once in one process. The
end of speech is the end of the last frame of the file that is above -45 dBFS; the first audible sample is the
arrival of the first audio delta whose level is above -50 dBFS, plus the silence before it in that delta.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np

from voicewire.events import AppendAudio, ModelEvents
from voicewire.models import RealtimeConnection, create_model

SPEECH = Path(__file__).resolve().parent.parent / "tests" / "data" / "speech"
FRAME_MS = 20
RATE_HZ = 16_000
LEAD_SILENCE_S = 0.3


def load(path: Path) -> tuple[np.ndarray, float]:
    """The samples of one utterance and the second at which its speech ends."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE_HZ, f"{path} has {rate} Hz, make it {RATE_HZ}"
    window = RATE_HZ // 100
    frames = samples[: len(samples) // window * window].reshape(-1, window).astype(np.float64)
    levels = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) / 32768 + 1e-9)
    last_loud = int(np.flatnonzero(levels > -45.0)[-1]) + 1
    return samples, last_loud * window / RATE_HZ


def audible_offset_s(pcm: bytes, rate_hz: int) -> float | None:
    """Seconds of silence at the head of this audio; None when all of it is silent."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, dtype=np.int16)) > 104)  # -50 dBFS
    return float(loud[0]) / rate_hz if len(loud) else None


@asynccontextmanager
async def microphone(connection: RealtimeConnection, state: dict[str, object]) -> AsyncGenerator[None, None]:
    """Feeds frames in real time for as long as the context lives: the queued utterance, else silence."""

    async def feed() -> None:
        due = time.monotonic()
        samples_per_frame = RATE_HZ * FRAME_MS // 1000
        while True:
            queued = state.get("samples")
            position = int(state.get("position", 0))  # type: ignore[call-overload]
            if isinstance(queued, np.ndarray) and position < len(queued):
                piece = queued[position : position + samples_per_frame]
                state["position"] = position + samples_per_frame
                if position == 0:
                    state["began"] = time.monotonic()
                frame = np.zeros(samples_per_frame, dtype=np.int16)
                frame[: len(piece)] = piece
            else:
                frame = np.zeros(samples_per_frame, dtype=np.int16)
            await connection.send(AppendAudio(frame.tobytes(), RATE_HZ))
            due += FRAME_MS / 1000
            await anyio.sleep(max(0.0, due - time.monotonic()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        yield
        tasks.cancel_scope.cancel()


async def converse(files: list[Path], results: list[tuple[float, str]], stagger_s: float) -> None:
    """One conversation that asks every file's question and waits for each answer to end."""
    model = create_model("local")
    await anyio.sleep(stagger_s)
    async with model.open(instructions="Answer in one short sentence.") as connection:
        state: dict[str, object] = {}
        async with microphone(connection, state):
            await anyio.sleep(LEAD_SILENCE_S)
            for path in files:
                samples, speech_end_s = load(path)
                state.update(samples=samples, position=0)
                heard_at: float | None = None
                async for event in connection:
                    if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent) and heard_at is None:
                        offset = audible_offset_s(event.pcm, event.format.rate)
                        if offset is not None:
                            heard_at = time.monotonic() + offset
                    if isinstance(event, ModelEvents.ModelResponseDoneEvent) and event.status == "completed":
                        break
                if heard_at is not None:
                    began = float(state["began"])  # type: ignore[arg-type]
                    results.append(((heard_at - began - speech_end_s) * 1000, path.stem))
                await anyio.sleep(0.5)


async def measure(sessions: int, files: list[Path]) -> dict[str, object]:
    """One row of the table."""
    results: list[tuple[float, str]] = []
    async with anyio.create_task_group() as tasks:
        for index in range(sessions):
            turned = files[index % len(files) :] + files[: index % len(files)]
            tasks.start_soon(converse, turned, results, index * 0.35)
    ordered = sorted(waited for waited, _ in results)
    slowest = ", ".join(f"{name} {waited:.0f}" for waited, name in sorted(results, reverse=True)[:4])
    return {
        "benchmark": "voice_to_voice",
        "sessions": sessions,
        "turns": len(ordered),
        "median_ms": round(statistics.median(ordered)),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]),
        "max_ms": round(ordered[-1]),
        "rss_mb": round(current_rss_mb()),
        "slowest_ms": slowest,
    }


def current_rss_mb() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(session_counts: tuple[int, ...] = (1, 2, 4)) -> list[dict[str, object]]:
    """All rows."""
    files = sorted(SPEECH.glob("q*.flac")) or sorted(SPEECH.glob("*.flac"))
    started = time.monotonic()

    async def all_rows() -> list[dict[str, object]]:
        async with create_model("local").open():
            print(f"engine start: {time.monotonic() - started:.2f} s, {current_rss_mb():.0f} MB")
        return [await measure(count, files) for count in session_counts]

    return anyio.run(all_rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", default="1,2,4")
    arguments = parser.parse_args()
    for row in run(tuple(int(count) for count in arguments.sessions.split(","))):
        print(row)


if __name__ == "__main__":
    main()
