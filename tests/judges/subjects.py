"""What a judge says to each model, and what a right answer is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import soundfile

SAMPLE_RATE_HZ = 24_000
CHUNK_MS = 40
SPEECH_DIR = Path(__file__).parent.parent / "data" / "speech"

WEATHER_TOOL = {
    "name": "get_weather",
    "description": "Tells the weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Name of the city."}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
WEATHER_RESULT = "sunny, 21 degrees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model under judgement."""

    model: str
    text_prompt: str
    text_answer: str
    """Regular expression that the answer to ``text_prompt`` contains."""
    long_prompt: str
    """Makes a reply of at least four seconds."""
    tool_prompt: str
    """Makes the model call ``get_weather`` with the city Paris."""
    tool_answer: str
    """Regular expression of the answer after the tool's result."""
    transcript: str
    """Regular expression of the transcript of ``speech()``."""
    spoken_answer: str
    """Regular expression of the words of the spoken reply to ``speech()``."""
    speech_file: str
    """File below ``tests/data/speech``; empty for tones."""
    pace: float
    """Seconds of audio sent in a second; 0 sends as fast as the socket takes it."""

    def speech(self) -> bytes:
        """A spoken turn with silence around it: PCM16, 24 kHz, mono."""
        body = _tone_bursts() if not self.speech_file else _read_pcm16(SPEECH_DIR / self.speech_file)
        return _silence(300) + body + _silence(1500)


ECHO = Subject(
    model="echo",
    text_prompt="Hello there",
    text_answer=r"^You said: Hello there$",
    long_prompt="speak 8 seconds",
    tool_prompt='call get_weather {"city": "Paris"}',
    tool_answer=r"^get_weather returned: sunny, 21 degrees$",
    transcript=r"^\[audio \d+ ms\]$",
    spoken_answer=r"^You sent \d+ ms of audio$",
    speech_file="",
    pace=0.0,
)
LOCAL = Subject(
    model="local",
    text_prompt="What is twelve plus thirty?",
    text_answer=r"(?i)\b(42|forty[- ]two)\b",
    long_prompt="Repeat after me: one two three four five six seven eight nine ten, "
    "eleven twelve thirteen fourteen fifteen sixteen seventeen, eighteen nineteen twenty.",
    tool_prompt="What is the weather in Paris?",
    tool_answer=r"(?i)\b(sunny|21|twenty[- ]one)\b",
    transcript=r"(?i)\b(twelve|12)\b.*\b(thirty|30)\b",
    spoken_answer=r"(?i)\b(42|forty[- ]two)\b",
    speech_file="twelve-plus-thirty.flac",
    pace=2.0,
)
SUBJECTS = {subject.model: subject for subject in (ECHO, LOCAL)}


def contains(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text."""
    return re.search(pattern, text) is not None


def is_paris(arguments: str) -> bool:
    """Whether the arguments of a call of ``get_weather`` name Paris."""
    return "paris" in str(json.loads(arguments)["city"]).lower()


async def paced(pcm: bytes, pace: float) -> AsyncIterator[bytes]:
    """The audio in chunks of 40 ms, at ``pace`` times real time (0: without waiting)."""
    chunk_bytes = SAMPLE_RATE_HZ * CHUNK_MS // 1000 * 2
    started_at = anyio.current_time()
    for index, offset in enumerate(range(0, len(pcm), chunk_bytes)):
        if pace:
            await anyio.sleep_until(started_at + index * CHUNK_MS / 1000 / pace)
        yield pcm[offset : offset + chunk_bytes]


def _silence(duration_ms: int) -> bytes:
    return bytes(SAMPLE_RATE_HZ * duration_ms // 1000 * 2)


def _tone_bursts() -> bytes:
    """One second of a tone at -9 dBFS that swells three times: speech to an energy detector."""
    seconds = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    envelope = 0.6 + 0.4 * np.sin(2 * math.pi * 3 * seconds)
    wave = 0.355 * envelope * np.sin(2 * math.pi * 220 * seconds)
    return (wave * 32767).astype("<i2").tobytes()


def _read_pcm16(path: Path) -> bytes:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ:
        positions = np.arange(int(len(samples) * SAMPLE_RATE_HZ / rate_hz)) * rate_hz / SAMPLE_RATE_HZ
        samples = np.interp(positions, np.arange(len(samples)), samples)
    whole: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return whole
