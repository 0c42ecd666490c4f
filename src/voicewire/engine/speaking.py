"""From an answer's facts to the host: paced to the listener, words timed on the response's own timeline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from voicewire.clock import Clock
from voicewire.conversation.heard import Word
from voicewire.engine.answer import AnswerFact
from voicewire.engine.stages import WordTime
from voicewire.streams import BoundedStream

LEAD_MS = 1500
"""How far ahead of the listener audio is sent. Enough for a stumbling network or page, little enough that a
response is still active when the listener interrupts it (its end then says so)."""

DELTA_MS = 100
"""Audio of one delta. The first is shorter, so that it is heard sooner."""

FIRST_DELTA_MS = 40

MAX_FACTS = 4096
"""Facts of one answer that may wait; its token limit keeps it far below."""


class FactStream:
    """Takes an answer's facts over from its engine thread to the event loop.

    Bounded by ``MAX_FACTS`` (an answer's own token limit is far lower); full means a broken brain, and ends
    the answer with ``ConsumerTooSlow``.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream: BoundedStream[AnswerFact] = BoundedStream(
            "answer facts", policy="fail", max_items=MAX_FACTS
        )

    def post(self, fact: AnswerFact) -> None:
        """From the engine's thread. Facts for a loop that is gone are dropped."""
        try:
            self._loop.call_soon_threadsafe(self._stream.put_nowait, fact)
        except RuntimeError:  # the loop was closed while the thread was still at work
            return

    async def get(self) -> AnswerFact:
        """The next fact. Cancellation: safe, no fact is lost."""
        return await self._stream.get()


class Pacer:
    """Lets audio out no more than ``LEAD_MS`` ahead of a listener who hears it in real time."""

    def __init__(self, clock: Clock, rate_hz: int) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._began_ns: int | None = None
        self._sent_samples = 0

    @property
    def sent_samples(self) -> int:
        """Samples let out so far."""
        return self._sent_samples

    async def pass_(self, samples: int) -> None:
        """Waits until these samples may go. Cancellation: they have not gone."""
        now = self._clock.now_ns()
        if self._began_ns is None:
            self._began_ns = now
        ahead_ns = self._sent_samples * 1_000_000_000 // self._rate_hz - LEAD_MS * 1_000_000
        due = self._began_ns + ahead_ns
        if due > now:
            await self._clock.sleep_until_ns(due)
        elif self._sent_samples and now - self._began_ns > (ahead_ns + 2 * LEAD_MS * 1_000_000):
            # The answer itself stalled and the listener ran dry: real time begins again from here.
            self._began_ns = now - self._sent_samples * 1_000_000_000 // self._rate_hz
        self._sent_samples += samples


@dataclass(frozen=True, slots=True)
class Piece:
    """One delta's worth of audio."""

    pcm: bytes
    """16-bit mono."""
    words: tuple[Word, ...]
    """The words that begin in it, in samples from the start of the response."""


def cut(pcm: bytes, words: tuple[WordTime, ...], *, rate_hz: int, offset_samples: int) -> list[Piece]:
    """Cuts a clause into deltas.

    Args:
        pcm: 16-bit mono.
        words: Times from the start of the clause.
        rate_hz: Rate of the audio and of all positions.
        offset_samples: Where the clause begins in the response; 0 makes a short first delta.
    """
    found: list[Piece] = []
    position = 0
    total = len(pcm) // 2
    while position < total:
        length_ms = FIRST_DELTA_MS if offset_samples + position == 0 else DELTA_MS
        end = min(total, position + rate_hz * length_ms // 1000)
        is_last = end == total
        inside = tuple(
            Word(word.word, word.start_sample + offset_samples, word.end_sample + offset_samples)
            for word in words
            if position <= word.start_sample and (word.start_sample < end or is_last)
        )
        found.append(Piece(pcm[2 * position : 2 * end], inside))
        position = end
    return found
