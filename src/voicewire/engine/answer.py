"""One answer: brain, clauses and synthesis, run in an engine thread, told to the event loop fact by fact.

An answer may be started before the user's turn is certain. It then prepares its first clause and waits at
a gate until it is released (the turn is over) or cancelled (the user went on speaking, or interrupted).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from voicewire.engine.brain.base import (
    BrainDelta,
    BrainDone,
    BrainOutput,
    BrainTimer,
    BrainToolCall,
    BrainTurn,
)
from voicewire.engine.stages import Speech, WordTime
from voicewire.engine.text import ClauseSplitter, SpokenText, spoken_text
from voicewire.errors import UnsupportedError, VoicewireError

if TYPE_CHECKING:
    from voicewire.engine.runtime import EngineRuntime

CLAUSES_BEFORE_RELEASE = 1
"""How much a speculative answer prepares: one clause covers the time that the rest needs."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A piece of the answer's words."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerAudio:
    """One clause as it is heard: its audio, and its words at their places."""

    pcm: bytes
    """16-bit little-endian mono at the synthesizer's rate."""
    words: tuple[WordTime, ...]
    """The clause as written, cut at the spoken words; times in samples from the start of this clause."""


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """The answer calls a function."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The answer is complete."""

    input_tokens: int
    output_tokens: int
    is_cut_short: bool
    """The token limit ended it."""


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """The answer could not be made."""

    error: VoicewireError


AnswerFact: TypeAlias = AnswerText | AnswerAudio | AnswerTool | AnswerDone | AnswerFailed


@dataclass(slots=True)
class AnswerMarks:
    """When things happened, in ``time.monotonic_ns()``; 0 for not yet."""

    first_token_ns: int = 0
    first_clause_ns: int = 0
    first_audio_ns: int = 0
    """The first clause's audio was ready."""


class AnswerJob:
    """One answer to one turn.

    Args:
        runtime: The loaded models.
        turn: What to answer.
        voice: A voice's name, empty for the default one.
        speed: 0.5 to 2.0.
        wants_audio: False for a text answer.
        post: Takes each fact; called from the engine thread, in order, never after ``cancel`` returned true
            to it being stale, at most one call at a time.

    Concurrency: ``run`` in one engine thread; ``release`` and ``cancel`` from any thread.
    """

    def __init__(
        self,
        runtime: EngineRuntime,
        turn: BrainTurn,
        *,
        voice: str,
        speed: float,
        wants_audio: bool,
        post: Callable[[AnswerFact], None],
    ) -> None:
        self.turn = turn
        self.marks = AnswerMarks()
        self._runtime = runtime
        self._voice = voice or None
        self._speed = speed
        self._wants_audio = wants_audio
        self._post = post
        self._gate = threading.Event()
        self._is_cancelled = False
        self._clauses = 0

    def release(self) -> None:
        """The turn is certain: go on past the gate. Idempotent."""
        self._gate.set()

    def cancel(self) -> None:
        """Stop at the next token or clause. Idempotent."""
        self._is_cancelled = True
        self._gate.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the answer is no longer wanted."""
        return self._is_cancelled

    def run(self) -> None:
        """Makes the answer. Every outcome is posted; nothing is raised."""
        try:
            self._run()
        except VoicewireError as error:
            self._tell(AnswerFailed(error))
        except Exception as error:  # the thread's boundary: whatever a replaced stage raises must be reported
            self._tell(AnswerFailed(VoicewireError(f"the engine failed on this turn: {error!r}")))

    def _run(self) -> None:
        splitter = ClauseSplitter()
        for output in self._runtime.brain.respond(self.turn, lambda: self._is_cancelled):
            if self._is_cancelled:
                return
            self._take(output, splitter)

    def _take(self, output: BrainOutput, splitter: ClauseSplitter) -> None:
        match output:
            case BrainDelta(text):
                self._mark("first_token_ns")
                for clause in splitter.push(text):
                    self._say(clause)
            case BrainToolCall(name, arguments):
                self._mark("first_token_ns")
                for clause in splitter.flush():
                    self._say(clause)
                self._pass_gate()
                self._tell(AnswerTool(name, arguments))
            case BrainDone(input_tokens, output_tokens, finish):
                for clause in splitter.flush():
                    self._say(clause)
                self._tell(AnswerDone(input_tokens, output_tokens, finish == "length"))
            case BrainTimer():
                pass  # only told to callers that keep timers; this one does not say that it does

    def _say(self, clause: str) -> None:
        """One clause: its words first, then its audio."""
        self._mark("first_clause_ns")
        if self._clauses >= CLAUSES_BEFORE_RELEASE:
            self._pass_gate()
        if self._is_cancelled:
            return
        self._clauses += 1
        if not self._wants_audio:
            self._tell(AnswerText(clause))
            return
        spoken = spoken_text(clause)
        check = self._runtime.synthesizer.speakable(spoken.text)
        if not check.is_speakable:
            raise UnsupportedError(f"the engine cannot say {clause.strip()[:80]!r}: {check.reason}")
        speech = self._runtime.synthesizer.synthesize(spoken.text, voice=self._voice, speed=self._speed)
        if not len(speech.samples):
            self._tell(AnswerText(clause))
            return
        from voicewire.audio.pcm import float32_to_pcm16

        self._mark("first_audio_ns")
        self._tell(AnswerAudio(float32_to_pcm16(speech.samples), written_words(spoken, speech)))

    def _pass_gate(self) -> None:
        self._gate.wait()

    def _tell(self, fact: AnswerFact) -> None:
        if not self._is_cancelled:
            self._post(fact)

    def _mark(self, name: str) -> None:
        if getattr(self.marks, name) == 0:
            setattr(self.marks, name, time.monotonic_ns())


def written_words(spoken: SpokenText, speech: Speech) -> tuple[WordTime, ...]:
    """The words as they are written, where they are heard; put together they are the clause.

    A voice that gives no word times, or others than it was asked for, gives the whole clause at its start.
    """
    if len(speech.words) != len(spoken.words) or not speech.words:
        return (WordTime(spoken.source, 0, len(speech.samples)),)
    parts = [spoken.heard(count) for count in range(len(spoken.words) + 1)]
    return tuple(
        WordTime(after[len(before) :], time.start_sample, time.end_sample)
        for before, after, time in zip(parts, parts[1:], speech.words, strict=False)
    )
