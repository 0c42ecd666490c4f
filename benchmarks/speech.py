"""Files and voices: a ten-minute file on one core, its times and memory; word errors; first audio, joins, long text.

The file is made by joining the recordings of ``tests/data/speech`` and ``demo/speech`` with pauses of 0.4 to 2 s,
so every true time is known: the first and last 10 ms frames above -40 dB of the loudest one.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.speech_words import word_error_rows

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (ROOT / "tests" / "data" / "speech", ROOT / "demo" / "speech")
RATE_HZ = 16_000
MINUTES = 10
GOALS = {
    "largest_time_error_ms": "<= 200",
    "times_real_time": ">= 10",
    "rss_growth_mb": "<= 30",
    "wer_percent": "librivox <= 7.0, commands <= 8.0",
    "first_audio_ms": "<= 60",
    "largest_step_at_a_join": "<= 0.02",
    "longest_gap_ms": "<= 600",
    "tts_rss_growth_mb": "<= 30",
}


def recordings() -> list[tuple[str, Any]]:
    """Each recording at 16 kHz, trimmed to nothing."""
    from voicewire.audio.files import read_audio
    from voicewire.audio.pcm import pcm16_to_float32

    paths = sorted(path for folder in FOLDERS for path in folder.glob("*.flac"))
    return [
        (path.stem, pcm16_to_float32(read_audio(path, sample_rate_hz=RATE_HZ).data))
        for path in paths
        if not path.stem.startswith("hesitation")
    ]


def speech_span(samples: Any) -> tuple[int, int]:
    """First and last sample of speech."""
    frames = np.reshape(samples[: len(samples) // 160 * 160], (-1, 160))
    levels = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(levels > 0.01 * levels.max())
    return int(loud[0]) * 160, int(loud[-1] + 1) * 160


def make_file(path: Path, minutes: float, seed: int = 7) -> list[tuple[int, int]]:
    """Writes the file; gives the true spans in ms."""
    chance = random.Random(seed)
    clips = recordings()
    spans: list[tuple[int, int]] = []
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
        at = 0
        while at < minutes * 60 * RATE_HZ:
            _, clip = chance.choice(clips)
            first, last = speech_span(clip)
            pause = int(chance.uniform(0.4, 2.0) * RATE_HZ)
            file.write(np.concatenate((np.zeros(pause, np.float32), clip[first:last])))
            at += pause
            spans.append((at * 1000 // RATE_HZ, (at + last - first) * 1000 // RATE_HZ))
            at += last - first
    return spans


def time_errors(spans: list[tuple[int, int]], segments: list[dict[str, float]]) -> list[int]:
    """For each true span, how far its start and its end are from the nearest reported ones, in ms."""
    starts = [round(segment["start_s"] * 1000) for segment in segments]
    ends = [round(segment["end_s"] * 1000) for segment in segments]
    return [
        max(min(abs(first - start) for start in starts), min(abs(last - end) for end in ends))
        for first, last in spans
    ]


def transcribe_in_a_process(path: Path) -> dict[str, Any]:
    """The command line on one core, as a user runs it; its time and its largest memory."""
    command = [sys.executable, "-m", "benchmarks.speech", "--child", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def child(path: Path) -> None:
    """Recognises the file in this process, on one core."""
    from voicewire.speech import local_stages
    from voicewire.speech.local_files import read_file

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    vad, recognizer = local_stages.vad(), local_stages.recognizer()
    segments: list[dict[str, Any]] = []
    began, used = time.monotonic(), time.process_time()
    length_ms, rss_after_a_minute = 0, 0.0
    for step in read_file(path, vad, recognizer):
        segments += [{"text": s.text, "start_s": s.start_s, "end_s": s.end_s} for s in step.segments]
        length_ms = step.position_ms
        if not rss_after_a_minute and length_ms >= 60_000:
            rss_after_a_minute = rss_mb()
    wall_s, cpu_s = time.monotonic() - began, time.process_time() - used
    print(
        json.dumps(
            {
                "audio_s": length_ms / 1000,
                "wall_s": round(wall_s, 2),
                "cpu_s": round(cpu_s, 2),
                "rss_growth_mb": round(rss_mb() - rss_after_a_minute, 1),
                "rss_mb": round(rss_mb()),
                "segments": segments,
            }
        )
    )


def rss_mb() -> float:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def file_rows() -> list[dict[str, Any]]:
    """Recognition of the ten-minute file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        spans = make_file(path, MINUTES)
        answer = transcribe_in_a_process(path)
    errors = time_errors(spans, answer["segments"])
    return [
        {
            "largest_time_error_ms": max(errors),
            "median_time_error_ms": sorted(errors)[len(errors) // 2],
            "late_spans": sum(error > 200 for error in errors),
            "spans": len(spans),
            "segments": len(answer["segments"]),
        },
        {
            "times_real_time": round(answer["audio_s"] / answer["wall_s"], 1),
            "times_real_time_of_cpu": round(answer["audio_s"] / answer["cpu_s"], 1),
            "rss_growth_mb": answer["rss_growth_mb"],
            "rss_mb": answer["rss_mb"],
        },
    ]


def voice_rows() -> list[dict[str, Any]]:
    """Synthesis: first audio, joins, ten thousand characters."""
    import anyio

    from voicewire.speech import SynthesizedAudio, create_tts

    text = (
        "The lamp is on, the door is shut. It rained all day, and nobody came to see the house by the lake. "
    )

    async def first_audio_ms() -> float:
        async with create_tts("local", format="pcm") as client:
            began = time.monotonic()
            await client.send("The lamp is on. Nobody is here.")
            async for event in client:
                if isinstance(event, SynthesizedAudio):
                    return (time.monotonic() - began) * 1000
        raise AssertionError("no audio came")

    async def long_text() -> dict[str, Any]:
        pcm16 = bytearray()
        rss_early = 0.0
        samples = 0
        client = create_tts("local", format="pcm")
        async with client, anyio.create_task_group() as tasks:

            async def send() -> None:
                for _ in range(10_000 // len(text) + 1):
                    await client.send(text)
                await client.finish()

            tasks.start_soon(send)
            async for event in client:
                if isinstance(event, SynthesizedAudio):
                    samples += len(event.data) // 2
                    if len(pcm16) < 2 * 24_000 * 60:
                        pcm16 += event.data
                    elif not rss_early:
                        rss_early = rss_mb()
        grown_mb = rss_mb() - rss_early
        step, gap_ms = joins(np.frombuffer(bytes(pcm16), "<i2").astype(np.float32) / 32768)
        return {
            "spoken_s": round(samples / 24_000),
            "tts_rss_growth_mb": round(grown_mb, 1),
            "largest_step_at_a_join": round(step, 4),
            "longest_gap_ms": gap_ms,
        }

    async def measure() -> list[dict[str, Any]]:
        times = sorted([await first_audio_ms() for _ in range(12)][2:])
        return [
            {"first_audio_ms": round(times[len(times) // 2], 1), "p95_ms": round(times[-1], 1)},
            await long_text(),
        ]

    return anyio.run(measure)


def joins(samples: Any) -> tuple[float, int]:
    """The largest jump between neighbours out of or into silence, and the longest silence, in ms."""
    quiet = np.abs(samples) < 1e-4
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    is_long = np.convolve(quiet, np.ones(240), mode="same") >= 200  # inside 10 ms of silence
    steps = [
        abs(float(samples[at + 1] - samples[at]))
        for at in edges
        if is_long[max(0, at - 120)] or is_long[at + 1]
    ]
    longest = run = 0
    for frame in np.reshape(quiet[: len(quiet) // 240 * 240], (-1, 240)):
        run = run + 10 if frame.all() else 0
        longest = max(longest, run)
    return max(steps, default=0.0), longest


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "--child":
        child(Path(sys.argv[2]))
        return
    print("goals: " + ", ".join(f"{name} {goal}" for name, goal in GOALS.items()))
    for row in [*file_rows(), *word_error_rows(), *voice_rows()]:
        print(row)


if __name__ == "__main__":
    main()
