"""Tiny stages that behave like the real ones and cost nothing: loud is speech, words come from a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from voicewire.engine.brain.base import BrainDelta, BrainDone, BrainOutput, BrainToolCall, BrainTurn
from voicewire.engine.endpoint import SilenceEndpointer
from voicewire.engine.stages import (
    EndpointSettings,
    FloatArray,
    SpeakableCheck,
    Speech,
    Transcript,
    VadState,
    VoiceInfo,
    WordTime,
)
from voicewire.errors import InferenceError, UnsupportedError

SPEECH_RATE_HZ = 24_000
WORD_SAMPLES = 4_800


class FakeVad:
    """Loud frames are speech."""

    def new_state(self) -> VadState:
        return VadState(np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32))

    def probability(self, state: VadState, samples: FloatArray) -> float:
        return 0.99 if float(np.abs(samples).mean()) > 0.05 else 0.01


class FakeRecognizer:
    """Hears the script's next line at each final; the loudness of the audio chooses nothing."""

    languages = ("en",)
    script: list[str] = []  # noqa: RUF012  set by each test
    heard_samples: list[int] = []  # noqa: RUF012
    is_broken = False

    def transcribe(self, samples: FloatArray, *, final: bool, language: str | None = None) -> Transcript:
        cls = type(self)
        if cls.is_broken:
            raise InferenceError("the fake recogniser is broken")
        if language not in (None, "en"):
            raise UnsupportedError(f"the recogniser knows English only, not {language!r}")
        if final:
            cls.heard_samples.append(len(samples))
        text = cls.script[0] if cls.script else ""
        return Transcript(text=text, is_final=final, duration_samples=len(samples), avg_logprob=-0.2)


class FakeSynthesizer:
    """Each word is 200 ms of a constant level."""

    sample_rate_hz = SPEECH_RATE_HZ

    def voices(self) -> list[VoiceInfo]:
        return [VoiceInfo(name="fake", language="en-US")]

    def speakable(self, text: str) -> SpeakableCheck:
        return SpeakableCheck(False, "it is Chinese") if "你" in text else SpeakableCheck(True)

    def synthesize(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> Speech:
        words = text.split()
        return Speech(
            np.full(len(words) * WORD_SAMPLES, 0.25, dtype=np.float32),
            SPEECH_RATE_HZ,
            tuple(WordTime(word, i * WORD_SAMPLES, (i + 1) * WORD_SAMPLES) for i, word in enumerate(words)),
        )


class FakeBrain:
    """Answers by rule and remembers what it was asked."""

    name = "fake"
    turns: list[BrainTurn] = []  # noqa: RUF012

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        type(self).turns.append(turn)
        said = turn.utterance
        last = turn.history[-1] if turn.history else None
        if last is not None and last.role == "tool":
            yield BrainDelta(f"The tool says {last.text}.")
        elif said.startswith("call ") and turn.tools:
            yield BrainToolCall(turn.tools[0].name, "{}")
        elif said == "break":
            raise RuntimeError("secret internals")
        elif said == "speak chinese":
            yield BrainDelta("你好。")
        elif said == "long":
            for number in range(1, 200):
                if cancelled():
                    return
                yield BrainDelta(f"Sentence number {number} is here. ")
        else:
            yield BrainDelta(f"You said {said or 'nothing'}.")
        yield BrainDone(7, 5)

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        pass


def create_brain(*_: Any, **__: Any) -> FakeBrain:
    return FakeBrain()


class HastyEndpointer(SilenceEndpointer):
    """Ends every turn after 96 ms of silence."""

    def __init__(self, settings: EndpointSettings) -> None:
        super().__init__(replace(settings, silence_ms=96, speculate_after_ms=64, hesitation_silence_ms=96))


class FakeTurnModel:
    """Never sure."""

    calls = 0

    def probability(self, samples: FloatArray) -> float:
        type(self).calls += 1
        return 0.5
