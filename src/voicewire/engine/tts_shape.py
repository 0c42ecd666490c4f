"""Shaping synthesized speech: level, edges, pauses and word times. Pure, on numpy.

Clauses are spoken one by one and played end to end, so every clause gets the same fixed gain (a gain
that follows each clause would pump), starts right away, ends with the pause that its punctuation asks
for, and fades over a few milliseconds at both edges so that nothing clicks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voicewire.engine.stages import Speech, WordTime

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray

_SOUND_LEVEL: Final = 0.003
"""About -50 dBFS: below it lies silence."""
_LEAD_MS: Final = 30
"""Kept before the first sound, for consonants that begin softly."""
_FADE_MS: Final = 5
_SENTENCE_PAUSE_MS: Final = 260
_CLAUSE_PAUSE_MS: Final = 130
_NO_PAUSE_MS: Final = 40
_RELEASE_MS: Final = 30
"""Kept after the last sound, for the voice to die away."""
_CEILING: Final = 0.98
_KNEE: Final = 0.8
_CLOSERS: Final = "\"'”’)]}» "
_SPACE: Final = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as the engine pronounced it, and where; it may be spelled otherwise than in the text."""

    spelling: str
    start_sample: int
    end_sample: int

    def moved(self, by_samples: int, limit_sample: int | None = None) -> TimedWord:
        """The word shifted on the timeline, within 0 and the limit."""
        start, end = max(self.start_sample + by_samples, 0), max(self.end_sample + by_samples, 0)
        if limit_sample is None:
            return TimedWord(self.spelling, start, end)
        return TimedWord(self.spelling, min(start, limit_sample), min(end, limit_sample))


def silence() -> FloatArray:
    """No samples at all."""
    import numpy as np

    return np.zeros(0, dtype=np.float32)


def pause_after_ms(text: str) -> int:
    """The silence that belongs after a text, by its last mark."""
    text = text.rstrip(_CLOSERS)
    if text.endswith((".", "!", "?", "…", "。", "！", "？")):
        return _SENTENCE_PAUSE_MS
    return _CLAUSE_PAUSE_MS if text.endswith((",", ";", ":", "–", "—")) else _NO_PAUSE_MS


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """One finished piece of speech."""

    samples: FloatArray
    cut_samples: int
    """How much was cut from the start."""
    sound_end_sample: int
    """Where the sound ends and the pause begins."""


def shape(samples: FloatArray, rate_hz: int, *, gain: float, pause_ms: int) -> Shaped:
    """Trim, amplify and finish one piece of speech.

    Args:
        samples: float32, shape (n_samples,), mono.
        rate_hz: Its rate.
        gain: The voice's fixed gain, as a factor.
        pause_ms: The silence that follows the last sound.

    Returns:
        The speech; empty when nothing sounds.
    """
    import numpy as np

    sounding = np.flatnonzero(np.abs(samples) > _SOUND_LEVEL / gain)
    if not len(sounding):
        return Shaped(silence(), 0, 0)
    first = max(int(sounding[0]) - rate_hz * _LEAD_MS // 1000, 0)
    last = min(int(sounding[-1]) + 1 + rate_hz * _RELEASE_MS // 1000, len(samples))
    body: FloatArray = samples[first:last] * np.float32(gain)
    _limit(body)
    fade = min(rate_hz * _FADE_MS // 1000, len(body) // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        body[:fade] *= ramp
        body[-fade:] *= ramp[::-1]
    pause = np.zeros(rate_hz * max(pause_ms - _RELEASE_MS, 0) // 1000, dtype=np.float32)
    return Shaped(np.concatenate((body, pause)), first, len(body))


def _limit(samples: FloatArray) -> None:
    """Round off peaks above the knee, sample by sample, so that no gain ever moves with time."""
    import numpy as np

    over = np.abs(samples) > _KNEE
    if over.any():
        room = _CEILING - _KNEE
        excess = np.abs(samples[over]) - _KNEE
        samples[over] = np.sign(samples[over]) * (_KNEE + room * np.tanh(excess / room))


def join(pieces: Sequence[Speech], rate_hz: int) -> Speech:
    """Play pieces one after the other."""
    import numpy as np

    words: list[WordTime] = []
    offset = 0
    for piece in pieces:
        words += [
            WordTime(word.word, word.start_sample + offset, word.end_sample + offset) for word in piece.words
        ]
        offset += len(piece.samples)
    samples = np.concatenate([piece.samples for piece in pieces]) if pieces else silence()
    return Speech(samples, rate_hz, tuple(words))


def spread_words(text: str, start_sample: int, end_sample: int) -> tuple[WordTime, ...]:
    """Estimated word times when the engine gives none: in proportion to the letters."""
    words = text.split()
    return _spread(words, start_sample, end_sample)


def align_words(text: str, spoken: Sequence[TimedWord], *, limit_sample: int) -> tuple[WordTime, ...]:
    """The times of the text's own words, given those of the words that were pronounced.

    Numbers and abbreviations are read in other words than they are written in; a stretch that differs
    shares its time in proportion to the letters. A word that was not pronounced has no length.

    Args:
        text: The text as written.
        spoken: What was pronounced, in order.
        limit_sample: The end of the audio; nothing lies beyond it.
    """
    words = text.split()
    if not spoken:
        return _spread(words, 0, limit_sample)
    times: list[WordTime] = []
    position = 0
    matcher = difflib.SequenceMatcher(
        None, [_bare(word) for word in words], [_bare(word.spelling) for word in spoken], autojunk=False
    )
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for word, timed in zip(words[i1:i2], spoken[j1:j2], strict=True):
                times.append(WordTime(word, timed.start_sample, timed.end_sample))
        elif j1 < j2:
            times += _spread(words[i1:i2], spoken[j1].start_sample, spoken[j2 - 1].end_sample)
        else:
            times += _spread(words[i1:i2], position, position)
        if times:
            position = times[-1].end_sample
    return _monotonic(times, limit_sample)


def _bare(word: str) -> str:
    return "".join(character for character in word if character.isalnum()).casefold() or word


def _spread(words: Sequence[str], start_sample: int, end_sample: int) -> tuple[WordTime, ...]:
    # One more than the letters: a word takes time even when it is one letter.
    weights = [len(_SPACE.sub("", word)) + 1 for word in words]
    total = sum(weights)
    times: list[WordTime] = []
    passed = 0
    for word, weight in zip(words, weights, strict=True):
        start = start_sample + (end_sample - start_sample) * passed // total
        passed += weight
        times.append(WordTime(word, start, start_sample + (end_sample - start_sample) * passed // total))
    return tuple(times)


def _monotonic(times: Sequence[WordTime], limit_sample: int) -> tuple[WordTime, ...]:
    """Nothing overlaps, goes back or lies outside."""
    result: list[WordTime] = []
    position = 0
    for time in times:
        start = min(max(time.start_sample, position), limit_sample)
        end = min(max(time.end_sample, start), limit_sample)
        result.append(WordTime(time.word, start, end))
        position = end
    return tuple(result)
